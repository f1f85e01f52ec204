/* SPDX-License-Identifier: Apache-2.0 */
/* tare image prune, system prune. */
#include "cli/cmd.h"
#include "cli/session.h"
#include "cli/show.h"
#include "engine/prune.h"

struct args {
	struct strv filters;
	bool all, force, volumes;
};

#define FILTERS "only those: until=TIME, label=K[=V], label!=K[=V]"

/* ---- image prune ---- */

static const struct opt image_opts[] = {
	{ 'a', "all", NULL, OPT_BOOL, offsetof(struct args, all), "also images with a name" },
	{ 0, "filter", "KEY=VALUE", OPT_LIST, offsetof(struct args, filters), FILTERS },
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct args, force), "do not ask" },
	{ 0 },
};

static int image_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct args *a = p;
	auto_strv struct strv removed = { 0 };
	struct session ss;
	uint64_t bytes = 0;
	int r;

	if (!a->force && !show_confirm(c, !a->all ? "This will remove all dangling images." :
				       "This will remove all images without at least one container associated to them."))
		return 0;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_image_prune(ss.store, a->all, &a->filters, &removed, &bytes, e);
	session_close(&ss);
	show_deleted(c->out, "Images", &removed);
	if (r == 0)
		show_reclaimed(c->out, bytes);
	return r;
}

const struct cmd cmd_image_prune = {
	.name = "image prune", .synopsis = "[options]", .about = "Remove images that nothing uses.", .opts = image_opts,
	.args_size = sizeof(struct args), .run = image_run,
};

/* ---- system prune ---- */

static const struct opt system_opts[] = {
	{ 'a', "all", NULL, OPT_BOOL, offsetof(struct args, all), "also images with a name, and all build cache" },
	{ 0, "filter", "KEY=VALUE", OPT_LIST, offsetof(struct args, filters), FILTERS },
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct args, force), "do not ask" },
	{ 0, "volumes", NULL, OPT_BOOL, offsetof(struct args, volumes), "also anonymous volumes" },
	{ 0 },
};

static void warning(const struct args *a, struct buf *ret)
{
	buf_puts(ret, "This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n");
	if (a->volumes)
		buf_puts(ret, "  - all anonymous volumes not used by at least one container\n");
	buf_puts(ret, a->all ? "  - all images without at least one container associated to them\n  - all build cache\n" :
		 "  - all dangling images\n  - unused build cache\n");
	if (a->filters.n)
		buf_puts(ret, "\n  Items to be pruned will be filtered with:\n");
	for (size_t i = 0; i < a->filters.n; i++)
		buf_printf(ret, "  - %s\n", a->filters.v[i]);
}

static int system_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct args *a = p;
	auto_buf struct buf text = { 0 };
	struct system_prune gone = { 0 };
	struct session ss;
	int r;

	warning(a, &text);
	if (!a->force && !show_confirm(c, text.p))
		return 0;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_system_prune(&ss.job, ss.store, a->all, a->volumes, &a->filters, &gone, e);
	session_close(&ss);
	show_deleted(c->out, "Containers", &gone.containers);
	show_deleted(c->out, "Networks", &gone.networks);
	show_deleted(c->out, "Volumes", &gone.volumes);
	show_deleted(c->out, "Images", &gone.images);
	if (r == 0)
		show_reclaimed(c->out, gone.bytes);
	system_prune_done(&gone);
	return r;
}

const struct cmd cmd_system_prune = {
	.name = "system prune", .synopsis = "[options]", .about = "Remove what nothing uses: containers, networks, images, cache.",
	.opts = system_opts, .args_size = sizeof(struct args), .run = system_run,
};
