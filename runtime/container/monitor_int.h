/* SPDX-License-Identifier: Apache-2.0 */
/* For the monitor's own files: its state. */
#ifndef RUNTIME_CONTAINER_MONITOR_INT_H
#define RUNTIME_CONTAINER_MONITOR_INT_H

#include "base/task.h"
#include "runtime/container/container.h"
#include "runtime/container/control.h"
#include "runtime/container/logfile.h"
#include "runtime/container/monitor.h"
#include "runtime/container/restart.h"
#include "runtime/sandbox/spec.h"

struct client {
	struct client *next;
	struct monitor *m;
	int fd;
	unsigned streams;		/* that it is attached to */
	bool waits;			/* CONTROL_EXITED is for it */
	bool gone;			/* closed; freed when no callback is running */
	bool input_busy;		/* its CONTROL_INPUT is not written yet */
	struct buf queue;		/* uint32_t length, bytes: messages that did not fit into its socket */
	size_t at;
};

struct watch {
	struct watch *next;
	int fd;				/* -1: unwatched, to be freed */
	monitor_watch_fn *fn;
	void *arg;
};

struct streams {
	bool tty, open_stdin, stdin_once;
	int child[3];			/* what the container gets, until it has it */
	int in;				/* -1: closed */
	int out[2];			/* standard output or the terminal; standard error */
	bool held;			/* they are not read now */
	struct buf input;		/* not written yet */
	size_t input_at;
	struct client *input_from;
};

struct monitor {
	struct container *c;
	const struct monitor_ops *ops;
	void *arg;
	struct job job;
	struct sink sink;
	/* the loop */
	int epoll, signals;
	struct watch *watches;
	struct monitor_timer *timers;
	bool quit;
	/* the control socket */
	char *run_dir;
	int dir, listen;
	struct client *clients, *starter;
	/* one run */
	struct sandbox *sb;
	struct streams io;
	struct logfile *log;
	int64_t started_mono;
	bool ended;			/* process 1 is dead, its output may not be through */
	bool opened;			/* ops.close() is due */
	unsigned short rows, cols;
	struct monitor_timer patience, backoff, drain, settle;
	/* what is wanted */
	bool stopping;			/* no restart follows */
	bool again;			/* it is a restart by hand */
	bool stop_asked;		/* with "stop": an event of this name is due */
	bool by_hand;			/* somebody asked for its end: unless-stopped */
	struct restart_state policy;
};

/* monitor_loop.c */
NODISCARD int loop_open(struct monitor *m, struct err *e);
void loop_turn(struct monitor *m);		/* wait for something, and handle it */
void loop_close(struct monitor *m);

/* monitor_stream.c */
NODISCARD int streams_open(struct monitor *m, struct spec *sp, struct err *e);
NODISCARD int streams_attach(struct monitor *m, struct err *e);	/* the sandbox is created */
void streams_flow(struct monitor *m);		/* start or stop reading, as clients and the log keep up */
bool streams_drained(const struct monitor *m);
void streams_input(struct monitor *m, struct client *from, struct str bytes);
void streams_input_end(struct monitor *m);
void streams_output_closed(struct monitor *m, unsigned streams);
void streams_close(struct monitor *m);

/* monitor_client.c */
struct client *monitor_client_new(struct monitor *m, int fd, unsigned streams);	/* fd becomes its */
void client_send(struct client *c, enum control_kind kind, int32_t a, int32_t b, struct str data);
void client_send_failed(struct client *c, int status, const struct err *why);
void clients_output(struct monitor *m, unsigned stream, struct str bytes);
bool clients_behind(const struct monitor *m);	/* is anybody's queue not empty? */
void clients_tell(struct monitor *m, enum control_kind kind, int32_t a, int32_t b);	/* to those that wait */
NODISCARD int clients_listen(struct monitor *m, struct err *e);
void clients_linger(struct monitor *m);		/* until all that was queued is read, or nobody is there */
void clients_close(struct monitor *m);

/* monitor.c: what clients ask for; errors are for them */
NODISCARD int monitor_do_kill(struct monitor *m, int sig, bool stop, struct err *e);
NODISCARD int monitor_do_stop(struct monitor *m, int sig, int seconds, bool again, struct err *e);
NODISCARD int monitor_do_pause(struct monitor *m, bool pause, struct err *e);
NODISCARD int monitor_do_reload(struct monitor *m, struct err *e);

#define STOP_DEFAULT INT32_MIN		/* seconds of a stop: as configured */

#endif
