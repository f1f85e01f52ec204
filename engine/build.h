/* SPDX-License-Identifier: Apache-2.0 */
/* Build an image from a Dockerfile. */
#ifndef ENGINE_BUILD_H
#define ENGINE_BUILD_H

#include "base/err.h"
#include "base/task.h"
#include "image/digest.h"

struct client_options;
struct store;

struct build_args {
	const char *context;		/* a directory, or "-": standard input (a tar, or a Dockerfile alone) */
	const char *file;		/* NULL: CONTEXT/Dockerfile, else CONTEXT/dockerfile; "-": standard input */
	const char *target;		/* NULL: the last stage */
	struct strv tags;		/* names for the result */
	struct strv args;		/* "K=V", or "K": from the environment */
	struct strv labels;		/* "K=V" */
	struct strv no_cache_filter;	/* stages */
	struct strv allow;		/* entitlements of RUN steps: "network.host", "device", "device=NAME" */
	const char *network;		/* of RUN steps: NULL or "default", "none", "host" */
	bool no_cache, pull;		/* pull: ask the registries whether the base images are the latest */
	const struct client_options *registry;	/* for base images that are not in the store */
	int64_t workers;		/* 0: twice the processors, 4 to 16 */
};

/* What to tell when a step failed; all text owned, freed by build_report_done(). */
struct build_report {
	struct digest config, manifest;	/* of the image, on success */
	char *step;			/* name of the failed step, NULL: the failure is of no step */
	char *place;			/* its Dockerfile lines, rendered with numbers and a mark */
	char *log_tail;			/* its last 40 log lines, each ended by a newline */
	char *log_path;			/* the whole log */
	char *diagnostics;		/* errors and warnings of the Dockerfile, rendered */
};

/**
 * Build. Progress and warnings go to j->sink.
 *
 * Errors: ERR_USAGE (Dockerfile, context or options: report->diagnostics has all of them),
 *         ERR_STEP (a RUN command failed), ERR_CANCELLED, and those of the store.
 */
NODISCARD int engine_build(struct job *j, struct store *s, const struct build_args *a,
			   struct build_report *report, struct err *e);
void build_report_done(struct build_report *r);

#endif
