/* SPDX-License-Identifier: Apache-2.0 */
/* Parser of WWW-Authenticate: schemes and keys in any case, quoted commas and escapes, many challenges in one value. */
#include "registry/challenge.h"

#include "registry/header.h"

void challenge_done(struct challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	free(c->error);
	*c = (struct challenge){ 0 };
}

void challenges_done(struct challenges *l)
{
	for (size_t i = 0; i < l->n; i++)
		challenge_done(&l->v[i]);
	free(l->v);
	*l = (struct challenges){ 0 };
}

static struct str take_token(struct str *s)
{
	struct str word = *s;

	for (word.n = 0; word.n < s->n && header_token_char(s->p[word.n]); word.n++)
		;
	*s = str_sub(*s, word.n, s->n);
	return word;
}

static void skip(struct str *s, const char *set)
{
	while (s->n > 0 && s->p[0] && strchr(set, s->p[0]))
		*s = str_sub(*s, 1, s->n);
}

/* After "=": a quoted string, or all up to a comma or blank. */
static char *take_value(struct str *s)
{
	char *quoted;
	size_t n = 0;

	skip(s, " \t");
	quoted = header_quoted(s);
	if (quoted)
		return quoted;
	while (n < s->n && s->p[n] && !strchr(", \t", s->p[n]))
		n++;
	quoted = str_dup(str_sub(*s, 0, n));
	*s = str_sub(*s, n, s->n);
	return quoted;
}

static void set_param(struct challenge *c, struct str key, char *value)
{
	const struct { const char *name; char **to; } params[] = {
		{ "realm", &c->realm }, { "service", &c->service }, { "scope", &c->scope }, { "error", &c->error },
	};

	for (size_t i = 0; i < countof(params); i++)
		if (str_is_nocase(key, params[i].name) && !*params[i].to) {
			*params[i].to = value;
			return;
		}
	free(value);
}

static struct challenge *add(struct challenges *l, struct str scheme)
{
	if (l->n == CHALLENGES_MAX)
		return NULL;
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n] = (struct challenge){ .scheme = str_is_nocase(scheme, "basic") ? CHALLENGE_BASIC :
		str_is_nocase(scheme, "bearer") ? CHALLENGE_BEARER : CHALLENGE_OTHER };
	return &l->v[l->n++];
}

void challenges_add(struct challenges *l, struct str s)
{
	bool open = false;		/* a challenge that takes parameters */

	for (;;) {
		struct str word, after;

		skip(&s, " \t,");
		if (s.n == 0)
			return;
		word = take_token(&s);
		after = s;
		skip(&after, " \t");
		if (word.n == 0) {
			auto_free char *junk = take_value(&s);	/* a stray quoted string, or what no token may hold */

			if (!*junk && s.n > 0)
				s = str_sub(s, 1, s.n);
		} else if (after.n > 0 && after.p[0] == '=' && open) {
			s = str_sub(after, 1, after.n);
			set_param(&l->v[l->n - 1], word, take_value(&s));
		} else {
			open = add(l, word) != NULL;
			if (!open)
				return;
		}
	}
}

const struct challenge *challenges_pick(const struct challenges *l)
{
	const struct challenge *basic = NULL, *bearer = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct challenge *c = &l->v[i];

		if (c->scheme == CHALLENGE_BEARER && c->realm && *c->realm)
			return c;
		if (c->scheme == CHALLENGE_BEARER && !bearer)
			bearer = c;
		if (c->scheme == CHALLENGE_BASIC && !basic)
			basic = c;
	}
	return basic ? basic : bearer;
}
