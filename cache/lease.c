/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: a locked directory and pins, both dropped by the kernel when the process dies. */
#include "cache/lease.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/task.h"
#include "cache/pin.h"

struct lease {
	struct store *store;
	int work, dirfd;	/* work: the store's */
	char id[STORE_ID_MAX];
	pthread_mutex_t lock;	/* guards the making of pins */
	int pins;		/* -1: none yet */
};

/* 1: made and locked; 0: gc saw the directory before it was locked, and took it; -1. */
static int lease_try(struct lease *l, struct err *e)
{
	int r;

	store_id(l->id);
	if (mkdirat(l->work, l->id, 0700) < 0)
		return errno == EEXIST ? 0
				       : err_sys(e, "make %s/work/%s", store_path(l->store), l->id);
	fault_point("lease.made");
	r = name_claim(l->work, l->id, &l->dirfd, e);
	fault_point("lease.locked");
	return r;
}

int lease_new(struct store *s, struct lease **ret, struct err *e)
{
	struct lease *l = xcalloc(1, sizeof(*l));
	int r = -1;

	l->store = s;
	l->dirfd = l->pins = -1;
	pthread_mutex_init(&l->lock, NULL);
	l->work = store_dir(s, STORE_WORK, e);
	while (l->work >= 0 && (r = lease_try(l, e)) == 0)
		;
	if (r < 0) {
		lease_free(l);
		return err_wrap(e, "begin work in the store");
	}
	*ret = l;
	return 0;
}

void lease_free(struct lease *l)
{
	auto_err struct err ignored = { 0 };	/* what cannot be removed is left to gc */

	if (!l)
		return;
	if (l->dirfd >= 0 && fs_remove(l->work, l->id, &ignored) < 0)
		err_clear(&ignored);
	cleanup_fd(&l->dirfd);
	cleanup_fd(&l->pins);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

int lease_dirfd(const struct lease *l)
{
	return l->dirfd;
}

const char *lease_id(const struct lease *l)
{
	return l->id;
}

int lease_pin(struct lease *l, const struct digest *d, struct err *e)
{
	int fd;

	pthread_mutex_lock(&l->lock);
	if (l->pins < 0 && pin_open(l->store, PIN_KEEP, &l->pins, e) < 0) {
		pthread_mutex_unlock(&l->lock);
		return -1;
	}
	fd = l->pins;
	pthread_mutex_unlock(&l->lock);
	return pin_share(fd, d, e);
}

int key_trylock(struct store *s, const struct digest *key, int *ret, struct err *e)
{
	auto_fd int fd = -1;
	int r;

	if (pin_open(s, PIN_STEP, &fd, e) < 0)
		return -1;
	r = pin_claim(fd, key, e);
	if (r > 0)
		*ret = take_fd(&fd);
	return r;
}

int key_lock(struct store *s, const struct digest *key, struct job *j, int *ret, struct err *e)
{
	auto_fd int fd = -1;
	int r, wait_ms = 1;

	if (pin_open(s, PIN_STEP, &fd, e) < 0)
		return -1;
	/* The kernel has no lock that can be waited for along with an eventfd, hence the asking
	 * again. */
	while ((r = pin_claim(fd, key, e)) == 0) {
		if (job_wait_fd(j, j->cancel_fd, 0, wait_ms, e) < 0)
			return -1;
		wait_ms = MIN(2 * wait_ms, 50);
	}
	if (r < 0)
		return -1;
	*ret = take_fd(&fd);
	return 0;
}
