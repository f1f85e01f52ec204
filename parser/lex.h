/* SPDX-License-Identifier: Apache-2.0 */
/* Dockerfile text -> logical lines: directives, comments, continuations, here-document bodies. */
#ifndef PARSER_LEX_H
#define PARSER_LEX_H

#include <stdbool.h>

#include "base/arena.h"
#include "parser/ast.h"
#include "parser/diag.h"
#include "parser/source.h"

#define LEX_LINE_MAX ((size_t)65535)		/* bytes of a physical line with its end */
#define LEX_INSTR_MAX ((size_t)1 << 20)		/* bytes of an instruction, continuations joined */

struct lex_seg {		/* the joined text from byte `at` on is the file from `off` on */
	uint32_t at, off;
};

struct line {			/* one instruction's text; segs live until the next lex_line() */
	struct str text;	/* joined; a slice of the source or in the arena */
	struct lex_seg *segs;
	size_t nsegs;
	unsigned line, line_end;
	struct str comment;	/* of the comment lines right above; in the arena */
};

struct lexer {
	const struct source *src;
	struct diag *diag;
	struct arena *arena;
	size_t next;		/* index of the physical line that comes next */
	bool stop;		/* nothing more can be made of this text */
	struct dockerfile *file;	/* the directives go there */
	struct buf joined, comment;
	struct lex_seg *segs;
	size_t nsegs, segs_cap;
};

/* Reads the directives into file. file->escape is set in any case. */
void lex_init(struct lexer *l, const struct source *src, struct diag *d, struct arena *a,
	      struct dockerfile *file);
void lex_done(struct lexer *l);
bool lex_line(struct lexer *l, struct line *ret);	/* false at the end */
/* The place in the file of a slice of line->text. */
struct span lex_span(const struct lexer *l, const struct line *line, struct str slice);
/* The next here-document's body; ret has its name and chomp. Extends line->line_end. */
void lex_body(struct lexer *l, struct line *line, struct heredoc *ret);

/*
 * The next here-document word of an instruction's text ("3<<-EOF"), spec 1.3; *rest moves behind
 * it. Fills name, fd, chomp, expand, word. Returns 1, 0 if there is no more, -1 for a quote without
 * end (ret->word).
 */
int lex_heredoc(struct str *rest, struct arena *a, struct heredoc *ret);

#endif
