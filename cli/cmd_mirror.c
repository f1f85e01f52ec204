/* SPDX-License-Identifier: Apache-2.0 */
/* tare mirror explain: where a reference would be asked for, and why. */
#include <jansson.h>

#include "base/task.h"
#include "cli/cmd.h"
#include "cli/registry_opts.h"
#include "cli/table.h"
#include "image/ref.h"

struct explain_cli {
	struct registry_opts registry;
	bool json;
};

static const struct opt explain_opts[] = {
	{ 0, "json", NULL, OPT_BOOL, offsetof(struct explain_cli, json), "print JSON" },
	REGISTRY_OPTS(offsetof(struct explain_cli, registry)),
	{ 0 },
};

static void explain_defaults(void *p)
{
	struct explain_cli *a = p;

	a->registry.tls_verify = true;
}

static const char *may(const struct candidate *d, char ret[static 32])
{
	snprintf(ret, 32, "%s%s%s", d->resolve ? "resolve " : "", d->pull ? "pull " : "", d->push ? "push" : "");
	return ret;
}

static void print_table(struct cli *c, const char *name, const struct candidates *l)
{
	auto_buf struct buf b = { 0 };
	char bits[32];
	int n = 0;

	fprintf(c->out, "%s\n", name);
	if (l->blocked)
		fprintf(c->out, "blocked by %s: nothing is asked\n", l->blocked);
	buf_puts(&b, "ORDER\tKIND\tURL\tMAY\tCONFIGURED BY\tCERTIFICATES\tCREDENTIALS\n");
	for (size_t i = 0; i < l->n; i++) {
		const struct candidate *d = &l->v[i];
		bool asked = d->asked && !l->blocked;

		if (asked)
			buf_printf(&b, "%d", ++n);
		else
			buf_puts(&b, "not asked");
		buf_printf(&b, "\t%s\t%s\t%s\t%s\t%s\t%s\n", d->mirror ? "mirror" : "registry", d->url, may(d, bits),
			   d->source ? d->source : "default", d->tls, d->cred ? d->cred : "none");
	}
	table_print(buf_view(&b), c->out);
}

static void print_json(struct cli *c, const char *name, const struct candidates *l)
{
	json_t *rows = json_array(), *root;
	auto_free char *text = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct candidate *d = &l->v[i];

		json_array_append_new(rows, json_pack(
			"{s:b, s:b, s:s, s:b, s:b, s:b, s:s?, s:s, s:s?}", "mirror", d->mirror,
			"asked", d->asked && !l->blocked, "url", d->url, "resolve", d->resolve, "pull", d->pull,
			"push", d->push, "source", d->source, "certificates", d->tls, "credentials", d->cred));
	}
	root = json_pack("{s:s, s:s?, s:o}", "reference", name, "blocked_by", l->blocked, "candidates", rows);
	text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	fprintf(c->out, "%s\n", text);
}

/* What the name means: a short one perhaps by registries.conf. */
static int resolve_name(const struct client *c, const char *name, struct ref *ret, struct err *e)
{
	auto_strv struct strv full = { 0 };

	if (ref_parse(str_of(name), ret, e) < 0)
		return -1;
	if (ref_is_short(str_of(name)))
		client_short_names(c, name, &full);
	return full.n ? ref_parse(str_of(full.v[0]), ret, e) : 0;
}

static int explain(struct cli *c, const struct explain_cli *a, struct job *j, const char *name, struct err *e)
{
	const struct client_options o = registry_options(&a->registry);
	auto_client struct client *client = NULL;
	struct candidates l = { 0 };
	char text[REF_TEXT_MAX];
	struct ref r;
	int status;

	if (client_new(&o, &client, e) < 0 || resolve_name(client, name, &r, e) < 0)
		return -1;
	status = client_explain(j, client, &r, &l, e);
	if (status == 0)
		(a->json ? print_json : print_table)(c, ref_canonical(&r, text), &l);
	candidates_done(&l);
	return status;
}

static int explain_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	struct job j;
	int r;

	if (job_init(&j, NULL, e) < 0)
		return -1;
	r = explain(c, p, &j, argv[0], e);
	job_done(&j);
	return r;
}

const struct cmd cmd_mirror_explain = {
	.name = "mirror explain", .synopsis = "[options] NAME[:TAG|@DIGEST]",
	.about = "Show where an image would be asked for, and which files say so.",
	.opts = explain_opts, .args_size = sizeof(struct explain_cli), .min = 1, .max = 1, .bare = true,
	.defaults = explain_defaults, .run = explain_run,
};
