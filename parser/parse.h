/* SPDX-License-Identifier: Apache-2.0 */
/* The two stages of parsing share this: parse.c makes nodes, check.c looks at them. */
#ifndef PARSER_PARSE_H
#define PARSER_PARSE_H

#include "parser/instr.h"
#include "parser/lex.h"

#define PARSE_NODES_MAX 250000		/* instructions of one file */

struct parser {
	const struct source *src;
	struct diag *diag;
	struct arena *arena;
	struct lexer lexer;
	struct dockerfile *file;
	size_t cap;		/* of file->nodes, while they grow */
	bool from_guessed;	/* an unknown word may have been FROM */
};

/* One instruction's text, which is line->text or its part behind ONBUILD. NULL: it was reported. */
struct node *parse_instr(struct parser *p, struct line *line, struct str text, int depth);

/* What an instruction demands of its flags and words; then what the file demands of their order. */
void check_node(struct diag *d, const struct source *src, char escape, const struct node *n);
void check_file(struct diag *d, const struct source *src, const struct dockerfile *f,
		bool from_guessed);

#endif
