/* SPDX-License-Identifier: Apache-2.0 */
/* tare top: ps(1) on a container's processes, with the columns that people ask for. */
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/processes.h"
#include "engine/stats.h"
#include "runtime/container/container.h"
#include "runtime/sandbox/join.h"

struct column {
	const char *name, *head;
	void (*put)(const struct proc_info *p, struct buf *b);
};

static int64_t age_seconds(const struct proc_info *p)
{
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	return MAX((int64_t)0, (int64_t)up.tv_sec - (int64_t)(p->start / (uint64_t)sysconf(_SC_CLK_TCK)));
}

static void put_uid(const struct proc_info *p, struct buf *b) { buf_printf(b, "%u", p->uid); }
static void put_pid(const struct proc_info *p, struct buf *b) { buf_printf(b, "%d", p->pid); }
static void put_ppid(const struct proc_info *p, struct buf *b) { buf_printf(b, "%d", p->ppid); }
static void put_comm(const struct proc_info *p, struct buf *b) { buf_puts(b, p->name); }
static void put_cmd(const struct proc_info *p, struct buf *b) { buf_str(b, p->command); }
static void put_stat(const struct proc_info *p, struct buf *b) { buf_putc(b, p->state); }
static void put_rss(const struct proc_info *p, struct buf *b) { buf_printf(b, "%llu", (unsigned long long)(p->rss >> 10)); }
static void put_vsz(const struct proc_info *p, struct buf *b) { buf_printf(b, "%llu", (unsigned long long)(p->vsize >> 10)); }
static void put_nlwp(const struct proc_info *p, struct buf *b) { buf_printf(b, "%llu", (unsigned long long)p->threads); }

static void put_user(const struct proc_info *p, struct buf *b)
{
	if (p->uid == 0)		/* other names are the container's business */
		buf_puts(b, "root");
	else
		put_uid(p, b);
}

static void put_c(const struct proc_info *p, struct buf *b)
{
	int64_t age = age_seconds(p);

	buf_printf(b, "%llu", (unsigned long long)(age > 0 ? p->cpu_ns / 10000000 / (uint64_t)age : 0));
}

static void put_stime(const struct proc_info *p, struct buf *b)
{
	time_t t = (time_t)(clock_now_ns() / 1000000000 - age_seconds(p));
	struct tm tm;
	char text[16];

	localtime_r(&t, &tm);
	strftime(text, sizeof(text), age_seconds(p) < 86400 ? "%H:%M" : "%b%d", &tm);
	buf_puts(b, text);
}

static void put_tty(const struct proc_info *p, struct buf *b)
{
	if (p->tty)
		buf_printf(b, "pts/%u", minor((dev_t)p->tty));
	else
		buf_putc(b, '?');
}

static void put_time(const struct proc_info *p, struct buf *b)
{
	unsigned long long s = p->cpu_ns / 1000000000;

	buf_printf(b, "%02llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
}

static void put_etime(const struct proc_info *p, struct buf *b)
{
	unsigned long long s = (unsigned long long)age_seconds(p);

	if (s >= 3600)
		buf_printf(b, "%02llu:", s / 3600);
	buf_printf(b, "%02llu:%02llu", s / 60 % 60, s % 60);
}

static const struct column columns[] = {
	{ "uid", "UID", put_uid }, { "user", "USER", put_user }, { "pid", "PID", put_pid }, { "ppid", "PPID", put_ppid },
	{ "c", "C", put_c }, { "stime", "STIME", put_stime }, { "tty", "TTY", put_tty }, { "time", "TIME", put_time },
	{ "cmd", "CMD", put_cmd }, { "args", "COMMAND", put_cmd }, { "command", "COMMAND", put_cmd },
	{ "comm", "COMMAND", put_comm }, { "stat", "STAT", put_stat }, { "state", "S", put_stat }, { "rss", "RSS", put_rss },
	{ "vsz", "VSZ", put_vsz }, { "etime", "ELAPSED", put_etime }, { "nlwp", "NLWP", put_nlwp },
};

#define SHOWN_MAX 32

struct shown {
	const struct column *v[SHOWN_MAX];
	size_t n;
	struct strv *out;
};

static int show(struct shown *s, struct str names, struct err *e)
{
	while (names.p) {
		struct str name = str_cut(&names, ',');
		const struct column *found = NULL;

		for (size_t i = 0; i < countof(columns); i++)
			if (str_is(name, columns[i].name))
				found = &columns[i];
		if (!found || s->n == SHOWN_MAX)
			return err_set(e, ERR_USAGE, "top knows no column \"" STR_FMT "\"", STR_ARG(name));
		s->v[s->n++] = found;
	}
	return 0;
}

static int choose(struct shown *s, const struct strv *args, struct err *e)
{
	for (size_t i = 0; i < args->n; i++) {
		const char *a = args->v[i];

		if (strcmp(a, "-ef") == 0 || strcmp(a, "-e") == 0 || strcmp(a, "-f") == 0)
			continue;
		if (strcmp(a, "aux") == 0 || strcmp(a, "-aux") == 0) {
			if (show(s, STR_LIT("user,pid,vsz,rss,tty,stat,stime,time,command"), e) < 0)
				return -1;
		} else if (strcmp(a, "-o") == 0 && i + 1 < args->n) {
			if (show(s, str_of(args->v[++i]), e) < 0)
				return -1;
		} else if (strncmp(a, "-o", 2) == 0 && a[2]) {
			if (show(s, str_of(a + 2), e) < 0)
				return -1;
		} else {
			err_set(e, ERR_USAGE, "top does not know the option \"%s\" of ps", a);
			return err_hint(e, "there are -ef, aux and -o with names of columns");
		}
	}
	return s->n ? 0 : show(s, STR_LIT("user,pid,ppid,c,stime,tty,time,cmd"), e);
}

static void line(void *arg, const struct proc_info *p)
{
	struct shown *s = arg;
	auto_buf struct buf b = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		if (i)
			buf_putc(&b, '\t');
		if (p)
			s->v[i]->put(p, &b);
		else
			buf_puts(&b, s->v[i]->put == put_user && s->n == 8 ? "UID" : s->v[i]->head);
	}
	strv_take(s->out, buf_take(&b));
}

int engine_top(struct store *s, const char *ref, const struct strv *args, struct strv *ret, struct err *e)
{
	auto_err struct err gone = { 0 };
	struct shown sh = { .out = ret };
	struct container *c;
	struct process t;
	int r;

	if (choose(&sh, args, e) < 0 || container_open(s, ref, &c, e) < 0)
		return -1;
	r = c->state.pid > 0 ? process_open(c->state.pid, c->state.pid_start, &t, &gone) : -1;
	if (r < 0)
		err_set(e, ERR_CONFLICT, "container %s is not running", c->id);
	container_free(c);
	if (r < 0)
		return -1;
	line(&sh, NULL);
	processes_each(&t, line, &sh);
	process_close(&t);
	return 0;
}
