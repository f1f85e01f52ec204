/* SPDX-License-Identifier: Apache-2.0 */
/* tare exec: the record's process part with another command, started where the container is. */
#include "engine/exec.h"

#include <errno.h>

#include "base/fs.h"
#include "engine/run_io.h"
#include "engine/run_spec.h"
#include "image/platform.h"
#include "runtime/container/container.h"
#include "runtime/sandbox/join.h"
#include "runtime/sandbox/sandbox.h"

struct exec {
	struct job *job;
	const struct exec_args *args;
	struct container *container;
	struct target target;
	struct strv env;
	struct run_args wanted;		/* what run would have been told for such a process */
	struct strv caps_add, caps_drop, groups, security, ulimits;
	struct run_spec rs;
	struct sandbox_host *host;
	struct sandbox *sandbox;
	struct run_io io;
	int root;
};

static const json_t *part(const struct exec *x, const char *name)
{
	return json_object_get(x->container->config, name);
}

static void take_list(const json_t *from, const char *key, struct strv *ret)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(from, key), i, one)
		if (json_is_string(one))
			strv_add(ret, json_string_value(one));
}

static void take_ulimits(const json_t *list, struct strv *ret)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		strv_take(ret, xasprintf("%s=%lld:%lld", json_string_value(json_object_get(one, "Name")),
					 (long long)json_integer_value(json_object_get(one, "Soft")),
					 (long long)json_integer_value(json_object_get(one, "Hard"))));
}

/* The container's, then ours: a later one of the same name wins. */
static void take_env(struct exec *x)
{
	take_list(part(x, "Config"), "Env", &x->env);
	if (!x->args->tty && !json_is_true(json_object_get(part(x, "Config"), "Tty")))
		return;
	if (!strv_env_get(&x->env, "TERM"))
		strv_add(&x->env, "TERM=xterm");
}

static void take_record(struct exec *x)
{
	const json_t *host = part(x, "HostConfig");
	struct run_args *w = &x->wanted;

	take_env(x);
	take_list(host, "CapAdd", &x->caps_add);
	take_list(host, "CapDrop", &x->caps_drop);
	take_list(host, "GroupAdd", &x->groups);
	take_list(host, "SecurityOpt", &x->security);
	take_ulimits(json_object_get(host, "Ulimits"), &x->ulimits);
	w->hostname = container_text(x->container, "Config", "Hostname", NULL);
	w->workdir = x->args->workdir ? x->args->workdir : container_text(x->container, "Config", "WorkingDir", NULL);
	w->entrypoint = "";
	w->command = x->args->command;
	w->groups = x->groups;
	if (!x->args->privileged) {
		w->cap_add = x->caps_add;
		w->cap_drop = x->caps_drop;
		w->security = x->security;
	}
	w->ulimits = x->ulimits;
	w->env = x->env;
	w->privileged = x->args->privileged || json_is_true(json_object_get(host, "Privileged"));
}

static int make_spec(struct exec *x, struct err *e)
{
	struct platform here = platform_host();
	struct config *none = config_new(&here);
	auto_strv struct strv more = { 0 };
	int r;

	take_record(x);
	r = run_spec_make(&x->rs, &x->wanted, none, "", e);
	config_free(none);
	if (r == 0)
		r = run_read_env(&x->args->env_files, &x->args->env, &more, e);
	run_env_merge(&x->rs.sp.env, &more);
	return r;
}

static int find(struct exec *x, struct store *s, struct err *e)
{
	const struct container_state *st;

	if (container_open(s, x->args->container, &x->container, e) < 0)
		return -1;
	st = &x->container->state;
	if (st->status != CONTAINER_RUNNING || target_open(st->pid, st->pid_start, &x->target, e) < 0)
		return err_set(e, ERR_CONFLICT, "container %s is not running", x->container->id);
	return target_root(&x->target, &x->root, e);
}

static int prepare(struct exec *x, struct store *s, struct err *e)
{
	const char *user = x->args->user;

	if (find(x, s, e) < 0 || make_spec(x, e) < 0)
		return -1;
	if (!user)
		user = container_text(x->container, "Config", "User", NULL);
	x->rs.sp.mkdir_cwd = false;
	return run_spec_user(&x->rs, x->root, user, e) < 0 ? -1 : sandbox_host_new(&x->host, e);
}

static int start(struct exec *x, int *status, struct err *e)
{
	bool detach = x->args->detach;

	if (!detach && run_io_open(&x->io, x->args->tty, x->args->interactive, &x->rs.sp, e) < 0)
		return -1;
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
		return -1;
	}
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
	return 0;
}

static void exec_done(struct exec *x)
{
	run_io_close(&x->io);
	sandbox_free(x->sandbox);
	sandbox_host_free(x->host);
	target_close(&x->target);
	if (x->root >= 0)
		close(x->root);
	run_spec_done(&x->rs);
	container_free(x->container);
	strv_done(&x->env);
	strv_done(&x->caps_add);
	strv_done(&x->caps_drop);
	strv_done(&x->groups);
	strv_done(&x->security);
	strv_done(&x->ulimits);
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
