/* SPDX-License-Identifier: Apache-2.0 */
/* A job (cancel token and event sink), threads, a pool of workers. The only maker of threads. */
#ifndef BASE_TASK_H
#define BASE_TASK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/event.h"

struct job {
	struct sink *sink;	/* borrowed; may be NULL */
	int cancel_fd;		/* eventfd: readable for ever once cancelled; poll it in every wait */
	atomic_bool cancelled;
};

NODISCARD int job_init(struct job *j, struct sink *sink, struct err *e);
void job_done(struct job *j);
void job_cancel(struct job *j);			/* async-signal-safe; may be repeated */
bool job_cancelled(struct job *j);
int job_check(struct job *j, struct err *e);	/* -1 and ERR_CANCELLED once cancelled */
/* Wait until fd is ready for events (POLLIN...); ERR_CANCELLED wins. timeout_ms -1: none; returns 0 ready, 1 timeout. */
NODISCARD int job_wait_fd(struct job *j, int fd, short events, int timeout_ms, struct err *e);

struct pool;			/* a fixed number of threads that take tasks in order */

NODISCARD int pool_new(size_t workers, struct pool **ret, struct err *e);
void pool_run(struct pool *p, void (*fn)(void *arg), void *arg);	/* queued; never fails */
void pool_wait(struct pool *p);			/* until every queued task ended */
void pool_free(struct pool *p);			/* waits, then ends the threads */

NODISCARD int thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct err *e);
size_t cpu_count(void);				/* processors this process may use, at least 1 */

static inline void lock_release(pthread_mutex_t **m) { if (*m) pthread_mutex_unlock(*m); }
static inline pthread_mutex_t *lock_hold(pthread_mutex_t *m) { pthread_mutex_lock(m); return m; }
/* auto_lock pthread_mutex_t *held = lock_hold(&x->lock); */
#define auto_lock __attribute__((cleanup(lock_release)))

#endif
