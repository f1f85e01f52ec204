/* SPDX-License-Identifier: Apache-2.0 */
/* tare build: the command line of engine/build. */
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry_opts.h"
#include "cli/session.h"
#include "engine/build.h"

struct args {
	struct build_args b;
	const char *progress, *iidfile;
	bool quiet;
	struct registry_opts r;
};

static const struct opt opts[] = {
	{ 't', "tag", "NAME[:TAG]", OPT_LIST,
	  offsetof(struct args, b.tags), "name the image; may be repeated" },
	{ 'f', "file", "FILE", OPT_STR,
	  offsetof(struct args, b.file), "the Dockerfile (default CONTEXT/Dockerfile); - is standard input" },
	{ 0, "target", "STAGE", OPT_STR,
	  offsetof(struct args, b.target), "build this stage instead of the last" },
	{ 0, "build-arg", "K[=V]", OPT_LIST,
	  offsetof(struct args, b.args), "set an ARG; without =V from the environment" },
	{ 0, "label", "K=V", OPT_LIST,
	  offsetof(struct args, b.labels), "add a label to the image" },
	{ 0, "network", "MODE", OPT_STR,
	  offsetof(struct args, b.network), "network of RUN steps: default, none or host" },
	{ 0, "allow", "WHAT", OPT_LIST,
	  offsetof(struct args, b.allow), "let RUN steps have more: network.host, device, device=NAME" },
	{ 0, "no-cache", NULL, OPT_BOOL, offsetof(struct args, b.no_cache), "run every step anew" },
	{ 0, "no-cache-filter", "STAGE", OPT_LIST,
	  offsetof(struct args, b.no_cache_filter), "run the steps of these stages anew" },
	{ 0, "pull", NULL, OPT_BOOL,
	  offsetof(struct args, b.pull), "ask the registries for newer base images" },
	{ 0, "progress", "MODE", OPT_STR,
	  offsetof(struct args, progress), "auto, tty, plain, json or quiet" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct args, quiet), "print only the image's id" },
	{ 0, "iidfile", "FILE", OPT_STR,
	  offsetof(struct args, iidfile), "write the image's id to FILE" },
	{ 0, "workers", "N", OPT_NUM,
	  offsetof(struct args, b.workers), "run at most N steps at the same time" },
	REGISTRY_OPTS(offsetof(struct args, r)),
	{ 0 },
};

static void build_defaults(void *p)
{
	struct args *a = p;

	a->progress = "auto";
	a->r.tls_verify = true;
}

/* The failure, so that its cause is the last thing on the screen. */
static void print_failure(FILE *out, const struct build_report *r)
{
	if (r->diagnostics)
		fputs(r->diagnostics, out);
	if (!r->step)
		return;
	fprintf(out, "------\n%s", r->place ? r->place : "");
	if (r->log_tail && *r->log_tail)
		fprintf(out, "------ last lines of %s\n%s------\n", r->log_path, r->log_tail);
}

static int write_iid(const char *path, const char *id, struct err *e)
{
	FILE *f = fopen(path, "we");
	int r;

	if (!f)
		return err_sys(e, "write the image id to %s", path);
	r = fputs(id, f);
	return fclose(f) != 0 || r < 0 ? err_sys(e, "write the image id to %s", path) : 0;
}

static int build_report_end(struct cli *c, struct args *a, int r, const struct build_report *rep, struct err *e)
{
	char id[DIGEST_TEXT_MAX];

	if (r < 0) {
		print_failure(c->err, rep);
		if (rep->step && e->kind != ERR_CANCELLED)
			err_wrap(e, "%s", rep->step);
		return -1;
	}
	if (rep->diagnostics && !a->quiet)
		fputs(rep->diagnostics, c->err);
	digest_text(&rep->config, id);
	if (a->iidfile && write_iid(a->iidfile, id, e) < 0)
		return -1;
	if (a->quiet)
		fprintf(c->out, "%s\n", id);
	return 0;
}

static int build_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	struct args *a = p;
	struct client_options co = registry_options(&a->r);
	struct build_report rep = { 0 };
	struct session ss;
	struct progress *pr = NULL;
	int r;

	a->b.context = argv[0];
	a->b.registry = &co;
	if (progress_new(a->quiet ? "quiet" : a->progress, c->err, &pr, e) < 0)
		return -1;
	if (session_open(&ss, c, progress_sink(pr), e) < 0) {
		progress_free(pr);
		return -1;
	}
	r = engine_build(&ss.job, ss.store, &a->b, &rep, e);
	progress_free(pr);
	r = build_report_end(c, a, r, &rep, e);
	build_report_done(&rep);
	session_close(&ss);
	return r;
}

const struct cmd cmd_build = {
	.name = "build", .synopsis = "[options] CONTEXT|-", .about = "Build an image from a Dockerfile.",
	.opts = opts, .args_size = sizeof(struct args), .min = 1, .max = 1,
	.defaults = build_defaults, .run = build_run,
};
