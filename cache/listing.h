/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of directories, as treehash makes them and tree_diff() reads them: packed entries sorted by name. */
#ifndef CACHE_LISTING_H
#define CACHE_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct listing_entry {
	uint32_t type;		/* S_IFREG, S_IFDIR, ... */
	uint32_t mode, uid, gid;
	uint64_t size;		/* of a device: its number */
	uint8_t digest[32];	/* of contents, link target or listing */
	struct str name;	/* borrowed */
};

/* The bytes are the same on every machine: a listing's digest is one. */
void listing_add(struct buf *b, const struct listing_entry *l);
bool listing_next(struct str *rest, struct listing_entry *ret);	/* false at the end */

#endif
