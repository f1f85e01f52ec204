/* SPDX-License-Identifier: Apache-2.0 */
/* Bridge to libarchive: decompression by content, and tar files of any dialect for ADD and import. */
#ifndef CACHE_ARCHIVE_H
#define CACHE_ARCHIVE_H

#include "cache/tar.h"

struct archive_in;

/**
 * Undo gzip, bzip2, xz or zstd (or nothing), told apart by content. All filters run in this process:
 * no helper program is ever looked up. At most ARCHIVE_RATIO_MAX times the input (plus 64 MiB) comes out.
 *
 * Owner:  *ret is the caller's, archive_close(). get(arg) must stay valid until then.
 * Errors: ERR_CORRUPT (bad compression), ERR_LIMIT, the source's.
 */
NODISCARD int archive_unzip(bytes_get get, void *arg, struct archive_in **ret, struct err *e);
ssize_t archive_get(void *in, void *p, size_t n, struct err *e);	/* bytes_get; arg is a struct archive_in * */

#define ARCHIVE_RATIO_MAX 2000

/**
 * Is the file a tar archive, compressed or not? Decided as BuildKit does for ADD: it decompresses and begins
 * with a whole tar header. *ret is NULL if it is not. fd's position is used and moved.
 * Entries then come from archive_next(); archive_data() as tar_data().
 */
NODISCARD int archive_open_tar(int fd, struct archive_in **ret, struct err *e);
/* A tar archive from a stream; ERR_USAGE if it is none. */
NODISCARD int archive_read_tar(bytes_get get, void *arg, struct archive_in **ret, struct err *e);
NODISCARD int archive_next(struct archive_in *in, struct tar_entry *t, struct err *e);	/* 1 entry, 0 end, -1 */
NODISCARD int archive_data(struct archive_in *in, const void **p, size_t *n, struct err *e);
void archive_close(struct archive_in *in);

#endif
