/* SPDX-License-Identifier: Apache-2.0 */
/* tare tags, digest, manifest inspect: what a registry has. */
#include "cli/cmd.h"
#include "cli/registry_opts.h"
#include "cli/session.h"
#include "registry/remote.h"

struct args {
	const char *platform;
	bool raw;
	struct registry_opts r;
};

static void defaults(void *p)
{
	struct args *a = p;

	a->r.tls_verify = true;
}

/* What all three have: a job, a client, a repository. */
struct asking {
	struct session ss;
	struct client *client;
	struct remote *r;
};

static int asking_open(struct asking *k, struct cli *c, const struct args *a, const char *name, struct err *e)
{
	struct client_options co = registry_options(&a->r);
	struct ref ref;

	*k = (struct asking){ .client = NULL };
	if (str_starts(str_of(name), "docker://"))
		name += strlen("docker://");
	if (ref_parse(str_of(name), &ref, e) < 0 || session_open(&k->ss, c, NULL, e) < 0)
		return -1;
	if (client_new(&co, &k->client, e) < 0) {
		session_close(&k->ss);
		return -1;
	}
	k->r = remote_new(k->client, &ref, &(struct remote_opts){ 0 });
	return 0;
}

static void asking_close(struct asking *k)
{
	wire_free(&k->r->w);
	client_free(k->client);
	session_close(&k->ss);
}

static int no_such(const char *name, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "no such image in the registry: %s", name);
}

static int tags_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	auto_strv struct strv tags = { 0 };
	struct asking k;
	int r;

	if (asking_open(&k, c, p, argv[0], e) < 0)
		return -1;
	r = remote_tags(&k.ss.job, k.r, &tags, e);
	for (size_t i = 0; r == 0 && i < tags.n; i++)
		fprintf(c->out, "%s\n", tags.v[i]);
	asking_close(&k);
	return r;
}

static int digest_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct args *a = p;
	char text[DIGEST_TEXT_MAX];
	struct platform want;
	struct asking k;
	struct digest d;
	int r;

	if (a->platform && platform_parse(str_of(a->platform), &want, e) < 0)
		return -1;
	if (asking_open(&k, c, a, argv[0], e) < 0)
		return -1;
	if (a->platform) {
		auto_doc struct wire_doc doc = { 0 };

		r = wire_image(&k.ss.job, &k.r->w, &want, &doc, NULL, e) < 0 ? -1 : 1;
		d = doc.digest;
	} else {
		r = remote_digest(&k.ss.job, k.r, &d, e);
	}
	if (r > 0)
		fprintf(c->out, "%s\n", digest_text(&d, text));
	asking_close(&k);
	return r > 0 ? 0 : r == 0 ? no_such(argv[0], e) : -1;
}

static int print_manifest(FILE *out, const struct wire_doc *doc, bool raw, struct err *e)
{
	auto_free char *text = NULL;
	json_t *o;

	if (raw) {
		fwrite(doc->text.p, 1, doc->text.n, out);
		return 0;
	}
	if (json_text_parse(buf_view(&doc->text), MANIFEST_MAX, "manifest", &o, e) < 0)
		return -1;
	text = json_dumps(o, JSON_INDENT(3));
	json_decref(o);
	fprintf(out, "%s\n", text);
	return 0;
}

static int manifest_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct args *a = p;
	auto_doc struct wire_doc doc = { 0 };
	struct platform want;
	struct asking k;
	int r;

	if (a->platform && platform_parse(str_of(a->platform), &want, e) < 0)
		return -1;
	if (asking_open(&k, c, a, argv[0], e) < 0)
		return -1;
	if (a->platform)
		r = wire_image(&k.ss.job, &k.r->w, &want, &doc, NULL, e) < 0 ? -1 : 1;
	else
		r = remote_manifest(&k.ss.job, k.r, NULL, NULL, &doc, e);
	asking_close(&k);
	if (r <= 0)
		return r < 0 ? -1 : no_such(argv[0], e);
	return print_manifest(c->out, &doc, a->raw, e);
}

static const struct opt tags_opts[] = { REGISTRY_OPTS(offsetof(struct args, r)), { 0 } };

#define PLATFORM_OPT { 0, "platform", "OS/ARCH", OPT_STR, offsetof(struct args, platform), \
		       "of an index, the image for OS/ARCH[/VARIANT]" }
static const struct opt digest_opts[] = { PLATFORM_OPT, REGISTRY_OPTS(offsetof(struct args, r)), { 0 } };
static const struct opt manifest_opts[] = {
	PLATFORM_OPT,
	{ 0, "raw", NULL, OPT_BOOL, offsetof(struct args, raw), "print the bytes as the registry has them" },
	REGISTRY_OPTS(offsetof(struct args, r)),
	{ 0 },
};

const struct cmd cmd_tags = {
	.name = "tags", .synopsis = "[options] REPOSITORY", .about = "List the tags of a repository in its registry.",
	.opts = tags_opts, .args_size = sizeof(struct args), .min = 1, .max = 1, .defaults = defaults, .run = tags_run,
};

const struct cmd cmd_digest = {
	.name = "digest", .synopsis = "[options] NAME", .about = "Print what a name means in its registry.",
	.opts = digest_opts, .args_size = sizeof(struct args), .min = 1, .max = 1, .defaults = defaults, .run = digest_run,
};

const struct cmd cmd_manifest_inspect = {
	.name = "manifest inspect", .synopsis = "[options] NAME", .about = "Show a manifest or index of a registry.",
	.opts = manifest_opts, .args_size = sizeof(struct args), .min = 1, .max = 1, .defaults = defaults, .run = manifest_run,
};
