/* SPDX-License-Identifier: Apache-2.0 */
/* What every operation of a running build shares. */
#ifndef BUILDER_WORK_H
#define BUILDER_WORK_H

#include <sys/resource.h>

#include "base/task.h"
#include "builder/graph.h"

struct build_record;		/* cache/builds.h */
struct ignore;			/* parser/ignore.h */
struct lease;			/* cache/lease.h */
struct store;			/* cache/store.h */

struct work {
	struct job *job;
	struct store *store;		/* borrowed */
	struct lease *lease;		/* borrowed: pins what this build uses */
	struct graph *graph;
	int context_fd;			/* the build context, -1: none */
	const struct ignore *ignore;	/* .dockerignore, or NULL */
	const char *slot_prefix;	/* context and Dockerfile, names a step's place for `why` */
	struct build_record *record;	/* logs and steps; borrowed */
	bool no_cache;
	size_t workers;
	int64_t epoch;			/* SOURCE_DATE_EPOCH in seconds, -1: none */
	struct rlimit files;		/* on open files: what we were started with, and steps get; rlim_max 0: unchanged */

	/* What RUN steps share; made when the first one needs it, guarded by graph->lock. */
	struct sandbox_host *sandboxes;
	struct net_host *nets;
	bool host_net;			/* no network of their own can be made: steps share the host's */
	struct buf resolv_own, resolv_host;	/* resolv.conf of steps on an own network, on the host's */
};

/* Make what RUN steps share, once; *ret is borrowed. Warns once where the host's network has to do. */
NODISCARD int work_run_host(struct work *w, struct sandbox_host **ret, struct err *e);
void work_done(struct work *w);		/* frees those */

#endif
