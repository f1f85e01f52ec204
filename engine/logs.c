/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of one or several containers; following waits for their files to change. */
#include "engine/logs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "base/clock.h"

#define SECOND INT64_C(1000000000)
#define LOOK_MS 500		/* a container whose monitor was killed tells nothing: look after it */

struct source {
	struct container *c;
	struct logread *log;
	bool ended;		/* nothing more will come */
	bool last;		/* it has ended; one more look */
};

static bool seconds(struct str s, int64_t *ret)
{
	struct str frac = s, whole = str_cut(&frac, '.');
	uint64_t n, f = 0, unit = 1000000000;

	if (!str_to_u64(whole, 10, &n) || n > 9000000000 || frac.n > 9 || (frac.n && !str_to_u64(frac, 10, &f)))
		return false;
	for (size_t i = 0; i < frac.n; i++)
		unit /= 10;
	*ret = (int64_t)(n * 1000000000 + f * unit);
	return true;
}

/* "2026-01-02", "2026-01-02T15:04", "...:05": RFC 3339 with its end left out, as Docker takes it. */
static bool short_time(const char *text, int64_t *ret)
{
	static const char *const ends[] = { "", "Z", ":00Z", ":00:00Z", "T00:00:00Z" };

	for (size_t i = 0; i < countof(ends); i++) {
		auto_free char *full = xasprintf("%s%s", text, ends[i]);

		if (clock_parse_rfc3339(str_of(full), ret))
			return true;
	}
	return false;
}

bool logs_time(const char *text, int64_t now_ns, int64_t *ret)
{
	int64_t back;

	if (seconds(str_of(text), ret))
		return true;
	if (clock_parse_duration(str_of(text), &back)) {
		*ret = now_ns - back;
		return true;
	}
	return short_time(text, ret);
}

static int options(const struct logs_args *a, struct logread_options *ret, struct err *e)
{
	int64_t now = clock_now_ns();
	uint64_t n;

	*ret = (struct logread_options){ .tail = -1 };
	if (a->since && !logs_time(a->since, now, &ret->since_ns))
		return err_set(e, ERR_USAGE, "invalid value for \"since\": failed to parse value as time or duration: \"%s\"",
			       a->since);
	if (a->until && !logs_time(a->until, now, &ret->until_ns))
		return err_set(e, ERR_USAGE, "invalid value for \"until\": failed to parse value as time or duration: \"%s\"",
			       a->until);
	if (a->tail && str_to_u64(str_of(a->tail), 10, &n))
		ret->tail = (int64_t)MIN(n, (uint64_t)INT64_MAX);
	return 0;
}

static int check_driver(const struct container *c, struct err *e)
{
	if (strcmp(container_text(c, "HostConfig", "LogConfig", "Type", NULL), "none") == 0)
		return err_set(e, ERR_USAGE, "configured logging driver does not support reading");
	return 0;
}

static int watch(int notify, const struct container *c, struct err *e)
{
	auto_free char *path = xasprintf("/proc/self/fd/%d", c->dir);

	if (inotify_add_watch(notify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF) < 0)
		return err_sys(e, "watch the log");
	return 0;
}

static int open_all(struct store *s, const char *const *refs, size_t n, const struct logs_args *a, int notify,
		    struct source *v, struct err *e)
{
	struct logread_options o;

	if (options(a, &o, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (container_open(s, refs[i], &v[i].c, e) < 0 || check_driver(v[i].c, e) < 0 ||
		    (a->follow && watch(notify, v[i].c, e) < 0) ||
		    logread_open(v[i].c->dir, v[i].c->id, &o, &v[i].log, e) < 0)
			return -1;
	return 0;
}

/* All that is there of one now. 1: go on; 0: the reader wants no more; -1 */
static int drain(struct job *j, struct source *v, int (*line)(void *, const struct container *, const struct logline *),
		 void *arg, struct err *e)
{
	struct logline l;
	int r;

	while ((r = logread_next(v->log, &l, &v->ended, e)) > 0) {
		if (job_check(j, e) < 0)
			return -1;
		if (line(arg, v->c, &l) < 0)
			return 0;
	}
	return r < 0 ? -1 : 1;
}

/* Its monitor writes the log before the record says that it ended: look once more after that. */
static void look_after(struct source *v)
{
	auto_err struct err gone = { 0 };

	if (v->last) {
		v->ended = true;
		return;
	}
	v->last = container_reload(v->c, &gone) < 0 || !container_is_live(v->c);
}

static int pump(struct job *j, struct source *v, size_t n, bool follow, int notify,
		int (*line)(void *, const struct container *, const struct logline *), void *arg, struct err *e)
{
	for (;;) {
		size_t open = 0;
		bool again = false;
		char ignored[4096];

		for (size_t i = 0; i < n; i++) {
			int r;

			if (v[i].ended)
				continue;
			r = drain(j, &v[i], line, arg, e);
			if (r <= 0)
				return r;
			if (!v[i].ended && follow)
				look_after(&v[i]);
			again = again || v[i].last;
			open += !v[i].ended;
		}
		if (!follow || !open)
			return 0;
		if (!again && job_wait_fd(j, notify, POLLIN, LOOK_MS, e) < 0)
			return -1;
		while (read(notify, ignored, sizeof(ignored)) > 0)
			;
	}
}

int engine_logs(struct job *j, struct store *s, const char *const *refs, size_t n, const struct logs_args *a,
		int (*line)(void *arg, const struct container *c, const struct logline *l), void *arg, struct err *e)
{
	auto_free struct source *v = xcalloc(n + 1, sizeof(*v));
	auto_fd int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int r;

	if (notify < 0)
		return err_sys(e, "make an inotify instance");
	r = open_all(s, refs, n, a, notify, v, e);
	if (r == 0)
		r = pump(j, v, n, a->follow, notify, line, arg, e);
	for (size_t i = 0; i < n; i++) {
		logread_close(v[i].log);
		container_free(v[i].c);
	}
	return r;
}
