/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers as records: containers/<64 hex digits>/ in the store.
 *
 *   config.json   what was asked for, in the shape of Docker's inspect: all that a start needs; replaced by rename
 *   config.lock   flock(2)ed by whoever replaces it
 *   state.json    replaced by rename; not there yet: CREATED
 *   layers        diff IDs of its image, one in hex a line, base first: gc keeps them
 *   upper/ work/  its own files (cache/snapshot.h)
 *   <id>-json.log what it has written (logfile.h)
 *
 * A container's life; each arrow is one function, each box one value on disk:
 *
 *   (none) ──container_new()──► CREATED ──monitor──► RUNNING ◄──monitor──► PAUSED, RESTARTING ──monitor──► EXITED
 *                                  └──────────────────────── container_remove() ──────────────────────────┘──► (gone)
 *
 * 1. Whoever runs a container, its monitor, holds flock(2) on its directory, and alone writes state.json. RUNNING,
 *    PAUSED or RESTARTING without that lock means EXITED (137): the monitor was killed or the machine was switched
 *    off, and the container has gone with it.
 * 2. A directory appears under its ID complete; before, it is .new-<id>, and to be removed it is .del-<id>. So both
 *    can be left by a killed process, and container_list() removes them.
 * 3. names/<name> is a link whose target is the ID: made exclusively, before the directory is there, while names/ is
 *    flock(2)ed. A link to no container is free for the taking.
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

enum container_status {
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_RESTARTING,		/* process 1 has ended, its monitor starts it again after a while */
	CONTAINER_EXITED,
};

struct container_state {
	enum container_status status;
	int exit_code;
	bool oom;
	bool stopped;			/* somebody wanted it to end: unless-stopped holds */
	unsigned restarts;		/* by the restart policy, since it was last started by hand */
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
	int dir;			/* the directory; locked if it is ours to run or remove. In a list -1 unless live */
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
/* Has it a monitor? Running, paused or restarting. */
bool container_is_live(const struct container *c);
/**
 * Take the lock, to start it, and read the record again. Waits for a monitor that is just leaving.
 * Returns 0, 1 if it is live (not locked then), or -1. Errors: ERR_CONFLICT (somebody else holds it), ERR_NOT_FOUND.
 */
NODISCARD int container_lock(struct container *c, struct err *e);
int container_reload(struct container *c, struct err *e);	/* read config.json and state.json again */
int container_reload_config(struct container *c, struct err *e);	/* config.json and the name alone */
/*
 * Change config.json under its lock: change() gets the present one, and may refuse with -1. c->config is then the new one.
 */
NODISCARD int container_config_change(struct container *c, int (*change)(json_t *config, void *arg, struct err *e),
				      void *arg, struct err *e);
/* Errors: ERR_USAGE, ERR_CONFLICT. The monitor, if there is one, is for the caller to tell. */
NODISCARD int container_rename(struct container *c, const char *name, struct err *e);

/* By whole ID, name or start of an ID, in this order. Errors: ERR_NOT_FOUND "No such container: X", ERR_CONFLICT. */
NODISCARD int container_open(struct store *s, const char *ref, struct container **ret, struct err *e);

/**
 * Remove it with all its files. With force a running one is killed first.
 * Errors: ERR_CONFLICT (it is running), ERR_SYS. c stays to be freed.
 */
NODISCARD int container_remove(struct container *c, bool force, struct err *e);
void container_free(struct container *c);	/* also gives up the lock; NULL is fine */
static inline void container_cleanup(struct container **c) { container_free(*c); }
#define auto_container __attribute__((cleanup(container_cleanup)))

struct container_list {			/* { 0 } is a valid empty one */
	struct container **v;		/* newest first */
	size_t n;
};
/* All of them, with no more of config than lists need (skim.h). Garbage of killed processes is removed on the way, as are
 * --rm containers whose monitor was killed. */
NODISCARD int container_list(struct store *s, struct container_list *ret, struct err *e);
/* Remove names of no container. */
void container_names_sweep(struct store *s);
void container_list_done(struct container_list *l);
#define auto_containers __attribute__((cleanup(container_list_done)))

/* "Up 5 seconds", "Exited (1) 2 minutes ago", "Created". */
void container_status_text(const struct container *c, int64_t now_ns, struct buf *ret);
/* "running", "exited", "created", "paused", "restarting" */
const char *container_status_word(enum container_status s);

/* Fields of config.json, by path of keys ("Config", "Image", NULL); "" if absent. */
const char *container_text(const struct container *c, ...) __attribute__((sentinel));
int64_t container_created_ns(const struct container *c);

/* Names of the anonymous volumes that were made for it. */
void container_anonymous_volumes(const struct container *c, struct strv *ret);

/* proc(5) stat field 22 of a process; 0 if there is none. */
uint64_t process_start_time(pid_t pid);

#endif
