/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about a text: kept up to a number, sorted, shown with the line and a caret. */
#include "parser/diag.h"

#include <stdarg.h>
#include <stdio.h>

#include "parser/source.h"
#include "parser/words.h"

#define SHOWN 120	/* columns of a source line that are shown around the place */
#define LEAD 40		/* columns of them before the place */
#define TEXT_MAX 1000	/* bytes of a message, before unprintable ones are escaped */

/* Bytes a terminal would obey, or that are no text, never reach it. */
static char *sanitize(const char *msg)
{
	struct str s = str_of(msg);
	struct buf b = { 0 };
	uint32_t c;

	for (size_t i = 0, len; i < s.n; i += len) {
		len = utf8_next(s.p + i, s.n - i, &c);
		if (c >= 0x110000 || c < 0x20 || (c >= 0x7f && c < 0xa0))
			buf_printf(&b, "\\x%02x", c & 0xff);
		else
			buf_add(&b, s.p + i, len);
	}
	if (s.n == TEXT_MAX - 1)
		buf_puts(&b, "...");
	return buf_take(&b);
}

static struct diag_item *item_new(struct diag *d, enum diag_level level, struct span at,
				  const char *guess)
{
	size_t *count = level == DIAG_ERROR ? &d->errors : &d->warnings;

	if (++*count > DIAG_KEPT)
		return NULL;
	if (d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 8;
		d->items = xrealloc(d->items, d->cap * sizeof(*d->items));
	}
	d->items[d->n] = (struct diag_item){ level, at, NULL, guess ? xstrdup(guess) : NULL };
	return &d->items[d->n++];
}

static void item_text(struct diag_item *it, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];

	if (!it)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	it->msg = sanitize(text);
}

void diag_error(struct diag *d, struct span at, const char *guess, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	item_text(item_new(d, DIAG_ERROR, at, guess), fmt, ap);
	va_end(ap);
}

void diag_warn(struct diag *d, struct span at, const char *guess, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	item_text(item_new(d, DIAG_WARN, at, guess), fmt, ap);
	va_end(ap);
}

void diag_err(struct diag *d, struct span at, struct err *e)
{
	diag_error(d, e->at.src ? e->at : at, NULL, "%s", err_text(e));
	err_clear(e);
}

const struct diag_item *diag_first(const struct diag *d)
{
	const struct diag_item *first = NULL;

	for (size_t i = 0; i < d->n; i++)
		if (d->items[i].level == DIAG_ERROR && (!first ||
							d->items[i].at.off < first->at.off))
			first = &d->items[i];
	return first;
}

struct window {			/* the part of a source line that is shown */
	struct buf text;	/* safe to print */
	struct buf pad;		/* blanks and TABs up to the caret */
	size_t width;		/* columns under the span, at least 1 */
};

static void window_fill(struct window *w, struct str line, size_t off, size_t len)
{
	size_t col = 0, caret = 0;
	uint32_t c;

	for (size_t i = 0; i < off && i < line.n; caret++)
		i += utf8_next(line.p + i, line.n - i, &c);
	for (size_t i = 0, n; i < line.n; i += n, col++) {
		n = utf8_next(line.p + i, line.n - i, &c);
		if (caret > SHOWN - LEAD && col < caret - LEAD)
			continue;
		if (w->text.n == 0 && col > 0) {
			buf_puts(&w->text, "...");
			buf_puts(&w->pad, "   ");
		}
		if (col >= caret + (SHOWN - LEAD) && col >= SHOWN) {
			buf_puts(&w->text, "...");
			break;
		}
		if (c == '\t' || (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && c < 0x110000))
			buf_add(&w->text, line.p + i, n);
		else
			buf_putc(&w->text, '?');
		if (col < caret)
			buf_putc(&w->pad, c == '\t' ? '\t' : ' ');
		else if (i < off + len)
			w->width++;
	}
	w->width = MAX(w->width, (size_t)1);
}

void diag_render_item(const struct diag_item *it, struct buf *ret)
{
	const struct source *s = it->at.src;
	struct place p = source_place(it->at);
	struct window w = { 0 };
	const char *at;
	struct str line;

	if (s)
		source_where(it->at, ret);
	buf_printf(ret, "%s%s: %s\n", s ? ": " : "", it->level == DIAG_ERROR ? "error" : "warning",
		   it->msg);
	if (!s) {
		if (it->guess)
			buf_printf(ret, "  did you mean %s?\n", it->guess);
		return;
	}
	line = source_line(s, p.line);
	at = s->text.p + MIN(it->at.off, s->text.n);
	window_fill(&w, line, at > line.p ? (size_t)(at - line.p) : 0, it->at.len);
	buf_printf(ret, "%5u | %s\n      | %s^", p.line, w.text.p ? w.text.p : "",
		   w.pad.p ? w.pad.p : "");
	for (size_t i = 1; i < w.width; i++)
		buf_putc(ret, '~');
	if (it->guess)
		buf_printf(ret, " did you mean %s?", it->guess);
	buf_putc(ret, '\n');
	buf_done(&w.text);
	buf_done(&w.pad);
}

static int item_cmp(const void *a, const void *b)
{
	const struct diag_item *x = a, *y = b;

	if (x->at.off != y->at.off)
		return x->at.off < y->at.off ? -1 : 1;
	return (x->level > y->level) - (x->level < y->level);
}

void diag_render(struct diag *d, struct buf *ret)
{
	if (d->n)
		qsort(d->items, d->n, sizeof(*d->items), item_cmp);
	for (size_t i = 0; i < d->n; i++)
		diag_render_item(&d->items[i], ret);
	if (d->errors > DIAG_KEPT)
		buf_printf(ret, "... and %zu more errors\n", d->errors - DIAG_KEPT);
	if (d->warnings > DIAG_KEPT)
		buf_printf(ret, "... and %zu more warnings\n", d->warnings - DIAG_KEPT);
}

void diag_done(struct diag *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->items[i].msg);
		free(d->items[i].guess);
	}
	free(d->items);
	*d = (struct diag){ 0 };
}
