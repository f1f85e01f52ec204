/* SPDX-License-Identifier: Apache-2.0 */
/* Run a container in the foreground. */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/task.h"

struct store;

struct run_args {		/* all borrowed; texts NULL and lists empty: not given */
	const char *image;
	struct strv command;		/* replaces the image's Cmd */
	const char *entrypoint;		/* "": none, and the image's Cmd is dropped */
	const char *name, *hostname, *domainname, *workdir, *user, *network, *cidfile;
	struct strv env;		/* "K=V"; "K": from our environment, or removed if unset there */
	struct strv env_files, labels;	/* paths; "K=V" */
	struct strv volumes, tmpfs;	/* "[src:]dst[:options]", "dst[:options]" */
	struct strv add_hosts, dns, dns_search, dns_options;
	struct strv cap_add, cap_drop, groups, ulimits, security;
	uint64_t memory, shm_size;	/* bytes; 0: no limit, the default */
	const char *memory_swap;	/* bytes, or "-1" */
	const char *cpus;		/* "1.5" */
	const char *cpuset;
	int64_t pids;			/* 0 or below: no limit */
	bool rm, tty, interactive, privileged, read_only, init;
};

/**
 * Create, start, wait, and with rm remove. The container has our standard streams: with tty through a terminal of its
 * own, else as they are (a terminal of ours is never handed over: it is copied to and from pipes).
 * Signals that reach this process while the container runs are passed on to it. Warnings go to j->sink.
 *
 * *status is the exit status for the shell, also on error: the container's, 128 + signal, 125 (could not be made),
 * 126 (its program cannot be executed), 127 (its program is not there).
 * Errors: ERR_USAGE, ERR_NOT_FOUND (image, program...), ERR_CONFLICT (name), ERR_DENIED, ERR_SYS.
 */
NODISCARD int engine_run(struct job *j, struct store *s, const struct run_args *a, int *status, struct err *e);

#endif
