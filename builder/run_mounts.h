/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of one RUN step: opened from stages, context and cache, turned into the sandbox's. */
#ifndef BUILDER_RUN_MOUNTS_H
#define BUILDER_RUN_MOUNTS_H

#include "builder/op_run.h"
#include "builder/work.h"

struct run_mounts;
struct spec;

/* Open all; *ret is the caller's, run_mounts_free() after the sandbox is gone. Waits for locked caches.
 * Errors: ERR_NOT_FOUND (a source, a required secret), ERR_CANCELLED, ERR_SYS. */
NODISCARD int run_mounts_open(struct work *w, struct vertex *v, struct run_mounts **ret, struct err *e);
/* Put them into sp (mounts borrowed from m, env appended). */
void run_mounts_apply(struct run_mounts *m, struct spec *sp);
void run_mounts_free(struct run_mounts *m);

#endif
