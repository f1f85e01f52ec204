/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cp: a tar of the source goes through a pipe to the destination. Docker's rules on names are here
 * (docker cp's manual, cases cp-001 to cp-013); both sides are roots whose paths the kernel resolves beneath them.
 */
#include "engine/copy.h"

#include <errno.h>

#include "base/fs.h"
#include "builder/users.h"
#include "cache/archive.h"
#include "cache/extract.h"
#include "engine/tar_pipe.h"
#include "engine/tree.h"
#include "registry/transport.h"
#include "runtime/container/container.h"

#define LINKS_MAX 40		/* as the kernel has it */

struct end {
	const char *text;	/* as the user wrote it */
	char *name;		/* of the container; NULL: the host */
	char *path;		/* absolute, with its "." and slashes */
	bool stream;		/* "-" */
	struct tree tree;
	int root;
	bool slash, dot;	/* how the path ends */
};

/* "NAME:PATH"; what begins with a slash or a dot is a path, whatever colons it has. */
static void end_parse(struct end *x, const char *text)
{
	struct str path = str_of(text), name = str_cut(&path, ':');
	bool container = path.p && name.n && *text != '/' && *text != '.';
	const char *raw = container ? path.p : text;
	size_t n = strlen(raw);
	auto_free char *cwd = container || *raw == '/' ? NULL : getcwd(NULL, 0);

	*x = (struct end){ .text = text, .root = -1, .tree = { .root = -1, .ns = -1, .target = { .pidfd = -1, .proc = -1 } } };
	x->stream = strcmp(text, "-") == 0;
	x->name = container ? str_dup(name) : NULL;
	x->slash = n && raw[n - 1] == '/';
	x->dot = (n == 1 && *raw == '.') || (n > 1 && strcmp(raw + n - 2, "/.") == 0) || (container && n == 0);
	x->path = xasprintf("%s/%s", cwd ? cwd : "", raw);
}

static int end_open(struct end *x, struct store *s, struct err *e)
{
	if (x->stream)
		return 0;
	if (!x->name) {
		x->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return x->root < 0 ? err_sys(e, "open /") : 0;
	}
	if (tree_open(s, x->name, true, &x->tree, e) < 0)
		return -1;
	x->root = fcntl(x->tree.root, F_DUPFD_CLOEXEC, 3);
	return x->root < 0 ? err_sys(e, "open the container's root") : 0;
}

static void end_close(struct end *x)
{
	if (x->root >= 0)
		close(x->root);
	tree_close(&x->tree);
	free(x->name);
	free(x->path);
}

static int end_missing(const struct end *x, struct err *e)
{
	const char *path = x->name ? strchr(x->text, ':') + 1 : x->text;

	if (errno == ENOTDIR)
		return err_set(e, ERR_USAGE, "%s: not a directory", x->text);
	if (errno != ENOENT)
		return err_sys(e, "%s", x->text);
	return x->name ? err_set(e, ERR_NOT_FOUND, "Could not find the file %s in container %s", path, x->name) :
			 err_set(e, ERR_NOT_FOUND, "lstat %s: no such file or directory", path);
}

/* The last component of a path that may end in slashes and dots; the root's is "". */
static char *base_name(const char *path)
{
	auto_free char *clean = str_path_clean(path);

	return xstrdup(strrchr(clean, '/') + 1);
}

/* ---- the source ---- */

/* A link that a slash follows, or with follow, is what it points to. */
static int source_open(const struct end *x, bool follow, struct stat *st, struct err *e)
{
	bool through = follow || x->slash || x->dot;
	auto_fd int fd = fs_open_in(x->root, x->path, O_PATH | (through ? 0 : O_NOFOLLOW), 0);

	if (fd < 0 || fstat(fd, st) < 0)
		return end_missing(x, e);
	if (x->slash && !S_ISDIR(st->st_mode))
		return err_set(e, ERR_USAGE, "%s: not a directory", x->text);
	return take_fd(&fd);
}

/* ---- the destination ---- */

struct place {
	char *base, *name;	/* the directory, and what the source is called in it; NULL: only what is below the source */
};

static void place_done(struct place *p)
{
	free(p->base);
	free(p->name);
}

/* Where a chain of links at the end of path leads; the last one may be dangling. */
static char *resolve_links(int root, const char *path)
{
	char *at = xstrdup(path);

	for (int i = 0; i < LINKS_MAX; i++) {
		auto_fd int fd = fs_open_in(root, at, O_PATH | O_NOFOLLOW, 0);
		auto_free char *old = at, *slash = NULL;
		char link[TAR_PATH_MAX + 1];
		ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", link, sizeof(link) - 1);

		if (n <= 0) {
			take_ptr(&old);
			return at;
		}
		link[n] = '\0';
		slash = xstrdup(at);
		while (strlen(slash) > 1 && slash[strlen(slash) - 1] == '/')
			slash[strlen(slash) - 1] = '\0';
		*(strrchr(slash, '/') + 1) = '\0';
		at = *link == '/' ? xstrdup(link) : xasprintf("%s%s", slash, link);
	}
	return at;
}

static char *parent_of(const char *path)
{
	char *up = xstrdup(path);
	size_t n = strlen(up);

	while (n > 1 && up[n - 1] == '/')
		up[--n] = '\0';
	*(strrchr(up, '/') + 1) = '\0';
	return up;
}

static int place_new(const struct end *to, bool dir, struct place *ret, struct err *e)
{
	auto_free char *path = resolve_links(to->root, to->path);
	auto_free char *up = parent_of(path);
	auto_fd int fd = fs_open_in(to->root, up, O_PATH | O_DIRECTORY, 0);

	if (fd < 0)
		return end_missing(to, e);
	if (!dir && (to->slash || to->dot))
		return err_set(e, ERR_NOT_FOUND, "%s: no such directory", to->text);
	ret->base = take_ptr(&up);
	ret->name = base_name(path);
	return 0;
}

/* Docker's table; dir: the source is a directory, inside: only what is in it is meant. */
static int place_find(const struct end *to, const char *name, bool dir, bool inside, struct place *ret, struct err *e)
{
	auto_fd int fd = fs_open_in(to->root, to->path, O_PATH, 0);
	struct stat st;

	if (fd < 0 && errno != ENOENT)
		return end_missing(to, e);
	if (fd < 0)
		return place_new(to, dir, ret, e);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "%s", to->text);
	if (!S_ISDIR(st.st_mode)) {
		if (dir)
			return err_set(e, ERR_USAGE, "destination must be a directory when copying a directory: %s", to->text);
		if (to->slash || to->dot)
			return err_set(e, ERR_USAGE, "%s: not a directory", to->text);
		return place_new(to, dir, ret, e);
	}
	ret->base = xstrdup(to->path);
	ret->name = dir && inside ? NULL : xstrdup(name);
	return 0;
}

/* A directory is not overwritten by something else. */
static int make_way(void *arg UNUSED, int dir, const char *name, const char *path, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFLICT, "cannot overwrite directory \"/%s\" with non-directory", path);
	return unlinkat(dir, name, 0) < 0 ? err_sys(e, "remove /%s", path) : 0;
}

/* Nor is something else by a directory. */
static int check_dir(const struct end *to, const char *base, const struct tar_entry *t, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s", base, t->path);
	auto_fd int fd = t->type == TAR_DIR ? fs_open_in(to->root, path, O_PATH, 0) : -1;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFLICT, "cannot overwrite non-directory \"%s\" with directory", path);
	return 0;
}

static int owner_choose(const struct copy_args *a, const struct end *to, struct extract_opts *o, struct err *e)
{
	struct passwd_user u;

	if (!to->name) {		/* as cp does: what we make is ours */
		o->chown = !a->archive;
		o->uid = geteuid();
		o->gid = getegid();
		return 0;
	}
	if (!a->archive)
		return 0;
	if (users_lookup(to->root, container_text(to->tree.container, "Config", "User", NULL), &u, e) < 0)
		return -1;
	o->chown = true;
	o->uid = u.uid;
	o->gid = u.gid;
	passwd_user_done(&u);
	return 0;
}

static int get_data(void *in, const void **p, size_t *n, struct err *e)
{
	return archive_data(in, p, n, e);
}

static int read_only(const struct end *to, struct err *e)
{
	if (e->sys == EROFS && to->name)
		err_set(e, ERR_DENIED, "%s: container rootfs is marked read-only", to->text);
	return -1;
}

/* fd: a tar, compressed or not. */
static int unpack(struct job *j, const struct copy_args *a, const struct end *to, const char *base, int fd, struct err *e)
{
	struct job_fd src = { j, fd };
	struct extract_opts o = { .root = to->root, .base = base, .now_ns = -1, .replace = make_way };
	auto_archive struct archive_in *in = NULL;
	struct extract *x;
	struct tar_entry t;
	bool made;
	int r;

	if (owner_choose(a, to, &o, e) < 0 || archive_read_tar(job_fd_get, &src, &in, e) < 0)
		return -1;
	while (*o.base == '/')
		o.base++;
	x = extract_new(&o);
	while ((r = archive_next(in, &t, e)) > 0) {
		if (strcmp(t.path, ".") == 0)
			continue;
		r = check_dir(to, base, &t, e);
		if (r < 0 || (r = extract_put(x, &t, get_data, in, &made, e)) < 0)
			break;
	}
	if (r == 0)
		r = extract_end(x, e);
	extract_free(x);
	return r < 0 ? read_only(to, e) : 0;
}

/* ---- both ---- */

static int put_fd(void *arg, const void *p, size_t n, struct err *e)
{
	return fs_write_all(*(int *)arg, p, n, e);
}

static int to_stream(struct job *j, const struct copy_args *a, struct end *from, struct err *e)
{
	auto_free char *name = base_name(from->path);
	struct tree_tar how = { .name = from->dot || !*name ? NULL : name };
	struct stat st;
	auto_fd int fd = source_open(from, a->follow, &st, e);
	int out = 1;

	return fd < 0 ? -1 : tree_tar(j, fd, &how, put_fd, &out, e);
}

static int from_stream(struct job *j, const struct copy_args *a, const struct end *to, struct err *e)
{
	auto_fd int fd = fs_open_in(to->root, to->path, O_PATH, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return end_missing(to, e);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "destination must be a directory when copying from stdin: %s", to->text);
	if (unpack(j, a, to, to->path, 0, e) == 0)
		return 0;
	return e->kind == ERR_USAGE ? err_set(e, ERR_USAGE, "standard input must be a (compressed) tar archive") : -1;
}

static int both(struct job *j, const struct copy_args *a, struct end *from, struct end *to, uint64_t *bytes, struct err *e)
{
	auto_free char *name = base_name(from->path);
	struct place place __attribute__((cleanup(place_done))) = { 0 };
	struct tree_tar how = { 0 };
	struct tar_pipe p;
	struct stat st;
	auto_fd int fd = source_open(from, a->follow, &st, e);
	int r;

	if (fd < 0)
		return -1;
	if (place_find(to, name, S_ISDIR(st.st_mode), from->dot || !*name, &place, e) < 0)
		return -1;
	how.name = place.name;
	if (tar_pipe_start(&p, j, fd, &how, e) < 0)
		return -1;
	r = unpack(j, a, to, place.base, p.in, e);
	r = tar_pipe_end(&p, r, e);
	*bytes = p.bytes;
	return r;
}

int engine_copy(struct job *j, struct store *s, const struct copy_args *a, uint64_t *bytes, struct err *e)
{
	struct end from, to;
	int r;

	*bytes = 0;
	end_parse(&from, a->from);
	end_parse(&to, a->to);
	if (!from.name && !to.name)
		r = err_set(e, ERR_USAGE, "must specify at least one container source");
	else if (from.name && to.name)
		r = err_set(e, ERR_USAGE, "copying between containers is not supported");
	else if (end_open(&from, s, e) < 0 || end_open(&to, s, e) < 0)
		r = -1;
	else if (to.stream)
		r = to_stream(j, a, &from, e);
	else if (from.stream)
		r = from_stream(j, a, &to, e);
	else
		r = both(j, a, &from, &to, bytes, e);
	end_close(&from);
	end_close(&to);
	return r;
}

int engine_export(struct job *j, struct store *s, const char *container, int fd, struct err *e)
{
	struct tree t;
	int r = tree_open(s, container, false, &t, e);

	if (r == 0)
		r = tree_tar(j, t.root, &(struct tree_tar){ 0 }, put_fd, &fd, e);
	tree_close(&t);
	return r;
}
