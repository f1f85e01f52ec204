/* SPDX-License-Identifier: Apache-2.0 */
/* Solving a graph: keys, look-ups, running what is missing in parallel, committing results. */
#ifndef BUILDER_SOLVE_H
#define BUILDER_SOLVE_H

#include "builder/work.h"

struct solve_failure {		/* set when a step failed */
	const struct vertex *v;	/* NULL: no single step is to blame */
};

/**
 * Solve target (and what it needs). Afterwards every layer of target->result is sealed, published and
 * keyed. Results that were complete when another step failed are committed, too.
 *
 * Errors: those of the first step that failed, *failed names it; ERR_CANCELLED.
 */
NODISCARD int solve(struct work *w, struct vertex *target, struct solve_failure *failed, struct err *e);

#endif
