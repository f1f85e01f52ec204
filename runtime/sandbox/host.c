/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the embedded init program, and the keeper that outlives us by a moment. */
#include "runtime/sandbox/host.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/task.h"
#include "runtime/sandbox/plan.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/seccomp.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u		/* Linux 6.3 */
#endif

extern const char sandbox_image[], sandbox_image_end[];	/* embed.S */

struct sandbox_host {
	pthread_mutex_t lock;
	int image;		/* sealed memfd */
	int keeper, keeper_pidfd;	/* socket; -1 until the first sandbox */
	uint32_t next_id;
	bool no_setgroups;
	struct buf cgroups;
	struct filter *filters;
};

struct filter {			/* the default profile, compiled for one set of capabilities; never changes */
	struct filter *next;
	uint64_t caps;
	struct buf code;
};

static int image_new(int *ret, struct err *e)
{
	auto_fd int fd = memfd_create("tare-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("tare-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_sys(e, "make the init program's memfd");
	if (fs_write_all(fd, sandbox_image, (size_t)(sandbox_image_end - sandbox_image), e) < 0)
		return err_wrap(e, "make the init program's memfd");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(e, "seal the init program's memfd");
	*ret = take_fd(&fd);
	return 0;
}

/* Facts that are absent where the kernel knows no such thing: an empty text is then right. */
static void facts_read(struct sandbox_host *h)
{
	auto_err struct err e = { 0 }, e2 = { 0 };
	auto_buf struct buf b = { 0 };

	h->no_setgroups = fs_read(AT_FDCWD, "/proc/self/setgroups", 64, &b, &e) == 0 &&
			  str_is(str_trim(buf_view(&b)), "deny");
	if (fs_read(AT_FDCWD, "/proc/self/cgroup", 64 << 10, &h->cgroups, &e2) < 0)
		buf_reset(&h->cgroups);
}

int sandbox_host_new(struct sandbox_host **ret, struct err *e)
{
	struct sandbox_host *h = xcalloc(1, sizeof(*h));

	pthread_mutex_init(&h->lock, NULL);
	h->keeper = h->keeper_pidfd = -1;
	facts_read(h);
	if (image_new(&h->image, e) < 0) {
		h->image = -1;
		sandbox_host_free(h);
		return -1;
	}
	*ret = h;
	return 0;
}

/* The keeper sees the end of its socket, ends what it still keeps, and leaves. */
static void keeper_end(struct sandbox_host *h)
{
	siginfo_t si;

	if (h->keeper < 0)
		return;
	close(h->keeper);
	while (waitid(P_PIDFD, (id_t)h->keeper_pidfd, &si, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	close(h->keeper_pidfd);
	h->keeper = h->keeper_pidfd = -1;
}

void sandbox_host_leave(struct sandbox_host *h)
{
	if (h && h->keeper >= 0) {
		close(take_fd(&h->keeper));
		close(take_fd(&h->keeper_pidfd));
	}
	sandbox_host_free(h);
}

void sandbox_host_free(struct sandbox_host *h)
{
	if (!h)
		return;
	keeper_end(h);
	for (struct filter *f; (f = h->filters); free(f)) {
		h->filters = f->next;
		buf_done(&f->code);
	}
	buf_done(&h->cgroups);
	if (h->image >= 0)
		close(h->image);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

bool host_no_setgroups(const struct sandbox_host *h)
{
	return h->no_setgroups;
}

struct str host_cgroups(const struct sandbox_host *h)
{
	return buf_view(&h->cgroups);
}

/* The thread sanitizer's own clone() takes every child for one with a copy of our memory, and forgets what it knows. */
#ifdef __SANITIZE_THREAD__
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

struct spawn {
	int image, sys;
	char *const *argv;
	const int *fds;
	size_t n;
};

/* Runs on a stack of its own in our memory, while the parent thread sleeps: system calls only. */
__attribute__((no_sanitize("address", "thread"))) static int spawn_child(void *arg)
{
	static char *const no_env[] = { NULL };
	struct spawn *s = arg;

	for (size_t i = 0; i < s->n; i++)
		if (syscall(SYS_fcntl, s->fds[i], F_SETFD, 0) < 0)
			s->sys = errno;
	if (!s->sys)
		syscall(SYS_execveat, s->image, "", s->argv, no_env, AT_EMPTY_PATH);
	if (!s->sys)
		s->sys = errno;
	_exit(125);
}

int host_spawn(struct sandbox_host *h, char *const *argv, const int *fds, size_t n, uint64_t flags,
	       int *pidfd, pid_t *pid, struct err *e)
{
	_Alignas(16) char stack[16 << 10];
	struct spawn s = { h->image, 0, argv, fds, n };
	sigset_t all, old;
	siginfo_t si;
	int sys;

	sigfillset(&all);	/* no handler of ours may run in the child */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	*pid = clone(spawn_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (int)flags, &s, pidfd);
	sys = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (*pid < 0) {
		errno = sys;
		err_sys(e, "start the sandbox's process");
		if (sys == EPERM || sys == ENOSPC || sys == EUSERS)
			err_hint(e, "the kernel allows no new namespaces here (user.max_*_namespaces, or a container's filter)");
		return -1;
	}
	if (s.sys) {
		while (waitid(P_PIDFD, (id_t)*pidfd, &si, WEXITED | __WALL) < 0 && errno == EINTR)
			;
		close(*pidfd);
		errno = s.sys;
		return err_sys(e, "start the sandbox's init program");
	}
	return 0;
}

static int keeper_start(struct sandbox_host *h, struct err *e)	/* h->lock held */
{
	char num[16], *argv[] = { "keeper", num, "", NULL };
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "make the keeper's socket");
	snprintf(num, sizeof(num), "%d", pair[1]);
	r = host_spawn(h, argv, &pair[1], 1, 0, &h->keeper_pidfd, &pid, e);
	close(pair[1]);
	if (r < 0) {
		close(pair[0]);
		return -1;
	}
	h->keeper = pair[0];
	return 0;
}

static int keep_send(int sock, const struct keep *k, size_t n, int fd)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } ctl = { 0 };
	struct iovec iov = { (void *)k, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (fd >= 0) {
		struct cmsghdr *c = &ctl.align;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		m.msg_control = ctl.buf;
		m.msg_controllen = sizeof(ctl.buf);
	}
	do
		r = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -1 : 0;
}

int host_keep(struct sandbox_host *h, int pidfd, const struct strv *cgroups, uint32_t *id, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);
	struct keep k = { .kind = KEEP_ADD, .id = ++h->next_id };
	size_t at = 0;

	for (size_t i = 0; i < cgroups->n; i++) {
		size_t len = strlen(cgroups->v[i]) + 1;

		if (at + len + 2 > sizeof(k.paths))
			return err_set(e, ERR_LIMIT, "the cgroup's paths are too long");
		memcpy(k.paths + at, cgroups->v[i], len);
		at += len;
	}
	if (h->keeper < 0 && keeper_start(h, e) < 0)
		return -1;
	if (keep_send(h->keeper, &k, offsetof(struct keep, paths) + at, pidfd) < 0) {
		keeper_end(h);		/* somebody killed it: another one */
		if (keeper_start(h, e) < 0)
			return -1;
		if (keep_send(h->keeper, &k, offsetof(struct keep, paths) + at, pidfd) < 0)
			return err_sys(e, "tell the keeper of the sandbox");
	}
	*id = k.id;
	return 0;
}

void host_unkeep(struct sandbox_host *h, uint32_t id)
{
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);
	struct keep k = { .kind = KEEP_DROP, .id = id };

	if (h->keeper >= 0)
		(void)keep_send(h->keeper, &k, offsetof(struct keep, paths), -1);
}

int host_seccomp(struct sandbox_host *h, uint64_t caps, struct str *ret, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);
	struct filter *f = h->filters;

	while (f && f->caps != caps)
		f = f->next;
	if (!f) {
		f = xcalloc(1, sizeof(*f));
		f->caps = caps;
		if (seccomp_default(caps, &f->code, e) < 0) {
			buf_done(&f->code);
			free(f);
			return -1;
		}
		f->next = h->filters;
		h->filters = f;
	}
	*ret = buf_view(&f->code);
	return 0;
}
