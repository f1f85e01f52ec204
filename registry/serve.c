/* SPDX-License-Identifier: Apache-2.0 */
/* The listening side: connections, request heads, sending. */
#include "registry/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "registry/serve_int.h"

struct serve {
	struct job *j;
	struct store *s;
	pthread_mutex_t lock;
	size_t clients;		/* guarded by lock */
};

struct connection {
	struct serve *sv;
	int fd;
};

/* --- addresses --- */

static int parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *len, struct err *e)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct str host = str_sub(str_of(text), 0, colon ? (size_t)(colon - text) : 0);
	auto_free char *name = NULL;
	uint64_t port;

	*ret = (struct sockaddr_storage){ 0 };
	if (!colon || !str_to_u64(str_of(colon + 1), 10, &port) || port > 65535)
		return err_set(e, ERR_USAGE, "%s is no address to listen on: take ADDR:PORT", text);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = str_sub(host, 1, host.n - 2);
	name = str_dup(host.n ? host : STR_LIT("0.0.0.0"));
	if (strcmp(name, "localhost") == 0)
		memcpy(name, "127.0.0.1", sizeof("127.0.0.1"));	/* the same length */
	if (inet_pton(AF_INET, name, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		*len = sizeof(*four);
		return 0;
	}
	if (inet_pton(AF_INET6, name, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		*len = sizeof(*six);
		return 0;
	}
	return err_set(e, ERR_USAGE, "%s is no address of this machine: take a number, as 127.0.0.1:5000", text);
}

static void address_text(int fd, char ret[SERVE_NAME_MAX])
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&a;
	const struct sockaddr_in *four = (const struct sockaddr_in *)&a;

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return;
	if (a.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
		snprintf(ret, SERVE_NAME_MAX, "[%s]:%u", host, ntohs(six->sin6_port));
	} else {
		inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
		snprintf(ret, SERVE_NAME_MAX, "%s:%u", host, ntohs(four->sin_port));
	}
}

int serve_listen(const char *address, int *ret, char name[SERVE_NAME_MAX], struct err *e)
{
	struct sockaddr_storage a;
	socklen_t len = 0;
	auto_fd int fd = -1;
	int one = 1;

	if (parse_address(address, &a, &len, e) < 0)
		return -1;
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 128) < 0)
		return err_sys(e, "listen on %s", address);
	if (name)
		address_text(fd, name);
	*ret = take_fd(&fd);
	return 0;
}

/* --- one connection --- */

int serve_send(struct serve_client *c, const void *p, size_t n, struct err *e)
{
	const char *at = p;

	while (n) {
		ssize_t r = send(c->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		int w;

		if (r > 0) {
			at += r;
			n -= (size_t)r;
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno != EAGAIN)
			return err_set(e, ERR_NET, "the client went away");
		w = job_wait_fd(c->j, c->fd, POLLOUT, SERVE_SEND_MS, e);
		if (w != 0)
			return w < 0 ? -1 : err_set(e, ERR_NET, "the client takes nothing");
	}
	return 0;
}

static const char *reason(int status)
{
	static const struct { int status; const char *text; } rows[] = {
		{ 200, "OK" }, { 206, "Partial Content" }, { 400, "Bad Request" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 416, "Range Not Satisfiable" }, { 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].status == status)
			return rows[i].text;
	return "";
}

int serve_text(struct serve_client *c, int status, const char *headers, struct str body, struct err *e)
{
	auto_buf struct buf b = { 0 };
	bool head = c->r.method && strcmp(c->r.method, "HEAD") == 0;

	c->status = status;
	buf_printf(&b, "HTTP/1.1 %d %s\r\nDocker-Distribution-Api-Version: registry/2.0\r\n%s", status, reason(status), headers);
	if (!strstr(headers, "Content-Length:"))
		buf_printf(&b, "Content-Length: %zu\r\n", body.n);
	buf_printf(&b, "%s\r\n", c->r.close ? "Connection: close\r\n" : "");
	if (!head)
		buf_str(&b, body);
	return serve_send(c, b.p, b.n, e);
}

int serve_refuse(struct serve_client *c, int status, const char *code, const char *message, struct err *e)
{
	auto_buf struct buf b = { 0 };

	buf_printf(&b, "{\"errors\":[{\"code\":\"%s\",\"message\":", code);
	buf_json_str(&b, str_of(message));
	buf_puts(&b, "}]}\n");
	if (status != 404 && status != 416)
		c->r.close = true;
	return serve_text(c, status, "Content-Type: application/json\r\n", buf_view(&b), e);
}

/* Where the head in b ends (behind its empty line), or 0. */
static size_t head_end(const struct buf *b)
{
	const char *at = b->n ? memmem(b->p, b->n, "\r\n\r\n", 4) : NULL;

	return at ? (size_t)(at - b->p) + 4 : 0;
}

/* The next head, in b behind what came before: its length; 0 the client is done (or too slow); -1 too long. */
static ssize_t read_head(struct serve_client *c, struct buf *b)
{
	int64_t until = clock_mono_ns() + (int64_t)SERVE_HEAD_MS * 1000000;
	auto_err struct err e = { 0 };

	for (;;) {
		int64_t left = (until - clock_mono_ns()) / 1000000;
		size_t end = head_end(b);
		ssize_t r;

		if (end)
			return (ssize_t)end;
		if (b->n && !(b->p[0] >= 'A' && b->p[0] <= 'Z'))
			return (ssize_t)b->n;	/* no method: a client that tries TLS is told at once */
		if (b->n >= SERVE_HEAD_MAX)
			return -1;
		if (left <= 0 || job_wait_fd(c->j, c->fd, POLLIN, (int)left, &e) != 0)
			return 0;
		buf_reserve(b, SERVE_HEAD_MAX + 1 - b->n);
		r = recv(c->fd, b->p + b->n, SERVE_HEAD_MAX - b->n, MSG_DONTWAIT);
		if (r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR))
			return 0;
		b->n += r > 0 ? (size_t)r : 0;
	}
}

static void log_request(const struct serve_client *c)
{
	event_note(c->j->sink, "%s %s%s%s %d", c->r.method, c->r.target, *c->r.query ? "?" : "", c->r.query, c->status);
}

/* One request: true if another may follow. */
static bool serve_one(struct serve_client *c, struct buf *b)
{
	ssize_t n = read_head(c, b);
	auto_err struct err e = { 0 };
	int r;

	if (n == 0)
		return false;
	if (n < 0) {
		c->r.close = true;
		if (serve_refuse(c, 431, "UNSUPPORTED", "the request's head is too long", &e) < 0)
			err_clear(&e);
		return false;
	}
	c->r.close = true;
	if (n < 4 || !serve_request_parse((struct str){ b->p, (size_t)n - 4 }, &c->r)) {
		if (serve_refuse(c, 400, "UNSUPPORTED", "this is no HTTP/1 request", &e) < 0)
			err_clear(&e);
		return false;
	}
	memmove(b->p, b->p + n, b->n - (size_t)n);
	b->n -= (size_t)n;
	c->r.close |= c->r.body;	/* what follows is that body */
	r = serve_answer(c, &e);
	log_request(c);
	return r == 0 && !c->r.close;
}

static void serve_connection(void *arg)
{
	struct connection *k = arg;
	struct serve_client c = { .j = k->sv->j, .s = k->sv->s, .fd = k->fd };
	auto_buf struct buf b = { 0 };

	while (serve_one(&c, &b))
		serve_request_done(&c.r);
	serve_request_done(&c.r);
	shutdown(k->fd, SHUT_WR);
	close(k->fd);
	auto_lock pthread_mutex_t *held = lock_hold(&k->sv->lock);
	k->sv->clients--;
	free(k);
}

/* --- the listener --- */

static bool may_enter(struct serve *sv)
{
	auto_lock pthread_mutex_t *held = lock_hold(&sv->lock);

	if (sv->clients >= SERVE_CLIENTS)
		return false;
	sv->clients++;
	return true;
}

static void take_connection(struct serve *sv, struct pool *p, int fd)
{
	struct serve_client c = { .j = sv->j, .fd = fd, .r.close = true };
	auto_err struct err e = { 0 };
	struct connection *k;

	if (!may_enter(sv)) {
		if (serve_refuse(&c, 503, "TOOMANYREQUESTS", "too many clients at once", &e) < 0)
			err_clear(&e);
		close(fd);
		return;
	}
	k = xcalloc(1, sizeof(*k));
	*k = (struct connection){ sv, fd };
	pool_run(p, serve_connection, k);
}

int serve_run(struct job *j, struct store *s, int listener, struct err *e)
{
	struct serve sv = { .j = j, .s = s };
	struct pool *p;
	int r;

	if (pool_new(SERVE_CLIENTS, &p, e) < 0)
		return -1;
	pthread_mutex_init(&sv.lock, NULL);
	while ((r = job_wait_fd(j, listener, POLLIN, -1, e)) == 0) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			take_connection(&sv, p, fd);
		else if (errno == EMFILE || errno == ENFILE)
			poll(NULL, 0, 100);
	}
	pool_free(p);
	pthread_mutex_destroy(&sv.lock);
	if (e->kind != ERR_CANCELLED)
		return -1;
	err_clear(e);
	return 0;
}
