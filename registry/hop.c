/* SPDX-License-Identifier: Apache-2.0 */
/* One request to one origin: options, callbacks, and the wait that a cancelled job or a dead peer ends. */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/clock.h"
#include "registry/http_int.h"
#include "registry/zone.h"

#define DRAIN_MAX (64 << 10)	/* a body that nobody wants is read if it is this short: the connection stays good */

static int hop_fail(struct hop *x)	/* from a callback, *x->e set */
{
	x->failed = true;
	return 0;			/* what makes curl give up, in every callback used here */
}

/* The address after name resolution: a peer that was named by another must not be nearer than that one. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose UNUSED, struct curl_sockaddr *a)
{
	struct hop *x = arg;

	x->reached = zone_of_address(&a->addr);
	if (!x->proxy && !zone_allows(x->limit, x->reached)) {
		x->denied = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static enum http_zone zone_of_text(const char *ip)
{
	return ip ? zone_of_host(ip) : ZONE_PUBLIC;
}

/* The connection stands, perhaps from an earlier request: the last moment before anything is sent. */
static int on_connected(void *arg, char *ip, char *local UNUSED, int port UNUSED, int local_port UNUSED)
{
	struct hop *x = arg;

	x->reached = x->proxy ? zone_of_host(x->url->host) : zone_of_text(ip);
	x->last = clock_mono_ns();
	if (!x->proxy && !zone_allows(x->limit, x->reached)) {
		x->denied = true;
		return CURL_PREREQFUNC_ABORT;
	}
	x->connected = x->a->sent = true;
	return CURL_PREREQFUNC_OK;
}

bool hop_redirects(const struct hop *x)
{
	int s = x->a->status;

	return x->follow && (s == 301 || s == 302 || s == 303 || s == 307 || s == 308) &&
		http_header(x->a, "location");
}

static bool in_sink(const struct hop *x)
{
	return x->r->sink.put && x->a->status / 100 == 2;
}

/* All headers of the final answer are here. */
static int head_end(struct hop *x)
{
	const char *length = http_header(x->a, "content-length");
	uint64_t n;
	int r = 0;

	x->head = true;
	x->a->length = length && str_to_u64(str_of(length), 10, &n) && n <= INT64_MAX ? (int64_t)n : -1;
	if (x->a->status / 100 == 2 && x->r->sink.head)
		r = x->r->sink.head(x->r->sink.arg, x->a, x->e);
	x->last = clock_mono_ns();
	if (r < 0)
		return hop_fail(x);
	x->stopped = r > 0 || hop_redirects(x);
	return !x->stopped || strcmp(x->method, "HEAD") == 0 || (x->a->length >= 0 && x->a->length <= DRAIN_MAX);
}

static void add_header(struct http_answer *a, struct str line)
{
	struct str value = line, name = str_cut(&value, ':');
	auto_buf struct buf b = { 0 };

	if (!value.p)
		return;
	name = str_trim(name);
	value = str_trim(value);
	for (size_t i = 0; i < name.n; i++)
		buf_putc(&b, (char)tolower((unsigned char)name.p[i]));
	buf_puts(&b, ": ");
	for (size_t i = 0; i < value.n; i++)
		buf_putc(&b, value.p[i] ? value.p[i] : ' ');
	strv_take(&a->headers, buf_take(&b));
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct hop *x = arg;
	struct str line = str_trim((struct str){ p, n *= size });

	x->last = clock_mono_ns();
	if (x->head)
		return n;		/* trailers */
	x->header_bytes += n;
	if (x->header_bytes > HTTP_HEADERS_MAX) {
		err_set(x->e, ERR_LIMIT, "more than %zu bytes of headers", HTTP_HEADERS_MAX);
		return (size_t)hop_fail(x);
	}
	if (str_starts(line, "HTTP/")) {
		struct str rest = line;
		uint64_t status = 0;

		str_cut(&rest, ' ');
		strv_done(&x->a->headers);
		(void)!str_to_u64(str_sub(rest, 0, 3), 10, &status);
		x->a->status = (int)status;
		return n;
	}
	if (line.n > 0)
		add_header(x->a, line);
	else if (x->a->status >= 200)
		return head_end(x) ? n : 0;
	return n;
}

static size_t gather(struct hop *x, const char *p, size_t n)
{
	size_t max = x->a->status / 100 == 2 && x->r->body_max ? x->r->body_max : HTTP_ERROR_MAX;

	if (n <= max - MIN(x->a->body.n, max)) {
		x->a->body.max = max + 1;
		buf_add(&x->a->body, p, n);
		return n;
	}
	if (x->a->status / 100 == 2) {
		err_set(x->e, ERR_LIMIT, "the answer is larger than %zu bytes", max);
		return (size_t)hop_fail(x);
	}
	x->stopped = true;		/* of an error's text the start is enough */
	return 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct hop *x = arg;
	int r;

	n *= size;
	x->last = clock_mono_ns();
	if (job_check(x->j, x->e) < 0)
		return (size_t)hop_fail(x);
	if (x->stopped)
		return n;
	x->a->received += n;
	if (!in_sink(x))
		return gather(x, p, n);
	r = x->r->sink.put(x->r->sink.arg, p, n, x->e);
	x->last = clock_mono_ns();
	return r < 0 ? (size_t)hop_fail(x) : n;
}

static size_t on_send(char *p, size_t size, size_t max, void *arg)
{
	struct hop *x = arg;
	const struct http_body *b = &x->r->body;
	ssize_t n = (ssize_t)MIN(size * max, b->size - x->sent);

	x->last = clock_mono_ns();
	if (job_check(x->j, x->e) < 0)
		goto fail;
	if (b->p)
		memcpy(p, (const char *)b->p + x->sent, (size_t)n);
	else if (n > 0)
		n = b->get(b->arg, p, (size_t)n, x->e);
	x->last = clock_mono_ns();
	if (n < 0)
		goto fail;
	if (n == 0 && x->sent < b->size) {
		err_set(x->e, ERR_CORRUPT, "what is sent ended after %llu of %llu bytes", (unsigned long long)x->sent,
			(unsigned long long)b->size);
		goto fail;
	}
	x->sent += (uint64_t)n;
	return (size_t)n;
fail:
	hop_fail(x);
	return CURL_READFUNC_ABORT;
}

/* A kept connection was closed as we sent: curl begins again on a new one. */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
	struct hop *x = arg;
	const struct http_body *b = &x->r->body;

	if (offset != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_FAIL;
	if (!b->p && x->sent > 0 && (!b->rewind || b->rewind(b->arg, x->e) < 0))
		return CURL_SEEKFUNC_FAIL;
	x->sent = 0;
	return CURL_SEEKFUNC_OK;
}

#define SET(option, value) x->h->api.easy_setopt(x->slot->easy, (option), (value))

static struct curl_slist *header_list(struct hop *x)
{
	const struct curl_api *api = &x->h->api;
	struct curl_slist *l = api->slist_append(NULL, "Accept-Encoding: identity");
	bool accept = false;

	for (size_t i = 0; x->r->headers && i < x->r->headers->n; i++) {
		l = api->slist_append(l, x->r->headers->v[i]);
		accept |= strncasecmp(x->r->headers->v[i], "accept:", 7) == 0;
	}
	for (size_t i = 0; x->secret && x->r->secret && i < x->r->secret->n; i++)
		l = api->slist_append(l, x->r->secret->v[i]);
	return accept ? l : api->slist_append(l, "Accept:");
}

static void set_method(struct hop *x)
{
	if (strcmp(x->method, "HEAD") == 0) {
		SET(CURLOPT_NOBODY, 1L);
	} else if (x->body || strcmp(x->method, "POST") == 0 || strcmp(x->method, "PUT") == 0 ||
		   strcmp(x->method, "PATCH") == 0) {
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)(x->body ? x->r->body.size : 0));
		SET(CURLOPT_CUSTOMREQUEST, x->method);
	} else if (strcmp(x->method, "GET") != 0) {
		SET(CURLOPT_CUSTOMREQUEST, x->method);
	}
}

static void set_callbacks(struct hop *x)
{
	SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
	SET(CURLOPT_OPENSOCKETDATA, x);
	SET(CURLOPT_PREREQFUNCTION, on_connected);
	SET(CURLOPT_PREREQDATA, x);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_READFUNCTION, on_send);
	SET(CURLOPT_READDATA, x);
	SET(CURLOPT_SEEKFUNCTION, on_rewind);
	SET(CURLOPT_SEEKDATA, x);
	SET(CURLOPT_ERRORBUFFER, x->why);
}

static void set_options(struct hop *x)
{
	x->h->api.easy_reset(x->slot->easy);
	SET(CURLOPT_URL, x->url->text);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);		/* a cancelled job does not wait for the resolver */
	SET(CURLOPT_USERAGENT, "tare/" VERSION);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)x->h->o.connect_ms);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_BUFFERSIZE, 512L << 10);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_PROXY, x->proxy ? x->proxy : "");
	SET(CURLOPT_NOPROXY, "");
	set_callbacks(x);
	set_method(x);
	hop_tls(x);
}

/* How long the peer may be silent in this phase; connecting has curl's own limit. */
static int64_t patience_ns(const struct hop *x)
{
	bool waiting = !x->head && (!x->body || x->sent == x->r->body.size);

	return (waiting ? x->h->o.answer_ms : x->h->o.stall_ms) * 1000000LL;
}

static int give_up(struct hop *x, struct err *e)
{
	x->a->broken = HTTP_TIMEOUT;
	return err_set(e, ERR_NET, "%s for %lld ms", x->head ? "no more bytes came" :
		       x->body && x->sent < x->r->body.size ? "no bytes could be sent" : "no answer came",
		       (long long)patience_ns(x) / 1000000);
}

static const struct {
	CURLcode code;
	enum http_broken broken;
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, HTTP_DNS }, { CURLE_COULDNT_RESOLVE_PROXY, HTTP_DNS },
	{ CURLE_COULDNT_CONNECT, HTTP_CONNECT }, { CURLE_PROXY, HTTP_CONNECT },
	{ CURLE_SSL_CONNECT_ERROR, HTTP_TLS }, { CURLE_PEER_FAILED_VERIFICATION, HTTP_TLS_PEER },
	{ CURLE_SSL_ISSUER_ERROR, HTTP_TLS_PEER }, { CURLE_SSL_CACERT_BADFILE, HTTP_TLS_PEER },
	{ CURLE_SSL_CERTPROBLEM, HTTP_TLS_PEER }, { CURLE_OPERATION_TIMEDOUT, HTTP_TIMEOUT },
	{ CURLE_PARTIAL_FILE, HTTP_SHORT },
};

static int failure(struct hop *x, CURLcode code, struct err *e)
{
	x->a->broken = HTTP_RESET;
	for (size_t i = 0; i < countof(failures); i++)
		if (failures[i].code == code)
			x->a->broken = failures[i].broken;
	if (x->head && x->a->broken == HTTP_RESET)
		x->a->broken = HTTP_SHORT;
	return err_set(e, ERR_NET, "%s", x->why[0] ? x->why : x->h->api.easy_strerror(code));
}

static int finish(struct hop *x, CURLcode code, struct err *e)
{
	if (x->failed)
		return -1;			/* *e is the callback's */
	if (x->denied) {
		err_set(e, ERR_DENIED, "%s is %s address, which the registry may not send us to", x->url->host,
			zone_name(x->reached));
		return -1;
	}
	if (code == CURLE_OK || x->stopped)
		return 0;
	return failure(x, code, e);
}

static int hop_wait(struct hop *x, struct err *e)
{
	const struct curl_api *api = &x->h->api;
	struct curl_waitfd cancel = { .fd = x->j->cancel_fd, .events = CURL_WAIT_POLLIN };
	int running = 1, left;

	x->last = clock_mono_ns();
	for (;;) {
		int64_t until;
		CURLMsg *m;

		if (api->multi_perform(x->slot->multi, &running) != CURLM_OK)
			return err_set(e, ERR_NET, "libcurl failed");
		while ((m = api->multi_info_read(x->slot->multi, &left)))
			if (m->msg == CURLMSG_DONE)
				return finish(x, m->data.result, e);
		until = x->last + patience_ns(x) - clock_mono_ns();
		if (x->connected && until <= 0)
			return give_up(x, e);
		api->multi_poll(x->slot->multi, &cancel, 1, x->connected ? (int)MIN(until / 1000000 + 1, 1000) : 1000, NULL);
		if (job_check(x->j, e) < 0)
			return -1;
	}
}

int hop_do(struct hop *x, struct err *e)
{
	const struct curl_api *api = &x->h->api;
	struct curl_slist *headers = header_list(x);
	int r;

	x->e = e;
	x->proxy = proxy_of(&x->h->proxy, x->url);
	x->a->length = -1;
	set_options(x);
	SET(CURLOPT_HTTPHEADER, headers);
	if (x->proxy && !zone_allows(x->limit, zone_of_host(x->url->host))) {
		x->denied = true;
		x->reached = zone_of_host(x->url->host);
		r = finish(x, CURLE_OK, e);
	} else {
		api->multi_add_handle(x->slot->multi, x->slot->easy);
		r = hop_wait(x, e);
		api->multi_remove_handle(x->slot->multi, x->slot->easy);
	}
	api->slist_free_all(headers);
	return r;
}
