/* SPDX-License-Identifier: Apache-2.0 */
/* One pattern of an ignore file, compiled; all states at once, so that no pattern is slow. */
#ifndef PARSER_GLOB_H
#define PARSER_GLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define GLOB_MAX 4095		/* tokens of a pattern */

enum glob_kind { GLOB_EXACT, GLOB_PREFIX, GLOB_SUFFIX, GLOB_TOKENS };

struct glob_token;

struct glob {
	enum glob_kind kind;	/* the three simple kinds are compared as text */
	struct str text;	/* cleaned pattern, of a prefix or suffix without its "**" */
	struct glob_token *tokens;
	size_t n;
};

/* pattern is cleaned, without "!"; all lives in the arena. Errors: ERR_USAGE. */
NODISCARD int glob_compile(struct str pattern, struct arena *a, struct glob *ret, struct err *e);
bool glob_match(const struct glob *g, struct str path);
/* May some path that begins with this text match? */
bool glob_may_begin(const struct glob *g, struct str text);

#endif
