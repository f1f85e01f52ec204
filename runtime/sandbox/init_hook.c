/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that run in the container's namespaces: the state's text is their input, what they say is kept for the error. */
#include "runtime/sandbox/init.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int text_fd(struct child *c, const struct step *st, const char *name)
{
	static char text[STATE_MAX];
	int fd = (int)syscall(SYS_memfd_create, name, 1u /* MFD_CLOEXEC */);
	ssize_t n;

	do
		n = recv(c->sock, text, sizeof(text), 0);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		_exit(1);	/* the parent has gone, or a hook of its has failed: nobody wants us */
	if (fd < 0 || n < 0 || write(fd, text, (size_t)n) != n)
		step_fail(c, st, "keep the state for hooks");
	return fd;
}

void do_pause(struct child *c, const struct step *st)
{
	child_report(c, REPORT_PAUSED, 0, 0, "", -1);
	c->slot[st->op->arg[0]] = text_fd(c, st, "creating");
	c->slot[st->op->arg[1]] = text_fd(c, st, "created");
}

static _Noreturn void hook_exec(const struct step *st, int in, int out)
{
	size_t argc = (size_t)st->op->arg[1], envc = (size_t)st->op->arg[2];
	char **v = calloc(argc + envc + 2, sizeof(*v)), **env = v + argc + 1;
	const char *s = step_next(st->s[0]);

	umask(022);
	if (v && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2) {
		for (size_t i = 0; i < argc; i++, s = step_next(s))
			v[i] = (char *)s;
		for (size_t i = 0; i < envc; i++, s = step_next(s))
			env[i] = (char *)s;
		execve(st->s[0], v, env);
	}
	dprintf(out, "%s", strerror(errno));
	_exit(127);
}

/* What it said last, on one line's length. */
static void hook_fail(struct child *c, const struct step *st, int out, int status)
{
	char said[200];
	off_t end = lseek(out, 0, SEEK_END);
	ssize_t n = pread(out, said, sizeof(said) - 1, end > (off_t)sizeof(said) - 1 ? end - (off_t)sizeof(said) + 1 : 0);

	while (n > 0 && said[n - 1] == '\n')
		n--;
	said[n > 0 ? n : 0] = '\0';
	errno = 0;
	if (WIFEXITED(status))
		step_fail(c, st, "hook %s: exit status %d%s%s", st->s[0], WEXITSTATUS(status), *said ? ": " : "", said);
	step_fail(c, st, "hook %s: killed by signal %d%s%s", st->s[0], WTERMSIG(status), *said ? ": " : "", said);
}

void do_hook(struct child *c, const struct step *st)
{
	int in = STEP_FD(c, st, 0), out = (int)syscall(SYS_memfd_create, "hook", 1u), status = 0, ready, fd;
	struct pollfd p = { .events = POLLIN };
	pid_t pid;

	if (out < 0 || lseek(in, 0, SEEK_SET) < 0 || (pid = fork()) < 0)
		step_fail(c, st, "hook %s", st->s[0]);
	if (pid == 0)
		hook_exec(st, in, out);
	fd = p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	do
		ready = poll(&p, 1, st->op->arg[3] ? (int)st->op->arg[3] * 1000 : -1);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (fd >= 0)
		close(fd);
	errno = 0;
	if (ready == 0)
		step_fail(c, st, "hook %s: it took more than %d s", st->s[0], (int)st->op->arg[3]);
	if (status)
		hook_fail(c, st, out, status);
	close(out);
}
