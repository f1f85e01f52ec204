/* SPDX-License-Identifier: Apache-2.0 */
/* The build context: a directory, a tar or a lone Dockerfile on standard input; and its Dockerfile. */
#ifndef ENGINE_BUILD_CONTEXT_H
#define ENGINE_BUILD_CONTEXT_H

#include "base/task.h"

struct ignore;
struct lease;

struct build_context {		/* { .fd = -1 } is a valid empty one */
	int fd;			/* the directory; -1: none */
	char *path;		/* absolute, or "-" */
	char *file;		/* the Dockerfile as messages name it */
	char *file_path;	/* absolute, or "-" */
	struct buf text;	/* of the Dockerfile */
	struct ignore *ignore;
};

/* Open what args say (engine/build.h: context, file). Errors: ERR_NOT_FOUND, ERR_USAGE, ERR_LIMIT. */
NODISCARD int build_context_open(struct job *j, struct lease *l, const char *context, const char *file,
				 struct build_context *ret, struct err *e);
void build_context_done(struct build_context *c);

#endif
