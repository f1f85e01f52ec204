/* SPDX-License-Identifier: Apache-2.0 */
/* The copier: descends source and destination by directory fds. */
#include "builder/copy_tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>

#include "base/fs.h"
#include "cache/names.h"
#include "cache/sketch.h"
#include "parser/flags.h"

#define DEPTH_MAX 1024
#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* One directory on the way down. It is made in the destination when the first entry needs it. */
struct level {
	struct level *up;
	int src;
	struct sketch_from *from;	/* src, for the files in it; NULL: not needed yet */
	struct erofs_dir *dst;		/* NULL: not made yet */
	struct erofs_node *node;	/* it */
	const char *name;
	struct stat st;		/* of the source directory */
	bool keep;		/* it was there, and only something below it was picked: leave its attributes */
	int depth;
};

static int src_error(const struct copier *c, struct err *e)
{
	if (errno != EACCES && errno != EPERM)
		return err_sys(e, "read /%s", c->src.p);
	err_set(e, ERR_USAGE, "/%s: not allowed to read it", c->src.p);
	return err_hint(e, "change its mode, or leave it out by a line in .dockerignore");
}

static mode_t new_mode(const struct copier *c, const struct stat *st)
{
	mode_t mode = st->st_mode & 07777;

	return c->spec->chmod ? chmod_apply(c->spec->chmod, mode, S_ISDIR(st->st_mode)) & 07777 : mode;
}

static void new_owner(const struct copier *c, const struct stat *st, uid_t *uid, gid_t *gid)
{
	*uid = c->spec->chown ? c->spec->uid : c->spec->from_context ? 0 : st->st_uid;
	*gid = c->spec->chown ? c->spec->gid : c->spec->from_context ? 0 : st->st_gid;
}

static void see_time(struct copier *c, struct timespec t)
{
	if (t.tv_sec > c->newest.tv_sec || (t.tv_sec == c->newest.tv_sec && t.tv_nsec > c->newest.tv_nsec))
		c->newest = t;
}

/* What it is in the destination: st with the owner and mode that it gets there. */
static struct stat new_stat(struct copier *c, const struct stat *st)
{
	struct stat ret = *st;

	new_owner(c, st, &ret.st_uid, &ret.st_gid);
	ret.st_mode = (st->st_mode & S_IFMT) | new_mode(c, st);
	see_time(c, st->st_mtim);
	return ret;
}

int copy_clear(struct copier *c, struct erofs_dir *dir, const char *name, const char *path, struct err *e)
{
	struct erofs_node *n;

	errno = sketch_child(c->dest.s, dir, name, &n);
	if (errno == 0 && S_ISDIR(sketch_mode(n)))
		return err_set(e, ERR_USAGE, "cannot replace the directory /%s by a file", path);
	return errno == 0 || errno == ENOENT ? 0 : err_sys(e, "stat /%s", path);
}

/* A second name of a file that this item has copied already: 1. */
static int copy_again(struct copier *c, const struct stat *st, struct erofs_dir *dst, const char *name, struct err *e)
{
	const char *first = st->st_nlink > 1 ? inodes_see(c->links, st, c->dst.p) : NULL;
	struct erofs_node *n;

	if (!first)
		return 0;
	errno = sketch_look(c->dest.s, first, &n);
	if (errno)
		return err_sys(e, "link /%s", c->dst.p);
	sketch_hard_link(c->dest.s, dst, name, n);
	return 1;
}

/* from: the directory that from_name is in. Of a socket an empty file is left. */
static int copy_other(struct copier *c, int src, struct sketch_from *from, const char *from_name, struct erofs_dir *dst,
		      const char *name, struct err *e)
{
	char target[4096] = "";
	struct erofs_node *n;
	struct stat st, as;
	ssize_t len = 0;
	int again = 0;

	if (fstatat(src, from_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return src_error(c, e);
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFLICT, "/%s changed while it was copied", c->src.p);
	if (S_ISLNK(st.st_mode) && (len = readlinkat(src, from_name, target, sizeof(target) - 1)) < 0)
		return src_error(c, e);
	target[len] = '\0';
	if (copy_clear(c, dst, name, c->dst.p, e) < 0)
		return -1;
	if (S_ISREG(st.st_mode))
		again = copy_again(c, &st, dst, name, e);
	if (again)
		return MIN(again, 0);
	as = new_stat(c, &st);
	if (S_ISSOCK(st.st_mode))
		as.st_mode = S_IFREG | (as.st_mode & 07777);
	n = sketch_put(c->dest.s, dst, name, &as, target);
	if (S_ISREG(st.st_mode) && st.st_size)
		sketch_read_from(c->dest.s, n, from, from_name);
	return 0;
}

/* l exists in the destination afterwards. */
static int need_level(struct copier *c, struct level *l, bool picked, struct err *e)
{
	static const struct stat bare = { .st_mode = S_IFDIR | 0700 };

	if (l->dst) {
		l->keep = l->keep && !picked;
		return 0;
	}
	if (need_level(c, l->up, false, e) < 0)
		return -1;
	errno = sketch_child(c->dest.s, l->up->dst, l->name, &l->node);
	if (errno == ENOENT)
		l->node = sketch_put(c->dest.s, l->up->dst, l->name, &bare, NULL);
	else if (errno)
		return err_sys(e, "stat /%s", c->dst.p);
	else if (!S_ISDIR(sketch_mode(l->node)))
		return err_set(e, ERR_USAGE, "cannot copy the directory /%s over the file /%s", c->src.p, c->dst.p);
	else
		l->keep = !picked;
	l->dst = sketch_as_dir(l->node);
	return 0;
}

static int copy_level(struct copier *c, struct level *l, struct err *e);

static int copy_subdir(struct copier *c, struct level *up, const char *name, bool picked, struct err *e)
{
	auto_fd int src = openat(up->src, name, OPEN_DIR);
	struct level l = { .up = up, .src = src, .name = name, .depth = up->depth + 1 };
	struct stat as;

	if (src < 0 || fstat(src, &l.st) < 0)
		return src_error(c, e);
	if (l.depth > DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "/%s: more than %d directories deep", c->src.p, DEPTH_MAX);
	if ((picked && need_level(c, &l, true, e) < 0) || copy_level(c, &l, e) < 0)
		return -1;
	if (!l.dst || l.keep)
		return 0;
	as = new_stat(c, &l.st);
	sketch_set(c->dest.s, l.node, &as);
	return 0;
}

static int copy_entry(struct copier *c, struct level *l, const struct name *n, size_t dir_n, struct err *e)
{
	enum tree_pick pick = copy_pick(c->items, c->item, c->src.p, n->type == DT_DIR);

	if (pick == PICK_NO || (pick == PICK_BELOW && n->type != DT_DIR))
		return 0;
	if (n->type == DT_DIR)
		return copy_subdir(c, l, n->s, pick == PICK_YES, e);
	if (need_level(c, l, false, e) < 0)
		return -1;
	if (!l->from) {
		auto_free char *dir = xstrndup(c->src.p, dir_n);

		l->from = sketch_from(c->dest.s, c->spec->src_root, dir);
	}
	return copy_other(c, l->src, l->from, n->s, l->dst, n->s, e);
}

static int copy_level(struct copier *c, struct level *l, struct err *e)
{
	auto_names struct names names = { 0 };
	size_t src = c->src.n, dst = c->dst.n;

	if (job_check(c->job, e) < 0)
		return -1;
	if (names_read(l->src, &names) < 0)
		return src_error(c, e);
	for (size_t i = 0; i < names.n; i++) {
		int r;

		buf_printf(&c->src, "%s%s", src ? "/" : "", names.v[i].s);
		buf_printf(&c->dst, "%s%s", dst ? "/" : "", names.v[i].s);
		r = copy_entry(c, l, &names.v[i], src, e);
		c->src.p[c->src.n = src] = '\0';
		c->dst.p[c->dst.n = dst] = '\0';
		if (r < 0)
			return -1;
	}
	return 0;
}

/* ---- where things go ---- */

static bool says_directory(const char *dest)
{
	size_t n = strlen(dest);

	return n == 0 || dest[n - 1] == '/' || strcmp(dest, ".") == 0 || (n > 1 && strcmp(dest + n - 2, "/.") == 0);
}

static int make_dest(struct copier *c, const char *path, bool is_dir, struct err *e)
{
	auto_free char *above = NULL;
	const char *slash = strrchr(path, '/');

	if (is_dir)
		return dest_mkdirs(&c->dest, path, e) < 0 ? -1 : dest_touch(&c->dest, path, false, e);
	above = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	return dest_mkdirs(&c->dest, above, e) < 0 ? -1 : dest_touch(&c->dest, above, false, e);
}

int copy_place_dir(struct copier *c, struct buf *ret, struct err *e)
{
	auto_buf struct buf clean = { 0 };
	mode_t mode;
	bool exists;

	copy_clean(str_of(c->spec->dest), &clean);
	if (dest_resolve(&c->dest, clean.p, ret, &exists, &mode, e) < 0)
		return -1;
	if (exists && !S_ISDIR(mode))
		return err_set(e, ERR_USAGE, "cannot copy a directory over the file /%s", ret->p);
	return make_dest(c, ret->p, true, e);
}

int copy_place(struct copier *c, const char *name, struct buf *ret, struct err *e)
{
	auto_buf struct buf clean = { 0 };
	bool exists, dir = says_directory(c->spec->dest);
	mode_t mode;

	copy_clean(str_of(c->spec->dest), &clean);
	if (dest_resolve(&c->dest, clean.p, ret, &exists, &mode, e) < 0)
		return -1;
	if (dir && exists && !S_ISDIR(mode))
		return err_set(e, ERR_USAGE, "the destination /%s is not a directory", ret->p);
	if (!dir && !(exists && S_ISDIR(mode)))
		return make_dest(c, ret->p, false, e);
	if (make_dest(c, ret->p, true, e) < 0)
		return -1;
	buf_printf(ret, "%s%s", ret->n ? "/" : "", name);
	return 0;
}

static int copy_item_dir(struct copier *c, const struct copy_item *it, struct err *e)
{
	auto_fd int src = -1;
	struct level l = { 0 };

	if (copy_place_dir(c, &c->dst, e) < 0)
		return -1;
	src = fs_open_in(c->spec->src_root, it->path, O_RDONLY | O_DIRECTORY, 0);
	if (src < 0)
		return src_error(c, e);
	errno = sketch_dir(c->dest.s, c->dst.p, &l.dst);
	if (errno)
		return err_sys(e, "open the directory /%s", c->dst.p);
	l.src = src;
	if (*it->path || c->spec->from_context)	/* the time of a stage's root is in no layer */
		see_time(c, it->st.st_mtim);
	return copy_level(c, &l, e);
}

static int copy_item_file(struct copier *c, const struct copy_item *it, struct err *e)
{
	const char *from_name, *name, *base = strrchr(it->match, '/'), *slash = strrchr(it->path, '/');
	auto_fd int src = fs_open_parent_in(c->spec->src_root, it->path, &from_name);
	auto_free char *above = xstrndup(it->path, slash ? (size_t)(slash - it->path) : 0);
	struct erofs_dir *dst;

	if (src < 0)
		return src_error(c, e);
	if (copy_place(c, base ? base + 1 : it->match, &c->dst, e) < 0)
		return -1;
	errno = sketch_parent(c->dest.s, c->dst.p, &dst, &name);
	if (errno == 0 && strlen(name) > NAME_MAX)
		errno = ENAMETOOLONG;
	if (errno)
		return err_sys(e, "open the directory of /%s", c->dst.p);
	return copy_other(c, src, sketch_from(c->dest.s, c->spec->src_root, above), from_name, dst, name, e);
}

int copy_item(struct copier *c, struct copy_items *items, size_t item, struct err *e)
{
	const struct copy_item *it = &items->v[item];
	int r;

	c->items = items;
	c->item = item;
	c->links = inodes_new();
	buf_reset(&c->src);
	buf_puts(&c->src, it->path);
	buf_reset(&c->dst);
	r = S_ISDIR(it->st.st_mode) ? copy_item_dir(c, it, e) : copy_item_file(c, it, e);
	inodes_free(take_ptr(&c->links));
	return r;
}
