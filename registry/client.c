/* SPDX-License-Identifier: Apache-2.0 */
/* A request to a registry from its name to a final answer. */
#include "registry/client.h"

#include "base/clock.h"
#include "registry/client_int.h"
#include "registry/header.h"
#include "registry/zone.h"

#define WAIT_MAX_S 300

int client_new(const struct client_options *o, struct client **ret, struct err *e)
{
	struct client *c = xcalloc(1, sizeof(*c));
	struct http_options ho = { 0 };

	pthread_mutex_init(&c->lock, NULL);
	c->insecure = o->insecure;
	c->wait_max_s = o->wait_max_s ? o->wait_max_s : WAIT_MAX_S;
	if (http_new(&ho, &c->http, e) < 0) {
		client_free(c);
		return -1;
	}
	*ret = c;
	return 0;
}

void client_free(struct client *c)
{
	struct origin_state *o;
	struct host_state *h;

	if (!c)
		return;
	http_free(c->http);
	while ((o = c->origins)) {
		c->origins = o->next;
		free(o->name);
		free(o);
	}
	while ((h = c->hosts)) {
		c->hosts = h->next;
		pthread_mutex_destroy(&h->lock);
		free(h->host);
		free(h);
	}
	strv_done(&c->warned);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct origin_state *client_origin(struct client *c, const struct url *u)
{
	auto_buf struct buf name = { 0 };
	struct origin_state *o;

	url_origin(u, &name);
	auto_lock pthread_mutex_t *held = lock_hold(&c->lock);
	for (o = c->origins; o; o = o->next)
		if (strcmp(o->name, name.p) == 0)
			return o;
	o = xcalloc(1, sizeof(*o));
	o->name = buf_take(&name);
	o->zone = -1;
	o->next = c->origins;
	c->origins = o;
	return o;
}

static struct host_state *host_state(struct client *c, const char *host)
{
	struct host_state *h;

	auto_lock pthread_mutex_t *held = lock_hold(&c->lock);
	for (h = c->hosts; h; h = h->next)
		if (strcmp(h->host, host) == 0)
			return h;
	h = xcalloc(1, sizeof(*h));
	h->host = xstrdup(host);
	pthread_mutex_init(&h->lock, NULL);
	h->next = c->hosts;
	c->hosts = h;
	return h;
}

/* Warnings of registries are shown, once each, and never acted on. Spec: distribution-spec, "Warnings". */
static void show_warnings(struct job *j, struct client *c, const char *host, const struct http_answer *a)
{
	const char *value;

	for (size_t i = 0; (value = http_header_nth(a, "warning", i)); i++) {
		auto_free char *text = header_warning(str_of(value)), *line = NULL;
		bool old;

		if (!text)
			continue;
		line = xasprintf("%s: %.500s", host, text);
		pthread_mutex_lock(&c->lock);
		old = strv_has(&c->warned, line) || c->warned.n > 100;
		if (!old)
			strv_add(&c->warned, line);
		pthread_mutex_unlock(&c->lock);
		if (!old)
			event_warn(j->sink, "%s", line);
	}
}

/* One request to one URL, on the wire as often as redirects want. */
static int send_once(struct job *j, struct client *c, const struct client_request *r, const struct url *u,
		     struct http_answer *ret, struct err *e)
{
	struct origin_state *o = client_origin(c, u);
	struct http_request hr = {
		.method = r->method, .url = u, .headers = r->headers, .body = r->body, .sink = r->sink,
		.body_max = r->body_max, .zone = ZONE_ANY,
	};
	int status;

	if (gate_wait(j, &o->gate, e) < 0)
		return -1;
	http_answer_done(ret);
	status = http_do(j, c->http, &hr, ret, e);
	if (status == 0)
		show_warnings(j, c, u->host, ret);
	return status;
}

/* How long a refused request has to wait, 0: as long as usual. Errors: ERR_LIMIT (longer than is waited for). */
static int told_to_wait(struct client *c, const struct http_answer *a, uint64_t *ret, struct err *e)
{
	const char *value = http_header(a, "retry-after");
	int64_t now = clock_now_ns() / 1000000000;
	char when[CLOCK_TEXT_MAX];

	*ret = 0;
	if (!value || !header_retry_after(str_of(value), now, ret) || *ret <= c->wait_max_s)
		return 0;
	if (*ret > 100ULL * 365 * 86400)
		*ret = 100ULL * 365 * 86400;
	err_set(e, ERR_LIMIT, "the registry asks to wait until %s, %llu s from now",
		clock_rfc3339((now + (int64_t)*ret) * 1000000000, when), (unsigned long long)*ret);
	return -1;
}

static bool repeats(const struct client_request *r)
{
	return r->again || strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
}

/* After an answer or a failure: 1 try again (pause is over), 0 that is final, -1. */
static int pause_before(struct job *j, struct client *c, const struct client_request *r, const struct url *u, int n,
			const struct http_answer *a, int status, struct err *e)
{
	int64_t pause = retry_pause_ns(n, retry_random());
	bool denied = status == 0 && (a->status == 429 || a->status == 503);
	auto_err struct err why = { 0 };
	uint64_t told;

	if (a->received > 0 && a->status / 100 == 2)
		return 0;			/* the sink has a part of it */
	if (status == 0 ? !retry_status(a->status) : e->kind != ERR_NET || !retry_broken(a->broken))
		return 0;
	if (!repeats(r) && (status == 0 ? a->status != 429 : a->sent))
		return 0;
	if (n >= RETRY_MAX || (r->body.get && !r->body.rewind))
		return 0;
	if (denied && told_to_wait(c, a, &told, &why) < 0) {
		auto_buf struct buf name = { 0 };

		request_name(r, &name);
		err_move(e, &why);
		return err_wrap(e, "%s: %d", name.p, a->status);
	}
	if (denied && told > 0)
		pause = (int64_t)told * 1000000000;
	if (denied)
		gate_close(&client_origin(c, u)->gate, pause);
	else if (retry_sleep(j, pause, &why) < 0) {
		err_move(e, &why);
		return -1;
	}
	return 1;
}

static int send_again(struct job *j, struct client *c, const struct client_request *r, const struct url *u,
		      struct http_answer *ret, struct err *e)
{
	for (int n = 1;; n++) {
		int status, more;

		status = send_once(j, c, r, u, ret, e);
		more = pause_before(j, c, r, u, n, ret, status, e);
		if (more <= 0)
			return more < 0 ? -1 : status;
		err_clear(e);
		if (r->body.rewind && r->body.rewind(r->body.arg, e) < 0)
			return -1;
	}
}

/* Where both are possible: https if the host speaks it, else http. */
static int find_scheme(struct job *j, struct client *c, const char *host, bool *tls, struct err *e)
{
	struct host_state *h = host_state(c, host);
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);

	for (int scheme = 1; h->scheme == 0 && scheme <= 2; scheme++) {
		auto_answer struct http_answer a = { 0 };
		auto_url struct url u = { 0 };
		auto_buf struct buf text = { 0 };
		auto_err struct err why = { 0 };
		struct http_request r = { .method = "GET", .url = &u, .zone = ZONE_ANY };

		buf_printf(&text, "%s://%s/v2/", scheme == 1 ? "https" : "http", host);
		if (url_parse(buf_view(&text), &u, e) < 0)
			return -1;
		if (http_do(j, c->http, &r, &a, &why) == 0)
			h->scheme = scheme;
		else if (scheme == 2 || a.broken == HTTP_TLS_PEER || job_cancelled(j)) {
			err_move(e, &why);
			return -1;
		}
	}
	*tls = h->scheme == 1;
	return 0;
}

static int request_url(struct job *j, struct client *c, const struct client_request *r, struct url *ret, struct err *e)
{
	const char *host = strcmp(r->host, "docker.io") == 0 ? "registry-1.docker.io" : r->host;
	auto_buf struct buf b = { 0 };
	auto_url struct url probe = { 0 };
	bool tls = true;

	if (r->url)
		return url_parse(str_of(r->url), ret, e);
	buf_printf(&b, "https://%s", host);
	if (url_parse(buf_view(&b), &probe, e) < 0)
		return -1;
	if ((c->insecure || zone_of_host(probe.host) == ZONE_LOOPBACK) && find_scheme(j, c, host, &tls, e) < 0)
		return -1;
	buf_reset(&b);
	buf_printf(&b, "%s://%s/v2/%s%s%s", tls ? "https" : "http", host, r->repo ? r->repo : "", r->repo ? "/" : "", r->path);
	return url_parse(buf_view(&b), ret, e);
}

int client_do(struct job *j, struct client *c, const struct client_request *r, struct http_answer *ret, struct err *e)
{
	auto_url struct url u = { 0 };
	auto_buf struct buf name = { 0 };

	request_name(r, &name);
	if (request_url(j, c, r, &u, e) < 0 || send_again(j, c, r, &u, ret, e) < 0)
		return e->kind == ERR_CANCELLED ? -1 : err_wrap(e, "%s", name.p);
	return 0;
}

int client_location(struct client *c, const struct http_answer *a, char **ret, struct err *e)
{
	const char *location = http_header(a, "location");
	auto_url struct url base = { 0 }, next = { 0 };
	auto_buf struct buf https = { 0 };

	if (!location || !*location)
		return err_set(e, ERR_NET, "the registry does not say where the upload goes on (no Location)");
	if (url_parse(str_of(a->url), &base, e) < 0 || url_join(&base, str_of(location), &next, e) < 0) {
		e->kind = ERR_NET;
		return err_wrap(e, "where the upload goes on");
	}
	if (base.tls && !next.tls && strcmp(base.host, next.host) == 0) {
		buf_printf(&https, "https%s", next.text + 4);	/* a proxy speaks TLS for a server that does not know */
		url_done(&next);
		if (url_parse(buf_view(&https), &next, e) < 0)
			return -1;
	} else if (base.tls && !next.tls) {
		return err_set(e, ERR_DENIED, "the upload is to go on without TLS on %s: refused", next.host);
	}
	if (!zone_allows(a->zone, zone_of_host(next.host)))
		return err_set(e, ERR_DENIED, "the upload is to go on at %s, %s address: refused", next.host,
			       zone_name(zone_of_host(next.host)));
	(void)c;
	*ret = take_ptr(&next.text);
	return 0;
}
