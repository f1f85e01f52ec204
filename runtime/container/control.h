/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control connection of a running container: SOCK_SEQPACKET, <run directory>/containers/<id>/monitor.sock, one
 * message a datagram. Whoever can open the socket (its directory is 0700) may do everything.
 *
 * Whatever a client asks for is answered by CONTROL_DONE or CONTROL_REFUSED (text: why), in order. A client that has
 * asked to attach, wait, stop or restart besides gets CONTROL_EXITED at the next end of process 1.
 */
#ifndef RUNTIME_CONTAINER_CONTROL_H
#define RUNTIME_CONTAINER_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct job;

#define CONTROL_DATA ((size_t)16 << 10)	/* most bytes of a message behind its head */

enum control_stream { CONTROL_IN = 1 << 0, CONTROL_OUT = 1 << 1, CONTROL_ERR = 1 << 2 };

enum control_kind {
	/* client to monitor; the first seven get no answer */
	CONTROL_INPUT,		/* bytes for standard input; wait for CONTROL_TAKEN before the next */
	CONTROL_INPUT_END,
	CONTROL_DETACH,		/* a: streams that are wanted no more */
	CONTROL_CLOSED,		/* a: streams whose reader is gone: the container shall find them closed, too */
	CONTROL_RESIZE,		/* a rows, b columns */
	CONTROL_SIGNAL,		/* a: passed on from a client's own signal; no policy is changed by it */
	CONTROL_UNWAIT,		/* CONTROL_EXITED is not wanted any more */
	CONTROL_ATTACH,		/* a: streams */
	CONTROL_WAIT,
	CONTROL_KILL,		/* a signal, b: it is a stop (no restart follows) */
	CONTROL_STOP,		/* a seconds, -1: for ever; b signal or 0: the configured one */
	CONTROL_RESTART,	/* the same */
	CONTROL_PAUSE,
	CONTROL_RESUME,
	CONTROL_RELOAD,		/* config.json was replaced */
	/* monitor to client */
	CONTROL_STARTED,	/* a: pid of process 1 */
	CONTROL_FAILED,		/* a exit status, b enum err_kind, c errno, text: could not start; hint: a pointer, for a fork */
	CONTROL_NOTE,		/* text */
	CONTROL_WARN,
	CONTROL_OUTPUT,		/* bytes; a: CONTROL_OUT or CONTROL_ERR */
	CONTROL_TAKEN,		/* the last CONTROL_INPUT is written */
	CONTROL_DONE,		/* a: what the request is defined to say (ATTACH: pid; b: 1 with a terminal) */
	CONTROL_REFUSED,	/* b enum err_kind, text */
	CONTROL_EXITED,		/* a exit status; b: the memory limit struck */
	CONTROL_REMOVED,	/* AutoRemove: nothing of it is left */
};

struct control {
	uint32_t kind;		/* enum control_kind */
	int32_t a, b, c;
	uint64_t hint;
	size_t n;		/* bytes of data; not sent */
	char data[CONTROL_DATA];	/* NUL follows text in what control_recv() gives, if it is shorter than CONTROL_DATA */
};

/* The directory of a container's volatile state, run_dir/containers/<id>: make (0700) and hold by flock(2), or just open. */
NODISCARD int control_dir(const char *run_dir, const char *id, bool make, int *ret, struct err *e);
void control_dir_remove(const char *run_dir, const char *id);
/* Remove those that nobody holds: left by killed monitors. Returns how many there were. */
size_t control_sweep(const char *run_dir);
NODISCARD int control_listen(int dir, int *ret, struct err *e);
/* Errors: ERR_NOT_FOUND: no monitor is there. */
NODISCARD int control_connect(const char *run_dir, const char *id, int *ret, struct err *e);

/* Head and bytes as one datagram; flags: MSG_DONTWAIT. 0, or -1 with errno (EAGAIN: it would have to wait). */
int control_send(int sock, enum control_kind kind, int32_t a, int32_t b, struct str data, int flags);
int control_send_raw(int sock, const struct control *m, int flags);
/* 1, 0 at the end of the connection, -1 with errno. */
int control_recv(int sock, struct control *m, int flags);
/* Wait for the answer to what was asked last; CONTROL_REFUSED becomes *e. Other messages on the way are dropped. */
NODISCARD int control_answer(struct job *j, int sock, struct control *m, struct err *e);
/* Wait for CONTROL_EXITED: 1 and *code, or 0 if the monitor went away without a word. */
NODISCARD int control_wait_exit(struct job *j, int sock, int *code, struct err *e);

#endif
