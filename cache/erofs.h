/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EROFS indexes: the inodes, directories and attributes of a layer's tar as a small file system image whose
 * file data stays in the tar, which is its second device. The kernel mounts both straight from their files.
 *
 *   erofs_new() ──► erofs_add() per entry, or erofs_read_tar() ──► erofs_write() once ──► erofs_free()
 *
 * The tree in the image is the one that cache/extract.h makes of the same entries, name by name: implied
 * parents, entries below a symbolic link, replaced files, hard links, OCI whiteouts in overlayfs's form.
 * Nothing is ever looked up outside of it. The same entries give the same bytes.
 * Spec: Linux Documentation/filesystems/erofs.rst; OCI image-spec layer.md "Applying Changesets".
 */
#ifndef CACHE_EROFS_H
#define CACHE_EROFS_H

#include "cache/tar.h"
#include "image/digest.h"

#define EROFS_TAR_MAX ((uint64_t)1 << 40)	/* bytes of a tar that an index is made of */

struct erofs;

/* userns: overlayfs's marks are user.overlay.* (whiteout_userns()) instead of trusted.overlay.*. Some 200 bytes
 * per entry, all in one arena. */
struct erofs *erofs_new(bool userns);
void erofs_free(struct erofs *w);		/* NULL is fine */
#define auto_erofs __attribute__((cleanup(erofs_cleanup)))
static inline void erofs_cleanup(struct erofs **w) { erofs_free(*w); }

/**
 * The layer's next entry, as tar_next() gives it or tar_write_entry() takes it. data: where its bytes begin in
 * the uncompressed tar, a multiple of TAR_BLOCK; only looked at for files that have any. Attributes are kept as
 * xattr_kept() says; what of user.* the format can't hold (253 of a file, 65,535 bytes of a value) is left out, as
 * a file system without room for it would.
 *
 * Errors: ERR_CORRUPT (an entry that no layer may have), ERR_LIMIT (EROFS_TAR_MAX), ERR_SYS (a name that
 *         is too long for a file system). The writer is of no use after one.
 */
NODISCARD int erofs_add(struct erofs *w, const struct tar_entry *t, uint64_t data, struct err *e);

/**
 * Add all entries of an uncompressed tar. get hands out the tar's bytes and is read to its end: a get that also
 * stores and hashes them makes tar, diff ID and index in one pass.
 *
 * Errors: those of tar_next(), erofs_add() and get; ERR_LIMIT (more than ARCHIVE_ENTRIES_MAX entries).
 */
NODISCARD int erofs_read_tar(struct erofs *w, bytes_get get, void *arg, struct err *e);

uint64_t erofs_entries(const struct erofs *w);	/* added so far */

/**
 * Put the image out, front to back; once, nothing can be added afterwards. tar_size: bytes of the whole tar.
 * diff_id (NULL: none) names the tar in the image and gives the image its UUID.
 *
 * Errors: ERR_CORRUPT (the tar ends before its files do), ERR_LIMIT (larger than 2^31 blocks of 512 bytes), put's.
 */
NODISCARD int erofs_write(struct erofs *w, uint64_t tar_size, const struct digest *diff_id, bytes_put put,
			  void *arg, struct err *e);

/**
 * Mount index (open for reading) and its tar, read-only, nodev and nosuid, as a detached mount: no mount point, no
 * loop device, gone with its last fd. Neither fd is needed afterwards; neither file may be changed as long as it
 * is mounted. Good as a lower directory of overlayfs.
 * Needs Linux 6.12 with EROFS_FS_BACKED_BY_FILE, CAP_SYS_ADMIN in the initial user namespace, /proc, and index on
 * a file system that reads by pages into its cache (ext4, xfs, btrfs; not tmpfs or overlayfs: ENOTBLK).
 *
 * Owner:  *ret is the caller's, an O_PATH fd of the root.
 * Errors: ERR_SYS; ERR_CORRUPT (the index is none).
 */
NODISCARD int erofs_mount(int index, int tar, int *ret, struct err *e);

/* Is the file an index as this program writes them, and whole? (One of another version is made anew from its tar.) */
bool erofs_current(int index);

/* Could an index that lies on dir's file system be mounted? An empty one is, for a moment: 0.3 ms, nothing is left.
 * Errors: ERR_SYS, whose hint says which condition is missing. */
NODISCARD int erofs_try(int dir, struct err *e);

#endif
