/* SPDX-License-Identifier: Apache-2.0 */
/* RUN: a command in a sandbox on a writable snapshot, whose changes become the layer. */
#ifndef BUILDER_OP_RUN_H
#define BUILDER_OP_RUN_H

#include "builder/graph.h"
#include "parser/flags.h"

struct run_step_mount {
	struct run_mount m;
	const char *target;		/* absolute */
	int in;				/* index into v->in of the tree it comes from; -1: the build context, or none */
};

struct run_op {				/* all in the graph's arena */
	struct strv argv, env;
	struct strv proxies;		/* further env, in no key */
	const char *cwd, *user;
	const char *network;		/* "default", "none", "host" */
	const char *hostname;
	const char *script_name;	/* a here-document with "#!": /dev/pipes/<name>; NULL: none */
	struct str script;
	struct run_step_mount *mounts;
	struct run_device *devices;
	size_t nmounts, ndevices;
};

extern const struct op_type run_type;

#endif
