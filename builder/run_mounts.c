/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUN --mount. Binds of the context see a private copy of what the ignore file leaves, so that a step can
 * neither read what is excluded nor write into the user's directory (CVE-2025-4953). Cache mounts
 * are directories mounts/<hash of their identity>/ of the store; their ids never become file names.
 */
#include "builder/run_mounts.h"

#include <errno.h>
#include <stdio.h>
#include <poll.h>
#include <sys/file.h>

#include "base/fs.h"
#include "builder/copy.h"
#include "builder/result.h"
#include "cache/lease.h"
#include "cache/snapshot.h"
#include "cache/store.h"
#include "runtime/sandbox/spec.h"

#define PRIVATE_MAX 64		/* instances of one private cache */

struct opened {
	struct snapshot *snap;
	int fd, lock_fd;
	char *data;
};

struct run_mounts {
	struct opened *o;
	struct spec_mount *m;
	size_t n, nm;
	struct strv env;
};

static int open_source(int root, const char *source, struct opened *o, struct err *e)
{
	o->fd = fs_open_in(root, *source ? source : "/", O_PATH, 0);
	return o->fd < 0 ? err_sys(e, "mount source \"%s\"", source) : 0;
}

/* A private copy of the chosen part of the context. */
static int open_context(struct work *w, const struct run_step_mount *m, size_t i, struct vertex *v,
			struct opened *o, struct err *e)
{
	auto_free char *name = xasprintf("bind-%p-%zu", (void *)v, i);
	auto_fd int src = w->context_fd < 0 ? -1 : fs_open_in(w->context_fd, *m->m.source ? m->m.source : "/", O_PATH, 0);
	auto_fd int dir = -1;
	char *sources[] = { (char *)(*m->m.source ? m->m.source : "/"), NULL };
	struct stat st;
	struct copy_spec c = { .src_root = w->context_fd, .from_context = true, .ignore = w->ignore,
		.src = { sources, 1 }, .now_ns = -1 };

	if (src < 0 || fstat(src, &st) < 0)
		return err_set(e, ERR_NOT_FOUND, "\"%s\": not found in the build context", m->m.source);
	if (mkdirat(lease_dirfd(w->lease), name, 0755) < 0 ||
	    (dir = openat(lease_dirfd(w->lease), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_sys(e, "make a directory for the mount");
	c.dest = S_ISDIR(st.st_mode) ? "/" : "/file";
	if (copy_run(w->job, &c, dir, e) < 0)
		return -1;
	return open_source(dir, c.dest, o, e);
}

static int open_bind(struct work *w, struct vertex *v, const struct run_step_mount *m, size_t i, struct opened *o,
		     struct err *e)
{
	const struct vertex *in;

	if (m->in < 0)
		return open_context(w, m, i, v, o, e);
	in = v->in[m->in];
	if (result_mount(w, in ? &in->result : NULL, !m->m.readonly, &o->snap, e) < 0)
		return -1;
	return open_source(snapshot_fd(o->snap), m->m.source, o, e);
}

/* ---- caches ---- */

/* The identity: id, and where it was given owner, mode and where the first content comes from. */
static void cache_name(struct vertex *v, const struct run_step_mount *m, struct arena *a, char ret[static DIGEST_TEXT_MAX])
{
	struct hasher h;
	struct digest d;

	hasher_init(&h, HASH_SHA256);
	hasher_cstr(&h, mount_id(&m->m, m->target, a));
	if (m->m.has_mode || m->m.has_uid || m->m.has_gid) {
		hasher_u64(&h, m->m.has_mode ? m->m.mode : 0755);
		hasher_u64(&h, m->m.uid);
		hasher_u64(&h, m->m.gid);
	}
	if (m->in >= 0 && v->in[m->in])
		hasher_update(&h, v->in[m->in]->def_key.b, 32);
	d = digest_final(&h);
	digest_hex(&d, ret);
}

static int cache_fill(struct work *w, struct vertex *v, const struct run_step_mount *m, int dir, struct err *e)
{
	auto_snapshot struct snapshot *snap = NULL;
	char *sources[] = { (char *)(*m->m.source ? m->m.source : "/"), NULL };
	struct copy_spec c = { .src = { sources, 1 }, .dest = "/", .now_ns = -1 };
	const struct vertex *in = m->in >= 0 ? v->in[m->in] : NULL;

	if (!in)
		return 0;
	if (result_mount(w, &in->result, false, &snap, e) < 0)
		return -1;
	c.src_root = snapshot_fd(snap);
	return copy_run(w->job, &c, dir, e);
}

/* The directory, made under a temporary name if it is new, so that a half-filled one is never seen. */
static int cache_dir(struct work *w, struct vertex *v, const struct run_step_mount *m, int mounts, const char *name,
		     struct err *e)
{
	auto_free char *tmp = xasprintf("%s.new", name);
	mode_t mode = m->m.has_mode ? m->m.mode : 0755;
	auto_fd int dir = openat(mounts, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir >= 0)
		return take_fd(&dir);
	if (fs_remove(mounts, tmp, e) < 0)
		return -1;
	if (mkdirat(mounts, tmp, 0755) < 0 || (dir = openat(mounts, tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_sys(e, "make a cache mount");
	if (cache_fill(w, v, m, dir, e) < 0)
		return -1;
	if (fchown(dir, m->m.has_uid ? m->m.uid : 0, m->m.has_gid ? m->m.gid : 0) < 0 || fchmod(dir, mode) < 0 ||
	    renameat(mounts, tmp, mounts, name) < 0)
		return err_sys(e, "make a cache mount");
	return take_fd(&dir);
}

/* A lock that can be given up on: 1 got it, 0 somebody has it. */
static int try_lock(int mounts, const char *name, int how, int *ret, struct err *e)
{
	auto_free char *file = xasprintf("%s.lock", name);
	auto_fd int fd = openat(mounts, file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "lock a cache mount");
	if (flock(fd, how | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(e, "lock a cache mount");
	*ret = take_fd(&fd);
	return 1;
}

/* Shared caches are locked shared only while they are made; private ones take the first free instance. */
static int cache_lock(struct work *w, const struct run_step_mount *m, int mounts, const char *hex, char **name,
		      int *lock, struct err *e)
{
	for (int i = 0; ; i = (i + 1) % PRIVATE_MAX) {
		int r;

		free(*name);
		*name = m->m.sharing == SHARING_PRIVATE && i ? xasprintf("%s-%d", hex, i) : xstrdup(hex);
		r = try_lock(mounts, *name, LOCK_EX, lock, e);
		if (r)
			return r < 0 ? -1 : 0;
		if (m->m.sharing == SHARING_PRIVATE && i + 1 < PRIVATE_MAX)
			continue;
		if (m->m.sharing == SHARING_SHARED && try_lock(mounts, *name, LOCK_SH, lock, e) > 0)
			return 0;
		if (job_wait_fd(w->job, w->job->cancel_fd, POLLIN, 50, e) < 0)
			return -1;
	}
}

static int open_cache(struct work *w, struct vertex *v, const struct run_step_mount *m, struct opened *o, struct err *e)
{
	auto_arena struct arena a = { 0 };
	auto_free char *name = NULL;
	auto_fd int mounts = -1;
	char hex[DIGEST_TEXT_MAX];

	if (mkdirat(store_dirfd(w->store), "mounts", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make the directory of cache mounts");
	mounts = openat(store_dirfd(w->store), "mounts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mounts < 0)
		return err_sys(e, "open the directory of cache mounts");
	cache_name(v, m, &a, hex);
	if (cache_lock(w, m, mounts, hex, &name, &o->lock_fd, e) < 0)
		return -1;
	o->fd = cache_dir(w, v, m, mounts, name, e);
	if (o->fd >= 0 && m->m.sharing == SHARING_SHARED)
		flock(o->lock_fd, LOCK_SH);
	return o->fd < 0 ? -1 : 0;
}

/* ---- all ---- */

/* No secret and no agent is ever given to this build: optional ones are absent, as BuildKit has it. */
static int open_absent(struct run_mounts *rm, const struct run_step_mount *m, struct err *e)
{
	auto_arena struct arena a = { 0 };

	if (m->m.required)
		return err_set(e, ERR_NOT_FOUND, "%s %s: not found", mount_type_name(m->m.type),
			       mount_id(&m->m, m->target, &a));
	if (m->m.type == MOUNT_SECRET && m->m.has_env)
		strv_env_set(&rm->env, m->m.env, "");
	return 0;
}

static void add_spec(struct run_mounts *rm, const struct run_step_mount *m, struct opened *o)
{
	struct spec_mount *sm = &rm->m[rm->nm++];

	*sm = (struct spec_mount){ .kind = SPEC_BIND, .src_fd = o->fd, .dst = m->target,
		.flags = SPEC_NOSUID * (m->m.type == MOUNT_TMPFS) | (m->m.readonly ? SPEC_RO : 0) };
	if (m->m.type != MOUNT_TMPFS)
		return;
	sm->kind = SPEC_TMPFS;
	if (m->m.size)
		o->data = xasprintf("size=%llu", (unsigned long long)m->m.size);
	sm->data = o->data;
}

static int open_one(struct work *w, struct vertex *v, struct run_mounts *rm, size_t i, struct err *e)
{
	const struct run_op *op = v->data;
	const struct run_step_mount *m = &op->mounts[i];
	struct opened *o = &rm->o[i];
	int r = 0;

	switch (m->m.type) {
	case MOUNT_BIND:
		r = open_bind(w, v, m, i, o, e);
		break;
	case MOUNT_CACHE:
		r = open_cache(w, v, m, o, e);
		break;
	case MOUNT_TMPFS:
		break;
	case MOUNT_SECRET:
	case MOUNT_SSH:
		return open_absent(rm, m, e);
	}
	if (r == 0)
		add_spec(rm, m, o);
	return r;
}

int run_mounts_open(struct work *w, struct vertex *v, struct run_mounts **ret, struct err *e)
{
	const struct run_op *op = v->data;
	struct run_mounts *rm = xcalloc(1, sizeof(*rm));

	rm->n = op->nmounts;
	rm->o = xcalloc(rm->n + 1, sizeof(*rm->o));
	rm->m = xcalloc(rm->n + 2, sizeof(*rm->m));
	for (size_t i = 0; i < rm->n; i++)
		rm->o[i].fd = rm->o[i].lock_fd = -1;
	for (size_t i = 0; i < rm->n; i++)
		if (open_one(w, v, rm, i, e) < 0) {
			run_mounts_free(rm);
			return err_wrap(e, "--mount=type=%s", mount_type_name(op->mounts[i].m.type));
		}
	*ret = rm;
	return 0;
}

void run_mounts_apply(struct run_mounts *m, struct spec *sp)
{
	sp->mounts = m->m;
	sp->nmounts = m->nm;
	strv_copy(&sp->env, &m->env);
}

void run_mounts_free(struct run_mounts *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		if (m->o[i].fd >= 0)
			close(m->o[i].fd);
		if (m->o[i].lock_fd >= 0)
			close(m->o[i].lock_fd);
		snapshot_free(m->o[i].snap);
		free(m->o[i].data);
	}
	strv_done(&m->env);
	free(m->o);
	free(m->m);
	free(m);
}
