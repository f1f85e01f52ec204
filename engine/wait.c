/* SPDX-License-Identifier: Apache-2.0 */
/* The container's directory tells of every change of its state: its files are replaced by rename. */
#include "engine/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "engine/control.h"
#include "runtime/container/container.h"
#include "runtime/container/health.h"

#define LOOK_MS 250		/* a monitor that was killed changes nothing: look by ourselves, too */

struct watch {
	struct job *job;
	struct store *store;
	char id[CONTAINER_ID_MAX];
	int inotify;
};

static int watch_open(struct watch *w, struct job *j, struct store *s, const char *ref, struct err *e)
{
	struct container *c;
	char path[64];

	*w = (struct watch){ .job = j, .store = s, .inotify = -1 };
	if (container_open(s, ref, &c, e) < 0)
		return -1;
	memcpy(w->id, c->id, sizeof(w->id));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", c->dir);
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->inotify >= 0)
		(void)inotify_add_watch(w->inotify, path, IN_MOVED_TO | IN_MOVE_SELF | IN_DELETE_SELF);
	container_free(c);
	return w->inotify < 0 ? err_sys(e, "watch the container") : 0;
}

/* The container as it is now, or NULL and ERR_NOT_FOUND. */
static struct container *look(const struct watch *w, struct err *e)
{
	struct container *c = NULL;

	return container_open(w->store, w->id, &c, e) < 0 ? NULL : c;
}

static int rest(const struct watch *w, struct err *e)
{
	char events[4096];

	if (job_wait_fd(w->job, w->inotify, POLLIN, LOOK_MS, e) < 0)
		return -1;
	while (read(w->inotify, events, sizeof(events)) > 0)
		;
	return 0;
}

static int until_healthy(const struct watch *w, struct err *e)
{
	for (;;) {
		struct container *c = look(w, e);
		const char *word = c ? container_health_word(c) : "";
		bool live = c && container_is_live(c);

		container_free(c);
		if (!c)
			return -1;
		if (strcmp(word, "none") == 0)
			return err_set(e, ERR_CONFLICT, "container %.12s has no health check", w->id);
		if (!live)
			return err_set(e, ERR_CONFLICT, "container %.12s is not running", w->id);
		if (strcmp(word, "healthy") == 0)
			return 0;
		if (rest(w, e) < 0)
			return -1;
	}
}

static int until_removed(const struct watch *w, int *code, struct err *e)
{
	for (;;) {
		auto_err struct err gone = { 0 };
		struct container *c = look(w, &gone);

		if (!c)
			return 0;
		*code = c->state.exit_code;
		container_free(c);
		if (rest(w, e) < 0)
			return -1;
	}
}

static int until_live(const struct watch *w, struct err *e)
{
	for (;;) {
		struct container *c = look(w, e);
		bool live = c && container_is_live(c);

		container_free(c);
		if (!c || live)
			return c ? 0 : -1;
		if (rest(w, e) < 0)
			return -1;
	}
}

int engine_wait_for(struct job *j, struct store *s, const char *ref, const char *condition, int *code, struct err *e)
{
	struct watch w;
	int r;

	*code = 0;
	if (strcmp(condition, "not-running") == 0)
		return engine_wait(j, s, ref, code, e);
	if (strcmp(condition, "next-exit") != 0 && strcmp(condition, "removed") != 0 && strcmp(condition, "healthy") != 0)
		return err_set(e, ERR_USAGE, "invalid condition: \"%s\": there are not-running, next-exit, removed and healthy",
			       condition);
	if (watch_open(&w, j, s, ref, e) < 0)
		return -1;
	if (strcmp(condition, "healthy") == 0)
		r = until_healthy(&w, e);
	else if (strcmp(condition, "removed") == 0)
		r = until_removed(&w, code, e);
	else
		r = until_live(&w, e) < 0 ? -1 : engine_wait(j, s, w.id, code, e);
	close(w.inotify);
	return r;
}
