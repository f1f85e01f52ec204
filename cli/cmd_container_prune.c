/* SPDX-License-Identifier: Apache-2.0 */
/* tare container prune. */
#include "cli/cmd.h"
#include "cli/session.h"
#include "cli/show.h"
#include "engine/container.h"

struct args {
	struct strv filters;
	bool force;
};

static const struct opt opts[] = {
	{ 0, "filter", "KEY=VALUE", OPT_LIST, offsetof(struct args, filters), "only those: until=TIME, label=K[=V], label!=K[=V]" },
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct args, force), "do not ask" },
	{ 0 },
};

static int prune_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct args *a = p;
	auto_strv struct strv removed = { 0 };
	struct session ss;
	uint64_t bytes = 0;
	int r;

	if (!a->force && !show_confirm(c, "This will remove all stopped containers."))
		return 0;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_container_prune(&ss.job, ss.store, &a->filters, &removed, &bytes, e);
	session_close(&ss);
	show_deleted(c->out, "Containers", &removed);
	if (r == 0)
		show_reclaimed(c->out, bytes);
	return r;
}

const struct cmd cmd_container_prune = {
	.name = "container prune", .synopsis = "[options]", .about = "Remove all stopped containers.", .opts = opts,
	.args_size = sizeof(struct args), .run = prune_run,
};
