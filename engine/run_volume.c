/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of mounts. */
#include "engine/run_volume.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>

#include "base/fs.h"
#include "builder/copy.h"
#include "runtime/container/container.h"
#include "runtime/container/volume.h"
#include "runtime/sandbox/idmap.h"

void run_volumes_name(struct run_mounts *l)
{
	char id[CONTAINER_ID_MAX];

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].type == RUN_MOUNT_VOLUME && !l->v[i].src) {
			container_new_id(id);
			l->v[i].src = xstrdup(id);
		}
}

/* A path as a pattern that matches itself alone. */
static char *escape(const char *path)
{
	auto_buf struct buf b = { 0 };

	for (; *path; path++) {
		if (strchr("*?[\\", *path))
			buf_putc(&b, '\\');
		buf_putc(&b, *path);
	}
	return buf_take(&b);
}

static int copy_into(struct job *j, int root, const char *path, int from, int to, struct err *e)
{
	auto_free char *pattern = escape(path);
	char *sources[] = { pattern, NULL };
	struct copy_spec c = { .src_root = root, .src = { sources, 1 }, .dest = "/", .now_ns = -1 };
	struct stat st;

	if (copy_run(j, &c, to, e) < 0)
		return -1;
	if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0 ||
	    futimens(to, (const struct timespec[]){ st.st_atim, st.st_mtim }) < 0)
		return err_sys(e, "set up the volume");
	return 0;
}

static int volume_fill(struct job *j, struct volume *v, int root, const char *path, struct err *e)
{
	auto_fd int from = fs_open_in(root, path, O_RDONLY | O_DIRECTORY, 0), to = -1;

	if (from < 0)
		return 0;	/* the image has no directory there */
	if (volume_fill_begin(v, &to, e) < 0)
		return -1;
	if (copy_into(j, root, path, from, to, e) < 0)
		return err_wrap(e, "fill the volume for %s", path);
	return volume_fill_end(v, e);
}

static json_t *pairs(const struct strv *l)
{
	json_t *o = json_object();

	for (size_t i = 0; i < l->n; i++) {
		struct str value = str_of(l->v[i]), k = str_cut(&value, '=');
		auto_free char *key = str_dup(k);

		json_object_set_new(o, key, json_string(value.p ? value.p : ""));
	}
	return o;
}

static int take_subpath(const struct run_mount *m, int data, int *ret, struct err *e)
{
	*ret = fs_open_in(data, m->subpath, O_PATH, 0);
	if (*ret >= 0)
		return 0;
	err_set(e, ERR_NOT_FOUND, "cannot access path %s of volume %s", m->subpath, m->src);
	e->sys = ENOENT;
	return -1;
}

static int open_made(const struct run_mount *m, struct store *s, struct volume *v, struct err *e)
{
	struct volume_opts o = { pairs(&m->labels), pairs(&m->options), m->anonymous };
	int r = volume_open(s, m->src, &o, v, e);

	json_decref(o.labels);
	json_decref(o.options);
	return r;
}

static int open_volume(struct job *j, struct store *s, const struct run_mount *m, int root, struct spec_mount *ret,
		       struct err *e)
{
	struct volume v;
	int r, fd;

	if (open_made(m, s, &v, e) < 0)
		return -1;
	r = volume_mount(&v, m->src, &fd, e);
	if (r == 0 && fd >= 0)
		ret->src_fd = fd;
	if (r == 0 && fd < 0 && !m->no_copy && !m->subpath && volume_is_empty(&v))
		r = volume_fill(j, &v, root, m->dst, e);
	if (r == 0 && fd < 0 && m->subpath)
		r = take_subpath(m, v.data, &ret->src_fd, e);
	else if (r == 0 && fd < 0)
		ret->src_fd = take_fd(&v.data);
	volume_close(&v);
	return r;
}

static int open_bind(const struct run_mount *m, struct err *e)
{
	struct stat st;

	if (stat(m->src, &st) == 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, "bind %s", m->src);
	if (m->strict)
		return err_set(e, ERR_USAGE, "invalid mount config for type \"bind\": bind source path does not exist: %s", m->src);
	return fs_mkdirs(m->src, 0755, e);
}

/* A copy of the mount in which the owner of the source and the container's user have changed places. */
static int open_mapped(const struct run_mounts *l, const struct run_mount *m, struct spec_mount *ret, struct err *e)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (m->flags & SPEC_REC ? AT_RECURSIVE : 0);
	auto_fd int fd = open_tree(AT_FDCWD, m->src, flags);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "bind %s", m->src);
	if (idmap_set(fd, &(struct idmap_pair){ st.st_uid, l->uid }, &(struct idmap_pair){ st.st_gid, l->gid }, e) < 0)
		return err_wrap(e, "bind %s", m->src);
	ret->src_fd = take_fd(&fd);
	return 0;
}

static int open_source(struct job *j, struct store *s, const struct run_mounts *l, const struct run_mount *m, int root,
		       struct spec_mount *ret, struct err *e)
{
	static const enum spec_mount_kind kinds[] = { SPEC_BIND, SPEC_BIND, SPEC_TMPFS };

	*ret = (struct spec_mount){ .kind = kinds[m->type], .src_fd = -1, .dst = m->dst, .flags = m->flags,
				    .propagation = m->propagation, .data = m->data };
	if (m->type == RUN_MOUNT_VOLUME)
		return open_volume(j, s, m, root, ret, e);
	if (m->type == RUN_MOUNT_BIND) {
		ret->src = m->src;
		return open_bind(m, e) < 0 ? -1 : m->idmap ? open_mapped(l, m, ret, e) : 0;
	}
	return 0;
}

int run_sources_open(struct job *j, struct store *s, const struct run_mounts *l, int root, struct run_sources *ret,
		     struct err *e)
{
	ret->v = xcalloc(l->n + 1, sizeof(*ret->v));
	for (size_t i = 0; i < l->n; i++) {
		ret->n = i + 1;
		if (open_source(j, s, l, &l->v[i], root, &ret->v[i], e) < 0)
			return -1;
	}
	return 0;
}

void run_sources_close(struct run_sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].src_fd >= 0)
			close(s->v[i].src_fd);
	free(s->v);
	*s = (struct run_sources){ 0 };
}

int run_volumes_remove(struct store *s, const struct strv *names, struct err *e)
{
	for (size_t i = 0; i < names->n; i++)
		if (volume_remove(s, names->v[i], e) < 0)
			return -1;
	return 0;
}
