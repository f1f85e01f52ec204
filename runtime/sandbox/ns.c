/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces by fd: make one, or do something inside one, from any thread. */
#include "runtime/sandbox/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/task.h"

struct visit {
	int enter;		/* fd of the namespace, or -1: a new one */
	int made;		/* fd of the new one */
	ns_fn *fn;
	void *arg;
	int r;
	bool mounts;		/* not the network: the mount namespace */
	struct err *e;
};

static int visit_mounts(struct visit *v)
{
	if (unshare(CLONE_FS) < 0 || (v->enter >= 0 ? setns(v->enter, CLONE_NEWNS) : unshare(CLONE_NEWNS)) < 0) {
		err_sys(v->e, v->enter >= 0 ? "enter a mount namespace" : "make a mount namespace");
		if (v->e->sys == EPERM)
			v->e->kind = ERR_DENIED;
		return -1;
	}
	if (v->enter < 0) {
		if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			return err_sys(v->e, "make the mounts private");
		v->made = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
		if (v->made < 0)
			return err_sys(v->e, "open /proc/thread-self/ns/mnt");
	}
	return v->fn(v->arg, v->e);
}

static int visit_do(struct visit *v)
{
	if (v->mounts)
		return visit_mounts(v);
	if (v->enter >= 0 ? setns(v->enter, CLONE_NEWNET) < 0 : unshare(CLONE_NEWNET) < 0) {
		err_sys(v->e,
			v->enter >= 0 ? "enter a network namespace" : "make a network namespace");
		if (v->e->sys == EPERM)
			v->e->kind = ERR_DENIED;
		return -1;
	}
	if (v->enter < 0) {
		v->made = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (v->made < 0)
			return err_sys(v->e, "open /proc/thread-self/ns/net");
	}
	return v->fn ? v->fn(v->arg, v->e) : 0;
}

static void *visit_main(void *arg)
{
	struct visit *v = arg;

	v->r = visit_do(v);
	return NULL;
}

/* A thread of its own, since its namespace is not to be any other code's. */
static int visit(struct visit *v)
{
	pthread_t t;

	if (thread_start(&t, visit_main, v, v->e) < 0)
		return -1;
	pthread_join(t, NULL);
	return v->r;
}

static int visit_new(struct visit *v, int *ret)
{
	if (visit(v) < 0) {
		if (v->made >= 0)
			close(v->made);
		return -1;
	}
	*ret = v->made;
	return 0;
}

int ns_net_new(ns_fn *fn, void *arg, int *ret, struct err *e)
{
	return visit_new(&(struct visit){ .enter = -1, .made = -1, .fn = fn, .arg = arg, .e = e }, ret);
}

int ns_net_in(int fd, ns_fn *fn, void *arg, struct err *e)
{
	struct visit v = { .enter = fd, .made = -1, .fn = fn, .arg = arg, .e = e };

	return visit(&v);
}

int ns_mounts_new(ns_fn *fn, void *arg, int *ret, struct err *e)
{
	return visit_new(&(struct visit){ .enter = -1, .made = -1, .fn = fn, .arg = arg, .mounts = true, .e = e }, ret);
}

int ns_mounts_in(int fd, ns_fn *fn, void *arg, struct err *e)
{
	return visit(&(struct visit){ .enter = fd, .made = -1, .fn = fn, .arg = arg, .mounts = true, .e = e });
}
