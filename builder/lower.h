/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lowering: the tree of a Dockerfile becomes a graph of steps and the target's image config.
 * Only the stages that the target needs are looked at; a stage is lowered when it is first asked for.
 */
#ifndef BUILDER_LOWER_H
#define BUILDER_LOWER_H

#include "builder/graph.h"
#include "builder/scope.h"
#include "image/config.h"
#include "parser/diag.h"

#define HISTORY_COMMENT "buildkit.dockerfile.v0"

struct base_image {		/* what resolve() tells of an image */
	struct config *config;	/* owned by who asked */
	char name[512];		/* as shown to the user */
	struct digest manifest;
};

struct lower_opts {
	const struct dockerfile *file;
	struct graph *graph;
	const char *target;		/* NULL: the last stage */
	struct build_arg *args;		/* --build-arg; `used` is set */
	size_t nargs;
	const struct strv *labels;	/* --label */
	const struct strv *no_cache;	/* names of stages whose steps run anew; NULL: none */
	const struct strv *allow;	/* what more steps may have: "network.host", "device", "device=NAME"; NULL: nothing */
	const char *network;		/* default of RUN: "default", "none", "host" */
	struct platform platform;
	struct sink *sink;		/* warnings */
	/* Find an image; the builder never touches the store itself here. *want is the platform asked for. */
	int (*resolve)(void *arg, const char *ref, const struct platform *want, struct base_image *ret,
		       struct err *e);
	void *arg;
};

struct history_entry {
	const char *text;
	const char *author;
	struct vertex *vertex;		/* NULL: an empty layer */
};

struct lowered {			/* the target stage; config owned, lowered_done() */
	struct config *config;		/* without the new history and layers */
	struct vertex *root;		/* NULL: an empty tree */
	struct history_entry *history;	/* in the graph's arena */
	size_t nhistory;
	const char *stage;
	int64_t epoch;			/* SOURCE_DATE_EPOCH, -1: none */
};

/* Errors: ERR_USAGE with its place in the file, resolve()'s errors. */
NODISCARD int lower(const struct lower_opts *o, struct lowered *ret, struct err *e);
void lowered_done(struct lowered *l);

#endif
