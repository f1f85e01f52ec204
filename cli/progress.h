/* SPDX-License-Identifier: Apache-2.0 */
/* What a user sees of a running job: a live tree, plain lines, JSON lines, or nothing. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdio.h>

#include "base/err.h"
#include "base/event.h"

struct progress;

/* mode: "auto" (a tree on a terminal, else plain), "tty", "plain", "json", "quiet". Writes to out (borrowed).
 * Errors: ERR_USAGE for another mode. */
NODISCARD int progress_new(const char *mode, FILE *out, struct progress **ret, struct err *e);
struct sink *progress_sink(struct progress *p);
void progress_free(struct progress *p);		/* draws the last state, then frees; NULL is fine */

/* One display each; made by progress_new(). */
struct view {
	struct sink sink;
	void (*free)(struct view *v);
};
struct view *plain_new(FILE *out);
struct view *jsonl_new(FILE *out);
struct view *tree_new(FILE *out);
struct view *quiet_new(FILE *out);

#endif
