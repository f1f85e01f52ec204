/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes, names, attributes; and the walk along a path as the kernel would do it. */
#include "cache/erofs_tree.h"

#include <errno.h>
#include <limits.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cache/erofs_disk.h"

#define LINKS_MAX 40		/* the kernel's MAXSYMLINKS */

struct erofs_node *erofs_node_new(struct erofs *w, mode_t mode, uint32_t uid, uint32_t gid)
{
	struct erofs_node *n = arena_new(&w->arena, struct erofs_node);

	n->mode = (uint16_t)mode;
	n->uid = uid;
	n->gid = gid;
	return n;
}

struct erofs_node *erofs_dir_new(struct erofs *w, struct erofs_dir *parent, mode_t mode, uint32_t uid, uint32_t gid)
{
	struct erofs_node *n = erofs_node_new(w, S_IFDIR | mode, uid, gid);
	struct erofs_dir *d = arena_new(&w->arena, struct erofs_dir);

	d->node = n;
	d->parent = parent ? parent : d;
	d->id = w->dirs++;
	d->sorted = true;
	n->dir = d;
	return n;
}

bool erofs_is_whiteout(const struct erofs_node *n)
{
	return S_ISCHR(n->mode) && n->rdev == 0;
}

/* Seeded, so that no archive can choose names that all fall on one place. */
static uint32_t hash_of(const struct erofs *w, uint64_t with, const char *p, size_t n)
{
	uint64_t h = XXH3_64bits_withSeed(p, n, w->seed + with * 0x9e3779b97f4a7c15u);

	return (uint32_t)(h ^ h >> 32);
}

static void names_grow(struct erofs *w)
{
	size_t cap = w->cap_names ? 2 * w->cap_names : 1024;
	struct erofs_name **v = xcalloc(cap, sizeof(struct erofs_name *));

	for (size_t i = 0; i < w->cap_names; i++) {
		size_t at;

		if (!w->names[i])
			continue;
		at = w->names[i]->hash & (cap - 1);
		while (v[at])
			at = (at + 1) & (cap - 1);
		v[at] = w->names[i];
	}
	free(w->names);
	w->names = v;
	w->cap_names = cap;
}

/* The place that the name has in the table, or would have. */
static struct erofs_name **name_place(struct erofs *w, const struct erofs_dir *dir, struct str s, uint32_t hash)
{
	size_t at = hash & (w->cap_names - 1);

	for (; w->names[at]; at = (at + 1) & (w->cap_names - 1)) {
		const struct erofs_name *n = w->names[at];

		if (n->hash == hash && n->dir == dir && n->n == s.n && memcmp(n->s, s.p, s.n) == 0)
			break;
	}
	return &w->names[at];
}

struct erofs_name *erofs_name_find(struct erofs *w, const struct erofs_dir *dir, struct str s)
{
	return w->cap_names ? *name_place(w, dir, s, hash_of(w, dir->id, s.p, s.n)) : NULL;
}

static int name_cmp(const struct erofs_name *n, struct str s)
{
	return str_cmp((struct str){ n->s, n->n }, s);
}

struct erofs_name *erofs_name_get(struct erofs *w, struct erofs_dir *dir, struct str s)
{
	uint32_t hash = hash_of(w, dir->id, s.p, s.n);
	struct erofs_name **place, *n;

	if (4 * (w->nnames + 1) > 3 * w->cap_names)
		names_grow(w);
	place = name_place(w, dir, s, hash);
	if (*place)
		return *place;
	n = arena_alloc(&w->arena, sizeof(*n) + s.n);
	n->dir = dir;
	n->hash = hash;
	n->n = (uint16_t)s.n;
	memcpy(n->s, s.p, s.n);
	if (dir->last) {
		dir->sorted = dir->sorted && name_cmp(dir->last, s) < 0;
		dir->last->next = n;
	} else {
		dir->first = n;
	}
	dir->last = n;
	dir->names++;
	w->nnames++;
	*place = n;
	return n;
}

struct walk {
	struct erofs *w;
	struct erofs_dir *at;
	unsigned links;		/* followed so far */
};

static int follow(struct walk *k, struct str path);

/* One component from k->at on, links followed: 0 or the errno. */
static int step(struct walk *k, struct str part)
{
	struct erofs_name *n;

	if (part.n == 0 || str_is(part, "."))
		return 0;
	if (str_is(part, "..")) {
		k->at = k->at->parent;
		return 0;
	}
	if (part.n > EROFS_NAME_MAX)
		return ENAMETOOLONG;
	n = erofs_name_find(k->w, k->at, part);
	if (!n || !n->node)
		return ENOENT;
	if (S_ISDIR(n->node->mode)) {
		k->at = n->node->dir;
		return 0;
	}
	if (!S_ISLNK(n->node->mode))
		return ENOTDIR;
	if (++k->links > LINKS_MAX)
		return ELOOP;
	return follow(k, (struct str){ n->node->target, n->node->size });
}

/* Recursion goes as deep as links lead into each other, LINKS_MAX at most. */
static int follow(struct walk *k, struct str path)
{
	int r = 0;

	if (path.n && path.p[0] == '/')
		k->at = k->w->root;
	while (path.p && r == 0)
		r = step(k, str_cut(&path, '/'));
	return r;
}

int erofs_dir_find(struct erofs *w, struct str path, struct erofs_dir **ret)
{
	struct walk k = { w, w->root, 0 };
	int r = path.n + 1 < PATH_MAX ? follow(&k, path) : ENAMETOOLONG;

	if (r == 0)
		*ret = k.at;
	return r;
}

/* The walk ended at part, which is missing. One that replaces a whiteout keeps hiding what was below that. */
static int imply(struct walk *k, struct str part, struct str path, struct err *e)
{
	struct erofs_name *n = erofs_name_get(k->w, k->at, part);
	bool hides = n->node && erofs_is_whiteout(n->node);

	if (n->node && !hides)
		return err_set(e, ERR_CORRUPT, STR_FMT " is needed as a directory, but is something else",
			       STR_ARG(path));
	n->node = erofs_dir_new(k->w, k->at, 0755, 0, 0);
	k->at = n->node->dir;
	k->at->opaque = hides;
	return 0;
}

int erofs_dir_imply(struct erofs *w, struct str path, struct erofs_dir **ret, struct err *e)
{
	struct walk k = { w, w->root, 0 };
	struct str rest = path;
	int r = path.n + 1 < PATH_MAX ? 0 : ENAMETOOLONG;

	while (rest.p && r == 0) {
		struct str part = str_cut(&rest, '/');
		struct erofs_dir *above = k.at;

		r = step(&k, part);
		if (r != ENOENT && r != ENOTDIR)
			continue;
		k.at = above;
		if (imply(&k, part, str_sub(path, 0, (size_t)(part.p + part.n - path.p)), e) < 0)
			return -1;
		r = 0;
	}
	if (r == ELOOP)
		return err_set(e, ERR_CORRUPT, STR_FMT " lies in a loop of links", STR_ARG(path));
	errno = r;
	if (r)
		return err_sys(e, "open the directory " STR_FMT, STR_ARG(path));
	*ret = k.at;
	return 0;
}

static void xattrs_grow(struct erofs *w)
{
	size_t cap = w->cap_xattrs ? 2 * w->cap_xattrs : 64;
	struct erofs_xattr **v = xcalloc(cap, sizeof(struct erofs_xattr *));

	for (size_t i = 0; i < w->cap_xattrs; i++) {
		size_t at;

		if (!w->xattrs[i])
			continue;
		at = w->xattrs[i]->hash & (cap - 1);
		while (v[at])
			at = (at + 1) & (cap - 1);
		v[at] = w->xattrs[i];
	}
	free(w->xattrs);
	w->xattrs = v;
	w->cap_xattrs = cap;
}

static struct erofs_xattr *xattr_get(struct erofs *w, uint8_t prefix, struct str name, struct str value)
{
	uint32_t hash = hash_of(w, prefix, name.p, name.n) * 31 + hash_of(w, prefix, value.p, value.n);
	struct erofs_xattr *x;
	size_t at;

	if (4 * (w->nxattrs + 1) > 3 * w->cap_xattrs)
		xattrs_grow(w);
	for (at = hash & (w->cap_xattrs - 1); w->xattrs[at]; at = (at + 1) & (w->cap_xattrs - 1)) {
		x = w->xattrs[at];
		if (x->hash == hash && x->prefix == prefix && x->name_n == name.n && x->value_n == value.n &&
		    memcmp(x->name, name.p, name.n) == 0 && memcmp(x->value, value.p, value.n) == 0)
			return x;
	}
	x = arena_new(&w->arena, struct erofs_xattr);
	*x = (struct erofs_xattr){
		.name = arena_strndup(&w->arena, name.p, name.n), .name_n = (uint8_t)name.n,
		.value = arena_strndup(&w->arena, value.p, value.n), .value_n = (uint16_t)value.n,
		.prefix = prefix, .hash = hash,
	};
	w->xattrs[at] = x;
	w->nxattrs++;
	return x;
}

static int xattr_cmp(const struct erofs_xattr *x, uint8_t prefix, struct str name)
{
	if (x->prefix != prefix)
		return x->prefix < prefix ? -1 : 1;
	return str_cmp((struct str){ x->name, x->name_n }, name);
}

bool erofs_xattr_set(struct erofs *w, struct erofs_node *n, uint8_t prefix, struct str name, struct str value)
{
	size_t at = 0, spare = prefix == EROFS_X_USER && !str_starts(name, "overlay.") ? 2 : 0;
	int order = -1;

	if (name.n > EROFS_NAME_MAX || value.n > UINT16_MAX)
		return false;
	while (at < n->nxattrs && (order = xattr_cmp(n->xattrs[at], prefix, name)) < 0)
		at++;
	if (at < n->nxattrs && order == 0) {
		n->xattrs[at] = xattr_get(w, prefix, name, value);
		return true;
	}
	if (n->nxattrs + spare >= EROFS_XATTRS_MAX)
		return false;
	if (n->nxattrs == n->cap_xattrs) {
		uint16_t cap = (uint16_t)(n->cap_xattrs ? 2 * n->cap_xattrs : 2);
		struct erofs_xattr **v = arena_array(&w->arena, struct erofs_xattr *, cap);

		if (n->nxattrs)
			memcpy(v, n->xattrs, n->nxattrs * sizeof(*v));
		n->xattrs = v;
		n->cap_xattrs = cap;
	}
	memmove(n->xattrs + at + 1, n->xattrs + at, (n->nxattrs - at) * sizeof(*n->xattrs));
	n->xattrs[at] = xattr_get(w, prefix, name, value);
	n->nxattrs++;
	return true;
}
