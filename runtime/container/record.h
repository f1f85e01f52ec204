/* SPDX-License-Identifier: Apache-2.0 */
/* For runtime/container alone: the texts of a container's files, and directory listings. */
#ifndef RUNTIME_CONTAINER_RECORD_H
#define RUNTIME_CONTAINER_RECORD_H

#include "runtime/container/container.h"

/* state.json, in the shape of "State" of Docker's inspect. */
void record_state_text(const struct container_state *st, struct buf *ret);
NODISCARD int record_state_parse(struct str text, struct container_state *ret);	/* -1: not such a text */
/* One of its files, also if its directory is not open. */
NODISCARD int record_read(const struct container *c, const char *name, size_t max, struct buf *ret, struct err *e);
/* Fill c->config and c->state from its files; then let the lock decide whether a live one is (invariant 1). */
void record_load(struct container *c);
void record_judge(struct container *c);
/* names/<name>: under flock of that directory, which the caller holds. Errors: ERR_CONFLICT. */
NODISCARD int record_name_claim(struct store *s, int top, const char *name, const char *id, struct err *e);
void record_name_release(int top, const char *name, const char *id);
/* The entries of a directory, unsorted, without "." and "..". */
NODISCARD int record_names(int dir, struct strv *ret, struct err *e);

#endif
