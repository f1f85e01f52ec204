/* SPDX-License-Identifier: Apache-2.0 */
/* tare diff, top, stats: what containers have changed, and what they do. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"
#include "cli/table.h"
#include "engine/diff.h"
#include "engine/stats.h"
#include "runtime/container/container.h"

/* ---- diff ---- */

static int diff_run(struct cli *c, void *p UNUSED, int argc UNUSED, char **argv, struct err *e)
{
	auto_strv struct strv lines = { 0 };
	struct session ss;
	int r;

	if (session_open(&ss, c, NULL, e) < 0)
		return -1;
	r = engine_diff(&ss.job, ss.store, argv[0], &lines, e);
	session_close(&ss);
	for (size_t i = 0; i < lines.n && r == 0; i++)
		fprintf(c->out, "%s\n", lines.v[i]);
	return r;
}

const struct cmd cmd_diff = {
	.name = "diff", .synopsis = "CONTAINER", .about = "Show which files of a container were added, changed, deleted.",
	.min = 1, .max = 1, .run = diff_run,
};

/* ---- top ---- */

static int top_run(struct cli *c, void *p UNUSED, int argc, char **argv, struct err *e)
{
	const struct strv args = { argv + 1, (size_t)argc - 1 };
	auto_strv struct strv lines = { 0 };
	auto_buf struct buf text = { 0 };
	struct session ss;
	int r;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_top(ss.store, argv[0], &args, &lines, e);
	session_close(&ss);
	for (size_t i = 0; i < lines.n; i++)
		buf_printf(&text, "%s\n", lines.v[i]);
	if (r == 0)
		table_print(buf_view(&text), c->out);
	return r;
}

const struct cmd cmd_top = {
	.name = "top", .synopsis = "CONTAINER [-ef|aux|-o COLUMNS]", .about = "Show the processes of a container.",
	.min = 1, .max = -1, .stop = true, .run = top_run,
};

/* ---- stats ---- */

#define INTERVAL_MS 1000
#define SHORT_ID 12

struct stats_args {
	const char *format;
	bool all, no_stream, no_trunc;
};

static const struct opt stats_opts[] = {
	{ 'a', "all", NULL, OPT_BOOL, offsetof(struct stats_args, all), "also those that do not run" },
	{ 0, "format", "TEMPLATE", OPT_STR, offsetof(struct stats_args, format), "table [TEMPLATE], json, or a Go template" },
	{ 0, "no-stream", NULL, OPT_BOOL, offsetof(struct stats_args, no_stream), "print once, do not go on" },
	{ 0, "no-trunc", NULL, OPT_BOOL, offsetof(struct stats_args, no_trunc), "show IDs in full" },
	{ 0 },
};

static const struct format_field fields[] = {
	{ "BlockIO", "BLOCK I/O" }, { "CPUPerc", "CPU %" }, { "Container", "CONTAINER" }, { "ID", "CONTAINER ID" },
	{ "MemPerc", "MEM %" }, { "MemUsage", "MEM USAGE / LIMIT" }, { "Name", "NAME" }, { "NetIO", "NET I/O" },
	{ "PIDs", "PIDS" }, { 0 },
};

#define COLUMNS "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"

/* Docker's units for memory: powers of 1024. */
static void put_binary(struct buf *b, uint64_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)n;
	size_t u = 0;

	for (; v >= 1024 && u + 1 < countof(units); u++)
		v /= 1024;
	buf_printf(b, "%.4g%s", v, units[u]);
}

static json_t *pair(uint64_t a, uint64_t b)
{
	char x[FORMAT_SIZE_MAX], y[FORMAT_SIZE_MAX];

	return json_sprintf("%s / %s", format_size(a, 3, x), format_size(b, 3, y));
}

static json_t *row(const struct stats_args *a, const struct container *c, const struct stats *from, const struct stats *to)
{
	auto_buf struct buf memory = { 0 };
	json_t *o = json_object();
	double share = to->memory_limit ? 100 * (double)to->memory / (double)to->memory_limit : 0;

	put_binary(&memory, to->memory);
	buf_puts(&memory, " / ");
	put_binary(&memory, to->memory_limit);
	json_object_set_new(o, "ID", json_stringn(c->id, a->no_trunc ? strlen(c->id) : SHORT_ID));
	json_object_set_new(o, "Container", json_stringn(c->id, a->no_trunc ? strlen(c->id) : SHORT_ID));
	json_object_set_new(o, "Name", json_string(c->name));
	json_object_set_new(o, "CPUPerc", json_sprintf("%.2f%%", stats_cpu_percent(from, to)));
	json_object_set_new(o, "MemUsage", json_string(memory.p));
	json_object_set_new(o, "MemPerc", json_sprintf("%.2f%%", share));
	json_object_set_new(o, "NetIO", pair(to->rx, to->tx));
	json_object_set_new(o, "BlockIO", pair(to->read, to->written));
	json_object_set_new(o, "PIDs", json_sprintf("%llu", (unsigned long long)to->pids));
	return o;
}

static int pick(struct store *s, const struct stats_args *a, int argc, char **argv, struct container_list *l, struct err *e)
{
	size_t kept = 0;

	if (argc == 0) {
		if (container_list(s, l, e) < 0)
			return -1;
		for (size_t i = 0; i < l->n; i++)
			if (a->all || l->v[i]->state.pid > 0)
				l->v[kept++] = l->v[i];
			else
				container_free(l->v[i]);
		l->n = kept;
		return 0;
	}
	l->v = xcalloc((size_t)argc, sizeof(*l->v));
	for (; l->n < (size_t)argc; l->n++)
		if (container_open(s, argv[l->n], &l->v[l->n], e) < 0)
			return -1;
	return 0;
}

static int print_once(struct cli *c, struct session *ss, const struct stats_args *a, int argc, char **argv, struct err *e)
{
	auto_containers struct container_list l = { 0 };
	auto_format struct format *f = NULL;
	auto_free struct stats *from = NULL;
	int r = pick(ss->store, a, argc, argv, &l, e);

	if (r < 0 || format_new(a->format, COLUMNS, fields, true, &f, e) < 0)
		return -1;
	from = xcalloc(l.n + 1, sizeof(*from));
	for (size_t i = 0; i < l.n; i++)
		stats_read(l.v[i], &from[i]);
	if (l.n && job_wait_fd(&ss->job, ss->job.cancel_fd, POLLIN, a->no_stream ? INTERVAL_MS / 2 : INTERVAL_MS, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n && r == 0; i++) {
		struct stats to;

		stats_read(l.v[i], &to);
		r = format_row(f, row(a, l.v[i], &from[i], &to), e);
	}
	if (r == 0 && !a->no_stream && isatty(1))
		fputs("\033[H\033[2J", c->out);
	if (r == 0)
		format_print(f, c->out);
	fflush(c->out);
	return r;
}

static int stats_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	const struct stats_args *a = p;
	struct session ss;
	int r;

	if (session_open(&ss, c, NULL, e) < 0)
		return -1;
	do
		r = print_once(c, &ss, a, argc, argv, e);
	while (r == 0 && !a->no_stream);
	session_close(&ss);
	return r;
}

const struct cmd cmd_stats = {
	.name = "stats", .synopsis = "[options] [CONTAINER...]", .about = "Show what containers use.",
	.opts = stats_opts, .args_size = sizeof(struct stats_args), .max = -1, .run = stats_run,
};
