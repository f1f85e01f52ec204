/* SPDX-License-Identifier: Apache-2.0 */
/* Reading ahead: a ring of buffers between the thread that gets and the one that wants. */
#include "base/stream.h"

#include "base/task.h"

struct ahead_slot {
	size_t n, at;		/* bytes in it, bytes given out; n 0: the end */
	char p[AHEAD_SLOT];
};

struct ahead {
	bytes_get get;
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned filled, emptied;	/* slots so far; guarded by lock */
	bool stop, failed;
	struct err err;			/* get's, valid once failed */
	struct ahead_slot *slot[AHEAD_SLOTS];
};

/* Fill one slot whole, or up to the end. */
static int fill(struct ahead *a, struct ahead_slot *s, struct err *e)
{
	s->n = s->at = 0;
	while (s->n < AHEAD_SLOT) {
		ssize_t n = a->get(a->arg, s->p + s->n, AHEAD_SLOT - s->n, e);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		s->n += (size_t)n;
	}
	return 0;
}

static void *ahead_main(void *arg)
{
	struct ahead *a = arg;
	bool more = true;

	pthread_mutex_lock(&a->lock);
	while (more) {
		struct ahead_slot *s = a->slot[a->filled % AHEAD_SLOTS];
		struct err e = { 0 };
		int r;

		while (a->filled - a->emptied == AHEAD_SLOTS && !a->stop)
			pthread_cond_wait(&a->changed, &a->lock);
		if (a->stop)
			break;
		pthread_mutex_unlock(&a->lock);
		r = fill(a, s, &e);
		pthread_mutex_lock(&a->lock);
		more = r == 0 && s->n == AHEAD_SLOT;
		a->failed = r < 0;
		if (r < 0)
			err_move(&a->err, &e);
		a->filled += r == 0;
		pthread_cond_signal(&a->changed);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

int ahead_new(bytes_get get, void *arg, struct ahead **ret, struct err *e)
{
	struct ahead *a = xcalloc(1, sizeof(*a));

	a->get = get;
	a->arg = arg;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	for (unsigned i = 0; i < AHEAD_SLOTS; i++)
		a->slot[i] = xmalloc(sizeof(struct ahead_slot));
	if (thread_start(&a->thread, ahead_main, a, e) < 0) {
		a->get = NULL;
		ahead_free(a);
		return -1;
	}
	*ret = a;
	return 0;
}

/* The slot to read from, or NULL once get failed and all before it was read. */
static struct ahead_slot *ready(struct ahead *a)
{
	auto_lock pthread_mutex_t *held = lock_hold(&a->lock);

	while (a->filled == a->emptied && !a->failed)
		pthread_cond_wait(&a->changed, &a->lock);
	return a->filled == a->emptied ? NULL : a->slot[a->emptied % AHEAD_SLOTS];
}

static void give_back(struct ahead *a)
{
	auto_lock pthread_mutex_t *held = lock_hold(&a->lock);

	a->emptied++;
	pthread_cond_signal(&a->changed);
}

ssize_t ahead_get(void *arg, void *p, size_t n, struct err *e)
{
	struct ahead *a = arg;
	struct ahead_slot *s = ready(a);
	bool last;

	if (!s) {
		err_set(e, a->err.kind, "%s", err_text(&a->err));
		e->sys = a->err.sys;
		return err_hint(e, a->err.hint);
	}
	last = s->n < AHEAD_SLOT;	/* stays: the end is told again and again */
	n = MIN(n, s->n - s->at);
	memcpy(p, s->p + s->at, n);
	s->at += n;
	if (s->at == s->n && !last)
		give_back(a);
	return (ssize_t)n;
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	if (a->get) {
		pthread_mutex_lock(&a->lock);
		a->stop = true;
		pthread_cond_signal(&a->changed);
		pthread_mutex_unlock(&a->lock);
		pthread_join(a->thread, NULL);
	}
	for (unsigned i = 0; i < AHEAD_SLOTS; i++)
		free(a->slot[i]);
	err_clear(&a->err);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->changed);
	free(a);
}
