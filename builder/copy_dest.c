/* SPDX-License-Identifier: Apache-2.0 */
/* Where a copy goes. */
#include "builder/copy_dest.h"

#include <errno.h>
#include <limits.h>

#include "cache/sketch.h"

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

static int look(const struct dest *d, const char *path, struct erofs_node **n, bool *exists, struct err *e)
{
	errno = sketch_look(d->s, path, n);
	*exists = errno == 0;
	if (errno == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTDIR)
		return err_set(e, ERR_USAGE, "the destination /%s leads through something that is no directory", path);
	return err_sys(e, "stat /%s", path);
}

static void follow(struct buf *path, size_t above, struct strv *todo, const char *target)
{
	path->n = target[0] == '/' ? 0 : above;
	path->p[path->n] = '\0';
	push_parts(todo, target);
}

static int resolve(const struct dest *d, struct strv *todo, struct buf *ret, bool *exists, struct erofs_node **n,
		   struct err *e)
{
	int links = 0;

	while (todo->n) {
		auto_free char *part = todo->v[--todo->n];
		size_t above = ret->n;

		todo->v[todo->n] = NULL;
		if (strcmp(part, "..") == 0) {
			pop_part(ret);
			if (look(d, ret->p ? ret->p : "", n, exists, e) < 0)
				return -1;
			continue;
		}
		buf_printf(ret, "%s%s", ret->n ? "/" : "", part);
		if (look(d, ret->p, n, exists, e) < 0)
			return -1;
		if (!*exists || !S_ISLNK(sketch_mode(*n)))
			continue;
		if (++links > LINKS_MAX)
			return err_set(e, ERR_USAGE, "the destination /%s is a loop of links", ret->p);
		follow(ret, above, todo, sketch_target(*n));
		if (look(d, ret->p, n, exists, e) < 0)
			return -1;
	}
	return 0;
}

int dest_resolve(const struct dest *d, const char *path, struct buf *ret, bool *exists, mode_t *mode, struct err *e)
{
	auto_strv struct strv todo = { 0 };
	struct erofs_node *n;

	buf_reset(ret);
	buf_reserve(ret, 1);
	ret->p[0] = '\0';
	push_parts(&todo, path);
	if (look(d, "", &n, exists, e) < 0 || resolve(d, &todo, ret, exists, &n, e) < 0)
		return -1;
	if (*exists)
		*mode = sketch_mode(n);
	return 0;
}

static void touch(struct dest *d, struct erofs_node *dir, bool made)
{
	for (size_t i = d->n; i-- > 0; )
		if (d->touched[i].dir == dir)
			return;
	d->touched = xrealloc(d->touched, (d->n + 1) * sizeof(*d->touched));
	d->touched[d->n++] = (struct touched){ dir, made, sketch_time(dir) };
}

int dest_touch(struct dest *d, const char *path, bool made, struct err *e)
{
	struct erofs_node *n;

	errno = sketch_look(d->s, path, &n);
	if (errno == 0 && !S_ISDIR(sketch_mode(n)))
		errno = ENOTDIR;
	if (errno)
		return err_sys(e, "open the directory /%s", path);
	touch(d, n, made);
	return 0;
}

static int make_dir(struct dest *d, const char *path, struct err *e)
{
	struct stat st = { .st_mode = S_IFDIR | d->mode, .st_uid = d->uid, .st_gid = d->gid };
	const char *slash = strrchr(path, '/'), *name;
	auto_free char *above = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	struct erofs_dir *dir;

	if (dest_touch(d, above, false, e) < 0)
		return -1;
	errno = sketch_parent(d->s, path, &dir, &name);
	if (errno == 0 && strlen(name) > NAME_MAX)
		errno = ENAMETOOLONG;
	if (errno)
		return err_sys(e, "make the directory /%s", path);
	touch(d, sketch_put(d->s, dir, name, &st, NULL), true);
	return 0;
}

int dest_mkdirs(struct dest *d, const char *path, struct err *e)
{
	auto_buf struct buf done = { 0 };
	struct erofs_node *n;
	bool exists;

	for (struct str rest = str_of(path); rest.p; ) {
		struct str part = str_cut(&rest, '/');

		if (part.n == 0)
			continue;
		if (done.n)
			buf_putc(&done, '/');
		buf_str(&done, part);
		if (look(d, done.p, &n, &exists, e) < 0)
			return -1;
		if (exists && !S_ISDIR(sketch_mode(n)))
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
	const struct erofs_dir *root = sketch_root(d->s);

	for (size_t i = 0; i < d->n; i++)	/* the root's own time is in no layer's tar */
		if (!d->touched[i].made && sketch_as_dir(d->touched[i].dir) != root && later(d->touched[i].was, t))
			t = d->touched[i].was;
	return t;
}

void dest_end(struct dest *d, struct timespec t)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct touched *c = &d->touched[i];

		sketch_set_time(d->s, c->dir, !c->made && later(c->was, t) ? c->was : t);
	}
}

void dest_done(struct dest *d)
{
	free(d->touched);
	*d = (struct dest){ 0 };
}
