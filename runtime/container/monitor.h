/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor: one small process per running container. It outlives whoever started the container, owns its
 * streams, log, exit status and restart policy, and answers on the control socket (runtime/container/control.h).
 *
 *   fork ──► OPENING ──ops.open, sandbox_start──► RUNNING ──process 1 ends──► ops.close ──policy: again──► WAITING
 *               ▲                                                                │                            │
 *               └────────────────────────────── back-off over ◄──────────────────┼────────────────────────────┘
 *                                                                                └──policy: no──► EXITED, the process ends
 *
 * One thread, one epoll loop; no SQLite, nothing but files and sockets. What else lives as long as a container (name
 * server, health checks) hangs its descriptors and timers on the loop; its callbacks must not block for long.
 * Killed, it takes the container along (the sandbox's keeper), and the record says so (container.h, invariant 1).
 */
#ifndef RUNTIME_CONTAINER_MONITOR_H
#define RUNTIME_CONTAINER_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct container;
struct job;
struct monitor;
struct sandbox;
struct spec;

/* How one run of the container is made and unmade; called in the monitor's process with the arg of monitor_start(). */
struct monitor_ops {
	/* Make tree, mounts, network and the sandbox, which is created but not started. streams: stdio, tty, rows and cols
	 * of the spec are to be taken from it. On failure close() follows, too. */
	int (*open)(void *arg, struct monitor *m, const struct spec *streams, struct sandbox **ret, struct err *e);
	void (*started)(void *arg, struct monitor *m);	/* process 1 runs, the record says so */
	/* Undo open(): process 1 is dead, its sandbox freed (or never made). May be followed by another open(). */
	void (*close)(void *arg, struct monitor *m);
	void (*done)(void *arg, struct monitor *m);	/* none follows: let go what was kept; then comes EXITED */
	/* config.json was replaced, and is read again: limits, names, networks. */
	int (*reload)(void *arg, struct monitor *m, struct err *e);
	int (*remove)(void *arg, struct monitor *m, struct err *e);	/* AutoRemove: the container with all it owns */
};

struct monitor_first {		/* what the one who starts it has */
	unsigned streams;		/* enum control_stream: it is attached to them from the beginning */
	unsigned short rows, cols;	/* of its terminal; 0: it has none */
};

/**
 * Fork the monitor of c, whose lock is held; the lock is the monitor's from now on (c itself may be freed here).
 *
 * Owner:  *ret is the caller's end of a control connection: read it with control_recv(). The first message that is
 *         neither CONTROL_NOTE nor CONTROL_WARN is CONTROL_STARTED or CONTROL_FAILED.
 * Errors: ERR_SYS; then there is no monitor.
 */
NODISCARD int monitor_start(struct container *c, const struct monitor_ops *ops, void *arg,
			    const struct monitor_first *first, int *ret, struct err *e);

/* ---- for what hangs on the loop (only in the monitor's process) ---- */

typedef void monitor_watch_fn(void *arg, uint32_t events);

/* Call fn whenever fd has events (EPOLLIN...). fd stays the caller's: unwatch it before it is closed. */
NODISCARD int monitor_watch(struct monitor *m, int fd, uint32_t events, monitor_watch_fn *fn, void *arg, struct err *e);
void monitor_rewatch(struct monitor *m, int fd, uint32_t events);	/* 0: watched no more for now */
void monitor_unwatch(struct monitor *m, int fd);			/* also from within fn; unknown ones are fine */

struct monitor_timer {			/* the caller's storage, zeroed; fn and arg are set by it */
	void (*fn)(void *arg);
	void *arg;
	int64_t at_ns;			/* clock_mono_ns(); 0: not set */
	struct monitor_timer *next;
};

void monitor_timer_set(struct monitor *m, struct monitor_timer *t, int64_t delay_ns);	/* once; also moves it */
void monitor_timer_stop(struct monitor *m, struct monitor_timer *t);

struct container *monitor_container(struct monitor *m);	/* its state may be changed: container_set_state() */
struct sandbox *monitor_sandbox(struct monitor *m);	/* NULL unless process 1 runs */
struct job *monitor_job(struct monitor *m);		/* its sink goes to whoever started the container, while connected */
/* As "tare stop" and "tare restart" do it: stop signal, patience, SIGKILL. */
void monitor_stop(struct monitor *m, bool again);

#endif
