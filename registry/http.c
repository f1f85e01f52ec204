/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of connections, and redirects: what may go where is decided here and in hop.c only. */
#include "registry/http.h"

#include <dirent.h>

#include "base/clock.h"
#include "registry/http_int.h"
#include "registry/trace.h"
#include "registry/zone.h"

#define IDLE_MAX 32		/* connections that are kept for later */

void http_answer_done(struct http_answer *a)
{
	strv_done(&a->headers);
	buf_done(&a->body);
	free(a->url);
	free(a->why);
	*a = (struct http_answer){ 0 };
}

const char *http_header_nth(const struct http_answer *a, const char *name, size_t nth)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < a->headers.n; i++)
		if (strncmp(a->headers.v[i], name, n) == 0 && a->headers.v[i][n] == ':' && nth-- == 0)
			return a->headers.v[i] + n + 2;
	return NULL;
}

const char *http_header(const struct http_answer *a, const char *name)
{
	return http_header_nth(a, name, 0);
}

static int limit_ms(const char *variable, int given, int usual, int *ret, struct err *e)
{
	const char *text = getenv(variable);
	int64_t ns;

	*ret = given ? given : usual;
	if (given || !text || !*text)
		return 0;
	if (!clock_parse_duration(str_of(text), &ns) || ns < 1000000 || ns / 1000000 > INT_MAX)
		return err_set(e, ERR_USAGE, "%s: \"%s\" is not a duration like 30s", variable, text);
	*ret = (int)(ns / 1000000);
	return 0;
}

static int is_hash_name(const struct dirent *d)
{
	return strlen(d->d_name) == 10 && strcmp(d->d_name + 8, ".0") == 0;
}

/*
 * A directory of certificates by the hash of their names is looked at when one is needed; the file with all of them would
 * be parsed for every connection, which takes longer than a handshake.
 */
static bool is_hashed(const char *dir)
{
	struct dirent **list;
	int n = dir ? scandir(dir, &list, is_hash_name, NULL) : -1;

	for (int i = 0; i < n; i++)
		free(list[i]);
	if (n >= 0)
		free(list);
	return n > 0;
}

int http_new(const struct http_options *o, struct http **ret, struct err *e)
{
	struct http *h = xcalloc(1, sizeof(*h));
	const curl_version_info_data *v;

	h->o = *o;
	pthread_mutex_init(&h->lock, NULL);
	if (limit_ms("TARE_HTTP_CONNECT", o->connect_ms, 30000, &h->o.connect_ms, e) < 0 ||
	    limit_ms("TARE_HTTP_STALL", o->stall_ms, 60000, &h->o.stall_ms, e) < 0 ||
	    limit_ms("TARE_HTTP_ANSWER", o->answer_ms, 300000, &h->o.answer_ms, e) < 0 || curl_load(&h->api, e) < 0) {
		http_free(h);
		return -1;
	}
	v = h->api.version_info(CURLVERSION_NOW);
	h->proxy = proxy_environment();
	h->ca_file = getenv("SSL_CERT_FILE");
	h->ca_dir = getenv("SSL_CERT_DIR");
	if ((!h->ca_file || !*h->ca_file || (v->cainfo && strcmp(h->ca_file, v->cainfo) == 0)) &&
	    (!h->ca_dir || !*h->ca_dir || (v->capath && strcmp(h->ca_dir, v->capath) == 0))) {
		h->ca_dir = is_hashed(v->capath) ? v->capath : NULL;
		h->ca_file = h->ca_dir ? NULL : v->cainfo;
	}
	*ret = h;
	return 0;
}

static void slot_free(struct http *h, struct slot *s)
{
	h->api.easy_cleanup(s->easy);
	h->api.multi_cleanup(s->multi);
	free(s->key);
	free(s);
}

void http_free(struct http *h)
{
	struct slot *s;

	if (!h)
		return;
	while ((s = h->idle)) {
		h->idle = s->next;
		slot_free(h, s);
	}
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static struct slot *slot_new(struct http *h, int number)
{
	struct slot *s = xcalloc(1, sizeof(*s));

	s->number = number;
	s->easy = h->api.easy_init();
	s->multi = h->api.multi_init();
	if (!s->easy || !s->multi)
		abort();		/* out of memory */
	h->api.multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, 1L);
	return s;
}

/* A handle whose connection leads there already, else a new one. */
static struct slot *slot_take(struct http *h, const struct url *u)
{
	auto_buf struct buf key = { 0 };
	struct slot **at, *s;
	int number;

	url_origin(u, &key);
	pthread_mutex_lock(&h->lock);
	for (at = &h->idle; *at && strcmp((*at)->key, key.p) != 0; at = &(*at)->next)
		;
	s = *at;
	if (s) {
		*at = s->next;
		h->nidle--;
	}
	number = s ? s->number : ++h->made;
	pthread_mutex_unlock(&h->lock);
	if (s)
		return s;
	s = slot_new(h, number);
	s->key = buf_take(&key);
	return s;
}

static void slot_give(struct http *h, struct slot *s)
{
	struct slot **last = &h->idle, *old = NULL;

	pthread_mutex_lock(&h->lock);
	s->next = h->idle;
	h->idle = s;
	if (++h->nidle > IDLE_MAX) {
		while ((*last)->next)
			last = &(*last)->next;
		old = *last;
		*last = NULL;
		h->nidle--;
	}
	pthread_mutex_unlock(&h->lock);
	if (old)
		slot_free(h, old);
}

static int hop_once(struct hop *x, struct err *e)
{
	int64_t began = clock_mono_ns();
	int r;

	strv_done(&x->a->headers);
	buf_reset(&x->a->body);
	x->a->status = 0;
	x->a->received = 0;
	x->a->broken = HTTP_WHOLE;
	x->slot = slot_take(x->h, x->url);
	r = hop_do(x, e);
	if (x->h->o.trace)
		trace_hop(x->h->o.trace, x, began, r < 0 ? e : NULL);
	slot_give(x->h, x->slot);
	free(x->a->url);
	x->a->url = xstrdup(x->url->text);
	if (r < 0 && e->kind == ERR_NET)
		err_wrap(e, "%s", x->url->host);
	return r;
}

/* 303 makes everything but HEAD a GET without a body; the others repeat what was asked. */
static int hop_method(struct hop *x, const struct http_request *r, struct err *e)
{
	if (x->a->status == 303 && strcmp(x->method, "HEAD") != 0) {
		x->method = "GET";
		x->body = false;
	}
	if (!x->body || r->body.p || x->sent == 0)
		return 0;
	if (!r->body.rewind)
		return err_set(e, ERR_NET, "%s sends us elsewhere after the body was sent", x->url->host);
	return r->body.rewind(r->body.arg, e);
}

/* Where a redirect leads. The first hop's peer was named by the user, what follows by a peer. */
static int hop_next(struct hop *x, struct url *next, struct err *e)
{
	if (url_join(x->url, str_of(http_header(x->a, "location")), next, e) < 0) {
		e->kind = ERR_NET;
		return err_wrap(e, "%s sends us elsewhere", x->url->host);
	}
	if (x->url->tls && !next->tls)
		return err_set(e, ERR_DENIED, "%s sends us from https to plain http on %s", x->url->host, next->host);
	if (x->r->bound && !url_same_origin(x->r->url, next))
		return err_set(e, ERR_DENIED, "%s sends us to %s with what is meant for it alone: refused",
			       x->url->host, next->host);
	if (x->limit == ZONE_ANY)
		x->limit = x->reached;
	return 0;
}

int http_do(struct job *j, struct http *h, const struct http_request *r, struct http_answer *ret, struct err *e)
{
	struct url at[2] = { { 0 }, { 0 } };	/* this hop's and the next one's, in turn */
	const struct url *first = r->url;
	struct hop x = { .h = h, .j = j, .r = r, .a = ret, .method = r->method, .url = first, .tls = r->tls,
		.limit = r->zone, .secret = true, .body = r->body.p || r->body.get, .follow = !r->no_redirect };
	int status = -1;

	for (int n = 0;; n++) {
		struct url *next = &at[n & 1];

		x.sent = x.header_bytes = 0;
		x.connected = x.head = x.stopped = x.failed = x.denied = false;
		x.why[0] = 0;
		status = hop_once(&x, e);
		if (n == 0)
			ret->zone = x.reached;
		if (status < 0 || !hop_redirects(&x))
			break;
		status = -1;
		if (n == HTTP_REDIRECTS_MAX) {
			err_set(e, ERR_NET, "%s: more than %d redirects", first->host, HTTP_REDIRECTS_MAX);
			break;
		}
		url_done(next);
		if (hop_next(&x, next, e) < 0 || hop_method(&x, r, e) < 0)
			break;
		x.url = next;
		x.secret = x.secret && url_same_origin(first, next);
		x.tls = url_same_origin(first, next) ? r->tls : h->o.tls_of ? h->o.tls_of(h->o.tls_arg, next) : NULL;
	}
	url_done(&at[0]);
	url_done(&at[1]);
	return status;
}
