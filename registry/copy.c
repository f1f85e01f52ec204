/* SPDX-License-Identifier: Apache-2.0 */
/* The one loop of all copies, and what both ends share. */
#include "registry/copy.h"

#include <poll.h>

#include "image/manifest.h"

struct offer *offers_add(struct offers *o)
{
	o->v = xrealloc(o->v, (o->n + 1) * sizeof(*o->v));
	o->v[o->n] = (struct offer){ 0 };
	return &o->v[o->n++];
}

void offers_done(struct offers *o)
{
	for (size_t i = 0; i < o->n; i++) {
		strv_done(&o->v[i].names);
		buf_done(&o->v[i].text);
		buf_done(&o->v[i].manifest);
		free(o->v[i].repo);
		config_free(o->v[i].config);
		free(o->v[i].layers);
	}
	free(o->v);
	*o = (struct offers){ 0 };
}

struct digest offer_id(const struct offer *o)
{
	return digest_of(o->text.p, o->text.n);
}

void offer_manifest(const struct offer *o, struct buf *ret)
{
	struct descriptor config = { .media = media_find(STR_LIT(MEDIA_OCI_CONFIG)), .size = o->text.n };
	auto_free struct descriptor *layers = xcalloc(o->nlayers + 1, sizeof(*layers));

	config.digest = offer_id(o);
	for (size_t i = 0; i < o->nlayers; i++) {
		layers[i].digest = o->layers[i].diff_id;
		layers[i].size = o->layers[i].tar_size;
	}
	manifest_text(&config, layers, o->nlayers, ret);
}

ssize_t job_fd_get(void *arg, void *p, size_t n, struct err *e)
{
	struct job_fd *s = arg;

	if (job_check(s->j, e) < 0 || job_wait_fd(s->j, s->fd, POLLIN, -1, e) < 0)
		return -1;
	return bytes_get_fd(&s->fd, p, n, e);
}

void origin_free(struct origin *o)
{
	if (o)
		o->type->free(o);
}

void target_free(struct target *t)
{
	if (t)
		t->type->free(t);
}

static int by_diff_id(const void *a, const void *b)
{
	const struct offer_layer *x = *(const struct offer_layer *const *)a;
	const struct offer_layer *y = *(const struct offer_layer *const *)b;
	int d = digest_cmp(&x->diff_id, &y->diff_id);

	return d ? d : (x > y) - (x < y);
}

/* Is l the first of its diff ID? sorted holds all layers by diff ID, equal ones in order. */
static bool is_first(const struct offer_layer *l, const struct offer_layer **sorted, size_t n)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (digest_cmp(&sorted[mid]->diff_id, &l->diff_id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return sorted[lo] == l;
}

struct copying {
	struct job *j;
	struct origin *from;
	struct target *to;
	const struct offer_layer **v;
	pthread_mutex_t lock;
	size_t n, next;
	struct err err;		/* the first; guarded by lock */
};

static const struct offer_layer *next_layer(struct copying *c)
{
	auto_lock pthread_mutex_t *held = lock_hold(&c->lock);

	return c->next < c->n && c->err.kind == ERR_NONE ? c->v[c->next++] : NULL;
}

static void copy_some(void *arg)
{
	struct copying *c = arg;
	const struct offer_layer *l;
	char text[DIGEST_TEXT_MAX];

	while ((l = next_layer(c))) {
		auto_err struct err e = { 0 };

		if (job_check(c->j, &e) == 0 && c->to->type->layer(c->j, c->to, c->from, l, &e) == 0)
			continue;
		if (e.kind != ERR_CANCELLED)
			err_wrap(&e, "layer %s", digest_text(&l->diff_id, text));
		auto_lock pthread_mutex_t *held = lock_hold(&c->lock);
		if (c->err.kind == ERR_NONE)
			err_move(&c->err, &e);
	}
}

static int copy_parallel(struct copying *c, size_t threads, struct err *e)
{
	struct pool *p;

	if (pool_new(threads, &p, e) < 0)
		return -1;
	for (size_t i = 0; i < threads; i++)
		pool_run(p, copy_some, c);
	pool_free(p);
	return 0;
}

static int copy_layers(struct job *j, struct origin *from, struct target *to, const struct offers *o,
		       struct err *e)
{
	auto_free const struct offer_layer **sorted = NULL, **v = NULL;
	struct copying c = { .j = j, .from = from, .to = to };
	size_t n = 0, k = 0, threads;
	int r = 0;

	for (size_t i = 0; i < o->n; i++)
		n += o->v[i].nlayers;
	sorted = xcalloc(n + 1, sizeof(*sorted));
	c.v = v = xcalloc(n + 1, sizeof(*v));
	for (size_t i = 0; i < o->n; i++)
		for (size_t m = 0; m < o->v[i].nlayers; m++)
			sorted[k++] = &o->v[i].layers[m];
	/* by address within a diff ID: each image's list is one array, hence the order is stable for the look-up */
	qsort(sorted, n, sizeof(*sorted), by_diff_id);
	for (size_t i = 0; i < o->n; i++)
		for (size_t m = 0; m < o->v[i].nlayers; m++)
			if (is_first(&o->v[i].layers[m], sorted, n))
				v[c.n++] = &o->v[i].layers[m];
	threads = MIN(MAX(from->type->parallel, (size_t)1), c.n);
	pthread_mutex_init(&c.lock, NULL);
	if (threads > 1)
		r = copy_parallel(&c, threads, e);
	else
		copy_some(&c);
	pthread_mutex_destroy(&c.lock);
	if (r == 0 && c.err.kind == ERR_NONE)
		return 0;
	if (r == 0)
		err_move(e, &c.err);
	return -1;
}

int copy_images(struct job *j, struct origin *from, struct target *to, struct offers *ret, struct err *e)
{
	auto_offers struct offers o = { 0 };

	if (to->type->pushed ? !from->type->push : !from->type->pull)
		return err_set(e, ERR_USAGE, "cannot copy from a %s straight into a %s", from->type->name,
			       to->type->name);
	if (from->type->list(j, from, &o, e) < 0)
		return -1;
	if (o.n == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no image in the %s", from->type->name);
	if (to->type->begin(j, to, &o, e) < 0 || copy_layers(j, from, to, &o, e) < 0 ||
	    job_check(j, e) < 0 || to->type->end(j, to, &o, e) < 0 ||
	    (from->type->end && from->type->end(j, from, e) < 0))
		return -1;
	offers_done(ret);
	*ret = o;
	o = (struct offers){ 0 };
	return 0;
}
