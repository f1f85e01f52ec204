/* SPDX-License-Identifier: Apache-2.0 */
/* The name server of one container: sockets, and what it knows itself. */
#include "runtime/network/dns.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "runtime/network/plug.h"
#include "runtime/network/dns_forward.h"
#include "runtime/network/dns_msg.h"
#include "runtime/network/loop.h"
#include "runtime/network/rules.h"
#include "runtime/sandbox/ns.h"

#define TTL 600				/* seconds, as Docker has it */
#define RECORDS_MAX 64
#define STREAMS_MAX 64			/* TCP connections at once */
#define STREAM_IDLE_NS (INT64_C(10) * 1000000000)
#define MESSAGE_MAX 65535
#define FRESH_NS 50000000		/* a directory changed so short ago may change again with the same time stamp */
#define SHORT_ID 12

struct known {
	char *name;
	int dir;
	struct timespec seen;		/* the directory's mtime when it was read; 0: read it again */
	struct endpoints there;
};

struct stream {				/* a TCP client */
	struct dns *d;
	int fd;
	struct buf in, out;
	struct dns_ask *ask;		/* what it waits for */
	bool asking;			/* within dns_forward_ask(), which may call back at once */
	struct net_timer idle;
	struct stream *next;
};

struct dns {
	struct net_loop *loop;
	int udp, tcp;
	struct known *nets;
	size_t n;
	struct dns_forward *forward;
	struct stream *streams;
	size_t nstreams;
};

/* ---- what it knows ---- */

static void refresh(struct known *k)
{
	struct timespec now;
	struct stat st;

	if (fstat(k->dir, &st) < 0)
		return;
	if (k->seen.tv_sec && k->seen.tv_sec == st.st_mtim.tv_sec && k->seen.tv_nsec == st.st_mtim.tv_nsec)
		return;
	endpoint_list_done(&k->there);
	endpoint_list_read(k->dir, false, false, &k->there);
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	k->seen = st.st_mtim;
	if ((now.tv_sec - st.st_mtim.tv_sec) * INT64_C(1000000000) + now.tv_nsec - st.st_mtim.tv_nsec < FRESH_NS)
		k->seen = (struct timespec){ 0 };
}

static bool is_called(const struct endpoint *p, struct str name)
{
	if (str_is_nocase(name, p->name) || (name.n == SHORT_ID && strncmp(p->id, name.p, SHORT_ID) == 0) || str_is(name, p->id))
		return true;
	for (size_t i = 0; i < p->names.n; i++)
		if (str_is_nocase(name, p->names.v[i]))
			return true;
	return false;
}

struct found {
	struct dns_record v[RECORDS_MAX];
	size_t n;
	bool known;		/* there is such a name, perhaps without an address of the kind */
};

static void add_records(const struct known *k, struct str name, uint16_t type, struct found *f)
{
	for (size_t i = 0; i < k->there.n; i++) {
		const struct endpoint *p = &k->there.v[i];
		const struct addr *a = type == DNS_AAAA ? &p->a6 : &p->a4;

		if (!is_called(p, name) || !endpoint_alive(k->dir, p->id))
			continue;
		f->known = true;
		if ((type == DNS_A || type == DNS_AAAA) && a->family && f->n < RECORDS_MAX)
			f->v[f->n++] = (struct dns_record){ .type = (enum dns_type)type, .addr = *a };
	}
}

/* "web", or "web.network". */
static void find_name(struct dns *d, const struct dns_query *q, struct found *f)
{
	struct str name = str_of(q->name);

	for (size_t i = 0; i < d->n; i++) {
		auto_free char *suffix = xasprintf(".%s", d->nets[i].name);

		refresh(&d->nets[i]);
		add_records(&d->nets[i], name, q->type, f);
		if (name.n > strlen(suffix) && str_is_nocase(str_sub(name, name.n - strlen(suffix), name.n), suffix))
			add_records(&d->nets[i], str_sub(name, 0, name.n - strlen(suffix)), q->type, f);
	}
}

/* ret: the name that a PTR answer gives; the caller frees. */
static char *find_address(struct dns *d, const struct addr *a)
{
	for (size_t i = 0; i < d->n; i++) {
		struct known *k = &d->nets[i];

		refresh(k);
		for (size_t j = 0; j < k->there.n; j++) {
			const struct endpoint *p = &k->there.v[j];

			if ((addr_eq(&p->a4, a) || addr_eq(&p->a6, a)) && endpoint_alive(k->dir, p->id))
				return *p->name ? xasprintf("%s.%s", p->name, k->name) :
						  xasprintf("%.12s.%s", p->id, k->name);
		}
	}
	return NULL;
}

static void shuffle(struct found *f)
{
	for (size_t i = f->n; i > 1; i--) {
		uint32_t r = 0;
		struct dns_record t;

		(void)!getrandom(&r, sizeof(r), GRND_NONBLOCK);
		r %= (uint32_t)i;
		t = f->v[i - 1];
		f->v[i - 1] = f->v[r];
		f->v[r] = t;
	}
}

/* Does it know the answer? Then it is in *ret. */
static bool answer_self(struct dns *d, const void *p, const struct dns_query *q, size_t max, struct buf *ret)
{
	struct found f = { .n = 0, .known = false };
	auto_free char *name = NULL;
	struct addr a;

	if (q->class != 1)
		return false;
	if (q->type == DNS_PTR && dns_reverse_parse(q->name, &a)) {
		name = find_address(d, &a);
		if (name)
			f = (struct found){ .v = { { .type = DNS_PTR, .name = name } }, .n = 1, .known = true };
	} else {
		find_name(d, q, &f);
		shuffle(&f);
	}
	if (f.known)
		dns_answer(p, q, DNS_OK, f.v, f.n, TTL, max, ret);
	return f.known;
}

/* ---- UDP ---- */

struct udp_client { struct dns *d; struct sockaddr_storage from; socklen_t n; };

static void reply_udp(struct dns *d, const struct udp_client *c, const void *p, size_t n)
{
	(void)!sendto(d->udp, p, n, 0, (const struct sockaddr *)&c->from, c->n);
}

static void done_udp(void *arg, const void *p, size_t n)
{
	struct udp_client *c = arg;

	if (p)
		reply_udp(c->d, c, p, n);
	free(c);
}

static void query_udp(struct dns *d, const struct udp_client *c, const void *p, size_t n)
{
	auto_buf struct buf b = { 0 };
	struct udp_client *copy;
	struct dns_query q;

	if (!dns_is_query(p, n))
		return;
	if (!dns_query_parse(p, n, &q))
		dns_refuse(p, DNS_FORMAT, &b);
	else if (!answer_self(d, p, &q, DNS_UDP_MAX, &b)) {
		copy = xmalloc(sizeof(*copy));
		*copy = *c;
		(void)dns_forward_ask(d->forward, false, p, n, done_udp, copy);
		return;
	}
	reply_udp(d, c, b.p, b.n);
}

static void read_udp(void *arg, uint32_t events UNUSED)
{
	struct dns *d = arg;
	char p[4096];

	for (int i = 0; i < 64; i++) {
		struct udp_client c = { .d = d, .n = sizeof(c.from) };
		ssize_t n = recvfrom(d->udp, p, sizeof(p), 0, (struct sockaddr *)&c.from, &c.n);

		if (n < 0)
			return;
		query_udp(d, &c, p, (size_t)n);
	}
}

/* ---- TCP: two bytes of length before each message (RFC 1035, 4.2.2), one question at a time ---- */

static void stream_free(struct stream *s)
{
	for (struct stream **at = &s->d->streams; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	s->d->nstreams--;
	dns_forward_cancel(s->ask);
	net_loop_timer_stop(s->d->loop, &s->idle);
	net_loop_unwatch(s->d->loop, s->fd);
	close(s->fd);
	buf_done(&s->in);
	buf_done(&s->out);
	free(s);
}

static void stream_idle(void *arg)
{
	stream_free(arg);
}

static void put_message(struct stream *s, const void *p, size_t n)
{
	buf_putc(&s->out, (char)(n >> 8));
	buf_putc(&s->out, (char)n);
	buf_add(&s->out, p, n);
}

static void cut_front(struct buf *b, size_t n)
{
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

static void stream_wait(struct stream *s)
{
	net_loop_change(s->d->loop, s->fd, s->out.n ? EPOLLOUT : s->ask ? 0 : EPOLLIN);
	net_loop_timer(s->d->loop, &s->idle, STREAM_IDLE_NS);
}

static void stream_next(struct stream *s);

static void done_tcp(void *arg, const void *p, size_t n)
{
	struct stream *s = arg;

	s->ask = NULL;
	if (!p)			/* cancelled: stream_free() does it */
		return;
	put_message(s, p, n);
	if (s->asking)
		return;
	stream_next(s);
	stream_wait(s);
}

/* The questions that are complete; stops at one that has to be forwarded. */
static void stream_next(struct stream *s)
{
	while (!s->ask && s->in.n >= 2) {
		size_t n = (size_t)((uint8_t)s->in.p[0] << 8 | (uint8_t)s->in.p[1]);
		auto_buf struct buf b = { 0 }, msg = { 0 };
		struct dns_query q;

		if (s->in.n < n + 2)
			return;
		buf_add(&msg, s->in.p + 2, n);
		cut_front(&s->in, n + 2);
		if (!dns_is_query(msg.p, n))
			continue;
		if (!dns_query_parse(msg.p, n, &q))
			dns_refuse(msg.p, DNS_FORMAT, &b);
		else if (!answer_self(s->d, msg.p, &q, MESSAGE_MAX, &b)) {
			s->asking = true;
			s->ask = dns_forward_ask(s->d->forward, true, msg.p, n, done_tcp, s);
			s->asking = false;
			continue;
		}
		put_message(s, b.p, b.n);
	}
}

static void stream_work(void *arg, uint32_t events)
{
	struct stream *s = arg;
	char p[4096];
	ssize_t n;

	if (s->out.n && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
		n = send(s->fd, s->out.p, s->out.n, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN) {
			stream_free(s);
			return;
		}
		if (n > 0)
			cut_front(&s->out, (size_t)n);
	} else if (!s->ask) {
		n = recv(s->fd, p, sizeof(p), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			stream_free(s);
			return;
		}
		if (n > 0)
			buf_add(&s->in, p, (size_t)n);
		stream_next(s);
	} else if (events & (EPOLLERR | EPOLLHUP)) {
		stream_free(s);
		return;
	}
	stream_wait(s);
}

static void accept_tcp(void *arg, uint32_t events UNUSED)
{
	auto_err struct err ignored = { 0 };
	struct dns *d = arg;
	int fd = accept4(d->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct stream *s;

	if (fd < 0)
		return;
	if (d->nstreams >= STREAMS_MAX) {
		close(fd);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	*s = (struct stream){ .d = d, .fd = fd, .idle = { .fn = stream_idle, .arg = s }, .next = d->streams };
	d->streams = s;
	d->nstreams++;
	if (net_loop_watch(d->loop, fd, EPOLLIN, stream_work, s, &ignored) < 0)
		stream_free(s);
	else
		stream_wait(s);
}

/* ---- */

static int bind_one(int type, const struct addr *a, uint16_t *port)
{
	auto_fd int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_storage ss;
	socklen_t n = addr_sockaddr(a, *port, &ss);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, n) < 0 || (type == SOCK_STREAM && listen(fd, 16) < 0))
		return -1;
	n = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return -1;
	*port = ntohs(((struct sockaddr_in *)(void *)&ss)->sin_port);
	return take_fd(&fd);
}

/* Runs in the container's namespace. A kernel that cannot redirect: port 53 itself. */
static int open_sockets(void *arg, struct err *e)
{
	auto_err struct err why = { 0 };
	struct nl table = { .fd = -1 };
	struct dns *d = arg;
	uint16_t udp = 0, tcp = 0;
	struct addr at;

	(void)!addr_parse(str_of(PLUG_DNS), &at);
	for (int direct = 0; direct < 2; direct++) {
		udp = tcp = direct ? 53 : 0;
		d->udp = bind_one(SOCK_DGRAM, &at, &udp);
		d->tcp = bind_one(SOCK_STREAM, &at, &tcp);
		if (d->udp < 0 || d->tcp < 0)
			return err_sys(e, "open the name server's sockets");
		if (!direct && nl_open(NETLINK_NETFILTER, &table, &why) == 0)
			direct = rules_dns(&table, &at, udp, tcp, &why) == 0;
		nl_close(&table);
		if (direct)
			return 0;
		close(d->udp);
		close(d->tcp);
	}
	return 0;
}

int dns_new(struct net_loop *l, int netns, const struct strv *servers, struct dns **ret, struct err *e)
{
	struct dns *d = xcalloc(1, sizeof(*d));

	*d = (struct dns){ .loop = l, .udp = -1, .tcp = -1 };
	if (ns_net_in(netns, open_sockets, d, e) < 0 || dns_forward_new(l, netns, servers, &d->forward, e) < 0 ||
	    net_loop_watch(l, d->udp, EPOLLIN, read_udp, d, e) < 0 ||
	    net_loop_watch(l, d->tcp, EPOLLIN, accept_tcp, d, e) < 0) {
		dns_free(d);
		return -1;
	}
	*ret = d;
	return 0;
}

static void forget(struct dns *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->nets[i].name);
		endpoint_list_done(&d->nets[i].there);
	}
	free(d->nets);
	d->nets = NULL;
	d->n = 0;
}

void dns_set(struct dns *d, const struct dns_net *nets, size_t n, bool out)
{
	forget(d);
	d->nets = xcalloc(n + 1, sizeof(*d->nets));
	for (size_t i = 0; i < n; i++)
		d->nets[i] = (struct known){ .name = xstrdup(nets[i].name), .dir = nets[i].dir };
	d->n = n;
	dns_forward_set(d->forward, out);
}

void dns_free(struct dns *d)
{
	if (!d)
		return;
	while (d->streams)
		stream_free(d->streams);
	dns_forward_free(d->forward);
	if (d->udp >= 0) {
		net_loop_unwatch(d->loop, d->udp);
		close(d->udp);
	}
	if (d->tcp >= 0) {
		net_loop_unwatch(d->loop, d->tcp);
		close(d->tcp);
	}
	forget(d);
	free(d);
}
