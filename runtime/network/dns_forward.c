/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that the container's name server passes on. */
#include "runtime/network/dns_forward.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "runtime/network/dns_msg.h"
#include "runtime/network/loop.h"
#include "runtime/network/resolv.h"
#include "runtime/sandbox/ns.h"

#define SERVERS_MAX 3
#define PATIENCE_NS (INT64_C(4) * 1000000000)	/* for each server */
#define ASKS_MAX 1024
#define ANSWER_MAX 65535
#define PORT 53

struct dns_forward {
	struct net_loop *loop;
	int netns;
	bool own;			/* asked for by the user: from the container's namespace */
	bool out;
	struct addr servers[SERVERS_MAX];
	size_t n;
	struct timespec seen;		/* mtime of the host's resolv.conf */
	struct dns_ask *asks;
	size_t nasks;
};

struct dns_ask {
	struct dns_forward *f;
	bool tcp, connected;
	struct buf q;			/* with our ID; TCP: and its length before */
	size_t sent;
	uint16_t id;			/* the client's */
	size_t server;			/* at which it is */
	int fd;
	struct buf in;
	struct net_timer timer;
	dns_done_fn *fn;
	void *arg;
	struct dns_ask *next;
};

/* ---- whom to ask ---- */

static void take_servers(struct dns_forward *f, struct str text)
{
	f->n = 0;
	while (text.p && f->n < SERVERS_MAX) {
		struct str line = str_cut(&text, '\n'), key = str_cut(&line, ' ');

		if (str_is(key, "nameserver") && addr_parse(str_trim(line), &f->servers[f->n]))
			f->n++;
	}
}

/* The host's servers as they are now. */
static void refresh(struct dns_forward *f)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf host = { 0 }, usable = { 0 };
	struct stat st;

	if (f->own || stat("/etc/resolv.conf", &st) < 0 ||
	    (f->seen.tv_sec == st.st_mtim.tv_sec && f->seen.tv_nsec == st.st_mtim.tv_nsec))
		return;
	f->seen = st.st_mtim;
	if (fs_read(AT_FDCWD, "/etc/resolv.conf", 1 << 20, &host, &ignored) < 0)
		return;
	(void)resolv_text(buf_view(&host), false, NULL, &usable);
	take_servers(f, buf_view(&usable));
}

int dns_forward_new(struct net_loop *l, int netns, const struct strv *servers, struct dns_forward **ret, struct err *e)
{
	struct dns_forward *f = xcalloc(1, sizeof(*f));

	*f = (struct dns_forward){ .loop = l, .netns = netns, .own = servers && servers->n, .out = true };
	for (size_t i = 0; f->own && i < servers->n && f->n < SERVERS_MAX; i++) {
		if (!addr_parse(str_of(servers->v[i]), &f->servers[f->n])) {
			free(f);
			return err_set(e, ERR_USAGE, "%s is not an ip address", servers->v[i]);
		}
		/* ourselves: it would go round for ever */
		f->n += !(f->servers[f->n].family == AF_INET && memcmp(f->servers[f->n].b, "\x7f\0\0\x0b", 4) == 0);
	}
	*ret = f;
	return 0;
}

void dns_forward_set(struct dns_forward *f, bool out)
{
	f->out = out;
}

/* ---- one question ---- */

static void ask_free(struct dns_ask *a)
{
	struct dns_forward *f = a->f;

	for (struct dns_ask **at = &f->asks; *at; at = &(*at)->next)
		if (*at == a) {
			*at = a->next;
			break;
		}
	f->nasks--;
	net_loop_timer_stop(f->loop, &a->timer);
	if (a->fd >= 0) {
		net_loop_unwatch(f->loop, a->fd);
		close(a->fd);
	}
	buf_done(&a->q);
	buf_done(&a->in);
	free(a);
}

static void ask_end(struct dns_ask *a, const void *p, size_t n)
{
	dns_done_fn *fn = a->fn;
	void *arg = a->arg;

	ask_free(a);
	fn(arg, p, n);
}

void dns_forward_cancel(struct dns_ask *a)
{
	if (a)
		ask_end(a, NULL, 0);
}

void dns_forward_free(struct dns_forward *f)
{
	if (!f)
		return;
	while (f->asks)
		dns_forward_cancel(f->asks);
	free(f);
}

static const void *question(const struct dns_ask *a, size_t *n)
{
	size_t head = a->tcp ? 2 : 0;

	*n = a->q.n - head;
	return a->q.p + head;
}

static void fail(struct dns_ask *a)
{
	auto_buf struct buf b = { 0 };
	struct dns_query q;
	size_t n;
	const void *p = question(a, &n);

	if (dns_query_parse(p, n, &q)) {
		q.id = a->id;
		dns_answer(p, &q, DNS_FAILED, NULL, 0, 0, DNS_UDP_MAX, &b);
	} else {
		dns_refuse(p, DNS_FAILED, &b);
		dns_set_id(b.p, a->id);
	}
	ask_end(a, b.p, b.n);
}

static void ask_server(struct dns_ask *a);

static void next_server(struct dns_ask *a)
{
	net_loop_unwatch(a->f->loop, a->fd);
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	a->server++;
	ask_server(a);
}

static void on_time(void *arg)
{
	next_server(arg);
}

/* A whole answer of n bytes: true if that ends the question. What is not an answer to it is passed over. */
static bool take_answer(struct dns_ask *a, char *p, size_t n)
{
	enum dns_code code;
	size_t nq;
	const void *q = question(a, &nq);

	if (!dns_answers(q, nq, p, n))
		return false;
	code = dns_code_of(p, n);
	if ((code == DNS_FAILED || code == DNS_REFUSED || code == DNS_NOT_DONE) && a->server + 1 < a->f->n) {
		next_server(a);
		return true;
	}
	dns_set_id(p, a->id);
	ask_end(a, p, n);
	return true;
}

static void work_udp(struct dns_ask *a)
{
	auto_free char *p = xmalloc(ANSWER_MAX);

	for (;;) {
		ssize_t n = recv(a->fd, p, ANSWER_MAX, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {		/* nobody listens there */
			next_server(a);
			return;
		}
		if (take_answer(a, p, (size_t)n))
			return;
	}
}

static void work_tcp(struct dns_ask *a, uint32_t events)
{
	char p[4096];
	ssize_t n;

	if (a->sent < a->q.n && (events & EPOLLOUT)) {
		n = send(a->fd, a->q.p + a->sent, a->q.n - a->sent, MSG_NOSIGNAL);
		if (n > 0)
			a->sent += (size_t)n;
		if (a->sent == a->q.n)
			net_loop_change(a->f->loop, a->fd, EPOLLIN);
		if (n >= 0 || errno == EAGAIN)
			return;
	} else {
		n = recv(a->fd, p, sizeof(p), 0);
		if (n < 0 && errno == EAGAIN)
			return;
	}
	if (n <= 0) {
		next_server(a);
		return;
	}
	buf_add(&a->in, p, (size_t)n);
	if (a->in.n >= 2) {
		size_t len = (size_t)((uint8_t)a->in.p[0] << 8 | (uint8_t)a->in.p[1]);

		if (a->in.n >= len + 2 && !take_answer(a, a->in.p + 2, len))
			next_server(a);
	}
}

static void work(void *arg, uint32_t events)
{
	struct dns_ask *a = arg;

	if (a->tcp)
		work_tcp(a, events);
	else
		work_udp(a);
}

static int open_socket(void *arg, struct err *e)
{
	struct dns_ask *a = arg;

	a->fd = socket(a->f->servers[a->server].family, (a->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return a->fd < 0 ? err_sys(e, "ask a name server") : 0;
}

/* Ask the server at which it is; those that cannot be asked at all are passed over. */
static void ask_server(struct dns_ask *a)
{
	struct dns_forward *f = a->f;

	for (; a->server < f->n; a->server++) {
		auto_err struct err ignored = { 0 };
		struct sockaddr_storage ss;
		socklen_t n = addr_sockaddr(&f->servers[a->server], PORT, &ss);

		if ((f->own ? ns_net_in(f->netns, open_socket, a, &ignored) : open_socket(a, &ignored)) < 0)
			continue;
		if ((connect(a->fd, (struct sockaddr *)&ss, n) == 0 || errno == EINPROGRESS) &&
		    net_loop_watch(f->loop, a->fd, a->tcp ? EPOLLOUT : EPOLLIN, work, a, &ignored) == 0 &&
		    (a->tcp || send(a->fd, a->q.p, a->q.n, MSG_NOSIGNAL) >= 0)) {
			a->sent = 0;
			buf_reset(&a->in);
			net_loop_timer(f->loop, &a->timer, PATIENCE_NS);
			return;
		}
		net_loop_unwatch(f->loop, a->fd);
		close(a->fd);
		a->fd = -1;
	}
	fail(a);
}

struct dns_ask *dns_forward_ask(struct dns_forward *f, bool tcp, const void *p, size_t n, dns_done_fn *fn, void *arg)
{
	struct dns_ask *a = xcalloc(1, sizeof(*a));
	uint16_t id;

	while (getrandom(&id, sizeof(id), 0) != sizeof(id))
		;
	*a = (struct dns_ask){ .f = f, .tcp = tcp, .fd = -1, .timer = { .fn = on_time, .arg = a }, .fn = fn, .arg = arg,
			       .id = (uint16_t)(((const uint8_t *)p)[0] << 8 | ((const uint8_t *)p)[1]), .next = f->asks };
	if (tcp) {
		buf_putc(&a->q, (char)(n >> 8));
		buf_putc(&a->q, (char)n);
	}
	buf_add(&a->q, p, n);
	dns_set_id(a->q.p + (tcp ? 2 : 0), id);
	f->asks = a;
	f->nasks++;
	refresh(f);
	if (f->nasks > ASKS_MAX || (!f->own && !f->out))
		a->server = SERVERS_MAX;
	ask_server(a);
	/* it may be over already */
	for (struct dns_ask *x = f->asks; x; x = x->next)
		if (x == a)
			return a;
	return NULL;
}
