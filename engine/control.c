/* SPDX-License-Identifier: Apache-2.0 */
/* stop, restart, kill, pause, wait, rename, rm. */
#include "engine/control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "engine/run_volume.h"
#include "engine/start.h"
#include "engine/sweep.h"
#include "runtime/container/control.h"
#include "runtime/container/eventlog.h"
#include "runtime/sandbox/userns.h"

int engine_run_dir(char **ret, struct err *e)
{
	struct userns u;

	return userns_info(&u, e) < 0 ? -1 : userns_run_dir(&u, ret, e);
}

int engine_connect(struct container *c, int *ret, struct err *e)
{
	auto_free char *dir = NULL;

	if (engine_run_dir(&dir, e) < 0)
		return -1;
	if (container_is_live(c) && control_connect(dir, c->id, ret, e) == 0)
		return 0;
	if (container_is_live(c) && e->kind != ERR_NOT_FOUND)
		return -1;
	return err_set(e, ERR_CONFLICT, "container %s is not running", c->id);
}

/* Ask, and hear the answer; the connection stays for what else is said. */
static int ask(struct job *j, struct container *c, enum control_kind kind, int a, int b, int *sock, struct err *e)
{
	auto_free struct control *m = xmalloc(sizeof(*m));
	auto_fd int fd = -1;

	if (engine_connect(c, &fd, e) < 0)
		return -1;
	if (control_send(fd, kind, a, b, (struct str){ 0 }, 0) < 0 && errno != EPIPE)
		return err_sys(e, "ask the container's monitor");
	if (control_answer(j, fd, m, e) < 0)
		return -1;
	if (sock)
		*sock = take_fd(&fd);
	return 0;
}

int engine_reload(struct job *j, struct container *c, struct err *e)
{
	if (!container_is_live(c) || ask(j, c, CONTROL_RELOAD, 0, 0, NULL, e) == 0)
		return 0;
	if (e->kind != ERR_CONFLICT && e->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(e);		/* it has just ended */
	return 0;
}

/* Its monitor is asked to end it, and we wait until it has. */
static int end(struct job *j, struct container *c, enum control_kind kind, int a, int b, struct err *e)
{
	auto_fd int sock = -1;
	int code;

	if (ask(j, c, kind, a, b, &sock, e) < 0) {
		if (e->kind != ERR_NOT_FOUND && e->kind != ERR_CONFLICT)
			return -1;
		err_clear(e);		/* it has just ended by itself */
		return 0;
	}
	if (kind == CONTROL_KILL && control_send(sock, CONTROL_WAIT, 0, 0, (struct str){ 0 }, 0) < 0)
		return 0;
	return control_wait_exit(j, sock, &code, e) < 0 ? -1 : 0;
}

int engine_stop(struct job *j, struct store *s, const char *ref, int sig, int seconds, struct err *e)
{
	auto_container struct container *c = NULL;

	if (container_open(s, ref, &c, e) < 0)
		return -1;
	return container_is_live(c) ? end(j, c, CONTROL_STOP, seconds, sig, e) : 0;
}

/* Asked to restart it, the monitor says when it runs again, or why it does not. */
static int await_started(struct job *j, int sock, struct err *e)
{
	auto_free struct control *m = xmalloc(sizeof(*m));

	for (;;) {
		if (job_wait_fd(j, sock, POLLIN, -1, e) < 0)
			return -1;
		if (control_recv(sock, m, 0) <= 0)
			return err_set(e, ERR_SYS, "the container's monitor was killed");
		if (m->kind == CONTROL_STARTED)
			return 0;
		if (m->kind == CONTROL_FAILED)
			return err_set(e, (enum err_kind)m->b, STR_FMT, (int)m->n, m->data);
	}
}

int engine_restart(struct job *j, struct store *s, const char *ref, int sig, int seconds, struct err *e)
{
	auto_container struct container *c = NULL;

	if (container_open(s, ref, &c, e) < 0)
		return -1;
	if (container_is_live(c)) {
		auto_fd int sock = -1;

		if (ask(j, c, CONTROL_RESTART, seconds, sig, &sock, e) == 0)
			return await_started(j, sock, e);
		if (e->kind != ERR_NOT_FOUND && e->kind != ERR_CONFLICT)
			return -1;
		err_clear(e);
	}
	if (engine_start(j, s, c->id, e) < 0)
		return -1;
	event_log_container(c, "restart", NULL);
	return 0;
}

int engine_kill(struct job *j, struct store *s, const char *ref, int sig, struct err *e)
{
	auto_container struct container *c = NULL;

	if (container_open(s, ref, &c, e) < 0)
		return -1;
	if (ask(j, c, CONTROL_KILL, sig, 0, NULL, e) == 0)
		return 0;
	if (e->kind == ERR_NOT_FOUND || e->kind == ERR_CONFLICT)
		err_set(e, ERR_CONFLICT, "cannot kill container: %s: container %s is not running", ref, c->id);
	return -1;
}

int engine_pause(struct job *j, struct store *s, const char *ref, bool pause, struct err *e)
{
	auto_container struct container *c = NULL;

	if (container_open(s, ref, &c, e) < 0)
		return -1;
	return ask(j, c, pause ? CONTROL_PAUSE : CONTROL_RESUME, 0, 0, NULL, e);
}

int engine_wait(struct job *j, struct store *s, const char *ref, int *code, struct err *e)
{
	auto_container struct container *c = NULL;
	auto_fd int sock = -1;
	int r;

	if (container_open(s, ref, &c, e) < 0)
		return -1;
	if (container_is_live(c) && ask(j, c, CONTROL_WAIT, 0, 0, &sock, e) == 0) {
		r = control_wait_exit(j, sock, code, e);
		if (r < 0)
			return -1;
		if (r == 0)
			*code = 137;	/* its monitor was killed */
		return 0;
	}
	if (e->kind != ERR_NONE && e->kind != ERR_NOT_FOUND && e->kind != ERR_CONFLICT)
		return -1;
	if (e->kind != ERR_NONE && container_reload(c, e) < 0)
		return -1;
	err_clear(e);
	*code = c->state.exit_code;
	return 0;
}

int engine_rename(struct job *j, struct store *s, const char *ref, const char *name, struct err *e)
{
	auto_container struct container *c = NULL;
	auto_free char *old = NULL;

	if (container_open(s, ref, &c, e) < 0)
		return -1;
	old = xasprintf("/%s", c->name);
	if (container_rename(c, name + (*name == '/'), e) < 0 || engine_reload(j, c, e) < 0)
		return -1;
	event_log_container(c, "rename", json_pack("{s:s}", "oldName", old));
	return 0;
}

int engine_rm(struct job *j, struct store *s, const char *ref, bool force, bool volumes, struct err *e)
{
	auto_container struct container *c = NULL;
	auto_strv struct strv names = { 0 };

	if (container_open(s, ref, &c, e) < 0)
		return -1;
	if (force && container_is_live(c) && end(j, c, CONTROL_KILL, SIGKILL, 1, e) < 0)
		return -1;
	if (volumes)
		container_anonymous_volumes(c, &names);
	if (container_remove(c, force, e) < 0) {
		if (!force || e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);		/* AutoRemove: its monitor has done it */
		return 0;
	}
	engine_sweep();
	event_log_container(c, "destroy", NULL);
	return run_volumes_remove(s, &names, e);
}
