/* SPDX-License-Identifier: Apache-2.0 */
/* What the client would do, for the user: the places it would ask; and whether a login works. */
#include "image/ref.h"
#include "registry/client_int.h"
#include "registry/zone.h"

void candidates_done(struct candidates *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].url);
		free(l->v[i].source);
		free(l->v[i].tls);
		free(l->v[i].cred);
	}
	free(l->v);
	free(l->blocked);
	*l = (struct candidates){ 0 };
}

static char *tls_text(const struct http_tls *t, bool http)
{
	auto_buf struct buf b = { 0 };

	if (http)
		return xstrdup("none (plain http)");
	buf_puts(&b, t->insecure ? "not checked" : t->ca ? "system and CA" : "system");
	if (t->cert)
		buf_puts(&b, ", client certificate");
	if (t->source && (t->ca || t->cert))
		buf_printf(&b, " (%s)", t->source);
	return buf_take(&b);
}

static int explain_one(struct job *j, struct client *c, const struct ref *r, const struct endpoint *ep,
		       struct candidate *ret, struct err *e)
{
	auto_free char *origin = xasprintf("http%s://%s", ep->http ? "" : "s", ep->host);
	const struct http_tls *certs;
	const struct cred *cred;
	auto_url struct url u = { 0 };
	struct http_tls tls;
	bool either;

	if (url_parse(str_of(origin), &u, e) < 0 || hosts_tls(c->hosts, u.host, u.port, &certs, e) < 0 ||
	    auth_cred(j, c, ep, &cred, e) < 0)
		return -1;
	tls = ep->has_tls ? ep->tls : *certs;
	tls.insecure |= ep->insecure;
	either = !ep->http && (tls.insecure || zone_of_host(u.host) == ZONE_LOOPBACK);
	*ret = (struct candidate){
		.mirror = ep->mirror, .resolve = ep->can & HOST_RESOLVE, .pull = ep->can & HOST_PULL,
		.push = !ep->mirror && (ep->can & HOST_PUSH),
		.asked = !ep->mirror || (ep->can & (r->has_digest ? HOST_PULL : HOST_RESOLVE | HOST_PULL)),
		.url = xasprintf("http%s://%s%s/%s", ep->http ? "" : either ? "[s]" : "s", ep->host, ep->prefix, ep->repo),
		.source = ep->source ? xstrdup(ep->source) : NULL, .tls = tls_text(&tls, ep->http),
		.cred = cred ? xstrdup(cred->source) : NULL,
	};
	return 0;
}

int client_explain(struct job *j, struct client *c, const struct ref *r, struct candidates *ret, struct err *e)
{
	auto_endpoints struct endpoints l = { 0 };

	if (hosts_endpoints(c->hosts, r->host, r->path, &l, e) < 0)
		return -1;
	ret->blocked = take_ptr(&l.blocked);
	ret->v = xcalloc(l.n, sizeof(*ret->v));
	for (; ret->n < l.n; ret->n++)
		if (explain_one(j, c, r, &l.v[ret->n], &ret->v[ret->n], e) < 0)
			return -1;
	return 0;
}

void client_short_names(const struct client *c, const char *name, struct strv *ret)
{
	hosts_short_names(c->hosts, name, ret);
}

int client_login(struct job *j, struct client *c, const char *host, const struct cred *cred, char **refresh, struct err *e)
{
	const struct client_request r = { .host = host, .method = "GET", .path = "", .upstream = true };
	auto_answer struct http_answer a = { 0 };
	int status;

	c->login = cred;
	status = client_do(j, c, &r, &a, e);
	c->login = NULL;
	*refresh = take_ptr(&c->login_refresh);
	if (status == 0 && a.status != 200)
		status = client_refused(&r, &a, e);
	if (status < 0 && e->kind == ERR_DENIED)
		err_hint(e, "check the user name and the password");
	if (status < 0)
		return err_wrap(e, "log in to %s", host);
	return a.authorized;
}
