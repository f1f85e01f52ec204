/* SPDX-License-Identifier: Apache-2.0 */
/* The copier: descends source and destination by directory fds. */
#include "builder/copy_tree.h"

#include <dirent.h>
#include <errno.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/extract.h"
#include "cache/names.h"
#include "parser/flags.h"

#define CHUNK ((size_t)128 << 10)	/* files up to this size go by one read and one write */
#define DEPTH_MAX 1024
#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* One directory on the way down. It is made in the destination when the first entry needs it. */
struct level {
	struct level *up;
	int src, dst;		/* dst -1: not made yet */
	const char *name;
	struct stat st;		/* of the source directory */
	bool setgid;		/* the destination hands its group on */
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

/* Best effort, as every copy tool does it: a file system may know fewer attributes; capabilities must not be lost. */
static int copy_xattrs(const struct copier *c, int from, int to, struct err *e)
{
	char list[4096], value[65536];
	ssize_t n = flistxattr(from, list, sizeof(list));

	for (const char *key = list; n > 0 && key < list + n; key += strlen(key) + 1) {
		ssize_t len;

		if (!xattr_kept(str_of(key)))
			continue;
		len = fgetxattr(from, key, value, sizeof(value));
		if (len >= 0 && fsetxattr(to, key, value, (size_t)len, 0) < 0 &&
		    strcmp(key, "security.capability") == 0)
			return err_sys(e, "set the capabilities of /%s", c->dst.p);
	}
	return 0;
}

/* Does open(2) give a new file this mode as it is? */
static bool is_simple(const struct copier *c, mode_t mode)
{
	return (mode & (07000 | c->umask)) == 0;
}

/*
 * Owner first: changing it clears set-id bits and capabilities. fresh: create() made it just now, for user 0
 * (who we are, perhaps only in our own namespace) with its mode.
 */
static int set_attributes(struct copier *c, int from, int to, const struct stat *st, bool fresh, struct err *e)
{
	const struct timespec times[2] = { st->st_mtim, st->st_mtim };
	uid_t uid;
	gid_t gid;

	new_owner(c, st, &uid, &gid);
	if ((!fresh || c->setgid || uid || gid) && fchown(to, uid, gid) < 0)
		return owner_error(e, c->dst.p, uid, gid);
	if ((!fresh || !is_simple(c, new_mode(c, st)) || uid || gid) && fchmod(to, new_mode(c, st)) < 0)
		return err_sys(e, "set the mode of /%s", c->dst.p);
	if (from >= 0 && copy_xattrs(c, from, to, e) < 0)
		return -1;
	if (futimens(to, times) < 0)
		return err_sys(e, "set the time of /%s", c->dst.p);
	see_time(c, st->st_mtim);
	return 0;
}

int copy_clear(int dir, const char *name, const char *path, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "stat /%s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "cannot replace the directory /%s by a file", path);
	return unlinkat(dir, name, 0) < 0 ? err_sys(e, "replace /%s", path) : 0;
}

static int create(const struct copier *c, int dir, const char *name, mode_t mode, struct err *e)
{
	static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, name, flags, mode);

	if (fd < 0 && errno == EEXIST) {
		if (copy_clear(dir, name, c->dst.p, e) < 0)
			return -1;
		fd = openat(dir, name, flags, mode);
	}
	return fd < 0 ? err_sys(e, "create /%s", c->dst.p) : fd;
}

static int copy_bytes(struct copier *c, int from, int to, uint64_t size, struct err *e)
{
	if (size > 0 && size <= CHUNK) {
		ssize_t n = read(from, c->chunk, CHUNK);

		if (n < 0)
			return src_error(c, e);
		return fs_write_all(to, c->chunk, (size_t)n, e) < 0 ? err_wrap(e, "/%s", c->dst.p) : 0;
	}
	return fs_copy_data(from, to, size, e) < 0 ? err_wrap(e, "copy /%s", c->src.p) : 0;
}

static int copy_file(struct copier *c, int src, const char *from_name, int dst, const char *name, struct err *e)
{
	auto_fd int from = openat(src, from_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), to = -1;
	const char *first;
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return src_error(c, e);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFLICT, "/%s changed while it was copied", c->src.p);
	first = st.st_nlink > 1 ? inodes_see(c->links, &st, c->dst.p) : NULL;
	if (first) {
		const char *first_name;
		auto_fd int dir = fs_open_parent_in(c->dest.root, first, &first_name);

		if (copy_clear(dst, name, c->dst.p, e) < 0)
			return -1;
		return dir < 0 || linkat(dir, first_name, dst, name, 0) < 0 ? err_sys(e, "link /%s", c->dst.p) : 0;
	}
	to = create(c, dst, name, is_simple(c, new_mode(c, &st)) ? new_mode(c, &st) : 0600, e);
	if (to < 0 || copy_bytes(c, from, to, (uint64_t)st.st_size, e) < 0)
		return -1;
	return set_attributes(c, from, to, &st, geteuid() == 0 && getegid() == 0, e);
}

static int copy_link(struct copier *c, int src, const char *from_name, int dst, const char *name,
		     const struct stat *st, struct err *e)
{
	const struct timespec times[2] = { st->st_mtim, st->st_mtim };
	char target[4096];
	ssize_t n = readlinkat(src, from_name, target, sizeof(target) - 1);
	uid_t uid;
	gid_t gid;

	if (n < 0)
		return src_error(c, e);
	target[n] = '\0';
	new_owner(c, st, &uid, &gid);
	if (copy_clear(dst, name, c->dst.p, e) < 0)
		return -1;
	if (symlinkat(target, dst, name) < 0)
		return err_sys(e, "create the link /%s", c->dst.p);
	if (fchownat(dst, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return owner_error(e, c->dst.p, uid, gid);
	if (utimensat(dst, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "set the time of /%s", c->dst.p);
	see_time(c, st->st_mtim);
	return 0;
}

/* Pipes and devices anew; of a socket an empty file is left. */
static int copy_node(struct copier *c, int dst, const char *name, const struct stat *st, struct err *e)
{
	const struct timespec times[2] = { st->st_mtim, st->st_mtim };
	mode_t type = S_ISSOCK(st->st_mode) ? S_IFREG : st->st_mode & S_IFMT;
	uid_t uid;
	gid_t gid;

	new_owner(c, st, &uid, &gid);
	if (copy_clear(dst, name, c->dst.p, e) < 0)
		return -1;
	if (mknodat(dst, name, type | 0600, st->st_rdev) < 0)
		return err_sys(e, "make the special file /%s", c->dst.p);
	if (fchownat(dst, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return owner_error(e, c->dst.p, uid, gid);
	if (fchmodat(dst, name, new_mode(c, st), 0) < 0 ||
	    utimensat(dst, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "set the attributes of /%s", c->dst.p);
	see_time(c, st->st_mtim);
	return 0;
}

static int copy_other(struct copier *c, int src, const char *from_name, int dst, const char *name,
		      struct err *e)
{
	struct stat st;

	if (fstatat(src, from_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return src_error(c, e);
	if (S_ISREG(st.st_mode))
		return copy_file(c, src, from_name, dst, name, e);
	if (S_ISLNK(st.st_mode))
		return copy_link(c, src, from_name, dst, name, &st, e);
	return copy_node(c, dst, name, &st, e);
}

/* l exists in the destination afterwards. */
static int need_level(struct copier *c, struct level *l, bool picked, struct err *e)
{
	struct stat st;

	if (l->dst >= 0) {
		l->keep = l->keep && !picked;
		return 0;
	}
	if (need_level(c, l->up, false, e) < 0)
		return -1;
	if (mkdirat(l->up->dst, l->name, 0700) < 0) {
		if (errno != EEXIST)
			return err_sys(e, "make the directory /%s", c->dst.p);
		if (fstatat(l->up->dst, l->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "stat /%s", c->dst.p);
		if (!S_ISDIR(st.st_mode))
			return err_set(e, ERR_USAGE, "cannot copy the directory /%s over the file /%s", c->src.p,
				       c->dst.p);
		l->keep = !picked;
	}
	l->dst = openat(l->up->dst, l->name, OPEN_DIR);
	if (l->dst < 0 || fstat(l->dst, &st) < 0)
		return err_sys(e, "open the directory /%s", c->dst.p);
	l->setgid = st.st_mode & S_ISGID;
	return 0;
}

static int copy_level(struct copier *c, struct level *l, struct err *e);

static int copy_subdir(struct copier *c, struct level *up, const char *name, bool picked, struct err *e)
{
	auto_fd int src = openat(up->src, name, OPEN_DIR), dst = -1;
	struct level l = { .up = up, .src = src, .dst = -1, .name = name, .depth = up->depth + 1 };
	int r;

	if (src < 0 || fstat(src, &l.st) < 0)
		return src_error(c, e);
	if (l.depth > DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "/%s: more than %d directories deep", c->src.p, DEPTH_MAX);
	r = picked ? need_level(c, &l, true, e) : 0;
	if (r == 0)
		r = copy_level(c, &l, e);
	dst = l.dst;
	if (r == 0 && dst >= 0 && !l.keep)
		r = set_attributes(c, src, dst, &l.st, false, e);
	return r;
}

static int copy_entry(struct copier *c, struct level *l, const struct name *n, struct err *e)
{
	enum tree_pick pick = copy_pick(c->items, c->item, c->src.p, n->type == DT_DIR);

	if (pick == PICK_NO || (pick == PICK_BELOW && n->type != DT_DIR))
		return 0;
	if (n->type == DT_DIR)
		return copy_subdir(c, l, n->s, pick == PICK_YES, e);
	if (need_level(c, l, false, e) < 0)
		return -1;
	c->setgid = l->setgid;
	return n->type == DT_REG ? copy_file(c, l->src, n->s, l->dst, n->s, e) :
		copy_other(c, l->src, n->s, l->dst, n->s, e);
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
		r = copy_entry(c, l, &names.v[i], e);
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
	struct stat st;
	bool exists;

	copy_clean(str_of(c->spec->dest), &clean);
	if (dest_resolve(&c->dest, clean.p, ret, &exists, &st, e) < 0)
		return -1;
	if (exists && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "cannot copy a directory over the file /%s", ret->p);
	return make_dest(c, ret->p, true, e);
}

int copy_place(struct copier *c, const char *name, struct buf *ret, struct err *e)
{
	auto_buf struct buf clean = { 0 };
	bool exists, dir = says_directory(c->spec->dest);
	struct stat st;

	copy_clean(str_of(c->spec->dest), &clean);
	if (dest_resolve(&c->dest, clean.p, ret, &exists, &st, e) < 0)
		return -1;
	if (dir && exists && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "the destination /%s is not a directory", ret->p);
	if (!dir && !(exists && S_ISDIR(st.st_mode)))
		return make_dest(c, ret->p, false, e);
	if (make_dest(c, ret->p, true, e) < 0)
		return -1;
	buf_printf(ret, "%s%s", ret->n ? "/" : "", name);
	return 0;
}

static int copy_item_dir(struct copier *c, const struct copy_item *it, struct err *e)
{
	auto_fd int src = -1, dst = -1;
	struct level l = { 0 };
	struct stat st;

	if (copy_place_dir(c, &c->dst, e) < 0)
		return -1;
	src = fs_open_in(c->spec->src_root, it->path, O_RDONLY | O_DIRECTORY, 0);
	if (src < 0)
		return src_error(c, e);
	dst = fs_open_in(c->dest.root, c->dst.p, O_RDONLY | O_DIRECTORY, 0);
	if (dst < 0 || fstat(dst, &st) < 0)
		return err_sys(e, "open the directory /%s", c->dst.p);
	l.src = src;
	l.dst = dst;
	l.setgid = st.st_mode & S_ISGID;
	see_time(c, it->st.st_mtim);
	return copy_level(c, &l, e);
}

static int copy_item_file(struct copier *c, const struct copy_item *it, struct err *e)
{
	const char *from_name, *name, *base = strrchr(it->match, '/');
	auto_fd int src = fs_open_parent_in(c->spec->src_root, it->path, &from_name), dst = -1;
	struct stat st;

	if (src < 0)
		return src_error(c, e);
	if (copy_place(c, base ? base + 1 : it->match, &c->dst, e) < 0)
		return -1;
	dst = fs_open_parent_in(c->dest.root, c->dst.p, &name);
	if (dst < 0 || fstat(dst, &st) < 0)
		return err_sys(e, "open the directory of /%s", c->dst.p);
	c->setgid = st.st_mode & S_ISGID;
	return copy_other(c, src, from_name, dst, name, e);
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
