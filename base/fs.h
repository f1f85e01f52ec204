/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files beneath a directory fd. A path from a foreign tree is resolved by
 * openat2(RESOLVE_IN_ROOT) and never by string; `root` is always such a directory fd.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/str.h"

/* Open path as if root were "/": ".." and links stop at it. Returns a fd or -1 with errno. */
int fs_open_in(int root, const char *path, int flags, mode_t mode);
/* The same for a path without links: ELOOP if one is there now. */
int fs_open_plain_in(int root, const char *path, int flags);
/* The directory that holds path's last component (links followed), and that component. *name points
 * into path; for "/" or "." it is ".". Returns an O_PATH fd or -1 with errno. */
int fs_open_parent_in(int root, const char *path, const char **name);
/* mkdir -p in root with links followed; each new directory gets mode and owner (uid -1: unchanged).
 * Returns an O_PATH fd of the last one or -1 with errno (ENOTDIR...). */
int fs_mkdirs_in(int root, const char *path, mode_t mode, uid_t uid, gid_t gid);

/* Whole file (regular, at most max bytes) beneath dir; errors name the path. */
NODISCARD int fs_read(int dir, const char *path, size_t max, struct buf *ret, struct err *e);
NODISCARD int fs_read_fd(int fd, size_t max, struct buf *ret, struct err *e);
/* Replace a file atomically: temporary name in the same directory, optional sync, rename. */
NODISCARD int fs_replace(int dir, const char *path, const void *p, size_t n, mode_t mode, bool sync,
			 struct err *e);
NODISCARD int fs_write_all(int fd, const void *p, size_t n, struct err *e);
/* Copy size bytes from in's offset 0 to out: reflink, copy_file_range, read/write in turn. Holes kept. */
NODISCARD int fs_copy_data(int in, int out, uint64_t size, struct err *e);
/* Remove name (a file, or a directory with all below it) in dir; missing is no error; never
 * follows a link nor crosses into another mount. */
NODISCARD int fs_remove(int dir, const char *name, struct err *e);
/* Create dir (0700) and its parents; path may be absolute. */
NODISCARD int fs_mkdirs(const char *path, mode_t mode, struct err *e);
int fs_reopen(int fd, int flags);	/* an O_PATH fd opened anew for reading or writing; -1 with errno */

#endif
