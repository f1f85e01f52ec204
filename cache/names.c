/* SPDX-License-Identifier: Apache-2.0 */
/* Directory listings by getdents64(2), and the inode table. */
#include "cache/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

struct dent {			/* getdents64(2) */
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static bool is_dot(const char *s)
{
	return s[0] == '.' && (s[1] == '\0' || (s[1] == '.' && s[2] == '\0'));
}

static void add(struct names *l, const char *s, unsigned char type)
{
	if (l->n == l->cap) {
		l->cap = MAX((size_t)64, l->cap * 2);
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	/* The text may move while it grows: an offset for now. */
	l->v[l->n++] = (struct name){ (const char *)(uintptr_t)l->text.n, type };
	buf_add(&l->text, s, strlen(s) + 1);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->s, ((const struct name *)b)->s);
}

static void fill_type(int dir, struct name *n)
{
	struct stat st;

	if (fstatat(dir, n->s, &st, AT_SYMLINK_NOFOLLOW) == 0)
		n->type = (unsigned char)IFTODT(st.st_mode);
}

static bool is_plain(unsigned char type)
{
	return type == DT_REG || type == DT_LNK || type == DT_FIFO;
}

static int read_names(int dir, struct names *ret, size_t *others)
{
	_Alignas(8) char buf[32 << 10];
	bool sorted = true;
	long n;

	ret->n = 0;
	buf_reset(&ret->text);
	ret->text.max = (size_t)1 << 30;
	if (lseek(dir, 0, SEEK_SET) < 0)
		return -1;
	while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; at += ((struct dent *)(void *)(buf + at))->len) {
			struct dent *d = (struct dent *)(void *)(buf + at);

			if (is_dot(d->name))
				continue;
			if (others && is_plain(d->type))
				++*others;
			else
				add(ret, d->name, d->type);
		}
	if (n < 0)
		return -1;
	for (size_t i = 0; i < ret->n; i++) {
		ret->v[i].s = ret->text.p + (uintptr_t)ret->v[i].s;
		if (ret->v[i].type == DT_UNKNOWN)
			fill_type(dir, &ret->v[i]);
		sorted = sorted && (i == 0 || strcmp(ret->v[i - 1].s, ret->v[i].s) < 0);
	}
	if (!sorted)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return 0;
}

int names_read(int dir, struct names *ret)
{
	return read_names(dir, ret, NULL);
}

int names_read_odd(int dir, struct names *ret, size_t *others)
{
	*others = 0;
	return read_names(dir, ret, others);
}

const struct name *names_find(const struct names *l, const char *s)
{
	struct name key = { s, 0 };

	return l->n ? bsearch(&key, l->v, l->n, sizeof(*l->v), by_name) : NULL;
}

void names_done(struct names *l)
{
	free(l->v);
	buf_done(&l->text);
	*l = (struct names){ 0 };
}

static int fd_path(int fd, struct buf *ret)
{
	char link[32], path[8192];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n < 0)
		return -1;
	if ((size_t)n == sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	buf_reset(ret);
	buf_add(ret, path, (size_t)n);
	return 0;
}

int path_below(int root, int fd, struct buf *ret)
{
	auto_buf struct buf above = { 0 }, path = { 0 };
	const char *below;

	if (fd_path(root, &above) < 0 || fd_path(fd, &path) < 0)
		return -1;
	if (path.n < above.n || strncmp(path.p, above.p, above.n) != 0) {
		errno = EXDEV;
		return -1;
	}
	below = path.p + above.n;
	buf_reset(ret);
	buf_puts(ret, below + (*below == '/'));
	return 0;
}

struct inode {
	dev_t dev;
	ino_t ino;
	char *path;		/* NULL: a free slot */
};

struct inodes {
	struct inode *v;
	size_t n, cap;		/* cap: a power of two, at least twice n */
};

struct inodes *inodes_new(void)
{
	return xcalloc(1, sizeof(struct inodes));
}

void inodes_free(struct inodes *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->cap; i++)
		free(t->v[i].path);
	free(t->v);
	free(t);
}

static struct inode *slot(struct inodes *t, dev_t dev, ino_t ino)
{
	size_t at = (size_t)((ino ^ dev) * 0x9e3779b97f4a7c15u >> 20) & (t->cap - 1);

	while (t->v[at].path && (t->v[at].ino != ino || t->v[at].dev != dev))
		at = (at + 1) & (t->cap - 1);
	return &t->v[at];
}

static void grow(struct inodes *t)
{
	struct inodes old = *t;

	t->cap = MAX((size_t)64, old.cap * 2);
	t->v = xcalloc(t->cap, sizeof(*t->v));
	for (size_t i = 0; i < old.cap; i++)
		if (old.v[i].path)
			*slot(t, old.v[i].dev, old.v[i].ino) = old.v[i];
	free(old.v);
}

const char *inodes_see(struct inodes *t, const struct stat *st, const char *path)
{
	struct inode *i;

	if (2 * (t->n + 1) > t->cap)
		grow(t);
	i = slot(t, st->st_dev, st->st_ino);
	if (i->path)
		return i->path;
	*i = (struct inode){ st->st_dev, st->st_ino, xstrdup(path) };
	t->n++;
	return NULL;
}
