/* SPDX-License-Identifier: Apache-2.0 */
/* Dockerfile text -> tree, in two stages: the grammar, then what each instruction demands. */
#ifndef PARSER_DOCKERFILE_H
#define PARSER_DOCKERFILE_H

#include "base/arena.h"
#include "parser/ast.h"
#include "parser/diag.h"
#include "parser/source.h"

/*
 * Both stages: what a build takes. Every mistake goes to d, not only the first.
 * Owner: nodes live in a, and borrow from src's text.
 * Errors: ERR_USAGE if d has at least one error; its place is that of the first in the text.
 * Spec: shared/spec/dockerfile.md 1.1-1.6
 */
NODISCARD int dockerfile_parse(const struct source *src, struct diag *d, struct arena *a,
			       struct dockerfile *ret,
			       struct err *e);
/* The grammar alone: takes what ast_dump() can show, for example unknown flags and a bare
 * HEALTHCHECK. */
NODISCARD int dockerfile_parse_grammar(const struct source *src, struct diag *d, struct arena *a,
				       struct dockerfile *ret, struct err *e);
/* One instruction, as stored in an image's OnBuild list; both stages. Errors: ERR_USAGE also for a
 * second instruction, and for what may not follow ONBUILD. */
NODISCARD int dockerfile_parse_trigger(const struct source *src, struct diag *d, struct arena *a,
				       struct node **ret,
				       struct err *e);

/*
 * RUN with here-documents (spec 1.3). HEREDOC_SCRIPT: the command is nothing but "<<NAME" and
 * heredocs[0].body is the script, an argument for SHELL. HEREDOC_FILE: the same, but it begins with
 * "#!": to be stored as /dev/pipes/NAME, mode 0755, read-only, and run. HEREDOC_SHELL: the shell
 * sees text and documents as they were; run_text() puts them together.
 */
enum run_form { RUN_EXEC, RUN_TEXT, HEREDOC_SCRIPT, HEREDOC_FILE, HEREDOC_SHELL };
enum run_form run_form(const struct node *n);		/* of a RUN */
/* What SHELL gets as its argument for RUN_TEXT, HEREDOC_SCRIPT and HEREDOC_SHELL. Appends to
 * ret. */
void run_text(const struct node *n, struct buf *ret);

/*
 * The front end that a text asks for, whatever language it is in: "# syntax=", "//syntax=" or
 * {"syntax":...}, after a BOM and a "#!" line. Returns false if there is none. *ref is its first
 * word, *all the rest with it, both slices of text; *line counts from 1.
 */
bool syntax_detect(struct str text, struct str *ref, struct str *all, unsigned *line);

/* The check directive or a check comment: "skip=A,B;error=true;experimental=all". Strings are
 * slices. */
struct check_options {
	bool skip_all, experimental_all, error;
	struct str *skip, *experimental;
	size_t nskip, nexperimental;
};
NODISCARD int check_parse(struct str text, struct arena *a, struct check_options *ret,
			  struct err *e);

#endif
