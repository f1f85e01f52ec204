/* SPDX-License-Identifier: Apache-2.0 */
/* $name, ${name:-word} and their relatives, with quotes and escapes: one word, words, or a text. */
#ifndef PARSER_EXPAND_H
#define PARSER_EXPAND_H

#include "base/err.h"
#include "base/str.h"

#define EXPAND_MAX ((size_t)1 << 20)	/* bytes of a word's result */
#define EXPAND_BODY_MAX ((size_t)32 << 20)	/* of expand_body() */
#define EXPAND_DEPTH 100		/* ${a:-${b:-...}} */

struct env {
	/* The variable's value, NULL if unset. Asked for every name that a text uses, also in words
	 * that are not taken in the end, so that it can note which names were used. May be NULL:
	 * all unset. */
	const char *(*get)(void *arg, struct str name);
	void *arg;
};

/*
 * Each appends to ret. escape is the file's escape character. Errors: ERR_USAGE for a quote or
 * brace without end, a modifier that does not exist, ${name:?word}; ERR_LIMIT for too large, deep
 * or slow.
 * Spec: shared/spec/dockerfile.md 1.4
 */
/* One word: quotes removed, variables replaced. */
NODISCARD int expand_word(struct str raw, char escape, struct env env, struct buf *ret,
			  struct err *e);
/* The same, then split at blanks that were not quoted (EXPOSE). */
NODISCARD int expand_words(struct str raw, char escape, struct env env, struct strv *ret,
			   struct err *e);
/* The body of a here-document: variables and "\" escapes, quotes stay. */
NODISCARD int expand_body(struct str raw, struct env env, struct buf *ret, struct err *e);

/* May expand_word() give anything but raw itself? False: it is literal. */
bool expand_needed(struct str raw, char escape);
/* Does raw use a variable? */
bool expand_has_variable(struct str raw, char escape);

#endif
