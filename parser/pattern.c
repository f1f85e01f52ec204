/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern is literal runs between stars. Runs are looked for one after the other, each at its
 * earliest place, so that the shortest match and whether there is one are found without going back;
 * the longest match takes the last place of the last run. At the end of a value: all reversed.
 */
#include "parser/pattern.h"

#include "parser/words.h"

#define STAR UINT32_MAX
#define ANY (UINT32_MAX - 1)

struct chars {			/* code points, owned */
	uint32_t *v;
	size_t n;
};

static void chars_done(struct chars *c)
{
	free(c->v);
}

#define auto_chars __attribute__((cleanup(chars_done)))

static struct chars chars_of(struct str s)
{
	struct chars c = { xmalloc((s.n + 1) * sizeof(*c.v)), 0 };

	for (size_t i = 0; i < s.n; )
		i += utf8_next(s.p + i, s.n - i, &c.v[c.n++]);
	return c;
}

/* A backslash makes '*', '?' and itself literal; before '}' and '/' it is no part of the
 * pattern. */
static int compile(struct str pattern, struct chars *ret, struct err *e)
{
	struct chars c = chars_of(pattern);
	size_t n = 0;

	for (size_t i = 0; i < c.n; i++) {
		uint32_t ch = c.v[i];

		if (ch == '\\') {
			ch = ++i < c.n ? c.v[i] : 0;
			if (!ch || ch >= 0x80 || !strchr("*?\\}/", (int)ch)) {
				chars_done(&c);
				return err_set(e, ERR_USAGE,
					       "invalid pattern (" STR_FMT ") in substitution: "
					       "invalid escape", STR_ARG(pattern));
			}
		} else if (ch == '*' || ch == '?') {
			ch = ch == '*' ? STAR : ANY;
		}
		c.v[n++] = ch;
	}
	c.n = n;
	*ret = c;
	return 0;
}

static void reverse(struct chars *c)
{
	for (size_t i = 0; i < c->n / 2; i++) {
		uint32_t t = c->v[i];

		c->v[i] = c->v[c->n - 1 - i];
		c->v[c->n - 1 - i] = t;
	}
}

struct search {
	const struct chars *pat, *val;
	uint64_t *work;
	bool tired;		/* work is used up */
};

static bool run_at(struct search *s, size_t pat, size_t len, size_t at)
{
	for (size_t i = 0; i < len; i++) {
		if (*s->work == 0) {
			s->tired = true;
			return false;
		}
		--*s->work;
		if (s->pat->v[pat + i] != ANY && s->pat->v[pat + i] != s->val->v[at + i])
			return false;
	}
	return true;
}

/* The first place from `from` on where the run stands (the last one with last), or -1. */
static ptrdiff_t run_find(struct search *s, size_t pat, size_t len, size_t from, bool last)
{
	size_t n = s->val->n;

	if (len > n || from > n - len)
		return -1;
	for (size_t i = 0; i <= n - len - from && !s->tired; i++) {
		size_t at = last ? n - len - i : from + i;

		if (run_at(s, pat, len, at))
			return (ptrdiff_t)at;
	}
	return -1;
}

/* The end of the match that begins at `from` exactly (fixed), or at the first place that has
 * one. */
static ptrdiff_t match_end(struct search *s, size_t from, bool fixed, bool longest, size_t *start)
{
	size_t p = 0, len, at = from;

	for (bool first = true;; first = false) {
		ptrdiff_t found;
		bool last;

		for (len = 0; p + len < s->pat->n && s->pat->v[p + len] != STAR; len++)
			;
		last = p + len == s->pat->n;
		if (first && fixed)
			found = len <= s->val->n - at && run_at(s, p, len, at) ? (ptrdiff_t)at : -1;
		else
			found = run_find(s, p, len, at, last && longest && !first);
		if (found < 0)
			return -1;
		if (first)
			*start = (size_t)found;
		at = (size_t)found + len;
		if (last)
			return (ptrdiff_t)at;
		p += len + 1;
	}
}

static void put(const struct chars *c, size_t from, size_t to, struct buf *ret)
{
	for (; from < to; from++)
		utf8_put(ret, c->v[from]);
}

static int tired(struct str pattern, struct err *e)
{
	return err_set(e, ERR_LIMIT, "pattern (" STR_FMT ") takes too long to match",
		       STR_ARG(pattern));
}

int pattern_trim(struct str pattern, struct str value, bool at_end, bool longest, uint64_t *work,
		 struct buf *ret, struct err *e)
{
	auto_chars struct chars val = chars_of(value);
	auto_chars struct chars pat = { 0 };
	struct search s = { &pat, &val, work, false };
	size_t start;
	ptrdiff_t end;

	if (compile(pattern, &pat, e) < 0)
		return -1;
	if (at_end) {
		reverse(&val);
		reverse(&pat);
	}
	end = match_end(&s, 0, true, longest, &start);
	if (s.tired)
		return tired(pattern, e);
	if (end < 0)
		end = 0;
	if (at_end) {
		reverse(&val);
		put(&val, 0, val.n - (size_t)end, ret);
	} else {
		put(&val, (size_t)end, val.n, ret);
	}
	return 0;
}

int pattern_replace(struct str pattern, struct str text, struct str value, bool all, uint64_t *work,
		    struct buf *ret, struct err *e)
{
	auto_chars struct chars val = chars_of(value);
	auto_chars struct chars pat = { 0 };
	struct search s = { &pat, &val, work, false };
	size_t pos = 0, done = 0, start = 0;

	if (compile(pattern, &pat, e) < 0)
		return -1;
	do {
		ptrdiff_t end = match_end(&s, pos, false, true, &start);

		if (s.tired || *work < text.n)
			return tired(pattern, e);
		if (end < 0)
			break;
		put(&val, done, start, ret);
		if (start != (size_t)end || start != done || start == 0) {
			/* an empty match right behind another match is none */
			buf_str(ret, text);
			*work -= text.n;
		}
		done = (size_t)end;
		pos = start == (size_t)end ? done + 1 : done;
	} while (all && pos <= val.n);
	put(&val, done, val.n, ret);
	return 0;
}
