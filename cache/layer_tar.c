/* SPDX-License-Identifier: Apache-2.0 */
/* The tar form of a layer: writing it, mounting it, and what to do where it can't be mounted. */
#include <errno.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/fs.h"
#include "cache/erofs.h"
#include "cache/hash_pipe.h"
#include "cache/layer_dir.h"
#include "cache/lease.h"
#include "cache/whiteout.h"

#define CHUNK ((size_t)1 << 20)
#define NEW_FILE (O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

static int open_part(int dir, const char *stem, const char *suffix)
{
	auto_free char *name = xasprintf("%s%s", stem, suffix);

	return openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static int put_fd(void *arg, const void *p, size_t n, struct err *e)
{
	return fs_write_all(*(int *)arg, p, n, e);
}

/* ---- writing ---- */

int layer_out_init(struct layer_out *o, struct store *s, struct lease *l, struct err *e)
{
	*o = (struct layer_out){ .store = s, .home = -1, .tar = -1 };
	if (layer_home(l, &o->home, e) < 0)
		return -1;
	o->tar = openat(o->home, "u.tar", NEW_FILE, 0600);
	if (o->tar < 0)
		return err_sys(e, "create a layer");
	o->pipe = hash_pipe_new();
	hash_pipe_to(o->pipe, o->tar);
	o->index = erofs_new(whiteout_userns());
	return 0;
}

void layer_out_done(struct layer_out *o)
{
	if (o->home >= 0)
		close(o->home);
	if (o->tar >= 0)
		close(o->tar);
	hash_pipe_free(o->pipe);
	erofs_free(o->index);
}

static int write_index(int dir, const char *name, struct erofs *w, uint64_t tar_size, const struct digest *d, uint64_t *size,
		       struct err *e)
{
	auto_fd int fd = openat(dir, name, NEW_FILE, 0600);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "create a layer's index");
	if (erofs_write(w, tar_size, d, put_fd, &fd, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat a layer's index");
	*size = (uint64_t)st.st_size;
	return 0;
}

static uint64_t round_up(uint64_t n)
{
	return (n + 4095) & ~(uint64_t)4095;
}

int layer_out_end(struct layer_out *o, struct layer **ret, struct err *e)
{
	uint64_t entries = erofs_entries(o->index), size = hash_pipe_size(o->pipe), index;
	struct digest d;

	if (hash_pipe_flush(o->pipe, e) < 0)
		return -1;
	d = hash_pipe_end(o->pipe);
	if (write_index(o->home, "u.erofs", o->index, size, &d, &index, e) < 0)
		return -1;
	*ret = layer_new(-1, take_fd(&o->home), "u");
	(*ret)->store = o->store;
	(*ret)->tar = (*ret)->sealed = true;
	(*ret)->diff_id = d;
	(*ret)->tar_size = size;
	(*ret)->entries = entries;
	(*ret)->disk_size = round_up(size) + round_up(index);
	(*ret)->empty = entries == 0;
	return 0;
}

/* ---- reading ---- */

int layer_tar_emit(struct job *j, int dir, const char *stem, bytes_put put, void *arg, bool *found, struct err *e)
{
	auto_fd int fd = open_part(dir, stem, ".tar");
	auto_free char *chunk = NULL;
	ssize_t n;

	*found = fd >= 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open %s.tar", stem);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	chunk = xmalloc(CHUNK);
	while ((n = bytes_get_fd(&fd, chunk, CHUNK, e)) > 0)
		if (job_check(j, e) < 0 || put(arg, chunk, (size_t)n, e) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

/* ---- mounting ---- */

/* Make the index of stem.tar anew, beside it. */
static int make_index(struct store *s, int dir, const char *stem, int tar, struct err *e)
{
	auto_erofs struct erofs *w = erofs_new(whiteout_userns());
	auto_free char *to = xasprintf("%s.erofs", stem);
	auto_fd int fd = -1, index = -1;
	struct lease *lease;
	struct digest d;
	struct stat st;
	uint64_t size;
	int r;

	if (fstat(tar, &st) < 0 || lseek(tar, 0, SEEK_SET) < 0)
		return err_sys(e, "read %s.tar", stem);
	if (erofs_read_tar(w, bytes_get_fd, &tar, e) < 0 || lease_new(s, &lease, e) < 0)
		return -1;
	r = write_index(lease_dirfd(lease), "u.erofs", w, (uint64_t)st.st_size,
			digest_from_hex(str_of(stem), &d) ? &d : NULL, &size, e);
	if (r == 0) {
		index = openat(lease_dirfd(lease), "u.erofs", O_RDONLY | O_CLOEXEC);
		if (index < 0 || fdatasync(index) < 0 || renameat(lease_dirfd(lease), "u.erofs", dir, to) < 0)
			r = err_sys(e, "put a layer's index in place");
	}
	lease_free(lease);
	return r;
}

static int mount_index(struct store *s, int dir, const char *stem, int tar, int *ret, struct err *e)
{
	for (int tries = 0;; tries++) {
		auto_fd int index = open_part(dir, stem, ".erofs");

		if (index < 0 && errno != ENOENT)
			return err_sys(e, "open %s.erofs", stem);
		if (index >= 0 && erofs_current(index)) {
			if (erofs_mount(index, tar, ret, e) == 0)
				return 0;
			if (e->kind != ERR_CORRUPT || tries)
				return -1;
			err_clear(e);
		}
		if (make_index(s, dir, stem, tar, e) < 0)
			return err_wrap(e, "make the index of layer %s", stem);
	}
}

/* This host can't mount it: a directory beside it, for good. Somebody else may have made it just now. */
static int unpack_beside(struct store *s, int dir, const char *stem, int tar, struct err *e)
{
	struct job job;
	struct lease *lease;
	auto_fd int home = -1, root = -1;
	int r;

	if (lseek(tar, 0, SEEK_SET) < 0)
		return err_sys(e, "read %s.tar", stem);
	if (job_init(&job, NULL, e) < 0)
		return -1;
	if (lease_new(s, &lease, e) < 0) {
		job_done(&job);
		return -1;
	}
	r = layer_home(lease, &home, e);
	if (r == 0 && (mkdirat(home, "u", 0755) < 0 || fchmodat(home, "u", 0755, 0) < 0 ||
		       (root = openat(home, "u", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0))
		r = err_sys(e, "create a directory for a layer");
	if (r == 0)
		r = layer_unpack_tree(&job, root, bytes_get_fd, &tar, e);
	if (r == 0 && syncfs(root) < 0)
		r = err_sys(e, "sync the store");
	fault_point("layer.unpacked");
	if (r == 0 && renameat(home, "u", dir, stem) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		r = err_sys(e, "store layer %s", stem);
	lease_free(lease);
	job_done(&job);
	return r;
}

int layer_tar_mount(struct store *s, int dir, const char *stem, int *ret, struct err *e)
{
	static const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	auto_err struct err why = { 0 };
	auto_fd int tar = -1;
	int fd = openat(dir, stem, flags);

	if (fd < 0 && errno == ENOENT) {
		tar = open_part(dir, stem, ".tar");
		if (tar < 0)
			return err_sys(e, "open %s.tar", stem);
		if (mount_index(s, dir, stem, tar, ret, e) == 0)
			return 0;
		if (e->kind != ERR_SYS || erofs_try(dir, &why) == 0)
			return -1;
		err_clear(e);
		if (unpack_beside(s, dir, stem, tar, e) < 0)
			return err_wrap(e, "unpack layer %s, which can't be mounted here (%s)", stem, err_text(&why));
		fd = openat(dir, stem, flags);
	}
	if (fd < 0)
		return err_sys(e, "open layer %s", stem);
	*ret = fd;
	return 0;
}
