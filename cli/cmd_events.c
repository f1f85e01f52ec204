/* SPDX-License-Identifier: Apache-2.0 */
/* tare events. */
#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/session.h"
#include "cli/template.h"
#include "engine/events.h"

struct args {
	struct events_args v;
	const char *format;
};

static const struct opt opts[] = {
	{ 'f', "filter", "KEY=VALUE", OPT_LIST, offsetof(struct args, v.filters), "only those that match" },
	{ 0, "format", "TEMPLATE", OPT_STR, offsetof(struct args, format), "json, or a Go template for each" },
	{ 0, "since", "TIME", OPT_STR, offsetof(struct args, v.since), "from this time on (default: now)" },
	{ 0, "until", "TIME", OPT_STR, offsetof(struct args, v.until), "up to this time (default: go on)" },
	{ 0 },
};

struct printer {
	FILE *out;
	const char *format;	/* NULL: lines for people */
	bool json;
	struct template t;
	struct err *e;		/* of a template that failed */
};

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_attributes(FILE *out, json_t *attrs)
{
	auto_free const char **names = xcalloc(json_object_size(attrs) + 1, sizeof(*names));
	const char *key;
	size_t n = 0;
	json_t *v;

	json_object_foreach(attrs, key, v)
		names[n++] = key;
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%s=%s", i ? ", " : "", names[i], text(attrs, names[i]));
}

static void print_line(FILE *out, const json_t *ev)
{
	int64_t ns = json_integer_value(json_object_get(ev, "timeNano"));
	json_t *actor = json_object_get(ev, "Actor");
	char at[CLOCK_TEXT_MAX];

	clock_rfc3339(ns / 1000000000 * 1000000000, at);
	fprintf(out, "%.*s.%09lldZ %s %s %s (", (int)strlen(at) - 1, at, (long long)(ns % 1000000000), text(ev, "Type"),
		text(ev, "Action"), text(actor, "ID"));
	print_attributes(out, json_object_get(actor, "Attributes"));
	fputs(")\n", out);
}

/* The names of Docker's API and of its templates. */
static json_t *full(const json_t *ev, bool for_template)
{
	json_t *o = json_deep_copy(ev), *actor = json_object_get(o, "Actor");
	const char *image = text(json_object_get(actor, "Attributes"), "image");

	if (for_template) {
		json_object_set(o, "Scope", json_object_get(o, "scope"));
		json_object_set(o, "Time", json_object_get(o, "time"));
		json_object_set(o, "TimeNano", json_object_get(o, "timeNano"));
	}
	json_object_set(o, for_template ? "ID" : "id", json_object_get(actor, "ID"));
	json_object_set(o, for_template ? "Status" : "status", json_object_get(o, "Action"));
	json_object_set_new(o, for_template ? "From" : "from", json_string(image));
	return o;
}

static int print_event(void *arg, const json_t *ev)
{
	struct printer *p = arg;
	auto_buf struct buf line = { 0 };
	int r = 0;

	if (!p->format) {
		print_line(p->out, ev);
	} else if (p->json) {
		json_t *o = full(ev, false);
		auto_free char *dump = json_dumps(o, JSON_COMPACT);

		fprintf(p->out, "%s\n", dump);
		json_decref(o);
	} else {
		json_t *o = full(ev, true);

		r = template_run(&p->t, o, &line, p->e);
		fprintf(p->out, STR_FMT "\n", STR_ARG(buf_view(&line)));
		json_decref(o);
	}
	fflush(p->out);
	return r < 0 || ferror(p->out) ? -1 : 0;
}

static int events_run(struct cli *c, void *args, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	auto_arena struct arena arena = { 0 };
	auto_err struct err failed = { 0 };
	struct args *a = args;
	struct printer p = { .out = c->out, .format = a->format, .e = &failed };
	struct session ss;
	int r;

	p.json = a->format && (strcmp(a->format, "json") == 0 || strcmp(a->format, "{{json .}}") == 0);
	if (a->format && !p.json && template_parse(a->format, &arena, &p.t, e) < 0)
		return -1;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_events(&ss.job, ss.store, &a->v, print_event, &p, e);
	session_close(&ss);
	if (r == 0 && failed.kind != ERR_NONE) {
		err_move(e, &failed);
		return -1;
	}
	return r;
}

const struct cmd cmd_events = {
	.name = "events", .synopsis = "[options]", .about = "Show what happens to containers, networks and volumes.",
	.opts = opts, .args_size = sizeof(struct args), .run = events_run,
};
