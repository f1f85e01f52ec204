/* SPDX-License-Identifier: Apache-2.0 */
/* A container's state as JSON, and what is shown of it. */
#include "runtime/container/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "runtime/container/health.h"
#include "runtime/sandbox/join.h"

#define NEVER "0001-01-01T00:00:00Z"	/* Go's zero time, as Docker prints it */

static const char *const words[] = {
	[CONTAINER_CREATED] = "created", [CONTAINER_RUNNING] = "running", [CONTAINER_PAUSED] = "paused",
	[CONTAINER_RESTARTING] = "restarting", [CONTAINER_EXITED] = "exited",
};

const char *container_status_word(enum container_status s)
{
	return words[s];
}

static json_t *time_json(int64_t ns)
{
	char text[CLOCK_TEXT_MAX];

	return json_string(ns ? clock_rfc3339(ns, text) : NEVER);
}

void record_state_text(const struct container_state *st, struct buf *ret)
{
	bool live = st->status != CONTAINER_CREATED && st->status != CONTAINER_EXITED;
	json_t *o = json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:I, s:I, s:i, s:s, s:o, s:o}", "Status", words[st->status],
			      "Running", live, "Paused", st->status == CONTAINER_PAUSED, "Restarting",
			      st->status == CONTAINER_RESTARTING, "OOMKilled", st->oom, "Dead", 0, "Pid",
			      (json_int_t)st->pid, "PidStart", (json_int_t)st->pid_start, "ExitCode", st->exit_code,
			      "Error", st->error ? st->error : "", "StartedAt", time_json(st->started_ns), "FinishedAt",
			      time_json(st->finished_ns));
	auto_free char *text = NULL;

	json_object_set_new(o, "Restarts", json_integer(st->restarts));
	json_object_set_new(o, "Stopped", json_boolean(st->stopped));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	buf_puts(ret, text ? text : "{}");
}

static int64_t time_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	int64_t ns;

	return text && strcmp(text, NEVER) != 0 && clock_parse_rfc3339(str_of(text), &ns) ? ns : 0;
}

int record_state_parse(struct str text, struct container_state *ret)
{
	json_t *o = json_loadb(text.p, text.n, 0, NULL);
	const char *status = json_string_value(json_object_get(o, "Status"));
	const char *error = json_string_value(json_object_get(o, "Error"));
	int r = -1;

	for (size_t i = 0; status && i < countof(words); i++) {
		if (strcmp(status, words[i]) != 0)
			continue;
		*ret = (struct container_state){
			.status = (enum container_status)i,
			.oom = json_is_true(json_object_get(o, "OOMKilled")),
			.stopped = json_is_true(json_object_get(o, "Stopped")),
			.restarts = (unsigned)json_integer_value(json_object_get(o, "Restarts")),
			.pid = (pid_t)json_integer_value(json_object_get(o, "Pid")),
			.pid_start = (uint64_t)json_integer_value(json_object_get(o, "PidStart")),
			.exit_code = (int)json_integer_value(json_object_get(o, "ExitCode")),
			.started_ns = time_of(o, "StartedAt"),
			.finished_ns = time_of(o, "FinishedAt"),
			.error = error && *error ? xstrdup(error) : NULL,
		};
		r = 0;
	}
	json_decref(o);
	return r;
}

int record_names(int dir, struct strv *ret, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *de;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		err_sys(e, "list a directory");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			strv_add(ret, de->d_name);
	closedir(d);
	return 0;
}

static void health_text(const struct container *c, struct buf *ret)
{
	const char *word = container_health_word(c);

	if (strcmp(word, "none") != 0)
		buf_printf(ret, " (%s%s)", strcmp(word, "starting") == 0 ? "health: " : "", word);
}

void container_status_text(const struct container *c, int64_t now_ns, struct buf *ret)
{
	const struct container_state *st = &c->state;
	char ago[CLOCK_TEXT_MAX];

	if (st->status == CONTAINER_CREATED) {
		buf_puts(ret, "Created");
	} else if (st->status == CONTAINER_RUNNING || st->status == CONTAINER_PAUSED) {
		struct str s = str_of(clock_ago(now_ns - st->started_ns, ago));

		if (str_ends(s, " ago"))
			s.n -= strlen(" ago");
		buf_printf(ret, "Up " STR_FMT, STR_ARG(s));
		if (st->status == CONTAINER_PAUSED)
			buf_puts(ret, " (Paused)");
		else
			health_text(c, ret);
	} else {
		buf_printf(ret, "%s (%d)", st->status == CONTAINER_EXITED ? "Exited" : "Restarting", st->exit_code);
		if (st->finished_ns)	/* unknown if its monitor was killed */
			buf_printf(ret, " %s", clock_ago(now_ns - st->finished_ns, ago));
	}
}

const char *container_text(const struct container *c, ...)
{
	const json_t *at = c->config;
	const char *key;
	va_list ap;

	va_start(ap, c);
	while ((key = va_arg(ap, const char *)))
		at = json_object_get(at, key);
	va_end(ap);
	return json_is_string(at) ? json_string_value(at) : "";
}

int64_t container_created_ns(const struct container *c)
{
	return time_of(c->config, "Created");
}

void container_anonymous_volumes(const struct container *c, struct strv *ret)
{
	const json_t *mounts = json_object_get(c->config, "Mounts");

	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const json_t *m = json_array_get(mounts, i);
		const char *name = json_string_value(json_object_get(m, "Name"));

		if (name && json_is_true(json_object_get(m, "Anonymous")))
			strv_add(ret, name);
	}
}

uint64_t process_start_time(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d", pid);
	auto_fd int proc = pid > 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return proc < 0 ? 0 : process_start_at(proc);
}
