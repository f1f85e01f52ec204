/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One directory's row of the stat cache: for each regular file, by name, what its inode looked like when its
 * digest was computed. A file that looks the same has the same contents: ctime can't be set by anybody.
 */
#ifndef CACHE_STATCACHE_H
#define CACHE_STATCACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/str.h"

struct store;

/* An inode changed so near to the moment of reading may change again within the same tick of the clock. */
#define STATCACHE_RACY_NS ((int64_t)50000000)
#define STATCACHE_COARSE_NS ((int64_t)2100000000)	/* file systems with times of whole seconds */

struct stat_entry {
	struct str name;	/* into the row's bytes */
	uint64_t ino, size;
	int64_t mtime_ns, ctime_ns;
	const uint8_t *digest;	/* 32 bytes */
	struct str bytes;	/* the whole entry as stored */
};

/* The row of a directory: appended to ret; empty if there is none. */
NODISCARD int statcache_get(struct store *s, const struct stat *dir, struct buf *ret, struct err *e);
/* Entries in order of their names: false at the end, or where the row is damaged. */
bool statcache_next(struct str *rest, struct stat_entry *ret);
bool statcache_fits(const struct stat_entry *c, const struct stat *st);
/* May st be remembered, when its file was read at now_ns? */
bool statcache_settled(const struct stat *st, int64_t now_ns);
void statcache_add(struct buf *row, struct str name, const struct stat *st, const uint8_t digest[32]);
/* Replace the row, in the caller's transaction or a lazy one. */
NODISCARD int statcache_put(struct store *s, dev_t dev, ino_t ino, struct str row, struct err *e);

#endif
