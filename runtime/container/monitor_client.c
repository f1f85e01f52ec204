/* SPDX-License-Identifier: Apache-2.0 */
/* Those who talk with a monitor: their requests, what they are told, and their pace. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "runtime/container/monitor_int.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/tty.h"

static void client_gone(struct client *c)
{
	struct monitor *m = c->m;

	if (c->gone)
		return;
	c->gone = true;
	monitor_unwatch(m, c->fd);
	close(take_fd(&c->fd));
	buf_done(&c->queue);
	if (m->starter == c)
		m->starter = NULL;
	if (m->io.input_from == c)
		m->io.input_from = NULL;
	if ((c->streams & CONTROL_IN) && m->io.stdin_once && !m->io.tty)
		streams_input_end(m);
	streams_flow(m);
}

static void clients_sweep(struct monitor *m)
{
	for (struct client **at = &m->clients; *at;) {
		struct client *c = *at;

		if (!c->gone) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c);
	}
}

/* The socket took it, or did not and is gone: true. False: it would have to wait, and everything behind it. */
static bool sent(struct client *c, int r)
{
	if (r == 0)
		return true;
	if (errno == EAGAIN)
		return false;
	client_gone(c);
	return true;
}

static void enqueue(struct client *c, const struct control *head, struct str data)
{
	uint32_t n = (uint32_t)(offsetof(struct control, data) + data.n);

	if (c->queue.n == c->at) {
		buf_reset(&c->queue);
		c->at = 0;
		monitor_rewatch(c->m, c->fd, EPOLLIN | EPOLLOUT);
	}
	buf_add(&c->queue, &n, sizeof(n));
	buf_add(&c->queue, head, offsetof(struct control, data));
	buf_str(&c->queue, data);
}

void client_send(struct client *c, enum control_kind kind, int32_t a, int32_t b, struct str data)
{
	struct { uint32_t kind; int32_t a, b, c; uint64_t hint; size_t n; } head = { kind, a, b, 0, 0, data.n };

	_Static_assert(sizeof(head) == offsetof(struct control, data), "a message without its bytes");
	if (c->gone || (c->queue.n == c->at && sent(c, control_send(c->fd, kind, a, b, data, MSG_DONTWAIT))))
		return;
	enqueue(c, (const struct control *)&head, data);
}

void client_send_failed(struct client *c, int status, const struct err *why)
{
	auto_free struct control *m = xcalloc(1, sizeof(*m));
	struct str text = str_of(err_text(why));

	*m = (struct control){ .kind = CONTROL_FAILED, .a = status, .b = (int32_t)why->kind, .c = why->sys,
			       .hint = (uintptr_t)why->hint, .n = MIN(text.n, CONTROL_DATA - 1) };
	memcpy(m->data, text.p, m->n);
	if (!c->gone && (c->queue.n > c->at || !sent(c, control_send_raw(c->fd, m, MSG_DONTWAIT))))
		enqueue(c, m, (struct str){ m->data, m->n });
}

static void queue_flush(struct client *c)
{
	while (!c->gone && c->at < c->queue.n) {
		struct control *m = xmalloc(sizeof(*m));
		uint32_t n;
		int r;

		memcpy(&n, c->queue.p + c->at, sizeof(n));
		memcpy(m, c->queue.p + c->at + sizeof(n), n);
		r = control_send_raw(c->fd, m, MSG_DONTWAIT);
		free(m);
		if (r < 0 && errno != EAGAIN)
			client_gone(c);
		if (r < 0)
			return;
		c->at += sizeof(n) + n;
	}
	if (c->gone)
		return;
	buf_done(&c->queue);
	c->at = 0;
	monitor_rewatch(c->m, c->fd, EPOLLIN);
	streams_flow(c->m);
}

void clients_output(struct monitor *m, unsigned stream, struct str bytes)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->streams & stream)
			client_send(c, CONTROL_OUTPUT, (int32_t)stream, 0, bytes);
}

bool clients_behind(const struct monitor *m)
{
	for (const struct client *c = m->clients; c; c = c->next)
		if (!c->gone && c->queue.n > c->at)
			return true;
	return false;
}

void clients_tell(struct monitor *m, enum control_kind kind, int32_t a, int32_t b)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->waits)
			client_send(c, kind, a, b, (struct str){ 0 });
}

static void answer(struct client *c, int r, int32_t a, int32_t b, const struct err *e)
{
	if (r < 0)
		client_send(c, CONTROL_REFUSED, 0, (int32_t)e->kind, str_of(err_text(e)));
	else
		client_send(c, CONTROL_DONE, a, b, (struct str){ 0 });
}

static int attach(struct client *c, unsigned streams, struct err *e)
{
	struct monitor *m = c->m;

	if (m->c->state.status == CONTAINER_PAUSED)
		return err_set(e, ERR_CONFLICT, "You cannot attach to a paused container, unpause it first");
	c->streams = streams;
	c->waits = true;
	return 0;
}

static void request(struct client *c, const struct control *q)
{
	struct monitor *m = c->m;
	auto_err struct err e = { 0 };
	int r = 0;
	bool wait = q->kind == CONTROL_STOP || q->kind == CONTROL_RESTART || q->kind == CONTROL_WAIT;

	c->waits = c->waits || wait;
	switch (q->kind) {
	case CONTROL_ATTACH:
		r = attach(c, (unsigned)q->a, &e);
		answer(c, r, m->c->state.pid, m->io.tty, &e);
		return;
	case CONTROL_KILL:
		r = monitor_do_kill(m, q->a, q->b, &e);
		break;
	case CONTROL_STOP:
	case CONTROL_RESTART:
		r = monitor_do_stop(m, q->b, q->a, q->kind == CONTROL_RESTART, &e);
		break;
	case CONTROL_PAUSE:
	case CONTROL_RESUME:
		r = monitor_do_pause(m, q->kind == CONTROL_PAUSE, &e);
		break;
	case CONTROL_RELOAD:
		r = monitor_do_reload(m, &e);
		break;
	case CONTROL_WAIT:
		break;
	default:
		r = err_set(&e, ERR_USAGE, "unknown request %u", q->kind);
	}
	answer(c, r, 0, 0, &e);
}

static void resize(struct monitor *m, int32_t rows, int32_t cols)
{
	m->rows = (unsigned short)rows;
	m->cols = (unsigned short)cols;
	if (m->io.tty && m->sb)
		tty_resize(sandbox_tty_master(m->sb), m->rows, m->cols);
}

static void message(struct client *c, const struct control *q)
{
	struct monitor *m = c->m;

	switch (q->kind) {
	case CONTROL_INPUT:
		streams_input(m, c, (struct str){ q->data, q->n });
		return;
	case CONTROL_INPUT_END:
		if (m->io.stdin_once && !m->io.tty)
			streams_input_end(m);
		c->streams &= ~(unsigned)CONTROL_IN;
		return;
	case CONTROL_DETACH:
		c->streams &= ~(unsigned)q->a;
		return;
	case CONTROL_CLOSED:
		c->streams &= ~(unsigned)q->a;
		streams_output_closed(m, (unsigned)q->a);
		return;
	case CONTROL_RESIZE:
		resize(m, q->a, q->b);
		return;
	case CONTROL_SIGNAL:
		if (m->sb)
			(void)sandbox_kill(m->sb, q->a);
		return;
	case CONTROL_UNWAIT:
		c->waits = false;
		return;
	default:
		request(c, q);
	}
}

static void client_event(void *arg, uint32_t events)
{
	struct client *c = arg;
	struct control *q;
	int r;

	if (events & EPOLLOUT)
		queue_flush(c);
	if (c->gone || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	q = xmalloc(sizeof(*q));
	r = control_recv(c->fd, q, MSG_DONTWAIT);
	if (r > 0)
		message(c, q);
	else if (r == 0 || errno != EAGAIN)
		client_gone(c);
	free(q);
}

struct client *monitor_client_new(struct monitor *m, int fd, unsigned streams)
{
	auto_err struct err e = { 0 };
	struct client *c = xcalloc(1, sizeof(*c));

	*c = (struct client){ .next = m->clients, .m = m, .fd = fd, .streams = streams };
	if (monitor_watch(m, fd, EPOLLIN, client_event, c, &e) < 0) {
		close(fd);
		free(c);
		return NULL;
	}
	m->clients = c;
	return c;
}

static void accepting(void *arg, uint32_t events UNUSED)
{
	struct monitor *m = arg;
	int fd = accept4(m->listen, NULL, NULL, SOCK_CLOEXEC);

	clients_sweep(m);
	if (fd >= 0)
		(void)monitor_client_new(m, fd, 0);
}

int clients_listen(struct monitor *m, struct err *e)
{
	if (control_dir(m->run_dir, m->c->id, true, &m->dir, e) < 0 || control_listen(m->dir, &m->listen, e) < 0)
		return -1;
	return monitor_watch(m, m->listen, EPOLLIN, accepting, m, e);
}

void clients_linger(struct monitor *m)
{
	while (clients_behind(m))
		loop_turn(m);
}

void clients_close(struct monitor *m)
{
	for (struct client *c = m->clients; c; c = c->next)
		client_gone(c);
	clients_sweep(m);
}
