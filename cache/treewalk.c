/* SPDX-License-Identifier: Apache-2.0 */
/* Walking trees for their digests, along the rows of the stat cache. */
#include "cache/treewalk.h"

#include <dirent.h>
#include <errno.h>

#include "base/fs.h"
#include "cache/names.h"

#define DEPTH_MAX 1024

/* A failure at the path in work; errno says why. */
int tree_walk_fail(const char *path, struct err *e)
{
	if (errno == EACCES || errno == EPERM) {
		err_set(e, ERR_USAGE, "%s: not allowed to read it", *path ? path : ".");
		return err_hint(e, "change its mode, or leave it out by a line in .dockerignore");
	}
	if (errno == ENOENT || errno == ENOTDIR)
		return err_set(e, ERR_CONFLICT, "%s vanished while the tree was read", path);
	return err_sys(e, "read %s", *path ? path : ".");
}

static void add_missing(struct walk *w, struct node *n)
{
	if (w->nmissing == w->cap) {
		w->cap = MAX((size_t)256, w->cap * 2);
		w->missing = xrealloc(w->missing, w->cap * sizeof(*w->missing));
	}
	w->missing[w->nmissing++] = n;
	w->missing_bytes += (uint64_t)n->st.st_size;
}

static int set_link(struct walk *w, int dir, struct node *n, const char *name, struct err *e)
{
	char target[4096];
	ssize_t len = readlinkat(dir, name, target, sizeof(target));

	if (len < 0)
		return tree_walk_fail(w->path.p, e);
	hash_sha256(target, (size_t)len, n->digest);
	return 0;
}

static int walk_dir(struct walk *w, int fd, struct node *n, struct err *e);

/* Fill in what n is; c: the stat cache's word on it, or NULL. */
static int set_node(struct walk *w, int dir, struct node *n, const char *name, const struct stat_entry *c,
		    struct err *e)
{
	static const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (S_ISSOCK(n->st.st_mode)) {		/* copied as an empty file */
		n->st.st_mode = S_IFREG | (n->st.st_mode & 07777);
		n->st.st_size = 0;
		hash_sha256("", 0, n->digest);
	} else if (S_ISDIR(n->st.st_mode)) {
		auto_fd int fd = openat(dir, name, flags);

		return fd < 0 ? tree_walk_fail(w->path.p, e) : walk_dir(w, fd, n, e);
	} else if (S_ISLNK(n->st.st_mode)) {
		return set_link(w, dir, n, name, e);
	} else if (S_ISREG(n->st.st_mode)) {
		if (c && statcache_fits(c, &n->st))
			memcpy(n->digest, c->digest, sizeof(n->digest));
		else
			add_missing(w, n);
	}
	return 0;
}

static const struct stat_entry *cursor_find(struct cursor *c, const char *name)
{
	struct str s = str_of(name);
	int order = -1;

	if (!c->last.p || str_cmp(s, c->last) < 0) {	/* the names don't come sorted: from the start */
		c->rest = c->row;
		c->valid = statcache_next(&c->rest, &c->entry);
	}
	c->last = s;
	while (c->valid && (order = str_cmp(c->entry.name, s)) < 0)
		c->valid = statcache_next(&c->rest, &c->entry);
	return c->valid && order == 0 ? &c->entry : NULL;
}

static void add_line(struct dir *d, struct node *n, const struct stat_entry *c, struct arena *a)
{
	if (n && S_ISREG(n->st.st_mode))
		d->lines[d->nlines++] = (struct line){ .node = n, .name = str_of(n->name) };
	else if (!n && c)
		d->lines[d->nlines++] = (struct line){ .old = arena_str(a, c->bytes) };
}

static int walk_name(struct walk *w, int fd, struct node *parent, const struct name *name,
		     const struct stat_entry *c, struct err *e)
{
	struct dir *d = parent->dir;
	size_t missing = w->nmissing, slash = w->path.n;
	enum tree_pick pick;
	struct node *n;
	int r;

	if (slash)
		buf_putc(&w->path, '/');
	buf_puts(&w->path, name->s);
	pick = w->req->pick ? w->req->pick(w->req->arg, w->top, w->path.p, name->type == DT_DIR) : PICK_YES;
	if (pick == PICK_NO || (pick == PICK_BELOW && name->type != DT_DIR)) {
		add_line(d, NULL, c, &w->arena);
		w->path.p[w->path.n = slash] = '\0';
		return 0;
	}
	n = arena_new(&w->arena, struct node);
	n->parent = parent;
	n->name = arena_strdup(&w->arena, name->s);
	n->below_only = pick == PICK_BELOW;
	if (fstatat(fd, name->s, &n->st, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_walk_fail(w->path.p, e);
	r = set_node(w, fd, n, n->name, c, e);
	d->v[d->n++] = n;
	add_line(d, n, c, &w->arena);
	d->dirty = d->dirty || (S_ISREG(n->st.st_mode) && w->nmissing > missing);
	w->path.p[w->path.n = slash] = '\0';
	return r;
}

static int walk_names(struct walk *w, int fd, struct node *n, const struct names *names, struct str row,
		      struct err *e)
{
	struct dir *d = n->dir;
	struct cursor c = { .row = row };

	d->v = arena_array(&w->arena, struct node *, names->n + 1);
	d->lines = arena_array(&w->arena, struct line, names->n + 1);
	for (size_t i = 0; i < names->n; i++)
		if (walk_name(w, fd, n, &names->v[i], cursor_find(&c, names->v[i].s), e) < 0)
			return -1;
	return 0;
}

/* n is the directory opened at fd; w->path is its path. */
static int walk_dir(struct walk *w, int fd, struct node *n, struct err *e)
{
	bool cached = w->store && w->req->cached;
	auto_names struct names names = { 0 };
	auto_buf struct buf row = { 0 };
	struct stat st;
	int r;

	if (job_check(w->job, e) < 0)
		return -1;
	if (w->depth == DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d directories deep", w->path.p, DEPTH_MAX);
	if (fstat(fd, &st) < 0 || names_read(fd, &names) < 0)
		return tree_walk_fail(w->path.p ? w->path.p : "", e);
	if (cached && statcache_get(w->store, &st, &row, e) < 0)
		return -1;
	n->dir = arena_new(&w->arena, struct dir);
	n->dir->dev = st.st_dev;
	n->dir->ino = st.st_ino;
	n->dir->next = w->dirs;
	w->dirs = n->dir;
	w->depth++;
	r = walk_names(w, fd, n, &names, buf_view(&row), e);
	w->depth--;
	return r;
}

/* The row of a top's directory, read once however many tops are in it. */
static int find_top_dir(struct walk *w, int fd, struct top_dir **ret, struct err *e)
{
	auto_buf struct buf row = { .max = (size_t)1 << 30 };
	struct top_dir *t;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return tree_walk_fail(w->path.p, e);
	for (t = w->top_dirs; t; t = t->next)
		if (t->dir.dev == st.st_dev && t->dir.ino == st.st_ino)
			break;
	if (!t) {
		if (statcache_get(w->store, &st, &row, e) < 0)
			return -1;
		t = arena_new(&w->arena, struct top_dir);
		t->dir.dev = st.st_dev;
		t->dir.ino = st.st_ino;
		t->cursor.row = arena_str(&w->arena, buf_view(&row));
		t->next = w->top_dirs;
		w->top_dirs = t;
	}
	*ret = t;
	return 0;
}

static int set_top_file(struct walk *w, int fd, struct node *n, const char *name, struct err *e)
{
	size_t missing = w->nmissing;
	struct top_dir *t = NULL;

	if (find_top_dir(w, fd, &t, e) < 0 || set_node(w, fd, n, name, cursor_find(&t->cursor, name), e) < 0)
		return -1;
	if (t->dir.nlines == t->cap) {
		t->cap = MAX((size_t)16, t->cap * 2);
		t->dir.lines = xrealloc(t->dir.lines, t->cap * sizeof(*t->dir.lines));
	}
	t->dir.lines[t->dir.nlines++] = (struct line){ .node = n, .name = str_of(name) };
	t->dir.dirty = t->dir.dirty || w->nmissing > missing;
	return 0;
}

static int by_line(const void *a, const void *b)
{
	return str_cmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

void tree_walk_complete(struct walk *w, struct top_dir *t)
{
	struct dir *d = &t->dir;
	struct str rest = t->cursor.row;
	struct stat_entry c;
	size_t seen = d->nlines, kept = 0;

	qsort(d->lines, seen, sizeof(*d->lines), by_line);
	while (statcache_next(&rest, &c)) {
		struct line key = { .name = c.name };

		if (bsearch(&key, d->lines, seen, sizeof(*d->lines), by_line))
			continue;
		if (d->nlines == t->cap) {
			t->cap *= 2;
			d->lines = xrealloc(d->lines, t->cap * sizeof(*d->lines));
		}
		d->lines[d->nlines++] = (struct line){ .name = c.name, .old = arena_str(&w->arena, c.bytes) };
	}
	qsort(d->lines, d->nlines, sizeof(*d->lines), by_line);
	for (size_t i = 0; i < d->nlines; i++)	/* two tops may be one file */
		if (i == 0 || by_line(&d->lines[kept - 1], &d->lines[i]) != 0)
			d->lines[kept++] = d->lines[i];
	d->nlines = kept;
}

static int walk_top(struct walk *w, size_t i, struct node *n, struct err *e)
{
	const char *path = w->req->tops[i].path, *name;
	auto_fd int dir = fs_open_parent_in(w->req->root, path, &name);

	w->top = i;
	buf_reset(&w->path);
	buf_puts(&w->path, path);
	n->top_path = path;
	if (dir < 0 || fstatat(dir, name, &n->st, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_walk_fail(path, e);
	if (S_ISREG(n->st.st_mode) && w->store && w->req->cached)
		return set_top_file(w, dir, n, name, e);
	return set_node(w, dir, n, name, NULL, e);
}

int tree_walk(struct walk *w, struct err *e)
{
	w->tops = arena_array(&w->arena, struct node, w->req->ntops + 1);
	for (size_t i = 0; i < w->req->ntops; i++)
		if (walk_top(w, i, &w->tops[i], e) < 0)
			return -1;
	return 0;
}

void tree_walk_done(struct walk *w)
{
	for (struct top_dir *t = w->top_dirs; t; t = t->next)
		free(t->dir.lines);
	arena_done(&w->arena);
	buf_done(&w->path);
	free(w->missing);
}
