/* SPDX-License-Identifier: Apache-2.0 */
/* tare history: how an image came to be, newest step first. */
#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"
#include "engine/image.h"

#define COLUMNS "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
#define COLUMNS_EXACT "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
#define MISSING "<missing>"
#define CREATED_BY_MAX 45	/* characters that a table shows of a step */

struct args {
	const char *format;
	bool human, no_trunc, quiet;
};

static const struct opt opts[] = {
	{ 0, "format", "TEMPLATE", OPT_STR, offsetof(struct args, format), "table [TEMPLATE], json, or a Go template" },
	{ 'H', "human", NULL, OPT_BOOL, offsetof(struct args, human), "sizes and times for people (default true)" },
	{ 0, "no-trunc", NULL, OPT_BOOL, offsetof(struct args, no_trunc), "show everything in full" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct args, quiet), "only IDs" },
	{ 0 },
};

static const struct format_field fields[] = {
	{ "Comment", "COMMENT" }, { "CreatedAt", "CREATED AT" }, { "CreatedBy", "CREATED BY" },
	{ "CreatedSince", "CREATED" }, { "ID", "IMAGE" }, { "Size", "SIZE" }, { 0 },
};

static void history_defaults(void *p)
{
	((struct args *)p)->human = true;
}

struct step {
	struct config_history h;
	uint64_t size;
};

/* One for each entry of the history, then one for each layer that no entry claims; oldest first. */
static int collect(struct store *s, const struct image *i, struct step **ret, size_t *n, struct err *e)
{
	size_t layers = config_diff_ids(i->config), entries = config_histories(i->config), next = 0;
	struct step *v = xcalloc(layers + entries + 1, sizeof(*v));

	*n = 0;
	while (*n < entries || next < layers) {
		struct step *st = &v[*n];
		struct digest d;

		if (*n < entries)
			st->h = config_history(i->config, *n);
		(*n)++;
		if (st->h.empty_layer || next >= layers)
			continue;
		d = config_diff_id(i->config, next++);
		if (local_layer_size(s, &d, &st->size, e) < 0) {
			free(v);
			return -1;
		}
	}
	*ret = v;
	return 0;
}

static void set(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, json_string(value));
}

static void set_created_by(json_t *o, const struct args *a, const char *text)
{
	auto_buf struct buf shown = { 0 };
	auto_free char *line = xstrdup(text ? text : "");

	for (char *p = line; *p; p++)
		if (*p == '\t' || *p == '\n')
			*p = ' ';
	if (a->no_trunc)
		buf_puts(&shown, line);
	else
		format_ellipsis(str_of(line), CREATED_BY_MAX, &shown);
	set(o, "CreatedBy", shown.p ? shown.p : "");
}

static json_t *row(const struct args *a, const struct step *st, const char *id)
{
	char text[CLOCK_TEXT_MAX], size[FORMAT_SIZE_MAX];
	json_t *o = json_object();

	set(o, "ID", id);
	set(o, "CreatedAt", st->h.has_created ? clock_rfc3339(st->h.created_ns, text) : "N/A");
	set(o, "CreatedSince", st->h.has_created ? clock_ago(clock_now_ns() - st->h.created_ns, text) : "N/A");
	set_created_by(o, a, st->h.created_by);
	if (a->human)
		format_size(st->size, 3, size);
	else
		snprintf(size, sizeof(size), "%llu", (unsigned long long)st->size);
	set(o, "Size", size);
	set(o, "Comment", st->h.comment ? st->h.comment : "");
	return o;
}

static int print_steps(struct cli *c, const struct args *a, const struct image *i, const struct step *v, size_t n,
		       struct err *e)
{
	char text[DIGEST_TEXT_MAX], hex[DIGEST_TEXT_MAX];
	auto_format struct format *f = NULL;
	const char *id = digest_text(&i->row.config, text);

	if (!a->no_trunc) {
		id = digest_hex(&i->row.config, hex);
		hex[12] = '\0';
	}
	if (format_new(a->format ? a->format : a->quiet ? "{{.ID}}" : NULL, a->human ? COLUMNS : COLUMNS_EXACT, fields,
		       true, &f, e) < 0)
		return -1;
	for (size_t k = n; k > 0; k--)
		if (format_row(f, row(a, &v[k - 1], k == n ? id : MISSING), e) < 0)
			return -1;
	format_print(f, c->out);
	return 0;
}

static int history_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	auto_image struct image i = { 0 };
	auto_free struct step *v = NULL;
	struct session ss;
	size_t n;
	int r = -1;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	if (image_open(ss.store, argv[0], &i, e) == 0 && collect(ss.store, &i, &v, &n, e) == 0)
		r = print_steps(c, p, &i, v, n, e);
	session_close(&ss);
	return r;
}

const struct cmd cmd_history = {
	.name = "history", .synopsis = "[options] IMAGE", .about = "Show the steps that made an image.",
	.opts = opts, .args_size = sizeof(struct args), .min = 1, .max = 1, .defaults = history_defaults, .run = history_run,
};
