/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: one directory with everything durable. Any number of processes and threads use it at
 * the same time; SQLite transactions, flock(2) and file locks are all that joins them, and the
 * kernel drops those when a process dies (docs/ARCHITECTURE.md section 3, invariant 5).
 */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include <stdatomic.h>

#include "base/err.h"
#include "image/digest.h"

struct db;
struct store;

enum store_dir {		/* made when first asked for, mode 0700 */
	STORE_BLOBS,		/* blobs/sha256: <hex> */
	STORE_LAYERS,		/* layers: <hex>, a directory (tree form), or whatever cache/layer keeps there as <hex>.* */
	STORE_WORK,		/* work: <lease id>/, blob-<id> being written, part-* and push-*, the files pins and locks */
	STORE_BUILDS,		/* builds: <build id>/<step>.log */
	STORE_CONTAINERS,	/* containers: <id>/ (runtime/container) */
	STORE_VOLUMES,		/* volumes: <name>/_data */
	STORE_MOUNTS,		/* mounts: <name>/, a cache mount, used under flock of <name>.lock */
	STORE_NETWORKS,		/* networks: <id>.json (runtime/network/netdef.h) */
	STORE_DIRS
};

/**
 * Open the store at root, or make it. root NULL: /var/lib/tare, for an ordinary user
 * $XDG_DATA_HOME/tare or ~/.local/share/tare ($TARE_ROOT is the command line's business).
 *
 * Owner:  *ret is the caller's; store_close() drops its pins, too. Do not carry it across fork().
 * Errors: ERR_USAGE (made by a newer tare), ERR_CORRUPT (the database is damaged or missing while
 *         layers exist), ERR_DENIED (not writable), ERR_SYS (sys ENOSPC: disk full); all with a hint.
 */
NODISCARD int store_open(const char *root, struct store **ret, struct err *e);
void store_close(struct store *s);
/* In a child that fork() made: from now on directories, path and fd alone are of use; no database, no pins. */
void store_after_fork(struct store *s);

int store_dirfd(const struct store *s);		/* the root directory; the store's */
const char *store_path(const struct store *s);	/* absolute; for messages, files are opened by dirfd */
struct db *store_db(struct store *s);
atomic_int *store_layer_form(struct store *s);	/* for cache/layer_form.c alone: 0 until it is asked */
/* A directory of the store, made if missing. Returns an fd that stays the store's, or -1. */
NODISCARD int store_dir(struct store *s, enum store_dir which, struct err *e);
const char *store_dir_name(enum store_dir which);	/* "blobs/sha256" */

/**
 * Pin a layer's diff ID or a blob's digest until store_close(): while this process lives, gc
 * removes neither its row nor its files. Repeating is cheap and harmless; nothing is written.
 *
 * The order that makes it safe: pin, THEN look whether it exists, then use it. If it has gone
 * before the pin, the look-up says so; after the pin it cannot go (gc.c, invariants). May be called
 * inside a transaction.
 */
NODISCARD int store_pin(struct store *s, const struct digest *d, struct err *e);

/* 16 random hex digits, for names of what has no digest yet. */
#define STORE_ID_MAX 17
/* How names in work/ begin: of a blob that is being downloaded, of a record of an upload. Whoever works with one has
 * flock(2) on it. They outlive their process, so that another one can go on; gc takes those not written to for
 * STORE_PART_AGE_S. */
#define STORE_PART "part-"
#define STORE_SESSION "push-"
#define STORE_PART_AGE_S (3 * 86400)
void store_id(char ret[static STORE_ID_MAX]);

#endif
