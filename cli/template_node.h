/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed template; for template*.c alone. */
#ifndef CLI_TEMPLATE_NODE_H
#define CLI_TEMPLATE_NODE_H

#include "cli/template.h"

enum term_kind { TERM_DOT, TERM_VAR, TERM_FUNC, TERM_PIPE, TERM_STR, TERM_INT, TERM_REAL, TERM_BOOL, TERM_NIL };

struct pipe_node;

struct term {
	enum term_kind kind;
	struct str name;	/* TERM_VAR: with "$"; TERM_FUNC; TERM_STR: the text */
	int64_t i;		/* TERM_INT, TERM_BOOL */
	double f;
	struct pipe_node *pipe;	/* TERM_PIPE */
	struct str *fields;	/* what follows: .A.B; of "." alone none */
	size_t nfields;
};

struct command {
	struct term *terms;	/* the first is called with the others, if it is a function or a field */
	size_t n;
	struct command *next;	/* gets this one's value as its last argument */
};

struct pipe_node {
	struct str vars[2];	/* "$i", "$v" */
	size_t nvars;
	bool assign;		/* "=" instead of ":=" */
	struct command *first;
};

enum node_kind { NODE_TEXT, NODE_ACTION, NODE_IF, NODE_RANGE, NODE_WITH, NODE_BREAK, NODE_CONTINUE };

struct template_node {
	enum node_kind kind;
	struct str text;
	struct pipe_node *pipe;
	struct template_node *body, *orelse;
	struct template_node *next;
};

/* template_funcs.c: a value is borrowed, or NULL: there is none ("<no value>"). */
bool value_truth(const json_t *v);
void value_text(const json_t *v, struct buf *ret);	/* as Go prints it */

/* A function: *ret is new (owned) or NULL for no value. args may hold NULL. Errors: ERR_USAGE. */
struct template_func {
	const char *name;
	size_t min, max;
	int (*call)(json_t *const *args, size_t n, json_t **ret, struct err *e);
};
const struct template_func *template_func_find(struct str name);	/* NULL: unknown; "and", "or" are in template_run.c */
const char *template_func_near(struct str name);	/* for did-you-mean; NULL */

#endif
