/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's child side: a static program of its own, embedded in tare and started from a sealed
 * memfd in new namespaces, or to join those of a container. argv: "init" SOCKET PLAN (fd numbers), or "keeper" SOCKET.
 *
 * It executes the plan step by step and reports the first failure as (step, errno, text). Every fd that
 * it holds is close-on-exec from its first moment, so that the container's process inherits 0, 1, 2 only.
 */
#include "runtime/sandbox/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAILED 125		/* the exit status of an init that could not do its work */

void child_report(struct child *c, uint16_t kind, uint16_t code, int sys, const char *text, int fd)
{
	struct report r = { .kind = kind, .code = code, .sys = sys };
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } ctl = { 0 };
	struct iovec iov = { &r, sizeof(r) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (c->sock < 0)
		return;
	snprintf(r.text, sizeof(r.text), "%s", text);
	if (fd >= 0) {
		struct cmsghdr *h = &ctl.align;

		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
		m.msg_control = ctl.buf;
		m.msg_controllen = sizeof(ctl.buf);
	}
	while (sendmsg(c->sock, &m, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void step_fail(struct child *c, const struct step *st, const char *fmt, ...)
{
	int sys = errno;
	char text[sizeof(((struct report *)0)->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	child_report(c, REPORT_FAILED, st->op->code, sys, text, -1);
	_exit(FAILED);
}

void slot_set(struct child *c, const struct step *st, int fd)
{
	c->slot[st->op->arg[0]] = fd;
}

int open_beneath(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };
	int fd;

	do
		fd = (int)syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd;
}

const char *step_next(const char *s)
{
	return s + strlen(s) + 1;
}

static void do_fd(struct child *c, const struct step *st)
{
	slot_set(c, st, (int)st->op->arg[1]);
}

static void do_cgroup(struct child *c, const struct step *st)
{
	if (write(STEP_FD(c, st, 0), "0", 1) != 1)
		step_fail(c, st, "join the cgroup");
}

static void do_unshare(struct child *c, const struct step *st)
{
	if (unshare((int)st->op->arg[0]) < 0)
		step_fail(c, st, "make new namespaces");
}

static void do_setns(struct child *c, const struct step *st)
{
	if (setns(STEP_FD(c, st, 0), (int)st->op->arg[1]) < 0)
		step_fail(c, st, "enter the %s namespace", st->op->arg[1] == CLONE_NEWIPC ? "IPC" : "network");
}

/* A sysctl, through the procfs that we mounted ourselves (CVE-2025-52881: never through a path). */
static void do_write(struct child *c, const struct step *st)
{
	int fd = open_beneath(STEP_FD(c, st, 0), st->s[0], O_WRONLY, 0,
			      RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
	size_t n = strlen(st->s[1]);

	if ((fd < 0 || write(fd, st->s[1], n) != (ssize_t)n) && !(st->op->arg[2] & PLAN_OPTIONAL))
		step_fail(c, st, "set /proc/%s to %s", st->s[0], st->s[1]);
	if (fd >= 0)
		close(fd);
}

static void do_hostname(struct child *c, const struct step *st)
{
	if (sethostname(st->s[0], strlen(st->s[0])) < 0)
		step_fail(c, st, "set the host name %s", st->s[0]);
}

static void do_domainname(struct child *c, const struct step *st)
{
	if (setdomainname(st->s[0], strlen(st->s[0])) < 0)
		step_fail(c, st, "set the domain name %s", st->s[0]);
}

static void do_umask(struct child *c, const struct step *st)
{
	(void)c;
	umask((mode_t)st->op->arg[2]);
}

/* All is in place: wait for the parent's word. It going away instead means that nobody wants us. */
static void do_ready(struct child *c, const struct step *st)
{
	char go;
	ssize_t n;

	(void)st;
	child_report(c, REPORT_READY, 0, 0, "", -1);
	do
		n = recv(c->sock, &go, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(FAILED);
}

static void do_no_new_privs(struct child *c, const struct step *st)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		step_fail(c, st, "set no_new_privs");
}

static void (*const steps[PLAN_CODES])(struct child *, const struct step *) = {
	[PLAN_FD] = do_fd, [PLAN_CGROUP] = do_cgroup, [PLAN_UNSHARE] = do_unshare, [PLAN_SETNS] = do_setns,
	[PLAN_PRIVATE] = do_private, [PLAN_NEWFS] = do_newfs, [PLAN_STACK] = do_stack, [PLAN_CLONE] = do_clone,
	[PLAN_ATTACH] = do_attach, [PLAN_DEVICE] = do_device, [PLAN_FILE] = do_file, [PLAN_DIR] = do_dir,
	[PLAN_SYMLINK] = do_symlink, [PLAN_MASK] = do_mask, [PLAN_RDONLY] = do_rdonly, [PLAN_ATTR] = do_attr,
	[PLAN_PIVOT] = do_pivot, [PLAN_WRITE] = do_write, [PLAN_HOSTNAME] = do_hostname,
	[PLAN_DOMAINNAME] = do_domainname, [PLAN_LOOPBACK] = do_loopback, [PLAN_RLIMIT] = do_rlimit,
	[PLAN_TTY] = do_tty, [PLAN_STDIO] = do_stdio, [PLAN_CWD] = do_cwd, [PLAN_UMASK] = do_umask,
	[PLAN_READY] = do_ready, [PLAN_IDS] = do_ids, [PLAN_CAPS] = do_caps,
	[PLAN_NO_NEW_PRIVS] = do_no_new_privs, [PLAN_SECCOMP] = do_seccomp, [PLAN_INIT] = do_init,
	[PLAN_JOIN] = do_join, [PLAN_FORK] = do_fork, [PLAN_OPEN] = do_open,
	[PLAN_PAUSE] = do_pause, [PLAN_HOOK] = do_hook, [PLAN_EXEC] = do_exec,
};

/* Find op's strings; false if the record is not sound. */
static bool step_init(struct step *st, const struct plan_op *op, size_t left)
{
	const char *p = op->text, *end = (const char *)op + op->size;

	*st = (struct step){ .op = op };
	if (left < sizeof(*op) || op->size < sizeof(*op) || op->size > left || op->size % 8 || op->code >= PLAN_CODES)
		return false;
	for (unsigned i = 0; i < op->nstr; i++) {
		const char *nul = memchr(p, '\0', (size_t)(end - p));

		if (!nul)
			return false;
		if (i < PLAN_ARGS)
			st->s[i] = p;
		p = nul + 1;
	}
	for (unsigned i = op->nstr; i < PLAN_ARGS; i++)
		st->s[i] = "";
	st->tail = p;
	return true;
}

static int run_plan(struct child *c, int fd)
{
	struct stat sb;
	struct step st = { 0 };
	size_t at = 0, size;
	const char *plan;

	if (fstat(fd, &sb) < 0)
		return FAILED;
	size = (size_t)sb.st_size;
	plan = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (plan == MAP_FAILED)
		return FAILED;
	while (at < size && step_init(&st, (const struct plan_op *)(plan + at), size - at)) {
		steps[st.op->code](c, &st);
		at += st.op->size;
	}
	return FAILED;		/* the last step of a sound plan does not return */
}

static void signals_default(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int number(const char *s)
{
	int n = 0;

	for (; *s >= '0' && *s <= '9' && n < 1 << 20; s++)
		n = n * 10 + *s - '0';
	return n;
}

int main(int argc, char **argv)
{
	static struct child c;

	if (argc < 3)
		return FAILED;
	c.sock = number(argv[1]);
	setsid();
	if (strcmp(argv[0], "keeper") == 0)
		return keeper_main(c.sock);
	for (size_t i = 0; i < PLAN_SLOTS; i++)
		c.slot[i] = -1;
	syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);	/* CVE-2019-5736: nobody inside looks into us */
	prctl(PR_SET_NAME, "tare-init", 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	signals_default();
	umask(0);
	return run_plan(&c, number(argv[2]));
}
