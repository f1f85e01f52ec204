/* SPDX-License-Identifier: Apache-2.0 */
/* New containers: create, and run, which is create, start and attach in one. */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/task.h"
#include "engine/attach.h"
#include "engine/start.h"

struct client_options;
struct store;

struct run_health {		/* texts as given, NULL: as the image has it */
	const char *cmd, *interval, *timeout, *retries, *start_period, *start_interval;
	const char *on_failure;		/* "none", "kill", "stop", "restart" */
	bool none;
	bool exact;			/* only at Docker's times: not more often until the first success */
};

struct run_limits {		/* texts NULL, numbers 0: not given */
	struct strv sysctls;		/* "K=V" */
	const char *ipc, *pid, *uts, *userns, *cgroupns, *cpuset_mems;
	uint64_t reservation;		/* bytes */
	int64_t swappiness;		/* 0 to 100; -1: not given */
	int64_t oom_score, cpu_shares, cpu_period, cpu_quota;	/* the latter two in microseconds */
};

struct run_args {		/* all borrowed; texts NULL and lists empty: not given */
	const char *image;
	const char *pull;		/* missing (NULL too), always, never */
	const char *platform;		/* of an image that is fetched; NULL: the host's */
	const struct client_options *registry;	/* for fetching it; NULL: the defaults */
	struct strv command;		/* replaces the image's Cmd */
	const char *entrypoint;		/* "": none, and the image's Cmd is dropped */
	const char *name, *hostname, *domainname, *workdir, *user, *cidfile;
	struct strv networks;		/* names, or "name=x,alias=y,ip=z"; container:X */
	struct strv aliases, ports, expose;	/* of the first network; as -p and --expose have them */
	const char *ip, *ip6, *mac;		/* of the first network */
	struct strv env;		/* "K=V"; "K": from our environment, or removed if unset there */
	struct strv env_files, labels;	/* paths; "K=V" */
	struct strv volumes, tmpfs;	/* "[src:]dst[:options]", "dst[:options]" */
	struct strv mounts, volumes_from;	/* "type=...,...", "CONTAINER[:ro]" */
	struct strv add_hosts, dns, dns_search, dns_options;
	struct strv devices, gpus;	/* "src[:dst][:rwm]" or a CDI name; "all", "2", "device=0" */
	struct strv cap_add, cap_drop, groups, ulimits, security;
	uint64_t memory, shm_size;	/* bytes; 0: no limit, the default */
	const char *memory_swap;	/* bytes, or "-1" */
	const char *cpus;		/* "1.5" */
	const char *cpuset;
	int64_t pids;			/* 0 or below: no limit */
	const char *restart;		/* "no", "always", "unless-stopped", "on-failure[:n]" */
	const char *stop_signal, *stop_timeout;
	const char *log_driver;
	struct strv log_opts;		/* "K=V" */
	struct strv attach;		/* "stdin", "stdout", "stderr" */
	const char *detach_keys;
	struct run_health health;
	struct run_limits limits;
	bool sig_proxy;			/* our signals are passed on to it */
	bool rm, tty, interactive, privileged, read_only, init, detach, publish_all;
};

/**
 * Record a container from an image and arguments; nothing of it runs. Warnings go to j->sink.
 * by_run: with rm, it is garbage should we be killed before it starts.
 *
 * Owner:  *ret is the caller's, start_free(): locked, ready for start_monitor().
 * Errors: ERR_USAGE, ERR_NOT_FOUND (image, network...), ERR_CONFLICT (name), ERR_DENIED, ERR_SYS; nothing is left behind.
 */
NODISCARD int engine_create(struct job *j, struct store *s, const struct run_args *a, bool by_run, struct start **ret,
			    struct err *e);
/**
 * Create, start, and unless a->detach attach and wait. Signals that reach this process while it is attached are passed
 * on to the container. Killed, it leaves the container running. id: the container's, once it exists.
 *
 * *status is the exit status for the shell, also on error: the container's, 128 + signal, 125 (could not be made),
 * 126 (its program cannot be executed), 127 (its program is not there); 0 when detached.
 * Errors: engine_create()'s and start's.
 */
NODISCARD int engine_run(struct job *j, struct store *s, const struct run_args *a, char id[static CONTAINER_ID_MAX],
			 int *status, struct err *e);

#endif
