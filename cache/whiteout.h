/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletions in a tree-form layer, as overlayfs has them: a character device 0:0 hides the name below it,
 * a directory with the opaque attribute hides what lower layers have in it. And as a tar has them: ".wh.NAME".
 */
#ifndef CACHE_WHITEOUT_H
#define CACHE_WHITEOUT_H

#include <stdbool.h>
#include <sys/stat.h>

#define WH_PREFIX ".wh."			/* OCI image-spec layer.md "Whiteouts" */
#define WH_META ".wh..wh."			/* AUFS's own files in old images */
#define WH_OPAQUE ".wh..wh..opq"

/* Are we in a user namespace of our own? Overlayfs then keeps its marks in user.overlay.* attributes. */
bool whiteout_userns(void);

bool whiteout_is(const struct stat *st);
int whiteout_make(int dir, const char *name);		/* 0 or -1 with errno */

/* dir: opened for reading, not O_PATH; userns: what whiteout_userns() said. -1 with errno. */
int opaque_get(int dir, bool userns);			/* 1 it is, 0 it is not */
int opaque_set(int dir, bool userns);
int opaque_clear(int dir, bool userns);

#endif
