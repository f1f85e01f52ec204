/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing and committing results while the build goes on. */
#include "builder/commit.h"

#include <errno.h>

#include "base/clock.h"
#include "builder/key.h"
#include "builder/result.h"
#include "cache/db.h"
#include "cache/keys.h"
#include "cache/layer.h"
#include "cache/lease.h"

#define BATCH_MAX 256
#define FLUSH_AFTER_NS 50000000	/* a seal that takes longer has much to read, and the disk much to write */

struct commit {
	struct work *w;
	struct job seal_job;		/* not cancelled with the build: finished steps are kept */
	struct pool *pool;
	pthread_t committer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct vertex **queue;		/* sealed, to be published */
	size_t nqueue, sealing;		/* sealing: handed to the pool and not yet back */
	size_t seals, flushed;		/* seals begun so far; then, when the disk was last told to write */
	bool ending;
	struct err e;			/* the first failure */
};

struct seal_task {
	struct commit *c;
	struct vertex *v;
};

static void commit_failed(struct commit *c, struct err *e)	/* c->lock held */
{
	if (c->e.kind == ERR_NONE)
		err_move(&c->e, e);
	pthread_cond_broadcast(&c->changed);
}

static int wait_sealed(struct commit *c, const struct result *r, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&c->lock);

	while (!result_sealed(r) && c->e.kind == ERR_NONE && !job_cancelled(c->w->job))
		pthread_cond_wait(&c->changed, &c->lock);
	if (result_sealed(r))
		return 0;
	if (c->e.kind != ERR_NONE)
		return err_set(e, c->e.kind, "%s", err_text(&c->e));
	return err_set(e, ERR_CANCELLED, "cancelled");
}

int commit_wait_sealed(struct commit *c, struct vertex *v, struct err *e)
{
	return wait_sealed(c, vertex_root(v), e);
}

static void queue_add(struct commit *c, struct vertex *v)	/* c->lock held */
{
	c->queue = xrealloc(c->queue, (c->nqueue + 1) * sizeof(*c->queue));
	c->queue[c->nqueue++] = v;
	pthread_cond_broadcast(&c->changed);
}

static void seal_main(void *arg)
{
	struct seal_task *t = arg;
	struct commit *c = t->c;
	struct vertex *v = t->v;
	auto_err struct err e = { 0 };
	int r = layer_seal(&c->seal_job, c->w->store, v->result.layer, &e);

	free(t);
	auto_lock pthread_mutex_t *held = lock_hold(&c->lock);
	c->sealing--;
	if (r < 0) {
		err_wrap(&e, "%s", v->name);
		commit_failed(c, &e);
		return;
	}
	result_seal(&v->result);
	queue_add(c, v);
}

void commit_add(struct commit *c, struct vertex *v)
{
	struct seal_task *t = xmalloc(sizeof(*t));

	*t = (struct seal_task){ c, v };
	pthread_mutex_lock(&c->lock);
	c->sealing++;
	c->seals++;
	pthread_mutex_unlock(&c->lock);
	pool_run(c->pool, seal_main, t);
}

void commit_alias(struct commit *c, struct vertex *v)
{
	auto_lock pthread_mutex_t *held = lock_hold(&c->lock);

	queue_add(c, v);
}

static int store_keys(struct commit *c, struct vertex *v, struct err *e)
{
	auto_free struct key_input *inputs = NULL;
	auto_free char *slot = vertex_slot(c->w, v);
	auto_free char *created = xasprintf("%lld", (long long)v->result.created_ns);
	struct key_row row = {
		.key = v->def_key, .op = v->op_key, .slot = slot, .ninputs = vertex_inputs(v, &inputs),
		.result = { .has_layer = true, .diff_id = v->result.diff_id, .extra = created },
	};

	row.inputs = inputs;
	if (keys_put_many(c->w->store, &row, 1, e) < 0)
		return -1;
	row.key = v->content_key;
	return v->has_content ? keys_put_many(c->w->store, &row, 1, e) : 0;
}

/* The content key needs the whole chain sealed; on a broken build it may never be. */
static int content_key(struct commit *c, struct vertex *v, struct err *e)
{
	if (v->has_content)
		return 0;
	if (wait_sealed(c, vertex_root(v), e) < 0) {
		err_clear(e);
		return 0;
	}
	return key_content(c->w, v, e);
}

static int commit_batch(struct commit *c, struct vertex **v, size_t n, struct err *e)
{
	struct layer *layers[BATCH_MAX];
	size_t nlayers = 0;
	auto_tx struct tx tx = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (v[i]->made) {
			layers[nlayers++] = v[i]->result.layer;
			if (lease_pin(c->w->lease, &v[i]->result.diff_id, e) < 0)
				return -1;
		}
		if (content_key(c, v[i], e) < 0)
			return -1;
	}
	if (layer_publish(c->w->store, layers, nlayers, e) < 0)
		return -1;
	if (db_begin(store_db(c->w->store), &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (store_keys(c, v[i], e) < 0)
			return -1;
	return db_commit(&tx, e);
}

static void release_locks(struct vertex **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i]->lock_fd >= 0)
			close(take_fd(&v[i]->lock_fd));
}

/*
 * While a large layer is sealed there is nothing to commit: the time is used to have its files written, so that the
 * barrier of its commit has little left to wait for. c->lock held, given up meanwhile.
 */
static void flush_early(struct commit *c)
{
	auto_err struct err e = { 0 };
	int r;

	c->flushed = c->seals;
	pthread_mutex_unlock(&c->lock);
	r = layer_flush(c->w->store, &e);
	pthread_mutex_lock(&c->lock);
	if (r < 0)			/* the disk tells of a failure once, so it must not be lost here */
		commit_failed(c, &e);
}

static void wait_changed(struct commit *c)	/* c->lock held */
{
	int64_t until = clock_now_ns() + FLUSH_AFTER_NS;
	struct timespec t = { until / 1000000000, until % 1000000000 };

	if (!c->sealing || c->flushed == c->seals)
		pthread_cond_wait(&c->changed, &c->lock);
	else if (pthread_cond_timedwait(&c->changed, &c->lock, &t) == ETIMEDOUT && !c->nqueue)
		flush_early(c);
}

static size_t batch_take(struct commit *c, struct vertex **batch)	/* c->lock held */
{
	size_t n;

	while (!c->nqueue && !(c->ending && !c->sealing))
		wait_changed(c);
	n = MIN(c->nqueue, (size_t)BATCH_MAX);
	if (n == 0)
		return 0;
	memcpy(batch, c->queue, n * sizeof(*batch));
	c->nqueue -= n;
	memmove(c->queue, c->queue + n, c->nqueue * sizeof(*c->queue));
	return n;
}

static void *committer_main(void *arg)
{
	struct commit *c = arg;
	struct vertex *batch[BATCH_MAX];

	for (;;) {
		auto_err struct err e = { 0 };
		size_t n;

		pthread_mutex_lock(&c->lock);
		n = batch_take(c, batch);
		pthread_mutex_unlock(&c->lock);
		if (n == 0)
			return NULL;
		if (commit_batch(c, batch, n, &e) < 0) {
			auto_lock pthread_mutex_t *held = lock_hold(&c->lock);
			commit_failed(c, &e);
		}
		release_locks(batch, n);
	}
}

int commit_new(struct work *w, struct commit **ret, struct err *e)
{
	struct commit *c = xcalloc(1, sizeof(*c));

	c->w = w;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	if (job_init(&c->seal_job, NULL, e) < 0 || pool_new(cpu_count(), &c->pool, e) < 0 ||
	    thread_start(&c->committer, committer_main, c, e) < 0) {
		pool_free(c->pool);
		job_done(&c->seal_job);
		free(c);
		return -1;
	}
	*ret = c;
	return 0;
}

int commit_end(struct commit *c, struct err *e)
{
	int r = 0;

	pool_free(c->pool);
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->committer, NULL);
	if (c->e.kind != ERR_NONE) {
		err_move(e, &c->e);
		r = -1;
	}
	job_done(&c->seal_job);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c->queue);
	free(c);
	return r;
}
