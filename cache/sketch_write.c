/* SPDX-License-Identifier: Apache-2.0 */
/* A sketch becomes a layer: its entries in the canonical order, their data read once. OCI image-spec layer.md. */
#include <errno.h>
#include <stdio.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/erofs_disk.h"
#include "cache/extract.h"
#include "cache/hash_pipe.h"
#include "cache/layer_dir.h"
#include "cache/layer_form.h"
#include "cache/lease.h"
#include "cache/sketch_int.h"
#include "cache/whiteout.h"

#define CHUNK ((size_t)512 << 10)
#define XATTRS_MAX 64			/* of one file that are copied */

struct out {
	struct job *job;
	struct sketch *s;
	bool layer;			/* a tar is written: to files or only to be hashed */
	struct tar_writer tar;
	struct extract *x;		/* files are made; NULL: tar form */
	struct sketch_opener from;
	struct buf path;		/* of the entry in work */
	char *chunk;
	uint64_t entries, disk;
	/* the data of the entry in work */
	const struct erofs_node *node;
	int fd;
	uint64_t left;
	/* its attributes: the capability first, then what only trees keep */
	struct tar_xattr xattrs[XATTRS_MAX];
	size_t nxattrs;
	bool has_cap;
};

static int source_error(const struct out *o, struct err *e)
{
	const struct sketch_extra *x = o->node->extra;

	if (errno != EACCES && errno != EPERM)
		return err_sys(e, "read /%s%s%s", x->from->path, *x->from->path ? "/" : "", x->name);
	err_set(e, ERR_USAGE, "/%s%s%s: not allowed to read it", x->from->path, *x->from->path ? "/" : "", x->name);
	return err_hint(e, "change its mode, or leave it out by a line in .dockerignore");
}

/* ---- data ---- */

static int changed(const struct out *o, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "/%s changed while it was copied", o->path.p);
}

/* entry_data of the node in work; what passes goes into the tar, too. */
static int next_data(void *arg, const void **p, size_t *n, struct err *e)
{
	struct out *o = arg;
	const struct sketch_extra *x;
	size_t want = (size_t)MIN(o->left, (uint64_t)CHUNK);
	ssize_t got = (ssize_t)want;

	*n = 0;
	*p = o->chunk;
	if (o->left == 0)	/* a link, a whiteout: there is no node */
		return 0;
	x = o->node->extra;
	if (job_check(o->job, e) < 0)
		return -1;
	if (x->data == DATA_BYTES)
		*p = x->bytes + (o->node->size - o->left);
	else if (x->data == DATA_SPOOL)
		got = pread(o->s->spool, o->chunk, want, (off_t)(x->at + (o->node->size - o->left)));
	else
		got = read(o->fd, o->chunk, want);
	if (got < 0)
		return source_error(o, e);
	if (got == 0)
		return changed(o, e);
	o->left -= (uint64_t)got;
	*n = (size_t)got;
	return o->layer ? tar_write_data(&o->tar, *p, *n, e) : 0;
}

/* ---- attributes ---- */

static void add_xattr(struct out *o, struct str key, struct str value)
{
	if (o->nxattrs < XATTRS_MAX)
		o->xattrs[o->nxattrs++] = (struct tar_xattr){ key, value };
}

/* Best effort, as every copy tool does it; only a capability must not be lost. */
static void file_xattrs(struct out *o)
{
	char list[4096];
	ssize_t n = flistxattr(o->fd, list, sizeof(list));

	for (const char *key = list; n > 0 && key < list + n; key += strlen(key) + 1) {
		bool cap = strcmp(key, "security.capability") == 0;
		char *value;
		ssize_t len;

		if (!xattr_kept(str_of(key)) || (!cap && !o->x))
			continue;
		len = fgetxattr(o->fd, key, NULL, 0);
		value = arena_alloc(&o->s->w->arena, (size_t)MAX(len, (ssize_t)0) + 1);
		if (len < 0 || (len = fgetxattr(o->fd, key, value, (size_t)len)) < 0)
			continue;
		add_xattr(o, str_of(arena_strdup(&o->s->w->arena, key)), (struct str){ value, (size_t)len });
		if (cap) {	/* first */
			struct tar_xattr x = o->xattrs[o->nxattrs - 1];

			o->xattrs[o->nxattrs - 1] = o->xattrs[0];
			o->xattrs[0] = x;
			o->has_cap = true;
		}
	}
}

static void node_xattrs(struct out *o, const struct erofs_node *n)
{
	for (size_t i = 0; i < n->nxattrs; i++) {
		if (n->xattrs[i]->prefix != EROFS_X_SECURITY)
			continue;
		add_xattr(o, STR_LIT("security.capability"), (struct str){ n->xattrs[i]->value, n->xattrs[i]->value_n });
		o->has_cap = true;
	}
}

/* ---- entries ---- */

static enum tar_type type_of(const struct erofs_node *n)
{
	switch (n->mode & S_IFMT) {
	case S_IFDIR: return TAR_DIR;
	case S_IFLNK: return TAR_SYMLINK;
	case S_IFCHR: return TAR_CHAR;
	case S_IFBLK: return TAR_BLOCKDEV;
	case S_IFIFO: return TAR_FIFO;
	default: return TAR_FILE;
	}
}

static struct tar_entry entry_of(const struct out *o, const struct erofs_node *n)
{
	struct tar_entry t = {
		.path = o->path.p, .type = type_of(n), .mode = n->mode & 07777, .uid = n->uid, .gid = n->gid,
		.mtime = n->mtime, .mtime_ns = n->mtime_ns,
	};

	if (t.type == TAR_FILE)
		t.size = n->size;
	if (t.type == TAR_SYMLINK)
		t.link = n->target;
	if (t.type == TAR_CHAR || t.type == TAR_BLOCKDEV) {	/* new_decode_dev() */
		t.major = (n->rdev & 0xfff00) >> 8;
		t.minor = (n->rdev & 0xff) | ((n->rdev >> 12) & 0xfff00);
	}
	return t;
}

/* Into the tar, the tree, or both. */
static int put(struct out *o, struct tar_entry *t, struct erofs_node *n, struct err *e)
{
	const void *p;
	size_t got;
	bool made;

	o->entries++;
	o->node = n;
	o->left = t->size;
	t->xattrs = o->xattrs;
	t->nxattrs = o->has_cap ? 1 : 0;
	if (o->layer && tar_write_entry(&o->tar, t, e) < 0)
		return -1;
	if (n && t->type == TAR_FILE && !o->x)
		n->data = o->tar.size;
	t->nxattrs = o->nxattrs;
	if (o->x)
		return extract_put(o->x, t, next_data, o, &made, e);
	while (o->left)
		if (next_data(o, &p, &got, e) < 0)
			return -1;
	return 0;
}

static int put_file(struct out *o, struct erofs_node *n, struct err *e)
{
	struct tar_entry t;
	auto_fd int fd = -1;

	o->node = n;
	o->nxattrs = 0;
	o->has_cap = false;
	node_xattrs(o, n);
	if (n->extra->data == DATA_FROM) {
		fd = o->fd = sketch_open(&o->from, n->extra);
		if (fd < 0)
			return errno == ELOOP ? changed(o, e) : source_error(o, e);
		file_xattrs(o);
		if (o->has_cap && !o->x && erofs_capability_set(o->s->w, n, o->path.p, o->xattrs[0].value, e) < 0)
			return -1;
	}
	t = entry_of(o, n);
	o->disk += (t.size + 4095) & ~(uint64_t)4095;
	return put(o, &t, n, e);
}

/* 1: the node has a name in the layer already, this is a link to it. */
static int put_again(struct out *o, struct erofs_node *n, struct err *e)
{
	struct tar_entry t;

	if (!n->extra->linked)
		return 0;
	if (!n->extra->path) {
		n->extra->path = arena_strdup(&o->s->w->arena, o->path.p);
		return 0;
	}
	t = entry_of(o, n);
	t.type = TAR_LINK;
	t.link = n->extra->path;
	t.size = 0;
	return put(o, &t, NULL, e) < 0 ? -1 : 1;
}

static int put_dir(struct out *o, struct erofs_dir *d, struct err *e);

static int put_node(struct out *o, struct erofs_node *n, struct err *e)
{
	struct tar_entry t;
	int r;

	if (o->layer)
		n->mtime_ns = o->x ? n->mtime_ns : 0;	/* what a tar can say */
	r = S_ISDIR(n->mode) ? 0 : put_again(o, n, e);
	if (r)
		return MIN(r, 0);
	if (S_ISREG(n->mode))
		return put_file(o, n, e);
	o->nxattrs = 0;
	o->has_cap = false;
	t = entry_of(o, n);
	if (put(o, &t, n, e) < 0)
		return -1;
	return S_ISDIR(n->mode) ? put_dir(o, n->dir, e) : 0;
}

static int put_whiteout(struct out *o, const struct erofs_name *name, struct err *e)
{
	struct tar_entry t = { .type = TAR_FILE };

	if (!o->layer)
		return 0;
	buf_printf(&o->path, "%s" WH_PREFIX "%.*s", o->path.n ? "/" : "", (int)name->n, name->s);
	t.path = o->path.p;
	o->nxattrs = 0;
	o->has_cap = false;
	return put(o, &t, NULL, e);
}

static int check_name(const struct out *o, const struct erofs_name *name, struct err *e)
{
	if (!o->layer || !str_starts((struct str){ name->s, name->n }, WH_PREFIX))
		return 0;
	err_set(e, ERR_USAGE, "the name %s/%.*s can't be in a layer: it means the deletion of a file",
		o->path.n ? o->path.p : "", (int)name->n, name->s);
	return err_hint(e, "rename or delete it in the step that makes it");
}

/* Whiteouts come before their siblings. */
static int put_dir(struct out *o, struct erofs_dir *d, struct err *e)
{
	size_t len = o->path.n;

	if (job_check(o->job, e) < 0)
		return -1;
	erofs_dir_sort(d);
	for (int whiteouts = 1; whiteouts >= 0; whiteouts--) {
		for (struct erofs_name *name = d->first; name; name = name->next) {
			int r;

			if (erofs_is_whiteout(name->node) != (bool)whiteouts)
				continue;
			if (!whiteouts) {
				if (check_name(o, name, e) < 0)
					return -1;
				buf_printf(&o->path, "%s%.*s", len ? "/" : "", (int)name->n, name->s);
			}
			r = whiteouts ? put_whiteout(o, name, e) : put_node(o, name->node, e);
			o->path.p[o->path.n = len] = '\0';
			if (r < 0)
				return -1;
		}
	}
	return 0;
}

static void out_init(struct out *o, struct job *j, struct sketch *s)
{
	*o = (struct out){ .job = j, .s = s, .from = { .fd = -1 }, .fd = -1, .chunk = xmalloc(CHUNK) };
	buf_puts(&o->path, "");
}

static void out_done(struct out *o)
{
	cleanup_fd(&o->from.fd);
	tar_write_done(&o->tar);
	buf_done(&o->path);
	free(o->chunk);
}

static int write_tar(struct out *o, bytes_put pipe, void *arg, struct err *e)
{
	o->layer = true;
	tar_write_init(&o->tar, pipe, arg);
	return put_dir(o, o->s->w->root, e) < 0 ? -1 : tar_write_end(&o->tar, e);
}

static int to_tar(struct out *o, struct store *store, struct lease *l, struct layer **ret, struct err *e)
{
	struct layer_out file;
	int r = layer_out_init(&file, store, l, e);

	if (r == 0)
		r = write_tar(o, hash_pipe_put, file.pipe, e);
	if (r == 0) {
		erofs_free(file.index);
		file.index = o->s->w;	/* it knows by now where in the tar each file is */
		file.index->entries = o->entries;
		r = layer_out_end(&file, ret, e);
		file.index = NULL;
	}
	layer_out_done(&file);
	return r;
}

/* ---- trees ---- */

static int extract_to(struct out *o, int root, bool layer, bytes_put pipe, void *arg, struct err *e)
{
	struct extract_opts x = { .root = root, .base = "", .layer = layer, .now_ns = layer ? 0 : -1 };
	int r;

	o->x = extract_new(&x);
	r = layer ? write_tar(o, pipe, arg, e) : put_dir(o, o->s->w->root, e);
	if (r == 0)
		r = extract_end(o->x, e);
	extract_free(o->x);
	return r;
}

/* The root's own attributes are those below: they are in no tar. */
static int make_root(const struct sketch *s, int home, int *ret, struct err *e)
{
	const struct erofs_node *n = s->w->root->node;

	if (mkdirat(home, "u", 0755) < 0)
		return err_sys(e, "create a directory for a layer");
	*ret = openat(home, "u", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*ret < 0 || fchown(*ret, n->uid, n->gid) < 0 || fchmod(*ret, n->mode & 07777) < 0)
		return err_sys(e, "create a directory for a layer");
	return 0;
}

static int to_tree(struct out *o, struct lease *l, struct layer **ret, struct err *e)
{
	auto_pipe struct hash_pipe *pipe = hash_pipe_new();
	auto_fd int home = -1, root = -1;
	struct layer *y;

	if (layer_home(l, &home, e) < 0 || make_root(o->s, home, &root, e) < 0 ||
	    extract_to(o, root, true, hash_pipe_put, pipe, e) < 0)
		return -1;
	y = layer_new(openat(home, "u", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), home, "u");
	home = -1;
	if (y->fd < 0) {
		layer_unref(y);
		return err_sys(e, "open a layer");
	}
	y->diff_id = hash_pipe_end(pipe);
	y->tar_size = hash_pipe_size(pipe);
	y->entries = o->entries;
	y->disk_size = o->disk;
	y->empty = o->entries == 0;
	y->sealed = true;
	*ret = y;
	return 0;
}

int sketch_write(struct job *j, struct sketch *s, struct store *store, struct lease *l, struct layer **ret, struct err *e)
{
	enum layer_form form;
	struct out o;
	int r;

	if (layer_form(store, &form, e) < 0 || sketch_reduce(s, e) < 0)
		return -1;
	out_init(&o, j, s);
	r = form == LAYER_FORM_TAR ? to_tar(&o, store, l, ret, e) : to_tree(&o, l, ret, e);
	out_done(&o);
	return r;
}

int sketch_apply(struct job *j, struct sketch *s, struct err *e)
{
	struct out o;
	int r;

	if (sketch_reduce(s, e) < 0)
		return -1;
	out_init(&o, j, s);
	r = extract_to(&o, s->lower, false, NULL, NULL, e);
	out_done(&o);
	return r;
}
