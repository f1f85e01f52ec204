/* SPDX-License-Identifier: Apache-2.0 */
/* Results as chains of layers. */
#include "builder/result.h"

#include "builder/work.h"
#include "cache/layer.h"
#include "cache/lease.h"
#include "cache/snapshot.h"

const struct result *vertex_root(const struct vertex *v)
{
	return v->nin && v->in[0] && !v->detached ? &v->in[0]->result : NULL;
}

static size_t result_depth(const struct result *r)
{
	size_t n = 0;

	for (; r; r = r->parent)
		n += r->has_layer;
	return n;
}

/* A handle for a stored layer; two threads may want the same one. */
static struct layer *result_open(struct work *w, struct result *r, struct err *e)
{
	struct layer *l = NULL;

	pthread_mutex_lock(&w->graph->lock);
	l = r->layer;
	pthread_mutex_unlock(&w->graph->lock);
	if (l)
		return l;
	if (lease_pin(w->lease, &r->diff_id, e) < 0 || layer_open(w->store, &r->diff_id, &l, e) < 0)
		return NULL;
	auto_lock pthread_mutex_t *held = lock_hold(&w->graph->lock);
	if (r->layer)
		layer_unref(l);
	else
		r->layer = l;
	return r->layer;
}

int result_layers(struct work *w, const struct result *r, struct layer ***ret, size_t *n, struct err *e)
{
	size_t depth = result_depth(r), at = depth;
	auto_free struct layer **layers = xcalloc(depth + 1, sizeof(*layers));

	for (; r; r = r->parent) {
		if (!r->has_layer)
			continue;
		layers[--at] = result_open(w, (struct result *)r, e);
		if (!layers[at])
			return -1;
	}
	*ret = take_ptr(&layers);
	*n = depth;
	return 0;
}

int result_mount(struct work *w, const struct result *r, bool rw, struct snapshot **ret, struct err *e)
{
	auto_free struct layer **layers = NULL;
	size_t n;

	if (result_layers(w, r, &layers, &n, e) < 0)
		return -1;
	return snapshot_open(w->store, w->lease, layers, n, rw, ret, e);
}

void result_stored(struct result *r, const struct result *parent, const struct digest *diff_id,
		   int64_t created_ns)
{
	r->parent = parent;
	r->has_layer = true;
	r->diff_id = *diff_id;
	r->created_ns = created_ns;
	r->sealed = true;
}

void result_seal(struct result *r)
{
	if (r->layer)
		r->diff_id = *layer_diff_id(r->layer);
	r->sealed = true;
}

bool result_sealed(const struct result *r)
{
	for (; r; r = r->parent)
		if (!r->sealed)
			return false;
	return true;
}

bool result_chain(const struct result *r, struct digest *ret)
{
	struct digest below;

	while (r && !r->has_layer)
		r = r->parent;
	if (!r)
		return false;
	*ret = chain_id(result_chain(r->parent, &below) ? &below : NULL, &r->diff_id);
	return true;
}

const char *result_chain_text(const struct result *r, char ret[static DIGEST_TEXT_MAX])
{
	struct digest d;

	if (result_chain(r, &d))
		return digest_text(&d, ret);
	memcpy(ret, "empty", 6);
	return ret;
}
