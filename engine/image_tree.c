/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into images through a detached mount of their layers. */
#include "engine/image_tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "cache/layer.h"
#include "cache/lease.h"
#include "cache/mounted.h"
#include "cache/names.h"
#include "cache/snapshot.h"
#include "cache/whiteout.h"
#include "engine/image.h"

#define DEPTH_MAX 4096
#define UMOUNT_NOFOLLOW 8	/* <sys/mount.h> collides with <linux/mount.h> */

struct image_tree {
	struct lease *lease;
	struct layer **layers;
	struct digest *diff_ids;
	size_t n;
	struct snapshot *snap;
};

static int open_layers(struct store *s, const struct config *c, struct image_tree *t, struct err *e)
{
	size_t n = config_diff_ids(c);

	t->layers = xcalloc(n + 1, sizeof(*t->layers));
	t->diff_ids = xcalloc(n + 1, sizeof(*t->diff_ids));
	for (; t->n < n; t->n++) {
		t->diff_ids[t->n] = config_diff_id(c, t->n);
		if (store_pin(s, &t->diff_ids[t->n], e) < 0 || layer_open(s, &t->diff_ids[t->n], &t->layers[t->n], e) < 0)
			return -1;
	}
	return 0;
}

int image_tree_open(struct store *s, const char *name, struct image_tree **ret, struct err *e)
{
	auto_image struct image im = { 0 };
	auto_image_tree struct image_tree *t = xcalloc(1, sizeof(*t));

	if (image_open(s, name, &im, e) < 0)
		return -1;
	if (open_layers(s, im.config, t, e) < 0 || lease_new(s, &t->lease, e) < 0 ||
	    snapshot_open(s, t->lease, t->layers, t->n, false, &t->snap, e) < 0)
		return err_wrap(e, "image %s", name);
	*ret = take_ptr(&t);
	return 0;
}

void image_tree_free(struct image_tree *t)
{
	if (!t)
		return;
	snapshot_free(t->snap);
	for (size_t i = 0; i < t->n; i++)
		layer_unref(t->layers[i]);
	free(t->layers);
	free(t->diff_ids);
	lease_free(t->lease);
	free(t);
}

static int path_error(const char *path, struct err *e)
{
	if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
		return err_set(e, ERR_NOT_FOUND, "%s: no such file or directory in the image", path);
	return err_sys(e, "open %s in the image", path);
}

/* ---- ls ---- */

struct listing {
	struct job *job;
	bool all;
	image_tree_entry told;
	void *arg;
	struct buf path;
};

static int tell(struct listing *l, int dir, const char *name, struct stat *st, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n;

	if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "stat %s", l->path.p);
	if (!S_ISLNK(st->st_mode))
		return l->told(l->arg, l->path.p, st, NULL, e);
	n = readlinkat(dir, name, target, sizeof(target) - 1);
	if (n < 0)
		return err_sys(e, "read the link %s", l->path.p);
	target[n] = '\0';
	return l->told(l->arg, l->path.p, st, target, e);
}

static int list_dir(struct listing *l, int dir, int depth, struct err *e)
{
	auto_names struct names names = { 0 };
	size_t len = l->path.n;

	if (job_check(l->job, e) < 0)
		return -1;
	if (depth > DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "more than %d directories deep", DEPTH_MAX);
	if (names_read(dir, &names) < 0)
		return err_sys(e, "list %s", len ? l->path.p : "a directory");
	for (size_t i = 0; i < names.n; i++) {
		auto_fd int sub = -1;
		struct stat st;

		buf_printf(&l->path, "%s%s", len ? "/" : "", names.v[i].s);
		if (tell(l, dir, names.v[i].s, &st, e) < 0)
			return -1;
		if (l->all && S_ISDIR(st.st_mode)) {
			sub = openat(dir, names.v[i].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (sub < 0)
				return err_sys(e, "open %s", l->path.p);
			if (list_dir(l, sub, depth + 1, e) < 0)
				return -1;
		}
		l->path.p[l->path.n = len] = '\0';
	}
	return 0;
}

int image_tree_list(struct job *j, struct image_tree *t, const char *path, bool all, image_tree_entry told, void *arg,
		    struct err *e)
{
	struct listing l = { j, all, told, arg, { 0 } };
	int root = snapshot_fd(t->snap), r;
	const char *name;
	auto_fd int dir = fs_open_in(root, path, O_RDONLY | O_DIRECTORY, 0), parent = -1;
	struct stat st;

	if (dir >= 0) {
		r = list_dir(&l, dir, 0, e);
	} else {
		parent = errno == ENOTDIR ? fs_open_parent_in(root, path, &name) : -1;
		if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return path_error(path, e);
		buf_puts(&l.path, path);
		r = tell(&l, parent, name, &st, e);
	}
	buf_done(&l.path);
	return r;
}

/* ---- cat ---- */

int image_tree_cat(struct job *j, struct image_tree *t, const char *path, int fd, struct err *e)
{
	auto_fd int in = fs_open_in(snapshot_fd(t->snap), path, O_PATH, 0), data = -1;
	auto_free char *chunk = NULL;
	struct stat st;
	ssize_t n;

	if (in < 0 || fstat(in, &st) < 0)
		return path_error(path, e);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "%s is %s", path, S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
	data = fs_reopen(in, O_RDONLY);
	if (data < 0)
		return err_sys(e, "open %s", path);
	chunk = xmalloc(1 << 18);
	while ((n = read(data, chunk, 1 << 18)) > 0)
		if (job_check(j, e) < 0 || fs_write_all(fd, chunk, (size_t)n, e) < 0)
			return -1;
	return n < 0 ? err_sys(e, "read %s", path) : 0;
}

/* ---- mount ---- */

static int real_dir(const char *dir, char **ret, struct err *e)
{
	struct stat st;
	auto_free char *path = realpath(dir, NULL);

	if (!path || stat(path, &st) < 0)
		return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "%s: no such directory", dir) : err_sys(e, "find %s", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "%s is not a directory", dir);
	*ret = take_ptr(&path);
	return 0;
}

int image_tree_mount(struct store *s, struct image_tree *t, const char *dir, struct err *e)
{
	struct mount_attr safe = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	auto_free char *path = NULL;
	int fd = snapshot_fd(t->snap), there;

	if (whiteout_userns())
		return err_hint((err_set(e, ERR_USAGE, "mounting an image needs root: nobody else would see an ordinary "
					 "user's mount"), e), "tare image ls and tare image cat look into it");
	if (real_dir(dir, &path, e) < 0)
		return -1;
	there = mounted_sweep(s, e) < 0 ? -1 : mounted_is(s, path, e);
	if (there)
		return there < 0 ? -1 : err_set(e, ERR_CONFLICT, "an image is mounted at %s already", path);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &safe, sizeof(safe)) < 0)
		return err_sys(e, "protect the mount");
	if (mounted_put(s, path, fd, t->diff_ids, t->n, e) < 0)
		return -1;
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "mount the image at %s", path);
	return mounted_put(s, path, fd, t->diff_ids, t->n, e);	/* a gc just now may have seen no mount yet */
}

int image_tree_umount(struct store *s, const char *dir, struct err *e)
{
	auto_free char *path = NULL;
	int there;

	if (real_dir(dir, &path, e) < 0)
		return -1;
	there = mounted_sweep(s, e) < 0 ? -1 : mounted_is(s, path, e);
	if (there <= 0)
		return there < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "no image of this store is mounted at %s", path);
	if (syscall(SYS_umount2, path, UMOUNT_NOFOLLOW) < 0)
		return errno == EBUSY ? err_set(e, ERR_CONFLICT, "%s is in use", path) : err_sys(e, "unmount %s", path);
	return mounted_forget(s, path, e);
}
