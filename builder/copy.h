/* SPDX-License-Identifier: Apache-2.0 */
/* The file work of COPY and ADD: what is read (its digest), and the copying itself. */
#ifndef BUILDER_COPY_H
#define BUILDER_COPY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"
#include "base/task.h"
#include "image/digest.h"

struct chmod_spec;		/* parser/flags.h */
struct ignore;			/* parser/ignore.h */
struct sketch;			/* cache/sketch.h */
struct store;			/* cache/store.h */

struct copy_file {		/* a heredoc: a file of its own, 0644 0:0 */
	const char *name;
	struct str body;
};

struct copy_spec {		/* all borrowed */
	int src_root;		/* the build context or another stage's tree; -1: only files[] */
	bool from_context;	/* owners count as 0:0 and ignore applies */
	const struct ignore *ignore;	/* .dockerignore; may be NULL */
	struct strv src;	/* sources, variables expanded; Go's filepath.Match wildcards */
	const struct ignore *exclude;	/* --exclude patterns; NULL: none */
	bool parents;		/* --parents */
	const struct copy_file *files;	/* written after src is copied */
	size_t nfiles;
	const char *dest;	/* absolute; a trailing slash says directory; "." components are fine */
	int scratch;		/* a directory on a disk, for an archive's files on their way; with add */
	bool chown;		/* --chown */
	uid_t uid;
	gid_t gid;
	const struct chmod_spec *chmod;	/* --chmod; NULL: none */
	bool add;		/* ADD: unpack local archives ... */
	bool no_unpack;		/* ... but not with --unpack=false */
	/* mtime of files[] and of directories made on the way, the least mtime of directories that get new entries;
	 * -1: the newest time among what is copied, so that the same copy gives the same layer any day */
	int64_t now_ns;
};

/* Told one named input of the digest, for `tare why`: name "file SRC", value "tree sha256:..." */
typedef void (*copy_input)(void *arg, const char *name, const char *value);

/**
 * Digest of exactly what copy_run() would read: contents, names below the sources, modes, owners. Times don't
 * count, nor do paths above a source. Wildcards: the matched names count. Heredoc bodies count.
 * s may be NULL: without stat cache.
 *
 * Errors: ERR_NOT_FOUND `"/p": not found`; ERR_USAGE (unreadable, FIFO in the context), ERR_CANCELLED.
 * Spec:   dockerfile spec 1.7, 1.9.
 */
NODISCARD int copy_digest(struct job *j, struct store *s, const struct copy_spec *c, copy_input input, void *arg,
			  struct digest *ret, struct err *e);

/**
 * Copy, in the sketch s of a layer: no file is read or made yet. What c borrows must stay until the sketch is written.
 * Everything is resolved beneath src_root and in the sketch, links included.
 *
 * Errors: as copy_digest(); ERR_USAGE for conflicts ("cannot replace the directory /x by a file"); ERR_CORRUPT for bad
 *         archives; ERR_SYS (disk).
 * Spec:   dockerfile spec 1.7; cases CPY, OWN, PAX.
 */
NODISCARD int copy_sketch(struct job *j, const struct copy_spec *c, struct sketch *s, struct err *e);
/* Copy into the directory root, which is "/" to links. Errors: those and sketch_apply()'s. */
NODISCARD int copy_run(struct job *j, const struct copy_spec *c, int root, struct err *e);

#endif
