/* SPDX-License-Identifier: Apache-2.0 */
/* For engine/run: the mounts that a user asks for, as -v and --tmpfs say them. */
#ifndef ENGINE_RUN_MOUNT_H
#define ENGINE_RUN_MOUNT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/str.h"
#include "runtime/sandbox/spec.h"

enum run_mount_type { RUN_MOUNT_BIND, RUN_MOUNT_VOLUME, RUN_MOUNT_TMPFS };

struct run_mount {
	enum run_mount_type type;
	char *src;			/* BIND: absolute host path; VOLUME: its name, NULL until an anonymous one has it; owned */
	char *dst;			/* absolute, without ".", "..", double or trailing slashes; owned */
	char *mode;			/* the options as given, for the record; owned, never NULL */
	unsigned flags;			/* enum spec_mount_flag */
	enum spec_propagation propagation;
	bool no_copy;			/* VOLUME: an empty one is not filled from the image */
	bool anonymous;			/* VOLUME: made for this container, removed with it */
	char *data;			/* TMPFS: options for the kernel; owned, NULL: none */
	bool strict;			/* BIND: a missing source is an error; else it is made, as a directory */
	char *subpath;			/* VOLUME: only this file or directory of it; owned, NULL: all */
	struct strv labels, options;	/* VOLUME: of one that is made, "K=V" */
	bool idmap;			/* BIND: the owner of the source is shown as the container's user, and the reverse */
};

struct run_mounts {			/* { 0 } is a valid empty one */
	struct run_mount *v;
	size_t n;
	uid_t uid;			/* who the container runs as; for idmap */
	gid_t gid;
};

/*
 * Parse and append. A mount on a place that has one already is an error, unless both are the same.
 * cwd: what relative host paths start from. Errors: ERR_USAGE, in Docker's words.
 */
NODISCARD int run_mounts_volume(struct run_mounts *l, const char *text, const char *cwd, struct err *e);
NODISCARD int run_mounts_tmpfs(struct run_mounts *l, const char *text, struct err *e);
/* --mount: "type=bind,source=...,target=...,readonly". */
NODISCARD int run_mounts_mount(struct run_mounts *l, const char *text, const char *cwd, struct err *e);
/* --volumes-from: those of another container's record that have no mount yet; read_only: as such. */
NODISCARD int run_mounts_from(struct run_mounts *l, const json_t *mounts, bool read_only, struct err *e);
/* For the files of this module: takes *m, also on error. */
NODISCARD int run_mounts_add(struct run_mounts *l, struct run_mount *m, struct err *e);
/* All as a record's Mounts, complete with names; volumes_dir: where the store keeps volumes. */
json_t *run_mounts_json(const struct run_mounts *l, const char *volumes_dir);
/* One of them back. Errors: ERR_USAGE (a damaged record). */
NODISCARD int run_mounts_load(struct run_mounts *l, const json_t *mount, struct err *e);
/* An anonymous volume for each VOLUME path of an image that has no mount yet. Errors: ERR_USAGE. */
NODISCARD int run_mounts_image(struct run_mounts *l, const struct strv *paths, struct err *e);
/* Outer mounts before those within them; else the order in which they came. */
void run_mounts_sort(struct run_mounts *l);
void run_mounts_done(struct run_mounts *l);

#endif
