/* SPDX-License-Identifier: Apache-2.0 */
/* tare rm: remove containers. */
#include "cli/cmd.h"
#include "cli/session.h"
#include "engine/control.h"

struct args {
	bool force, volumes;
};

static const struct opt opts[] = {
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct args, force), "kill it first if it runs; a missing one is no failure" },
	{ 'v', "volumes", NULL, OPT_BOOL, offsetof(struct args, volumes), "also its anonymous volumes" },
	{ 0 },
};

/* Each is tried, whatever became of those before it. */
static int rm_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	const struct args *a = p;
	struct session ss;
	int status = 0;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	for (int i = 0; i < argc; i++) {
		auto_err struct err one = { 0 };

		if (engine_rm(&ss.job, ss.store, argv[i], a->force, a->volumes, &one) == 0) {
			fprintf(c->out, "%s\n", argv[i]);
			continue;
		}
		fprintf(c->err, "tare: %s\n", err_text(&one));
		if (one.hint)
			fprintf(c->err, "  hint: %s\n", one.hint);
		if (!a->force || one.kind != ERR_NOT_FOUND)
			status = 1;
	}
	session_close(&ss);
	return status;
}

const struct cmd cmd_rm = {
	.name = "rm", .synopsis = "[options] CONTAINER...", .about = "Remove containers.",
	.opts = opts, .args_size = sizeof(struct args), .min = 1, .max = -1, .run = rm_run,
};
