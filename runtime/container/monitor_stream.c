/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's standard streams in its monitor. Output goes to the log, then to whoever is attached; while one of
 * them is behind, nothing more is read: the container waits, and no byte is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "runtime/container/monitor_int.h"
#include "runtime/sandbox/sandbox.h"

#define READS 8			/* of one stream before others have their turn */

static const unsigned stream_bits[2] = { CONTROL_OUT, CONTROL_ERR };

static int pipe_open(int *child, int *ours, bool in, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	*child = fds[in ? 0 : 1];
	*ours = fds[in ? 1 : 0];
	fcntl(*ours, F_SETFL, O_NONBLOCK);
	return 0;
}

int streams_open(struct monitor *m, struct spec *sp, struct err *e)
{
	const json_t *config = json_object_get(m->c->config, "Config");
	struct streams *io = &m->io;

	*io = (struct streams){ .child = { -1, -1, -1 }, .in = -1, .out = { -1, -1 } };
	io->tty = json_is_true(json_object_get(config, "Tty"));
	io->open_stdin = json_is_true(json_object_get(config, "OpenStdin"));
	io->stdin_once = json_is_true(json_object_get(config, "StdinOnce"));
	sp->tty = io->tty;
	sp->rows = m->rows;
	sp->cols = m->cols;
	if (io->tty)
		return 0;
	if ((io->open_stdin && pipe_open(&io->child[0], &io->in, true, e) < 0) ||
	    pipe_open(&io->child[1], &io->out[0], false, e) < 0 || pipe_open(&io->child[2], &io->out[1], false, e) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		sp->stdio[i] = io->child[i];
	return 0;
}

static void child_close(struct streams *io)
{
	for (int i = 0; i < 3; i++)
		if (io->child[i] >= 0)
			close(take_fd(&io->child[i]));
}

static void out_close(struct monitor *m, int i)
{
	if (m->io.out[i] < 0)
		return;
	monitor_unwatch(m, m->io.out[i]);
	close(take_fd(&m->io.out[i]));
}

/* One read: true if there may be more. */
static bool out_read(struct monitor *m, int i)
{
	char buf[CONTROL_DATA];
	ssize_t n = read(m->io.out[i], buf, sizeof(buf));

	if (n > 0) {
		logfile_write(m->log, i + 1, (struct str){ buf, (size_t)n });
		clients_output(m, stream_bits[i], (struct str){ buf, (size_t)n });
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		out_close(m, i);	/* EIO: the last program has closed its terminal */
	return false;
}

static void out_event(struct monitor *m, int i)
{
	for (int n = 0; n < READS && m->io.out[i] >= 0; n++)
		if ((!m->ended && clients_behind(m)) || !out_read(m, i))
			break;
	streams_flow(m);
}

static void stdout_event(void *arg, uint32_t events UNUSED)
{
	out_event(arg, 0);
}

static void stderr_event(void *arg, uint32_t events UNUSED)
{
	out_event(arg, 1);
}

static void input_write(struct monitor *m)
{
	struct streams *io = &m->io;
	ssize_t n = 1;

	while (io->input_at < io->input.n && n > 0) {
		n = write(io->in, io->input.p + io->input_at, io->input.n - io->input_at);
		if (n > 0)
			io->input_at += (size_t)n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		monitor_rewatch(m, io->in, EPOLLOUT);
		return;
	}
	buf_reset(&io->input);
	io->input_at = 0;
	monitor_rewatch(m, io->in, 0);
	if (io->input_from)
		client_send(io->input_from, CONTROL_TAKEN, 0, 0, (struct str){ 0 });
	io->input_from = NULL;
	if (n < 0)
		streams_input_end(m);
}

static void in_event(void *arg, uint32_t events)
{
	struct monitor *m = arg;

	if (m->io.input.n)
		input_write(m);
	else if (events & EPOLLERR)
		streams_input_end(m);		/* nobody reads it any more */
}

int streams_attach(struct monitor *m, struct err *e)
{
	struct streams *io = &m->io;
	int master = sandbox_tty_master(m->sb);

	child_close(io);
	if (io->tty) {
		fcntl(master, F_SETFL, O_NONBLOCK);
		io->out[0] = fcntl(master, F_DUPFD_CLOEXEC, 3);
		if (io->open_stdin)
			io->in = fcntl(master, F_DUPFD_CLOEXEC, 3);
		if (io->out[0] < 0)
			return err_sys(e, "take the container's terminal");
	}
	if (io->in >= 0 && monitor_watch(m, io->in, 0, in_event, m, e) < 0)
		return -1;
	if (io->out[0] >= 0 && monitor_watch(m, io->out[0], EPOLLIN, stdout_event, m, e) < 0)
		return -1;
	return io->out[1] >= 0 ? monitor_watch(m, io->out[1], EPOLLIN, stderr_event, m, e) : 0;
}

void streams_flow(struct monitor *m)
{
	bool hold = !m->ended && clients_behind(m);

	if (hold == m->io.held)
		return;
	m->io.held = hold;
	for (int i = 0; i < 2; i++)
		if (m->io.out[i] >= 0)
			monitor_rewatch(m, m->io.out[i], hold ? 0 : EPOLLIN);
}

bool streams_drained(const struct monitor *m)
{
	return m->io.out[0] < 0 && m->io.out[1] < 0;
}

void streams_input(struct monitor *m, struct client *from, struct str bytes)
{
	struct streams *io = &m->io;

	if (io->in < 0) {
		client_send(from, CONTROL_TAKEN, 0, 0, (struct str){ 0 });
		return;
	}
	if (io->input.n && io->input_from && io->input_from != from)	/* two type at once: both get their answer */
		client_send(io->input_from, CONTROL_TAKEN, 0, 0, (struct str){ 0 });
	if (io->input.n + bytes.n > 4 * CONTROL_DATA)
		return;			/* a client that does not wait for its answers */
	buf_str(&io->input, bytes);
	io->input_from = from;
	input_write(m);
}

void streams_input_end(struct monitor *m)
{
	if (m->io.in < 0)
		return;
	monitor_unwatch(m, m->io.in);
	close(take_fd(&m->io.in));
	buf_reset(&m->io.input);
	m->io.input_at = 0;
	if (m->io.input_from)
		client_send(m->io.input_from, CONTROL_TAKEN, 0, 0, (struct str){ 0 });
	m->io.input_from = NULL;
}

/* Whoever ran it in a pipeline has gone: so far as nobody else listens, the container finds its streams closed. */
void streams_output_closed(struct monitor *m, unsigned streams)
{
	for (const struct client *c = m->clients; c; c = c->next)
		if (!c->gone)
			streams &= ~c->streams;
	for (int i = 0; i < 2 && !m->io.tty; i++)
		if (streams & stream_bits[i])
			out_close(m, i);
	streams_flow(m);
}

void streams_close(struct monitor *m)
{
	streams_input_end(m);
	buf_done(&m->io.input);
	child_close(&m->io);
	out_close(m, 0);
	out_close(m, 1);
}
