/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a container from its record alone: config.json and layers to a monitor. */
#ifndef ENGINE_START_H
#define ENGINE_START_H

#include "base/task.h"
#include "engine/attach.h"
#include "runtime/container/container.h"

struct layer;
struct store;

struct start {			/* a container whose lock is held, and what its runs need of the store's database */
	struct store *store;
	struct container *c;	/* owned */
	struct layer **layers;	/* NULL until start_layers() */
	size_t nlayers;
	unsigned short rows, cols;	/* of the terminal to be made; 0: unknown */
	pid_t pid;		/* of process 1, once started */
	struct run_parts *parts;	/* the monitor's; NULL elsewhere */
};

/* Find the container and lock it. 0, 1 if it runs already (*ret then has it, not locked), or -1: container_open()'s. */
NODISCARD int start_open(struct store *s, const char *ref, struct start **ret, struct err *e);
void start_free(struct start *st);	/* gives up the lock, if it is still ours; NULL is fine */

/**
 * Fork the monitor and wait until the container runs. streams: enum control_stream bits to be attached to.
 * Warnings go to j->sink. *status is for the shell, on error 125, 126 or 127.
 *
 * Owner:  *ret is the caller's end of the control connection.
 * Errors: what the start ran into; ERR_CANCELLED leaves the monitor to itself.
 */
NODISCARD int start_monitor(struct job *j, struct start *st, unsigned streams, int *ret, int *status, struct err *e);

/* tare start: one that runs already is no error. Errors: start_open()'s, start_monitor()'s. */
NODISCARD int engine_start(struct job *j, struct store *s, const char *ref, struct err *e);
/* With our streams, until it ends: *status is its exit status. */
NODISCARD int engine_start_attached(struct job *j, struct store *s, const char *ref, const struct attach_args *args,
				    int *status, struct err *e);

#endif
