/* SPDX-License-Identifier: Apache-2.0 */
/* tare pull: images from registries. */
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry_opts.h"
#include "cli/session.h"
#include "engine/pull.h"
#include "registry/remote.h"

struct args {
	const char *platform, *progress;
	bool quiet, all_tags, keep_blobs;
	struct registry_opts r;
};

static const struct opt opts[] = {
	{ 'a', "all-tags", NULL, OPT_BOOL, offsetof(struct args, all_tags), "pull every tag of the repository" },
	{ 0, "keep-blobs", NULL, OPT_BOOL, offsetof(struct args, keep_blobs), "keep the compressed layers in the store, too" },
	{ 0, "platform", "OS/ARCH", OPT_STR, offsetof(struct args, platform), "take the image made for OS/ARCH[/VARIANT]" },
	{ 0, "progress", "MODE", OPT_STR, offsetof(struct args, progress), "auto, tty, plain, json or quiet" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct args, quiet), "print only the name" },
	REGISTRY_OPTS(offsetof(struct args, r)),
	{ 0 },
};

static void defaults(void *p)
{
	struct args *a = p;

	a->progress = "auto";
	a->r.tls_verify = true;
}

/* What Docker says before and after. */
static void print_begin(FILE *out, const struct ref *r, bool default_tag)
{
	char text[DIGEST_TEXT_MAX];

	if (default_tag)
		fprintf(out, "Using default tag: latest\n");
	fprintf(out, "%s: Pulling from %s\n", r->has_digest ? digest_text(&r->digest, text) : r->tag, r->path);
	fflush(out);
}

static void print_end(FILE *out, const struct ref *r, const struct pulled *p)
{
	char text[REF_TEXT_MAX];

	fprintf(out, "Digest: %s\n", digest_text(&p->digest, text));
	fprintf(out, "Status: %s %s\n", p->newer ? "Downloaded newer image for" : "Image is up to date for",
		ref_familiar(r, text));
	fprintf(out, "%s\n", p->name);
}

static int pull_one(struct cli *c, struct session *ss, const struct args *a, struct pull_args *pa, struct err *e)
{
	struct pulled p;
	struct ref ref;

	if (ref_parse(str_of(pa->name), &ref, e) < 0)
		return -1;
	if (!a->quiet)
		print_begin(c->out, &ref, !ref.has_digest && !str_ends(str_of(pa->name), ref.tag));
	if (engine_pull(&ss->job, ss->store, pa, &p, e) < 0)
		return -1;
	if (a->quiet)
		fprintf(c->out, "%s\n", p.name);
	else
		print_end(c->out, &ref, &p);
	return 0;
}

static int pull_tags(struct cli *c, struct session *ss, const struct args *a, struct pull_args *pa, struct err *e)
{
	auto_wire struct wire *w = NULL;
	auto_strv struct strv tags = { 0 };
	const char *name = pa->name;
	struct remote *r;
	struct ref ref;

	if (ref_parse(str_of(name), &ref, e) < 0)
		return -1;
	if (ref.has_digest || !str_ends(str_of(ref.path), strrchr(name, '/') ? strrchr(name, '/') + 1 : name))
		return err_set(e, ERR_USAGE, "--all-tags wants a repository, not %s", name);
	r = remote_new(pa->client, &ref, &(struct remote_opts){ 0 });
	w = &r->w;
	if (remote_tags(&ss->job, r, &tags, e) < 0)
		return err_wrap(e, "%s", name);
	for (size_t i = 0; i < tags.n; i++) {
		auto_free char *one = xasprintf("%s:%s", name, tags.v[i]);

		pa->name = one;
		if (pull_one(c, ss, a, pa, e) < 0)
			return -1;
	}
	return 0;
}

static int pull_all(struct cli *c, struct session *ss, const struct args *a, const char *name, struct err *e)
{
	struct client_options co = registry_options(&a->r);
	auto_client struct client *client = NULL;
	struct pull_args pa = { .name = name, .keep_blobs = a->keep_blobs };
	struct platform want;

	if (a->platform && platform_parse(str_of(a->platform), &want, e) < 0)
		return -1;
	if (client_new(&co, &client, e) < 0)
		return -1;
	pa.want = a->platform ? &want : NULL;
	pa.client = client;
	return a->all_tags ? pull_tags(c, ss, a, &pa, e) : pull_one(c, ss, a, &pa, e);
}

static int pull_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
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
	r = pull_all(c, &ss, a, argv[0], e);
	progress_free(pr);
	session_close(&ss);
	return r;
}

const struct cmd cmd_pull = {
	.name = "pull", .synopsis = "[options] NAME[:TAG|@DIGEST]", .about = "Fetch an image from a registry.",
	.opts = opts, .args_size = sizeof(struct args), .min = 1, .max = 1, .defaults = defaults, .run = pull_run,
};
