/* SPDX-License-Identifier: Apache-2.0 */
/* tare inspect: images and containers as JSON. */
#include "cli/cmd.h"
#include "cli/image_json.h"
#include "cli/inspect_container.h"
#include "cli/session.h"
#include "cli/show.h"
#include "engine/image.h"

struct args {
	const char *format, *type;
	bool size;
};

static const struct opt opts[] = {
	{ 'f', "format", "TEMPLATE", OPT_STR, offsetof(struct args, format), "json, or a Go template for each object" },
	{ 's', "size", NULL, OPT_BOOL, offsetof(struct args, size), "of containers also the sizes of their files" },
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

static int inspect_container(struct store *s, const char *name, bool size, json_t **ret, struct err *e)
{
	struct container *c;

	if (container_open(s, name, &c, e) < 0)
		return -1;
	*ret = container_json(s, c, size);
	container_free(c);
	return 0;
}

/* A container, else an image, unless the type was said. */
static int inspect_one(struct store *s, const struct args *a, const char *name, json_t **ret, struct err *e)
{
	bool both = !a->type;

	if (both || strcmp(a->type, "container") == 0) {
		if (inspect_container(s, name, a->size, ret, e) == 0)
			return 0;
		if (!both || e->kind != ERR_NOT_FOUND)
			return -1;
	}
	if (inspect_image(s, name, a->format != NULL, ret, e) == 0)
		return 0;
	return both && (e->kind == ERR_NOT_FOUND || e->kind == ERR_USAGE) ?
		err_set(e, ERR_NOT_FOUND, "No such object: %s", name) : -1;
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
	struct args *a = p;
	const char *format = a->format;
	json_t *list = json_array();
	struct session ss;
	int status = -1;

	if (a->type && strcmp(a->type, "image") != 0 && strcmp(a->type, "container") != 0)
		err_set(e, ERR_USAGE, "--type is image or container, not \"%s\"", a->type);
	else if (show_check(format, e) == 0 && session_open_plain(&ss, c, e) == 0) {
		if (format && strcmp(format, "json") == 0)
			a->format = NULL;	/* the objects as they are printed without a format */
		status = inspect_all(c, a, ss.store, argv, list);
		session_close(&ss);
		if (show_objects(c->out, format, list, e) < 0)
			status = -1;
	}
	json_decref(list);
	return status;
}

const struct cmd cmd_inspect = {
	.name = "inspect", .synopsis = "[options] NAME|ID...", .about = "Show all about images and containers.",
	.opts = opts, .args_size = sizeof(struct args), .min = 1, .max = -1, .run = inspect_run,
};
