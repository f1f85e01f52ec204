/* SPDX-License-Identifier: Apache-2.0 */
/* Why was a step executed? A build's steps, what their keys were made of, and what differed before. */
#ifndef BUILDER_WHY_H
#define BUILDER_WHY_H

#include "cache/builds.h"

struct why_step {
	struct build_step_row row;	/* strings owned */
	struct key_inputs inputs;	/* what its key was made of */
	bool first;			/* there is no earlier build of this step to compare with */
	/* The first input that differs from the earlier build; name NULL: none differs (or it was a hit). */
	char *name;			/* "file src/a.c", "arg VERSION", "base", "instruction" */
	char *before, *after;		/* NULL: was not there, is not there any more */
	char *text;			/* the whole reason in words, for every step that was not a hit */
};

struct why {				/* { 0 } is a valid empty one */
	struct build_row build, before;	/* before.id NULL: no earlier build */
	struct why_step *v;
	size_t n;
};

/* build: the start of a build's id, NULL: the last one. Errors: ERR_NOT_FOUND. */
NODISCARD int why_load(struct store *s, const char *build, struct why *ret, struct err *e);
void why_done(struct why *w);

#endif
