/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces that a container shares with another one: --pid container:X, --ipc container:X. */
#ifndef ENGINE_RUN_JOIN_H
#define ENGINE_RUN_JOIN_H

#include <jansson.h>

#include "runtime/sandbox/join.h"
#include "runtime/sandbox/spec.h"

struct store;

/* In HostConfig, names become IDs, so that a rename does not matter. Errors: ERR_NOT_FOUND, ERR_CONFLICT. */
NODISCARD int run_join_record(struct store *s, json_t *config, struct err *e);

struct run_joined {		/* { 0 } is a valid empty one; what the spec borrows */
	bool pid, ipc, shm;	/* which of them are open */
	struct process pid_of;
	int ipc_fd, shm_fd;
};

/* For a start; store: its path. Errors: ERR_CONFLICT (that one is not running, or does not share), ERR_SYS. */
NODISCARD int run_join_open(const char *store, const json_t *config, struct run_joined *r, struct spec *sp, struct err *e);
void run_join_close(struct run_joined *r);

#endif
