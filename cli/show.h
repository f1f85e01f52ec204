/* SPDX-License-Identifier: Apache-2.0 */
/* What the inspect commands and the prune commands have in common: objects as JSON, a question. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <jansson.h>

#include "cli/opt.h"

struct store;

/* The objects of list: format NULL: one indented array; "json": one compact array; else a Go template, a line each.
 * Errors: ERR_USAGE (template). */
NODISCARD int show_objects(FILE *out, const char *format, const json_t *list, struct err *e);
/* One store object by its name, as JSON that is the caller's. */
typedef int show_get(struct store *s, const char *name, json_t **ret, struct err *e);
/* `X inspect NAME...`: all that are there are shown, whatever became of others, whose errors are printed. Returns the
 * exit status, or -1 with *e. */
NODISCARD int show_each(struct cli *c, const char *format, int argc, char **argv, show_get *get, struct err *e);
/* Is it a format at all? For telling before work is done. */
NODISCARD int show_check(const char *format, struct err *e);
/* Docker's "WARNING! ...", and whether the answer is yes. text: what will happen. */
bool show_confirm(struct cli *c, const char *text);
/* "Deleted X:" and a line for each, an empty line; nothing if there are none. */
void show_deleted(FILE *out, const char *what, const struct strv *names);
void show_reclaimed(FILE *out, uint64_t bytes);	/* "Total reclaimed space: 1.2MB" */

#endif
