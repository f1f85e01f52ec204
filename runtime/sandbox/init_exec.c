/* SPDX-License-Identifier: Apache-2.0 */
/* The init program's last steps: streams, directory, identity, privileges, execve; and its life as process 1. */
#include "runtime/sandbox/init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXEC_FAILED 127

void do_loopback(struct child *c, const struct step *st)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &r) < 0)
		step_fail(c, st, "bring the loopback interface up");
	close(fd);
}

void do_rlimit(struct child *c, const struct step *st)
{
	struct rlimit r = { (rlim_t)st->op->arg[1], (rlim_t)st->op->arg[2] };

	if (setrlimit((int)st->op->arg[0], &r) < 0)
		step_fail(c, st, "set the limit %s", st->s[0]);
}

/* A pipe or socket that was made for the container becomes its user's, so that /dev/stdout can be opened
 * again; a terminal, file or device of the host keeps its owner. */
static void stdio_own(int fd, uid_t uid)
{
	struct stat sb;

	if (fstat(fd, &sb) == 0 && (S_ISFIFO(sb.st_mode) || S_ISSOCK(sb.st_mode)))
		(void)!fchown(fd, uid, (gid_t)-1);
}

void do_stdio(struct child *c, const struct step *st)
{
	int fd[3];

	for (int i = 0; i < 3; i++) {
		if (st->op->arg[i] == PLAN_HOST)
			fd[i] = openat(STEP_FD(c, st, 4), "null", (i ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
		else
			fd[i] = STEP_FD(c, st, i);
		fd[i] = fd[i] < 0 ? -1 : fcntl(fd[i], F_DUPFD_CLOEXEC, 3);
		if (fd[i] < 0)
			step_fail(c, st, "open the standard streams");
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(fd[i], i) < 0)
			step_fail(c, st, "set up the standard streams");
		close(fd[i]);
		if (st->op->arg[3] > 0)
			stdio_own(i, (uid_t)st->op->arg[3]);
	}
}

/* CVE-2024-21626: where we are must be beneath the root that we see. */
static bool cwd_inside(void)
{
	char path[4096];
	long n = syscall(SYS_getcwd, path, sizeof(path));

	if (n > 0 && path[0] == '/')
		return true;
	errno = n > 0 ? ENOENT : errno;
	return false;
}

void do_cwd(struct child *c, const struct step *st)
{
	int fd = open_beneath(STEP_FD(c, st, 0), st->s[0], O_PATH | O_DIRECTORY, 0,
			      RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd < 0 && errno == ENOENT && (st->op->arg[2] & PLAN_MKDIR))
		fd = mkdirs_in(STEP_FD(c, st, 0), st->s[0]);
	if (fd < 0 || fchdir(fd) < 0 || !cwd_inside())
		step_fail(c, st, "change to the working directory %s", st->s[0]);
	close(fd);
}

void do_ids(struct child *c, const struct step *st)
{
	const struct plan_op *op = st->op;
	size_t n = (size_t)op->arg[3];
	gid_t *groups = calloc(n + 1, sizeof(gid_t));

	if (!groups)
		step_fail(c, st, "set the supplementary groups");
	memcpy(groups, st->tail, n * sizeof(gid_t));
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		step_fail(c, st, "keep capabilities");
	if (!(op->arg[2] & PLAN_NO_SETGROUPS) && setgroups(n, groups) < 0)
		step_fail(c, st, "set the supplementary groups");
	if (setresgid((gid_t)op->arg[1], (gid_t)op->arg[1], (gid_t)op->arg[1]) < 0)
		step_fail(c, st, "become group %lld", (long long)op->arg[1]);
	if (setresuid((uid_t)op->arg[0], (uid_t)op->arg[0], (uid_t)op->arg[0]) < 0)
		step_fail(c, st, "become user %lld", (long long)op->arg[0]);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);	/* a change of identity resets this and the next */
	prctl(PR_SET_PDEATHSIG, op->arg[2] & PLAN_STAY ? 0 : SIGKILL, 0, 0, 0);
}

static int caps_set(uint64_t mask)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ .effective = (uint32_t)mask, .permitted = (uint32_t)mask },
		{ .effective = (uint32_t)(mask >> 32), .permitted = (uint32_t)(mask >> 32) },
	};

	return (int)syscall(SYS_capset, &h, d);
}

static uint64_t caps_permitted(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 } };

	syscall(SYS_capget, &h, d);
	return d[0].permitted | (uint64_t)d[1].permitted << 32;
}

/* CVE-2022-24769: inheritable and ambient stay empty. What we do not have ourselves cannot be given. */
void do_caps(struct child *c, const struct step *st)
{
	uint64_t have = caps_permitted();
	uint64_t mask = (uint64_t)st->op->arg[0] & have, extra = (uint64_t)st->op->arg[1] & have;

	if (caps_set(have) < 0)		/* becoming another user made none of them effective */
		step_fail(c, st, "set the capabilities");
	for (int i = 0; i < 64 && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(mask >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			step_fail(c, st, "drop capability %d", i);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (caps_set(mask | extra) < 0)
		step_fail(c, st, "set the capabilities");
}

void do_seccomp(struct child *c, const struct step *st)
{
	struct sock_fprog prog = { .len = (unsigned short)((size_t)st->op->arg[3] / sizeof(struct sock_filter)) };

	prog.filter = malloc((size_t)st->op->arg[3]);	/* the plan's bytes may lie unaligned */
	if (!prog.filter)
		step_fail(c, st, "load the system call filter");
	memcpy(prog.filter, st->tail, (size_t)st->op->arg[3]);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		step_fail(c, st, "load the system call filter");
	if (caps_set((uint64_t)st->op->arg[0] & caps_permitted()) < 0)
		step_fail(c, st, "set the capabilities");
}

/* Process 1 with --init: pass signals on, reap whoever ends, leave with the main child's status. */
static _Noreturn void reap_for_ever(pid_t main_child)
{
	sigset_t all;
	siginfo_t si;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	syscall(SYS_close_range, 0, ~0u, 0);
	for (;;) {
		int sig = sigwaitinfo(&all, &si), status;
		pid_t pid;

		if (sig > 0 && sig != SIGCHLD)
			kill(main_child, sig);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == main_child && !WIFSTOPPED(status))
				_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
}

void do_init(struct child *c, const struct step *st)
{
	sigset_t all, old;
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);	/* where it is not process 1 */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);	/* what arrives before reap_for_ever() waits there */
	pid = fork();
	if (pid < 0)
		step_fail(c, st, "start the init's child");
	if (pid > 0)
		reap_for_ever(pid);
	setpgid(0, 0);
	if (c->tty)		/* SIGTTOU is blocked here */
		tcsetpgrp(0, getpid());
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static _Noreturn void exec_fail(struct child *c, const struct step *st, const char *name, bool searched)
{
	struct stat sb;

	if (searched && errno == ENOENT) {
		errno = 0;	/* the text says it all */
		step_fail(c, st, "exec: \"%s\": executable file not found in $PATH", name);
	}
	if (errno == EACCES && !searched && stat(name, &sb) == 0 && S_ISDIR(sb.st_mode))
		errno = EISDIR;
	step_fail(c, st, "exec: \"%s\"", name);
}

void do_exec(struct child *c, const struct step *st)
{
	size_t argc = (size_t)st->op->arg[0], envc = (size_t)st->op->arg[1];
	char **v = calloc(argc + envc + 2, sizeof(*v)), **env = v + argc + 1;
	const char *s = st->op->text, *path = NULL;
	char full[4096];
	int denied = 0;

	if (!v)
		step_fail(c, st, "exec");
	for (size_t i = 0; i < argc; i++, s = step_next(s))
		v[i] = (char *)s;
	for (size_t i = 0; i < envc; i++, s = step_next(s)) {
		env[i] = (char *)s;
		if (strncmp(s, "PATH=", 5) == 0)
			path = s + 5;
	}
	if (strchr(v[0], '/')) {
		execve(v[0], v, env);
		exec_fail(c, st, v[0], false);
	}
	errno = ENOENT;
	for (; path && *v[0]; path = *path ? path + 1 : NULL) {
		size_t n = strcspn(path, ":");

		if (snprintf(full, sizeof(full), "%.*s/%s", n ? (int)n : 1, n ? path : ".", v[0]) < (int)sizeof(full))
			execve(full, v, env);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			exec_fail(c, st, full, false);
		if (errno == EACCES)
			denied = EACCES;
		path += n;
	}
	errno = denied ? denied : ENOENT;
	exec_fail(c, st, v[0], !denied);
}
