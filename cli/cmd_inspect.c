/* SPDX-License-Identifier: Apache-2.0 */
/* tare inspect: images and containers as JSON. */
#include "cli/cmd.h"
#include "cli/image_json.h"
#include "cli/session.h"
#include "cli/template.h"
#include "engine/image.h"
#include "runtime/container/container.h"

struct args {
	const char *format, *type;
};

static const struct opt opts[] = {
	{ 'f', "format", "TEMPLATE", OPT_STR, offsetof(struct args, format), "json, or a Go template for each object" },
	{ 0, "type", "TYPE", OPT_STR, offsetof(struct args, type), "only look for an image or a container" },
	{ 0 },
};

static int inspect_image(struct store *s, const char *name, bool full, json_t **ret, struct err *e)
{
	auto_image struct image i = { 0 };
	auto_strv struct strv names = { 0 };

	if (image_open(s, name, &i, e) < 0 || images_names(s, &i.row.manifest, &names, e) < 0)
		return -1;
	*ret = image_json(&i, &names, full);
	return 0;
}

static int inspect_container(struct store *s, const char *name, json_t **ret, struct err *e)
{
	struct container *c;

	if (container_open(s, name, &c, e) < 0)
		return -1;
	*ret = container_json(c);
	container_free(c);
	return 0;
}

/* A container, else an image, unless the type was said. */
static int inspect_one(struct store *s, const struct args *a, const char *name, json_t **ret, struct err *e)
{
	bool both = !a->type;

	if (both || strcmp(a->type, "container") == 0) {
		if (inspect_container(s, name, ret, e) == 0)
			return 0;
		if (!both || e->kind != ERR_NOT_FOUND)
			return -1;
	}
	if (inspect_image(s, name, a->format != NULL, ret, e) == 0)
		return 0;
	return both && (e->kind == ERR_NOT_FOUND || e->kind == ERR_USAGE) ?
		err_set(e, ERR_NOT_FOUND, "No such object: %s", name) : -1;
}

static int print_one(FILE *out, const struct template *t, const json_t *o, struct err *e)
{
	auto_buf struct buf text = { 0 };

	if (template_run(t, o, &text, e) < 0)
		return -1;
	buf_putc(&text, '\n');
	fwrite(text.p, 1, text.n, out);
	return 0;
}

static void print_all(FILE *out, const json_t *list, bool compact)
{
	auto_free char *text = json_array_size(list) == 0 ? xstrdup("[]") :
		json_dumps(list, compact ? JSON_COMPACT : JSON_INDENT(4));

	fprintf(out, "%s\n", text ? text : "[]");
}

static int inspect_all(struct cli *c, const struct args *a, struct store *s, char **names, json_t *list)
{
	int status = 0;

	for (; *names; names++) {
		auto_err struct err e = { 0 };
		json_t *o = NULL;

		if (inspect_one(s, a, *names, &o, &e) == 0) {
			json_array_append_new(list, o);
			continue;
		}
		fprintf(c->err, "tare: %s\n", err_text(&e));
		status = 1;
	}
	return status;
}

static int inspect_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	auto_arena struct arena arena = { 0 };
	struct args *a = p;
	bool json = a->format && strcmp(a->format, "json") == 0;
	json_t *list = json_array();
	struct template t = { 0 };
	struct session ss;
	int status = -1;

	if (a->type && strcmp(a->type, "image") != 0 && strcmp(a->type, "container") != 0)
		err_set(e, ERR_USAGE, "--type is image or container, not \"%s\"", a->type);
	else if ((!a->format || json || template_parse(a->format, &arena, &t, e) == 0) &&
		 session_open_plain(&ss, c, e) == 0) {
		if (json)
			a->format = NULL;	/* the objects as they are printed without a format */
		status = inspect_all(c, a, ss.store, argv, list);
		session_close(&ss);
		if (!a->format)
			print_all(c->out, list, json);
		for (size_t i = 0; a->format && i < json_array_size(list) && status >= 0; i++)
			if (print_one(c->out, &t, json_array_get(list, i), e) < 0)
				status = -1;
	}
	json_decref(list);
	return status;
}

const struct cmd cmd_inspect = {
	.name = "inspect", .synopsis = "[options] NAME|ID...", .about = "Show all about images and containers.",
	.opts = opts, .args_size = sizeof(struct args), .min = 1, .max = -1, .run = inspect_run,
};
