/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of builds: which steps, cached or executed, by which keys; and their logs,
 * builds/<id>/<step>.log. A record is kept in memory while the build runs and written by
 * build_end() in one transaction; logs are written as they come. The last BUILDS_KEPT builds of
 * each context are kept.
 */
#ifndef CACHE_BUILDS_H
#define CACHE_BUILDS_H

#include <stdbool.h>

#include "cache/keys.h"

#define BUILDS_KEPT 20

struct build_record;

enum build_state {		/* stored: never renumber */
	BUILD_HIT = 0,		/* the result came from the cache */
	BUILD_MISS = 1,		/* executed */
	BUILD_FAILED = 2,
	BUILD_CANCELLED = 3,	/* begun, not ended */
};

struct build_step {
	unsigned index;			/* number shown to the user, from 1; names its log */
	const char *name;		/* "[build 2/5] RUN make" */
	const char *slot;		/* as in struct key_row */
	unsigned line, line_end;	/* in the Dockerfile, from 1; 0: none */
	enum build_state state;
	const char *note;		/* why it ran although nothing differed ("--no-cache"), or NULL */
	struct digest key;
	bool has_layer;
	struct digest diff_id;		/* if has_layer */
	double seconds;
	const struct key_input *inputs;	/* of a step that stored no key; else NULL */
	size_t ninputs;
};

/* Nothing is written yet. context and dockerfile: absolute paths ("-" for standard input); target
 * may be NULL. */
NODISCARD int build_begin(struct store *s, const char *context, const char *dockerfile,
			  const char *target, struct build_record **ret, struct err *e);
const char *build_id(const struct build_record *b);	/* 16 hex digits */
/* builds/<id>/, made (and locked against gc) by the first call; the record's. Thread-safe. */
NODISCARD int build_dir(struct build_record *b, int *ret, struct err *e);
/* Make builds/<id>/<index>.log and open it to append; the caller closes *ret. Thread-safe. */
NODISCARD int build_log(struct build_record *b, unsigned index, int *ret, struct err *e);
/* Remember a step; all is copied. Thread-safe. */
void build_step(struct build_record *b, const struct build_step *st);
/* Write the record, prune old ones, free b (whatever happens). status: "ok", "failed", "cancelled";
 * manifest: of the image made, or NULL. */
NODISCARD int build_end(struct build_record *b, const char *status, const struct digest *manifest,
			struct err *e);
void build_drop(struct build_record *b);	/* free without writing; the logs go, too */

struct build_row {			/* { 0 } is a valid empty one; strings owned */
	char *id, *context, *dockerfile, *target, *status;
	int64_t started_ns, ended_ns;
};
struct build_step_row {
	unsigned index, line, line_end;
	char *name, *slot, *note;
	enum build_state state;
	struct digest key, diff_id;
	bool has_layer;
	double seconds;
};
struct build_steps {			/* { 0 } is a valid empty one */
	struct build_step_row *v;	/* by index */
	size_t n;
};
/* The build whose id starts with id; NULL: the last. 1 found, 0 not, -1 (ERR_CONFLICT: several). */
NODISCARD int build_find(struct store *s, const char *id, struct build_row *ret, struct err *e);
/* The last build of b's context before it that has a step at slot: preferably one where the step was cached or
 * ended well. 1 found, 0 not, -1. */
NODISCARD int build_earlier(struct store *s, const struct build_row *b, const char *slot,
			    struct build_row *ret, struct err *e);
NODISCARD int build_steps(struct store *s, const char *id, struct build_steps *ret, struct err *e);
void build_row_done(struct build_row *r);
void build_steps_done(struct build_steps *l);

#endif
