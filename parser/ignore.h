/* SPDX-License-Identifier: Apache-2.0 */
/* .dockerignore and --exclude patterns: the last that matches a path or one of its parents wins. */
#ifndef PARSER_IGNORE_H
#define PARSER_IGNORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define IGNORE_FILE_MAX ((size_t)4 << 20)	/* bytes of an ignore file */

struct ignore;

/* A whole ignore file; name is for messages ("name:line: ..."). Owner: the caller frees. Errors:
 * ERR_USAGE for a malformed pattern, ERR_LIMIT. Spec: shared/spec/dockerfile.md 1.8 "Matching" */
NODISCARD int ignore_parse(const char *name, struct str text, struct ignore **ret, struct err *e);
/* Patterns from elsewhere, each as it is ('#' begins no comment): --exclude, or a COPY --parents
 * source. */
NODISCARD int ignore_new(const struct strv *patterns, struct ignore **ret, struct err *e);
void ignore_free(struct ignore *ig);

size_t ignore_count(const struct ignore *ig);	/* patterns; ig may be NULL in all that follows */
bool ignore_has_negation(const struct ignore *ig);	/* has it a "!" pattern? */

/* Is path ("a/b/c", relative, no "..") excluded? Its parents are considered. */
bool ignore_match(const struct ignore *ig, const char *path);
/* May something below the excluded directory dir be included again by a "!" pattern? If not, skip
 * it. */
bool ignore_may_reinclude(const struct ignore *ig, const char *dir);
/* May a pattern (not "!") match something below dir, or dir itself? For walks that look for
 * matches. */
bool ignore_may_match_below(const struct ignore *ig, const char *dir);

/*
 * The same for a walk, without asking for the parents again: a state is ignore_state_words() words
 * of the caller's. above: the state of path's directory, NULL at the root; here: path's own state
 * is put there (may be NULL for a file). Returns whether path is excluded.
 */
size_t ignore_state_words(const struct ignore *ig);
bool ignore_match_in(const struct ignore *ig, const uint64_t *above, const char *path,
		     uint64_t *here);

#endif
