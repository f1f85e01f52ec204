/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting text into words: at blanks, shell-like, CSV; characters of UTF-8. */
#include "parser/words.h"


void words_add(struct strs *l, struct str s)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 8;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = s;
}

void words_done(struct strs *l)
{
	free(l->v);
	*l = (struct strs){ 0 };
}

size_t utf8_next(const char *p, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)p[0];
	size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 :
		     first < 0xf5 ? 4 : 0;
	uint32_t c = len == 1 ? first : first & (0x7fu >> len);

	*ret = 0x110000u + first;
	if (len == 0 || len > n)
		return 1;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 1;
		c = c << 6 | ((unsigned char)p[i] & 0x3fu);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 1;
	*ret = c;
	return len;
}

void utf8_put(struct buf *b, uint32_t c)
{
	if (c < 0x80 || c >= 0x110000) {
		buf_putc(b, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_putc(b, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_putc(b, (char)(0xe0 | c >> 12));
		} else {
			buf_putc(b, (char)(0xf0 | c >> 18));
			buf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_putc(b, (char)(0x80 | (c & 0x3f)));
}

static bool is_space(uint32_t c)	/* Unicode, property White_Space */
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
	       c == 0x3000;
}

size_t space_len(const char *p, size_t n)
{
	uint32_t c;
	size_t len;

	if (n == 0 || (unsigned char)(*p - '!') < 0x7f - '!')	/* a visible ASCII character */
		return 0;
	len = utf8_next(p, n, &c);
	return is_space(c) ? len : 0;
}

struct str space_trim_left(struct str s)
{
	size_t len;

	while ((len = space_len(s.p, s.n)) > 0)
		s.p += len, s.n -= len;
	return s;
}

struct str space_trim(struct str s)
{
	s = space_trim_left(s);
	while (s.n) {
		size_t len = 1;

		while (len < 4 && len < s.n && ((unsigned char)s.p[s.n - len] & 0xc0) == 0x80)
			len++;
		if (space_len(s.p + s.n - len, len) != len)
			break;
		s.n -= len;
	}
	return s;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

void words_split(struct str s, struct strs *ret)
{
	size_t i = 0, start;

	for (;;) {
		while (i < s.n && is_blank(s.p[i]))
			i++;
		if (i == s.n)
			return;
		for (start = i; i < s.n && !is_blank(s.p[i]); i++)
			;
		words_add(ret, str_sub(s, start, i - start));
	}
}

/* The end of the shell-like word that starts at i; *cut is set if an escape at the text's end is
 * dropped. */
static size_t word_end(struct str s, size_t i, char escape, bool *cut)
{
	char quote = 0;

	*cut = false;
	while (i < s.n) {
		char c = s.p[i];

		if (!quote && space_len(s.p + i, s.n - i))
			break;
		if (quote && c == quote)
			quote = 0;
		else if (!quote && (c == '\'' || c == '"'))
			quote = c;
		else if (c == escape && quote != '\'') {
			if (++i == s.n) {
				*cut = true;
				break;
			}
		}
		i++;
	}
	return i;
}

void words_shell(struct str s, char escape, struct strs *ret)
{
	size_t i = 0, len, start;
	bool cut;

	while (i < s.n) {
		len = space_len(s.p + i, s.n - i);
		if (len) {
			i += len;
			continue;
		}
		start = i;
		i = word_end(s, i, escape, &cut);
		if (i - start > cut)
			words_add(ret, str_sub(s, start, i - start - cut));
	}
}

/* The field behind an opening quote at *i, which moves behind the closing one. */
static bool csv_quoted(struct str s, size_t *i, struct buf *ret)
{
	for ((*i)++; *i < s.n; (*i)++) {
		if (s.p[*i] != '"') {
			buf_putc(ret, s.p[*i]);
		} else if (*i + 1 < s.n && s.p[*i + 1] == '"') {
			buf_putc(ret, '"');
			(*i)++;
		} else {
			(*i)++;
			return *i == s.n || s.p[*i] == ',';
		}
	}
	return false;
}

bool words_csv(struct str s, struct arena *a, struct strs *ret)
{
	auto_buf struct buf field = { 0 };
	size_t i = 0;

	for (;;) {
		buf_reset(&field);
		if (i < s.n && s.p[i] == '"') {
			if (!csv_quoted(s, &i, &field))
				return false;
		} else {
			for (; i < s.n && s.p[i] != ','; i++) {
				if (s.p[i] == '"')
					return false;
				buf_putc(&field, s.p[i]);
			}
		}
		words_add(ret, arena_str(a, buf_view(&field)));
		if (i == s.n)
			return true;
		i++;
	}
}

void clean_path(struct str s, struct buf *ret)
{
	bool rooted = s.n && s.p[0] == '/';
	size_t base = ret->n, floor;
	struct str rest = s;

	if (rooted)
		buf_putc(ret, '/');
	floor = ret->n;		/* what ".." may not remove */
	while (rest.p && rest.n) {
		struct str part = str_cut(&rest, '/');

		if (part.n == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..") && ret->n > floor) {
			while (ret->n > floor && ret->p[ret->n - 1] != '/')
				ret->n--;
			if (ret->n > floor)
				ret->n--;
			ret->p[ret->n] = '\0';
			continue;
		}
		if (str_is(part, "..") && rooted)
			continue;
		if (ret->n > base + rooted)
			buf_putc(ret, '/');
		buf_str(ret, part);
		if (str_is(part, ".."))
			floor = ret->n;
	}
	if (ret->n == base)
		buf_putc(ret, '.');
}
