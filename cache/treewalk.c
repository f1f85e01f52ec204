/* SPDX-License-Identifier: Apache-2.0 */
/* Walking trees for their digests, along the rows of the stat cache. */
#include "cache/treewalk.h"

#include <dirent.h>
#include <errno.h>

#include "base/fs.h"
#include "cache/names.h"

#define DEPTH_MAX 1024
#define ALONE_NAMES 256		/* so few are stat'ed by this thread alone */
#define BATCH_NAMES 64		/* at least, unless the directory has fewer */
#define BATCH_PARTS 32		/* at most, of one directory */
#define THREADS_MAX 8

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

void tree_node_path(const struct node *n, struct buf *ret)
{
	if (n->name) {
		tree_node_path(n->parent, ret);
		if (ret->n)
			buf_putc(ret, '/');
		buf_puts(ret, n->name);
	} else {
		buf_puts(ret, n->top_path);
	}
}

void tree_walk_broke(struct walk *w, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&w->lock);

	if (!atomic_exchange(&w->failed, true))
		err_move(&w->first, e);
}

static int node_fail(const struct node *n, struct err *e)
{
	auto_buf struct buf path = { 0 };
	int sys = errno;

	tree_node_path(n, &path);
	errno = sys;
	return tree_walk_fail(path.p ? path.p : "", e);
}

static int walk_dir(struct walk *w, int *fd, struct node *n, struct err *e);

static int set_link(int dir, struct node *n, const char *name, struct err *e)
{
	char target[4096];
	ssize_t len = readlinkat(dir, name, target, sizeof(target));

	if (len < 0)
		return node_fail(n, e);
	hash_sha256(target, (size_t)len, n->digest);
	return 0;
}

/* Fill in what n is, if not a directory; c: the stat cache's word on it, or NULL. Any thread. */
static int set_leaf(int dir, struct node *n, const char *name, const struct stat_entry *c, struct err *e)
{
	if (S_ISSOCK(n->st.st_mode)) {		/* copied as an empty file */
		n->st.st_mode = S_IFREG | (n->st.st_mode & 07777);
		n->st.st_size = 0;
		hash_sha256("", 0, n->digest);
	} else if (S_ISLNK(n->st.st_mode)) {
		return set_link(dir, n, name, e);
	} else if (S_ISREG(n->st.st_mode)) {
		n->unread = !c || !statcache_fits(c, &n->st);
		if (!n->unread)
			memcpy(n->digest, c->digest, sizeof(n->digest));
	}
	return 0;
}

static int set_node(struct walk *w, int dir, struct node *n, const char *name, const struct stat_entry *c,
		    struct err *e)
{
	auto_fd int fd = -1;

	if (!S_ISDIR(n->st.st_mode))
		return set_leaf(dir, n, name, c, e);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? tree_walk_fail(w->path.p, e) : walk_dir(w, &fd, n, e);
}

/* ---- leaves, in batches that any thread may take ---- */

struct opened {			/* a directory, until the last batch of it is done */
	int fd;
	struct buf row;		/* of the stat cache; entries point into it */
	atomic_size_t users;
};

struct leaf {
	struct node *node;
	struct stat_entry cached;	/* name.p NULL: the row has none */
};

struct batch {
	struct walk *w;
	struct opened *o;
	size_t n;
	struct leaf v[];
};

static void opened_unref(struct opened *o)
{
	if (atomic_fetch_sub(&o->users, 1) > 1)
		return;
	close(o->fd);
	buf_done(&o->row);
	free(o);
}

static int stat_leaf(int dir, struct leaf *l, struct err *e)
{
	struct node *n = l->node;
	mode_t expected = n->st.st_mode;

	if (fstatat(dir, n->name, &n->st, AT_SYMLINK_NOFOLLOW) < 0)
		return node_fail(n, e);
	if ((n->st.st_mode & S_IFMT) != expected) {
		errno = ENOENT;
		return node_fail(n, e);
	}
	return set_leaf(dir, n, n->name, l->cached.name.p ? &l->cached : NULL, e);
}

static void batch_run(struct batch *b)
{
	struct walk *w = b->w;

	for (size_t i = 0; i < b->n && !atomic_load(&w->failed); i++) {
		auto_err struct err e = { 0 };

		if (stat_leaf(b->o->fd, &b->v[i], &e) < 0)
			tree_walk_broke(w, &e);
	}
	opened_unref(b->o);
	free(b);
}

static void batch_task(void *arg)
{
	struct batch *b = arg;
	struct walk *w = b->w;

	batch_run(b);
	atomic_fetch_sub(&w->batches, 1);
}

/* Threads are started only once the tree is known to be no small one. */
static bool want_help(struct walk *w)
{
	auto_err struct err ignored = { 0 };	/* then this thread does all */
	size_t others = MIN(cpu_count(), (size_t)THREADS_MAX) - 1;

	if (w->seen < ALONE_NAMES || others == 0)
		return false;
	if (!w->pool && pool_new(others, &w->pool, &ignored) < 0) {
		w->seen = 0;
		return false;
	}
	return atomic_load(&w->batches) < 2 * others;
}

static void batch_give(struct walk *w, struct batch *b)
{
	atomic_fetch_add(&b->o->users, 1);
	w->seen += b->n;
	if (b->n < BATCH_NAMES / 4 || !want_help(w)) {
		batch_run(b);
		return;
	}
	atomic_fetch_add(&w->batches, 1);
	pool_run(w->pool, batch_task, b);
}

/* The leaves of a directory, in parts that are not too small. */
static void give_leaves(struct walk *w, struct opened *o, const struct leaf *v, size_t n)
{
	size_t part = MAX((size_t)BATCH_NAMES, n / BATCH_PARTS + 1);

	for (size_t at = 0; at < n; at += part) {
		size_t count = MIN(part, n - at);
		struct batch *b = xmalloc(sizeof(*b) + count * sizeof(*v));

		*b = (struct batch){ w, o, count };
		memcpy(b->v, v + at, count * sizeof(*v));
		batch_give(w, b);
	}
}

/* ---- directories ---- */

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

/* A name that is not picked keeps its line. */
static void keep_line(struct dir *d, const struct stat_entry *c, struct arena *a)
{
	if (c)
		d->lines[d->nlines++] = (struct line){ .old = arena_str(a, c->bytes) };
}

static struct node *new_node(struct walk *w, struct node *parent, const struct name *name, bool below_only)
{
	struct node *n = arena_new(&w->arena, struct node);
	struct dir *d = parent->dir;

	n->parent = parent;
	n->name = arena_strdup(&w->arena, name->s);
	n->below_only = below_only;
	n->st.st_mode = DTTOIF(name->type);
	d->v[d->n++] = n;
	if (name->type == DT_REG || name->type == DT_SOCK)
		d->lines[d->nlines++] = (struct line){ .node = n, .name = str_of(n->name) };
	return n;
}

static int walk_subdir(struct walk *w, int fd, struct node *n, struct err *e)
{
	if (fstatat(fd, n->name, &n->st, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_walk_fail(w->path.p, e);
	if (!S_ISDIR(n->st.st_mode)) {
		errno = ENOENT;
		return tree_walk_fail(w->path.p, e);
	}
	return set_node(w, fd, n, n->name, NULL, e);
}

/* A leaf is added to *leaves, for later; a directory is walked at once. */
static int walk_name(struct walk *w, int fd, struct node *parent, const struct name *name,
		     const struct stat_entry *c, struct leaf **leaves, struct err *e)
{
	size_t slash = w->path.n;
	enum tree_pick pick;
	struct node *n;
	int r = 0;

	if (slash)
		buf_putc(&w->path, '/');
	buf_puts(&w->path, name->s);
	pick = w->req->pick ? w->req->pick(w->req->arg, w->top, w->path.p, name->type == DT_DIR) : PICK_YES;
	if (pick == PICK_NO || (pick == PICK_BELOW && name->type != DT_DIR)) {
		keep_line(parent->dir, c, &w->arena);
	} else {
		n = new_node(w, parent, name, pick == PICK_BELOW);
		if (name->type == DT_DIR)
			r = walk_subdir(w, fd, n, e);
		else
			*(*leaves)++ = (struct leaf){ .node = n, .cached = c ? *c : (struct stat_entry){ .name = { 0 } } };
	}
	w->path.p[w->path.n = slash] = '\0';
	return r;
}

static int walk_names(struct walk *w, struct opened *o, struct node *n, const struct names *names, struct err *e)
{
	auto_free struct leaf *leaves = xmalloc((names->n + 1) * sizeof(*leaves));
	struct cursor c = { .row = buf_view(&o->row) };
	struct leaf *end = leaves;
	struct dir *d = n->dir;

	d->v = arena_array(&w->arena, struct node *, names->n + 1);
	d->lines = arena_array(&w->arena, struct line, names->n + 1);
	for (size_t i = 0; i < names->n; i++)
		if (walk_name(w, o->fd, n, &names->v[i], cursor_find(&c, names->v[i].s), &end, e) < 0)
			return -1;
	give_leaves(w, o, leaves, (size_t)(end - leaves));
	return 0;
}

static void add_dir(struct walk *w, struct node *n, const struct stat *st)
{
	n->dir = arena_new(&w->arena, struct dir);
	n->dir->dev = st->st_dev;
	n->dir->ino = st->st_ino;
	n->dir->next = w->dirs;
	w->dirs = n->dir;
}

/* n is the directory opened at *fd, which is taken; w->path is its path. */
static int walk_dir(struct walk *w, int *fd, struct node *n, struct err *e)
{
	auto_names struct names names = { 0 };
	struct opened *o;
	struct stat st;
	int r = 0;

	if (job_check(w->job, e) < 0)
		return -1;
	if (atomic_load(&w->failed))		/* the walk fails at its end */
		return 0;
	if (w->depth == DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d directories deep", w->path.p, DEPTH_MAX);
	if (fstat(*fd, &st) < 0 || names_read(*fd, &names) < 0)
		return tree_walk_fail(w->path.p ? w->path.p : "", e);
	o = xcalloc(1, sizeof(*o));
	*o = (struct opened){ .fd = take_fd(fd), .row = { .max = (size_t)1 << 30 }, .users = 1 };
	if (w->store && w->req->cached)
		r = statcache_get(w->store, &st, &o->row, e);
	add_dir(w, n, &st);
	w->depth++;
	if (r == 0)
		r = walk_names(w, o, n, &names, e);
	w->depth--;
	opened_unref(o);
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
	struct top_dir *t = NULL;

	if (find_top_dir(w, fd, &t, e) < 0 || set_node(w, fd, n, name, cursor_find(&t->cursor, name), e) < 0)
		return -1;
	if (t->dir.nlines == t->cap) {
		t->cap = MAX((size_t)16, t->cap * 2);
		t->dir.lines = xrealloc(t->dir.lines, t->cap * sizeof(*t->dir.lines));
	}
	t->dir.lines[t->dir.nlines++] = (struct line){ .node = n, .name = str_of(name) };
	t->dir.dirty = t->dir.dirty || n->unread;
	if (n->unread)
		add_missing(w, n);
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
	if (set_node(w, dir, n, name, NULL, e) < 0)
		return -1;
	if (n->unread)
		add_missing(w, n);
	return 0;
}

static void collect_missing(struct walk *w)
{
	for (struct dir *d = w->dirs; d; d = d->next)
		for (size_t i = 0; i < d->n; i++) {
			if (!d->v[i]->unread)
				continue;
			d->dirty = true;
			add_missing(w, d->v[i]);
		}
}

int tree_walk(struct walk *w, struct err *e)
{
	int r = 0;

	w->tops = arena_array(&w->arena, struct node, w->req->ntops + 1);
	for (size_t i = 0; i < w->req->ntops && r == 0; i++)
		r = walk_top(w, i, &w->tops[i], e);
	pool_free(w->pool);
	w->pool = NULL;
	if (r == 0 && atomic_load(&w->failed)) {
		err_move(e, &w->first);
		r = -1;
	}
	if (r == 0)
		collect_missing(w);
	return r;
}

void tree_walk_done(struct walk *w)
{
	for (struct top_dir *t = w->top_dirs; t; t = t->next)
		free(t->dir.lines);
	arena_done(&w->arena);
	buf_done(&w->path);
	free(w->missing);
}
