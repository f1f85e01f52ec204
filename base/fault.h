/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault points: named places between durable steps where a test can have the process killed.
 * TARE_FAULT=blob.renamed:2 kills it (SIGKILL) at the second passing of that point, "*:7" at the
 * seventh passing of any. Without the variable a passing costs one relaxed load.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdatomic.h>

/* Written only by fault.c, once, when the variable is first looked at. */
extern atomic_int fault_state;
enum { FAULT_UNKNOWN, FAULT_OFF, FAULT_ARMED };

void fault_hit(const char *name);

static inline void fault_point(const char *name)
{
	if (atomic_load_explicit(&fault_state, memory_order_relaxed) != FAULT_OFF)
		fault_hit(name);
}

#endif
