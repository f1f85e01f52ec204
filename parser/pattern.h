/* SPDX-License-Identifier: Apache-2.0 */
/* The patterns of ${name#p} and ${name/p/r}: '*' and '?' are wild, "\" makes them literal. */
#ifndef PARSER_PATTERN_H
#define PARSER_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/*
 * Each appends to ret. work: steps that may still be taken, counted down; shared by a whole
 * expansion.
 * Errors: ERR_USAGE for another escape in pattern, ERR_LIMIT when work is used up.
 */
/* value without the shortest or longest part at its start (or end) that pattern matches. */
NODISCARD int pattern_trim(struct str pattern, struct str value, bool at_end, bool longest,
			   uint64_t *work,
			   struct buf *ret, struct err *e);
/* value with the first or every match, each as long as it can be, replaced by text. */
NODISCARD int pattern_replace(struct str pattern, struct str text, struct str value, bool all,
			      uint64_t *work,
			      struct buf *ret, struct err *e);

#endif
