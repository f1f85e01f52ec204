/* SPDX-License-Identifier: Apache-2.0 */
/* tare run, tare create: the command lines of engine/run. */
#include "cli/cmd.h"
#include "cli/run_opts.h"
#include "cli/session.h"

static void take_operands(struct run_opts *a, int argc, char **argv)
{
	run_opts_ready(a);
	a->r.image = argv[0];
	a->r.command = (struct strv){ argv + 1, (size_t)argc - 1 };	/* borrowed: argv outlives us */
}

static bool prints_id(const struct run_args *a)
{
	return a->detach || (a->attach.n && !strv_has(&a->attach, "stdout") && !strv_has(&a->attach, "stderr"));
}

static int run_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct run_opts *a = p;
	struct notes notes = notes_to(a->quiet ? NULL : c->err);
	char id[CONTAINER_ID_MAX];
	struct session ss;
	int status, r;

	take_operands(a, argc, argv);
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	ss.job.sink = &notes.sink;
	r = engine_run(&ss.job, ss.store, &a->r, id, &status, e);
	session_close(&ss);
	if (*id && prints_id(&a->r))
		fprintf(c->out, "%s\n", id);
	if (r < 0 && e->kind != ERR_CANCELLED) {
		print_failure(c->err, e);
		r = status;
	}
	return r < 0 ? -1 : status;
}

const struct cmd cmd_run = {
	.name = "run", .synopsis = "[options] IMAGE [COMMAND [ARG...]]", .about = "Run a command in a new container.",
	.opts = run_opts, .args_size = sizeof(struct run_opts), .min = 1, .max = -1, .stop = true, .run = run_run,
	.defaults = run_opts_defaults, .fail_status = 125,
};

static int create_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct run_opts *a = p;
	struct notes notes = notes_to(a->quiet ? NULL : c->err);
	struct start *st;
	struct session ss;
	int r;

	take_operands(a, argc, argv);
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	ss.job.sink = &notes.sink;
	r = engine_create(&ss.job, ss.store, &a->r, false, &st, e);
	if (r == 0) {
		fprintf(c->out, "%s\n", st->c->id);
		start_free(st);
	}
	session_close(&ss);
	return r;
}

const struct cmd cmd_create = {
	.name = "create", .synopsis = "[options] IMAGE [COMMAND [ARG...]]", .about = "Make a container, but don't start it.",
	.opts = run_opts + RUN_ONLY, .args_size = sizeof(struct run_opts), .min = 1, .max = -1, .stop = true,
	.run = create_run, .defaults = run_opts_defaults, .fail_status = 125,
};
