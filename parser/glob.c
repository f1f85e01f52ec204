/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of ignore files: '*' and '?' stop at '/', "**" does not (spec/dockerfile.md 1.8). */
#include "parser/glob.h"

#include "parser/words.h"

enum token { T_CHAR, T_ANY, T_STAR, T_DIRS, T_REST, T_CLASS };

struct range { uint32_t first, last; };

struct glob_token {
	enum token kind;	/* T_DIRS: nothing, or what ends in '/'; T_REST: anything */
	uint32_t c;		/* T_CHAR */
	bool negated;		/* T_CLASS */
	struct range *ranges;
	size_t n;
};

struct compiler {
	struct str s;
	size_t i;
	struct arena *a;
	struct glob *g;
	bool plain;		/* nothing wild but a "**" at an end */
};

static bool peek_is(const struct compiler *c, char ch)
{
	return c->i < c->s.n && c->s.p[c->i] == ch;
}

static uint32_t take(struct compiler *c)
{
	uint32_t ch;

	c->i += utf8_next(c->s.p + c->i, c->s.n - c->i, &ch);
	return ch;
}

static struct glob_token *token_add(struct compiler *c, enum token kind)
{
	struct glob_token *t = &c->g->tokens[c->g->n++];

	t->kind = kind;
	return t;
}

/* One end of a range, maybe escaped; false at the pattern's end. */
static bool class_char(struct compiler *c, uint32_t *ret)
{
	if (peek_is(c, '\\'))
		c->i++;
	if (c->i == c->s.n)
		return false;
	*ret = take(c);
	return true;
}

/* Behind '[': ranges up to ']'. A ']' or '-' at the start, and a '-' at the end, are themselves. */
static bool take_class(struct compiler *c)
{
	struct glob_token *t = token_add(c, T_CLASS);
	size_t cap = c->s.n - c->i;

	t->ranges = arena_array(c->a, struct range, cap + 1);
	t->negated = peek_is(c, '^');
	c->i += t->negated;
	while (t->n == 0 || !peek_is(c, ']')) {
		struct range *r = &t->ranges[t->n++];

		if (!class_char(c, &r->first))
			return false;
		r->last = r->first;
		if (peek_is(c, '-') && c->i + 1 < c->s.n && c->s.p[c->i + 1] != ']') {
			c->i++;
			if (!class_char(c, &r->last) || r->last < r->first)
				return false;
		}
	}
	c->i++;
	return true;
}

/* Behind "*". */
static void take_stars(struct compiler *c, bool first)
{
	if (!peek_is(c, '*')) {
		token_add(c, T_STAR);
		c->plain = false;
		return;
	}
	c->i++;
	c->i += peek_is(c, '/');
	if (c->i == c->s.n) {
		if (c->plain && c->g->kind == GLOB_EXACT && !first)
			c->g->kind = GLOB_PREFIX;
		else
			c->plain &= first;
		token_add(c, T_REST);
	} else {
		token_add(c, T_DIRS);
		c->plain &= first;
	}
	if (first)
		c->g->kind = GLOB_SUFFIX;
}

static bool take_token(struct compiler *c)
{
	bool first = c->i == 0;
	uint32_t ch = take(c);

	switch (ch) {
	case '*':
		take_stars(c, first);
		return true;
	case '?':
		token_add(c, T_ANY);
		c->plain = false;
		return true;
	case '[':
		c->plain = false;
		return take_class(c);
	case '\\':
		c->plain = false;
		if (c->i == c->s.n)
			return false;
		ch = take(c);
		break;
	}
	token_add(c, T_CHAR)->c = ch;
	return true;
}

/* What the simple kinds compare: a prefix and a suffix lose their "**", but keep the '/' next to
 * it. */
static void settle_kind(struct glob *g, struct str pattern, bool plain)
{
	g->text = pattern;
	if (!plain)
		g->kind = GLOB_TOKENS;
	else if (g->kind == GLOB_PREFIX)
		g->text.n -= 2;
	else if (g->kind == GLOB_SUFFIX)
		g->text = str_sub(pattern, 2, pattern.n);
}

int glob_compile(struct str pattern, struct arena *a, struct glob *ret, struct err *e)
{
	struct glob g = { .kind = GLOB_EXACT };
	struct compiler c = { .a = a, .g = &g, .plain = true };

	if (pattern.n > GLOB_MAX)
		return err_set(e, ERR_USAGE, "a pattern of more than %d bytes", GLOB_MAX);
	pattern = arena_str(a, pattern);
	c.s = pattern;
	g.tokens = arena_array(a, struct glob_token, pattern.n + 1);
	while (c.i < c.s.n)
		if (!take_token(&c))
			return err_set(e, ERR_USAGE, "syntax error in pattern \"" STR_FMT "\"",
				       STR_ARG(pattern));
	settle_kind(&g, pattern, c.plain);
	*ret = g;
	return 0;
}

/* ---- matching: the set of tokens that may come next ---- */

struct states {
	uint64_t bits[GLOB_MAX / 64 + 1];
};

struct run {
	const struct glob *g;
	struct states sets[2];
	size_t words;		/* of a set that are in use */
};

/* Token i may come next; so may what follows it if it can stand for nothing. */
static void enter(const struct glob *g, struct states *s, size_t i)
{
	for (;; i++) {
		s->bits[i / 64] |= (uint64_t)1 << (i % 64);
		if (i == g->n || (g->tokens[i].kind != T_STAR && g->tokens[i].kind != T_REST &&
				  g->tokens[i].kind != T_DIRS))
			return;
	}
}

static bool class_has(const struct glob_token *t, uint32_t c)
{
	for (size_t i = 0; i < t->n; i++)
		if (c >= t->ranges[i].first && c <= t->ranges[i].last)
			return !t->negated;
	return t->negated;
}

static void step(const struct glob *g, struct states *to, size_t i, uint32_t c)
{
	const struct glob_token *t = &g->tokens[i];

	if (i == g->n)
		return;
	switch (t->kind) {
	case T_CHAR:
		if (c == t->c)
			enter(g, to, i + 1);
		break;
	case T_ANY:
		if (c != '/')
			enter(g, to, i + 1);
		break;
	case T_CLASS:
		if (class_has(t, c))
			enter(g, to, i + 1);
		break;
	case T_STAR:
		if (c != '/')
			enter(g, to, i);
		break;
	case T_REST:
		enter(g, to, i);
		break;
	case T_DIRS:	/* inside of it: only a '/' leads out */
		to->bits[i / 64] |= (uint64_t)1 << (i % 64);
		if (c == '/')
			enter(g, to, i + 1);
		break;
	}
}

/* The set behind text; false if it is empty. */
static bool run(struct run *r, struct str text, const struct states **ret)
{
	struct states *now = &r->sets[0], *next = &r->sets[1], *swap;

	r->words = r->g->n / 64 + 1;
	memset(now->bits, 0, r->words * sizeof(uint64_t));
	enter(r->g, now, 0);
	for (size_t i = 0; i < text.n; ) {
		uint64_t any = 0;
		uint32_t c;

		i += utf8_next(text.p + i, text.n - i, &c);
		memset(next->bits, 0, r->words * sizeof(uint64_t));
		for (size_t w = 0; w < r->words; w++)
			for (uint64_t b = now->bits[w]; b; b &= b - 1)
				step(r->g, next, w * 64 + (size_t)__builtin_ctzll(b), c);
		for (size_t w = 0; w < r->words; w++)
			any |= next->bits[w];
		if (!any)
			return false;
		swap = now;
		now = next;
		next = swap;
	}
	*ret = now;
	return true;
}

static bool text_ends(struct str s, struct str end)
{
	return s.n >= end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

bool glob_match(const struct glob *g, struct str path)
{
	const struct states *end;
	struct run r;

	switch (g->kind) {
	case GLOB_EXACT:
		return str_eq(path, g->text);
	case GLOB_PREFIX:
		return str_eq(str_sub(path, 0, g->text.n), g->text);
	case GLOB_SUFFIX:	/* "**" + "/foo" matches "foo", too */
		return text_ends(path, g->text) ||
		       (str_starts(g->text, "/") && str_eq(path, str_sub(g->text, 1, g->text.n)));
	case GLOB_TOKENS:
		break;
	}
	r.g = g;
	return run(&r, path, &end) && (end->bits[g->n / 64] >> (g->n % 64) & 1);
}

bool glob_may_begin(const struct glob *g, struct str text)
{
	const struct states *end;
	struct run r = { .g = g };

	return g->kind == GLOB_SUFFIX || run(&r, text, &end);
}
