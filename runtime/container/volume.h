/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes: volumes/<name>/ in the store.
 *
 *   _data/        what containers see
 *   volume.json   labels, options, when it was made; a volume without it is a plain one
 *   _new/         being filled from an image; garbage unless its filler is at work
 *   _filled/      complete; its entries are being moved to _data/
 *
 * 1. A volume appears under its name complete (before, it is .new-<id>), and is removed by one rename (.del-<id>).
 * 2. Whoever fills or removes it holds flock(2) on its directory; a lock on a directory that has lost its name is worth
 *    nothing: look again.
 * 3. _data/ is never replaced, since other containers may have it mounted.
 */
#ifndef RUNTIME_CONTAINER_VOLUME_H
#define RUNTIME_CONTAINER_VOLUME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct store;
struct strv;

struct volume {
	int dir;		/* volumes/<name>; an exclusive flock as long as it is open */
	int data;		/* its _data; -1 once taken */
	char *path;		/* of _data, absolute; owned */
	json_t *meta;		/* volume.json: "CreatedAt", "Labels", "Options", "Anonymous"; never NULL; owned */
};

struct volume_opts {		/* objects of texts, borrowed; NULL: none */
	json_t *labels, *options;
	bool anonymous;
};

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+, at most 255 bytes */
bool volume_name_ok(const char *name);
/**
 * Make it; one that is there already is left as it is, if no options are asked for that differ.
 * *made (may be NULL) tells which. Errors: ERR_USAGE (name, options), ERR_CONFLICT (other options), ERR_SYS.
 */
NODISCARD int volume_create(struct store *s, const char *name, const struct volume_opts *o, bool *made, struct err *e);
/* Open with the lock: whoever fills it on first use does so alone. Missing: made with *o, or with o NULL ERR_NOT_FOUND
 * "get NAME: no such volume". Other errors: ERR_USAGE, ERR_SYS. */
NODISCARD int volume_open(struct store *s, const char *name, const struct volume_opts *o, struct volume *ret,
			  struct err *e);
bool volume_is_empty(const struct volume *v);
/*
 * Fill in two steps that a kill may interrupt: volume_fill_begin() gives an empty directory (the caller's fd), and
 * volume_fill_end() makes its entries, owner, mode and times those of _data. What is left of an earlier fill is
 * finished or dropped by volume_open().
 */
NODISCARD int volume_fill_begin(struct volume *v, int *ret, struct err *e);
NODISCARD int volume_fill_end(struct volume *v, struct err *e);
void volume_close(struct volume *v);
/* With all its files; v stays to be closed. */
NODISCARD int volume_remove_open(struct store *s, struct volume *v, const char *name, struct err *e);
/* The same by name; a missing one is no error. */
NODISCARD int volume_remove(struct store *s, const char *name, struct err *e);

/* Names of all, sorted. Garbage is removed on the way. */
NODISCARD int volume_names(struct store *s, struct strv *ret, struct err *e);
/* Its meta without a lock, the caller's. Errors: ERR_NOT_FOUND, ERR_SYS. */
NODISCARD int volume_meta(struct store *s, const char *name, json_t **ret, struct err *e);
/* Absolute path of its _data; the caller frees. */
char *volume_path(struct store *s, const char *name);

/*
 * The mount that options ask for ("type", "device", "o" as of mount(8)), detached: the caller's fd. -1 in *ret if there
 * are no such options: then it is _data itself. Errors: ERR_USAGE, ERR_SYS.
 */
NODISCARD int volume_mount(const struct volume *v, const char *name, int *ret, struct err *e);

#endif
