/* SPDX-License-Identifier: Apache-2.0 */
/* A program run to its end: text in, bounded text out, ended when it takes too long or the job is cancelled. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include "base/task.h"

struct proc_end {		/* { 0 } is a valid empty one */
	int status;		/* exit status, 128 + n if signal n ended it */
	struct buf out, err;	/* what it wrote; of the second only the first 4 KiB */
};
void proc_end_done(struct proc_end *p);
#define auto_proc_end __attribute__((cleanup(proc_end_done)))

/**
 * Run argv[0], found by PATH, with in as its standard input.
 *
 * Errors: ERR_NOT_FOUND (no such program), ERR_SYS, ERR_LIMIT (out is more than out_max bytes, or timeout_ms are over:
 *         it is killed), ERR_CANCELLED (killed, too).
 */
NODISCARD int proc_run(struct job *j, const char *const *argv, struct str in, size_t out_max, int timeout_ms,
		       struct proc_end *ret, struct err *e);

#endif
