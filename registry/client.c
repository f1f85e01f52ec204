/* SPDX-License-Identifier: Apache-2.0 */
/* A request to a registry from its name to a final answer. */
#include "registry/client.h"

#include "base/clock.h"
#include "registry/client_int.h"
#include "registry/header.h"
#include "registry/trace.h"
#include "registry/zone.h"

#define WAIT_MAX_S 300
#define CLIENT_NOT_NOW "is not asked again for now"

/* Certificates for where redirects lead. Trouble with them shows when they are needed. */
static const struct http_tls *tls_of(void *arg, const struct url *u)
{
	auto_err struct err ignored = { 0 };
	const struct http_tls *t = NULL;
	struct client *c = arg;

	return hosts_tls(c->hosts, u->host, u->port, &t, &ignored) < 0 ? NULL : t;
}

int client_new(const struct client_options *o, struct client **ret, struct err *e)
{
	const struct hosts_options hosts = { .insecure = o->insecure, .cert_dir = o->cert_dir };
	struct client *c = xcalloc(1, sizeof(*c));
	struct http_options ho = { .tls_of = tls_of, .tls_arg = c };

	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->creds_lock, NULL);
	c->authfile = o->authfile ? xstrdup(o->authfile) : NULL;
	c->wait_max_s = o->wait_max_s ? o->wait_max_s : WAIT_MAX_S;
	c->tokens = tokens_new();
	if ((o->trace && trace_open(o->trace, &c->trace, e) < 0) || hosts_open(&hosts, &c->hosts, e) < 0) {
		client_free(c);
		return -1;
	}
	ho.trace = c->trace;
	if (http_new(&ho, &c->http, e) < 0) {
		client_free(c);
		return -1;
	}
	*ret = c;
	return 0;
}

static void known_free(struct known_cred *k)
{
	struct known_cred *next;

	for (; k; k = next) {
		next = k->next;
		cred_done(&k->cred);
		free(k->name);
		free(k);
	}
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
		challenge_done(&o->challenge);
		free(o->name);
		free(o);
	}
	while ((h = c->schemes)) {
		c->schemes = h->next;
		pthread_mutex_destroy(&h->lock);
		free(h->host);
		free(h);
	}
	known_free(c->known);
	creds_free(c->creds);
	tokens_free(c->tokens);
	hosts_free(c->hosts);
	trace_free(c->trace);
	strv_done(&c->warned);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->creds_lock);
	free(c->authfile);
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
	for (h = c->schemes; h; h = h->next)
		if (strcmp(h->host, host) == 0)
			return h;
	h = xcalloc(1, sizeof(*h));
	h->host = xstrdup(host);
	pthread_mutex_init(&h->lock, NULL);
	h->next = c->schemes;
	c->schemes = h;
	return h;
}

/* One line to the user, once. */
static void warn_once(struct job *j, struct client *c, const char *line)
{
	bool old;

	pthread_mutex_lock(&c->lock);
	old = strv_has(&c->warned, line) || c->warned.n > 100;
	if (!old)
		strv_add(&c->warned, line);
	pthread_mutex_unlock(&c->lock);
	if (!old)
		event_warn(j->sink, "%s", line);
}

/* Warnings of registries are shown, once each, and never acted on. Spec: distribution-spec, "Warnings". */
static void show_warnings(struct job *j, struct client *c, const char *host, const struct http_answer *a)
{
	const char *value;

	for (size_t i = 0; (value = http_header_nth(a, "warning", i)); i++) {
		auto_free char *text = header_warning(str_of(value)), *line = NULL;

		if (!text)
			continue;
		line = xasprintf("%s: %.500s", host, text);
		warn_once(j, c, line);
	}
}

int wire_once(struct job *j, struct client *c, struct wire *w, struct http_answer *ret, struct err *e)
{
	struct origin_state *o = client_origin(c, w->r.url);
	int r;

	http_answer_done(ret);
	r = http_do(j, c->http, &w->r, ret, e);
	if (ret->sent && w->r.zone == ZONE_ANY)
		o->zone = (int)ret->zone;
	if (r == 0)
		show_warnings(j, c, w->r.url->host, ret);
	return r;
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

/* Does another try make sense, as far as the request itself goes? */
static bool may_repeat(const struct wire *w, const struct http_answer *a, int status, const struct err *e)
{
	if (w->r.sink.put && a->received > 0 && a->status / 100 == 2)
		return false;			/* the sink has a part of it */
	if (status == 0 ? !retry_status(a->status) : e->kind != ERR_NET || !retry_broken(a->broken))
		return false;
	if (!w->again && (status == 0 ? a->status != 429 : a->sent))
		return false;
	return !w->r.body.get || w->r.body.rewind;
}

/* After an answer or a failure: 1 try again (the pause is over, or the gate closed for it), 0 that is final, -1. */
static int pause_before(struct job *j, struct client *c, const struct wire *w, int n, const struct http_answer *a,
			int status, struct err *e)
{
	int64_t pause = retry_pause_ns(n, retry_random());
	bool busy = status == 0 && (a->status == 429 || a->status == 503);
	auto_err struct err why = { 0 };
	uint64_t told = 0;

	if (!may_repeat(w, a, status, e))
		return 0;
	if (busy && told_to_wait(c, a, &told, &why) < 0) {
		if (w->hurry)
			return 0;
		err_move(e, &why);
		return err_wrap(e, "%s: status %d", w->r.url->host, a->status);
	}
	if (told > 0)
		pause = (int64_t)told * 1000000000;
	if (busy)
		gate_close(&client_origin(c, w->r.url)->gate, pause);
	if (n >= (w->tries ? w->tries : RETRY_MAX) || (busy && w->hurry))
		return 0;
	if (busy && told >= 5)
		event_note(j->sink, "%s asks to wait %llu s", w->r.url->host, (unsigned long long)told);
	if (!busy && retry_sleep(j, pause, &why) < 0) {
		err_move(e, &why);
		return -1;
	}
	return 1;
}

int wire_do(struct job *j, struct client *c, struct wire *w, struct http_answer *ret, struct err *e)
{
	for (int n = 1;; n++) {
		int status, more;

		if (gate_wait(j, &client_origin(c, w->r.url)->gate, e) < 0)
			return -1;
		status = w->once(j, c, w, ret, e);
		more = pause_before(j, c, w, n, ret, status, e);
		if (more <= 0)
			return more < 0 ? -1 : status;
		err_clear(e);
		if (w->r.body.rewind && w->r.body.rewind(w->r.body.arg, e) < 0)
			return -1;
	}
}

/* 1 https, 2 http, 0 neither: *e says why, *down that nobody listens. */
static int which_scheme(struct job *j, struct client *c, const struct endpoint *ep, const struct http_tls *t, bool *down,
			struct err *e)
{
	for (int scheme = 1; scheme <= 2; scheme++) {
		auto_answer struct http_answer a = { 0 };
		auto_url struct url u = { 0 };
		auto_buf struct buf text = { 0 };
		auto_err struct err why = { 0 };
		struct wire w = { .r = { .method = "GET", .url = &u, .zone = ZONE_ANY, .tls = t } };
		bool ok;

		buf_printf(&text, "%s://%s/v2/", scheme == 1 ? "https" : "http", ep->host);
		if (url_parse(buf_view(&text), &u, e) < 0)
			return 0;
		ok = wire_once(j, c, &w, &a, &why) == 0;
		if (ok && scheme == 2 && a.status == 400 && e->msg)
			ok = false;		/* a server of TLS says so to those that speak plainly */
		if (ok) {
			err_clear(e);
			auth_remember(c, &u, &a);
			return scheme;
		}
		*down = a.broken == HTTP_CONNECT;
		if (!e->msg && (scheme == 2 || a.broken != HTTP_CONNECT))
			err_move(e, &why);
		if (a.broken == HTTP_TLS_PEER || a.broken == HTTP_DNS)
			break;
	}
	return 0;
}

/* Where both are possible: https if the host speaks it, else http. */
static int find_scheme(struct job *j, struct client *c, const struct endpoint *ep, const struct http_tls *t, bool *tls,
		       struct err *e)
{
	struct host_state *h = host_state(c, ep->host);
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);

	for (int n = 1; h->scheme == 0; n++) {
		auto_err struct err why = { 0 };
		bool down = false;

		h->scheme = which_scheme(j, c, ep, t, &down, &why);
		if (job_check(j, e) < 0)
			return -1;
		if (h->scheme == 0 && (!down || ep->mirror || n == RETRY_MAX)) {
			err_move(e, &why);
			return -1;
		}
		if (h->scheme == 0 && retry_sleep(j, retry_pause_ns(n, retry_random()), e) < 0)
			return -1;
	}
	*tls = h->scheme == 1;
	return 0;
}

struct attempt {		/* a request to one endpoint */
	struct wire w;
	const struct client_request *r;
	const struct endpoint *ep;
	struct http_tls tls;
	struct url url;		/* where it goes */
	bool own;		/* that is the endpoint itself: it gets credentials */
	struct scopes want;
};

static void attempt_done(struct attempt *t)
{
	url_done(&t->url);
	scopes_done(&t->want);
}

static void add_scopes(const struct client_request *r, const struct endpoint *ep, struct scopes *ret)
{
	int access = r->access ? r->access : CLIENT_PULL;
	auto_buf struct buf b = { 0 };

	if (!r->repo)
		return;
	buf_printf(&b, "repository:%s:", ep->repo);
	buf_puts(&b, access & CLIENT_DELETE ? "delete," : "");
	buf_puts(&b, access & CLIENT_PULL ? "pull," : "");
	buf_puts(&b, access & CLIENT_PUSH ? "push," : "");
	b.n--;
	scopes_add(ret, buf_view(&b));
	if (r->mount_from && strcmp(r->mount_from, ep->repo) != 0) {
		buf_reset(&b);
		buf_printf(&b, "repository:%s:pull", r->mount_from);
		scopes_add(ret, buf_view(&b));
	}
}

/* With what its origin asked for; a 401 is answered once or twice. */
static int attempt_once(struct job *j, struct client *c, struct wire *w, struct http_answer *ret, struct err *e)
{
	struct attempt *t = container_of(w, struct attempt, w);

	for (int n = 0;; n++) {
		auto_auth_use struct auth_use use = { 0 };
		auto_strv struct strv secret = { 0 };
		auto_url struct url at = { 0 };
		int r;

		if (t->own)
			strv_copy(&secret, &t->ep->headers);
		if (t->own && auth_apply(j, c, t->ep, &t->url, &t->want, &use, &secret, e) < 0)
			return -1;
		w->r.secret = &secret;
		r = wire_once(j, c, w, ret, e);
		ret->authorized = use.scheme != CHALLENGE_NONE;
		for (size_t i = 0; i < secret.n; i++)
			explicit_bzero(secret.v[i], strlen(secret.v[i]));
		if (r < 0 || ret->status != 401 || !t->own)
			return r;
		/* What another host says after a redirect is no reason to show it anything. */
		if (url_parse(str_of(ret->url), &at, e) < 0)
			return -1;
		if (!url_same_origin(&at, &t->url))
			return 0;
		r = auth_learn(j, c, t->ep, &t->url, ret, &use, &t->want, e);
		if (r <= 0 || n == 2)
			return r < 0 ? -1 : 0;
		if (w->r.body.get && (!w->r.body.rewind || w->r.body.rewind(w->r.body.arg, e) < 0))
			return e->kind == ERR_NONE ? 0 : -1;
	}
}

/* "https://host", once it is known that it is https. */
static int endpoint_base(struct job *j, struct client *c, struct attempt *t, struct buf *ret, struct err *e)
{
	const struct endpoint *ep = t->ep;
	const struct http_tls *certs;
	auto_url struct url u = { 0 };
	bool tls = !ep->http;

	buf_printf(ret, "http%s://%s", tls ? "s" : "", ep->host);
	if (url_parse(buf_view(ret), &u, e) < 0 || hosts_tls(c->hosts, u.host, u.port, &certs, e) < 0)
		return -1;
	t->tls = ep->has_tls ? ep->tls : *certs;
	t->tls.insecure |= ep->insecure;
	if (tls && (t->tls.insecure || zone_of_host(u.host) == ZONE_LOOPBACK) &&
	    find_scheme(j, c, ep, &t->tls, &tls, e) < 0)
		return -1;
	buf_reset(ret);
	buf_printf(ret, "http%s://%s", tls ? "s" : "", ep->host);
	return 0;
}

static int attempt_url(struct job *j, struct client *c, struct attempt *t, struct err *e)
{
	const struct client_request *r = t->r;
	auto_buf struct buf b = { 0 };
	auto_url struct url own = { 0 };
	int zone;

	if (endpoint_base(j, c, t, &b, e) < 0 || url_parse(buf_view(&b), &own, e) < 0)
		return -1;
	t->w.r.zone = ZONE_ANY;
	t->own = true;
	if (!r->url) {
		buf_printf(&b, "%s/%s%s%s", t->ep->prefix, r->repo ? t->ep->repo : "", r->repo ? "/" : "", r->path);
		if (t->ep->ns)
			url_query(&b, "ns", str_of(t->ep->ns));
		return url_parse(buf_view(&b), &t->url, e);
	}
	if (url_parse(str_of(r->url), &t->url, e) < 0)
		return -1;
	t->own = url_same_origin(&t->url, &own);
	if (!t->own) {
		const struct http_tls *certs;

		zone = client_origin(c, &own)->zone;
		t->w.r.zone = zone >= 0 ? (enum http_zone)zone : ZONE_PUBLIC;
		if (hosts_tls(c->hosts, t->url.host, t->url.port, &certs, e) < 0)
			return -1;
		t->tls = *certs;
	}
	return 0;
}

static int ask(struct job *j, struct client *c, const struct client_request *r, const struct endpoint *ep,
	       struct http_answer *ret, struct err *e)
{
	struct attempt t = { .r = r, .ep = ep };
	struct origin_state *o;
	int status;

	t.w = (struct wire){
		.r = { .method = r->method, .url = &t.url, .headers = r->headers, .tls = &t.tls, .body = r->body,
		       .sink = r->sink, .body_max = r->body_max },
		.again = r->again || strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0,
		.tries = ep->mirror ? 1 : 0, .hurry = ep->mirror, .once = attempt_once,
	};
	add_scopes(r, ep, &t.want);
	status = attempt_url(j, c, &t, e);
	if (status == 0) {
		o = client_origin(c, &t.url);
		if (ep->mirror && (o->down || o->gate.open > clock_mono_ns()))
			status = err_set(e, ERR_NET, "%s " CLIENT_NOT_NOW, ep->host);
		else
			status = wire_do(j, c, &t.w, ret, e);
		if (status < 0 && e->kind == ERR_NET && !ret->sent)
			o->down = true;
	}
	attempt_done(&t);
	return status;
}

/* May this request go to this place at all? */
static bool suits(const struct client_request *r, const struct endpoint *ep)
{
	int access = r->access ? r->access : CLIENT_PULL;

	if (!ep->mirror)
		return true;
	return r->repo && !r->upstream && !r->url && access == CLIENT_PULL && (ep->can & (r->by_digest ? HOST_PULL : HOST_RESOLVE));
}

/* Is what a mirror gave what was wanted, or at least nothing that another place could do better? */
static bool settled(const struct http_answer *a, int status, const struct err *e)
{
	if (status < 0)
		return e->kind == ERR_CANCELLED || a->received > 0 || a->status / 100 == 2;
	return a->status / 100 == 2 || a->status == 304 || a->status == 416;
}

/* That a mirror has nothing is usual; that it cannot be used is worth a line. */
static void mirror_failed(struct job *j, struct client *c, const struct endpoint *ep, int status, const struct err *e)
{
	auto_free char *line = NULL;

	if (status == 0 || strstr(err_text(e), CLIENT_NOT_NOW))
		return;
	line = xasprintf("mirror %s (%s) is passed over: %s", ep->host, ep->source, err_text(e));
	warn_once(j, c, line);
}

int client_do(struct job *j, struct client *c, const struct client_request *r, struct http_answer *ret, struct err *e)
{
	auto_endpoints struct endpoints l = { 0 };
	auto_buf struct buf name = { 0 };
	int status = -1;

	request_name(r, &name);
	if (hosts_endpoints(c->hosts, r->host, r->repo ? r->repo : "", &l, e) < 0)
		return -1;
	if (l.blocked)
		return err_set(e, ERR_DENIED, "%s: %s forbids it (blocked = true)", name.p, l.blocked);
	for (size_t i = 0; i < l.n; i++) {
		if (!suits(r, &l.v[i]))
			continue;
		err_clear(e);
		http_answer_done(ret);
		status = ask(j, c, r, &l.v[i], ret, e);
		if (!l.v[i].mirror || settled(ret, status, e))
			break;
		mirror_failed(j, c, &l.v[i], status, e);
	}
	return status < 0 && e->kind != ERR_CANCELLED ? err_wrap(e, "%s", name.p) : status;
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
		url_origin(&base, &https);	/* a proxy speaks TLS for a server that does not know */
		buf_puts(&https, next.text + next.path);
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
