/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs with a cancel eventfd, and a pool of threads over one queue. */
#include "base/task.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>

int job_init(struct job *j, struct sink *sink, struct err *e)
{
	*j = (struct job){ .sink = sink };
	j->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return j->cancel_fd < 0 ? err_sys(e, "make the cancel token") : 0;
}

void job_done(struct job *j)
{
	if (j->cancel_fd >= 0)
		close(j->cancel_fd);
	j->cancel_fd = -1;
}

void job_cancel(struct job *j)
{
	static const uint64_t one = 1;

	atomic_store(&j->cancelled, true);
	(void)!write(j->cancel_fd, &one, sizeof(one));
}

bool job_cancelled(struct job *j)
{
	return atomic_load(&j->cancelled);
}

int job_check(struct job *j, struct err *e)
{
	return job_cancelled(j) ? err_set(e, ERR_CANCELLED, "cancelled") : 0;
}

int job_wait_fd(struct job *j, int fd, short events, int timeout_ms, struct err *e)
{
	struct pollfd p[2] = { { .fd = fd, .events = events },
			       { .fd = j->cancel_fd, .events = POLLIN } };
	int n;

	do
		n = poll(p, 2, timeout_ms);
	while (n < 0 && errno == EINTR && !job_cancelled(j));
	if (job_check(j, e) < 0)
		return -1;
	if (n < 0)
		return err_sys(e, "poll");
	return n == 0;
}

struct task {
	struct task *next;
	void (*fn)(void *);
	void *arg;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	struct task *first, **last;
	size_t busy, nthreads;
	bool ending;
	cpu_set_t cpus;			/* those the process may use; none: it is not known */
	pthread_t threads[];
};

static struct task *pool_take(struct pool *p)	/* p->lock held */
{
	struct task *t;

	while (!p->first && !p->ending)
		pthread_cond_wait(&p->work, &p->lock);
	t = p->first;
	if (t && !(p->first = t->next))
		p->last = &p->first;
	return t;
}

static void *pool_main(void *arg)
{
	struct pool *p = arg;
	struct task *t;

	if (CPU_COUNT(&p->cpus) > 0)
		sched_setaffinity(0, sizeof(p->cpus), &p->cpus);
	pthread_mutex_lock(&p->lock);
	while ((t = pool_take(p))) {
		p->busy++;
		pthread_mutex_unlock(&p->lock);
		t->fn(t->arg);
		free(t);
		pthread_mutex_lock(&p->lock);
		if (--p->busy == 0 && !p->first)
			pthread_cond_broadcast(&p->idle);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int start(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg, struct err *e)
{
	sigset_t all, old;
	int r;

	/* Signals belong to the main thread: it turns them into job_cancel(). */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(ret, attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r == 0)
		return 0;
	errno = r;
	return err_sys(e, "start a thread");
}

int thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct err *e)
{
	return start(ret, NULL, fn, arg, e);
}

/* The nth of the processors after the one we run on. */
static int cpu_after(const cpu_set_t *cpus, size_t nth)
{
	int cpu = MAX(sched_getcpu(), 0);

	for (nth %= (size_t)CPU_COUNT(cpus); ; nth--) {
		do
			cpu = (cpu + 1) % CPU_SETSIZE;
		while (!CPU_ISSET(cpu, cpus));
		if (nth == 0)
			return cpu;
	}
}

/*
 * The threads of a pool begin on one processor each; then the kernel may move them. By itself it starts and wakes a
 * thread where its maker runs if processors share no cache (many virtual machines), and moves it only after
 * milliseconds: a few milliseconds of work would never be shared.
 */
static int pool_start(struct pool *p, size_t nth, struct err *e)
{
	pthread_attr_t attr;
	cpu_set_t one;
	int r;

	if (CPU_COUNT(&p->cpus) < 2)
		return start(&p->threads[nth], NULL, pool_main, p, e);
	CPU_ZERO(&one);
	CPU_SET(cpu_after(&p->cpus, nth), &one);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(one), &one);
	r = start(&p->threads[nth], &attr, pool_main, p, e);
	pthread_attr_destroy(&attr);
	return r;
}

int pool_new(size_t workers, struct pool **ret, struct err *e)
{
	struct pool *p = xcalloc(1, sizeof(*p) + workers * sizeof(pthread_t));

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->idle, NULL);
	p->last = &p->first;
	if (sched_getaffinity(0, sizeof(p->cpus), &p->cpus) < 0)
		CPU_ZERO(&p->cpus);
	for (; p->nthreads < workers; p->nthreads++)
		if (pool_start(p, p->nthreads, e) < 0) {
			pool_free(p);
			return -1;
		}
	*ret = p;
	return 0;
}

void pool_run(struct pool *p, void (*fn)(void *), void *arg)
{
	struct task *t = xmalloc(sizeof(*t));

	*t = (struct task){ .fn = fn, .arg = arg };
	auto_lock pthread_mutex_t *held = lock_hold(&p->lock);
	*p->last = t;
	p->last = &t->next;
	pthread_cond_signal(&p->work);
}

void pool_wait(struct pool *p)
{
	auto_lock pthread_mutex_t *held = lock_hold(&p->lock);

	while (p->first || p->busy)
		pthread_cond_wait(&p->idle, &p->lock);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->idle);
	free(p);
}

size_t cpu_count(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n > 0 ? (size_t)n : 1;
}
