/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running: through its process 1, in whose mount namespace all is mounted. Not running: the same overlay mount that a
 * start would make, and the volumes, in a mount namespace of our own.
 */
#include "engine/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>

#include "base/fs.h"
#include "cache/layer.h"
#include "cache/snapshot.h"
#include "cache/store.h"
#include "runtime/container/container.h"
#include "runtime/container/volume.h"
#include "runtime/sandbox/ns.h"

#define LAYERS_MAX ((size_t)1 << 20)

static int open_layer(struct tree *t, struct str hex, struct err *e)
{
	struct digest d;

	if (!digest_from_hex(hex, &d))
		return err_set(e, ERR_CORRUPT, "container %s: its list of layers is damaged", t->container->id);
	if (store_pin(t->store, &d, e) < 0 || layer_open(t->store, &d, &t->layers[t->nlayers], e) < 0)
		return err_wrap(e, "container %s", t->container->id);
	t->nlayers++;
	return 0;
}

static int open_layers(struct tree *t, struct err *e)
{
	auto_buf struct buf b = { 0 };

	if (t->layers)
		return 0;
	if (fs_read(t->container->dir, "layers", LAYERS_MAX, &b, e) < 0)
		return err_wrap(e, "container %s", t->container->id);
	t->layers = xcalloc(b.n / 65 + 1, sizeof(struct layer *));	/* a line each: 64 digits */
	for (struct str rest = buf_view(&b); rest.n; )
		if (open_layer(t, str_cut(&rest, '\n'), e) < 0)
			return -1;
	return 0;
}

/* ---- it runs ---- */

static int clone_root(void *arg, struct err *e)
{
	struct tree *t = arg;

	t->root = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return t->root < 0 ? err_sys(e, "open the container's root") : 0;
}

static int open_running(struct tree *t, bool mounts, struct err *e)
{
	auto_fd int ns = -1;

	if (mounts)
		return process_root(&t->target, &t->root, e);
	ns = openat(t->target.proc, "ns/mnt", O_RDONLY | O_CLOEXEC);
	return ns < 0 ? err_sys(e, "open the container's mounts") : ns_mounts_in(ns, clone_root, t, e);
}

/* ---- it does not ---- */

/* The source of one of the record's mounts, as a detached mount; -1 in *ret: none, while it does not run. */
static int mount_source(struct tree *t, const json_t *m, int *ret, struct err *e)
{
	const char *type = json_string_value(json_object_get(m, "Type"));
	const char *name = json_string_value(json_object_get(m, "Name"));
	const char *source = json_string_value(json_object_get(m, "Source"));
	struct volume_opts o = { .anonymous = json_is_true(json_object_get(m, "Anonymous")) };
	struct volume v;
	int r = 0;

	*ret = -1;
	if (type && strcmp(type, "volume") == 0 && name) {
		if (volume_open(t->store, name, &o, &v, e) < 0 || volume_mount(&v, name, ret, e) < 0)
			return -1;
		if (*ret < 0)
			*ret = open_tree(v.data, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
		r = *ret < 0 ? err_sys(e, "open the volume %s", name) : 0;
		volume_close(&v);
	} else if (type && strcmp(type, "bind") == 0 && source) {
		*ret = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	}
	return r;
}

static int attach(struct tree *t, const json_t *m, int fd, struct err *e)
{
	const char *dst = json_string_value(json_object_get(m, "Destination"));
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	auto_fd int at = -1;
	struct stat st;

	if (!dst || fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if (json_is_false(json_object_get(m, "RW")) && mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro, sizeof(ro)) < 0)
		return err_sys(e, "mount %s", dst);
	at = S_ISDIR(st.st_mode) ? fs_mkdirs_in(t->root, dst, 0755, (uid_t)-1, (gid_t)-1) : fs_open_in(t->root, dst, O_PATH, 0);
	if (at < 0)
		return S_ISDIR(st.st_mode) ? err_sys(e, "mount %s", dst) : 0;
	if (move_mount(fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "mount %s", dst);
	return 0;
}

struct assembly {
	struct tree *tree;
	const json_t *mounts;
	int *sources, root;	/* detached mounts: only in our own namespace can they be made of what is mounted there */
};

/* In a mount namespace of its own: the tree is put on top of ours. */
static int assemble(void *arg, struct err *e)
{
	struct assembly *a = arg;
	struct tree *t = a->tree;
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	const json_t *m;
	size_t i;

	if (move_mount(a->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "mount the container's root");
	t->root = take_fd(&a->root);
	json_array_foreach(a->mounts, i, m)
		if (attach(t, m, a->sources[i], e) < 0)
			return -1;
	if (json_is_true(json_object_get(json_object_get(t->container->config, "HostConfig"), "ReadonlyRootfs")) &&
	    mount_setattr(t->root, "", AT_EMPTY_PATH, &ro, sizeof(ro)) < 0)
		return err_sys(e, "set mount flags");
	return 0;
}

static int open_assembled(struct tree *t, struct err *e)
{
	const json_t *mounts = json_object_get(t->container->config, "Mounts"), *m;
	size_t n = json_array_size(mounts), i;
	auto_free int *sources = xcalloc(n + 1, sizeof(int));
	struct assembly a = { t, mounts, sources, -1 };
	int r = 0;

	memset(sources, -1, (n + 1) * sizeof(int));
	json_array_foreach(mounts, i, m)
		if (r == 0)
			r = mount_source(t, m, &sources[i], e);
	a.root = open_tree(snapshot_fd(t->snapshot), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (a.root < 0)	/* before Linux 6.15 a detached mount cannot be copied: it is moved itself */
		a.root = fcntl(snapshot_fd(t->snapshot), F_DUPFD_CLOEXEC, 3);
	if (r == 0)
		r = ns_mounts_new(assemble, &a, &t->ns, e);
	for (i = 0; i < n; i++)
		cleanup_fd(&sources[i]);
	cleanup_fd(&a.root);
	return r;
}

static int open_stopped(struct tree *t, bool mounts, struct err *e)
{
	while (flock(t->container->dir, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "lock container %s", t->container->id);
	if (open_layers(t, e) < 0 ||
	    snapshot_open_kept(t->container->dir, t->layers, t->nlayers, true, &t->snapshot, e) < 0)
		return -1;
	if (mounts)
		return open_assembled(t, e);
	t->root = fcntl(snapshot_fd(t->snapshot), F_DUPFD_CLOEXEC, 3);
	return t->root < 0 ? err_sys(e, "open the container's root") : 0;
}

int tree_open(struct store *s, const char *ref, bool mounts, struct tree *ret, struct err *e)
{
	auto_err struct err ended = { 0 };
	const struct container_state *st;

	*ret = (struct tree){ .store = s, .root = -1, .ns = -1, .target = { .pidfd = -1, .proc = -1 } };
	if (container_open(s, ref, &ret->container, e) < 0)
		return -1;
	st = &ret->container->state;
	ret->running = st->pid > 0 && process_open(st->pid, st->pid_start, &ret->target, &ended) == 0;
	return ret->running ? open_running(ret, mounts, e) : open_stopped(ret, mounts, e);
}

int tree_image(struct tree *t, struct lease *l, struct snapshot **snap, struct err *e)
{
	return open_layers(t, e) < 0 ? -1 : snapshot_open(t->store, l, t->layers, t->nlayers, false, snap, e);
}

void tree_close(struct tree *t)
{
	if (t->root >= 0)
		close(t->root);
	if (t->ns >= 0)
		close(t->ns);
	snapshot_free(t->snapshot);
	process_close(&t->target);
	for (size_t i = 0; i < t->nlayers; i++)
		layer_unref(t->layers[i]);
	free(t->layers);
	container_free(t->container);
	*t = (struct tree){ .root = -1, .ns = -1, .target = { .pidfd = -1, .proc = -1 } };
}

bool tree_is_stub(const char *path, int dir, const char *name)
{
	static const char *const stubs[] = {
		"dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/console", "dev/pts", "dev/shm",
		".dockerenv",
	};
	struct stat st;

	for (size_t i = 0; i < countof(stubs); i++) {
		auto_fd int fd = -1;

		if (strcmp(path, stubs[i]) != 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			return st.st_size == 0;
		return S_ISDIR(st.st_mode);
	}
	return false;
}
