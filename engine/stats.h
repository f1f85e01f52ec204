/* SPDX-License-Identifier: Apache-2.0 */
/* What a container's processes are and use: top, stats. */
#ifndef ENGINE_STATS_H
#define ENGINE_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct container;
struct err;
struct store;

struct stats {			/* at one moment; zeros while it does not run */
	int64_t at_ns;		/* clock_mono_ns() */
	uint64_t cpu_ns;	/* processor time so far */
	uint64_t memory, memory_limit;	/* bytes; without what is only cached; its limit, or the machine's */
	uint64_t rx, tx, read, written;	/* bytes so far: network, block devices */
	uint64_t pids;
};

void stats_read(const struct container *c, struct stats *ret);
/* Processor time from one to the other in percent of one processor. */
double stats_cpu_percent(const struct stats *from, const struct stats *to);

/**
 * Its processes as the columns of ps(1) -ef, or of -o with names; the first line has the headings. args: of ps.
 * Errors: ERR_NOT_FOUND, ERR_CONFLICT "is not running", ERR_USAGE (an option or a column we do not know).
 */
NODISCARD int engine_top(struct store *s, const char *ref, const struct strv *args, struct strv *ret, struct err *e);

#endif
