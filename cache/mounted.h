/* SPDX-License-Identifier: Apache-2.0 */
/* Where images are mounted for a user: as long as they are, gc spares their layers. */
#ifndef CACHE_MOUNTED_H
#define CACHE_MOUNTED_H

#include "cache/store.h"

/* The mount fd (a detached one, or its root) is or will be at path, an absolute one, and uses these layers, which are
 * pinned. May be repeated. */
NODISCARD int mounted_put(struct store *s, const char *path, int fd, const struct digest *layers, size_t n, struct err *e);
/* Is there an image of this store at path? 1, 0, -1. */
NODISCARD int mounted_is(struct store *s, const char *path, struct err *e);
NODISCARD int mounted_forget(struct store *s, const char *path, struct err *e);
/* For gc: forget those whose mount is gone, by a reboot or by umount(8). In a transaction. */
NODISCARD int mounted_sweep(struct store *s, struct err *e);

#endif
