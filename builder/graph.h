/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph of steps that a Dockerfile becomes. A vertex makes one file tree: its first input is
 * the tree it starts from (none: an empty one), the others are trees it reads. Metadata
 * instructions have no vertex: they live in the stage's image config.
 *
 *   lower()   AST -> vertices, inputs first          solve()   vertices -> results (layers)
 */
#ifndef BUILDER_GRAPH_H
#define BUILDER_GRAPH_H

#include <pthread.h>

#include "base/arena.h"
#include "base/err.h"
#include "image/digest.h"
#include "parser/ast.h"

struct key_input;
struct layer;
struct vertex;
struct work;

/* What a vertex made: its parent's layers and, unless it is a base without layers, one more. */
struct result {
	const struct result *parent;	/* NULL: nothing below */
	bool has_layer;
	bool sealed;			/* diff_id is known (or there is no layer); guarded by the solver's lock */
	struct layer *layer;		/* opened lazily for stored layers; owned */
	struct digest diff_id;
	int64_t created_ns;		/* when the layer was made */
};

/* One named input of a key, kept for `tare why`. */
struct named_input {
	const char *name, *value;
	struct named_input *next;
};

enum vertex_state {
	V_NEW,
	V_CACHED,		/* its result came from the store */
	V_READY, V_RUNNING,
	V_DONE,			/* its result was made now */
	V_FAILED,
};

struct op_type {
	const char *name;
	/* What the vertex does, not on what: fields into h, and by name into v->inputs. */
	void (*digest)(struct work *w, struct vertex *v, struct hasher *h);
	/* Digest of the files that it reads from elsewhere than its root: into h. NULL: none. Before the
	 * inputs are solved (solved is false) only of those in the build context. */
	int (*content)(struct work *w, struct vertex *v, bool solved, struct hasher *h, struct err *e);
	/* Do it: set v->result.layer (unsealed). */
	int (*run)(struct work *w, struct vertex *v, struct err *e);
};

struct vertex {
	const struct op_type *op;
	void *data;			/* the operation's own struct, in the graph's arena */
	const char *name;		/* "[build 2/5] RUN make" */
	const struct node *node;	/* the instruction, for errors; NULL for none */
	const char *stage;		/* name or number of the stage */
	int index;			/* number within the stage, from 1 */
	struct vertex **in;		/* in[0]: root, may be NULL */
	size_t nin;
	struct strv vars;		/* "K=V" of the variables that its words used */
	bool context;			/* reads the build context */
	bool nocache;
	bool detached;			/* COPY --link: made on an empty tree, merged onto in[0] */

	/* filled by solve */
	struct digest op_key, def_key, content_key;
	bool has_content;		/* content_key is set */
	struct named_input *inputs;
	enum vertex_state state;
	bool reached, demanded;
	bool made;			/* run() made its layer in this build */
	int step;			/* number shown to the user, from 1 */
	size_t blocked;			/* demanded inputs not solved yet */
	struct vertex **user;
	size_t nuser;
	struct result result;
	struct result *base;		/* an image's lower layers, base first; owned by the arena */
	size_t nbase;
	int lock_fd;			/* key lock across processes, -1: none */
	int64_t started_ns;
	double seconds;
};

struct graph {
	struct arena arena;
	struct vertex **v;		/* inputs come before their users */
	size_t n;
	pthread_mutex_t lock;		/* guards arena during solve */
};

void graph_init(struct graph *g);
void graph_done(struct graph *g);	/* releases layers, too */
struct vertex *graph_add(struct graph *g, const struct op_type *op, void *data, struct vertex *const *in,
			 size_t nin);

/* Remember an input under a name for `why`; name and value are formatted into the arena. */
void vertex_input(struct work *w, struct vertex *v, const char *name, const char *fmt, ...) PRINTF(4, 5);
/* The inputs as an array, borrowed from v; *ret is the caller's to free. */
/* The instruction as it is written, and the variables in its words. but: "K=V" of those named otherwise, or NULL. */
void vertex_instruction(struct work *w, struct vertex *v, const struct strv *but);
size_t vertex_inputs(const struct vertex *v, struct key_input **ret);
/* The step's place, the same from build to build; the caller frees. */
char *vertex_slot(const struct work *w, const struct vertex *v);

#endif
