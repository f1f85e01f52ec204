/* SPDX-License-Identifier: Apache-2.0 */
/* Bridge to libarchive: decompression by content, and tar files of any dialect for ADD and import. */
#ifndef CACHE_ARCHIVE_H
#define CACHE_ARCHIVE_H

#include "base/zip.h"
#include "cache/tar.h"

/* What may come out of so many bytes: ARCHIVE_RATIO times as many, but always ARCHIVE_FREE. */
#define ARCHIVE_RATIO UNZIP_RATIO
#define ARCHIVE_FREE UNZIP_FREE
#define ARCHIVE_ENTRIES_MAX 5000000u

struct archive_in;

/**
 * Undo gzip, bzip2, xz or zstd (or nothing), told apart by content. All filters run in this process:
 * no helper program is ever looked up.
 *
 * Owner:  *ret is the caller's, archive_close(). get(arg) must stay valid until then.
 * Errors: ERR_CORRUPT (bad compression), ERR_LIMIT (a bomb), the source's.
 */
NODISCARD int archive_unzip(bytes_get get, void *arg, struct archive_in **ret, struct err *e);
ssize_t archive_get(void *in, void *p, size_t n, struct err *e);	/* bytes_get; in: struct archive_in * */

/**
 * Is the file a tar archive, compressed or not? Decided as BuildKit does for ADD: it decompresses and begins
 * with a whole tar header. *ret is NULL if it is not. fd is read from its start and stays the caller's.
 * Errors: ERR_SYS (cannot be read).
 */
NODISCARD int archive_open_tar(const int *fd, struct archive_in **ret, struct err *e);
/* A tar archive from a stream. Errors: ERR_USAGE (it is none), the source's. */
NODISCARD int archive_read_tar(bytes_get get, void *arg, struct archive_in **ret, struct err *e);
/* Entries and their data as tar_next() and tar_data() give them; holes of sparse files come as zeros.
 * Errors: ERR_CORRUPT, ERR_LIMIT, the source's. */
NODISCARD int archive_next(struct archive_in *in, struct tar_entry *t, struct err *e);	/* 1, 0 at the end, -1 */
NODISCARD int archive_data(struct archive_in *in, const void **p, size_t *n, struct err *e);
void archive_close(struct archive_in *in);	/* NULL is fine */

#define auto_archive __attribute__((cleanup(archive_cleanup)))
static inline void archive_cleanup(struct archive_in **in) { archive_close(*in); }

#endif
