/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive descent over TOML; depth is bounded, every error names its line. */
#include "parser/toml.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

struct toml {
	struct str s;		/* what is left */
	size_t line;
	int depth;
	struct err *e;
};

static int fail(struct toml *t, const char *what)
{
	return err_set(t->e, ERR_USAGE, "line %zu: %s", t->line, what);
}

static char peek(const struct toml *t)
{
	return t->s.n ? t->s.p[0] : 0;
}

static void advance(struct toml *t, size_t n)
{
	for (size_t i = 0; i < n && i < t->s.n; i++)
		t->line += t->s.p[i] == '\n';
	t->s = str_sub(t->s, n, t->s.n);
}

static void blanks(struct toml *t)
{
	while (peek(t) == ' ' || peek(t) == '\t')
		advance(t, 1);
}

static void comment(struct toml *t)
{
	blanks(t);
	if (peek(t) == '#')
		while (t->s.n && peek(t) != '\n')
			advance(t, 1);
	else if (str_starts(t->s, "\r\n"))
		advance(t, 1);
}

/* Blanks, comments and line ends. */
static void space(struct toml *t)
{
	comment(t);
	while (peek(t) == '\n') {
		advance(t, 1);
		comment(t);
	}
}

static void put_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80)
		buf_putc(b, (char)c);
	else if (c < 0x800)
		buf_printf(b, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 63));
	else if (c < 0x10000)
		buf_printf(b, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
	else
		buf_printf(b, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 63), 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
}

/* After a backslash. */
static int escape(struct toml *t, bool multi, struct buf *b)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\033\"\\";
	char c = peek(t);
	const char *at = c ? strchr(from, c) : NULL;
	size_t digits = c == 'u' ? 4 : c == 'U' ? 8 : 0;
	uint64_t code;

	if (at) {
		buf_putc(b, to[at - from]);
		advance(t, 1);
		return 0;
	}
	if (digits) {
		if (t->s.n <= digits || !str_to_u64(str_sub(t->s, 1, digits), 16, &code) || code > 0x10ffff ||
		    (code >= 0xd800 && code < 0xe000))
			return fail(t, "a bad \\u escape");
		put_utf8(b, (uint32_t)code);
		advance(t, 1 + digits);
		return 0;
	}
	if (!multi || !c || !strchr(" \t\r\n", c))
		return fail(t, "an unknown escape");
	while (t->s.n && strchr(" \t\r\n", peek(t)))	/* a line that ends in a backslash goes on at the next word */
		advance(t, 1);
	return 0;
}

/* At the opening quote; multi-line forms have three. */
static int string(struct toml *t, bool key, struct buf *b)
{
	char q = peek(t);
	bool multi = !key && t->s.n >= 3 && t->s.p[1] == q && t->s.p[2] == q;

	advance(t, multi ? 3 : 1);
	if (multi && str_starts(t->s, "\r\n"))
		advance(t, 1);
	if (multi && peek(t) == '\n')
		advance(t, 1);
	while (t->s.n) {
		char c = peek(t);

		if (c == q && (!multi || (t->s.n >= 3 && t->s.p[1] == q && t->s.p[2] == q))) {
			/* up to two quotes may stand before the closing three */
			for (int i = 0; multi && i < 2 && t->s.n > 3 && t->s.p[3] == q; i++) {
				buf_putc(b, q);
				advance(t, 1);
			}
			advance(t, multi ? 3 : 1);
			return 0;
		}
		if ((c == '\n' && !multi) || ((unsigned char)c < ' ' && !strchr("\t\r\n", c)) || !c)
			return fail(t, "a string is not closed, or holds a control character");
		advance(t, 1);
		if (c == '\\' && q == '"') {
			if (escape(t, multi, b) < 0)
				return -1;
		} else {
			buf_putc(b, c);
		}
	}
	return fail(t, "a string is not closed");
}

static bool bare_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* One part of a key. */
static int key_part(struct toml *t, struct buf *b)
{
	size_t n = 0;

	buf_reset(b);
	buf_puts(b, "");
	if (peek(t) == '"' || peek(t) == '\'')
		return string(t, true, b);
	while (n < t->s.n && bare_char(t->s.p[n]))
		n++;
	if (n == 0)
		return fail(t, "a key is missing");
	buf_str(b, str_sub(t->s, 0, n));
	advance(t, n);
	return 0;
}

static int value(struct toml *t, json_t **ret);

/* The table called key in at, made if it is missing; of an array of tables the last. NULL: there is something else. */
static json_t *descend(struct toml *t, json_t *at, struct str key)
{
	json_t *next = json_object_getn(at, key.p, key.n);

	if (!next) {
		next = json_object();
		if (json_object_setn_new(at, key.p, key.n, next) < 0) {
			fail(t, "a key is not UTF-8");
			return NULL;
		}
	}
	if (json_is_array(next))
		next = json_array_get(next, json_array_size(next) - 1);
	if (!json_is_object(next)) {
		fail(t, "a key is used as a table, but has a value");
		return NULL;
	}
	return next;
}

/* "a.b.c": *at becomes the table of the last part, which is left in b. */
static int dotted(struct toml *t, json_t **at, struct buf *b)
{
	for (int n = 0;; n++) {
		blanks(t);
		if (key_part(t, b) < 0)
			return -1;
		blanks(t);
		if (peek(t) != '.')
			return 0;
		advance(t, 1);
		*at = descend(t, *at, buf_view(b));
		if (!*at)
			return -1;
		if (n == TOML_DEPTH_MAX)
			return fail(t, "too many parts of a key");
	}
}

static int key_value(struct toml *t, json_t *table)
{
	auto_buf struct buf key = { 0 };
	json_t *v;

	if (dotted(t, &table, &key) < 0)
		return -1;
	if (peek(t) != '=')
		return fail(t, "\"=\" is missing");
	advance(t, 1);
	blanks(t);
	if (json_object_getn(table, key.p, key.n))
		return err_set(t->e, ERR_USAGE, "line %zu: %s is there already", t->line, key.p);
	if (value(t, &v) < 0)
		return -1;
	return json_object_setn_new(table, key.p, key.n, v) < 0 ? fail(t, "a key is not UTF-8") : 0;
}

static int array(struct toml *t, json_t *ret)
{
	advance(t, 1);
	for (;;) {
		json_t *v;

		space(t);
		if (peek(t) == ']')
			break;
		if (value(t, &v) < 0)
			return -1;
		json_array_append_new(ret, v);
		space(t);
		if (peek(t) == ']')
			break;
		if (peek(t) != ',')
			return fail(t, "\",\" or \"]\" is missing in an array");
		advance(t, 1);
	}
	advance(t, 1);
	return 0;
}

static int inline_table(struct toml *t, json_t *ret)
{
	advance(t, 1);
	blanks(t);
	if (peek(t) == '}') {
		advance(t, 1);
		return 0;
	}
	for (;;) {
		if (key_value(t, ret) < 0)
			return -1;
		blanks(t);
		if (peek(t) == '}')
			break;
		if (peek(t) != ',')
			return fail(t, "\",\" or \"}\" is missing in a table");
		advance(t, 1);
	}
	advance(t, 1);
	return 0;
}

/* "2026-01-02", "07:32:00.5", "2026-01-02 07:32:00Z": digits with "-" or ":" where those have them. */
static bool is_time(struct str w)
{
	return (w.n >= 8 && isdigit((unsigned char)w.p[0]) && w.p[2] == ':') ||
		(w.n >= 10 && isdigit((unsigned char)w.p[0]) && w.p[4] == '-' && w.p[7] == '-');
}

static json_t *integer(struct str w)
{
	bool minus = w.n && w.p[0] == '-';
	unsigned base = 10;
	uint64_t v;

	if (w.n && (w.p[0] == '-' || w.p[0] == '+'))
		w = str_sub(w, 1, w.n);
	if (w.n > 2 && w.p[0] == '0' && strchr("xob", w.p[1])) {
		base = w.p[1] == 'x' ? 16 : w.p[1] == 'o' ? 8 : 2;
		w = str_sub(w, 2, w.n);
	} else if (w.n > 1 && w.p[0] == '0') {
		return NULL;
	}
	if (!str_to_u64(w, base, &v) || v > (uint64_t)INT64_MAX)
		return NULL;
	return json_integer(minus ? -(json_int_t)v : (json_int_t)v);
}

static json_t *number(struct str w)
{
	auto_buf struct buf b = { 0 };
	json_t *i;
	char *end;
	double d;

	for (size_t k = 0; k < w.n; k++)
		if (w.p[k] != '_')
			buf_putc(&b, w.p[k]);
	i = integer(buf_view(&b));
	if (i || !b.n)
		return i;
	for (size_t k = 0; k < b.n; k++)
		if (!isdigit((unsigned char)b.p[k]) && !strchr("+-.eE", b.p[k]))
			return NULL;		/* JSON has neither inf nor nan */
	d = strtod(b.p, &end);
	return *end || !isfinite(d) || !strpbrk(b.p, ".eE") ? NULL : json_real(d);
}

static int scalar(struct toml *t, json_t **ret)
{
	struct str w;
	size_t n = 0;

	while (n < t->s.n && (bare_char(t->s.p[n]) || (t->s.p[n] && strchr("+.:", t->s.p[n])) ||
			      (n == 10 && t->s.p[n] == ' ' && t->s.n > 11 && isdigit((unsigned char)t->s.p[11]))))
		n++;
	w = str_sub(t->s, 0, n);
	if (n == 0)
		return fail(t, "a value is missing");
	*ret = str_is(w, "true") ? json_true() : str_is(w, "false") ? json_false()
		: is_time(w) ? json_stringn(w.p, w.n) : number(w);
	if (!*ret)
		return fail(t, "a value is neither a string in quotes, a number, a date nor true or false");
	advance(t, n);
	return 0;
}

static int value(struct toml *t, json_t **ret)
{
	auto_buf struct buf b = { 0 };
	char c = peek(t);
	int r;

	if (c == '"' || c == '\'') {
		if (string(t, false, &b) < 0)
			return -1;
		*ret = json_stringn(buf_view(&b).p, b.n);
		return *ret ? 0 : fail(t, "a string is not UTF-8");
	}
	if (c != '[' && c != '{')
		return scalar(t, ret);
	if (++t->depth > TOML_DEPTH_MAX)
		return fail(t, "too deep");
	*ret = c == '[' ? json_array() : json_object();
	r = c == '[' ? array(t, *ret) : inline_table(t, *ret);
	t->depth--;
	if (r < 0)
		json_decref(*ret);
	return r;
}

/* "[a.b]" or "[[a.b]]": *ret becomes the table that follows. */
static int header(struct toml *t, json_t *root, json_t **ret)
{
	bool list = t->s.n > 1 && t->s.p[1] == '[';
	auto_buf struct buf key = { 0 };
	json_t *at = root, *old;

	advance(t, list ? 2 : 1);
	if (dotted(t, &at, &key) < 0)
		return -1;
	if (!str_starts(t->s, list ? "]]" : "]"))
		return fail(t, "\"]\" is missing");
	advance(t, list ? 2 : 1);
	old = json_object_getn(at, key.p, key.n);
	if (!list) {
		*ret = json_is_array(old) ? NULL : descend(t, at, buf_view(&key));
		return *ret ? 0 : json_is_array(old) ? fail(t, "a list of tables is opened as a table") : -1;
	}
	if (!old) {
		old = json_array();
		if (json_object_setn_new(at, key.p, key.n, old) < 0)
			return fail(t, "a key is not UTF-8");
	}
	if (!json_is_array(old) || (json_array_size(old) && !json_is_object(json_array_get(old, 0))))
		return fail(t, "a key is used as a list of tables, but has a value");
	*ret = json_object();
	json_array_append_new(old, *ret);
	return 0;
}

static int document(struct toml *t, json_t *root)
{
	json_t *at = root;

	for (space(t); t->s.n; space(t)) {
		int r = peek(t) == '[' ? header(t, root, &at) : key_value(t, at);

		if (r < 0)
			return -1;
		comment(t);
		if (t->s.n && peek(t) != '\n')
			return fail(t, "something follows a value on its line");
	}
	return 0;
}

int toml_parse(struct str text, json_t **ret, struct err *e)
{
	struct toml t = { .s = text, .line = 1, .e = e };
	json_t *root = json_object();

	if (str_starts(text, "\xef\xbb\xbf"))
		t.s = str_sub(text, 3, text.n);
	if (document(&t, root) < 0) {
		json_decref(root);
		return -1;
	}
	*ret = root;
	return 0;
}
