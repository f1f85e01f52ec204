/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a text: errors and warnings, collected, then rendered in its order. */
#ifndef PARSER_DIAG_H
#define PARSER_DIAG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#define DIAG_KEPT 100	/* messages of each level that are kept; others are counted */

enum diag_level { DIAG_ERROR, DIAG_WARN };

struct diag_item {
	enum diag_level level;
	struct span at;
	char *msg;		/* owned */
	char *guess;		/* X of "did you mean X?", owned; NULL if there is none */
};

struct diag {			/* { 0 } is a valid empty one */
	struct diag_item *items;
	size_t n, cap;
	size_t errors, warnings;	/* all of them, kept or not */
};

/* guess: a nearby word that may have been meant, or NULL. Control characters in the message are
 * escaped. */
void diag_error(struct diag *d, struct span at, const char *guess, const char *fmt, ...)
	PRINTF(4, 5);
void diag_warn(struct diag *d, struct span at, const char *guess, const char *fmt, ...)
	PRINTF(4, 5);
/* An error value as an error; at is used where e has no place of its own. *e is cleared. */
void diag_err(struct diag *d, struct span at, struct err *e);
/* The first error in the order of the text, NULL if there is none. */
const struct diag_item *diag_first(const struct diag *d);
/* All: "file:line:col: error: text", the source line, a caret with the guess, or what was not
 * kept. */
void diag_render(struct diag *d, struct buf *ret);
void diag_render_item(const struct diag_item *it, struct buf *ret);
void diag_done(struct diag *d);

#endif
