/* SPDX-License-Identifier: Apache-2.0 */
/* What a command that works on the store has: a job that SIGINT and SIGTERM cancel, and the store. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <signal.h>

#include "base/task.h"
#include "cli/opt.h"

struct store;

struct session {
	struct job job;
	struct store *store;
	pthread_t watcher;		/* waits for the signals */
	int stop_fd;			/* tells the watcher to end */
	sigset_t old;
	bool watching;
};

/* Open the store of c->root. sink may be NULL. With SIGINT and SIGTERM blocked and watched: the first
 * cancels the job, the third ends the process. Errors: the store's. */
NODISCARD int session_open(struct session *s, struct cli *c, struct sink *sink, struct err *e);
/* The same without a watcher: for commands that treat signals themselves, or end at once. */
NODISCARD int session_open_plain(struct session *s, struct cli *c, struct err *e);
void session_close(struct session *s);
/* "tare: what", and the hint if there is one. */
void session_print_err(struct cli *c, const struct err *e);

#endif
