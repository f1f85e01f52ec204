/* SPDX-License-Identifier: Apache-2.0 */
/* tare volume create, inspect, ls, prune, rm. */
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"
#include "cli/show.h"
#include "engine/volume.h"

/* ---- create ---- */

struct create_args {
	struct volume_args v;
	const char *driver, *name;
};

static const struct opt create_opts[] = {
	{ 'd', "driver", "DRIVER", OPT_STR, offsetof(struct create_args, driver), "local is the only one" },
	{ 0, "label", "K=V", OPT_LIST, offsetof(struct create_args, v.labels), "attach a label" },
	{ 0, "name", "NAME", OPT_STR, offsetof(struct create_args, name), "the same as the operand" },
	{ 'o', "opt", "K=V", OPT_LIST, offsetof(struct create_args, v.options),
	  "type, device, o: a file system to mount, as mount(8) takes them" },
	{ 0 },
};

static int create_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct create_args *a = p;
	auto_free char *name = NULL;
	struct session ss;
	int r;

	if (a->name && argc)
		return err_set(e, ERR_USAGE, "conflicting options: cannot specify a volume-name through both --name and as a "
			       "positional arg");
	if (a->driver && strcmp(a->driver, "local") != 0)
		return err_set(e, ERR_NOT_FOUND, "volume driver %s not found: there is only local", a->driver);
	a->v.name = argc ? argv[0] : a->name;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_volume_create(ss.store, &a->v, &name, e);
	session_close(&ss);
	if (r == 0)
		fprintf(c->out, "%s\n", name);
	return r;
}

const struct cmd cmd_volume_create = {
	.name = "volume create", .synopsis = "[options] [VOLUME]", .about = "Create a volume.",
	.opts = create_opts, .args_size = sizeof(struct create_args), .max = 1, .run = create_run,
};

/* ---- inspect ---- */

struct inspect_args { const char *format; };

static const struct opt inspect_opts[] = {
	{ 'f', "format", "TEMPLATE", OPT_STR, offsetof(struct inspect_args, format), "json, or a Go template for each volume" },
	{ 0 },
};

static int inspect_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	const struct inspect_args *a = p;

	return show_each(c, a->format, argc, argv, engine_volume_inspect, e);
}

const struct cmd cmd_volume_inspect = {
	.name = "volume inspect", .synopsis = "[options] VOLUME...", .about = "Show all about volumes.",
	.opts = inspect_opts, .args_size = sizeof(struct inspect_args), .min = 1, .max = -1, .run = inspect_run,
};

/* ---- ls ---- */

struct ls_args {
	struct strv filters;
	const char *format;
	bool quiet;
};

static const struct opt ls_opts[] = {
	{ 'f', "filter", "KEY=VALUE", OPT_LIST, offsetof(struct ls_args, filters),
	  "only those that match: dangling, driver, label, name" },
	{ 0, "format", "TEMPLATE", OPT_STR, offsetof(struct ls_args, format), "table [TEMPLATE], json, or a Go template" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct ls_args, quiet), "only names" },
	{ 0 },
};

static const struct format_field fields[] = {
	{ "Availability", "AVAILABILITY" }, { "Driver", "DRIVER" }, { "Group", "GROUP" }, { "Labels", "LABELS" },
	{ "Links", "LINKS" }, { "Mountpoint", "MOUNTPOINT" }, { "Name", "VOLUME NAME" }, { "Scope", "SCOPE" },
	{ "Size", "SIZE" }, { "Status", "STATUS" }, { "Label", NULL }, { 0 },
};

static json_t *ls_row(const json_t *o)
{
	static const char *const copied[] = { "Driver", "Mountpoint", "Name", "Scope" };
	static const char *const unknown[] = { "Availability", "Group", "Links", "Size", "Status" };
	json_t *row = json_object(), *labels = json_object_get(o, "Labels"), *value;
	auto_buf struct buf text = { 0 };
	const char *key;

	for (size_t i = 0; i < countof(copied); i++)
		json_object_set(row, copied[i], json_object_get(o, copied[i]));
	for (size_t i = 0; i < countof(unknown); i++)
		json_object_set_new(row, unknown[i], json_string("N/A"));
	json_object_foreach(labels, key, value)
		buf_printf(&text, "%s%s=%s", text.n ? "," : "", key, json_string_value(value));
	json_object_set_new(row, "Labels", json_string(text.p ? text.p : ""));
	json_object_set(row, "Label", json_is_object(labels) ? labels : json_null());
	return row;
}

static int ls_print(struct cli *c, const struct ls_args *a, const json_t *list, struct err *e)
{
	auto_format struct format *f = NULL;
	const json_t *o;
	size_t i;

	if (format_new(a->quiet && !a->format ? "{{.Name}}" : a->format, "{{.Driver}}\t{{.Name}}", fields, true, &f, e) < 0)
		return -1;
	json_array_foreach(list, i, o)
		if (format_row(f, ls_row(o), e) < 0)
			return -1;
	format_print(f, c->out);
	return 0;
}

static int ls_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct ls_args *a = p;
	struct session ss;
	json_t *list;
	int r;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_volume_list(ss.store, &a->filters, &list, e);
	session_close(&ss);
	if (r < 0)
		return -1;
	r = ls_print(c, a, list, e);
	json_decref(list);
	return r;
}

const struct cmd cmd_volume_ls = {
	.name = "volume ls", .synopsis = "[options]", .about = "List volumes.",
	.opts = ls_opts, .args_size = sizeof(struct ls_args), .run = ls_run,
};

/* ---- prune ---- */

struct prune_args {
	struct strv filters;
	bool all, force;
};

static const struct opt prune_opts[] = {
	{ 'a', "all", NULL, OPT_BOOL, offsetof(struct prune_args, all), "also those with a name" },
	{ 0, "filter", "KEY=VALUE", OPT_LIST, offsetof(struct prune_args, filters), "only those that match: label, label!" },
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct prune_args, force), "do not ask" },
	{ 0 },
};

static int prune_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct prune_args *a = p;
	auto_strv struct strv removed = { 0 };
	struct session ss;
	uint64_t bytes = 0;
	int r;

	if (!a->force && !show_confirm(c, a->all ? "This will remove all local volumes not used by at least one container." :
				       "This will remove anonymous local volumes not used by at least one container."))
		return 0;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_volume_prune(ss.store, a->all, &a->filters, &removed, &bytes, e);
	session_close(&ss);
	show_deleted(c->out, "Volumes", &removed);
	if (r == 0)
		show_reclaimed(c->out, bytes);
	return r;
}

const struct cmd cmd_volume_prune = {
	.name = "volume prune", .synopsis = "[options]", .about = "Remove volumes that no container has.",
	.opts = prune_opts, .args_size = sizeof(struct prune_args), .run = prune_run,
};

/* ---- rm ---- */

struct rm_args { bool force; };

static const struct opt rm_opts[] = {
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct rm_args, force), "a missing one is no failure" },
	{ 0 },
};

static int rm_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	const struct rm_args *a = p;
	struct session ss;
	int status = 0;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	for (int i = 0; i < argc; i++) {
		auto_err struct err one = { 0 };

		if (engine_volume_rm(ss.store, argv[i], &one) == 0 || (a->force && one.kind == ERR_NOT_FOUND)) {
			fprintf(c->out, "%s\n", argv[i]);
			continue;
		}
		session_print_err(c, &one);
		status = 1;
	}
	session_close(&ss);
	return status;
}

const struct cmd cmd_volume_rm = {
	.name = "volume rm", .synopsis = "[options] VOLUME...", .about = "Remove volumes.",
	.opts = rm_opts, .args_size = sizeof(struct rm_args), .min = 1, .max = -1, .run = rm_run,
};
