/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching a token from where a registry's challenge says. Spec: distribution, "Token Authentication", "OAuth2". */
#include <jansson.h>

#include "registry/client_int.h"
#include "registry/zone.h"

#define QUOTED_MAX 50		/* bytes of a token server's nonsense that are shown */

void realm_token_done(struct realm_token *t)
{
	if (t->text)
		explicit_bzero(t->text, strlen(t->text));
	free(t->text);
	free(t->refresh);
	*t = (struct realm_token){ 0 };
}

/* The realm may be another host, but none nearer to us than the registry, nor without TLS if that has it. */
static int realm_url(struct client *c, const struct realm *r, struct url *ret, struct err *e)
{
	int known = client_origin(c, r->from)->zone;
	enum http_zone limit = known >= 0 ? (enum http_zone)known : ZONE_PUBLIC;

	if (!r->realm || !*r->realm)
		return err_set(e, ERR_NET, "%s asks for a token but does not say from where (no realm)", r->from->host);
	if (url_parse(str_of(r->realm), ret, e) < 0) {
		e->kind = ERR_NET;
		return err_wrap(e, "%s asks for a token from a bad realm", r->from->host);
	}
	if (r->from->tls && !ret->tls)
		return err_set(e, ERR_DENIED, "%s asks for a token from %s without TLS: refused", r->from->host, ret->host);
	if (!url_same_origin(r->from, ret) && !zone_allows(limit, zone_of_host(ret->host)))
		return err_set(e, ERR_DENIED, "%s asks for a token from %s, %s address: refused", r->from->host,
			       ret->host, zone_name(zone_of_host(ret->host)));
	return 0;
}

static void basic_header(const struct cred *cred, struct strv *ret)
{
	auto_buf struct buf b = { 0 };
	auto_free char *pair = xasprintf("%s:%s", cred->user, cred->secret);

	buf_puts(&b, "Authorization: Basic ");
	buf_base64(&b, pair, strlen(pair));
	explicit_bzero(pair, strlen(pair));
	strv_take(ret, buf_take(&b));
}

/* GET with the service and one scope= each in the query, as the realm's own query stands. */
static void get_query(const struct realm *r, struct buf *b)
{
	if (r->service && *r->service)
		url_query(b, "service", str_of(r->service));
	for (size_t i = 0; i < r->scopes->v.n; i++)
		url_query(b, "scope", str_of(r->scopes->v.v[i]));
	if (r->cred && *r->cred->user)
		url_query(b, "account", str_of(r->cred->user));
	if (r->offline) {
		url_query(b, "offline_token", STR_LIT("true"));
		url_query(b, "client_id", STR_LIT("tare"));
	}
}

static void form_field(struct buf *b, const char *key, struct str value)
{
	buf_printf(b, "%s%s=", b->n ? "&" : "", key);
	url_encode(b, value);
}

static void post_form(const struct realm *r, struct buf *b)
{
	auto_buf struct buf scope = { 0 };

	scopes_text(r->scopes, &scope);
	form_field(b, "grant_type", r->cred->identity ? STR_LIT("refresh_token") : STR_LIT("password"));
	if (r->service && *r->service)
		form_field(b, "service", str_of(r->service));
	form_field(b, "client_id", STR_LIT("tare"));
	if (scope.n)
		form_field(b, "scope", buf_view(&scope));
	if (r->cred->identity) {
		form_field(b, "refresh_token", str_of(r->cred->secret));
		return;
	}
	form_field(b, "username", str_of(r->cred->user));
	form_field(b, "password", str_of(r->cred->secret));
}

/* One call of the token server; secrets go to the realm's own origin only, in a header or in a bound body. */
static int realm_call(struct job *j, struct client *c, const struct realm *r, const struct url *realm, bool post,
		      struct http_answer *ret, struct err *e)
{
	auto_strv struct strv secret = { 0 }, headers = { 0 };
	auto_buf struct buf text = { 0 }, form = { 0 };
	auto_url struct url u = { 0 };
	int known = client_origin(c, r->from)->zone, status;
	struct wire w = { .again = true, .once = wire_once };

	buf_puts(&text, realm->text);
	if (!post)
		get_query(r, &text);
	if (url_parse(buf_view(&text), &u, e) < 0)
		return -1;
	if (hosts_tls(c->hosts, u.host, u.port, &w.r.tls, e) < 0)
		return -1;
	w.r.method = post ? "POST" : "GET";
	w.r.url = &u;
	w.r.zone = url_same_origin(r->from, &u) ? ZONE_ANY : known >= 0 ? (enum http_zone)known : ZONE_PUBLIC;
	if (post) {
		post_form(r, &form);
		strv_add(&headers, "Content-Type: application/x-www-form-urlencoded");
		w.r.headers = &headers;
		w.r.body = (struct http_body){ .p = form.p, .size = form.n };
		w.r.bound = true;
	} else if (r->cred && !r->cred->identity) {
		basic_header(r->cred, &secret);
		w.r.secret = &secret;
	}
	status = wire_do(j, c, &w, ret, e);
	if (form.p)
		explicit_bzero(form.p, form.n);
	if (secret.n)
		explicit_bzero(secret.v[0], strlen(secret.v[0]));
	return status < 0 ? err_wrap(e, "fetch a token from %s", realm->host) : 0;
}

/* Will it do in a header? */
static bool token_ok(const char *s)
{
	if (!s || !*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static int take_token(const struct url *realm, const struct http_answer *a, struct realm_token *ret, struct err *e)
{
	json_t *root = json_loadb(buf_view(&a->body).p, a->body.n, 0, NULL), *life = json_object_get(root, "expires_in");
	const char *text = json_string_value(json_object_get(root, "token"));
	const char *refresh = json_string_value(json_object_get(root, "refresh_token"));
	auto_buf struct buf start = { 0 };
	int r = 0;

	if (!token_ok(text))
		text = json_string_value(json_object_get(root, "access_token"));
	if (token_ok(text)) {
		ret->text = xstrdup(text);
		ret->refresh = token_ok(refresh) ? xstrdup(refresh) : NULL;
		ret->life_s = json_number_value(life) >= 1 && json_number_value(life) < 1e9 ? (uint64_t)json_number_value(life) : 0;
	} else {
		for (size_t i = 0; i < MIN(a->body.n, QUOTED_MAX); i++)
			buf_putc(&start, a->body.p[i] >= ' ' && a->body.p[i] <= '~' ? a->body.p[i] : '.');
		r = err_set(e, ERR_NET, "the answer of %s holds no token: \"" STR_FMT "\"", realm->host, STR_ARG(buf_view(&start)));
	}
	json_decref(root);
	return r;
}

static int realm_refused(const struct realm *r, const struct url *realm, const struct http_answer *a, struct err *e)
{
	auto_buf struct buf said = { 0 };
	bool denied = a->status == 401 || a->status == 403 || (a->status == 400 && r->cred);

	if (denied && r->cred) {
		err_set(e, ERR_DENIED, "credentials of %s rejected by %s (status %d)", r->cred->source, realm->host, a->status);
		return err_hint(e, "\"tare login HOST\" replaces them");
	}
	answer_errors(a, &said);
	return err_set(e, denied ? ERR_DENIED : ERR_NET, "%s gives no token: status %d%s%.*s", realm->host, a->status,
		       said.n ? ": " : "", (int)MIN(said.n, 200), said.n ? said.p : "");
}

int realm_fetch(struct job *j, struct client *c, const struct realm *r, struct realm_token *ret, struct err *e)
{
	auto_answer struct http_answer a = { 0 };
	auto_url struct url realm = { 0 };
	bool post = r->cred && r->cred->identity;

	if (realm_url(c, r, &realm, e) < 0 || realm_call(j, c, r, &realm, post, &a, e) < 0)
		return -1;
	/* Some know only one of the two ways. A refresh token has no other. */
	if (!post && r->cred && (a.status == 400 || a.status == 404 || a.status == 405)) {
		http_answer_done(&a);
		if (realm_call(j, c, r, &realm, true, &a, e) < 0)
			return -1;
	}
	if (a.status != 200)
		return realm_refused(r, &realm, &a, e);
	return take_token(&realm, &a, ret, e);
}
