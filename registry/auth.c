/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authorization of requests. Nothing is sent before a registry asks; what it asked for is remembered for its origin, so
 * that later requests come with the right header at once.
 */
#include "base/clock.h"
#include "registry/client_int.h"

void auth_use_done(struct auth_use *u)
{
	if (u->token)
		explicit_bzero(u->token, strlen(u->token));
	free(u->token);
	scopes_done(&u->asked);
	*u = (struct auth_use){ 0 };
}

int auth_cred(struct job *j, struct client *c, const struct endpoint *ep, const struct cred **ret, struct err *e)
{
	auto_free char *name = xasprintf("%s/%s", ep->host, ep->repo);
	auto_lock pthread_mutex_t *held = lock_hold(&c->creds_lock);
	struct known_cred *k = c->known;
	int r;

	*ret = NULL;
	if (c->login) {
		*ret = c->login;
		return 0;
	}
	while (k && strcmp(k->name, name) != 0)
		k = k->next;
	if (!k) {
		struct cred cred = { 0 };

		if (!c->creds && creds_open(c->authfile, &c->creds, e) < 0)
			return -1;
		r = creds_find(j, c->creds, ep->host, ep->repo, &cred, e);
		if (r < 0) {
			cred_done(&cred);
			return err_wrap(e, "credentials for %s", ep->host);
		}
		k = xcalloc(1, sizeof(*k));
		*k = (struct known_cred){ .next = c->known, .name = take_ptr(&name), .cred = cred, .found = r > 0 };
		c->known = k;
	}
	if (k->found)
		*ret = &k->cred;
	return 0;
}

static void challenge_copy(struct client *c, const struct url *u, struct challenge *ret)
{
	struct origin_state *o = client_origin(c, u);
	auto_lock pthread_mutex_t *held = lock_hold(&c->lock);

	*ret = (struct challenge){ .scheme = o->challenge.scheme };
	if (o->challenge.realm)
		ret->realm = xstrdup(o->challenge.realm);
	if (o->challenge.service)
		ret->service = xstrdup(o->challenge.service);
}

static int fetch_into(struct job *j, struct client *c, const char *key, const struct realm *r, struct auth_use *use,
		      struct err *e)
{
	struct realm_token t = { 0 };
	int64_t now = clock_mono_ns();
	int got = realm_fetch(j, c, r, &t, e);

	if (t.refresh && c->login) {
		free(c->login_refresh);
		c->login_refresh = take_ptr(&t.refresh);
	}
	if (got == 0) {
		token_put(c->tokens, key, r->scopes, t.text, t.life_s, now);
		use->token = take_ptr(&t.text);
		use->fresh = true;
	} else {
		token_fail(c->tokens, key, r->scopes, e);
	}
	realm_token_done(&t);
	return got;
}

static int apply_bearer(struct job *j, struct client *c, const struct challenge *ch, const struct url *u,
			const struct cred *cred, struct auth_use *use, struct err *e)
{
	const struct realm r = { .realm = ch->realm, .service = ch->service, .scopes = &use->asked, .cred = cred, .from = u,
		.offline = c->login != NULL };
	auto_buf struct buf key = { 0 };
	int got;

	url_origin(u, &key);
	buf_printf(&key, "\n%s\n%s\n%s\n%s", ch->realm ? ch->realm : "", ch->service ? ch->service : "",
		   cred ? cred->source : "", cred ? cred->user : "");
	got = token_take(j, c->tokens, key.p, &use->asked, clock_mono_ns(), &use->token, e);
	return got == 0 ? fetch_into(j, c, key.p, &r, use, e) : got < 0 ? -1 : 0;
}

int auth_apply(struct job *j, struct client *c, const struct endpoint *ep, const struct url *u,
	       const struct scopes *want, struct auth_use *use, struct strv *secret, struct err *e)
{
	auto_challenge struct challenge ch = { 0 };
	const struct cred *cred = NULL;
	auto_buf struct buf b = { 0 };

	challenge_copy(c, u, &ch);
	if (ch.scheme != CHALLENGE_BASIC && ch.scheme != CHALLENGE_BEARER)
		return 0;
	if (auth_cred(j, c, ep, &cred, e) < 0)
		return -1;
	if (ch.scheme == CHALLENGE_BASIC && (!cred || cred->identity))
		return 0;
	scopes_copy(&use->asked, want);
	buf_puts(&b, "Authorization: ");
	if (ch.scheme == CHALLENGE_BASIC) {
		auto_free char *pair = xasprintf("%s:%s", cred->user, cred->secret);

		buf_puts(&b, "Basic ");
		buf_base64(&b, pair, strlen(pair));
		explicit_bzero(pair, strlen(pair));
	} else {
		if (apply_bearer(j, c, &ch, u, cred, use, e) < 0)
			return -1;
		buf_printf(&b, "Bearer %s", use->token);
	}
	use->scheme = ch.scheme;
	strv_take(secret, buf_take(&b));
	return 0;
}

/* Why a 401 is final, for the user. */
static int explain(struct job *j, struct client *c, const struct endpoint *ep, struct http_answer *a, struct err *e)
{
	const struct cred *cred = NULL;
	auto_buf struct buf b = { 0 };

	if (auth_cred(j, c, ep, &cred, e) < 0)
		return -1;
	if (cred) {
		buf_printf(&b, "credentials of %s were not accepted", cred->source);
	} else {
		buf_printf(&b, "%s needs a login; searched for credentials: ", ep->host);
		auto_lock pthread_mutex_t *held = lock_hold(&c->creds_lock);

		if (c->creds)
			creds_places(c->creds, &b);
	}
	free(a->why);
	a->why = buf_take(&b);
	return 0;
}

static void keep_challenge(struct client *c, const struct url *u, const struct challenge *ch)
{
	struct origin_state *o = client_origin(c, u);
	auto_lock pthread_mutex_t *held = lock_hold(&c->lock);

	challenge_done(&o->challenge);
	o->challenge = (struct challenge){
		.scheme = ch->scheme, .realm = ch->realm ? xstrdup(ch->realm) : NULL,
		.service = ch->service ? xstrdup(ch->service) : NULL,
	};
}

/* The challenge to answer, of all that came; NULL. It is kept for the origin. */
static const struct challenge *take_challenge(struct client *c, const struct url *u, const struct http_answer *a,
					      struct challenges *all)
{
	const struct challenge *ch;
	const char *value;

	for (size_t i = 0; (value = http_header_nth(a, "www-authenticate", i)); i++)
		challenges_add(all, str_of(value));
	ch = challenges_pick(all);
	if (ch)
		keep_challenge(c, u, ch);
	return ch;
}

void auth_remember(struct client *c, const struct url *u, const struct http_answer *a)
{
	auto_challenges struct challenges all = { 0 };

	if (a->status == 401)
		take_challenge(c, u, a, &all);
}

int auth_learn(struct job *j, struct client *c, const struct endpoint *ep, const struct url *u,
	       struct http_answer *ret, const struct auth_use *use, struct scopes *want, struct err *e)
{
	auto_challenges struct challenges all = { 0 };
	const struct challenge *ch = take_challenge(c, u, ret, &all);
	const struct cred *cred;

	if (!ch) {
		ret->why = xstrdup("the registry does not say how to log in");
		return 0;
	}
	if (auth_cred(j, c, ep, &cred, e) < 0)
		return -1;
	if (ch->scheme == CHALLENGE_BASIC) {
		if (cred && !cred->identity && use->scheme != CHALLENGE_BASIC)
			return 1;
		return explain(j, c, ep, ret, e);
	}
	if (ch->scope)
		scopes_add(want, str_of(ch->scope));
	if (use->scheme != CHALLENGE_BEARER || !scopes_cover(&use->asked, want))
		return 1;
	if (explain(j, c, ep, ret, e) < 0)
		return -1;
	if (ch->error && strcmp(ch->error, "insufficient_scope") == 0)
		return 0;		/* the token server gave less than was asked for, and would again */
	token_drop(c->tokens, use->token);
	return !use->fresh;		/* one that was kept may have died before its time */
}
