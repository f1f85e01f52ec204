/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the log of events, and on as it grows. */
#include "engine/events.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cache/store.h"
#include "engine/filter.h"
#include "engine/logs.h"
#include "runtime/container/eventlog.h"

#define CHUNK ((size_t)64 << 10)
#define LINE_MAX_BYTES ((size_t)4 << 20)
#define LOOK_MS 1000			/* should a change be missed */

static const char *const keys[] = {
	"container", "event", "image", "label", "network", "scope", "type", "volume", NULL,
};

struct reader {
	struct store *store;
	int fd;				/* -1: there is no log yet */
	struct buf raw;
	size_t at;
};

/* ---- filters ---- */

static const char *attribute(const json_t *ev, const char *key)
{
	return json_string_value(json_object_get(json_object_get(json_object_get(ev, "Actor"), "Attributes"), key));
}

static bool is_text(const json_t *ev, const char *key, struct str want)
{
	const char *have = json_string_value(json_object_get(ev, key));

	return have && str_is(want, have);
}

/* By name or by the start of an ID. */
static bool is_object(const json_t *ev, const char *type, struct str want)
{
	const char *id = json_string_value(json_object_get(json_object_get(ev, "Actor"), "ID"));
	const char *name = attribute(ev, "name");

	if (!is_text(ev, "Type", str_of(type)))
		return false;
	return (name && str_is(want, name)) || (id && want.n && strncmp(id, want.p, want.n) == 0);
}

static bool has_label(const json_t *ev, struct str want)
{
	struct str value = want, k = str_cut(&value, '=');
	auto_free char *key = str_dup(k);
	const char *have = attribute(ev, key);

	return have && (!value.p || str_is(value, have));
}

/* "health_status" is also "health_status: healthy", "exec_start" also "exec_start: ls". */
static bool is_action(const json_t *ev, struct str want)
{
	struct str action = str_of(json_string_value(json_object_get(ev, "Action"))), first = action;

	return str_eq(action, want) || str_eq(str_cut(&first, ':'), want);
}

static bool is_image(const json_t *ev, struct str want)
{
	const char *image = attribute(ev, "image");
	struct str rest = str_of(image);

	return is_object(ev, "image", want) || (image && (str_is(want, image) || str_eq(str_cut(&rest, ':'), want)));
}

static bool match(void *arg, struct str key, struct str value)
{
	const json_t *ev = arg;

	if (str_is(key, "event"))
		return is_action(ev, value);
	if (str_is(key, "type"))
		return is_text(ev, "Type", value);
	if (str_is(key, "scope"))
		return is_text(ev, "scope", value);
	if (str_is(key, "label"))
		return has_label(ev, value);
	if (str_is(key, "image"))
		return is_image(ev, value);
	for (size_t i = 0; keys[i]; i++)	/* container, network, volume */
		if (str_is(key, keys[i]))
			return is_object(ev, keys[i], value);
	return false;
}

/* ---- the log ---- */

static int open_log(const struct reader *r, const char *name)
{
	return openat(store_dirfd(r->store), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* The log that is now the present one, once ours is read to its end and has been rotated away. */
static bool next_log(struct reader *r)
{
	auto_fd int fd = open_log(r, EVENTLOG_NAME);
	struct stat a, b;

	if (fd < 0)
		return false;
	if (r->fd >= 0 && fstat(fd, &a) == 0 && fstat(r->fd, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev)
		return false;
	if (r->fd >= 0)
		close(r->fd);
	r->fd = take_fd(&fd);
	return true;
}

/* 1: *ret is a line; 0: nothing more at present; -1 */
static int next_line(struct reader *r, struct str *ret, struct err *e)
{
	for (;;) {
		struct str left = str_sub(buf_view(&r->raw), r->at, r->raw.n);
		const char *nl = left.n ? memchr(left.p, '\n', left.n) : NULL;
		ssize_t n;

		if (nl) {
			*ret = str_sub(left, 0, (size_t)(nl - left.p));
			r->at += ret->n + 1;
			return 1;
		}
		if (left.n > LINE_MAX_BYTES)
			return err_set(e, ERR_CORRUPT, "a line of the log of events is too long");
		if (r->at)
			memmove(r->raw.p, r->raw.p + r->at, left.n);
		r->raw.n = left.n;
		r->at = 0;
		buf_reserve(&r->raw, CHUNK);
		n = r->fd < 0 ? 0 : read(r->fd, r->raw.p + r->raw.n, CHUNK);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "read the log of events");
		if (n > 0)
			r->raw.n += (size_t)n;
		else if (n == 0 && !next_log(r))
			return 0;
	}
}

/* ---- the command ---- */

struct bounds {
	int64_t since, until;		/* until 0: none */
};

/* Events that fit, as far as they are there. 1: go on; 0: enough; -1 */
static int drain(struct job *j, struct reader *r, const struct events_args *a, const struct bounds *b,
		 int (*each)(void *, const json_t *), void *arg, struct err *e)
{
	struct str line = { 0 };
	int n;

	while ((n = next_line(r, &line, e)) > 0) {
		json_t *ev = json_loadb(line.p, line.n, 0, NULL);
		int64_t at = json_integer_value(json_object_get(ev, "timeNano"));
		bool over = b->until && at > b->until;
		int stop = over;

		if (ev && !over && at >= b->since && filter_match(&a->filters, match, ev))
			stop = each(arg, ev) < 0;
		json_decref(ev);
		if (stop)
			return 0;
		if (job_check(j, e) < 0)
			return -1;
	}
	return n < 0 ? -1 : 1;
}

static int bounds_parse(const struct events_args *a, struct bounds *ret, struct err *e)
{
	int64_t now = clock_now_ns();

	*ret = (struct bounds){ .since = a->since ? 0 : now };
	if (a->since && !logs_time(a->since, now, &ret->since))
		return err_set(e, ERR_USAGE, "invalid value for \"since\": \"%s\"", a->since);
	if (a->until && !logs_time(a->until, now, &ret->until))
		return err_set(e, ERR_USAGE, "invalid value for \"until\": \"%s\"", a->until);
	return 0;
}

static int follow(struct job *j, struct reader *r, int notify, const struct events_args *a, const struct bounds *b,
		  int (*each)(void *, const json_t *), void *arg, struct err *e)
{
	for (;;) {
		int64_t left = b->until ? b->until - clock_now_ns() : INT64_MAX;
		char ignored[4096];
		int n = drain(j, r, a, b, each, arg, e);

		if (n <= 0)
			return n;
		if (left <= 0)
			return 0;
		if (job_wait_fd(j, notify, POLLIN, (int)MIN(left / 1000000 + 1, (int64_t)LOOK_MS), e) < 0)
			return -1;
		while (read(notify, ignored, sizeof(ignored)) > 0)
			;
	}
}

int engine_events(struct job *j, struct store *s, const struct events_args *a, int (*each)(void *arg, const json_t *event),
		  void *arg, struct err *e)
{
	struct reader r = { .store = s, .fd = -1 };
	auto_fd int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct bounds b;
	int ret;

	if (filter_check(&a->filters, keys, e) < 0 || bounds_parse(a, &b, e) < 0)
		return -1;
	if (notify < 0 || inotify_add_watch(notify, store_path(s), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return err_sys(e, "watch the log of events");
	r.fd = a->since ? open_log(&r, EVENTLOG_NAME ".1") : -1;
	if (r.fd < 0)
		r.fd = open_log(&r, EVENTLOG_NAME);
	ret = follow(j, &r, notify, a, &b, each, arg, e);
	if (r.fd >= 0)
		close(r.fd);
	buf_done(&r.raw);
	return ret;
}
