/* SPDX-License-Identifier: Apache-2.0 */
/* The build cache: keys with their results and named inputs, and the listings these speak of. */
#ifndef CACHE_KEYS_H
#define CACHE_KEYS_H

#include "cache/store.h"

struct lease;

struct key_result {
	bool has_layer;
	struct digest diff_id;		/* if has_layer */
	char *extra;			/* small text of the builder's, may be NULL; owned */
};
void key_result_done(struct key_result *r);

/*
 * What went into a key, by name, for `tare why`: "instruction" "RUN make", "env PATH" "/bin",
 * "base" "sha256:...", "file src" "tree sha256:..." (a listing in trees). Never a secret's value.
 * The order is the order of explanation: `why` names the first that differs.
 */
struct key_input {
	const char *name, *value;
};

struct key_row {
	struct digest key, op;		/* op: digest of the operation alone */
	const char *slot;		/* the step's place, "dockerfile path|stage|index" */
	struct key_result result;	/* its layer is published and pinned by the caller */
	const struct key_input *inputs;
	size_t ninputs;
};

/* 1 found: its layer is there and pinned by lease (NULL: until store_close()); 0 not, -1. */
NODISCARD int keys_find(struct store *s, struct lease *lease, const struct digest *key,
			struct key_result *ret, struct err *e);
/* Was a key of this operation ever stored? (If not, its content need not be looked at.) false on
 * errors, too. */
bool keys_op_seen(struct store *s, const struct digest *op);
/* Store keys in one durable transaction; existing ones are replaced. It joins the caller's, if
 * there is one. */
NODISCARD int keys_put_many(struct store *s, const struct key_row *rows, size_t n, struct err *e);
NODISCARD int keys_put(struct store *s, const struct digest *key, const struct digest *op,
		       const char *slot, const struct key_result *result,
		       const struct key_input *inputs, size_t n, struct err *e);
/* Note that keys were used now (gc evicts the least recently used first). Cheap: not synced. */
NODISCARD int keys_touch(struct store *s, const struct digest *keys, size_t n, struct err *e);

/* A key's named inputs; `storage` owns the text. 1 found, 0 none were stored, -1. */
struct key_inputs {			/* { 0 } is a valid empty one */
	struct key_input *v;
	size_t n;
	struct buf storage;
};
NODISCARD int keys_inputs(struct store *s, const struct digest *key, struct key_inputs *ret,
			  struct err *e);
void key_inputs_done(struct key_inputs *in);
/* For build_end(): store inputs of a key that got no result; existing ones stay. */
NODISCARD int keys_put_inputs(struct store *s, const struct digest *key,
			      const struct key_input *inputs, size_t n, struct err *e);

/* Merkle listings of directories, by digest (format: cache/treehash.h). Stored in the caller's
 * transaction or a lazy one. */
NODISCARD int trees_put(struct store *s, const struct digest *d, struct str listing, struct err *e);
NODISCARD int trees_get(struct store *s, const struct digest *d, struct buf *ret, struct err *e);	/* 1, 0 or -1 */

#endif
