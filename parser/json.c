/* SPDX-License-Identifier: Apache-2.0 */
/* JSON arrays of strings (RFC 8259), as exec forms write them; any other value is only skipped. */
#include "parser/words.h"

#define JSON_DEPTH 1000

struct json {
	struct str s;
	size_t i;
};

static void skip_blanks(struct json *j)
{
	while (j->i < j->s.n && (j->s.p[j->i] == ' ' || j->s.p[j->i] == '\t' ||
				 j->s.p[j->i] == '\n' ||
				 j->s.p[j->i] == '\r'))
		j->i++;
}

static char peek(const struct json *j)	/* NUL at the end: never valid in JSON */
{
	return j->i < j->s.n ? j->s.p[j->i] : '\0';
}

static bool take(struct json *j, char c)
{
	if (j->i == j->s.n || j->s.p[j->i] != c)
		return false;
	j->i++;
	return true;
}

static bool take_hex(struct json *j, uint32_t *ret)
{
	uint64_t v;

	if (j->s.n - j->i < 4 || !str_to_u64(str_sub(j->s, j->i, 4), 16, &v))
		return false;
	j->i += 4;
	*ret = (uint32_t)v;
	return true;
}

/* Behind "\u": a code unit, or two of them that are a pair. A lone surrogate becomes U+FFFD. */
static bool take_unicode(struct json *j, struct buf *ret)
{
	uint32_t c, low;
	size_t back;

	if (!take_hex(j, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00) {
		back = j->i;
		if (take(j, '\\') && take(j, 'u') && take_hex(j, &low) && low >= 0xdc00 &&
		    low < 0xe000) {
			utf8_put(ret, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
			return true;
		}
		j->i = back;
	}
	utf8_put(ret, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
	return true;
}

static bool take_escape(struct json *j, struct buf *ret)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = peek(j);
	const char *at;

	if (c == '\0')
		return false;
	j->i++;
	if (c == 'u')
		return take_unicode(j, ret);
	at = strchr(from, c);
	if (!at)
		return false;
	buf_putc(ret, to[at - from]);
	return true;
}

static bool take_string(struct json *j, struct buf *ret)
{
	uint32_t c;

	if (!take(j, '"'))
		return false;
	while (j->i < j->s.n) {
		size_t len = utf8_next(j->s.p + j->i, j->s.n - j->i, &c);

		if (c < 0x20)
			return false;
		j->i += len;
		if (c == '"')
			return true;
		if (c != '\\')
			utf8_put(ret, c >= 0x110000 ? 0xfffd : c);
		else if (!take_escape(j, ret))
			return false;
	}
	return false;
}

static bool take_digits(struct json *j)
{
	size_t start = j->i;

	while (peek(j) >= '0' && peek(j) <= '9')
		j->i++;
	return j->i > start;
}

static bool take_number(struct json *j)
{
	take(j, '-');
	if (!take(j, '0') && !take_digits(j))
		return false;
	if (take(j, '.') && !take_digits(j))
		return false;
	if (take(j, 'e') || take(j, 'E')) {
		if (!take(j, '+'))
			take(j, '-');
		return take_digits(j);
	}
	return true;
}

static bool take_literal(struct json *j, const char *word)
{
	if (!str_starts(str_sub(j->s, j->i, j->s.n), word))
		return false;
	j->i += strlen(word);
	return true;
}

static bool skip_value(struct json *j, int depth);

/* Behind the opening bracket: members up to the closing one. */
static bool skip_members(struct json *j, char end, int depth)
{
	auto_buf struct buf key = { 0 };

	skip_blanks(j);
	if (take(j, end))
		return true;
	for (;;) {
		skip_blanks(j);
		if (end == '}') {
			if (!take_string(j, &key))
				return false;
			skip_blanks(j);
			if (!take(j, ':'))
				return false;
		}
		if (!skip_value(j, depth))
			return false;
		skip_blanks(j);
		if (take(j, end))
			return true;
		if (!take(j, ','))
			return false;
	}
}

static bool skip_value(struct json *j, int depth)
{
	auto_buf struct buf text = { 0 };

	skip_blanks(j);
	if (depth > JSON_DEPTH)
		return false;
	if (take(j, '['))
		return skip_members(j, ']', depth + 1);
	if (take(j, '{'))
		return skip_members(j, '}', depth + 1);
	if (peek(j) == '"')
		return take_string(j, &text);
	return take_literal(j, "true") || take_literal(j, "false") || take_literal(j, "null") ||
	       take_number(j);
}

enum json_form words_json(struct str s, struct arena *a, struct strs *ret, struct strs *at,
			  struct str *bad)
{
	auto_buf struct buf text = { 0 };
	struct json j = { .s = s };
	enum json_form form = JSON_STRINGS;

	skip_blanks(&j);
	if (!take(&j, '['))
		return JSON_NONE;
	skip_blanks(&j);
	for (bool first = true; !take(&j, ']'); first = false) {
		size_t start;

		if (!first && !take(&j, ','))
			return JSON_NONE;
		skip_blanks(&j);
		start = j.i;
		buf_reset(&text);
		if (peek(&j) == '"' ? !take_string(&j, &text) : !skip_value(&j, 0))
			return JSON_NONE;
		if (s.p[start] == '"') {
			words_add(ret, arena_str(a, buf_view(&text)));
			words_add(at, str_sub(s, start, j.i - start));
		} else if (form == JSON_STRINGS) {
			form = JSON_OTHER;
			*bad = str_sub(s, start, j.i - start);
		}
		skip_blanks(&j);
	}
	skip_blanks(&j);
	return j.i == s.n ? form : JSON_NONE;
}
