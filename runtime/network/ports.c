/* SPDX-License-Identifier: Apache-2.0 */
/* Published ports: what users write, and the host's ports that stand for it. */
#include "runtime/network/ports.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "runtime/network/proxy.h"

#define EPHEMERAL_TRIES 64

static const struct { const char *name; uint8_t number; } protocols[] = {
	{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP },
};

const char *port_protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < countof(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return "?";
}

bool port_protocol_parse(struct str s, uint8_t *ret)
{
	for (size_t i = 0; i < countof(protocols); i++)
		if (str_is_nocase(s, protocols[i].name)) {
			*ret = protocols[i].number;
			return true;
		}
	return false;
}

void port_specs_add(struct port_specs *l, struct port_spec p)
{
	if (l->n % 16 == 0)
		l->v = xrealloc(l->v, (l->n + 16) * sizeof(*l->v));
	l->v[l->n++] = p;
}

/* ---- what users write ---- */

static bool parse_range(struct str s, uint16_t *first, uint16_t *last)
{
	struct str rest = s, low = str_cut(&rest, '-');
	uint64_t a, b;

	if (!str_to_u64(low, 10, &a) || a > 65535)
		return false;
	b = a;
	if (rest.p && (!str_to_u64(rest, 10, &b) || b > 65535 || b < a))
		return false;
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return true;
}

struct wish { struct str ip, host, port, protocol; };

static int expand(const char *text, const struct wish *w, struct port_specs *ret, struct err *e)
{
	struct port_spec p = { .protocol = IPPROTO_TCP };
	uint16_t first, last;

	if (w->protocol.p && !port_protocol_parse(w->protocol, &p.protocol))
		return err_set(e, ERR_USAGE, "invalid proto: " STR_FMT, STR_ARG(w->protocol));
	if (w->port.n == 0)
		return err_set(e, ERR_USAGE, "no port specified: %s<empty>", text);
	if (!parse_range(w->port, &first, &last) || first == 0)
		return err_set(e, ERR_USAGE, "invalid containerPort: " STR_FMT, STR_ARG(w->port));
	if (w->ip.n && !addr_parse(w->ip, &p.host))
		return err_set(e, ERR_USAGE, "invalid IP address: " STR_FMT, STR_ARG(w->ip));
	if (w->host.n && !parse_range(w->host, &p.first, &p.last))
		return err_set(e, ERR_USAGE, "invalid hostPort: " STR_FMT, STR_ARG(w->host));
	if (p.first && p.last - p.first != last - first && first != last)
		return err_set(e, ERR_USAGE, "invalid ranges specified for container and host Ports: " STR_FMT " and " STR_FMT,
			       STR_ARG(w->port), STR_ARG(w->host));
	for (uint32_t i = first; i <= last; i++) {
		struct port_spec one = p;

		one.port = (uint16_t)i;
		if (p.first && first != last)	/* one to one; else one takes the first that is free */
			one.first = one.last = (uint16_t)(p.first + (i - first));
		port_specs_add(ret, one);
	}
	return 0;
}

static int parse_long(const char *text, struct port_specs *ret, struct err *e)
{
	struct str rest = str_of(text);
	struct wish w = { 0 };

	while (rest.p) {
		struct str value = str_cut(&rest, ','), key = str_cut(&value, '=');

		if (!value.p)
			return err_set(e, ERR_USAGE, "invalid field %s: must be a key=value pair", text);
		if (str_is(key, "target"))
			w.port = value;
		else if (str_is(key, "published"))
			w.host = value;
		else if (str_is(key, "protocol"))
			w.protocol = value;
		else if (str_is(key, "host_ip") || str_is(key, "host-ip"))
			w.ip = value;
		else if (str_is(key, "mode") && (str_is(value, "host") || str_is(value, "ingress")))
			continue;
		else
			return err_set(e, ERR_USAGE, "invalid publish field " STR_FMT "=" STR_FMT, STR_ARG(key), STR_ARG(value));
	}
	return expand(text, &w, ret, e);
}

/* The part after the last colon; *rest is what is before it, p NULL if there is none. */
static struct str cut_last(struct str *rest)
{
	struct str s = *rest;
	size_t n = s.n;

	while (n > 0 && s.p[n - 1] != ':')
		n--;
	*rest = n ? str_sub(s, 0, n - 1) : (struct str){ 0 };
	return str_sub(s, n, s.n);
}

int port_specs_parse(const char *text, struct port_specs *ret, struct err *e)
{
	struct str protocol = str_of(text), rest = str_cut(&protocol, '/');
	struct wish w = { .protocol = protocol };

	if (strchr(text, '='))
		return parse_long(text, ret, e);
	w.port = cut_last(&rest);
	if (rest.p) {
		w.host = cut_last(&rest);
		if (rest.p && rest.n == 0)
			return err_set(e, ERR_USAGE, "invalid IP address: %s", text);
		w.ip = rest;
		if (rest.p && memchr(rest.p, ':', rest.n) && rest.p[0] != '[')
			return err_set(e, ERR_USAGE, "invalid IP address: " STR_FMT, STR_ARG(rest));
	}
	return expand(text, &w, ret, e);
}

int port_specs_expose(const char *text, struct port_specs *ret, struct err *e)
{
	struct str protocol = str_of(text), port = str_cut(&protocol, '/');
	struct wish w = { .port = port, .protocol = protocol };

	if (strchr(text, ':'))
		return err_set(e, ERR_USAGE, "invalid port format for --expose: %s", text);
	if (expand(text, &w, ret, e) < 0) {
		err_clear(e);
		return err_set(e, ERR_USAGE, "invalid range format for --expose: %s", text);
	}
	return 0;
}

/* ---- the host's ports ---- */

/* A socket that has the port, or -1 with errno. Listening, since else two that allow reuse could share a port. */
static int take_socket(uint8_t protocol, const struct addr *host, uint16_t *port)
{
	auto_fd int fd = socket(host->family, (protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
				0);
	struct sockaddr_storage ss;
	socklen_t n = addr_sockaddr(host, *port, &ss);
	int on = 1;

	if (fd < 0)
		return -1;
	if (host->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (protocol == IPPROTO_TCP)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));	/* old connections in TIME_WAIT */
	if (bind(fd, (struct sockaddr *)&ss, n) < 0 || (protocol == IPPROTO_TCP && listen(fd, 128) < 0))
		return -1;
	n = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return -1;
	*port = ntohs(host->family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&ss)->sin6_port :
						 ((struct sockaddr_in *)(void *)&ss)->sin_port);
	return take_fd(&fd);
}

static void add_port(struct ports *l, struct port p)
{
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = p;
}

static const struct addr any4 = { .family = AF_INET }, any6 = { .family = AF_INET6 };

/* The same number on all addresses that are asked for; 0, or -1 with errno and the address that refused. */
static int take_number(const struct port_spec *s, bool six, uint16_t number, struct ports *ret, const struct addr **at)
{
	struct port p = { .protocol = s->protocol, .port = s->port, .host = s->host.family ? s->host : any4, .fd = -1 };
	struct port q = { .protocol = s->protocol, .port = s->port, .host = any6, .fd = -1 };

	*at = s->host.family ? &s->host : &any4;
	if (s->protocol != IPPROTO_SCTP && (p.fd = take_socket(s->protocol, &p.host, &number)) < 0)
		return -1;
	p.host_port = q.host_port = number;
	if (!s->host.family && six && s->protocol != IPPROTO_SCTP) {
		q.fd = take_socket(s->protocol, &any6, &number);
		if (q.fd < 0 && errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) {
			*at = &any6;
			close(p.fd);
			return -1;
		}
	}
	add_port(ret, p);
	if (q.fd >= 0)
		add_port(ret, q);
	return 0;
}

static int refused(const struct addr *at, uint16_t number, bool range, struct err *e)
{
	char text[ADDR_TEXT_MAX];
	int sys = errno;

	addr_text(at, text);
	if (sys != EADDRINUSE) {
		errno = sys;
		return err_sys(e, at->family == AF_INET6 ? "Bind for [%s]:%u failed" : "Bind for %s:%u failed", text, number);
	}
	return err_set(e, ERR_CONFLICT, range ? "Bind for %s failed: all ports are allocated" :
		       at->family == AF_INET6 ? "Bind for [%s]:%u failed: port is already allocated" :
						"Bind for %s:%u failed: port is already allocated", text, number);
}

static int take_one(const struct port_spec *s, bool six, struct ports *ret, struct err *e)
{
	const struct addr *at = NULL;

	if (s->protocol == IPPROTO_SCTP && !s->first)
		return err_set(e, ERR_USAGE, "an SCTP port needs a host port: -p HOST:%u/sctp", s->port);
	if (!s->first)
		for (int i = 0; i < EPHEMERAL_TRIES; i++) {
			if (take_number(s, six, 0, ret, &at) == 0)
				return 0;
			if (errno != EADDRINUSE)
				break;
		}
	else
		for (uint32_t p = s->first; p <= s->last; p++) {
			if (take_number(s, six, (uint16_t)p, ret, &at) == 0)
				return 0;
			if (errno != EADDRINUSE)
				break;
		}
	return refused(at, s->first, s->first != s->last, e);
}

int ports_take(const struct port_specs *want, bool six, struct ports *ret, struct err *e)
{
	struct ports l = { 0 };

	for (size_t i = 0; i < want->n; i++)
		if (take_one(&want->v[i], six, &l, e) < 0) {
			ports_done(&l);
			return -1;
		}
	*ret = l;
	return 0;
}

int ports_serve(struct ports *p, struct net_loop *l, const struct addr *to, struct err *e)
{
	for (size_t i = 0; i < p->n; i++) {
		struct port *one = &p->v[i];

		proxy_free(one->proxy);
		one->proxy = NULL;
		if (to->family && one->fd >= 0 &&
		    proxy_new(l, one->fd, one->protocol, to, one->port, &one->proxy, e) < 0)
			return -1;
	}
	return 0;
}

void ports_done(struct ports *p)
{
	for (size_t i = 0; i < p->n; i++) {
		proxy_free(p->v[i].proxy);
		if (p->v[i].fd >= 0)
			close(p->v[i].fd);
	}
	free(p->v);
	*p = (struct ports){ 0 };
}
