/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of an image archive (a tar in a seekable file) or of a layout directory, found by
 * name and read in any order. Nothing is unpacked; names never reach the file system of the archive's reader.
 */
#ifndef REGISTRY_MEMBERS_H
#define REGISTRY_MEMBERS_H

#include "base/task.h"
#include "cache/tar.h"
#include "image/digest.h"

#define MEMBERS_MAX 100000	/* entries of an archive */
#define MEMBERS_LINKS_MAX 8	/* links from one to the next */

struct members;

/**
 * Read the table of a tar archive: headers only, data is passed over without reading it.
 *
 * Owner:  fd stays the caller's, open until members_free(); it is a regular file.
 * Errors: ERR_CORRUPT (no tar, truncated, a name or link that leaves the archive, an absolute name, a
 *         device or FIFO, one metadata name twice), ERR_LIMIT (MEMBERS_MAX), ERR_SYS.
 */
NODISCARD int members_of_archive(struct job *j, int fd, struct members **ret, struct err *e);
/* The files beneath a directory; dirfd becomes the table's on success. Links in it are not followed. */
struct members *members_of_dir(int dirfd);
void members_free(struct members *m);

struct member {			/* a part of a file, read by position */
	int fd;
	bool own;		/* member_done() closes fd */
	uint64_t off, size;	/* what is left of it, in bytes */
};
void member_done(struct member *m);
#define auto_member __attribute__((cleanup(member_done)))
ssize_t member_get(void *member, void *p, size_t n, struct err *e);	/* bytes_get; moves on */

/* The regular file called name (cleaned like a tar path; links inside an archive are followed).
 * 1 found, 0 not, -1. Errors: ERR_CORRUPT (name leads out; links in a circle), ERR_SYS. */
NODISCARD int members_find(struct members *m, const char *name, struct member *ret, struct err *e);
/* A whole small file, at most max bytes: 1 found, 0 not, -1. Errors: ERR_LIMIT, and the above. */
NODISCARD int members_text(struct members *m, const char *name, size_t max, struct buf *ret, struct err *e);
/* "blobs/sha256/<hex>", where an OCI layout keeps a blob. */
#define MEMBERS_BLOB_MAX (6 + 7 + 128 + 1)
const char *members_blob_name(const struct digest *d, char ret[static MEMBERS_BLOB_MAX]);
/* A blob's text, checked against its digest: 1, 0, -1. Errors: ERR_CORRUPT. */
NODISCARD int members_blob(struct members *m, const struct digest *d, size_t max, struct buf *ret, struct err *e);

#endif
