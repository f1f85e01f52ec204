/* SPDX-License-Identifier: Apache-2.0 */
/* tare gc: give disk space back. */
#include "base/clock.h"
#include "cache/gc.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"
#include "engine/sweep.h"

struct args {
	bool all, dry_run;
	uint64_t keep;		/* KEEP_UNSET: not given */
	const char *until;
};

#define KEEP_UNSET UINT64_MAX

static const struct opt opts[] = {
	{ 'a', "all", NULL, OPT_BOOL, offsetof(struct args, all),
	  "also untagged images, cache mounts, and build cache that no image needs" },
	{ 0, "keep-storage", "SIZE", OPT_BYTES, offsetof(struct args, keep),
	  "shrink the build cache to SIZE, least recently used first" },
	{ 0, "until", "DURATION", OPT_STR, offsetof(struct args, until),
	  "drop build cache not used for DURATION (\"72h\"); with the others: spare what is newer" },
	{ 'n', "dry-run", NULL, OPT_BOOL, offsetof(struct args, dry_run),
	  "only say what would go" },
	{ 0 },
};

static void gc_defaults(void *p)
{
	struct args *a = p;

	a->keep = KEEP_UNSET;
}

static int gc_options(const struct args *a, struct gc_opts *ret, struct err *e)
{
	*ret = (struct gc_opts){ .all = a->all, .dry_run = a->dry_run };
	if (a->keep != KEEP_UNSET) {
		ret->has_keep = true;
		ret->keep = a->keep;
	}
	if (!a->until)
		return 0;
	if (!clock_parse_duration(str_of(a->until), &ret->until_ns) || ret->until_ns <= 0) {
		err_set(e, ERR_USAGE, "--until %s: not a duration", a->until);
		return err_hint(e, "write it like 72h or 1h30m");
	}
	return 0;
}

static void print_result(FILE *out, const struct gc_result *r, bool dry_run)
{
	const struct { const char *what; struct gc_count c; bool rows; } lines[] = {
		{ "untagged images", r->images, true },
		{ "build cache entries", r->keys, true },
		{ "layers", r->layers, false },
		{ "manifests and configs", r->blobs, false },
		{ "cache mounts", r->mounts, false },
		{ "unfinished work", r->leases, false },
		{ "unfinished files", r->temps, false },
		{ "logs of builds", r->logs, false },
		{ "listings of files", r->trees, true },
	};
	char size[FORMAT_SIZE_MAX];

	for (size_t i = 0; i < countof(lines); i++)
		if (lines[i].c.n)
			fprintf(out, "%6llu %-22s %s\n", (unsigned long long)lines[i].c.n,
				lines[i].what,
				lines[i].rows ? "" : format_size(lines[i].c.bytes, 4, size));
	fprintf(out, "%s %s\n", dry_run ? "would free" : "freed", format_size(r->bytes, 4, size));
}

static int gc_main(struct cli *c, void *args, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	struct args *a = args;
	struct gc_result r;
	struct session s;
	struct gc_opts o;
	int ret;

	if (gc_options(a, &o, e) < 0 || session_open_plain(&s, c, e) < 0)
		return -1;
	if (!a->dry_run)
		engine_sweep_all(s.store);
	ret = gc_run(s.store, &o, &r, e);
	session_close(&s);
	if (ret == 0)
		print_result(c->out, &r, a->dry_run);
	return ret;
}

const struct cmd cmd_gc = {
	.name = "gc",
	.synopsis = "[options]",
	.about = "remove what nothing needs any more",
	.opts = opts,
	.args_size = sizeof(struct args),
	.defaults = gc_defaults,
	.max = 0,
	.run = gc_main,
};
