/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers: one set of changes to a file tree each, named by diff ID (SHA-256 of the layer's tar).
 *
 *   snapshot_take() ──► UNSEALED ──layer_seal()──► SEALED ──layer_publish()──► STORED ◄── layer_open()
 *   layer_unpack(), layer_import() ────────────────► SEALED
 *
 * 1. A layer's files never change once a handle exists; in every state it can be mounted (cache/snapshot.h).
 * 2. A layer's files are a function of its tar: no opaque marker or copied-up twin is left that only makes
 *    sense above the layers it was made on. So one stored layer serves every image that names its diff ID.
 * 3. layers/<hex> (and <hex>.split, <hex>.lost beside it) appears only after all its data is synced, its row
 *    after the name. The diff ID is pinned (store_pin) from before the name until the store is closed: gc
 *    never sees an unpinned name whose row is still to come.
 */
#ifndef CACHE_LAYER_H
#define CACHE_LAYER_H

#include "base/task.h"
#include "cache/tar.h"
#include "image/digest.h"

struct layer;
struct lease;
struct store;

/* A stored layer. Pin it (lease_pin) first. Errors: ERR_NOT_FOUND, ERR_CORRUPT (row without files), ERR_SYS. */
NODISCARD int layer_open(struct store *s, const struct digest *diff_id, struct layer **ret, struct err *e);
struct layer *layer_ref(struct layer *l);
void layer_unref(struct layer *l);		/* NULL is fine; thread-safe */
const struct digest *layer_diff_id(const struct layer *l);	/* sealed layers only */
uint64_t layer_tar_size(const struct layer *l);			/* sealed layers only; bytes */

/**
 * Compute diff ID and tar size of a layer that snapshot_take() made: one sorted walk, the canonical tar goes
 * into SHA-256 and nowhere else. Only reads; the layer may be mounted below a running step.
 * Needs no lower layers: snapshot_take() has already left only what is changed. A sealed layer: no-op.
 *
 * Errors: ERR_SYS, ERR_USAGE (a file named ".wh.x", which no layer can hold), ERR_CANCELLED.
 * Spec:   OCI image-spec layer.md; registry spec section 4 "Layer tar", "Determinism".
 */
NODISCARD int layer_seal(struct job *j, struct store *s, struct layer *l, struct err *e);

/**
 * Make sealed layers durable and visible: one syncfs() for all (none if all are stored already), renames,
 * rows in one transaction, which is not synced: a power cut before the caller's next synced transaction leaves
 * files without rows, garbage for gc. A layer that is stored already is left to its lease; the handle stays usable.
 *
 * Errors: ERR_SYS. On error none, some or all may be stored; calling again is safe.
 */
NODISCARD int layer_publish(struct store *s, struct layer *const *layers, size_t n, struct err *e);
/* Have everything written that is dirty now: what is published later then has less to wait for. A failure of the disk
 * that is told here is not told again. */
NODISCARD int layer_flush(struct store *s, struct err *e);

/* The tar's bytes, the same forever, without any lower layer. Errors: ERR_NOT_FOUND, ERR_CORRUPT, put's. */
NODISCARD int layer_read(struct job *j, struct store *s, const struct digest *diff_id, bytes_put put, void *arg,
			 struct err *e);

/**
 * Unpack a layer's tar as it came from elsewhere (perhaps compressed) into a new sealed layer, whose
 * diff ID is the SHA-256 of the uncompressed bytes. Whatever layer_read() needs to give back exactly these
 * bytes is kept beside the tree. Hostile archives are refused (cache/tar.h); nothing is written outside.
 * Device nodes that this user may not make are left out with a warning event.
 *
 * Errors: ERR_CORRUPT, ERR_LIMIT, ERR_USAGE (needs user ids that this user does not have), ERR_SYS, ERR_CANCELLED.
 */
NODISCARD int layer_unpack(struct job *j, struct store *s, struct lease *l, bytes_get get, void *arg,
			   struct layer **ret, struct err *e);

/* The same for a root file system's tar of any dialect (`tare import`): no whiteouts are known in it, the
 * diff ID is that of the canonical tar. */
NODISCARD int layer_import(struct job *j, struct store *s, struct lease *l, bytes_get get, void *arg,
			   struct layer **ret, struct err *e);

#define auto_layer __attribute__((cleanup(layer_cleanup)))
static inline void layer_cleanup(struct layer **l) { layer_unref(*l); }

#endif
