/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program between three pipes and one poll loop. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/clock.h"

#define ERR_KEPT 4096

void proc_end_done(struct proc_end *p)
{
	buf_done(&p->out);
	buf_done(&p->err);
	*p = (struct proc_end){ 0 };
}

struct running {
	pid_t pid;
	int in, out, err;	/* our ends; -1 once closed */
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int spawn(const char *const *argv, const int fds[3], pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < 3; i++)
		posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	r = posix_spawnp(ret, argv[0], &actions, &attr, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	errno = r;
	return r == 0 ? 0 : -1;
}

static int start(const char *const *argv, struct running *p, struct err *e)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
	int r = -1;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		err_sys(e, "make a pipe");
	else if ((r = spawn(argv, (int[3]){ in[0], out[1], err[1] }, &p->pid)) < 0)
		err_sys(e, "start %s", argv[0]);
	close_end(&in[0]);
	close_end(&out[1]);
	close_end(&err[1]);
	p->in = in[1];
	p->out = out[0];
	p->err = err[0];
	return r;
}

/* Take what is there; at its end the pipe is closed. Of what exceeds max only the start is kept: false. */
static bool drain(int *fd, struct buf *b, size_t max)
{
	char p[4096];
	ssize_t n = read(*fd, p, sizeof(p));

	if (n <= 0) {
		if (n == 0 || errno != EINTR)
			close_end(fd);
		return true;
	}
	buf_add(b, p, MIN((size_t)n, max - MIN(b->n, max)));
	return b->n < max;
}

static void feed(int *fd, struct str *in)
{
	ssize_t n = in->n ? write(*fd, in->p, in->n) : 0;

	if (n > 0)
		*in = str_sub(*in, (size_t)n, in->n);
	if (in->n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		close_end(fd);
}

static int talk(struct job *j, const char *name, struct running *p, struct str in, size_t out_max, int timeout_ms,
		struct proc_end *ret, struct err *e)
{
	int64_t until = clock_mono_ns() + timeout_ms * 1000000LL;

	fcntl(p->in, F_SETFL, O_NONBLOCK);
	while (p->out >= 0) {
		struct pollfd fds[] = { { .fd = p->in, .events = POLLOUT }, { .fd = p->out, .events = POLLIN },
					{ .fd = p->err, .events = POLLIN }, { .fd = j->cancel_fd, .events = POLLIN } };
		int64_t left = (until - clock_mono_ns()) / 1000000;

		if (left <= 0)
			return err_set(e, ERR_LIMIT, "%s did not end within %d s", name, timeout_ms / 1000);
		poll(fds, countof(fds), (int)left + 1);
		if (job_check(j, e) < 0)
			return -1;
		if (fds[0].revents)
			feed(&p->in, &in);
		if (fds[2].revents)
			drain(&p->err, &ret->err, ERR_KEPT);
		if (fds[1].revents && !drain(&p->out, &ret->out, out_max))
			return err_set(e, ERR_LIMIT, "%s wrote more than %zu bytes", name, out_max);
	}
	return 0;
}

int proc_run(struct job *j, const char *const *argv, struct str in, size_t out_max, int timeout_ms,
	     struct proc_end *ret, struct err *e)
{
	struct running p = { .in = -1, .out = -1, .err = -1 };
	int r = start(argv, &p, e), status = 0;

	if (r == 0)
		r = talk(j, argv[0], &p, in, out_max, timeout_ms, ret, e);
	if (r < 0 && p.pid > 0)
		kill(-p.pid, SIGKILL);		/* a group of its own: what it started goes, too */
	if (r == 0 && p.err >= 0)
		drain(&p.err, &ret->err, ERR_KEPT);
	close_end(&p.in);
	close_end(&p.out);
	close_end(&p.err);
	if (p.pid > 0)
		while (waitpid(p.pid, &status, 0) < 0 && errno == EINTR)
			;
	ret->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return r;
}
