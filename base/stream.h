/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks and sources of bytes, and a stage that reads ahead on a thread of its own. */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Put returns 0 or -1; get returns how many came (0: the end) or -1. */
typedef int (*bytes_put)(void *arg, const void *p, size_t n, struct err *e);
typedef ssize_t (*bytes_get)(void *arg, void *p, size_t n, struct err *e);

struct ahead;

/**
 * Read from get on another thread, at most AHEAD_SLOTS x AHEAD_SLOT bytes ahead of the reader: so that, say,
 * inflating overlaps with what is done with the bytes. get is called by that thread alone, from here until ahead_free().
 *
 * Owner:  *ret is the caller's; ahead_free() waits for the call of get that is running.
 * Errors: ERR_SYS (no thread); ahead_get() gives get's own.
 */
#define AHEAD_SLOT ((size_t)512 << 10)
#define AHEAD_SLOTS 4u
NODISCARD int ahead_new(bytes_get get, void *arg, struct ahead **ret, struct err *e);
ssize_t ahead_get(void *ahead, void *p, size_t n, struct err *e);	/* bytes_get; arg: struct ahead * */
void ahead_free(struct ahead *a);	/* NULL is fine */

#endif
