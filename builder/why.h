/* SPDX-License-Identifier: Apache-2.0 */
/* Why was a step executed? A build's steps, what made their keys, and what differed before. */
#ifndef BUILDER_WHY_H
#define BUILDER_WHY_H

#include "cache/builds.h"

enum why_cause {
	WHY_CACHED,		/* not executed: nothing to explain */
	WHY_FIRST,		/* no earlier build of this step */
	WHY_INPUT,		/* an input differs: .name */
	WHY_STEP,		/* nothing of its own, but step .cause_step, which it builds on */
	WHY_ASKED,		/* the user asked for it: row.note */
	WHY_UNFINISHED,		/* the same, but it did not end well then */
	WHY_GONE,		/* the same, but its result is no longer in the store */
	WHY_NOT_RUN,		/* the build ended before it */
};

struct why_step {
	struct build_step_row row;	/* strings owned */
	struct key_inputs inputs;	/* what its key was made of */
	char earlier[STORE_ID_MAX];	/* the earlier build that it is compared with; "": none */
	int64_t earlier_ns;		/* when that began */
	unsigned earlier_index;		/* the number of the step there */
	struct digest earlier_key;
	bool earlier_done;		/* it was cached or ended well there */
	bool moved;			/* it stood at another place of its stage there */
	enum why_cause cause;
	/* WHY_INPUT: "env PATH", "file src", "base", "instruction"; before, after: its values, NULL: it was
	 * not there, it is not there any more; detail: what differs between two file trees, or
	 * NULL. */
	char *name, *before, *after, *detail;
	unsigned cause_step;		/* WHY_STEP: its number; 0: none above differs, so one was added or removed (if
					 * moved), or another stage's did */
};

struct why {				/* { 0 } is a valid empty one */
	struct build_row build;
	struct why_step *v;
	size_t n;
};

/* build: the start of a build's id, NULL: the last one. Errors: ERR_NOT_FOUND. */
NODISCARD int why_load(struct store *s, const char *build, struct why *ret, struct err *e);
void why_done(struct why *w);
/* The reason in words, a clause that may follow the step's name; empty if it was cached. */
void why_text(const struct why *w, const struct why_step *st, struct buf *ret);

#endif
