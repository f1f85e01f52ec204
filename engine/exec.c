/* SPDX-License-Identifier: Apache-2.0 */
/* tare exec: the record's process part with another command, started where the container is. */
#include "engine/exec.h"

#include <errno.h>

#include "base/fs.h"
#include "engine/run_env.h"
#include "engine/run_io.h"
#include "engine/run_spec.h"
#include "runtime/container/container.h"
#include "runtime/container/eventlog.h"
#include "runtime/sandbox/caps.h"
#include "runtime/sandbox/join.h"
#include "runtime/sandbox/sandbox.h"

struct exec {
	struct job *job;
	const struct exec_args *args;
	struct container *container;
	struct process target;
	struct run_spec rs;
	struct sandbox_host *host;
	struct sandbox *sandbox;
	struct run_io io;
	int root;
	char id[CONTAINER_ID_MAX];	/* in the events */
};

/* As Docker tells of it: the action names the command, too. status: of exec_die, else -1. */
static void tell(struct exec *x, const char *action, int status)
{
	json_t *attrs = json_pack("{s:s}", "execID", x->id);
	auto_buf struct buf text = { 0 };

	buf_puts(&text, action);
	for (size_t i = 0; status < 0 && i < x->args->command.n; i++)
		buf_printf(&text, "%s%s", i ? " " : ": ", x->args->command.v[i]);
	if (status >= 0)
		json_object_set_new(attrs, "exitCode", json_sprintf("%d", status));
	event_log_container(x->container, text.p, attrs);
}

/* Another command, directory and environment, and none of what the container has as a whole. */
static int adapt(struct exec *x, struct err *e)
{
	const char *cwd = x->args->workdir;
	struct spec *sp = &x->rs.sp;

	strv_done(&sp->argv);
	strv_copy(&sp->argv, &x->args->command);
	sp->init = false;
	sp->limits = (struct cgroup_limits){ 0 };
	if (x->args->tty && !strv_env_get(&sp->env, "TERM"))
		strv_env_set(&sp->env, "TERM", "xterm");
	if (x->args->privileged) {
		sp->privileged = sp->seccomp_off = true;
		sp->caps = caps_host();
		sp->seccomp_profile = NULL;
		sp->no_new_privs = false;
	}
	if (!cwd)
		return 0;
	if (*cwd != '/')
		return err_set(e, ERR_USAGE, "the working directory '%s' is invalid, it needs to be an absolute path", cwd);
	free(x->rs.cwd);
	sp->cwd = x->rs.cwd = str_path_clean(cwd);
	return 0;
}

static int make_spec(struct exec *x, struct err *e)
{
	auto_strv struct strv more = { 0 };

	if (run_spec_load(&x->rs, x->container->config, e) < 0 || adapt(x, e) < 0 ||
	    run_read_env(&x->args->env_files, &x->args->env, &more, e) < 0)
		return -1;
	run_env_merge(&x->rs.sp.env, &more);
	return 0;
}

static int find(struct exec *x, struct store *s, struct err *e)
{
	const struct container_state *st;

	if (container_open(s, x->args->container, &x->container, e) < 0)
		return -1;
	st = &x->container->state;
	if (st->status == CONTAINER_PAUSED)
		return err_set(e, ERR_CONFLICT, "container %s is paused, unpause the container before exec", x->args->container);
	if (st->status != CONTAINER_RUNNING || process_open(st->pid, st->pid_start, &x->target, e) < 0)
		return err_set(e, ERR_CONFLICT, "container %s is not running", x->container->id);
	return process_root(&x->target, &x->root, e);
}

static int prepare(struct exec *x, struct store *s, struct err *e)
{
	if (find(x, s, e) < 0 || make_spec(x, e) < 0)
		return -1;
	x->rs.sp.mkdir_cwd = false;
	return run_spec_user(&x->rs, x->root, x->args->user, e) < 0 ? -1 : sandbox_host_new(&x->host, e);
}

static int start(struct exec *x, int *status, struct err *e)
{
	bool detach = x->args->detach;

	if (!detach && run_io_open(&x->io, x->args->tty, x->args->interactive, &x->rs.sp, e) < 0)
		return -1;
	container_new_id(x->id);
	tell(x, "exec_create", -1);
	*status = 126;
	if (sandbox_join(x->job, x->host, &x->target, &x->rs.sp, detach, &x->sandbox, e) < 0) {
		if (e->sys == ENOENT)
			*status = 127;
		return -1;
	}
	if (!detach && run_io_attach(&x->io, x->sandbox, e) < 0)
		return -1;
	if (sandbox_start(x->job, x->sandbox, e) < 0) {
		*status = sandbox_start_status(e);
		tell(x, "exec_die", *status);
		return -1;
	}
	tell(x, "exec_start", -1);
	return 0;
}

static int finish(struct exec *x, int *status, struct err *e)
{
	struct exit_status how;

	if (x->args->detach) {
		*status = 0;
		return 0;
	}
	if (run_io_pump(x->job, &x->io, x->sandbox, e) < 0 || sandbox_wait(x->job, x->sandbox, &how, e) < 0)
		return -1;
	*status = how.code;
	tell(x, "exec_die", how.code);
	return 0;
}

static void exec_done(struct exec *x)
{
	run_io_close(&x->io);
	sandbox_free(x->sandbox);
	sandbox_host_free(x->host);
	process_close(&x->target);
	if (x->root >= 0)
		close(x->root);
	run_spec_done(&x->rs);
	container_free(x->container);
}

int engine_exec(struct job *j, struct store *s, const struct exec_args *a, int *status, struct err *e)
{
	struct exec x = { .job = j, .args = a, .root = -1, .target = { .pidfd = -1, .proc = -1 } };
	int r;

	*status = 1;
	r = prepare(&x, s, e);
	if (r == 0)
		r = start(&x, status, e);
	if (r == 0)
		r = finish(&x, status, e);
	exec_done(&x);
	return r;
}
