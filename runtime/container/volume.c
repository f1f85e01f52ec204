/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes as directories. */
#include "runtime/container/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/str.h"
#include "cache/store.h"
#include "runtime/container/container.h"
#include "runtime/container/eventlog.h"
#include "runtime/container/record.h"

#define META_MAX ((size_t)1 << 20)

bool volume_name_ok(const char *name)
{
	return container_name_ok(name);
}

char *volume_path(struct store *s, const char *name)
{
	return xasprintf("%s/%s/%s/_data", store_path(s), store_dir_name(STORE_VOLUMES), name);
}

static int check_name(const char *name, struct err *e)
{
	if (volume_name_ok(name))
		return 0;
	err_set(e, ERR_USAGE, "\"%s\" includes invalid characters for a local volume name, only "
		"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed", name);
	return err_hint(e, "two characters at least; a host directory is given by an absolute path");
}

/* ---- making ---- */

static int check_options(const json_t *options, struct err *e)
{
	static const char *const known[] = { "type", "device", "o", NULL };
	const char *key;
	const json_t *value;

	json_object_foreach((json_t *)options, key, value) {
		bool ok = false;

		for (size_t i = 0; known[i]; i++)
			ok = ok || strcmp(key, known[i]) == 0;
		if (!ok) {
			err_set(e, ERR_USAGE, "create volume: invalid option: \"%s\"", key);
			return err_hint(e, "a local volume takes type, device and o, as mount(8) does");
		}
	}
	if (json_object_size(options) && (!json_object_get(options, "device") || !json_object_get(options, "type"))) {
		err_set(e, ERR_USAGE, "create volume: missing required option: \"%s\"",
			json_object_get(options, "device") ? "type" : "device");
		return -1;
	}
	return 0;
}

static json_t *meta_make(const struct volume_opts *o)
{
	char now[CLOCK_TEXT_MAX];

	return json_pack("{s:s, s:o, s:o, s:b}", "CreatedAt", clock_rfc3339(clock_now_ns(), now), "Labels",
			 o->labels ? json_incref(o->labels) : json_object(), "Options",
			 o->options ? json_incref(o->options) : json_object(), "Anonymous", o->anonymous);
}

static int fill_new(int dir, const struct volume_opts *o, struct err *e)
{
	json_t *meta = meta_make(o);
	auto_free char *text = json_dumps(meta, JSON_INDENT(2));

	json_decref(meta);
	if (mkdirat(dir, "_data", 0755) < 0)
		return err_sys(e, "make the volume's directory");
	if (fs_replace(dir, "volume.json", text, strlen(text), 0600, !o->anonymous, e) < 0)
		return -1;
	return !o->anonymous && fsync(dir) < 0 ? err_sys(e, "sync the volume's directory") : 0;
}

/* 1: made, 0: there was one, or -1. */
static int make(int top, const char *name, const struct volume_opts *o, struct err *e)
{
	char id[STORE_ID_MAX];
	auto_free char *tmp = NULL;
	auto_fd int dir = -1;
	auto_err struct err ignored = { 0 };
	int r;

	store_id(id);
	tmp = xasprintf(".new-%s", id);
	if (mkdirat(top, tmp, 0700) < 0 || (dir = openat(top, tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    flock(dir, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, "make the volume %s", name);
	r = fill_new(dir, o, e);
	fault_point("volume.new");
	if (r == 0 && renameat2(top, tmp, top, name, RENAME_NOREPLACE) == 0) {
		fault_point("volume.named");
		return !o->anonymous && fsync(top) < 0 ? err_sys(e, "sync the volumes") : 1;
	}
	if (r == 0 && errno != EEXIST)
		r = err_sys(e, "name the volume %s", name);
	(void)!fs_remove(top, tmp, &ignored);
	return r < 0 ? err_wrap(e, "volume %s", name) : 0;
}

static int same_options(struct store *s, const char *name, const struct volume_opts *o, struct err *e)
{
	json_t *meta;
	bool same;

	if (!json_object_size(o->options))
		return 0;
	if (volume_meta(s, name, &meta, e) < 0)
		return -1;
	same = json_equal(json_object_get(meta, "Options"), o->options);
	json_decref(meta);
	if (same)
		return 0;
	err_set(e, ERR_CONFLICT, "create %s: a volume of that name exists with other options", name);
	return err_hint(e, "choose another name, or remove that volume with \"tare volume rm\"");
}

int volume_create(struct store *s, const char *name, const struct volume_opts *o, bool *made, struct err *e)
{
	int top = store_dir(s, STORE_VOLUMES, e), r;
	struct stat st;

	if (top < 0 || check_name(name, e) < 0 || check_options(o->options, e) < 0)
		return -1;
	r = fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : make(top, name, o, e);
	if (made)
		*made = r > 0;
	if (r > 0)
		event_log_add(s, "volume", "create", name, json_pack("{s:s}", "driver", "local"));
	return r < 0 ? -1 : r ? 0 : same_options(s, name, o, e);
}

/* ---- looking ---- */

static json_t *meta_read(int dir)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };
	json_t *meta = NULL;

	if (fs_read(dir, "volume.json", META_MAX, &b, &ignored) == 0)
		meta = json_loadb(b.p, b.n, 0, NULL);
	if (json_is_object(meta))
		return meta;
	json_decref(meta);
	return json_pack("{s:{}, s:{}}", "Labels", "Options");
}

static int no_such(const char *name, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "get %s: no such volume", name);
}

int volume_meta(struct store *s, const char *name, json_t **ret, struct err *e)
{
	int top = store_dir(s, STORE_VOLUMES, e);
	auto_fd int dir = -1;
	struct stat st;

	if (top < 0)
		return -1;
	dir = volume_name_ok(name) ? openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (dir < 0)
		return no_such(name, e);
	*ret = meta_read(dir);
	if (!json_object_get(*ret, "CreatedAt") && fstat(dir, &st) == 0) {
		char when[CLOCK_TEXT_MAX];

		clock_rfc3339((int64_t)st.st_ctim.tv_sec * 1000000000, when);
		json_object_set_new(*ret, "CreatedAt", json_string(when));
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* .new-<id> and .del-<id>: garbage once nobody holds its lock. */
static void sweep(int top, const char *name)
{
	auto_err struct err ignored = { 0 };
	auto_fd int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)!fs_remove(top, name, &ignored);
}

int volume_names(struct store *s, struct strv *ret, struct err *e)
{
	int top = store_dir(s, STORE_VOLUMES, e);
	auto_strv struct strv all = { 0 };

	if (top < 0 || record_names(top, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		if (all.v[i][0] == '.')
			sweep(top, all.v[i]);
		else if (volume_name_ok(all.v[i]))
			strv_add(ret, all.v[i]);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return 0;
}

/* ---- use ---- */

/* Move what a fill has brought to its place. */
static int take_filled(struct volume *v, struct err *e)
{
	auto_fd int from = openat(v->dir, "_filled", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_strv struct strv names = { 0 };
	struct stat st;

	if (from < 0)
		return errno == ENOENT ? 0 : err_sys(e, "finish filling the volume");
	if (record_names(from, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (renameat(from, names.v[i], v->data, names.v[i]) < 0)
			return err_sys(e, "finish filling the volume");
	fault_point("volume.moved");
	if (fstat(from, &st) < 0 || fchown(v->data, st.st_uid, st.st_gid) < 0 || fchmod(v->data, st.st_mode & 07777) < 0 ||
	    futimens(v->data, (const struct timespec[]){ st.st_atim, st.st_mtim }) < 0)
		return err_sys(e, "set up the volume");
	return unlinkat(v->dir, "_filled", AT_REMOVEDIR) < 0 ? err_sys(e, "finish filling the volume") : 0;
}

static bool still_named(int top, const char *name, int dir)
{
	struct stat a, b;

	return fstat(dir, &a) == 0 && fstatat(top, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static int open_locked(struct store *s, int top, const char *name, const struct volume_opts *o, int *ret, struct err *e)
{
	for (;;) {
		auto_fd int dir = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (dir < 0 && errno == ENOENT && !o)
			return no_such(name, e);
		if (dir < 0 && errno == ENOENT) {
			if (volume_create(s, name, o, NULL, e) < 0)
				return -1;
			continue;
		}
		if (dir < 0)
			return err_sys(e, "open the volume %s", name);
		while (flock(dir, LOCK_EX) < 0 && errno == EINTR)
			;
		if (!still_named(top, name, dir))
			continue;
		*ret = take_fd(&dir);
		return 0;
	}
}

int volume_open(struct store *s, const char *name, const struct volume_opts *o, struct volume *ret, struct err *e)
{
	int top = store_dir(s, STORE_VOLUMES, e);
	struct volume v = { -1, -1, NULL, NULL };

	if (top < 0)
		return -1;
	if (!volume_name_ok(name))
		return o ? check_name(name, e) : no_such(name, e);
	if (open_locked(s, top, name, o, &v.dir, e) < 0)
		return -1;
	v.meta = meta_read(v.dir);
	v.path = volume_path(s, name);
	if (mkdirat(v.dir, "_data", 0755) < 0 && errno != EEXIST)
		err_sys(e, "make the volume %s", name);
	else if ((v.data = openat(v.dir, "_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		err_sys(e, "open the volume %s", name);
	if (v.data < 0 || take_filled(&v, e) < 0) {
		volume_close(&v);
		return -1;
	}
	*ret = v;
	return 0;
}

bool volume_is_empty(const struct volume *v)
{
	auto_err struct err e = { 0 };
	auto_strv struct strv names = { 0 };

	return record_names(v->data, &names, &e) == 0 && names.n == 0;
}

int volume_fill_begin(struct volume *v, int *ret, struct err *e)
{
	if (fs_remove(v->dir, "_new", e) < 0)
		return -1;
	if (mkdirat(v->dir, "_new", 0755) < 0 ||
	    (*ret = openat(v->dir, "_new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return err_sys(e, "make the volume's directory");
	return 0;
}

int volume_fill_end(struct volume *v, struct err *e)
{
	fault_point("volume.copied");
	if (renameat(v->dir, "_new", v->dir, "_filled") < 0)
		return err_sys(e, "name the volume's directory");
	fault_point("volume.filled");
	return take_filled(v, e);
}

void volume_close(struct volume *v)
{
	if (v->data >= 0)
		close(v->data);
	if (v->dir >= 0)
		close(v->dir);
	free(v->path);
	json_decref(v->meta);
	*v = (struct volume){ -1, -1, NULL, NULL };
}

/* ---- removing ---- */

static int remove_dir(int top, const char *name, struct err *e)
{
	char id[STORE_ID_MAX];
	auto_free char *gone = NULL;

	store_id(id);
	gone = xasprintf(".del-%s", id);
	if (renameat(top, name, top, gone) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove volume %s", name);
	fault_point("volume.unnamed");
	return fs_remove(top, gone, e) < 0 ? err_wrap(e, "remove volume %s", name) : 0;
}

int volume_remove_open(struct store *s, struct volume *v UNUSED, const char *name, struct err *e)
{
	int top = store_dir(s, STORE_VOLUMES, e);

	if (top < 0 || remove_dir(top, name, e) < 0)
		return -1;
	event_log_add(s, "volume", "destroy", name, json_pack("{s:s}", "driver", "local"));
	return 0;
}

int volume_remove(struct store *s, const char *name, struct err *e)
{
	auto_err struct err missing = { 0 };
	struct volume v;
	int r;

	if (volume_open(s, name, NULL, &v, &missing) < 0) {
		if (missing.kind == ERR_NOT_FOUND)
			return 0;
		err_move(e, &missing);
		return -1;
	}
	r = volume_remove_open(s, &v, name, e);
	volume_close(&v);
	return r;
}
