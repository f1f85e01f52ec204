/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of an archive become files beneath a root. Every path is resolved by the kernel in that root
 * (openat2 RESOLVE_IN_ROOT), the last component never followed; whatever an archive says, nothing outside is touched.
 */
#ifndef CACHE_EXTRACT_H
#define CACHE_EXTRACT_H

#include "base/task.h"
#include "cache/tar.h"

struct extract;

struct extract_opts {
	int root;		/* what "/" means to links; borrowed */
	const char *base;	/* the archive's root beneath root; made if missing by the caller; "" is root itself */
	bool layer;		/* a layer: .wh. names are deletions, 0:0 devices are refused */
	bool chown;		/* every entry belongs to uid:gid, whatever the archive says */
	uid_t uid;
	gid_t gid;
	/* mtime of directories that the archive only implies, and (unless it is a layer) the least mtime of those
	 * that were there and got new entries; -1: the present time */
	int64_t now_ns;
	/* Called instead of removing what an entry replaces (NULL: remove it); path is beneath root, without links. */
	int (*replace)(void *arg, int dir, const char *name, const char *path, struct err *e);
	void *arg;
};

/* Data of the present entry: tar_data() or archive_data() behind a common face. */
typedef int (*entry_data)(void *arg, const void **p, size_t *n, struct err *e);

struct extract *extract_new(const struct extract_opts *o);
/**
 * Make what the entry says. An existing directory takes a directory's attributes, anything else in the way is
 * replaced. *made is false if the entry has no file of its own (a whiteout, a device that can't be made).
 *
 * Errors: ERR_CORRUPT (the root as a file, a hard link to nothing...), ERR_USAGE (an owner this user may not
 *         give), ERR_SYS.
 * Spec:   OCI image-spec layer.md "Applying Changesets"; registry spec section 5.
 */
NODISCARD int extract_put(struct extract *x, const struct tar_entry *t, entry_data data, void *arg, bool *made,
			  struct err *e);
const char *extract_path(const struct extract *x);	/* beneath root, without links, of the last entry made */
/* Set the times of directories, tidy opaque ones. */
NODISCARD int extract_end(struct extract *x, struct err *e);
uint64_t extract_left_out(const struct extract *x);	/* device nodes that this user may not make */
void extract_free(struct extract *x);

/* The error for a refused chown: what to do about it. errno says why. */
int owner_error(struct err *e, const char *path, uint64_t uid, uint64_t gid);
/* Should a copy or an unpacked file keep this attribute? Not overlayfs's own marks, not labels. */
bool xattr_kept(struct str key);

#endif
