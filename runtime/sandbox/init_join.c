/* SPDX-License-Identifier: Apache-2.0 */
/* The init program's third role: from outside into a running container. Nothing there is executed, and none of its
 * files is opened, before the plan's last step; what we hold is close-on-exec and cannot be looked into. */
#include "runtime/sandbox/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* One call for all: the kernel enters the user namespace first and checks the others by what we may there. */
void do_join(struct child *c, const struct step *st)
{
	int fd = STEP_FD(c, st, 0), root;

	if (setns(fd, (int)st->op->arg[1]) < 0)
		step_fail(c, st, "enter the container's namespaces");
	if ((st->op->arg[1] & CLONE_NEWUSER) && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		step_fail(c, st, "become root of the container");
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		step_fail(c, st, "open the container's root");
	c->slot[st->op->arg[2]] = root;
	close(fd);
	c->slot[st->op->arg[0]] = -1;
}

/* A process whose parent is outside ends the container's pid namespace only once that parent has reaped it. Who asked
 * has gone, and who adopts orphans may not care: so we stay. */
static _Noreturn void reap_and_leave(pid_t pid)
{
	syscall(SYS_close_range, 0, ~0u, 0);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	_exit(0);
}

/*
 * Only a child is in the pid namespace that was joined. It is made our parent's child, so that nobody stands between
 * who asked and who answers. It waits until the parent has heard of it: whatever it reports comes after that.
 */
void do_fork(struct child *c, const struct step *st)
{
	int pidfd = -1, gate[2];
	bool stays = st->op->arg[2] & PLAN_STAY;
	struct clone_args a = { .flags = CLONE_PIDFD | (stays ? 0 : CLONE_PARENT), .pidfd = (uint64_t)(uintptr_t)&pidfd };
	char byte;
	long pid;

	if (syscall(SYS_pipe2, gate, O_CLOEXEC) < 0)
		step_fail(c, st, "make a pipe");
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid < 0)
		step_fail(c, st, "start a process in the container");
	if (pid > 0) {
		prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
		child_report(c, REPORT_CHILD, 0, (int)pid, "", pidfd);
		if (stays)
			reap_and_leave((pid_t)pid);	/* that closes the gate's other end */
		_exit(0);
	}
	close(gate[1]);
	while (read(gate[0], &byte, 1) < 0 && errno == EINTR)
		;
	close(gate[0]);
	setsid();
}

void do_open(struct child *c, const struct step *st)
{
	int fd = open_beneath(STEP_FD(c, st, 1), st->s[0], O_PATH | O_DIRECTORY, 0,
			      RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd < 0)
		step_fail(c, st, "open the container's %s", st->s[0]);
	slot_set(c, st, fd);
}
