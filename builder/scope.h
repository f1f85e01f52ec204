/* SPDX-License-Identifier: Apache-2.0 */
/* The variables that a stage's instructions see: ENV and ARG in one map, in order of first set. */
#ifndef BUILDER_SCOPE_H
#define BUILDER_SCOPE_H

#include "base/err.h"
#include "base/str.h"

struct scope {
	struct strv vars;	/* "K=V": what expansion and RUN see */
	struct strv args;	/* names declared by ARG in this chain of stages, in order */
	struct strv arg_text;	/* their values at declaration, by the same index; NULL-text "" if unset */
	struct strv *used;	/* "K=V" of what expansion used is noted here, for `why`; NULL: nowhere */
};

struct build_arg {		/* --build-arg */
	const char *name;
	const char *value;	/* NULL: not set in the environment either */
	bool used;
};

void scope_copy(struct scope *to, const struct scope *from);
void scope_done(struct scope *s);
void scope_set(struct scope *s, const char *name, const char *value);
const char *scope_get(const struct scope *s, const char *name);	/* NULL: unset */
void scope_declare_arg(struct scope *s, const char *name, const char *value);

/* Expand word (quotes removed, variables replaced) in s; *ret is owned. Errors: ERR_USAGE. */
NODISCARD int scope_expand(const struct scope *s, struct str word, char escape, char **ret, struct err *e);
/* The same with word splitting (EXPOSE); appends to ret. */
NODISCARD int scope_expand_words(const struct scope *s, struct str word, char escape, struct strv *ret,
				 struct err *e);
/* A heredoc body: variables replaced, quotes kept. */
NODISCARD int scope_expand_body(const struct scope *s, struct str body, char **ret, struct err *e);

/* "|N k=v ... " as history records it before a RUN's command line; empty if no ARG was declared. */
void scope_history_args(const struct scope *s, struct buf *ret);

#endif
