/* SPDX-License-Identifier: Apache-2.0 */
/* COPY, ADD and WORKDIR: changes to a tree that need no process. */
#ifndef BUILDER_OP_COPY_H
#define BUILDER_OP_COPY_H

#include "builder/copy.h"
#include "builder/graph.h"
#include "parser/flags.h"

struct copy_op {			/* all in the graph's arena */
	struct strv src;
	struct copy_file *files;
	size_t nfiles;
	const char *dest;		/* absolute, a trailing slash kept */
	const char *chown;		/* as written, expanded; NULL: none */
	const char *chmod;		/* likewise */
	struct strv exclude;
	bool from;			/* from v->in[1], else from the context */
	bool parents, add, no_unpack;
	bool has_digest;		/* of the context's files: asked twice, walked once */
	struct digest digest;
};

struct workdir_op {
	const char *path;
	const char *user;
};

extern const struct op_type copy_type, workdir_type;

#endif
