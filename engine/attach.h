/* SPDX-License-Identifier: Apache-2.0 */
/* Our standard streams, terminal and signals as those of a container, by way of its monitor. */
#ifndef ENGINE_ATTACH_H
#define ENGINE_ATTACH_H

#include <signal.h>
#include <stdbool.h>

#include "base/task.h"
#include "runtime/container/control.h"
#include "runtime/container/detach.h"
#include "runtime/sandbox/tty.h"

struct store;

struct attach_args {
	unsigned streams;		/* enum control_stream */
	bool tty;			/* the container has one: ours becomes raw */
	const char *detach_keys;	/* NULL: the default */
	bool sig_proxy;			/* pass our signals on */
	bool by_run;			/* we are the one who ran it: should our reader go away, so shall its streams */
	bool removes;			/* wait until an AutoRemove container is gone, too */
};

struct attach {			/* .sock = -1 is a valid empty one */
	struct attach_args args;
	int sock, signals;
	pid_t pid;		/* of process 1 */
	sigset_t old;
	bool masked, input_busy, exited;
	unsigned stops;		/* how many SIGINT, SIGTERM, SIGQUIT came that process 1 ignores */
	int code;
	struct tty_raw raw;
	struct detach keys;
	struct control *out;	/* what is being written; NULL: nothing */
	size_t out_at;
};

/* Check that it can be done, and hold our signals back; *a zeroed but for sock. Errors: ERR_USAGE "the input device is not
 * a TTY", ERR_SYS. */
NODISCARD int attach_open(struct attach *a, const struct attach_args *args, struct err *e);
/* With sock connected and attached: until process 1 ends, or the detach keys come (*status 0 then).
 * Errors: ERR_CANCELLED, ERR_SYS. */
NODISCARD int attach_pump(struct job *j, struct attach *a, int *status, struct err *e);
void attach_close(struct attach *a);	/* the terminal is as before; may be repeated */
#define auto_attach __attribute__((cleanup(attach_close)))

/* tare attach: to one that runs. *status: its exit status. Errors: ERR_NOT_FOUND, ERR_CONFLICT (paused, not running). */
NODISCARD int engine_attach(struct job *j, struct store *s, const char *ref, const struct attach_args *args, int *status,
			    struct err *e);

#endif
