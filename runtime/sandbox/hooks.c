/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: their input, the bundle, steps for the init, and those that run beside the container. */
#include "runtime/sandbox/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <poll.h>

#include "base/fs.h"
#include "base/task.h"
#include "runtime/sandbox/planner.h"
#include "runtime/sandbox/spec.h"

#define OCI_VERSION "1.2.0"
#define TAIL_MAX 1024		/* bytes of what a failing hook said */

struct hooks {
	struct spec_hook *v;	/* with copies of all texts; path is args[-1] of none: owned */
	size_t n;
	char *bundle, *name;
};

/* ---- what they read ---- */

static json_t *strv_json(const struct strv *l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(a, json_string_nocheck(l->v[i]));
	return a;
}

/* config.json, as far as it says something that we know: hooks look for the root in it. */
static char *bundle_config(const struct spec *sp)
{
	json_t *user = json_pack("{sI sI}", "uid", (json_int_t)sp->uid, "gid", (json_int_t)sp->gid);
	json_t *process = json_pack("{so so so ss sb}", "user", user, "args", strv_json(&sp->argv), "env",
				    strv_json(&sp->env), "cwd", sp->cwd, "terminal", (int)sp->tty);
	json_t *o = json_pack("{ss so s{ss sb}}", "ociVersion", OCI_VERSION, "process", process, "root", "path", "rootfs",
			      "readonly", (int)sp->readonly_root);
	char *text;

	if (sp->hostname)
		json_object_set_new(o, "hostname", json_string_nocheck(sp->hostname));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

static char *state_text(const struct hooks *h, const char *status, pid_t pid)
{
	json_t *o = json_pack("{ss ss ss sI ss s{}}", "ociVersion", OCI_VERSION, "id", h->name, "status", status, "pid",
			      (json_int_t)pid, "bundle", h->bundle, "annotations");
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return text;
}

int hooks_new(const struct spec *sp, struct hooks **ret, struct err *e)
{
	struct hooks *h = xcalloc(1, sizeof(*h));
	auto_free char *config = bundle_config(sp);
	auto_fd int dir = open(sp->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	h->bundle = xstrdup(sp->bundle);
	h->name = xstrdup(sp->name ? sp->name : "build");
	h->v = xcalloc(sp->nhooks, sizeof(*h->v));
	for (size_t i = 0; i < sp->nhooks; i++) {
		const struct spec_hook *from = &sp->hooks[i];

		h->v[i] = (struct spec_hook){ .when = from->when, .path = xstrdup(from->path), .timeout = from->timeout };
		strv_copy(&h->v[i].args, &from->args);
		strv_copy(&h->v[i].env, &from->env);
		h->n = i + 1;
	}
	if (dir < 0 || (mkdirat(dir, "rootfs", 0755) < 0 && errno != EEXIST))
		err_sys(e, "make the hooks' bundle %s", sp->bundle);
	else if (fs_replace(dir, "config.json", config, strlen(config), 0600, false, e) == 0) {
		*ret = h;
		return 0;
	}
	hooks_free(h, 0);
	return -1;
}

/* ---- steps of the init ---- */

static void plan_hook(struct planner *p, const struct spec_hook *h, int slot)
{
	const char **strs = xcalloc(h->args.n + h->env.n + 2, sizeof(*strs));
	size_t n = 0;

	strs[n++] = h->path;
	for (size_t i = 0; i < h->args.n; i++)
		strs[n++] = h->args.v[i];
	for (size_t i = 0; i < h->env.n; i++)
		strs[n++] = h->env.v[i];
	planner_put(p, PLAN_HOOK, PLAN_A(slot, (int64_t)h->args.n, (int64_t)h->env.n, h->timeout), strs, (struct str){ 0 });
	free(strs);
}

static void plan_hooks(struct planner *p, const struct spec *sp, enum spec_hook_when when, int slot)
{
	for (size_t i = 0; i < sp->nhooks; i++)
		if (sp->hooks[i].when == when)
			plan_hook(p, &sp->hooks[i], slot);
}

void hooks_plan_create(struct planner *p, const struct spec *sp)
{
	if (!sp->nhooks)
		return;
	planner_add(p, PLAN_PAUSE, PLAN_A(SLOT_CREATING, SLOT_CREATED));
	plan_hooks(p, sp, SPEC_HOOK_CREATE_CONTAINER, SLOT_CREATING);
}

void hooks_plan_start(struct planner *p, const struct spec *sp)
{
	plan_hooks(p, sp, SPEC_HOOK_START_CONTAINER, SLOT_CREATED);
}

/* ---- ours ---- */

static int text_fd(const char *text, struct err *e)
{
	auto_fd int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "make a hook's input");
	if (fs_write_all(fd, text, strlen(text), e) < 0)
		return -1;
	return lseek(fd, 0, SEEK_SET) < 0 ? err_sys(e, "make a hook's input") : take_fd(&fd);
}

static int spawn(const struct spec_hook *h, int in, int out, pid_t *ret, struct err *e)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	char *no_env[] = { NULL };
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, out, 2);
	posix_spawnattr_init(&at);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setsigdefault(&at, &all);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	r = posix_spawn(ret, h->path, &fa, &at, h->args.v, h->env.n ? h->env.v : no_env);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	errno = r;
	return r ? err_sys(e, "hook %s", h->path) : 0;
}

static int judge(const struct spec_hook *h, const siginfo_t *si, int out, struct err *e)
{
	char said[TAIL_MAX + 1];
	off_t end = lseek(out, 0, SEEK_END);
	ssize_t n = pread(out, said, TAIL_MAX, end > TAIL_MAX ? end - TAIL_MAX : 0);

	if (si->si_code == CLD_EXITED && si->si_status == 0)
		return 0;
	while (n > 0 && said[n - 1] == '\n')
		n--;
	said[MAX(n, 0)] = '\0';
	return err_set(e, ERR_STEP, "hook %s: %s %d%s%s", h->path, si->si_code == CLD_EXITED ? "exit status" : "killed by signal",
		       si->si_status, *said ? ": " : "", said);
}

static int hook_run(struct job *j, const struct spec_hook *h, const char *state, struct err *e)
{
	auto_fd int in = text_fd(state, e), out = memfd_create("hook", MFD_CLOEXEC), pidfd = -1;
	siginfo_t si = { 0 };
	pid_t pid;
	int r;

	if (in < 0 || out < 0 || spawn(h, in, out, &pid, e) < 0)
		return in >= 0 && out < 0 ? err_sys(e, "hook %s", h->path) : -1;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	r = pidfd < 0 ? err_sys(e, "hook %s", h->path) :
			job_wait_fd(j, pidfd, POLLIN, h->timeout ? h->timeout * 1000 : -1, e);
	if (r != 0)
		kill(-pid, SIGKILL);	/* what it has started, too */
	while (waitid(P_PID, (id_t)pid, &si, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	if (r == 1)
		return err_set(e, ERR_LIMIT, "hook %s: it took more than %d s", h->path, h->timeout);
	return r < 0 ? -1 : judge(h, &si, out, e);
}

static int run_all(struct job *j, struct hooks *h, enum spec_hook_when when, const char *status, pid_t pid, struct err *e)
{
	auto_free char *state = state_text(h, status, pid);

	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].when == when && hook_run(j, &h->v[i], state, e) < 0)
			return -1;
	return 0;
}

static int send_state(const struct hooks *h, const char *status, pid_t pid, int sock, struct err *e)
{
	auto_free char *state = state_text(h, status, pid);

	return send(sock, state, strlen(state), MSG_NOSIGNAL) < 0 ? err_sys(e, "tell the sandbox its state") : 0;
}

int hooks_created(struct job *j, struct hooks *h, pid_t pid, int sock, struct err *e)
{
	if (run_all(j, h, SPEC_HOOK_PRESTART, "creating", pid, e) < 0 ||
	    run_all(j, h, SPEC_HOOK_CREATE_RUNTIME, "creating", pid, e) < 0)
		return -1;
	if (send_state(h, "creating", pid, sock, e) < 0)
		return -1;
	return send_state(h, "created", pid, sock, e);
}

int hooks_started(struct job *j, struct hooks *h, pid_t pid, struct err *e)
{
	return h ? run_all(j, h, SPEC_HOOK_POSTSTART, "running", pid, e) : 0;
}

void hooks_free(struct hooks *h, pid_t pid)
{
	auto_err struct err ignored = { 0 };
	struct job j;

	if (!h)
		return;
	if (pid && job_init(&j, NULL, &ignored) == 0) {
		for (size_t i = 0; i < h->n; i++)
			if (h->v[i].when == SPEC_HOOK_POSTSTOP) {
				auto_free char *state = state_text(h, "stopped", pid);

				(void)!hook_run(&j, &h->v[i], state, &ignored);
			}
		job_done(&j);
	}
	for (size_t i = 0; i < h->n; i++) {
		free((char *)h->v[i].path);
		strv_done(&h->v[i].args);
		strv_done(&h->v[i].env);
	}
	free(h->v);
	free(h->bundle);
	free(h->name);
	free(h);
}
