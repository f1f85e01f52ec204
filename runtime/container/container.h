/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers as records: containers/<64 hex digits>/ in the store.
 *
 *   config.json   what was asked for, in the shape of Docker's inspect; never changes
 *   state.json    replaced by rename; not there yet: CREATED
 *   layers        diff IDs of its image, one in hex a line, base first: gc keeps them
 *   upper/ work/  its own files (cache/snapshot.h)
 *
 * A container's life; each arrow is one function, each box one value on disk:
 *
 *   (none) ──container_new()──► CREATED ──container_set_state()──► RUNNING ──container_set_state()──► EXITED
 *                                  └───────────────── container_remove() ─────────────────────────────┘──► (gone)
 *
 * 1. Whoever runs a container holds flock(2) on its directory. RUNNING without that lock means EXITED (137): the
 *    runner was killed, and its keeper has killed the container.
 * 2. A directory appears under its ID complete; before, it is .new-<id>, and to be removed it is .del-<id>. So both
 *    can be left by a killed process, and containers_sweep() knows them.
 * 3. names/<name> is a link whose target is the ID: made exclusively, after the directory is there. A link to no
 *    container is free for the taking.
 */
#ifndef RUNTIME_CONTAINER_CONTAINER_H
#define RUNTIME_CONTAINER_CONTAINER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "image/digest.h"

struct store;

#define CONTAINER_ID_MAX 65	/* 64 hex digits and NUL */
#define CONTAINER_SHORT 12	/* digits that users see */

enum container_status { CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_EXITED };

struct container_state {
	enum container_status status;
	int exit_code;
	bool oom;
	pid_t pid;			/* of process 1 while running, else 0 */
	uint64_t pid_start;		/* its start time (proc(5), stat, field 22): the pid is not another's */
	int64_t started_ns, finished_ns;	/* since 1970; 0: never, or unknown */
	char *error;			/* why it could not start; NULL: no error; owned */
};

struct container {
	struct store *store;		/* borrowed */
	char id[CONTAINER_ID_MAX];
	char *name;			/* owned */
	json_t *config;			/* config.json */
	struct container_state state;
	bool durable;			/* changes of the state are synced */
	int dir;			/* the directory; locked if it is ours to run or remove */
};

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+ ; a leading slash is for the caller to cut. */
bool container_name_ok(const char *name);
/* 64 random hex digits. */
void container_new_id(char ret[static CONTAINER_ID_MAX]);

/**
 * Record a container, status CREATED, and lock it.
 *
 * config: copied, gets "Id" and "Name". name NULL: a random one. layers: pinned by the caller until this returns.
 * Owner:  *ret is the caller's, container_free().
 * Errors: ERR_USAGE (name), ERR_CONFLICT (the name is in use: by whom is said), ERR_SYS.
 */
NODISCARD int container_new(struct store *s, const char *id, const char *name, const json_t *config,
			    const struct digest *layers, size_t n, bool durable, struct container **ret, struct err *e);
/* Take over *st's fields (its error is copied) and write them. */
NODISCARD int container_set_state(struct container *c, const struct container_state *st, struct err *e);

/* By whole ID, name or start of an ID, in this order. Errors: ERR_NOT_FOUND "No such container: X", ERR_CONFLICT. */
NODISCARD int container_open(struct store *s, const char *ref, struct container **ret, struct err *e);

/**
 * Remove it with all its files. With force a running one is killed first.
 * Errors: ERR_CONFLICT (it is running), ERR_SYS. c stays to be freed.
 */
NODISCARD int container_remove(struct container *c, bool force, struct err *e);
void container_free(struct container *c);	/* also gives up the lock; NULL is fine */

struct container_list {			/* { 0 } is a valid empty one */
	struct container **v;		/* newest first */
	size_t n;
};
/* All of them; garbage of killed processes is removed on the way, as are --rm containers whose runner was killed. */
NODISCARD int container_list(struct store *s, struct container_list *ret, struct err *e);
void container_list_done(struct container_list *l);
#define auto_containers __attribute__((cleanup(container_list_done)))

/* "Up 5 seconds", "Exited (1) 2 minutes ago", "Created". */
void container_status_text(const struct container *c, int64_t now_ns, struct buf *ret);
/* "running", "exited", "created" */
const char *container_status_word(enum container_status s);

/* Fields of config.json, by path of keys ("Config", "Image", NULL); "" if absent. */
const char *container_text(const struct container *c, ...) __attribute__((sentinel));
int64_t container_created_ns(const struct container *c);

/* Names of the anonymous volumes that were made for it. */
void container_anonymous_volumes(const struct container *c, struct strv *ret);

/* proc(5) stat field 22 of a process; 0 if there is none. */
uint64_t process_start_time(pid_t pid);

#endif
