/* SPDX-License-Identifier: Apache-2.0 */
/* tare df: what takes how much disk space. */
#include <jansson.h>

#include "cache/df.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"
#include "cli/table.h"

struct args {
	bool verbose, json;
};

static const struct opt opts[] = {
	{ 'v', "verbose", NULL, OPT_BOOL, offsetof(struct args, verbose),
	  "list every image and layer, too" },
	{ 0, "json", NULL, OPT_BOOL, offsetof(struct args, json), "print JSON, sizes in bytes" },
	{ 0 },
};

#define SHORT_ID 12

struct line {
	const char *name, *key;
	const struct df_kind *kind;
};

#define LINES 9

static void df_lines(const struct df *d, struct line ret[static LINES])
{
	const struct line lines[LINES] = {
		{ "Images", "images", &d->images },
		{ "Build cache", "cache", &d->cache },
		{ "Cache mounts", "mounts", &d->mounts },
		{ "Containers", "containers", &d->containers },
		{ "Volumes", "volumes", &d->volumes },
		{ "Build logs", "logs", &d->logs },
		{ "In progress", "work", &d->work },
		{ "Garbage", "garbage", &d->garbage },
		{ "Database", "database", &d->database },
	};

	memcpy(ret, lines, sizeof(lines));
}

/* --- text --- */

static void put_size(struct buf *b, uint64_t bytes)
{
	char size[FORMAT_SIZE_MAX];

	buf_puts(b, format_size(bytes, 4, size));
}

static void print_kinds(const struct df *d, FILE *out)
{
	auto_buf struct buf b = { 0 };
	struct line lines[LINES];

	df_lines(d, lines);
	buf_puts(&b, "TYPE\tCOUNT\tSIZE\tRECLAIMABLE\n");
	for (size_t i = 0; i < LINES; i++) {
		const struct df_kind *k = lines[i].kind;

		if (k == &d->database)
			buf_printf(&b, "%s\t\t", lines[i].name);
		else
			buf_printf(&b, "%s\t%llu\t", lines[i].name, (unsigned long long)k->n);
		put_size(&b, k->bytes);
		buf_putc(&b, '\t');
		put_size(&b, k->reclaimable);
		if (k->bytes)
			buf_printf(&b, " (%u%%)",
				   (unsigned)((100 * k->reclaimable + k->bytes / 2) / k->bytes));
		buf_putc(&b, '\n');
	}
	buf_puts(&b, "Total\t\t");
	put_size(&b, d->total);
	buf_puts(&b, "\t\n");
	table_print(buf_view(&b), out);
}

static void print_images(const struct df *d, FILE *out)
{
	auto_buf struct buf b = { 0 };

	buf_puts(&b, "IMAGE ID\tSIZE\tSHARED\tUNIQUE\tNAMES\n");
	for (size_t i = 0; i < d->nimages; i++) {
		const struct df_image *im = &d->image[i];
		char hex[DIGEST_TEXT_MAX];

		buf_printf(&b, "%.*s\t", SHORT_ID, digest_hex(&im->image.row.config, hex));
		put_size(&b, im->bytes);
		buf_putc(&b, '\t');
		put_size(&b, im->shared);
		buf_putc(&b, '\t');
		put_size(&b, im->unique);
		buf_putc(&b, '\t');
		for (size_t k = 0; k < im->image.names.n; k++)
			buf_printf(&b, "%s%s", k ? ", " : "", im->image.names.v[k]);
		buf_puts(&b, im->image.names.n ? "\n" : "<none>\n");
	}
	fputc('\n', out);
	table_print(buf_view(&b), out);
}

static void print_layers(const struct df *d, FILE *out)
{
	auto_buf struct buf b = { 0 };

	buf_puts(&b, "LAYER\tSIZE\tUSED BY\n");
	for (size_t i = 0; i < d->nlayers; i++) {
		const struct df_layer *l = &d->layers[i];
		char hex[DIGEST_TEXT_MAX];

		buf_printf(&b, "%.*s\t", SHORT_ID, digest_hex(&l->diff_id, hex));
		put_size(&b, l->bytes);
		buf_putc(&b, '\t');
		if (l->images)
			buf_printf(&b, "%u image%s", l->images, l->images > 1 ? "s" : "");
		if (l->container)
			buf_printf(&b, "%scontainer", l->images ? ", " : "");
		if (l->key)
			buf_printf(&b, "%sbuild cache", l->images || l->container ? ", " : "");
		buf_puts(&b, l->images || l->container || l->key ? "\n" : "nothing\n");
	}
	fputc('\n', out);
	table_print(buf_view(&b), out);
}

/* --- JSON --- */

static json_t *json_digest(const struct digest *d)
{
	char text[DIGEST_TEXT_MAX];

	return json_string(digest_text(d, text));
}

static json_t *json_images(const struct df *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->nimages; i++) {
		const struct df_image *im = &d->image[i];
		json_t *names = json_array();

		for (size_t k = 0; k < im->image.names.n; k++)
			json_array_append_new(names, json_string(im->image.names.v[k]));
		json_array_append_new(list, json_pack("{s:o, s:o, s:I, s:I, s:I}", "id",
						      json_digest(&im->image.row.config), "names",
						      names, "size", (json_int_t)im->bytes,
						      "shared", (json_int_t)im->shared, "unique",
						      (json_int_t)im->unique));
	}
	return list;
}

static json_t *json_layers(const struct df *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->nlayers; i++) {
		const struct df_layer *l = &d->layers[i];

		json_array_append_new(list, json_pack("{s:o, s:I, s:i, s:b, s:b}", "diff_id",
						      json_digest(&l->diff_id), "size",
						      (json_int_t)l->bytes, "images",
						      (int)l->images, "build_cache", (int)l->key,
						      "container", (int)l->container));
	}
	return list;
}

static void print_json(const struct df *d, bool verbose, FILE *out)
{
	json_t *o = json_object();
	struct line lines[LINES];

	df_lines(d, lines);
	for (size_t i = 0; i < LINES; i++)
		json_object_set_new(o, lines[i].key,
				    json_pack("{s:I, s:I, s:I}", "count",
					      (json_int_t)lines[i].kind->n, "size",
					      (json_int_t)lines[i].kind->bytes, "reclaimable",
					      (json_int_t)lines[i].kind->reclaimable));
	json_object_set_new(o, "total", json_integer((json_int_t)d->total));
	if (verbose) {
		json_object_set_new(o, "image_list", json_images(d));
		json_object_set_new(o, "layer_list", json_layers(d));
	}
	json_dumpf(o, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(o);
}

static int df_main(struct cli *c, void *args, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	struct args *a = args;
	struct df d = { 0 };
	struct session s;
	int r;

	if (session_open_plain(&s, c, e) < 0)
		return -1;
	r = df_get(s.store, &d, e);
	session_close(&s);
	if (r < 0)
		return -1;
	if (a->json) {
		print_json(&d, a->verbose, c->out);
	} else {
		print_kinds(&d, c->out);
		if (a->verbose && d.nimages)
			print_images(&d, c->out);
		if (a->verbose && d.nlayers)
			print_layers(&d, c->out);
	}
	df_done(&d);
	return 0;
}

const struct cmd cmd_df = {
	.name = "df", .synopsis = "[options]", .about = "show what takes how much disk space",
	.opts = opts, .args_size = sizeof(struct args), .max = 0, .run = df_main,
};
