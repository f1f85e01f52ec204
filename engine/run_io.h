/* SPDX-License-Identifier: Apache-2.0 */
/* A foreground program's streams and signals: for what joins a container and has our own streams. */
#ifndef ENGINE_RUN_IO_H
#define ENGINE_RUN_IO_H

#include <signal.h>

#include "base/task.h"
#include "runtime/sandbox/tty.h"

struct sandbox;
struct spec;

struct run_stream {		/* copies from one fd to another through a buffer */
	int from, to;		/* -1: ended */
	bool own_to;		/* `to` is closed at the end of `from` */
	size_t at, n;		/* buf[at..n) is to be written */
	char buf[16 << 10];
};

struct run_io {
	struct run_stream streams[3];	/* into the container, its output, its errors */
	int child[3];			/* what the container gets, to be closed once it has it; -1: none of ours */
	int signals;			/* signalfd */
	sigset_t old;			/* our signal mask before */
	bool opened, tty, interactive, masked;
	unsigned stops;			/* how many SIGINT, SIGTERM, SIGQUIT came that process 1 ignores */
	struct tty_raw raw;
};

/* Open what sp->stdio or sp->tty need; signals are held back from now on. Errors: ERR_USAGE "the input device is not
 * a TTY", ERR_SYS. */
NODISCARD int run_io_open(struct run_io *io, bool tty, bool interactive, struct spec *sp, struct err *e);
/* The sandbox is created: take its terminal. */
NODISCARD int run_io_attach(struct run_io *io, struct sandbox *sb, struct err *e);
/* Copy and pass signals on until process 1 has ended and all its output is through. */
NODISCARD int run_io_pump(struct job *j, struct run_io *io, struct sandbox *sb, struct err *e);
void run_io_close(struct run_io *io);	/* the terminal is as before; may be repeated, also on a zeroed one */

/* Hold back the signals that are passed on to a container: *fd is a signalfd of them, *old the mask before. */
NODISCARD int run_signals_hold(sigset_t *old, int *fd, struct err *e);
/* Would the signal reach a handler of this process 1? In its own pid namespace the kernel drops it otherwise. */
bool run_signal_caught(pid_t pid, int sig);

#define RUN_STOPS_MAX 3		/* so many keys or signals in vain, and the container is killed */

#endif
