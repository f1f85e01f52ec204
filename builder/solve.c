/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Solving a graph.
 *
 *   plan     keys of all reachable vertices, inputs first; then, from the target backwards, what is
 *            demanded: a root always, the other inputs only of a vertex that is not in the cache
 *   run      a vertex whose demanded inputs are solved goes to the ready queue; workers take it:
 *            content key ─► found: cached
 *                        └► key lock across processes ─► run ─► done, its users may start
 *   seal     the new layer's diff ID is computed by other threads while users already run on it
 *   commit   one thread publishes what is sealed, many layers with one barrier, then their keys
 *
 * One lock (s->lock) guards states, queues and the `sealed` flags of results.
 */
#include "builder/solve.h"

#include "base/clock.h"
#include "builder/commit.h"
#include "builder/key.h"
#include "builder/result.h"
#include "cache/keys.h"
#include "cache/layer.h"
#include "cache/lease.h"

struct solver {
	struct work *w;
	struct vertex *target;
	struct solve_failure *failed;
	struct err *e;			/* the first failure */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct vertex **ready;		/* a queue in Dockerfile order */
	size_t nready, left;		/* left: demanded and not yet solved */
	bool broken;
	struct commit *commit;
};

static void send_start(struct work *w, struct vertex *v)
{
	v->started_ns = clock_mono_ns();
	event_send(w->job->sink, &(struct event){ .kind = EV_STEP_START, .step = v->step, .name = v->name });
}

static void send_done(struct work *w, struct vertex *v, enum step_state state, const char *why)
{
	v->seconds = (double)(clock_mono_ns() - v->started_ns) / 1e9;
	event_send(w->job->sink, &(struct event){ .kind = EV_STEP_DONE, .step = v->step, .name = v->name,
		.state = state, .seconds = v->seconds, .text = str_of(why) });
}

/* Everything the target can reach, inputs first: the graph's own order. */
static void mark_reached(struct graph *g, struct vertex *target)
{
	target->reached = true;
	for (size_t i = g->n; i-- > 0; )
		for (size_t k = 0; g->v[i]->reached && k < g->v[i]->nin; k++)
			if (g->v[i]->in[k])
				g->v[i]->in[k]->reached = true;
}

static int64_t created_of(const struct key_result *kr)
{
	uint64_t ns = 0;

	if (kr->extra && !str_to_u64(str_of(kr->extra), 10, &ns))
		ns = 0;
	return (int64_t)ns;
}

/* Ask the store for key; 1: v's result is set from it. */
static int find_key(struct work *w, struct vertex *v, const struct digest *key, struct err *e)
{
	struct key_result kr = { 0 };
	int r = keys_find(w->store, w->lease, key, &kr, e);

	if (r > 0 && kr.has_layer) {
		struct layer *made = v->result.layer;

		result_stored(&v->result, v->in[0] ? &v->in[0]->result : NULL, &kr.diff_id, created_of(&kr));
		v->result.layer = made;
	}
	free(kr.extra);
	return r > 0 ? kr.has_layer : r;
}

/* Base images and scratch are known already: they have no parent and no key of their own. */
static bool is_base(const struct vertex *v)
{
	return !v->op->run;
}

static int plan_keys(struct work *w, struct err *e)
{
	struct graph *g = w->graph;

	for (size_t i = 0; i < g->n; i++) {
		struct vertex *v = g->v[i];

		if (!v->reached)
			continue;
		if (job_check(w->job, e) < 0)
			return -1;
		if (key_define(w, v, e) < 0) {
			if (v->node && !e->at.src)
				err_at(e, v->node->at);
			return -1;
		}
		if (is_base(v))
			v->state = V_CACHED;
		else if (!v->nocache && !w->no_cache) {
			int r = find_key(w, v, &v->def_key, e);

			if (r < 0)
				return -1;
			if (r > 0)
				v->state = V_CACHED;
		}
	}
	return 0;
}

static void plan_demand(struct graph *g, struct vertex *target)
{
	target->demanded = true;
	for (size_t i = g->n; i-- > 0; ) {
		struct vertex *v = g->v[i];

		if (!v->demanded)
			continue;
		for (size_t k = 0; k < v->nin; k++)
			if (v->in[k] && (k == 0 || v->state != V_CACHED))
				v->in[k]->demanded = true;
	}
}

/* Number the steps, link users, fill the first ready queue. */
static void plan_queue(struct solver *s)
{
	struct graph *g = s->w->graph;

	s->ready = xcalloc(g->n + 1, sizeof(*s->ready));
	for (size_t i = 0; i < g->n; i++) {
		struct vertex *v = g->v[i];

		v->result.parent = v->nbase ? v->result.parent : v->nin && v->in[0] ? &v->in[0]->result : v->result.parent;
		if (!v->demanded || v->state == V_CACHED)
			continue;
		s->left++;
		for (size_t k = 0; k < v->nin; k++) {
			struct vertex *in = v->in[k];

			if (!in || in->state == V_CACHED)
				continue;
			in->user = xrealloc(in->user, (in->nuser + 1) * sizeof(*in->user));
			in->user[in->nuser++] = v;
			v->blocked++;
		}
		if (!v->blocked)
			s->ready[s->nready++] = v;
	}
}

static void number_steps(struct work *w)
{
	int step = 0;

	for (size_t i = 0; i < w->graph->n; i++) {
		struct vertex *v = w->graph->v[i];

		if (!v->reached || (!v->demanded && v->state != V_CACHED) || !v->name)
			continue;
		v->step = ++step;
		if (v->state != V_CACHED)
			continue;
		send_start(w, v);
		send_done(w, v, STEP_CACHED, NULL);
	}
}

static struct vertex *queue_take(struct solver *s)	/* s->lock held */
{
	struct vertex *v;

	while (!s->nready && s->left && !s->broken)
		pthread_cond_wait(&s->wake, &s->lock);
	if (!s->nready || s->broken)
		return NULL;
	v = s->ready[0];
	memmove(s->ready, s->ready + 1, --s->nready * sizeof(*s->ready));
	v->state = V_RUNNING;
	return v;
}

static void queue_put(struct solver *s, struct vertex *v)	/* s->lock held */
{
	size_t at = s->nready++;

	v->state = V_READY;
	for (; at > 0 && s->ready[at - 1]->step > v->step; at--)
		s->ready[at] = s->ready[at - 1];
	s->ready[at] = v;
}

static void vertex_done(struct solver *s, struct vertex *v, enum vertex_state state)
{
	auto_lock pthread_mutex_t *held = lock_hold(&s->lock);

	v->state = state;
	s->left--;
	for (size_t i = 0; i < v->nuser; i++)
		if (--v->user[i]->blocked == 0)
			queue_put(s, v->user[i]);
	pthread_cond_broadcast(&s->wake);
}

static void vertex_failed(struct solver *s, struct vertex *v, struct err *e)
{
	bool cancelled = e->kind == ERR_CANCELLED;

	if (v->node && !e->at.src && !cancelled)
		err_at(e, v->node->at);
	send_done(s->w, v, cancelled ? STEP_CANCELLED : STEP_FAILED, err_text(e));
	auto_lock pthread_mutex_t *held = lock_hold(&s->lock);
	v->state = V_FAILED;
	if (s->e->kind == ERR_NONE || (s->e->kind == ERR_CANCELLED && !cancelled)) {
		err_move(s->e, e);
		s->failed->v = v;
	}
	s->broken = true;
	pthread_cond_broadcast(&s->wake);
	job_cancel(s->w->job);
}

/*
 * Is the content key worth asking? Only if this operation ran before on some root: then waiting
 * until the root's diff ID is known may save the whole run. An operation never seen starts at once.
 */
static int find_by_content(struct solver *s, struct vertex *v, struct err *e)
{
	struct work *w = s->w;

	if (v->nocache || w->no_cache || !keys_op_seen(w->store, &v->op_key))
		return 0;
	if (commit_wait_sealed(s->commit, v, e) < 0)
		return -1;
	if (key_content(w, v, e) < 0)
		return -1;
	return find_key(w, v, &v->content_key, e);
}

/* Do the vertex once across processes: the lock is kept until its result is committed. */
static int lock_and_run(struct solver *s, struct vertex *v, struct err *e)
{
	struct work *w = s->w;
	int r;

	if (w->no_cache || v->nocache)
		return v->op->run(w, v, e);
	if (key_lock(w->store, &v->def_key, w->job, &v->lock_fd, e) < 0)
		return -1;
	r = find_key(w, v, &v->def_key, e);
	return r ? r : v->op->run(w, v, e);
}

static void vertex_solve(struct solver *s, struct vertex *v)
{
	auto_err struct err e = { 0 };
	struct work *w = s->w;
	int r;

	send_start(w, v);
	r = job_check(w->job, &e) < 0 ? -1 : find_by_content(s, v, &e);
	if (r == 0)
		r = lock_and_run(s, v, &e);
	if (r < 0) {
		vertex_failed(s, v, &e);
		return;
	}
	if (r > 0) {
		send_done(w, v, STEP_CACHED, NULL);
		commit_alias(s->commit, v);
		vertex_done(s, v, V_CACHED);
		return;
	}
	v->made = v->result.has_layer = true;
	v->result.created_ns = clock_now_ns();
	send_done(w, v, STEP_DONE, NULL);
	commit_add(s->commit, v);
	vertex_done(s, v, V_DONE);
}

static void *worker_main(void *arg)
{
	struct solver *s = arg;
	struct vertex *v;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		v = queue_take(s);
		pthread_mutex_unlock(&s->lock);
		if (!v)
			return NULL;
		vertex_solve(s, v);
	}
}

static int run_workers(struct solver *s, struct err *e)
{
	size_t n = MIN(s->w->workers, s->left), started = 0;
	auto_free pthread_t *threads = xcalloc(n, sizeof(*threads));
	int r = 0;

	while (started < n && r == 0) {
		r = thread_start(&threads[started], worker_main, s, e);
		started += r == 0;
	}
	if (r < 0) {
		auto_lock pthread_mutex_t *held = lock_hold(&s->lock);
		s->broken = true;
		pthread_cond_broadcast(&s->wake);
	}
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return r < 0 || s->e->kind != ERR_NONE ? -1 : 0;
}

static int solver_run(struct solver *s, struct err *e)
{
	auto_err struct err late = { 0 };
	int r;

	if (commit_new(s->w, &s->commit, e) < 0)
		return -1;
	r = run_workers(s, e);
	/* On failure, too: what the other steps made is kept, so that the next build finds it. */
	if (commit_end(s->commit, r < 0 ? &late : e) < 0)
		r = -1;
	return r;
}

int solve(struct work *w, struct vertex *target, struct solve_failure *failed, struct err *e)
{
	struct solver s = { .w = w, .target = target, .failed = failed, .e = e };
	int r;

	failed->v = NULL;
	mark_reached(w->graph, target);
	if (plan_keys(w, e) < 0)
		return -1;
	plan_demand(w->graph, target);
	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.wake, NULL);
	plan_queue(&s);
	number_steps(w);
	r = s.left ? solver_run(&s, e) : 0;
	free(s.ready);
	pthread_cond_destroy(&s.wake);
	pthread_mutex_destroy(&s.lock);
	return r;
}
