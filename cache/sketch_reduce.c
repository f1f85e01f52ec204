/* SPDX-License-Identifier: Apache-2.0 */
/* A sketch's differences from the lower tree: cache/diff.c's rules, without an upper directory. */
#include <dirent.h>
#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/erofs_disk.h"
#include "cache/names.h"
#include "cache/sketch_int.h"
#include "cache/whiteout.h"

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define CAP_MAX 64			/* bytes of security.capability: 20 or 24 */

struct reduce {			/* one directory in work */
	struct sketch *s;
	struct sketch_opener *from;
	int lower;		/* what is at its path in the lower tree; -1: nothing, or no directory */
	bool hides;		/* the lower directory is not seen through it */
};

static int fail(const char *name, struct err *e)
{
	return err_sys(e, "compare %s with the layers below", name);
}

int sketch_open(struct sketch_opener *o, const struct sketch_extra *x)
{
	if (o->of != x->from) {
		if (o->fd >= 0)
			close(o->fd);
		o->of = NULL;
		o->fd = fs_open_in(x->from->root, x->from->path, O_PATH | O_DIRECTORY, 0);
		if (o->fd < 0)
			return -1;
		o->of = x->from;
	}
	return openat(o->fd, x->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static bool same_attributes(const struct erofs_node *n, const struct stat *st)
{
	if (n->mode != st->st_mode || n->uid != st->st_uid || n->gid != st->st_gid)
		return false;
	if (S_ISDIR(n->mode))
		return true;
	if (S_ISREG(n->mode) && n->size != (uint64_t)st->st_size)
		return false;
	if ((S_ISCHR(n->mode) || S_ISBLK(n->mode)) && n->rdev != erofs_device(major(st->st_rdev), minor(st->st_rdev)))
		return false;
	return n->mtime == st->st_mtim.tv_sec && n->mtime_ns == (uint32_t)st->st_mtim.tv_nsec;
}

/* What the node has as a capability, from the file that it will be read from if need be. */
static ssize_t node_capability(const struct erofs_node *n, int fd, char ret[static CAP_MAX])
{
	for (size_t i = 0; i < n->nxattrs; i++) {
		if (n->xattrs[i]->prefix != EROFS_X_SECURITY || n->xattrs[i]->value_n > CAP_MAX)
			continue;
		memcpy(ret, n->xattrs[i]->value, n->xattrs[i]->value_n);
		return n->xattrs[i]->value_n;
	}
	return n->extra->data == DATA_FROM ? MAX(fgetxattr(fd, "security.capability", ret, CAP_MAX), (ssize_t)0) : 0;
}

static bool same_capability(const struct erofs_node *n, int fd, int below)
{
	char a[CAP_MAX], b[CAP_MAX];
	ssize_t na = node_capability(n, fd, a), nb = MAX(fgetxattr(below, "security.capability", b, sizeof(b)), (ssize_t)0);

	return na == nb && memcmp(a, b, (size_t)na) == 0;
}

static ssize_t read_node(const struct sketch *s, const struct erofs_node *n, int fd, char *p, size_t max, uint64_t at)
{
	max = (size_t)MIN((uint64_t)max, n->size - at);
	if (n->extra->data == DATA_BYTES) {
		memcpy(p, n->extra->bytes + at, max);
		return (ssize_t)max;
	}
	return n->extra->data == DATA_SPOOL ? pread(s->spool, p, max, (off_t)(n->extra->at + at)) : pread(fd, p, max, (off_t)at);
}

static int same_bytes(const struct sketch *s, const struct erofs_node *n, int fd, int below)
{
	char a[16 << 10], b[16 << 10];

	for (uint64_t at = 0; at < n->size; ) {
		ssize_t na = read_node(s, n, fd, a, sizeof(a), at), nb;

		if (na < 0)
			return -1;
		nb = pread(below, b, (size_t)na, (off_t)at);
		if (nb < 0)
			return -1;
		if (na == 0 || na != nb || memcmp(a, b, (size_t)na) != 0)
			return 0;
		at += (uint64_t)na;
	}
	return 1;
}

/* 1 the same, 0 not, -1 with errno. */
static int same_file(struct reduce *r, const struct erofs_node *n, const char *name)
{
	auto_fd int below = openat(r->lower, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), fd = -1;

	if (below < 0)
		return -1;
	if (n->extra->data == DATA_FROM)
		fd = sketch_open(r->from, n->extra);
	if (n->extra->data == DATA_FROM && fd < 0)
		return errno == EACCES ? 0 : -1;	/* writing the layer says so better */
	if (!same_capability(n, fd, below))
		return 0;
	if (n->mtime_ns != 0 || n->size == 0)
		return 1;
	return same_bytes(r->s, n, fd, below);	/* the time may have been cut to whole seconds: it proves nothing */
}

static int same_node(struct reduce *r, const struct erofs_node *n, const char *name, const struct stat *st)
{
	char target[4096];
	ssize_t len;

	if (!same_attributes(n, st))
		return 0;
	if (S_ISREG(n->mode))
		return same_file(r, n, name);
	if (!S_ISLNK(n->mode))
		return 1;
	len = readlinkat(r->lower, name, target, sizeof(target));
	return len < 0 ? -1 : (uint64_t)len == n->size && memcmp(target, n->target, n->size) == 0;
}

static int reduce_dir(struct reduce *r, struct erofs_dir *d, bool *empty, struct err *e);

static int reduce_subdir(struct reduce *r, struct erofs_name *name, const char *text, const struct stat *below, struct err *e)
{
	struct erofs_node *n = name->node;
	struct reduce sub = { .s = r->s, .from = r->from, .lower = -1, .hides = r->hides || !n->dir->lower };
	auto_fd int lower = -1;
	bool empty;

	if (below && S_ISDIR(below->st_mode)) {
		lower = openat(r->lower, text, OPEN_DIR);
		if (lower < 0)
			return fail(text, e);
	}
	sub.lower = lower;
	if (reduce_dir(&sub, n->dir, &empty, e) < 0)
		return -1;
	if (empty && lower >= 0 && (n->extra->shadow || same_attributes(n, below)))
		name->node = NULL;
	return 0;
}

static int reduce_name(struct reduce *r, struct erofs_name *name, struct err *e)
{
	char text[EROFS_NAME_MAX + 1];
	struct erofs_node *n = name->node;
	struct stat below;
	bool there;
	int same;

	memcpy(text, name->s, name->n);
	text[name->n] = '\0';
	there = r->lower >= 0 && fstatat(r->lower, text, &below, AT_SYMLINK_NOFOLLOW) == 0;
	if (r->lower >= 0 && !there && errno != ENOENT)
		return fail(text, e);
	there = there && !whiteout_is(&below);
	if (S_ISDIR(n->mode))
		return n->extra->shadow && !n->dir->first ? (name->node = NULL, 0) :
			reduce_subdir(r, name, text, there ? &below : NULL, e);
	same = n->extra->shadow ? 1 : there && !n->extra->linked ? same_node(r, n, text, &below) : 0;
	if (same < 0)
		return fail(text, e);
	if (same)
		name->node = NULL;
	return 0;
}

/* A new directory where the lower tree has one: each name that it hides needs a whiteout of its own. */
static int put_whiteouts(struct reduce *r, struct erofs_dir *d, struct err *e)
{
	auto_names struct names below = { 0 };

	if (names_read(r->lower, &below) < 0)
		return fail("a directory", e);
	for (size_t i = 0; i < below.n; i++) {
		struct erofs_name *name = erofs_name_get(r->s->w, d, str_of(below.v[i].s));
		struct stat st;

		if (name->node)
			continue;
		if (fstatat(r->lower, below.v[i].s, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fail(below.v[i].s, e);
		if (!whiteout_is(&st))
			name->node = erofs_node_new(r->s->w, S_IFCHR, 0, 0);
	}
	return 0;
}

static int reduce_dir(struct reduce *r, struct erofs_dir *d, bool *empty, struct err *e)
{
	for (struct erofs_name *name = d->first; name; name = name->next)
		if (name->node && reduce_name(r, name, e) < 0)
			return -1;
	if (r->lower >= 0 && r->hides && put_whiteouts(r, d, e) < 0)
		return -1;
	*empty = true;
	for (struct erofs_name *name = d->first; name && *empty; name = name->next)
		*empty = !name->node;
	return 0;
}

int sketch_reduce(struct sketch *s, struct err *e)
{
	struct sketch_opener from = { .fd = -1 };
	auto_fd int lower = s->lower < 0 ? -1 : openat(s->lower, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct reduce r = { .s = s, .from = &from, .lower = lower };
	bool empty;
	int ret;

	if (s->lower >= 0 && lower < 0)
		return err_sys(e, "open the layers below");
	ret = reduce_dir(&r, s->w->root, &empty, e);
	cleanup_fd(&from.fd);
	return ret;
}
