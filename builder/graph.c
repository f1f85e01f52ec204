/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of steps: construction, named inputs, release. */
#include "builder/graph.h"

#include <stdio.h>

#include "builder/work.h"
#include "cache/keys.h"
#include "cache/layer.h"

void graph_init(struct graph *g)
{
	*g = (struct graph){ 0 };
	pthread_mutex_init(&g->lock, NULL);
}

void graph_done(struct graph *g)
{
	for (size_t i = 0; i < g->n; i++) {
		layer_unref(g->v[i]->result.layer);
		for (size_t k = 0; k < g->v[i]->nbase; k++)
			layer_unref(g->v[i]->base[k].layer);
		if (g->v[i]->lock_fd >= 0)
			close(g->v[i]->lock_fd);
		free(g->v[i]->user);
	}
	free(g->v);
	arena_done(&g->arena);
	pthread_mutex_destroy(&g->lock);
}

struct vertex *graph_add(struct graph *g, const struct op_type *op, void *data, struct vertex *const *in,
			 size_t nin)
{
	struct vertex *v = arena_new(&g->arena, struct vertex);

	v->op = op;
	v->data = data;
	v->lock_fd = -1;
	v->nin = nin;
	v->in = arena_array(&g->arena, struct vertex *, nin ? nin : 1);
	for (size_t i = 0; i < nin; i++)
		v->in[i] = in[i];
	g->v = xrealloc(g->v, (g->n + 1) * sizeof(*g->v));
	g->v[g->n++] = v;
	return v;
}

void vertex_input(struct work *w, struct vertex *v, const char *name, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	auto_lock pthread_mutex_t *held = lock_hold(&w->graph->lock);
	struct named_input **at = &v->inputs, *in = arena_new(&w->graph->arena, struct named_input);

	in->name = arena_strdup(&w->graph->arena, name);
	in->value = arena_strdup(&w->graph->arena, text);
	while (*at)
		at = &(*at)->next;
	*at = in;
}

void vertex_instruction(struct work *w, struct vertex *v, const struct strv *but)
{
	vertex_input(w, v, "instruction", STR_FMT, STR_ARG(v->node->text));
	for (size_t i = 0; i < v->vars.n; i++) {
		struct str value = str_of(v->vars.v[i]), key = str_cut(&value, '=');
		auto_free char *name = xasprintf("variable " STR_FMT, STR_ARG(key));

		if (!but || !strv_has(but, v->vars.v[i]))
			vertex_input(w, v, name, STR_FMT, STR_ARG(value));
	}
}

static size_t add_inputs(const struct named_input *in, struct key_input **ret, size_t n)
{
	for (; in; in = in->next) {
		*ret = xrealloc(*ret, (n + 1) * sizeof(**ret));
		(*ret)[n++] = (struct key_input){ in->name, in->value };
	}
	return n;
}

/* An image is no step of its own: what it is made of is told by the steps that start from it. */
size_t vertex_inputs(const struct vertex *v, struct key_input **ret)
{
	size_t n = 0;

	*ret = NULL;
	for (size_t i = 0; i < v->nin; i++)
		if (v->in[i] && !v->in[i]->op->run)
			n = add_inputs(v->in[i]->inputs, ret, n);
	return add_inputs(v->inputs, ret, n);
}

char *vertex_slot(const struct work *w, const struct vertex *v)
{
	return xasprintf("%s|%s|%d", w->slot_prefix, v->stage, v->index);
}
