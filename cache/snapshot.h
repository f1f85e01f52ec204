/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: the file tree of a list of layers, read-only or with a fresh writable upper, as a detached
 * mount. It has no mount point anywhere, no other process sees it, and it is gone with the last fd.
 */
#ifndef CACHE_SNAPSHOT_H
#define CACHE_SNAPSHOT_H

#include <stdbool.h>

#include "base/err.h"

struct layer;
struct lease;
struct snapshot;
struct store;

/**
 * Mount layers (base first, n of them, sealed or not; n may be 0: an empty tree). With rw, changes go to a
 * directory in the lease's work directory; they are not synced before layer_publish().
 * Needs CAP_SYS_ADMIN in the present user namespace; works as root and inside an own user namespace.
 *
 * Owner:  *ret is the caller's, snapshot_free(). It holds references to the layers.
 * Errors: ERR_SYS.
 */
NODISCARD int snapshot_open(struct store *s, struct lease *l, struct layer *const *layers, size_t n, bool rw,
			    struct snapshot **ret, struct err *e);
/**
 * The same with the changes in dir/upper and dir/work, which outlive the snapshot: a container's directory. They are made
 * if they are missing. durable: the kernel writes them out as any file's; else they are lost with a crash, and
 * dir/work/incompat then keeps anybody from mounting them again.
 */
NODISCARD int snapshot_open_kept(int dir, struct layer *const *layers, size_t n, bool durable, struct snapshot **ret,
				 struct err *e);
/* The root of the merged tree (usable as dirfd, for open_tree() and for move_mount()); the snapshot's. */
int snapshot_fd(const struct snapshot *s);
/**
 * End the rw snapshot: its changes become a new unsealed layer, which may be mounted at once. snapshot_fd() is
 * -1 afterwards; free the snapshot as always.
 * Nobody else may hold the mount: every sandbox on it must be freed (sandbox_free()) and every fd from
 * beneath it closed before, or the kernel still has the upper in use.
 *
 * What is left in the layer is only what differs: files that were copied up but are as below are dropped
 * (same mode, owner, size, times, capability; contents compared only where both times have no nanoseconds),
 * sockets too, an opaque directory becomes one whiteout per hidden name, the root's own mode and owner are those below.
 * Spec: dockerfile spec 1.10, cases LAY-*.
 */
NODISCARD int snapshot_take(struct snapshot *s, struct layer **ret, struct err *e);
void snapshot_free(struct snapshot *s);

#define auto_snapshot __attribute__((cleanup(snapshot_cleanup)))
static inline void snapshot_cleanup(struct snapshot **s) { snapshot_free(*s); }

#endif
