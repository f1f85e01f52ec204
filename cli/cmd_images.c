/* SPDX-License-Identifier: Apache-2.0 */
/* tare images: a row per name. */
#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/image_json.h"
#include "cli/session.h"
#include "engine/images.h"

#define COLUMNS "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
#define COLUMNS_DIGESTS "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
#define NONE "<none>"
#define SHORT_ID 12

struct args {
	struct images_args q;
	const char *format;
	bool all, quiet, no_trunc, digests;
};

static const struct opt opts[] = {
	{ 'a', "all", NULL, OPT_BOOL, offsetof(struct args, all),
	  "accepted for Docker's sake: there are no hidden images here" },
	{ 0, "digests", NULL, OPT_BOOL, offsetof(struct args, digests), "also the digests of the manifests" },
	{ 'f', "filter", "KEY=VALUE", OPT_LIST, offsetof(struct args, q.filters),
	  "only those that match: reference, dangling, label, before, since" },
	{ 0, "format", "TEMPLATE", OPT_STR, offsetof(struct args, format), "table [TEMPLATE], json, or a Go template" },
	{ 0, "no-trunc", NULL, OPT_BOOL, offsetof(struct args, no_trunc), "show IDs in full" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct args, quiet), "only IDs, each once" },
	{ 0 },
};

static const struct format_field fields[] = {
	{ "Containers", "CONTAINERS" }, { "CreatedAt", "CREATED AT" }, { "CreatedSince", "CREATED" },
	{ "Digest", "DIGEST" }, { "ID", "IMAGE ID" }, { "Repository", "REPOSITORY" }, { "SharedSize", "SHARED SIZE" },
	{ "Size", "SIZE" }, { "Tag", "TAG" }, { "UniqueSize", "UNIQUE SIZE" }, { 0 },
};

static void set(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, json_string(value));
}

static void set_id(json_t *o, const struct args *a, const struct image_info *i, const struct digest *d)
{
	char text[DIGEST_TEXT_MAX], hex[DIGEST_TEXT_MAX];

	digest_hex(&i->image.row.config, hex);
	hex[SHORT_ID] = '\0';
	set(o, "ID", a->no_trunc ? digest_text(&i->image.row.config, text) : hex);
	set(o, "Digest", digest_text(d, text));
}

static json_t *row(const struct args *a, const struct image_info *i, const char *name)
{
	char text[REF_TEXT_MAX], when[CLOCK_TEXT_MAX], size[FORMAT_SIZE_MAX];
	auto_err struct err e = { 0 };
	json_t *o = json_object();
	struct ref r;
	bool named = name && ref_parse(str_of(name), &r, &e) == 0;

	set(o, "Repository", named ? ref_familiar_repository(&r, text) : NONE);
	set(o, "Tag", named ? r.tag : NONE);
	set_id(o, a, i, named ? image_repo_digest(&i->image, &r) : &i->image.row.manifest);
	set(o, "CreatedAt", i->has_created ? clock_rfc3339(i->created_ns, when) : "N/A");
	set(o, "CreatedSince", i->has_created ? clock_ago(clock_now_ns() - i->created_ns, when) : "N/A");
	set(o, "Size", format_size(i->image.row.size, 3, size));
	set(o, "Containers", "N/A");
	set(o, "SharedSize", "N/A");
	set(o, "UniqueSize", "N/A");
	return o;
}

static int add_rows(const struct args *a, const struct image_info *i, struct format *f, struct err *e)
{
	if (i->names.n == 0)
		return format_row(f, row(a, i, NULL), e);
	for (size_t k = 0; k < i->names.n; k++)
		if (format_row(f, row(a, i, i->names.v[k]), e) < 0)
			return -1;
	return 0;
}

static int print_rows(struct cli *c, const struct args *a, const struct image_infos *l, struct err *e)
{
	auto_format struct format *f = NULL;

	if (format_new(a->format, a->digests ? COLUMNS_DIGESTS : COLUMNS, fields, true, &f, e) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		if (add_rows(a, &l->v[i], f, e) < 0)
			return -1;
	format_print(f, c->out);
	return 0;
}

static void print_ids(struct cli *c, const struct args *a, const struct image_infos *l)
{
	char text[DIGEST_TEXT_MAX];

	for (size_t i = 0; i < l->n; i++)
		if (a->no_trunc)
			fprintf(c->out, "%s\n", digest_text(&l->v[i].image.row.config, text));
		else
			fprintf(c->out, "%.*s\n", SHORT_ID, digest_hex(&l->v[i].image.row.config, text));
}

static int images_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	auto_image_infos struct image_infos l = { 0 };
	struct args *a = p;
	struct session ss;
	int r;

	a->q.name = argc > 0 ? argv[0] : NULL;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = images_query(ss.store, &a->q, &l, e);
	if (r == 0 && a->quiet && !a->format)
		print_ids(c, a, &l);
	else if (r == 0)
		r = print_rows(c, a, &l, e);
	session_close(&ss);
	return r;
}

const struct cmd cmd_images = {
	.name = "images", .synopsis = "[options] [REPOSITORY[:TAG]]", .about = "List images.",
	.opts = opts, .args_size = sizeof(struct args), .max = 1, .run = images_run,
};
