/* SPDX-License-Identifier: Apache-2.0 */
/* The parent side: compile the plan, start the init program, talk with it, end it. */
#include "runtime/sandbox/sandbox.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/task.h"
#include "runtime/sandbox/caps.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/hooks.h"
#include "runtime/sandbox/host.h"
#include "runtime/sandbox/mounts.h"
#include "runtime/sandbox/planner.h"
#include "runtime/sandbox/sandbox_int.h"
#include "runtime/sandbox/seccomp.h"
#include "runtime/sandbox/spec.h"

static uint64_t clone_flags(const struct spec *sp)
{
	uint64_t own = (sp->host_ipc || sp->ipc_fd >= 0 ? 0 : CLONE_NEWIPC) | (sp->host_uts ? 0 : CLONE_NEWUTS) |
		       (sp->host_pid || sp->pid_fd >= 0 ? 0 : CLONE_NEWPID);

	return own | CLONE_NEWNS | (sp->net == SPEC_NET_NONE ? CLONE_NEWNET : 0);
}

/* The cgroup that it is in becomes the root of those that it sees. */
static void plan_cgroup(struct planner *p, const struct sandbox *sb, const struct spec *sp)
{
	int fds[CGROUP_DIRS];
	size_t n = sb->cgroup ? cgroup_procs(sb->cgroup, fds) : 0;

	for (size_t i = 0; i < n; i++) {
		planner_fd(p, SLOT_CGROUP, fds[i], false);
		planner_add(p, PLAN_CGROUP, PLAN_A(SLOT_CGROUP));
	}
	if (!sp->privileged && !sp->host_cgroups)
		planner_add(p, PLAN_UNSHARE, PLAN_A(CLONE_NEWCGROUP));
}

static void plan_net(struct planner *p, const struct spec *sp)
{
	if (sp->net == SPEC_NET_FD) {
		planner_fd(p, SLOT_NETNS, sp->netns_fd, false);
		planner_add(p, PLAN_SETNS, PLAN_A(SLOT_NETNS, CLONE_NEWNET));
	} else if (sp->net == SPEC_NET_NONE) {
		planner_add(p, PLAN_LOOPBACK, PLAN_A(0));
	}
}

static void plan_ipc(struct planner *p, const struct spec *sp)
{
	if (sp->ipc_fd < 0)
		return;
	planner_fd(p, SLOT_IPCNS, sp->ipc_fd, false);
	planner_add(p, PLAN_SETNS, PLAN_A(SLOT_IPCNS, CLONE_NEWIPC));
}

static void plan_names(struct planner *p, const struct spec *sp)
{
	if (sp->host_uts)
		return;
	if (sp->hostname)
		planner_add(p, PLAN_HOSTNAME, PLAN_A(0), sp->hostname);
	if (sp->domainname)
		planner_add(p, PLAN_DOMAINNAME, PLAN_A(0), sp->domainname);
}

void sandbox_plan_stdio(struct planner *p, const struct spec *sp)
{
	int64_t slots[3];

	if (sp->tty)
		return;		/* PLAN_TTY does it */
	for (int i = 0; i < 3; i++) {
		slots[i] = sp->stdio[i] < 0 ? PLAN_HOST : SLOT_STDIN + i;
		if (sp->stdio[i] >= 0)
			planner_fd(p, SLOT_STDIN + i, sp->stdio[i], false);
	}
	planner_add(p, PLAN_STDIO, PLAN_A(slots[0], slots[1], slots[2], sp->uid ? (int64_t)sp->uid : -1, SLOT_DEV));
}

void sandbox_plan_limits(struct planner *p, const struct spec *sp)
{
	for (size_t i = 0; i < sp->nrlimits; i++) {
		const struct spec_rlimit *r = &sp->rlimits[i];

		planner_add(p, PLAN_RLIMIT, PLAN_A(r->resource, (int64_t)r->soft, (int64_t)r->hard), r->name);
	}
	planner_add(p, PLAN_UMASK, PLAN_A(0, 0, sp->umask));
}

void sandbox_plan_ids(struct planner *p, struct sandbox *sb, const struct spec *sp)
{
	static const char *const none[] = { NULL };
	int64_t flags = (host_no_setgroups(sb->host) ? PLAN_NO_SETGROUPS : 0) | (sb->stays ? PLAN_STAY : 0);

	planner_put(p, PLAN_IDS, PLAN_A(sp->uid, sp->gid, flags, (int64_t)sp->ngroups), none,
		    (struct str){ (const char *)sp->groups, sp->ngroups * sizeof(gid_t) });
}

/* Loading a filter takes CAP_SYS_ADMIN or no_new_privs; hence that stays until it is loaded. */
int sandbox_plan_privileges(struct planner *p, struct sandbox *sb, const struct spec *sp, struct err *e)
{
	static const char *const none[] = { NULL };
	auto_buf struct buf own = { 0 };
	struct str filter = { 0 };

	if (sp->seccomp_profile) {
		if (seccomp_profile(str_of(sp->seccomp_profile), sp->caps, &own, e) < 0)
			return -1;
		filter = buf_view(&own);
	} else if (!sp->seccomp_off && host_seccomp(sb->host, sp->caps, &filter, e) < 0) {
		return -1;
	}
	planner_add(p, PLAN_CAPS, PLAN_A((int64_t)sp->caps, filter.n ? (int64_t)CAPS_BIT(21 /* SYS_ADMIN */) : 0));
	if (sp->no_new_privs)
		planner_add(p, PLAN_NO_NEW_PRIVS, PLAN_A(0));
	if (filter.n)
		planner_put(p, PLAN_SECCOMP, PLAN_A((int64_t)sp->caps, 0, 0, (int64_t)filter.n), none, filter);
	return 0;
}

void sandbox_plan_exec(struct planner *p, const struct spec *sp)
{
	const char **strs = xcalloc(sp->argv.n + sp->env.n + 1, sizeof(*strs));

	if (sp->init)
		planner_add(p, PLAN_INIT, PLAN_A(0));
	for (size_t i = 0; i < sp->argv.n; i++)
		strs[i] = sp->argv.v[i];
	for (size_t i = 0; i < sp->env.n; i++)
		strs[sp->argv.n + i] = sp->env.v[i];
	planner_put(p, PLAN_EXEC, PLAN_A((int64_t)sp->argv.n, (int64_t)sp->env.n), strs, (struct str){ 0 });
	free(strs);
}

static int plan_compile(struct planner *p, struct sandbox *sb, const struct spec *sp, struct err *e)
{
	p->b.max = (size_t)256 << 20;
	plan_cgroup(p, sb, sp);
	plan_net(p, sp);
	plan_ipc(p, sp);
	if (mounts_compile(p, sp, host_cgroups(sb->host), e) < 0)
		return -1;
	plan_names(p, sp);
	sandbox_plan_stdio(p, sp);
	planner_add(p, PLAN_CWD, PLAN_A(SLOT_ROOT, 0, sp->mkdir_cwd ? PLAN_MKDIR : 0), sp->cwd);
	sandbox_plan_limits(p, sp);
	planner_add(p, PLAN_READY, PLAN_A(0));
	hooks_plan_start(p, sp);
	sandbox_plan_ids(p, sb, sp);
	if (sandbox_plan_privileges(p, sb, sp, e) < 0)
		return -1;
	sandbox_plan_exec(p, sp);
	return 0;
}

int sandbox_spawn(struct sandbox *sb, struct planner *p, uint64_t flags, struct err *e)
{
	char sock[16], plan[16], *argv[] = { "init", sock, plan, NULL };
	auto_fd int fd = -1;
	int pair[2], r;

	if (planner_memfd(p, &fd, e) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "make the sandbox's socket");
	sb->sock = pair[0];
	snprintf(sock, sizeof(sock), "%d", pair[1]);
	snprintf(plan, sizeof(plan), "%d", fd);
	planner_inherit(p, pair[1], true);
	planner_inherit(p, take_fd(&fd), true);
	r = host_spawn(sb->host, argv, p->fds, p->nfds, flags, &sb->pidfd, &sb->pid, e);
	if (r < 0)
		sb->pidfd = -1;
	return r;
}

static int report_error(const struct report *r, struct err *e)
{
	bool exec = r->code == PLAN_EXEC;
	enum err_kind kind = ERR_SYS;
	char cause[128] = "";

	if (exec)
		kind = r->sys == 0 || r->sys == ENOENT ? ERR_NOT_FOUND :
		       r->sys == EACCES || r->sys == EISDIR || r->sys == ENOTDIR || r->sys == ENOEXEC ? ERR_DENIED :
		       ERR_SYS;
	else if (r->code == PLAN_NEWFS && r->sys == EINVAL)
		kind = ERR_USAGE;
	if (r->sys)
		snprintf(cause, sizeof(cause), "%s", strerror(r->sys));
	cause[0] = (char)tolower(cause[0]);
	err_set(e, kind, "%.*s%s%s", (int)sizeof(r->text), r->text, *cause ? ": " : "", cause);
	e->sys = r->sys;
	if (exec && r->sys == ENOEXEC)
		err_hint(e, "is the image made for another platform, or does a script lack its \"#!\" line?");
	return -1;
}

static void take_sent(struct sandbox *sb, const struct report *r, struct cmsghdr *c)
{
	int fd, *to = r->kind == REPORT_CHILD ? &sb->child : &sb->tty;

	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	if (*to >= 0)
		close(fd);
	else
		*to = fd;
	if (r->kind == REPORT_CHILD)
		sb->pid = r->sys;
}

/* One datagram. Returns 1, 0 at the end of the stream, -1. */
static int report_recv(struct job *j, struct sandbox *sb, struct report *r, struct err *e)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } ctl;
	struct iovec iov = { r, sizeof(*r) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf) };
	struct cmsghdr *c;
	ssize_t n;

	if (job_wait_fd(j, sb->sock, POLLIN, -1, e) < 0)
		return -1;
	do
		n = recvmsg(sb->sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 && errno != ECONNRESET ? err_sys(e, "hear from the sandbox") : 0;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		take_sent(sb, r, c);
	return 1;
}

static void pidfd_reap(int pidfd, siginfo_t *si)
{
	while (waitid(P_PIDFD, (id_t)pidfd, si, WEXITED | __WALL) < 0 && errno == EINTR)
		;
}

/* The process that joined a container has a child inside, which is ours, too, and has ended itself; or it stays. */
static void become_child(struct sandbox *sb)
{
	siginfo_t si;

	if (sb->child < 0 || sb->stays)
		return;
	pidfd_reap(sb->pidfd, &si);
	close(sb->pidfd);
	sb->pidfd = sb->child;
	sb->child = -1;
}

int sandbox_wait_ready(struct job *j, struct sandbox *sb, struct err *e)
{
	struct report r;
	int n;

	while ((n = report_recv(j, sb, &r, e)) > 0) {
		if (r.kind == REPORT_CHILD)
			become_child(sb);
		if (r.kind == REPORT_PAUSED && hooks_created(j, sb->hooks, sb->pid, sb->sock, e) < 0)
			return -1;
		if (r.kind == REPORT_READY)
			return 0;
		if (r.kind == REPORT_FAILED)
			return report_error(&r, e);
	}
	return n < 0 ? -1 : err_set(e, ERR_SYS, "the sandbox's init program was killed");
}

static int keep(struct sandbox *sb, struct err *e)
{
	auto_strv struct strv dirs = { 0 };
	const char *paths[CGROUP_DIRS];
	size_t n = sb->cgroup ? cgroup_dirs(sb->cgroup, paths) : 0;

	for (size_t i = 0; i < n; i++)
		strv_add(&dirs, paths[i]);
	return host_keep(sb->host, sb->pidfd, &dirs, &sb->keep_id, e);
}

/* Lowering it takes a privilege (CAP_SYS_RESOURCE) that not every root has: then it stays as ours is. */
static void set_oom_score(const struct sandbox *sb, const struct spec *sp)
{
	auto_free char *path = xasprintf("/proc/%d/oom_score_adj", sb->pid);
	auto_free char *text = xasprintf("%d", sp->oom_score_adj);
	auto_fd int fd = sp->oom_score_adj ? open(path, O_WRONLY | O_CLOEXEC) : -1;

	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
}

/* It concerns the children of this thread, from then on. */
static int pid_space(int fd, struct err *e)
{
	if (setns(fd, CLONE_NEWPID) == 0)
		return 0;
	err_sys(e, "enter the pid namespace");
	return e->sys == EPERM ? err_hint(e, "the container belongs to another user, or to another user namespace") : -1;
}

static int spawn_within(struct sandbox *sb, struct planner *p, const struct spec *sp, struct err *e)
{
	auto_fd int own = sp->pid_fd < 0 ? -1 : open("/proc/thread-self/ns/pid", O_RDONLY | O_CLOEXEC);
	int r;

	if (sp->pid_fd < 0)
		return sandbox_spawn(sb, p, clone_flags(sp), e);
	if (own < 0)
		return err_sys(e, "open /proc/thread-self/ns/pid");
	if (pid_space(sp->pid_fd, e) < 0)
		return -1;
	r = sandbox_spawn(sb, p, clone_flags(sp), e);
	return r < 0 ? -1 : pid_space(own, e);
}

/* Who shares a pid namespace has no process 1 that takes all others along: there must be a cgroup for that. */
static int make_cgroup(struct sandbox *sb, const struct spec *sp, struct err *e)
{
	struct cgroup_limits l = sp->limits;

	l.track = sb->shares_pids = sp->host_pid || sp->pid_fd >= 0;
	return cgroup_wanted(&l) ? cgroup_new(sp->name, &l, &sb->cgroup, e) : 0;
}

static int create(struct job *j, struct sandbox *sb, const struct spec *sp, struct err *e)
{
	struct planner p = { 0 };
	int r = -1;

	if (make_cgroup(sb, sp, e) < 0)
		return -1;
	if (sp->nhooks && hooks_new(sp, &sb->hooks, e) < 0)
		return -1;
	if (!sp->keep_stubs)
		mounts_make_stubs(sp, &sb->stubs);
	if (plan_compile(&p, sb, sp, e) == 0)
		r = spawn_within(sb, &p, sp, e);
	planner_done(&p);
	if (r < 0 || keep(sb, e) < 0)
		return -1;
	if (sandbox_wait_ready(j, sb, e) < 0)
		return -1;
	set_oom_score(sb, sp);
	return 0;
}

struct sandbox *sandbox_new(struct sandbox_host *h)
{
	struct sandbox *sb = xcalloc(1, sizeof(*sb));

	sb->host = h;
	sb->sock = sb->pidfd = sb->tty = sb->child = -1;
	return sb;
}

int sandbox_create(struct job *j, struct sandbox_host *h, const struct spec *sp, struct sandbox **ret, struct err *e)
{
	struct sandbox *sb;

	if (spec_check(sp, e) < 0 || job_check(j, e) < 0)
		return -1;
	sb = sandbox_new(h);
	if (create(j, sb, sp, e) < 0) {
		sandbox_free(sb);
		return -1;
	}
	*ret = sb;
	return 0;
}

int sandbox_start(struct job *j, struct sandbox *sb, struct err *e)
{
	struct report r;
	int n;

	if (send(sb->sock, "g", 1, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		return err_sys(e, "start the sandbox");
	n = report_recv(j, sb, &r, e);
	if (n != 0)
		return n < 0 ? -1 : report_error(&r, e);
	if (hooks_started(j, sb->hooks, sb->pid, e) < 0)
		return -1;
	close(sb->sock);	/* closed by execve, or by death: sandbox_wait() tells */
	sb->sock = -1;
	return 0;
}

int sandbox_start_status(const struct err *e)
{
	return e->kind == ERR_NOT_FOUND ? 127 : e->kind == ERR_DENIED ? 126 : 125;
}

static void reap(struct sandbox *sb)
{
	siginfo_t si = { 0 };

	pidfd_reap(sb->pidfd, &si);
	sb->reaped = true;
	if (sb->shares_pids && sb->cgroup)
		cgroup_kill(sb->cgroup);
	if (si.si_code == CLD_EXITED)
		sb->status.code = si.si_status;
	else
		sb->status = (struct exit_status){ .code = 128 + si.si_status, .signal = si.si_status };
	sb->status.oom = sb->cgroup && cgroup_oom(sb->cgroup);
}

int sandbox_wait(struct job *j, struct sandbox *sb, struct exit_status *ret, struct err *e)
{
	if (!sb->reaped) {
		if (job_wait_fd(j, sb->pidfd, POLLIN, -1, e) < 0)
			return -1;
		reap(sb);
	}
	*ret = sb->status;
	return 0;
}

int sandbox_kill(struct sandbox *sb, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, sb->pidfd, sig, NULL, 0);
}

int sandbox_pidfd(const struct sandbox *sb)
{
	return sb->pidfd;
}

pid_t sandbox_pid(const struct sandbox *sb)
{
	return sb->pid;
}

int sandbox_tty_master(const struct sandbox *sb)
{
	return sb->tty;
}

void sandbox_free(struct sandbox *sb)
{
	if (!sb)
		return;
	if (sb->pidfd >= 0 && !sb->reaped && !(sb->stays && sb->sock < 0)) {
		/* one that stays must reap its child, then it ends itself */
		syscall(SYS_pidfd_send_signal, sb->child >= 0 ? sb->child : sb->pidfd, SIGKILL, NULL, 0);
		reap(sb);
	}
	sandbox_freezer_free(sb);
	hooks_free(sb->hooks, sb->pid);
	cgroup_free(sb->cgroup);
	stubs_remove(&sb->stubs);
	if (sb->keep_id)
		host_unkeep(sb->host, sb->keep_id);
	if (sb->limits_keep_id)
		host_unkeep(sb->host, sb->limits_keep_id);
	if (sb->pidfd >= 0)
		close(sb->pidfd);
	if (sb->child >= 0)
		close(sb->child);
	if (sb->sock >= 0)
		close(sb->sock);
	if (sb->tty >= 0)
		close(sb->tty);
	free(sb);
}
