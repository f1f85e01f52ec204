/* SPDX-License-Identifier: Apache-2.0 */
/* tare logs. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/session.h"
#include "engine/logs.h"

struct args {
	struct logs_args l;
	bool timestamps, details;
	bool several;			/* lines bear the ID of their container */
	FILE *out, *err;
};

static const struct opt opts[] = {
	{ 0, "details", NULL, OPT_BOOL, offsetof(struct args, details), "also what --log-opt labels, env and tag say" },
	{ 'f', "follow", NULL, OPT_BOOL, offsetof(struct args, l.follow), "go on as it writes, until it ends" },
	{ 0, "since", "TIME", OPT_STR, offsetof(struct args, l.since), "from this time on: 2026-01-02T15:04:05Z, 1767366245, 10m" },
	{ 'n', "tail", "N", OPT_STR, offsetof(struct args, l.tail), "only the last N lines" },
	{ 't', "timestamps", NULL, OPT_BOOL, offsetof(struct args, timestamps), "with the time of each line" },
	{ 0, "until", "TIME", OPT_STR, offsetof(struct args, l.until), "up to this time" },
	{ 0 },
};

/* "k=v,k=v" of a JSON object. */
static void print_attrs(FILE *out, struct str attrs)
{
	json_t *o = json_loadb(attrs.p ? attrs.p : "", attrs.n, 0, NULL), *v;
	const char *k, *comma = "";

	json_object_foreach(o, k, v) {
		fprintf(out, "%s%s=%s", comma, k, json_string_value(v));
		comma = ",";
	}
	fputc(' ', out);
	json_decref(o);
}

static void print_time(FILE *out, int64_t ns)
{
	char text[CLOCK_TEXT_MAX];
	size_t n;

	clock_rfc3339(ns / 1000000000 * 1000000000, text);
	n = strlen(text) - 1;		/* without Z */
	fprintf(out, "%.*s.%09lldZ ", (int)n, text, (long long)(ns % 1000000000));
}

static int print_line(void *arg, const struct container *c, const struct logline *l)
{
	const struct args *a = arg;
	FILE *out = l->stream == 2 ? a->err : a->out;

	if (a->several)
		fprintf(out, "%.*s ", CONTAINER_SHORT, c->id);
	if (a->timestamps)
		print_time(out, l->time_ns);
	if (a->details)
		print_attrs(out, l->attrs);
	fwrite(l->text.p, 1, l->text.n, out);
	if (a->l.follow || out == a->err)
		fflush(out);
	return ferror(out) ? -1 : 0;
}

static int logs_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct args *a = p;
	struct session ss;
	int r;

	a->several = argc > 1;
	a->out = c->out;
	a->err = c->err;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_logs(&ss.job, ss.store, (const char *const *)argv, (size_t)argc, &a->l, print_line, a, e);
	session_close(&ss);
	return r;
}

const struct cmd cmd_logs = {
	.name = "logs", .synopsis = "[options] CONTAINER...", .about = "Show what containers have written.",
	.opts = opts, .args_size = sizeof(struct args), .min = 1, .max = -1, .run = logs_run,
};
