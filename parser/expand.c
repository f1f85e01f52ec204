/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables in words. One pass, recursive where words nest; the text of a nested word is made
 * whether it is taken or not, as the words of the reference do. Spec: shared/spec/dockerfile.md
 * 1.4.
 */
#include "parser/expand.h"

#include "parser/pattern.h"
#include "parser/words.h"

#define WORK_MAX ((uint64_t)64 << 20)	/* bytes written and pattern steps of one call */

struct split {			/* words at blanks that were not quoted */
	struct strv *ret;
	struct buf word;
	bool in;
};

struct expand {
	struct str s;
	size_t i;
	char escape;
	bool quotes;		/* quotes mean something */
	bool raw_escapes;	/* a pattern: escapes stay for it */
	struct env env;
	uint64_t work;
	size_t max;		/* bytes of the result */
	int depth;
};

struct out {			/* where text goes: into one text, or into words */
	struct buf *text;
	struct split *split;	/* NULL: no words wanted */
};

static bool at_end(const struct expand *x)
{
	return x->i == x->s.n;
}

static char peek(const struct expand *x)	/* NUL at the end; the grammar lets no NUL in */
{
	return at_end(x) ? '\0' : x->s.p[x->i];
}

static int spend(struct expand *x, const struct buf *to, size_t n, struct err *e)
{
	if (n > x->work || to->n + n > x->max)
		return err_set(e, ERR_LIMIT, "\"" STR_FMT "\" expands to more than %zu KiB",
			       STR_ARG(str_sub(x->s, 0, 60)), x->max >> 10);
	x->work -= n;
	return 0;
}

/* ---- output ---- */

static void split_end(struct split *w)
{
	if (w->word.n)
		strv_add_n(w->ret, buf_view(&w->word));
	buf_reset(&w->word);
	w->in = false;
}

/* quoted: blanks are part of the word. */
static int put(struct expand *x, struct out *o, struct str s, bool quoted, struct err *e)
{
	size_t len, n;

	if (!o->split || quoted) {
		struct buf *to = o->split ? &o->split->word : o->text;

		if (spend(x, to, s.n, e) < 0)
			return -1;
		buf_str(to, s);
		if (o->split)
			o->split->in = true;
		return 0;
	}
	for (size_t i = 0; i < s.n; i += n) {
		len = space_len(s.p + i, s.n - i);
		n = len ? len : 1;
		if (spend(x, &o->split->word, n, e) < 0)
			return -1;
		if (!len) {
			buf_putc(&o->split->word, s.p[i]);
			o->split->in = true;
		} else if (o->split->in) {
			split_end(o->split);
		}
	}
	return 0;
}

/* ---- names ---- */

/* Blocks above ASCII that hold no letters: signs, arrows, punctuation, combining marks, emoji. */
static bool is_letter(uint32_t c)
{
	static const struct { uint32_t first, last; } others[] = {
		{ 0x80, 0xa9 }, { 0xab, 0xb4 }, { 0xb6, 0xb9 }, { 0xbb, 0xbf }, { 0xd7, 0xd7 },
		{ 0xf7, 0xf7 },
		{ 0x2c2, 0x2c5 }, { 0x2d2, 0x2df }, { 0x300, 0x36f }, { 0x37e, 0x37e },
		{ 0x482, 0x489 },
		{ 0x2000, 0x2070 }, { 0x2074, 0x207e }, { 0x2080, 0x208f }, { 0x20a0, 0x2101 },
		{ 0x2190, 0x2bff }, { 0x2e00, 0x3004 }, { 0x3007, 0x3030 }, { 0x303d, 0x3040 },
		{ 0xd800, 0xf8ff }, { 0xfe00, 0xfe6f }, { 0xff00, 0xff20 }, { 0xff3b, 0xff40 },
		{ 0xff5b, 0xff65 }, { 0xffe0, 0xffff }, { 0x1f000, 0x1faff },
		{ 0xe0000, 0xffffffff },
	};

	if (c < 0x80)
		return (c | 32) >= 'a' && (c | 32) <= 'z';
	for (size_t i = 0; i < countof(others); i++)
		if (c >= others[i].first && c <= others[i].last)
			return false;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A name, a run of digits, or one special character; empty if there is none of them. */
static struct str take_name(struct expand *x)
{
	size_t start = x->i;

	if (is_digit(peek(x))) {
		while (is_digit(peek(x)))
			x->i++;
	} else if (!at_end(x) && strchr("@*#?-$!", peek(x))) {
		x->i++;
	} else {
		while (!at_end(x)) {
			uint32_t c;
			size_t len = utf8_next(x->s.p + x->i, x->s.n - x->i, &c);

			if (!is_letter(c) && c != '_' && !(c < 0x80 && is_digit((char)c)))
				break;
			x->i += len;
		}
	}
	return str_sub(x->s, start, x->i - start);
}

static const char *value_of(const struct expand *x, struct str name)
{
	return x->env.get && name.n ? x->env.get(x->env.arg, name) : NULL;
}

/* ---- ${...} ---- */

static int take_until(struct expand *x, char stop, struct out *o, struct err *e);

/* The word up to stop, made into a text of its own. */
static int take_word(struct expand *x, char stop, bool raw_escapes, struct buf *ret, struct err *e)
{
	bool saved = x->raw_escapes;
	struct out o = { ret, NULL };
	int r;

	if (++x->depth > EXPAND_DEPTH)
		return err_set(e, ERR_LIMIT, "substitutions are nested more than %d deep",
			       EXPAND_DEPTH);
	x->raw_escapes = raw_escapes;
	r = take_until(x, stop, &o, e);
	x->raw_escapes = saved;
	x->depth--;
	return r;
}

static int put_value(struct expand *x, struct out *o, const char *value, struct err *e)
{
	return put(x, o, str_of(value), false, e);
}

/* ${name-word} ${name+word} ${name?word}, with ':' an empty value counts as unset. */
static int take_choice(struct expand *x, struct str name, char op, bool colon, struct out *o,
		       struct err *e)
{
	auto_buf struct buf word = { 0 };
	const char *value, *why;
	bool set;

	if (take_word(x, '}', false, &word, e) < 0)
		return -1;
	value = value_of(x, name);
	why = value ? "is not allowed to be empty" : "is not allowed to be unset";
	set = value && !(colon && !*value);
	if (op == '+')
		return set ? put(x, o, buf_view(&word), false, e) : 0;
	if (set)
		return put_value(x, o, value, e);
	if (op == '-')
		return put(x, o, buf_view(&word), false, e);
	return err_set(e, ERR_USAGE, STR_FMT ": %s", STR_ARG(name), word.n ? word.p : why);
}

/* ${name#p} ${name##p} ${name%p} ${name%%p} */
static int take_trim(struct expand *x, struct str name, char op, struct out *o, struct err *e)
{
	auto_buf struct buf word = { 0 };
	auto_buf struct buf text = { 0 };
	struct str pattern;
	bool longest;

	if (take_word(x, '}', true, &word, e) < 0)
		return -1;
	pattern = buf_view(&word);
	longest = pattern.n && pattern.p[0] == op;
	pattern = str_sub(pattern, longest, pattern.n);
	if (pattern_trim(pattern, str_of(value_of(x, name)), op == '%', longest, &x->work, &text,
			 e) < 0)
		return -1;
	return put(x, o, buf_view(&text), false, e);
}

/* ${name/p/r} ${name//p/r} */
static int take_replace(struct expand *x, struct str name, struct out *o, struct err *e)
{
	auto_buf struct buf pattern = { 0 };
	auto_buf struct buf with = { 0 };
	auto_buf struct buf text = { 0 };
	bool all = peek(x) == '/';

	x->i += all;
	if (take_word(x, '/', true, &pattern, e) < 0 || take_word(x, '}', true, &with, e) < 0)
		return -1;
	if (pattern_replace(buf_view(&pattern), buf_view(&with), str_of(value_of(x, name)), all,
			    &x->work, &text,
			    e) < 0)
		return -1;
	return put(x, o, buf_view(&text), false, e);
}

static int bad_modifier(const char *mod, struct err *e)
{
	err_set(e, ERR_USAGE, "unsupported modifier (%s) in substitution", mod);
	return err_hint(e,
			"what there is: ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?w} ${v?w} ${v#p} ${v%p} ${v/p/r}");
}

/* Behind "${". */
static int take_braces(struct expand *x, struct out *o, struct err *e)
{
	char op, mod[3] = { 0 };
	struct str name;
	bool colon;

	if (at_end(x))
		return err_set(e, ERR_USAGE, "syntax error: missing '}'");
	if (strchr("{}:", peek(x)))
		return err_set(e, ERR_USAGE, "syntax error: bad substitution");
	name = take_name(x);
	if (at_end(x))
		return err_set(e, ERR_USAGE, "syntax error: missing '}'");
	op = x->s.p[x->i++];
	if (op == '}' && name.n)
		return put_value(x, o, value_of(x, name), e);
	if (op == '/' && name.n)
		return take_replace(x, name, o, e);
	mod[0] = op;
	colon = op == ':';
	if (colon && !at_end(x))
		mod[1] = op = x->s.p[x->i++];
	if (name.n && strchr("-+?", op))
		return take_choice(x, name, op, colon, o, e);
	if (name.n && !colon && strchr("#%", op))
		return take_trim(x, name, op, o, e);
	return bad_modifier(mod, e);
}

static int take_dollar(struct expand *x, struct out *o, struct err *e)
{
	struct str name;

	x->i++;
	if (peek(x) == '{') {
		x->i++;
		return take_braces(x, o, e);
	}
	name = take_name(x);
	if (name.n == 0)
		return put(x, o, STR_LIT("$"), false, e);
	return put_value(x, o, value_of(x, name), e);
}

/* ---- quotes and plain text ---- */

static int take_single(struct expand *x, struct out *o, struct err *e)
{
	struct str rest = str_sub(x->s, x->i + 1, x->s.n);
	ptrdiff_t end = str_find(rest, '\'');

	if (end < 0)
		return err_set(e, ERR_USAGE,
			       "unexpected end of statement while looking for matching single-quote");
	x->i += (size_t)end + 2;
	return put(x, o, str_sub(rest, 0, (size_t)end), true, e);
}

static int take_double(struct expand *x, struct out *o, struct err *e)
{
	auto_buf struct buf text = { 0 };
	struct out in = { &text, NULL };
	char c;

	for (x->i++; !at_end(x) && peek(x) != '"'; ) {
		if (peek(x) == '$') {
			if (take_dollar(x, &in, e) < 0)
				return -1;
			continue;
		}
		c = x->s.p[x->i++];
		if (c == x->escape) {
			if (x->raw_escapes)
				buf_putc(&text, c);
			if (at_end(x))
				break;
			if (peek(x) == '"' || peek(x) == '$' || peek(x) == x->escape)
				c = x->s.p[x->i++];
		}
		buf_putc(&text, c);
	}
	if (at_end(x))
		return err_set(e, ERR_USAGE,
			       "unexpected end of statement while looking for matching double-quote");
	x->i++;
	return put(x, o, buf_view(&text), true, e);
}

/* An escape and the character behind it; nothing if that is the end. */
static int take_escape(struct expand *x, struct out *o, struct err *e)
{
	size_t start = x->i + !x->raw_escapes;
	uint32_t c;

	x->i++;
	if (!at_end(x))
		x->i += utf8_next(x->s.p + x->i, x->s.n - x->i, &c);
	return put(x, o, str_sub(x->s, start, x->i - start), true, e);
}

/* Plain bytes up to the next that means something. */
static int take_plain(struct expand *x, char stop, struct out *o, struct err *e)
{
	size_t start = x->i;

	for (; !at_end(x); x->i++) {
		char c = peek(x);

		if (c == '$' || c == x->escape || (stop && c == stop) ||
		    (x->quotes && (c == '\'' || c == '"')))
			break;
	}
	return put(x, o, str_sub(x->s, start, x->i - start), false, e);
}

static int take_until(struct expand *x, char stop, struct out *o, struct err *e)
{
	while (!at_end(x)) {
		char c = peek(x);
		int r;

		if (stop && c == stop) {
			x->i++;
			return 0;
		}
		if (c == '$')
			r = take_dollar(x, o, e);
		else if (c == '\'' && x->quotes)
			r = take_single(x, o, e);
		else if (c == '"' && x->quotes)
			r = take_double(x, o, e);
		else if (c == x->escape)
			r = take_escape(x, o, e);
		else
			r = take_plain(x, stop, o, e);
		if (r < 0)
			return -1;
	}
	if (stop)
		return err_set(e, ERR_USAGE, "syntax error: missing '%c' in substitution", stop);
	return 0;
}

/* ---- entries ---- */

static int expand_text(struct expand x, struct buf *ret, struct err *e)
{
	auto_buf struct buf text = { 0 };
	struct out o = { &text, NULL };

	if (take_until(&x, '\0', &o, e) < 0)
		return -1;
	buf_str(ret, buf_view(&text));
	return 0;
}

int expand_word(struct str raw, char escape, struct env env, struct buf *ret, struct err *e)
{
	return expand_text((struct expand){ .s = raw, .escape = escape, .quotes = true, .env = env,
					    .work = WORK_MAX, .max = EXPAND_MAX }, ret, e);
}

int expand_body(struct str raw, struct env env, struct buf *ret, struct err *e)
{
	return expand_text((struct expand){ .s = raw, .escape = '\\', .env = env,
					    .work = WORK_MAX, .max = EXPAND_BODY_MAX }, ret, e);
}

int expand_words(struct str raw, char escape, struct env env, struct strv *ret, struct err *e)
{
	struct expand x = { .s = raw, .escape = escape, .quotes = true, .env = env,
			    .work = WORK_MAX, .max = EXPAND_MAX };
	auto_strv struct strv words = { 0 };
	struct split split = { .ret = &words };
	struct out o = { NULL, &split };
	int r = take_until(&x, '\0', &o, e);

	if (r == 0)
		split_end(&split);
	buf_done(&split.word);
	for (size_t i = 0; r == 0 && i < words.n; i++)
		strv_add(ret, words.v[i]);
	return r;
}

bool expand_needed(struct str raw, char escape)
{
	for (size_t i = 0; i < raw.n; i++)
		if (raw.p[i] == '$' || raw.p[i] == '\'' || raw.p[i] == '"' || raw.p[i] == escape)
			return true;
	return false;
}

bool expand_has_variable(struct str raw, char escape)
{
	bool single = false;

	for (size_t i = 0; i < raw.n; i++) {
		char c = raw.p[i];

		if (c == '\'')
			single = !single;	/* in "" it is none: hence '$' always counts */
		else if (c == escape && !single)
			i++;
		else if (c == '$' && i + 1 < raw.n)
			return true;
	}
	return false;
}
