/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that files take on disk, as du(1) counts them. */
#ifndef CACHE_USAGE_H
#define CACHE_USAGE_H

#include "base/err.h"
#include "cache/set.h"

/*
 * Add to *ret the bytes allocated for name beneath dir and all below it. A file with several names
 * counts once per `seen` set, which may span several calls. Nothing is followed; what vanishes
 * meanwhile counts nothing.
 */
NODISCARD int usage_add(int dir, const char *name, struct set *seen, uint64_t *ret, struct err *e);

#endif
