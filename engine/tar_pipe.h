/* SPDX-License-Identifier: Apache-2.0 */
/* A tree's tar, written by a thread into a pipe for somebody who wants to read. */
#ifndef ENGINE_TAR_PIPE_H
#define ENGINE_TAR_PIPE_H

#include "cache/tree_tar.h"

struct tar_pipe {
	struct job *job;
	const struct tree_tar *how;	/* borrowed until tar_pipe_end() */
	int tree, in, out;		/* in: to be read from */
	pthread_t thread;
	uint64_t bytes;			/* of the tar, so far */
	int r;
	struct err err;
};

NODISCARD int tar_pipe_start(struct tar_pipe *p, struct job *j, int tree, const struct tree_tar *how, struct err *e);
/* Close and join; its error is *e's if the reader (r) had none of its own, or only found the end too early. */
NODISCARD int tar_pipe_end(struct tar_pipe *p, int r, struct err *e);

#endif
