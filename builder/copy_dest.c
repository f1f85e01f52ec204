/* SPDX-License-Identifier: Apache-2.0 */
/* Where a copy goes. */
#include "builder/copy_dest.h"

#include <errno.h>

#include "base/fs.h"
#include "cache/extract.h"

#define LINKS_MAX 40

/* The parts still to go, the next one last: links push theirs on top. */
static void push_parts(struct strv *todo, const char *path)
{
	struct strv parts = { 0 };

	for (struct str rest = str_of(path); rest.p; ) {
		struct str part = str_cut(&rest, '/');

		if (part.n && !str_is(part, "."))
			strv_add_n(&parts, part);
	}
	for (size_t i = parts.n; i-- > 0; )
		strv_take(todo, take_ptr(&parts.v[i]));
	parts.n = 0;
	free(parts.v);
}

static void pop_part(struct buf *path)
{
	while (path->n && path->p[--path->n] != '/')
		;
	if (path->p)
		path->p[path->n] = '\0';
}

static int follow(const struct dest *d, struct buf *path, size_t above, struct strv *todo, struct err *e)
{
	char target[4096];
	const char *name;
	auto_fd int dir = fs_open_parent_in(d->root, path->p, &name);
	ssize_t n = dir < 0 ? -1 : readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, "read the link /%s", path->p);
	target[n] = '\0';
	path->n = target[0] == '/' ? 0 : above;
	path->p[path->n] = '\0';
	push_parts(todo, target);
	return 0;
}

static int look(const struct dest *d, const char *path, struct stat *st, bool *exists, struct err *e)
{
	const char *name;
	auto_fd int dir = fs_open_parent_in(d->root, path, &name);

	*exists = dir >= 0 && fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0;
	if (*exists || errno == ENOENT)
		return 0;
	if (errno == ENOTDIR)
		return err_set(e, ERR_USAGE, "the destination /%s leads through something that is no directory", path);
	return err_sys(e, "stat /%s", path);
}

static int resolve(const struct dest *d, struct strv *todo, struct buf *ret, bool *exists, struct stat *st,
		   struct err *e)
{
	int links = 0;

	while (todo->n) {
		auto_free char *part = todo->v[--todo->n];
		size_t above = ret->n;

		todo->v[todo->n] = NULL;
		if (strcmp(part, "..") == 0) {
			pop_part(ret);
			if (look(d, ret->p ? ret->p : "", st, exists, e) < 0)
				return -1;
			continue;
		}
		buf_printf(ret, "%s%s", ret->n ? "/" : "", part);
		if (look(d, ret->p, st, exists, e) < 0)
			return -1;
		if (!*exists || !S_ISLNK(st->st_mode))
			continue;
		if (++links > LINKS_MAX)
			return err_set(e, ERR_USAGE, "the destination /%s is a loop of links", ret->p);
		if (follow(d, ret, above, todo, e) < 0 || look(d, ret->p, st, exists, e) < 0)
			return -1;
	}
	return 0;
}

int dest_resolve(const struct dest *d, const char *path, struct buf *ret, bool *exists, struct stat *st,
		 struct err *e)
{
	auto_strv struct strv todo = { 0 };

	buf_reset(ret);
	buf_reserve(ret, 1);
	ret->p[0] = '\0';
	push_parts(&todo, path);
	if (look(d, "", st, exists, e) < 0)
		return -1;
	return resolve(d, &todo, ret, exists, st, e);
}

int dest_touch(struct dest *d, const char *path, bool made, struct err *e)
{
	auto_fd int fd = -1;
	struct stat st;

	for (size_t i = d->n; i-- > 0; )
		if (strcmp(d->touched[i].path, path) == 0)
			return 0;
	fd = fs_open_in(d->root, path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open the directory /%s", path);
	d->touched = xrealloc(d->touched, (d->n + 1) * sizeof(*d->touched));
	d->touched[d->n++] = (struct touched){ xstrdup(path), made, st.st_mtim };
	return 0;
}

static int make_dir(struct dest *d, const char *path, struct err *e)
{
	const char *name;
	auto_fd int dir = fs_open_parent_in(d->root, path, &name), fd = -1;
	auto_free char *above = xstrndup(path, (size_t)(name > path ? name - path - 1 : 0));

	if (dir < 0)
		return err_sys(e, "open the directory above /%s", path);
	if (dest_touch(d, above, false, e) < 0)
		return -1;
	if (mkdirat(dir, name, 0700) < 0)
		return err_sys(e, "make the directory /%s", path);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open the directory /%s", path);
	if (fchown(fd, d->uid, d->gid) < 0)
		return owner_error(e, path, d->uid, d->gid);
	if (fchmod(fd, d->mode) < 0)
		return err_sys(e, "set the mode of /%s", path);
	return dest_touch(d, path, true, e);
}

int dest_mkdirs(struct dest *d, const char *path, struct err *e)
{
	auto_buf struct buf done = { 0 };
	struct stat st;
	bool exists;

	for (struct str rest = str_of(path); rest.p; ) {
		struct str part = str_cut(&rest, '/');

		if (part.n == 0)
			continue;
		if (done.n)
			buf_putc(&done, '/');
		buf_str(&done, part);
		if (look(d, done.p, &st, &exists, e) < 0)
			return -1;
		if (exists && !S_ISDIR(st.st_mode))
			return err_set(e, ERR_USAGE, "the destination needs the directory /%s, but that is a file",
				       done.p);
		if (!exists && make_dir(d, done.p, e) < 0)
			return -1;
	}
	return 0;
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

struct timespec dest_time(const struct dest *d)
{
	struct timespec t = { .tv_sec = 315532800 };

	for (size_t i = 0; i < d->n; i++)	/* the root's own time is in no layer's tar */
		if (!d->touched[i].made && d->touched[i].path[0] && later(d->touched[i].was, t))
			t = d->touched[i].was;
	return t;
}

int dest_end(struct dest *d, struct timespec t, struct err *e)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct touched *c = &d->touched[i];
		struct timespec at = !c->made && later(c->was, t) ? c->was : t;
		struct timespec both[2] = { at, at };
		auto_fd int fd = fs_open_in(d->root, c->path, O_RDONLY | O_DIRECTORY, 0);

		if (fd < 0 && errno == ENOENT)
			continue;	/* an archive put something else there */
		if (fd < 0 || futimens(fd, both) < 0)
			return err_sys(e, "set the time of /%s", c->path);
	}
	return 0;
}

void dest_done(struct dest *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->touched[i].path);
	free(d->touched);
	*d = (struct dest){ 0 };
}
