/* SPDX-License-Identifier: Apache-2.0 */
/* A text and its lines; a byte's place as line and column. */
#include "parser/source.h"

#include "parser/words.h"

#define BOM "\xef\xbb\xbf"

int source_init(struct source *s, const char *name, struct str text, struct err *e)
{
	size_t n = 1, cap = 64;

	if (text.n > SOURCE_MAX) {
		err_set(e, ERR_LIMIT, "%s has %zu bytes; at most %zu MiB are read", name, text.n,
			SOURCE_MAX >> 20);
		return err_hint(e, "is it the right file?");
	}
	*s = (struct source){ .name = name, .text = text };
	s->lines = xmalloc(cap * sizeof(*s->lines));
	s->lines[0] = 0;
	for (const char *p = text.p, *end = p + text.n; p < end; n++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p || ++p == end)
			break;
		if (n == cap)
			s->lines = xrealloc(s->lines, (cap *= 2) * sizeof(*s->lines));
		s->lines[n] = (uint32_t)(p - text.p);
	}
	s->nlines = n;
	return 0;
}

void source_done(struct source *s)
{
	free(s->lines);
	*s = (struct source){ 0 };
}

struct span source_span(const struct source *s, size_t off, size_t len)
{
	return (struct span){ s, (uint32_t)MIN(off, s->text.n), (uint32_t)len };
}

struct str source_line(const struct source *s, unsigned line)
{
	size_t start, end;
	struct str l;

	if (line == 0 || line > s->nlines)
		return (struct str){ "", 0 };
	start = s->lines[line - 1];
	end = line < s->nlines ? s->lines[line] : s->text.n;
	l = str_sub(s->text, start, end - start);
	while (l.n && (l.p[l.n - 1] == '\n' || l.p[l.n - 1] == '\r'))
		l.n--;
	if (line == 1 && str_starts(l, BOM))
		l = str_sub(l, 3, l.n);
	return l;
}

/* The number of the line that holds the byte at off, from 1. */
static unsigned line_of(const struct source *s, uint32_t off)
{
	size_t lo = 0, hi = s->nlines;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->lines[mid] <= off)
			lo = mid;
		else
			hi = mid;
	}
	return (unsigned)lo + 1;
}

struct place source_place(struct span at)
{
	struct place r = { 1, 1 };
	const char *p, *end;
	uint32_t c;

	if (!at.src)
		return r;
	r.line = line_of(at.src, at.off);
	p = source_line(at.src, r.line).p;
	end = at.src->text.p + MIN(at.off, at.src->text.n);
	for (; p < end; r.col++)
		p += utf8_next(p, (size_t)(end - p), &c);
	return r;
}

void source_where(struct span at, struct buf *ret)
{
	struct place p = source_place(at);

	buf_printf(ret, "%s:%u:%u", at.src ? at.src->name : "?", p.line, p.col);
}
