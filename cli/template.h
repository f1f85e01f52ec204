/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's text/template, as far as --format needs it, on JSON values: pipelines, if/else if/else,
 * range/else, with, variables, {{- and -}}, comments, and the functions of template_funcs.c.
 */
#ifndef CLI_TEMPLATE_H
#define CLI_TEMPLATE_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"

#define TEMPLATE_DEPTH_MAX 50		/* blocks and parentheses within each other */
#define TEMPLATE_OUT_MAX BUF_MAX	/* bytes of text that one execution may make: ERR_LIMIT */

struct template_node;

struct template {		/* lives in the arena it was parsed into */
	struct template_node *root;
};

/* Errors: ERR_USAGE "template: column N: ...". The text is copied. */
NODISCARD int template_parse(const char *text, struct arena *a, struct template *ret, struct err *e);
/* Append to ret what t makes of data. Errors: ERR_USAGE (no such field, wrong kinds of arguments). */
NODISCARD int template_run(const struct template *t, const json_t *data, struct buf *ret, struct err *e);
/* Calls each with the name of every field that t takes from its data itself (".ID", "$.ID"), not from a
 * value within it. */
void template_fields(const struct template *t, void (*each)(void *arg, struct str name), void *arg);

#endif
