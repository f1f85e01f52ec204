/* SPDX-License-Identifier: Apache-2.0 */
/* Walking an upper directory along the tree below it. */
#include "cache/diff.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/str.h"
#include "cache/names.h"
#include "cache/whiteout.h"

#define FEW 16			/* so few names are looked up one by one, instead of listing what is below */
#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct reduce {			/* one directory in work */
	struct reduce *parent;
	const char *name;
	int upper, lower;	/* lower -1: nothing is below, the whole directory is new */
	bool userns;
	bool opaque;		/* what is below is hidden: by this directory or one above */
	bool changed;		/* an entry was removed or made: the time has to be put back */
	struct names names, below;
	bool listed;		/* below was read */
};

static int fail(const struct reduce *r, const char *what, struct err *e)
{
	int sys = errno;
	auto_buf struct buf path = { 0 };

	buf_puts(&path, r->name);
	for (const struct reduce *p = r->parent; p; p = p->parent) {
		struct buf longer = { 0 };

		buf_printf(&longer, "%s/%s", p->name, path.p);
		buf_done(&path);
		path = longer;
	}
	errno = sys;
	return err_sys(e, "compare the layer with those below: %s %s", what, path.p);
}

static bool same_capability(int a, int b)
{
	char va[64], vb[64];
	ssize_t na = fgetxattr(a, "security.capability", va, sizeof(va));
	ssize_t nb = fgetxattr(b, "security.capability", vb, sizeof(vb));

	return MAX(na, (ssize_t)0) == MAX(nb, (ssize_t)0) && (na <= 0 || memcmp(va, vb, (size_t)na) == 0);
}

static int same_bytes(int a, int b)
{
	char ba[16 << 10], bb[16 << 10];

	for (;;) {
		ssize_t na = read(a, ba, sizeof(ba)), nb = read(b, bb, sizeof(bb));

		if (na < 0 || nb < 0)
			return -1;
		if (na != nb || memcmp(ba, bb, (size_t)na) != 0)
			return 0;
		if (na == 0)
			return 1;
	}
}

static int same_link(int dir_a, int dir_b, const char *name)
{
	char a[4096], b[4096];
	ssize_t na = readlinkat(dir_a, name, a, sizeof(a)), nb = readlinkat(dir_b, name, b, sizeof(b));

	if (na < 0 || nb < 0)
		return -1;
	return na == nb && memcmp(a, b, (size_t)na) == 0;
}

int diff_same(int dir_a, int dir_b, const char *name, const struct stat *a, const struct stat *b)
{
	static const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	auto_fd int fa = -1, fb = -1;

	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid ||
	    a->st_rdev != b->st_rdev)
		return 0;
	if (!S_ISDIR(a->st_mode) && (a->st_size != b->st_size || a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
				     a->st_mtim.tv_nsec != b->st_mtim.tv_nsec))
		return 0;
	if (S_ISLNK(a->st_mode))
		return same_link(dir_a, dir_b, name);
	if (!S_ISREG(a->st_mode) && !S_ISDIR(a->st_mode))
		return 1;
	fa = openat(dir_a, name, flags);
	fb = openat(dir_b, name, flags);
	if (fa < 0 || fb < 0)
		return -1;
	if (!same_capability(fa, fb))
		return 0;
	if (S_ISDIR(a->st_mode) || a->st_mtim.tv_nsec != 0 || a->st_size == 0)
		return 1;
	return same_bytes(fa, fb);	/* the time may have been cut to whole seconds: it proves nothing */
}

/* stat of name below; *there: is it? */
static int stat_below(struct reduce *r, const char *name, struct stat *st, bool *there, struct err *e)
{
	*there = false;
	if (r->lower < 0 || (r->listed && !names_find(&r->below, name)))
		return 0;
	if (fstatat(r->lower, name, st, AT_SYMLINK_NOFOLLOW) == 0)
		*there = !whiteout_is(st);
	else if (errno != ENOENT)
		return fail(r, "look up in", e);
	return 0;
}

static int reduce_dir(struct reduce *r, bool *empty, struct err *e);

static int remove_entry(struct reduce *r, const char *name, int flags, struct err *e)
{
	if (unlinkat(r->upper, name, flags) < 0)
		return fail(r, "remove from", e);
	r->changed = true;
	return 0;
}

static int reduce_subdir(struct reduce *r, const char *name, const struct stat *below, bool *gone,
			 struct err *e)
{
	struct reduce sub = { .parent = r, .name = name, .userns = r->userns, .opaque = r->opaque, .lower = -1 };
	auto_fd int upper = openat(r->upper, name, OPEN_DIR), lower = -1;
	struct stat st;
	bool empty;
	int same;

	if (upper < 0)
		return fail(r, "open a directory of", e);
	if (below && S_ISDIR(below->st_mode)) {
		lower = openat(r->lower, name, OPEN_DIR);
		if (lower < 0)
			return fail(r, "open a directory below", e);
	}
	sub.upper = upper;
	sub.lower = lower;
	if (reduce_dir(&sub, &empty, e) < 0)
		return -1;
	if (!empty || lower < 0)
		return 0;
	if (fstat(upper, &st) < 0)
		return fail(r, "stat in", e);
	same = diff_same(r->upper, r->lower, name, &st, below);
	if (same < 0)
		return fail(r, "compare in", e);
	*gone = same;
	return same ? remove_entry(r, name, AT_REMOVEDIR, e) : 0;
}

/* A file, link or device of the upper directory. */
static int reduce_other(struct reduce *r, const char *name, const struct stat *below, bool *gone,
			struct err *e)
{
	struct stat st;
	int same;

	if (!below)
		return 0;
	if (fstatat(r->upper, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(r, "stat in", e);
	if (st.st_nlink > 1)	/* copied up and linked to another name: both belong to the change */
		return 0;
	same = diff_same(r->upper, r->lower, name, &st, below);
	if (same < 0)
		return fail(r, "compare in", e);
	*gone = same;
	return same ? remove_entry(r, name, 0, e) : 0;
}

static int reduce_entry(struct reduce *r, const struct name *n, bool *gone, struct err *e)
{
	struct stat below, st;
	bool there;

	*gone = false;
	if (stat_below(r, n->s, &below, &there, e) < 0)
		return -1;
	if (n->type == DT_DIR)
		return reduce_subdir(r, n->s, there ? &below : NULL, gone, e);
	if (n->type == DT_SOCK) {
		if (remove_entry(r, n->s, 0, e) < 0)
			return -1;
		*gone = !there;
		return there && whiteout_make(r->upper, n->s) < 0 ? fail(r, "make a whiteout in", e) : 0;
	}
	if (n->type == DT_CHR) {
		if (fstatat(r->upper, n->s, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fail(r, "stat in", e);
		if (whiteout_is(&st)) {
			*gone = !there;
			return there ? 0 : remove_entry(r, n->s, 0, e);
		}
	}
	return reduce_other(r, n->s, there ? &below : NULL, gone, e);
}

/* A whiteout for each name that the opaque mark has hidden. */
static int expand_opaque(struct reduce *r, size_t *made, struct err *e)
{
	struct stat st;
	bool there;

	for (size_t i = 0; i < r->below.n; i++) {
		if (names_find(&r->names, r->below.v[i].s))
			continue;
		if (stat_below(r, r->below.v[i].s, &st, &there, e) < 0)
			return -1;
		if (!there)
			continue;
		if (whiteout_make(r->upper, r->below.v[i].s) < 0)
			return fail(r, "make a whiteout in", e);
		r->changed = true;
		++*made;
	}
	return 0;
}

/* *others: entries that are not listed, because in a new directory nothing can be the matter with them. */
static int list_both(struct reduce *r, size_t *others, struct err *e)
{
	*others = 0;
	if (r->lower < 0)
		return names_read_odd(r->upper, &r->names, others) < 0 ? fail(r, "list", e) : 0;
	if (names_read(r->upper, &r->names) < 0)
		return fail(r, "list", e);
	if (!r->opaque && r->names.n <= FEW)
		return 0;
	if (names_read(r->lower, &r->below) < 0)
		return fail(r, "list below", e);
	r->listed = true;
	return 0;
}

static int reduce_names(struct reduce *r, bool *empty, struct err *e)
{
	size_t kept = 0, others;
	int mark = opaque_get(r->upper, r->userns);
	bool gone;

	if (mark < 0)
		return fail(r, "read the attributes of", e);
	r->opaque = r->lower >= 0 && (r->opaque || mark > 0);
	if (list_both(r, &others, e) < 0 || (r->opaque && expand_opaque(r, &kept, e) < 0))
		return -1;
	if (mark > 0 && opaque_clear(r->upper, r->userns) < 0)
		return fail(r, "change the attributes of", e);
	for (size_t i = 0; i < r->names.n; i++) {
		if (reduce_entry(r, &r->names.v[i], &gone, e) < 0)
			return -1;
		kept += !gone;
	}
	*empty = kept + others == 0;
	return 0;
}

static int reduce_dir(struct reduce *r, bool *empty, struct err *e)
{
	struct stat st;
	int ret;

	if (fstat(r->upper, &st) < 0)
		return fail(r, "stat", e);
	ret = reduce_names(r, empty, e);
	names_done(&r->names);
	names_done(&r->below);
	if (ret == 0 && r->changed) {
		const struct timespec times[2] = { st.st_atim, st.st_mtim };

		if (futimens(r->upper, times) < 0)
			return fail(r, "put back the time of", e);
	}
	return ret;
}

int diff_reduce(int upper, int lower, bool userns, bool *empty, struct err *e)
{
	struct reduce r = { .name = "", .upper = upper, .lower = lower, .userns = userns };

	return reduce_dir(&r, empty, e);
}
