/* SPDX-License-Identifier: Apache-2.0 */
/* From the tree to an order: what is in the image, how large it is and where it goes. */
#include <stdlib.h>

#include "cache/erofs_disk.h"
#include "cache/erofs_tree.h"

#define INLINE_XATTRS_MAX (32u << 10)	/* bytes of one inode's own attributes; further ones go to the shared area */

/* A majority if there is one (Boyer and Moore), in one pass and no memory. */
static void vote(struct erofs_plan *p, const struct erofs_node *n)
{
	if (p->lead == 0) {
		p->epoch = n->mtime;
		p->epoch_ns = n->mtime_ns;
	}
	if (p->epoch == n->mtime && p->epoch_ns == n->mtime_ns)
		p->lead++;
	else
		p->lead--;
}

static void use_xattrs(struct erofs_plan *p, const struct erofs_node *n)
{
	for (size_t i = 0; i < n->nxattrs; i++) {
		struct erofs_xattr *x = n->xattrs[i];

		if (x->uses++ > 0) {
			x->shared = true;
			continue;
		}
		if (p->xattrs_last)
			p->xattrs_last->next_live = x;
		else
			p->xattrs = x;
		p->xattrs_last = x;
	}
}

static void append(struct erofs *w, struct erofs_plan *p, struct erofs_node *n)
{
	if (S_ISDIR(n->mode) && n->dir->opaque)
		(void)erofs_xattr_set(w, n, w->userns ? EROFS_X_USER : EROFS_X_TRUSTED,
				      STR_LIT("overlay.opaque"), STR_LIT("y"));
	if (p->last)
		p->last->next = n;
	else
		p->first = n;
	p->last = n;
	p->nodes++;
	vote(p, n);
	use_xattrs(p, n);
}

static int name_order(const void *a, const void *b)
{
	const struct erofs_name *x = *(struct erofs_name *const *)a, *y = *(struct erofs_name *const *)b;

	return str_cmp((struct str){ x->s, x->n }, (struct str){ y->s, y->n });
}

/* Inside an opaque directory nothing of the layers below is seen: whiteouts there would only show up as devices. */
void erofs_dir_sort(struct erofs_dir *d)
{
	auto_free struct erofs_name **v = d->sorted ? NULL : xmalloc((d->names + 1) * sizeof(struct erofs_name *));
	struct erofs_name **end = &d->first;
	size_t n = 0;

	for (struct erofs_name *name = d->first; name; name = name->next) {
		if (!name->node || (d->bare && erofs_is_whiteout(name->node)))
			continue;
		if (v) {
			v[n++] = name;
		} else {
			*end = name;
			end = &name->next;
		}
	}
	if (v)
		qsort(v, n, sizeof(struct erofs_name *), name_order);
	for (size_t i = 0; i < n; i++) {
		*end = v[i];
		end = &v[i]->next;
	}
	*end = NULL;
	d->sorted = true;
}

bool erofs_entry_next(struct erofs_entries *l, struct erofs_entry *ret)
{
	struct str dots = { "..", l->dots + 1 };
	const struct erofs_name *n = l->next;

	if (l->dots < 2 && (!n || str_cmp((struct str){ n->s, n->n }, dots) > 0)) {
		*ret = (struct erofs_entry){ dots, l->dots ? l->dir->parent->node : l->dir->node };
		l->dots++;
		return true;
	}
	if (!n)
		return false;
	*ret = (struct erofs_entry){ { n->s, n->n }, n->node };
	l->next = n->next;
	return true;
}

static uint64_t dir_size(const struct erofs_dir *d)
{
	struct erofs_entries l = { d, d->first, 0 };
	uint64_t whole = 0, used = 0;
	struct erofs_entry entry;

	while (erofs_entry_next(&l, &entry)) {
		uint64_t need = sizeof(struct erofs_disk_dirent) + entry.name.n;

		if (used + need > EROFS_BLOCK) {
			whole += EROFS_BLOCK;
			used = 0;
		}
		used += need;
	}
	return whole + used;
}

/* Breadth first: what is in one directory lies together. */
static void collect(struct erofs *w, struct erofs_plan *p)
{
	append(w, p, w->root->node);
	w->root->node->nlink = 2;
	w->root->bare = w->root->opaque;
	for (struct erofs_node *n = p->first; n; n = n->next) {
		if (!S_ISDIR(n->mode))
			continue;
		erofs_dir_sort(n->dir);
		n->size = dir_size(n->dir);
		for (struct erofs_name *name = n->dir->first; name; name = name->next) {
			struct erofs_node *sub = name->node;

			if (S_ISDIR(sub->mode)) {
				n->nlink++;
				sub->nlink = 2;
				sub->dir->bare = sub->dir->opaque || n->dir->bare;
				append(w, p, sub);
			} else if (sub->nlink++ == 0) {
				append(w, p, sub);
			}
		}
	}
}

static uint32_t xattrs_size(const struct erofs_node *n)
{
	uint32_t own = 0, shared = 0;

	if (n->nxattrs == 0)
		return 0;
	for (size_t i = 0; i < n->nxattrs; i++) {
		struct erofs_xattr *x = n->xattrs[i];

		if (own + erofs_xattr_size(x) > INLINE_XATTRS_MAX)
			x->shared = true;
		if (x->shared)
			shared += 4;
		else
			own += erofs_xattr_size(x);
	}
	return (uint32_t)sizeof(struct erofs_disk_xattrs) + shared + own;
}

/* Data that lie in the image: not a file's. */
static bool has_data(const struct erofs_node *n)
{
	return S_ISDIR(n->mode) || S_ISLNK(n->mode);
}

/* Neither an inode nor data in it may cross the end of a block. */
static uint64_t place(const struct erofs_plan *p, struct erofs_node *n, uint64_t at)
{
	uint64_t size, room;

	n->compact = n->mtime == p->epoch && n->mtime_ns == p->epoch_ns && n->uid <= UINT16_MAX &&
		     n->gid <= UINT16_MAX && n->nlink <= UINT16_MAX && n->size <= UINT32_MAX;
	size = n->compact ? sizeof(struct erofs_disk_compact) : sizeof(struct erofs_disk_extended);
	n->xattrs_size = xattrs_size(n);
	n->inline_data = has_data(n) && size + n->xattrs_size + n->size <= EROFS_BLOCK;
	at = erofs_align(at, EROFS_SLOT);
	room = EROFS_BLOCK - at % EROFS_BLOCK;
	if (room < (n->inline_data ? size + n->xattrs_size + n->size : size))
		at += room;
	n->nid = at / EROFS_SLOT;
	return at + size + n->xattrs_size + (n->inline_data ? n->size : 0);
}

static uint64_t place_blocks(const struct erofs_plan *p, uint64_t at)
{
	for (struct erofs_node *n = p->first; n; n = n->next) {
		if (!has_data(n) || n->inline_data)
			continue;
		n->block = (uint32_t)(at / EROFS_BLOCK);
		at += erofs_align(n->size, EROFS_BLOCK);
	}
	return at;
}

static uint64_t place_xattrs(const struct erofs_plan *p, uint64_t at)
{
	uint32_t id = 0;

	for (struct erofs_xattr *x = p->xattrs; x; x = x->next_live) {
		if (!x->shared)
			continue;
		x->id = id;
		id += erofs_xattr_size(x) / 4;
	}
	return at + (uint64_t)id * 4;
}

static int place_files(const struct erofs_plan *p, uint64_t tar_size, struct err *e)
{
	for (struct erofs_node *n = p->first; n; n = n->next) {
		if (!S_ISREG(n->mode) || n->size == 0)
			continue;
		if (n->size > tar_size || n->data > tar_size - n->size)
			return err_set(e, ERR_CORRUPT, "the layer's tar ends in the middle of a file");
		n->block = (uint32_t)((p->end + n->data) / EROFS_BLOCK);
	}
	return 0;
}

int erofs_plan(struct erofs *w, uint64_t tar_size, struct erofs_plan *ret, struct err *e)
{
	struct erofs_plan p = { 0 };
	uint64_t at = EROFS_SUPER_AT + EROFS_BLOCK;

	collect(w, &p);
	for (struct erofs_node *n = p.first; n; n = n->next)
		at = place(&p, n, at);
	p.data_at = erofs_align(at, EROFS_BLOCK);
	p.xattrs_at = place_blocks(&p, p.data_at);
	p.end = erofs_align(place_xattrs(&p, p.xattrs_at), EROFS_BLOCK);
	if (p.end > EROFS_TAR_MAX)
		return err_set(e, ERR_LIMIT, "an index of more than %llu bytes", (unsigned long long)EROFS_TAR_MAX);
	if (place_files(&p, tar_size, e) < 0)
		return -1;
	*ret = p;
	return 0;
}
