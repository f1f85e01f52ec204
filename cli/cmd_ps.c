/* SPDX-License-Identifier: Apache-2.0 */
/* tare ps: containers as a table. */
#include <fcntl.h>

#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/inspect_container.h"
#include "cli/session.h"
#include "engine/container.h"
#include "engine/image.h"
#include "engine/network.h"

#define COLUMNS "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
#define COMMAND_MAX 20		/* characters of a command that a table shows */

struct args {
	struct ps_args p;
	const char *format;
	bool quiet, no_trunc, latest, size;
};

static const struct opt opts[] = {
	{ 'a', "all", NULL, OPT_BOOL, offsetof(struct args, p.all), "also those that do not run" },
	{ 'f', "filter", "KEY=VALUE", OPT_LIST, offsetof(struct args, p.filters), "only those that match" },
	{ 0, "format", "TEMPLATE", OPT_STR, offsetof(struct args, format), "table [TEMPLATE], json, or a Go template" },
	{ 'n', "last", "N", OPT_NUM, offsetof(struct args, p.last), "the N newest" },
	{ 'l', "latest", NULL, OPT_BOOL, offsetof(struct args, latest), "the newest" },
	{ 0, "no-trunc", NULL, OPT_BOOL, offsetof(struct args, no_trunc), "show everything in full" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct args, quiet), "only IDs" },
	{ 's', "size", NULL, OPT_BOOL, offsetof(struct args, size), "also the size of their own files" },
	{ 0 },
};

static const struct format_field fields[] = {
	{ "Command", "COMMAND" }, { "CreatedAt", "CREATED AT" }, { "ID", "CONTAINER ID" }, { "Image", "IMAGE" },
	{ "Labels", "LABELS" }, { "LocalVolumes", "LOCAL VOLUMES" }, { "Mounts", "MOUNTS" }, { "Names", "NAMES" },
	{ "Networks", "NETWORKS" }, { "Ports", "PORTS" }, { "RunningFor", "CREATED" }, { "Size", "SIZE" },
	{ "State", "STATE" }, { "Status", "STATUS" }, { 0 },
};

static json_t *text(const struct buf *b)
{
	return json_stringn(b->p ? b->p : "", b->n);
}

static json_t *command(const struct container *c, bool whole)
{
	const json_t *args = json_object_get(c->config, "Args");
	auto_buf struct buf line = { 0 }, shown = { 0 };

	buf_puts(&line, container_text(c, "Path", NULL));
	for (size_t i = 0; i < json_array_size(args); i++)
		buf_printf(&line, " %s", json_string_value(json_array_get(args, i)));
	if (!whole) {
		auto_buf struct buf cut = { 0 };

		format_ellipsis(buf_view(&line), COMMAND_MAX, &cut);
		buf_go_quote(&shown, buf_view(&cut));
	} else {
		buf_go_quote(&shown, buf_view(&line));
	}
	return text(&shown);
}

struct known {			/* what a name means now; many containers have the same */
	char name[REF_TEXT_MAX], id[DIGEST_TEXT_MAX];
};

static const char *image_now(struct store *s, struct known *k, const char *name)
{
	auto_err struct err gone = { 0 };
	struct image_row row;

	if (strcmp(k->name, name) == 0 || strlen(name) >= sizeof(k->name))
		return strcmp(k->name, name) == 0 ? k->id : "";
	memcpy(k->name, name, strlen(name) + 1);
	if (image_resolve(s, name, &row, &gone) == 0)
		digest_text(&row.config, k->id);
	else
		*k->id = '\0';
	return k->id;
}

/* The name it was run by; its ID once that name means another image. */
static json_t *image(struct store *s, struct known *k, const struct container *c, bool whole)
{
	const char *name = container_text(c, "Config", "Image", NULL), *id = container_text(c, "Image", NULL);

	if (strcmp(image_now(s, k, name), id) == 0)
		return json_string(name);
	return whole || strlen(id) < 19 ? json_string(id) : json_stringn(id + strlen("sha256:"), 12);
}

static json_t *joined(const struct container *c, bool labels, size_t *volumes)
{
	json_t *o = json_object_get(labels ? json_object_get(c->config, "Config") : c->config, labels ? "Labels" : "Mounts");
	auto_buf struct buf b = { 0 };
	const char *key;
	json_t *v;
	size_t i;

	json_object_foreach(labels ? o : NULL, key, v)
		buf_printf(&b, "%s%s=%s", b.n ? "," : "", key, json_string_value(v));
	json_array_foreach(labels ? NULL : o, i, v) {
		const char *name = json_string_value(json_object_get(v, "Name"));

		*volumes += name != NULL;
		buf_printf(&b, "%s%s", b.n ? "," : "", name ? name : json_string_value(json_object_get(v, "Source")));
	}
	return text(&b);
}

/* Of one that does not run, none are shown. */
static json_t *ports(const struct container *c)
{
	auto_buf struct buf b = { 0 };

	if (container_is_live(c)) {
		json_t *settings = engine_network_settings(c);

		engine_ports_text(settings, &b);
		json_decref(settings);
	}
	return text(&b);
}

static json_t *networks(const struct container *c)
{
	json_t *nets = json_object_get(json_object_get(c->config, "NetworkSettings"), "Networks"), *v;
	auto_buf struct buf b = { 0 };
	const char *name;

	json_object_foreach(nets, name, v)
		buf_printf(&b, "%s%s", b.n ? "," : "", name);
	return text(&b);
}

static json_t *size(const struct container *c)
{
	char shown[FORMAT_SIZE_MAX];

	return json_string(format_size(container_size(c), 3, shown));
}

enum {				/* fields that cost something and are often not asked for */
	USES_LABELS = 1, USES_MOUNTS = 2, USES_NETWORKS = 4, USES_PORTS = 8, USES_SIZE = 16, USES_CREATED = 32,
};

/* A template of the user's may take them all at once: {{json .}}. */
static unsigned uses(const struct args *a, const struct format *f)
{
	unsigned size = format_uses(f, "Size") ? USES_SIZE : 0;

	if (!a->format || !*a->format || strcmp(a->format, "table") == 0)
		return USES_PORTS | size;
	return USES_LABELS | USES_MOUNTS | USES_NETWORKS | USES_PORTS | USES_CREATED | size;
}

static void add_mounts(json_t *o, const struct container *c)
{
	char volumes[24];
	size_t n = 0;

	json_object_set_new(o, "Mounts", joined(c, false, &n));
	snprintf(volumes, sizeof(volumes), "%zu", n);
	json_object_set_new(o, "LocalVolumes", json_string(volumes));
}

static json_t *row(struct store *s, struct known *k, const struct args *a, unsigned uses, int64_t now, const struct container *c)
{
	char at[CLOCK_TEXT_MAX], ago[CLOCK_TEXT_MAX];
	int64_t created = container_created_ns(c);
	auto_buf struct buf status = { 0 };
	json_t *o = json_object();

	container_status_text(c, now, &status);
	json_object_set_new(o, "ID", json_stringn(c->id, a->no_trunc ? 64 : CONTAINER_SHORT));
	json_object_set_new(o, "Image", image(s, k, c, a->no_trunc));
	json_object_set_new(o, "Command", command(c, a->no_trunc));
	if (uses & USES_CREATED)
		json_object_set_new(o, "CreatedAt", json_string(clock_rfc3339(created, at)));
	json_object_set_new(o, "RunningFor", json_string(clock_ago(now - created, ago)));
	json_object_set_new(o, "State", json_string(container_status_word(c->state.status)));
	json_object_set_new(o, "Status", text(&status));
	if (uses & USES_PORTS)
		json_object_set_new(o, "Ports", ports(c));
	json_object_set_new(o, "Names", json_string(c->name));
	if (uses & USES_LABELS)
		json_object_set_new(o, "Labels", joined(c, true, NULL));
	if (uses & USES_MOUNTS)
		add_mounts(o, c);
	if (uses & USES_NETWORKS)
		json_object_set_new(o, "Networks", networks(c));
	json_object_set_new(o, "Size", uses & USES_SIZE ? size(c) : json_string(""));
	return o;
}

static int print_rows(struct cli *c, struct store *s, const struct args *a, const struct container_list *l,
		      struct err *e)
{
	auto_format struct format *f = NULL;
	struct known known = { 0 };
	int64_t now = clock_now_ns();
	unsigned used;

	if (format_new(a->format, a->size ? COLUMNS "\t{{.Size}}" : COLUMNS, fields, true, &f, e) < 0)
		return -1;
	used = uses(a, f);
	for (size_t i = 0; i < l->n; i++)
		if (format_row(f, row(s, &known, a, used, now, l->v[i]), e) < 0)
			return -1;
	format_print(f, c->out);
	return 0;
}

static int ps_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	auto_containers struct container_list l = { 0 };
	struct args *a = p;
	struct session ss;
	int r;

	if (a->latest)
		a->p.last = 1;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_ps(ss.store, &a->p, &l, e);
	for (size_t i = 0; r == 0 && a->quiet && i < l.n; i++)
		fprintf(c->out, "%.*s\n", a->no_trunc ? 64 : CONTAINER_SHORT, l.v[i]->id);
	if (r == 0 && !a->quiet)
		r = print_rows(c, ss.store, a, &l, e);
	session_close(&ss);
	return r;
}

const struct cmd cmd_ps = {
	.name = "ps", .synopsis = "[options]", .about = "List containers.",
	.opts = opts, .args_size = sizeof(struct args), .run = ps_run,
};
