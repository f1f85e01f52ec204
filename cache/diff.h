/* SPDX-License-Identifier: Apache-2.0 */
/* What an overlay's upper directory really changes, seen from the tree below it. */
#ifndef CACHE_DIFF_H
#define CACHE_DIFF_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

/**
 * Reduce upper, in place, to its differences from lower (the merged tree of all layers below, or the one layer
 * there is; both opened for reading): afterwards it means the same above any other tree, as its tar does.
 *  - a file that was copied up and is as before goes, unless it got another name (a hard link) meanwhile;
 *  - a directory with nothing changed in it and the same attributes goes;
 *  - an opaque directory becomes one whiteout per name it hides; other opaque marks go;
 *  - a whiteout of nothing goes; a socket goes, a whiteout takes its place if there was something.
 * Times of the directories that are kept don't change. No mount may use upper. *empty: nothing is left.
 *
 * Errors: ERR_SYS.
 * Spec:   dockerfile spec 1.10; cases LAY-002, 003, 005.
 */
NODISCARD int diff_reduce(int upper, int lower, bool userns, bool *empty, struct err *e);

/* The comparison of LAY-005; a and b are the same name in two directories. 1 same, 0 not, -1 with errno. */
int diff_same(int dir_a, int dir_b, const char *name, const struct stat *a, const struct stat *b);

#endif
