/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of a foreground container. What is no terminal is inherited: bytes never pass through us. A terminal
 * is copied, so that the container neither reads what is typed for others nor changes its modes.
 */
#include "engine/run_io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/spec.h"

static const int not_forwarded[] = {	/* faults of our own, job control, what the kernel sends for its own reasons */
	SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGTSTP, SIGTTIN,
	SIGTTOU, SIGCONT, SIGURG, SIGXCPU, SIGXFSZ, SIGPROF, SIGVTALRM,
};

int run_signals_hold(sigset_t *old, int *fd, struct err *e)
{
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < countof(not_forwarded); i++)
		sigdelset(&set, not_forwarded[i]);
	*fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (*fd < 0)
		return err_sys(e, "make a signalfd");
	if (pthread_sigmask(SIG_BLOCK, &set, old) == 0)
		return 0;
	close(take_fd(fd));
	return err_sys(e, "hold signals back");
}

/* A pipe between our terminal and the container; n is the container's number for its end. */
static int pipe_open(struct run_io *io, int n, struct err *e)
{
	struct run_stream *s = &io->streams[n];
	int fds[2], ours = n == 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	io->child[n] = fds[!ours];
	fcntl(fds[ours], F_SETFL, O_NONBLOCK);
	s->from = n == 0 ? 0 : fds[0];
	s->to = n == 0 ? fds[1] : n;
	s->own_to = n == 0;
	return 0;
}

int run_io_open(struct run_io *io, bool tty, bool interactive, struct spec *sp, struct err *e)
{
	*io = (struct run_io){ .opened = true, .child = { -1, -1, -1 }, .signals = -1, .tty = tty,
			       .interactive = interactive };
	for (int i = 0; i < 3; i++)
		io->streams[i].from = io->streams[i].to = -1;
	if (tty && interactive && !isatty(0))
		return err_set(e, ERR_USAGE, "the input device is not a TTY");
	sp->tty = tty;
	if (tty)
		tty_size(isatty(0) ? 0 : 1, &sp->rows, &sp->cols);
	for (int i = 0; i < 3 && !tty; i++) {
		if (i == 0 && !interactive)
			continue;
		if (isatty(i) && pipe_open(io, i, e) < 0)
			return -1;
		sp->stdio[i] = io->child[i] >= 0 ? io->child[i] : fcntl(i, F_GETFD) < 0 ? -1 : i;
	}
	if (run_signals_hold(&io->old, &io->signals, e) < 0)
		return -1;
	io->masked = true;
	return 0;
}

int run_io_attach(struct run_io *io, struct sandbox *sb, struct err *e)
{
	int master = sandbox_tty_master(sb);

	for (int i = 0; i < 3; i++)
		if (io->child[i] >= 0)
			close(take_fd(&io->child[i]));
	if (!io->tty)
		return 0;
	fcntl(master, F_SETFL, O_NONBLOCK);
	io->streams[1].from = fcntl(master, F_DUPFD_CLOEXEC, 3);
	io->streams[1].to = 1;
	if (!io->interactive)
		return 0;
	io->streams[0].from = 0;
	io->streams[0].to = fcntl(master, F_DUPFD_CLOEXEC, 3);
	io->streams[0].own_to = true;
	return tty_raw_on(&io->raw, 0, e);
}

static void stream_end(struct run_stream *s)
{
	if (s->own_to && s->to >= 0)
		close(s->to);
	if (!s->own_to && s->from >= 0)
		close(s->from);		/* then it is ours, not our standard input */
	s->from = s->to = -1;
	s->at = s->n = 0;
}

static void stream_poll(const struct run_stream *s, struct pollfd *in, struct pollfd *out)
{
	*in = (struct pollfd){ .fd = s->n ? -1 : s->from, .events = POLLIN };
	*out = (struct pollfd){ .fd = s->n ? s->to : -1, .events = POLLOUT };
}

static void stream_move(struct run_stream *s, short in, short out)
{
	ssize_t n;

	if (in && s->n == 0) {
		n = read(s->from, s->buf, sizeof(s->buf));
		if (n > 0)
			s->n = (size_t)n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			stream_end(s);	/* EIO: the last program has closed its terminal */
	}
	if (out && s->n) {
		/* At most a pipe's atomic size: having room for that, a write does not block. */
		n = write(s->to, s->buf + s->at, MIN(s->n - s->at, (size_t)4096));
		if (n > 0)
			s->at += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			stream_end(s);
		if (s->at == s->n)
			s->at = s->n = 0;
	}
}

/* Is it process 1 of its pid namespace? "NSpid:" lists its numbers, outermost first. */
static bool is_first(const char *status)
{
	const char *at = strstr(status, "\nNSpid:\t");
	struct str rest = at ? str_of(at + 1) : str_of(NULL), line = str_cut(&rest, '\n');

	return !at || str_ends(line, "\t1");
}

bool run_signal_caught(pid_t pid, int sig)
{
	auto_free char *path = xasprintf("/proc/%d/status", pid);
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };
	uint64_t mask;
	char *at;

	if (fs_read(AT_FDCWD, path, 64 << 10, &b, &ignored) < 0 || !is_first(b.p) || !(at = strstr(b.p, "\nSigCgt:\t")))
		return true;
	at += strlen("\nSigCgt:\t");
	return !str_to_u64(str_sub(str_of(at), 0, strcspn(at, "\n")), 16, &mask) || (mask >> (sig - 1) & 1);
}

static void signal_pass(struct job *j, struct run_io *io, struct sandbox *sb, int sig)
{
	unsigned short rows, cols;

	if (sig == SIGWINCH) {
		if (!io->tty)
			return;
		tty_size(isatty(0) ? 0 : 1, &rows, &cols);
		tty_resize(sandbox_tty_master(sb), rows, cols);
		return;
	}
	if (sig == SIGHUP && io->tty && !run_signal_caught(sandbox_pid(sb), sig)) {
		sig = SIGKILL;		/* its terminal is gone, and it would wait for it for ever */
	} else if ((sig == SIGINT || sig == SIGTERM || sig == SIGQUIT) && !run_signal_caught(sandbox_pid(sb), sig)) {
		if (++io->stops >= RUN_STOPS_MAX)
			sig = SIGKILL;
		else if (io->stops == 1 && !io->tty)
			event_note(j->sink, "the container's process 1 does not handle SIG%s; %d more end it (--init would, too)",
				   sigabbrev_np(sig), RUN_STOPS_MAX - 1);
	}
	(void)sandbox_kill(sb, sig);
}

static void signals_move(struct job *j, struct run_io *io, struct sandbox *sb)
{
	struct signalfd_siginfo si;

	while (read(io->signals, &si, sizeof(si)) == sizeof(si))
		signal_pass(j, io, sb, (int)si.ssi_signo);
}

static bool output_left(const struct run_io *io)
{
	return io->streams[1].from >= 0 || io->streams[2].from >= 0 || io->streams[1].n || io->streams[2].n;
}

int run_io_pump(struct job *j, struct run_io *io, struct sandbox *sb, struct err *e)
{
	bool ended = false;

	while (!ended || output_left(io)) {
		struct pollfd p[9] = {
			{ .fd = j->cancel_fd, .events = POLLIN }, { .fd = io->signals, .events = POLLIN },
			{ .fd = ended ? -1 : sandbox_pidfd(sb), .events = POLLIN },
		};

		for (size_t i = 0; i < 3; i++)
			stream_poll(&io->streams[i], &p[3 + 2 * i], &p[4 + 2 * i]);
		if (poll(p, countof(p), -1) < 0) {
			if (errno != EINTR)
				return err_sys(e, "poll");
			continue;
		}
		if (job_check(j, e) < 0)
			return -1;
		if (p[1].revents)
			signals_move(j, io, sb);
		for (size_t i = 0; i < 3; i++)
			stream_move(&io->streams[i], p[3 + 2 * i].revents, p[4 + 2 * i].revents);
		if (p[2].revents) {
			ended = true;
			stream_end(&io->streams[0]);
		}
	}
	return 0;
}

void run_io_close(struct run_io *io)
{
	tty_raw_off(&io->raw);
	if (!io->opened)
		return;
	for (int i = 0; i < 3; i++) {
		stream_end(&io->streams[i]);
		if (io->child[i] >= 0)
			close(take_fd(&io->child[i]));
	}
	if (io->signals >= 0)
		close(take_fd(&io->signals));
	if (io->masked)
		pthread_sigmask(SIG_SETMASK, &io->old, NULL);
	io->opened = io->masked = false;
}
