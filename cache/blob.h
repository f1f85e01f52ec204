/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs: files named by their digest (image configs and manifests; layers are not blobs). A blob
 * bears its name only after check, sync and rename (invariant 1). Whatever this process stores or
 * opens here is pinned until store_close(), so that gc leaves it alone until rows refer to it.
 */
#ifndef CACHE_BLOB_H
#define CACHE_BLOB_H

#include "cache/store.h"

struct blob_in;

/**
 * Start to store a blob whose digest need not be known yet; at most limit bytes are taken.
 *
 * Owner:  *ret is the caller's; end it with blob_commit() or blob_drop(), both free it.
 * Errors: ERR_SYS (disk), ERR_LIMIT (more than limit bytes, at the first write past it).
 * Spec:   OCI image-spec, descriptor.md "Verification".
 */
NODISCARD int blob_begin(struct store *s, uint64_t limit, struct blob_in **ret, struct err *e);
NODISCARD int blob_write(struct blob_in *b, const void *p, size_t n, struct err *e);
/* want NULL: take whatever came. *size and *ret may be NULL. Errors: ERR_CORRUPT if the bytes are
 * not want's. */
NODISCARD int blob_commit(struct blob_in *b, const struct digest *want, struct digest *ret,
			  uint64_t *size, struct err *e);
void blob_drop(struct blob_in *b);
/* Make a file of the store's (fd, called name in dir) the blob want, whose bytes it holds as the caller has checked. */
NODISCARD int blob_adopt(struct store *s, int dir, const char *name, int fd, const struct digest *want, struct err *e);

/* Store bytes at once; a blob that is there already costs a stat. *ret may be NULL. */
NODISCARD int blob_put(struct store *s, const void *p, size_t n, struct digest *ret, struct err *e);
/* The same for several, made durable together; ret takes n digests. */
NODISCARD int blob_put_all(struct store *s, const struct str *texts, size_t n, struct digest *ret, struct err *e);
/* The whole blob, checked against its digest. Errors: ERR_NOT_FOUND, ERR_LIMIT (more than max
 * bytes), ERR_CORRUPT. */
NODISCARD int blob_read(struct store *s, const struct digest *d, size_t max, struct buf *ret,
			struct err *e);
/* An fd to read from, not checked; *size may be NULL. Errors: ERR_NOT_FOUND. */
NODISCARD int blob_open(struct store *s, const struct digest *d, int *ret, uint64_t *size,
			struct err *e);
/* 1 stored (and pinned), 0 not, -1. */
NODISCARD int blob_has(struct store *s, const struct digest *d, struct err *e);

#endif
