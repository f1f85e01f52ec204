/* SPDX-License-Identifier: Apache-2.0 */
/* tare copy: images from one end to another. */
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/push_opts.h"
#include "cli/session.h"
#include "engine/image_copy.h"

struct args {
	struct push_cli p;
	struct strv platforms;
	const char *progress;
	bool all, quiet;
	struct registry_opts r;
};

static const struct opt opts[] = {
	{ 0, "all", NULL, OPT_BOOL, offsetof(struct args, all), "copy an index with all that it points to" },
	{ 0, "platform", "OS/ARCH", OPT_LIST, offsetof(struct args, platforms),
	  "the image for OS/ARCH[/VARIANT]; with --all (may be repeated): of the index only these" },
	PUSH_OPTS(offsetof(struct args, p)),
	{ 0, "progress", "MODE", OPT_STR, offsetof(struct args, progress), "auto, tty, plain, json or quiet" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct args, quiet), "do not print the digest" },
	REGISTRY_OPTS(offsetof(struct args, r)),
	{ 0 },
};

static void defaults(void *p)
{
	struct args *a = p;

	a->progress = "auto";
	a->r.tls_verify = true;
}

static int copy_one(struct cli *c, struct session *ss, const struct args *a, char **argv, struct err *e)
{
	auto_free struct platform *v = xcalloc(a->platforms.n + 1, sizeof(*v));
	struct client_options co = registry_options(&a->r);
	auto_client struct client *client = NULL;
	struct image_copy_args ca = { .from = argv[0], .to = argv[1] };
	char text[DIGEST_TEXT_MAX];
	struct digest d;

	for (size_t i = 0; i < a->platforms.n; i++)
		if (platform_parse(str_of(a->platforms.v[i]), &v[i], e) < 0)
			return -1;
	if (a->platforms.n > 1 && !a->all)
		return err_set(e, ERR_USAGE, "several platforms want --all");
	if (push_cli_options(&a->p, &ca.p, &ca.chunk, e) < 0 || client_new(&co, &client, e) < 0)
		return -1;
	ca.client = client;
	ca.w = (struct wire_opts){ .all = a->all, .want = !a->all && a->platforms.n ? v : NULL, .only = v,
		.nonly = a->all ? a->platforms.n : 0, .foreign = a->p.foreign, .has_format = ca.p.has_format,
		.docker = ca.p.docker };
	if (engine_image_copy(&ss->job, ss->store, &ca, &d, e) < 0)
		return -1;
	if (!a->quiet)
		fprintf(c->out, "%s\n", digest_text(&d, text));
	return 0;
}

static int copy_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct args *a = p;
	struct progress *pr = NULL;
	struct session ss;
	int r;

	if (progress_new(a->quiet ? "quiet" : a->progress, c->err, &pr, e) < 0)
		return -1;
	if (session_open(&ss, c, progress_sink(pr), e) < 0) {
		progress_free(pr);
		return -1;
	}
	r = copy_one(c, &ss, a, argv, e);
	progress_free(pr);
	session_close(&ss);
	return r;
}

const struct cmd cmd_copy = {
	.name = "copy", .synopsis = "[options] FROM TO",
	.about = "Copy an image between registries, layouts, archives and the store.",
	.opts = opts, .args_size = sizeof(struct args), .min = 2, .max = 2, .defaults = defaults, .run = copy_run,
};
