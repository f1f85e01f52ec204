/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: measure, then print. */
#include "cli/table.h"

/* Characters of UTF-8 text: bytes that do not continue one. */
static size_t text_width(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static size_t *column_widths(struct str text)
{
	size_t *w = NULL, n = 0;

	while (text.n) {
		struct str line = str_cut(&text, '\n');

		for (size_t i = 0; line.p; i++) {
			struct str cell = str_cut(&line, '\t');

			if (!line.p)
				break;	/* the last one needs no column */
			if (i == n) {
				w = xrealloc(w, (n + 1) * sizeof(*w));
				w[n++] = TABLE_CELL_MIN;
			}
			w[i] = MAX(w[i], text_width(cell) + TABLE_GAP);
		}
	}
	return w;
}

static void put_cell(struct str s, size_t width, FILE *out)
{
	for (size_t i = 0; i < s.n; i++)
		fputc((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i], out);
	for (size_t i = text_width(s); i < width; i++)
		fputc(' ', out);
}

void table_print(struct str text, FILE *out)
{
	auto_free size_t *w = column_widths(text);

	while (text.n) {
		struct str line = str_cut(&text, '\n');

		for (size_t i = 0; line.p; i++) {
			struct str cell = str_cut(&line, '\t');

			put_cell(cell, line.p ? w[i] : 0, out);
		}
		fputc('\n', out);
	}
}
