/* SPDX-License-Identifier: Apache-2.0 */
/* The tree as text, in the S-expression form that parser tests compare. */
#include "parser/ast.h"

#include "parser/instr.h"

static void dump_flags(const struct node *n, struct buf *ret)
{
	auto_buf struct buf word = { 0 };

	if (n->nflags == 0)
		return;
	buf_puts(ret, " [");
	for (size_t i = 0; i < n->nflags; i++) {
		const struct flag *f = &n->flags[i];

		buf_reset(&word);
		buf_printf(&word, "--" STR_FMT "%s" STR_FMT, STR_ARG(f->name),
			   f->has_value ? "=" : "",
			   STR_ARG(f->value));
		buf_puts(ret, i ? " " : "");
		buf_go_quote(ret, buf_view(&word));
	}
	buf_putc(ret, ']');
}

static void dump_node(const struct node *n, struct buf *ret)
{
	buf_putc(ret, '(');
	for (const char *p = n->def->name; *p; p++)
		buf_putc(ret, (char)(*p | 32));
	dump_flags(n, ret);
	for (size_t i = 0; i < n->nwords; i++) {
		buf_putc(ret, ' ');
		buf_go_quote(ret, n->words[i].text);
		if (n->def->form == FORM_KEY_VALUE && i % 2 == 1)	/* the separator is a word */
			buf_puts(ret, n->legacy ? " \"\"" : " \"=\"");
	}
	if (n->onbuild) {
		buf_putc(ret, ' ');
		dump_node(n->onbuild, ret);
	}
	buf_putc(ret, ')');
}

void ast_dump(const struct dockerfile *f, struct buf *ret)
{
	for (size_t i = 0; i < f->n; i++) {
		dump_node(f->nodes[i], ret);
		buf_putc(ret, '\n');
	}
}
