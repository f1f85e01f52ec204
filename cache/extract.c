/* SPDX-License-Identifier: Apache-2.0 */
/* Making files of archive entries, by directory fds only. */
#include "cache/extract.h"

#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>

#include "base/fs.h"
#include "cache/names.h"
#include "cache/whiteout.h"

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct dir_time {
	char *path;
	struct timespec mtime;
};

struct extract {
	struct extract_opts o;
	bool userns;
	int parent;			/* directory of the last entry, -1: none */
	struct buf parent_name;		/* as entries call it, beneath base */
	struct buf parent_path;		/* beneath root, without links; a trailing slash unless empty */
	struct buf path;		/* parent_path and the entry's name */
	struct inodes *seen;		/* directories whose times are settled */
	struct dir_time *times;
	size_t ntimes, cap;
	struct strv opaque;
	uint64_t left_out;
};

/* What extract_put() carries about. */
struct put {
	const struct tar_entry *t;
	const char *name;		/* last component */
	entry_data data;
	void *arg;
	uid_t uid;
	gid_t gid;
	struct timespec times[2];
};

struct extract *extract_new(const struct extract_opts *o)
{
	struct extract *x = xcalloc(1, sizeof(*x));

	x->o = *o;
	x->userns = whiteout_userns();
	x->parent = -1;
	x->seen = inodes_new();
	return x;
}

static void forget_parent(struct extract *x)
{
	if (x->parent >= 0)
		close(take_fd(&x->parent));
}

void extract_free(struct extract *x)
{
	if (!x)
		return;
	forget_parent(x);
	for (size_t i = 0; i < x->ntimes; i++)
		free(x->times[i].path);
	free(x->times);
	strv_done(&x->opaque);
	buf_done(&x->parent_name);
	buf_done(&x->parent_path);
	buf_done(&x->path);
	inodes_free(x->seen);
	free(x);
}

const char *extract_path(const struct extract *x)
{
	return x->path.p;
}

uint64_t extract_left_out(const struct extract *x)
{
	return x->left_out;
}

int owner_error(struct err *e, const char *path, uint64_t uid, uint64_t gid)
{
	if (errno != EINVAL && errno != EPERM)
		return err_sys(e, "set the owner of %s", path);
	err_set(e, ERR_USAGE, "this needs user ids that you don't have: %s belongs to %llu:%llu", path,
		(unsigned long long)uid, (unsigned long long)gid);
	return err_hint(e, "run as root, or have ranges for your user in /etc/subuid and /etc/subgid "
			   "and the program newuidmap installed (Debian: uidmap)");
}

bool xattr_kept(struct str key)
{
	return str_is(key, "security.capability") ||
	       (str_starts(key, "user.") && !str_starts(key, "user.overlay."));
}

static void push_time(struct extract *x, const char *path, struct timespec t)
{
	if (x->ntimes == x->cap) {
		x->cap = MAX((size_t)64, x->cap * 2);
		x->times = xrealloc(x->times, x->cap * sizeof(*x->times));
	}
	x->times[x->ntimes++] = (struct dir_time){ xstrdup(path), t };
}

/* Remove what is at name, so that something else can be there. *was_whiteout: it was one. */
static int clear_name(struct extract *x, int dir, const char *name, const char *path, bool *was_whiteout,
		      struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "stat %s", path);
	*was_whiteout = x->o.layer && whiteout_is(&st);
	if (x->o.replace && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return x->o.replace(x->o.arg, dir, name, path, e);
	return fs_remove(dir, name, e);
}

static int mark_opaque(struct extract *x, int dir, const char *path, struct err *e)
{
	if (opaque_set(dir, x->userns) < 0)
		return err_sys(e, "mark the directory %s as opaque", path);
	strv_add(&x->opaque, path);
	return 0;
}

/* The times of a directory that was there before: entries put into it shall not make them the present time. */
static int keep_time(struct extract *x, int dir, const char *path, struct err *e)
{
	struct timespec now = { x->o.now_ns / 1000000000, x->o.now_ns % 1000000000 };
	struct stat st;

	if (x->o.layer || x->o.now_ns < 0)
		return 0;
	if (fstat(dir, &st) < 0)
		return err_sys(e, "stat %s", path);
	if (inodes_see(x->seen, &st, ""))
		return 0;
	if (st.st_mtim.tv_sec > now.tv_sec)
		now = st.st_mtim;
	push_time(x, *path ? path : ".", now);
	return 0;
}

/* mkdir of a directory that the archive only implies, or replaces a whiteout (its old contents stay hidden). */
static int imply_dir(struct extract *x, const char *path, struct err *e)
{
	const char *name;
	auto_fd int parent = fs_open_parent_in(x->o.root, path, &name), fd = -1;
	auto_buf struct buf real = { 0 };	/* path without links */
	bool was_whiteout = false;
	struct stat st;

	if (parent < 0)
		return err_sys(e, "open the directory above %s", path);
	if (path_below(x->o.root, parent, &real) < 0)
		return err_sys(e, "read a path of /proc/self/fd");
	if (keep_time(x, parent, real.p, e) < 0)
		return -1;
	buf_printf(&real, "%s%s", real.n ? "/" : "", name);
	if (x->o.layer && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && whiteout_is(&st)) {
		was_whiteout = true;
		if (unlinkat(parent, name, 0) < 0)
			return err_sys(e, "replace %s", path);
	}
	if (mkdirat(parent, name, 0755) < 0) {
		if (errno != EEXIST)
			return err_sys(e, "make the directory %s", path);
		return err_set(e, ERR_CORRUPT, "%s is needed as a directory, but is something else", path);
	}
	fd = openat(parent, name, OPEN_DIR);
	if (fd < 0 || fchown(fd, x->o.chown ? x->o.uid : 0, x->o.chown ? x->o.gid : 0) < 0 || fchmod(fd, 0755) < 0)
		return err_sys(e, "set up the directory %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", path);
	inodes_see(x->seen, &st, "");
	if (x->o.now_ns >= 0)
		push_time(x, real.p, (struct timespec){ x->o.now_ns / 1000000000, x->o.now_ns % 1000000000 });
	return was_whiteout ? mark_opaque(x, fd, real.p, e) : 0;
}

/* dir and all above it exist afterwards; path is beneath root. */
static int imply_dirs(struct extract *x, const char *path, struct err *e)
{
	auto_buf struct buf done = { 0 };
	struct str rest = str_of(path);

	while (rest.p) {
		struct str part = str_cut(&rest, '/');
		int fd;

		if (part.n == 0)
			continue;
		if (done.n)
			buf_putc(&done, '/');
		buf_str(&done, part);
		fd = fs_open_in(x->o.root, done.p, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0)
			close(fd);
		else if (errno != ENOENT && errno != ENOTDIR)
			return err_sys(e, "open %s", done.p);
		else if (imply_dir(x, done.p, e) < 0)
			return -1;
	}
	return 0;
}

/* Find out what the parent is called without links. */
static int name_parent(struct extract *x, struct err *e)
{
	if (path_below(x->o.root, x->parent, &x->parent_path) < 0)
		return err_sys(e, "read a path of /proc/self/fd");
	if (keep_time(x, x->parent, x->parent_path.p, e) < 0)
		return -1;
	if (x->parent_path.n)
		buf_putc(&x->parent_path, '/');
	return 0;
}

/* Make x->parent the directory of path and x->path its name; *name is the last component. */
static int open_parent(struct extract *x, const char *path, const char **name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	auto_buf struct buf dir = { 0 };

	*name = slash ? slash + 1 : path;
	if (x->parent < 0 || x->parent_name.n != n || memcmp(x->parent_name.p, path, n) != 0) {
		forget_parent(x);
		buf_printf(&dir, "%s/%.*s", x->o.base, (int)n, path);
		x->parent = fs_open_in(x->o.root, dir.p, O_PATH | O_DIRECTORY, 0);
		if (x->parent < 0 && (errno == ENOENT || errno == ENOTDIR)) {
			if (imply_dirs(x, dir.p, e) < 0)
				return -1;
			x->parent = fs_open_in(x->o.root, dir.p, O_PATH | O_DIRECTORY, 0);
		}
		if (x->parent < 0 && errno == ELOOP)
			return err_set(e, ERR_CORRUPT, "%s lies in a loop of links", path);
		if (x->parent < 0)
			return err_sys(e, "open the directory %s", dir.p);
		buf_reset(&x->parent_name);
		buf_add(&x->parent_name, path, n);
		if (name_parent(x, e) < 0)
			return -1;
	}
	/* Stays right as long as entries have this parent: one that replaces it has another parent itself. */
	buf_reset(&x->path);
	buf_str(&x->path, buf_view(&x->parent_path));
	buf_puts(&x->path, *name);
	return 0;
}

static int set_xattrs(const struct put *p, int fd, struct err *e)
{
	for (size_t i = 0; i < p->t->nxattrs; i++) {
		const struct tar_xattr *xa = &p->t->xattrs[i];
		char key[256];

		if (!xattr_kept(xa->key) || xa->key.n >= sizeof(key))
			continue;
		memcpy(key, xa->key.p, xa->key.n);
		key[xa->key.n] = '\0';
		if (fsetxattr(fd, key, xa->value.p, xa->value.n, 0) < 0 && strncmp(key, "user.", 5) != 0)
			return err_sys(e, "set the attribute %s of %s", key, p->t->path);
	}
	return 0;
}

/* Owner first: changing it clears set-id bits and capabilities. */
static int set_attributes(const struct put *p, int fd, struct err *e)
{
	if (fchown(fd, p->uid, p->gid) < 0)
		return owner_error(e, p->t->path, p->uid, p->gid);
	if (fchmod(fd, p->t->mode) < 0)
		return err_sys(e, "set the mode of %s", p->t->path);
	return set_xattrs(p, fd, e);
}

static int put_dir(struct extract *x, const struct put *p, struct err *e)
{
	bool was_whiteout = false, root = strcmp(p->t->path, ".") == 0;
	auto_fd int fd = -1;
	int dir = x->parent;
	struct stat st;

	if (!root && mkdirat(dir, p->name, 0700) < 0) {
		if (errno != EEXIST)
			return err_sys(e, "make the directory %s", p->t->path);
		if (fstatat(dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
			if (clear_name(x, dir, p->name, x->path.p, &was_whiteout, e) < 0)
				return -1;
			if (mkdirat(dir, p->name, 0700) < 0)
				return err_sys(e, "make the directory %s", p->t->path);
		}
	}
	fd = openat(dir, p->name, OPEN_DIR);
	if (fd < 0)
		return err_sys(e, "open the directory %s", p->t->path);
	if (was_whiteout && mark_opaque(x, fd, x->path.p, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", p->t->path);
	inodes_see(x->seen, &st, "");
	push_time(x, x->path.p, p->times[1]);
	return set_attributes(p, fd, e);
}

static int write_data(const struct put *p, int fd, struct err *e)
{
	const void *bytes;
	size_t n;

	for (;;) {
		if (p->data(p->arg, &bytes, &n, e) < 0)
			return -1;
		if (n == 0)
			return 0;
		if (fs_write_all(fd, bytes, n, e) < 0)
			return err_wrap(e, "%s", p->t->path);
	}
}

static int put_file(struct extract *x, const struct put *p, struct err *e)
{
	static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	auto_fd int fd = openat(x->parent, p->name, flags, 0600);

	if (fd < 0)
		return err_sys(e, "create %s", p->t->path);
	if (write_data(p, fd, e) < 0 || set_attributes(p, fd, e) < 0)
		return -1;
	return futimens(fd, p->times) < 0 ? err_sys(e, "set the time of %s", p->t->path) : 0;
}

static int put_link(struct extract *x, const struct put *p, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s", x->o.base, p->t->link);
	const char *name;
	auto_fd int dir = fs_open_parent_in(x->o.root, path, &name);
	struct stat st;

	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, ERR_CORRUPT, "%s is a hard link to %s, which is not there", p->t->path,
			       p->t->link);
	if (S_ISDIR(st.st_mode) || (x->o.layer && whiteout_is(&st)))
		return err_set(e, ERR_CORRUPT, "%s is a hard link to %s, which is no file", p->t->path,
			       p->t->link);
	if (linkat(dir, name, x->parent, p->name, 0) < 0)
		return err_sys(e, "link %s to %s", p->t->path, p->t->link);
	return 0;
}

/* Link targets are kept as they are; nothing of ours follows them outside of root. */
static int put_node(struct extract *x, const struct put *p, struct err *e)
{
	const struct tar_entry *t = p->t;
	mode_t type = t->type == TAR_CHAR ? S_IFCHR : t->type == TAR_BLOCKDEV ? S_IFBLK : S_IFIFO;
	int r = t->type == TAR_SYMLINK ? symlinkat(t->link, x->parent, p->name) :
		mknodat(x->parent, p->name, type | 0600, makedev(t->major, t->minor));

	if (r < 0)
		return err_sys(e, "create %s", t->path);
	if (fchownat(x->parent, p->name, p->uid, p->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return owner_error(e, t->path, p->uid, p->gid);
	if (t->type != TAR_SYMLINK && fchmodat(x->parent, p->name, t->mode, 0) < 0)
		return err_sys(e, "set the mode of %s", t->path);
	if (utimensat(x->parent, p->name, p->times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "set the time of %s", t->path);
	return 0;
}

static int put_once(struct extract *x, const struct put *p, struct err *e)
{
	switch (p->t->type) {
	case TAR_DIR:
		return put_dir(x, p, e);
	case TAR_FILE:
		return put_file(x, p, e);
	case TAR_LINK:
		return put_link(x, p, e);
	default:
		return put_node(x, p, e);
	}
}

/* ".wh.NAME": hide NAME of the layers below, but nothing that this layer has itself. */
static int put_whiteout(struct extract *x, const struct put *p, struct err *e)
{
	const char *hidden = p->name + sizeof(WH_PREFIX) - 1;
	auto_free char *path = xasprintf("%s%s", x->parent_path.p, hidden);
	auto_fd int fd = -1;
	struct stat st;

	if (p->t->type != TAR_FILE || !*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		return err_set(e, ERR_CORRUPT, "%s is not a proper whiteout", p->t->path);
	if (strcmp(p->name, WH_OPAQUE) == 0) {
		fd = fs_reopen(x->parent, O_RDONLY | O_DIRECTORY);
		return fd < 0 ? err_sys(e, "open the directory of %s", p->t->path) :
			mark_opaque(x, fd, x->parent_path.p, e);
	}
	if (strncmp(p->name, WH_META, sizeof(WH_META) - 1) == 0)
		return 0;
	if (whiteout_make(x->parent, hidden) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(e, "make a whiteout for %s", p->t->path);
	if (fstatat(x->parent, hidden, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "stat %s", path);
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(x->parent, hidden, OPEN_DIR);
	return fd < 0 ? err_sys(e, "open %s", path) : mark_opaque(x, fd, path, e);
}

static struct put prepare(struct extract *x, const struct tar_entry *t, entry_data data, void *arg)
{
	struct timespec mtime = { t->mtime, t->mtime_ns };

	return (struct put){
		.t = t, .data = data, .arg = arg, .times = { mtime, mtime },
		.uid = x->o.chown ? x->o.uid : (uid_t)t->uid, .gid = x->o.chown ? x->o.gid : (gid_t)t->gid,
	};
}

/* A device node by an ordinary user: the tree does without it. */
static bool may_leave_out(struct extract *x, const struct tar_entry *t, const struct err *e)
{
	return x->userns && (t->type == TAR_CHAR || t->type == TAR_BLOCKDEV) && e->kind == ERR_SYS &&
	       e->sys == EPERM;
}

int extract_put(struct extract *x, const struct tar_entry *t, entry_data data, void *arg, bool *made,
		struct err *e)
{
	struct put p = prepare(x, t, data, arg);
	bool was_whiteout = false;

	*made = false;
	if (strcmp(t->path, ".") == 0 && t->type != TAR_DIR)
		return err_set(e, ERR_CORRUPT, "the archive's root is not a directory");
	if (open_parent(x, t->path, &p.name, e) < 0)
		return -1;
	if (x->o.layer && strncmp(p.name, WH_PREFIX, sizeof(WH_PREFIX) - 1) == 0)
		return put_whiteout(x, &p, e);
	if (x->o.layer && t->type == TAR_CHAR && t->major == 0 && t->minor == 0)
		return err_set(e, ERR_CORRUPT, "%s is a device 0:0, which means a deletion", t->path);
	*made = true;
	if (put_once(x, &p, e) == 0)
		return 0;
	if (e->kind == ERR_SYS && e->sys == EEXIST && t->type != TAR_DIR) {
		err_clear(e);
		if (clear_name(x, x->parent, p.name, x->path.p, &was_whiteout, e) < 0)
			return -1;
		if (put_once(x, &p, e) == 0)
			return 0;
	}
	if (!may_leave_out(x, t, e))
		return -1;
	err_clear(e);
	x->left_out++;
	*made = false;
	return 0;
}

/* Inside an opaque directory nothing of the layers below is seen: whiteouts there would only show up as devices. */
static int tidy_opaque(int dir, int depth, struct err *e)
{
	auto_names struct names names = { 0 };
	struct stat st;

	if (names_read(dir, &names) < 0)
		return err_sys(e, "list an opaque directory");
	for (size_t i = 0; i < names.n; i++) {
		const char *s = names.v[i].s;

		if (fstatat(dir, s, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "stat %s", s);
		if (whiteout_is(&st) && unlinkat(dir, s, 0) < 0)
			return err_sys(e, "remove %s", s);
		if (S_ISDIR(st.st_mode) && depth < TAR_DEPTH_MAX) {
			auto_fd int sub = openat(dir, s, OPEN_DIR);

			if (sub < 0 || tidy_opaque(sub, depth + 1, e) < 0)
				return sub < 0 ? err_sys(e, "open %s", s) : -1;
		}
	}
	return 0;
}

/* What was made at path, unless a later entry put something else there: a link, say, to another directory. */
static int open_made(const struct extract *x, const char *path, int *ret, struct err *e)
{
	*ret = fs_open_plain_in(x->o.root, path, O_RDONLY | O_DIRECTORY);
	return *ret >= 0 || errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : err_sys(e, "open %s", path);
}

int extract_end(struct extract *x, struct err *e)
{
	forget_parent(x);
	for (size_t i = 0; i < x->opaque.n; i++) {
		auto_fd int fd = -1;

		if (open_made(x, x->opaque.v[i], &fd, e) < 0)
			return -1;
		if (fd >= 0 && opaque_get(fd, x->userns) > 0 && tidy_opaque(fd, 0, e) < 0)
			return err_wrap(e, "%s", x->opaque.v[i]);
	}
	for (size_t i = 0; i < x->ntimes; i++) {
		struct timespec t[2] = { x->times[i].mtime, x->times[i].mtime };
		auto_fd int fd = -1;

		if (open_made(x, x->times[i].path, &fd, e) < 0)
			return -1;
		if (fd >= 0 && futimens(fd, t) < 0)
			return err_sys(e, "set the time of %s", x->times[i].path);
	}
	return 0;
}
