/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making results durable behind the workers' backs: diff IDs are computed by a pool of threads,
 * then one thread publishes all that is sealed in one go (one barrier, one transaction) and
 * stores the keys.
 *
 *   commit_add() ─► sealing (pool) ─► sealed ─► published + keyed (committer) ─► durable
 */
#ifndef BUILDER_COMMIT_H
#define BUILDER_COMMIT_H

#include "builder/work.h"

struct commit;

NODISCARD int commit_new(struct work *w, struct commit **ret, struct err *e);
/* v->op->run() made v->result.layer: seal and commit it. */
void commit_add(struct commit *c, struct vertex *v);
/* v was found by its content key or another process: remember its definition key, too. */
void commit_alias(struct commit *c, struct vertex *v);
/* Wait until the layers that v starts from, down to the base, are sealed. Errors: the sealing's, ERR_CANCELLED. */
NODISCARD int commit_wait_sealed(struct commit *c, struct vertex *v, struct err *e);
/* Wait for all, stop the threads, free c. Errors: of the first sealing or publishing that failed. */
NODISCARD int commit_end(struct commit *c, struct err *e);

#endif
