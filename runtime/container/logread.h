/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what logfile.h writes: from a line on, up to a time, and on as it grows. */
#ifndef RUNTIME_CONTAINER_LOGREAD_H
#define RUNTIME_CONTAINER_LOGREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct logline {
	int stream;			/* 1 or 2 */
	int64_t time_ns;
	struct str text;		/* as it was written, with its newline if it had one; borrowed until the next */
	struct str attrs;		/* a JSON object, or empty */
};

struct logread_options {
	int64_t since_ns, until_ns;	/* 0: no bound */
	int64_t tail;			/* so many lines from the end; below 0: all */
};

struct logread;

/* dir: the container's, borrowed. What is not there yet is read as it comes. Errors: ERR_SYS. */
NODISCARD int logread_open(int dir, const char *id, const struct logread_options *o, struct logread **ret, struct err *e);
/* 1: *ret is a line that fits; 0: no more at present; -1. *done (if until was passed): no more will come. */
NODISCARD int logread_next(struct logread *l, struct logline *ret, bool *done, struct err *e);
void logread_close(struct logread *l);

/* Pure: one line of the file without its newline. text and attrs are built in *text. False: no such line. */
bool logline_parse(struct str json, struct logline *ret, struct buf *text);

#endif
