/* SPDX-License-Identifier: Apache-2.0 */
/* A stage while it is lowered; shared by the lower*.c files only. */
#ifndef BUILDER_STAGE_H
#define BUILDER_STAGE_H

#include "builder/lower.h"

struct lowering;

struct stage {
	const struct node *from;
	const struct node *const *nodes;	/* its instructions, without FROM */
	size_t n;
	int index;			/* in the file, from 0 */
	char *name;			/* lower-cased AS name, or NULL */
	char *label;			/* name, or "stage-<index>", "" for a file of one stage: for messages */
	bool lowered, busy;
	struct config *config;
	struct scope scope;
	struct strv used;		/* variables that the instruction in work used */
	struct vertex *root;
	struct history_entry *history;	/* malloc'ed while it grows */
	size_t nhistory;
	bool cmd_set;			/* CMD in this very stage */
	bool nocache;
	int step, steps;		/* counters of "[name step/steps]" */
};

struct image_use {		/* an image that is a base or a --from source: one vertex each */
	char *ref;
	struct vertex *v;
	struct config *config;
};

struct lowering {
	const struct lower_opts *o;
	struct graph *g;
	struct scope globals;		/* ARGs before the first FROM, and the automatic ones */
	struct strv proxies;		/* "http_proxy=..." from --build-arg: in RUN's env, in no key */
	struct stage *stages;
	size_t nstages;
	struct image_use *images;
	size_t nimages;
	char escape;
	int64_t epoch;
};

/* lower.c */
int stage_lower(struct lowering *l, struct stage *st, struct err *e);
/* The tree that --from=name means, for the stage st: an earlier stage, or an image. */
int stage_source(struct lowering *l, struct stage *st, const char *name, struct span at, struct vertex **ret,
		 struct err *e);
void stage_history(struct lowering *l, struct stage *st, struct vertex *v, const char *fmt, ...) PRINTF(4, 5);
/* A new step of the stage on its tree, which it becomes. in: further inputs. */
struct vertex *stage_step(struct lowering *l, struct stage *st, const struct node *n, const struct op_type *op,
			  void *data, struct vertex *const *in, size_t nin);
/* word expanded in the stage's scope; owned. Errors are placed at the word. */
int stage_expand(struct lowering *l, struct stage *st, const struct word *w, char **ret, struct err *e);
/* A copy of a list in the graph's arena, NULL-terminated. */
struct strv graph_list(struct graph *g, const struct strv *l);
struct build_arg *build_arg_find(const struct lower_opts *o, struct str name);

/* lower_meta.c, lower_files.c: one function per instruction */
int lower_meta(struct lowering *l, struct stage *st, const struct node *n, struct err *e);
int lower_run(struct lowering *l, struct stage *st, const struct node *n, struct err *e);
int lower_copy(struct lowering *l, struct stage *st, const struct node *n, struct err *e);
int lower_workdir(struct lowering *l, struct stage *st, const struct node *n, struct err *e);
/* argv of a shell or exec form: SHELL + text, or the JSON's strings; appends. */
void stage_argv(struct stage *st, const struct node *n, struct str text, struct strv *ret);
/* path joined to WORKDIR; owned. clean: "." and ".." removed. */
char *stage_path(struct stage *st, const char *path);

#endif
