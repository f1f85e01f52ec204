/* SPDX-License-Identifier: Apache-2.0 */
/* The tar form of a layer: one canonical writer, one strict reader. */
#ifndef CACHE_TAR_H
#define CACHE_TAR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "base/stream.h"

/* bytes_get for a file descriptor: arg is an int *. */
ssize_t bytes_get_fd(void *arg, void *p, size_t n, struct err *e);

#define TAR_BLOCK 512
#define TAR_EXT_MAX ((size_t)1 << 20)	/* one extension header (pax, GNU long name): ERR_LIMIT above */
#define TAR_PATH_MAX 4096		/* bytes of a path or link target */
#define TAR_DEPTH_MAX 1024		/* components of a path */

enum tar_type {			/* the type flag as it is in the header */
	TAR_FILE = '0', TAR_LINK = '1', TAR_SYMLINK = '2', TAR_CHAR = '3',
	TAR_BLOCKDEV = '4', TAR_DIR = '5', TAR_FIFO = '6',
};

struct tar_xattr {		/* key without the "SCHILY.xattr." of the header */
	struct str key, value;
};

struct tar_entry {
	const char *path;	/* relative, cleaned; "." is the root; no trailing slash */
	enum tar_type type;
	mode_t mode;		/* permission bits, 07777 */
	uint64_t uid, gid;
	uint64_t size;		/* of the data that follows; 0 unless TAR_FILE */
	int64_t mtime;		/* seconds */
	uint32_t mtime_ns;	/* read from pax; never written */
	const char *link;	/* TAR_LINK: cleaned like path; TAR_SYMLINK: as it is; else NULL */
	uint32_t major, minor;	/* TAR_CHAR, TAR_BLOCKDEV */
	const struct tar_xattr *xattrs;
	size_t nxattrs;
};

/**
 * Writes entries in the canonical form (registry spec, "Determinism"): ustar, a pax header only for what
 * ustar can't hold, no user names, whole seconds, two zero blocks at the end and no record padding.
 * The order of entries is the caller's. xattrs must come sorted by key.
 */
struct tar_writer {
	bytes_put put;
	void *arg;
	uint64_t size;		/* bytes put so far */
	uint64_t left;		/* data bytes that the last entry still wants */
	unsigned pad;		/* zero bytes due once left is 0 */
	struct buf pax;
};

void tar_write_init(struct tar_writer *w, bytes_put put, void *arg);
NODISCARD int tar_write_entry(struct tar_writer *w, const struct tar_entry *t, struct err *e);
/* Data of the last entry; all of its size must come before the next entry. */
NODISCARD int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err *e);
NODISCARD int tar_write_end(struct tar_writer *w, struct err *e);
void tar_write_done(struct tar_writer *w);

/**
 * Reads ustar, pax, GNU and v7 archives from a source that can't seek. Names are normalised: leading "/" and
 * "./" dropped, ".." that stays inside resolved; one that leaves the root is an error. Anything not
 * understood completely is refused, never guessed: bad checksums, malformed pax records, sparse files,
 * a size that differs between headers, multi-volume and unknown types.
 *
 * Owner:  *t and what it points to are the reader's, valid until the next tar_next().
 * Errors: ERR_CORRUPT, ERR_LIMIT (TAR_*_MAX), the source's.
 * Spec:   POSIX.1-2008 pax "ustar Interchange Format", OCI image-spec layer.md.
 */
struct tar_reader;

/* raw (may be NULL) is told every byte of the archive that is not file data: headers, padding, the tail. */
struct tar_reader *tar_read_new(bytes_get get, void *arg, bytes_put raw, void *raw_arg);
NODISCARD int tar_next(struct tar_reader *r, struct tar_entry *t, struct err *e);	/* 1 entry, 0 end, -1 */
/* Some bytes of the present entry's data, in place; *n is 0 at its end. What is not read is skipped by tar_next(). */
NODISCARD int tar_data(struct tar_reader *r, const void **p, size_t *n, struct err *e);
void tar_read_free(struct tar_reader *r);

/* Clean a name from an archive into ret ("." for the root). Errors: ERR_CORRUPT ("..", empty, NUL), ERR_LIMIT. */
NODISCARD int tar_clean_path(struct str name, struct buf *ret, struct err *e);

#endif
