/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed text, owned growing bytes, numbers read strictly. */
#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_is(struct str a, const char *b)
{
	return str_eq(a, str_of(b));
}

bool str_is_nocase(struct str a, const char *b)
{
	return a.n == strlen(b) && strncasecmp(a.p, b, a.n) == 0;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = MIN(a.n, b.n);
	int d = n ? memcmp(a.p, b.p, n) : 0;

	return d ? d : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

bool str_ends(struct str s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
	while (s.n && is_blank(s.p[0]))
		s.p++, s.n--;
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

ptrdiff_t str_find(struct str s, char c)
{
	const char *p = s.n ? memchr(s.p, c, s.n) : NULL;

	return p ? p - s.p : -1;
}

struct str str_cut(struct str *rest, char sep)
{
	struct str head = *rest;
	ptrdiff_t i = str_find(*rest, sep);

	if (i < 0) {
		*rest = (struct str){ NULL, 0 };
		return head;
	}
	head.n = (size_t)i;
	rest->p += i + 1;
	rest->n -= (size_t)i + 1;
	return head;
}

char *str_dup(struct str s)
{
	return xstrndup(s.n ? s.p : "", s.n);
}

char *str_path_clean(const char *path)
{
	auto_buf struct buf b = { 0 };
	struct str rest = str_of(path);

	while (rest.p) {
		struct str part = str_cut(&rest, '/');

		if (part.n == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			while (b.n && b.p[b.n - 1] != '/')
				b.n--;
			b.n -= b.n > 0;
			continue;
		}
		buf_putc(&b, '/');
		buf_str(&b, part);
	}
	return b.n ? xstrndup(b.p, b.n) : xstrdup("/");
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

bool str_to_u64(struct str s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)digit_of(s.p[i]);

		if (d >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, d, &v))
			return false;
	}
	*ret = v;
	return true;
}

/* The power of 1024 that a size's suffix names: "", b, k, kb, kib, m ... p; -1 if unknown. */
static int unit_of(struct str s)
{
	static const char letters[] = "kmgtp";
	const char *at;

	if (s.n == 0 || str_is_nocase(s, "b"))
		return 0;
	at = strchr(letters, tolower((unsigned char)s.p[0]));
	if (!at || !(s.n == 1 || str_is_nocase(str_sub(s, 1, 9), "b") ||
		     str_is_nocase(str_sub(s, 1, 9), "ib")))
		return -1;
	return (int)(at - letters) + 1;
}

bool str_to_bytes(struct str s, uint64_t *ret)
{
	uint64_t whole, frac = 0, scale = 1;
	size_t i = 0, dot;
	int unit;

	while (i < s.n && digit_of(s.p[i]) < 10)
		i++;
	dot = i;
	if (i < s.n && s.p[i] == '.')
		for (i++; i < s.n && digit_of(s.p[i]) < 10; i++)
			if (scale < 1000000) {
				frac = frac * 10 + (uint64_t)digit_of(s.p[i]);
				scale *= 10;
			}
	unit = unit_of(str_trim(str_sub(s, i, s.n)));
	if (unit < 0 || !str_to_u64(str_sub(s, 0, dot), 10, &whole) ||
	    __builtin_mul_overflow(whole, (uint64_t)1 << (10 * unit), &whole))
		return false;
	*ret = whole + (frac << (10 * unit)) / scale;
	return true;
}

#define NEAR_MAX 64	/* longer words are no guess */

static bool same(struct str a, size_t i, struct str b, size_t j)	/* those before i and j */
{
	return tolower((unsigned char)a.p[i - 1]) == tolower((unsigned char)b.p[j - 1]);
}

/* Edits from a to b: insert, delete, replace, swap two neighbours. Both of at most NEAR_MAX bytes. */
static size_t distance(struct str a, struct str b)
{
	size_t rows[3][NEAR_MAX + 1];

	for (size_t i = 0; i <= a.n; i++) {
		size_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			if (i == 0) {
				row[j] = j;
				continue;
			}
			row[j] = MIN(MIN(up[j], row[j - 1]) + 1, up[j - 1] + !same(a, i, b, j));
			if (i > 1 && j > 1 && same(a, i, b, j - 1) && same(a, i - 1, b, j))
				row[j] = MIN(row[j], up2[j - 2] + 1);
		}
	}
	return rows[a.n % 3][b.n];
}

const char *str_nearest(struct str s, const char *const *words)
{
	size_t least = MAX(s.n / 3, (size_t)1) + 1;
	const char *best = NULL;

	for (; s.n && s.n <= NEAR_MAX && *words; words++) {
		struct str word = str_of(*words);
		size_t d = word.n <= NEAR_MAX ? distance(s, word) : least;

		if (d < least) {
			least = d;
			best = *words;
		}
	}
	return best;
}

static NORETURN void buf_overflow(void)
{
	static const char text[] = "tare: a buffer grew past its limit\n";

	(void)!write(2, text, sizeof(text) - 1);
	abort();
}

void buf_reserve(struct buf *b, size_t more)
{
	size_t max = b->max ? b->max : BUF_MAX, need = b->n + more + 1;

	if (more > max || b->n > max - more)
		buf_overflow();
	if (need <= b->cap)
		return;
	b->cap = MAX(need, b->cap + b->cap / 2);
	b->p = xrealloc(b->p, b->cap);
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	buf_reserve(b, n);
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void buf_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	buf_reserve(b, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = '\0';
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

char *buf_take(struct buf *b)
{
	char *p = b->p ? b->p : xstrdup("");

	*b = (struct buf){ .max = b->max };
	return p;
}

void buf_hex(struct buf *b, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *u = p;

	buf_reserve(b, 2 * n);
	for (size_t i = 0; i < n; i++) {
		buf_putc(b, digits[u[i] >> 4]);
		buf_putc(b, digits[u[i] & 15]);
	}
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_base64(struct buf *b, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i += 3) {
		size_t have = MIN(n - i, 3);
		uint32_t v = (uint32_t)c[i] << 16 | (have > 1 ? (uint32_t)c[i + 1] << 8 : 0) | (have > 2 ? c[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			buf_putc(b, k <= have ? base64_digits[v >> (18 - 6 * k) & 63] : '=');
	}
}

bool buf_base64_decode(struct buf *b, struct str s)
{
	uint32_t v = 0;
	unsigned bits = 0;

	while (s.n > 0 && (s.p[s.n - 1] == '=' || strchr(" \t\r\n", s.p[s.n - 1])))
		s.n--;
	for (size_t i = 0; i < s.n; i++) {
		const char *digit = s.p[i] ? strchr(base64_digits, s.p[i]) : NULL;

		if (s.p[i] && strchr(" \t\r\n", s.p[i]))
			continue;
		if (!digit)
			return false;
		v = v << 6 | (uint32_t)(digit - base64_digits);
		bits += 6;
		if (bits >= 8)
			buf_putc(b, (char)(v >> (bits -= 8) & 0xff));
	}
	return true;
}

/* The letter that follows the backslash in both JSON and Go; 0 if the byte needs none. */
static char escape_letter(unsigned char c)
{
	switch (c) {
	case '"': case '\\': return (char)c;
	case '\n': return 'n';
	case '\r': return 'r';
	case '\t': return 't';
	case '\b': return 'b';
	case '\f': return 'f';
	}
	return 0;
}

void buf_json_str(struct buf *b, struct str s)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char l = escape_letter(c);

		if (l)
			buf_printf(b, "\\%c", l);
		else if (c < 0x20)
			buf_printf(b, "\\u%04x", c);
		else
			buf_putc(b, (char)c);
	}
	buf_putc(b, '"');
}

/* Length of the valid UTF-8 sequence at p, 0 if there is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 :
		     p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void buf_json_bytes(struct buf *b, struct str s)
{
	const unsigned char *u = (const unsigned char *)s.p;
	size_t from = 0, i = 0;

	buf_putc(b, '"');
	while (i < s.n) {
		size_t len = utf8_len(u + i, s.n - i);

		if (len > 1 || (len == 1 && u[i] >= 0x20 && u[i] != '"' && u[i] != '\\')) {
			i += len;
			continue;
		}
		buf_add(b, s.p + from, i - from);
		if (escape_letter(u[i]))
			buf_printf(b, "\\%c", escape_letter(u[i]));
		else
			buf_printf(b, "\\u%04x", len ? u[i] : 0xdc00u + u[i]);
		from = ++i;
	}
	buf_add(b, s.p + from, i - from);
	buf_putc(b, '"');
}

void buf_go_quote(struct buf *b, struct str s)
{
	const unsigned char *u = (const unsigned char *)s.p;

	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; ) {
		size_t len = utf8_len(u + i, s.n - i);
		char l = escape_letter(u[i]);

		if (u[i] == 0x07 || u[i] == 0x0b)
			l = u[i] == 0x07 ? 'a' : 'v';
		if (l)
			buf_printf(b, "\\%c", l);
		else if (len == 0 || u[i] < 0x20 || u[i] == 0x7f)
			buf_printf(b, "\\x%02x", u[i]);
		else
			buf_add(b, u + i, len);
		i += len ? len : 1;
	}
	buf_putc(b, '"');
}

void strv_take(struct strv *l, char *s)
{
	l->v = xrealloc(l->v, (l->n + 2) * sizeof(*l->v));
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

void strv_add(struct strv *l, const char *s)
{
	strv_take(l, xstrdup(s));
}

void strv_add_n(struct strv *l, struct str s)
{
	strv_take(l, str_dup(s));
}

void strv_copy(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

void strv_done(struct strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strv){ 0 };
}

bool strv_has(const struct strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

static char **env_slot(const struct strv *l, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < l->n; i++)
		if (strncmp(l->v[i], key, n) == 0 && l->v[i][n] == '=')
			return &l->v[i];
	return NULL;
}

void strv_env_set(struct strv *l, const char *key, const char *value)
{
	char **slot = env_slot(l, key);
	char *text = xasprintf("%s=%s", key, value);

	if (!slot) {
		strv_take(l, text);
		return;
	}
	free(*slot);
	*slot = text;
}

const char *strv_env_get(const struct strv *l, const char *key)
{
	char **slot = env_slot(l, key);

	return slot ? *slot + strlen(key) + 1 : NULL;
}
