/* SPDX-License-Identifier: Apache-2.0 */
/* Forwards what arrives at a published port's own socket. */
#include "runtime/network/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "base/clock.h"

#define CONNECTIONS_MAX 512		/* of one port; further ones wait in the backlog, UDP clients push out the oldest */
#define CHUNK ((size_t)256 << 10)
#define UDP_IDLE_NS (INT64_C(90) * 1000000000)
#define DATAGRAM_MAX 65536

struct flow {				/* one direction */
	int from, to, pipe[2];
	size_t held;			/* bytes in the pipe */
	bool ended, closed;		/* from is at its end; to was told */
};

struct conn {
	struct proxy *p;
	struct flow out, in;		/* client to container, and back; UDP: only in.from is used */
	bool connected, dead;
	struct sockaddr_storage client;	/* UDP */
	socklen_t nclient;
	int64_t used_ns;
	struct conn *next;
};

struct proxy {
	struct net_loop *loop;
	int fd;
	struct sockaddr_storage to;
	socklen_t nto;
	struct conn *conns;
	size_t n;
	bool full;
	struct net_timer idle;
};

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void conn_free(struct conn *c)
{
	struct proxy *p = c->p;

	for (struct conn **at = &p->conns; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	p->n--;
	for (int i = 0; i < 2; i++) {
		int fd = i ? c->in.from : c->out.from;

		if (fd >= 0) {
			net_loop_unwatch(p->loop, fd);
			close(fd);
		}
		close_if(c->out.pipe[i]);
		close_if(c->in.pipe[i]);
	}
	free(c);
	if (p->full) {
		p->full = false;
		net_loop_change(p->loop, p->fd, EPOLLIN);
	}
}

static struct conn *conn_new(struct proxy *p)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->p = p;
	c->out = c->in = (struct flow){ .from = -1, .to = -1, .pipe = { -1, -1 } };
	c->used_ns = clock_mono_ns();
	c->next = p->conns;
	p->conns = c;
	p->n++;
	return c;
}

/* ---- TCP ---- */

/* Move what can be moved; false: the connection is broken. */
static bool flow_move(struct flow *f)
{
	for (;;) {
		ssize_t n = 0;

		if (!f->ended && f->held < CHUNK) {
			n = splice(f->from, NULL, f->pipe[1], NULL, CHUNK - f->held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
			if (n > 0)
				f->held += (size_t)n;
			else if (n == 0)
				f->ended = true;
			else if (errno != EAGAIN && errno != EINTR)
				return false;
		}
		if (f->held) {
			ssize_t m = splice(f->pipe[0], NULL, f->to, NULL, f->held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

			if (m > 0)
				f->held -= (size_t)m;
			else if (m < 0 && errno != EAGAIN && errno != EINTR)
				return false;
			if (m <= 0)
				break;
		} else if (n <= 0) {
			break;
		}
	}
	if (f->ended && !f->held && !f->closed) {
		shutdown(f->to, SHUT_WR);
		f->closed = true;
	}
	return true;
}

/* Each side waits for input while there is room, and for output while something is held for it. */
static void conn_wait(struct conn *c)
{
	bool in = !c->out.ended && !c->out.held, back = !c->in.ended && !c->in.held;

	net_loop_change(c->p->loop, c->out.from, (in ? EPOLLIN : 0) | (c->in.held ? EPOLLOUT : 0));
	net_loop_change(c->p->loop, c->in.from, (back ? EPOLLIN : 0) | (c->out.held ? EPOLLOUT : 0));
}

static void conn_work(void *arg, uint32_t events)
{
	struct conn *c = arg;
	int sys = 0;
	socklen_t n = sizeof(sys);

	if (!c->connected && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
		if (getsockopt(c->in.from, SOL_SOCKET, SO_ERROR, &sys, &n) < 0 || sys) {
			conn_free(c);
			return;
		}
		c->connected = true;
	}
	if (!c->connected)
		return;
	if (!flow_move(&c->out) || !flow_move(&c->in) || (c->out.closed && c->in.closed) ||
	    ((events & EPOLLERR) && !c->out.held && !c->in.held)) {
		conn_free(c);
		return;
	}
	conn_wait(c);
}

static int conn_open(struct conn *c, int client, struct err *e)
{
	struct proxy *p = c->p;
	int fd = socket(p->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	c->out.from = c->in.to = client;
	c->in.from = c->out.to = fd;
	if (fd < 0 || pipe2(c->out.pipe, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(c->in.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "forward a connection");
	if (connect(fd, (struct sockaddr *)&p->to, p->nto) < 0 && errno != EINPROGRESS)
		return err_sys(e, "forward a connection");
	if (net_loop_watch(p->loop, fd, EPOLLOUT, conn_work, c, e) < 0)
		return -1;
	return net_loop_watch(p->loop, client, 0, conn_work, c, e);
}

static void accept_tcp(void *arg, uint32_t events UNUSED)
{
	struct proxy *p = arg;

	for (;;) {
		auto_err struct err ignored = { 0 };
		struct conn *c;
		int fd;

		if (p->n >= CONNECTIONS_MAX) {
			p->full = true;
			net_loop_change(p->loop, p->fd, 0);
			return;
		}
		fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		c = conn_new(p);
		if (conn_open(c, fd, &ignored) < 0)
			conn_free(c);
	}
}

/* ---- UDP: a socket for each client, so that answers find their way ---- */

static void answer_udp(void *arg, uint32_t events UNUSED)
{
	struct conn *c = arg;
	auto_free char *b = xmalloc(DATAGRAM_MAX);
	ssize_t n;

	while ((n = recv(c->in.from, b, DATAGRAM_MAX, 0)) >= 0) {
		c->used_ns = clock_mono_ns();
		(void)!sendto(c->p->fd, b, (size_t)n, 0, (struct sockaddr *)&c->client, c->nclient);
	}
}

static struct conn *client_udp(struct proxy *p, const struct sockaddr_storage *from, socklen_t n)
{
	auto_err struct err ignored = { 0 };
	struct conn *c, *oldest = NULL;

	for (c = p->conns; c; c = c->next) {
		if (c->nclient == n && memcmp(&c->client, from, n) == 0)
			return c;
		if (!oldest || c->used_ns < oldest->used_ns)
			oldest = c;
	}
	if (p->n >= CONNECTIONS_MAX)
		conn_free(oldest);
	c = conn_new(p);
	c->client = *from;
	c->nclient = n;
	c->in.from = socket(p->to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->in.from < 0 || connect(c->in.from, (struct sockaddr *)&p->to, p->nto) < 0 ||
	    net_loop_watch(p->loop, c->in.from, EPOLLIN, answer_udp, c, &ignored) < 0) {
		conn_free(c);
		return NULL;
	}
	return c;
}

static void expire_udp(void *arg)
{
	struct proxy *p = arg;
	int64_t now = clock_mono_ns();
	struct conn *next;

	for (struct conn *c = p->conns; c; c = next) {
		next = c->next;
		if (now - c->used_ns > UDP_IDLE_NS)
			conn_free(c);
	}
	if (p->conns)
		net_loop_timer(p->loop, &p->idle, UDP_IDLE_NS / 2);
}

static void accept_udp(void *arg, uint32_t events UNUSED)
{
	struct proxy *p = arg;
	auto_free char *b = xmalloc(DATAGRAM_MAX);

	for (;;) {
		struct sockaddr_storage from = { 0 };
		socklen_t nfrom = sizeof(from);
		ssize_t n = recvfrom(p->fd, b, DATAGRAM_MAX, 0, (struct sockaddr *)&from, &nfrom);
		struct conn *c;

		if (n < 0)
			break;
		c = client_udp(p, &from, nfrom);
		if (c) {
			c->used_ns = clock_mono_ns();
			(void)!send(c->in.from, b, (size_t)n, 0);
		}
	}
	if (p->conns && !p->idle.at_ns)
		net_loop_timer(p->loop, &p->idle, UDP_IDLE_NS / 2);
}

/* ---- */

int proxy_new(struct net_loop *l, int fd, uint8_t protocol, const struct addr *to, uint16_t port, struct proxy **ret,
	      struct err *e)
{
	struct proxy *p = xcalloc(1, sizeof(*p));

	p->loop = l;
	p->fd = fd;
	p->idle.fn = expire_udp;
	p->idle.arg = p;
	p->nto = addr_sockaddr(to, port, &p->to);
	if (net_loop_watch(l, fd, EPOLLIN, protocol == IPPROTO_UDP ? accept_udp : accept_tcp, p, e) < 0) {
		free(p);
		return -1;
	}
	*ret = p;
	return 0;
}

void proxy_free(struct proxy *p)
{
	if (!p)
		return;
	p->full = false;
	while (p->conns)
		conn_free(p->conns);
	net_loop_timer_stop(p->loop, &p->idle);
	net_loop_unwatch(p->loop, p->fd);
	free(p);
}
