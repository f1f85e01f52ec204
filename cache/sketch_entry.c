/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of an archive in a sketch: what cache/extract.c makes of them in a tree, name by name. */
#include <errno.h>

#include "base/fs.h"
#include "cache/sketch_int.h"

void sketch_archive(struct sketch *s, const struct sketch_archive *a)
{
	s->archive = *a;
	s->archives++;
	s->parent = NULL;
}

static struct timespec archive_time(const struct sketch *s)
{
	return (struct timespec){ s->archive.now_ns / 1000000000, s->archive.now_ns % 1000000000 };
}

/* The directory is about to get entries: once for each archive. */
static void keep_time(struct sketch *s, struct erofs_dir *dir)
{
	struct timespec now = archive_time(s);

	if (dir->node->extra->seen == s->archives)
		return;
	dir->node->extra->seen = s->archives;
	if (now.tv_sec > dir->node->mtime)
		sketch_set_time(s, dir->node, now);
}

/* mkdir of a directory that the archive only implies; all above it is there. */
static int imply_dir(struct sketch *s, const char *path, struct err *e)
{
	struct stat st = { .st_mode = S_IFDIR | 0755, .st_mtim = archive_time(s),
			   .st_uid = s->archive.chown ? s->archive.uid : 0, .st_gid = s->archive.chown ? s->archive.gid : 0 };
	struct erofs_node *n;
	struct erofs_dir *dir;
	const char *name;

	errno = sketch_parent(s, path, &dir, &name);
	if (errno)
		return err_sys(e, "open the directory above %s", path);
	if (sketch_child(s, dir, name, &n) == 0)
		return err_set(e, ERR_CORRUPT, "%s is needed as a directory, but is something else", path);
	keep_time(s, dir);
	sketch_put(s, dir, name, &st, NULL)->extra->seen = s->archives;
	return 0;
}

static int imply_dirs(struct sketch *s, const char *path, struct err *e)
{
	auto_buf struct buf done = { 0 };
	struct str rest = str_of(path);
	struct erofs_dir *dir;

	while (rest.p) {
		struct str part = str_cut(&rest, '/');

		if (part.n == 0)
			continue;
		if (part.n > EROFS_NAME_MAX) {
			errno = ENAMETOOLONG;
			return err_sys(e, "make the directory %s", path);
		}
		if (done.n)
			buf_putc(&done, '/');
		buf_str(&done, part);
		errno = sketch_dir(s, done.p, &dir);
		if (errno && errno != ENOENT && errno != ENOTDIR)
			return err_sys(e, "open %s", done.p);
		if (errno && imply_dir(s, done.p, e) < 0)
			return -1;
	}
	return 0;
}

/* The directory that the entry goes into. Remembered as long as entries have this parent: one that could change where
 * it leads has another parent itself. */
static int find_parent(struct sketch *s, const char *path, size_t n, struct err *e)
{
	auto_free char *dir = NULL;
	int r;

	if (s->parent && s->parent_path.n == n && (n == 0 || memcmp(s->parent_path.p, path, n) == 0))
		return 0;
	s->parent = NULL;
	dir = xasprintf("%s/%.*s", s->archive.base, (int)n, path);
	r = sketch_dir(s, dir, &s->parent);
	if (r == ENOENT || r == ENOTDIR) {
		if (imply_dirs(s, dir, e) < 0)
			return -1;
		r = sketch_dir(s, dir, &s->parent);
	}
	if (r == ELOOP)
		return err_set(e, ERR_CORRUPT, "%s lies in a loop of links", path);
	errno = r;
	if (r)
		return err_sys(e, "open the directory %s", dir);
	buf_reset(&s->parent_path);
	buf_add(&s->parent_path, path, n);
	keep_time(s, s->parent);
	return 0;
}

static struct stat stat_of(const struct sketch *s, const struct tar_entry *t)
{
	static const mode_t types[] = { [TAR_FILE - '0'] = S_IFREG, [TAR_SYMLINK - '0'] = S_IFLNK, [TAR_CHAR - '0'] = S_IFCHR,
					[TAR_BLOCKDEV - '0'] = S_IFBLK, [TAR_DIR - '0'] = S_IFDIR, [TAR_FIFO - '0'] = S_IFIFO };

	return (struct stat){
		.st_mode = types[t->type - '0'] | t->mode, .st_size = (off_t)t->size,
		.st_uid = s->archive.chown ? s->archive.uid : (uid_t)t->uid,
		.st_gid = s->archive.chown ? s->archive.gid : (gid_t)t->gid,
		.st_mtim = { t->mtime, t->mtime_ns },
	};
}

static int set_capability(struct sketch *s, struct erofs_node *n, const struct tar_entry *t, struct err *e)
{
	for (size_t i = 0; i < t->nxattrs; i++)
		if (str_is(t->xattrs[i].key, "security.capability") &&
		    erofs_capability_set(s->w, n, t->path, t->xattrs[i].value, e) < 0)
			return -1;
	return 0;
}

static int spool(struct sketch *s, struct erofs_node *n, const struct tar_entry *t, int dir, entry_data data, void *arg,
		 struct err *e)
{
	const void *p;
	size_t got;

	if (s->spool < 0)
		s->spool = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->spool < 0)
		return err_sys(e, "make a file without a name");
	n->extra->data = DATA_SPOOL;
	n->extra->at = s->spooled;
	for (;;) {
		if (data(arg, &p, &got, e) < 0)
			return -1;
		if (got == 0)
			return 0;
		if (fs_write_all(s->spool, p, got, e) < 0)
			return err_wrap(e, "%s", t->path);
		s->spooled += got;
	}
}

static int find_target(struct sketch *s, const struct tar_entry *t, struct erofs_node **ret, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s", s->archive.base, t->link);

	if (sketch_look(s, path, ret) != 0)
		return err_set(e, ERR_CORRUPT, "%s is a hard link to %s, which is not there", t->path, t->link);
	if (S_ISDIR((*ret)->mode))
		return err_set(e, ERR_CORRUPT, "%s is a hard link to %s, which is no file", t->path, t->link);
	return 0;
}

/* What is in the way goes first; if that was the target itself, or what led to it, the link has none. */
static int put_link(struct sketch *s, const char *name, const struct tar_entry *t, struct err *e)
{
	struct erofs_node *n, *old;

	if (find_target(s, t, &n, e) < 0)
		return -1;
	if (sketch_child(s, s->parent, name, &old) == 0) {
		erofs_name_get(s->w, s->parent, str_of(name))->node = NULL;
		if (find_target(s, t, &n, e) < 0)
			return -1;
	}
	sketch_hard_link(s, s->parent, name, n);
	return 0;
}

static int put_dir(struct sketch *s, const char *name, const struct tar_entry *t, struct err *e)
{
	struct stat st = stat_of(s, t);
	struct erofs_node *n = s->parent->node;

	if (strcmp(t->path, ".") != 0 && (sketch_child(s, s->parent, name, &n) != 0 || !S_ISDIR(n->mode)))
		n = sketch_put(s, s->parent, name, &st, NULL);
	else
		sketch_set(s, n, &st);
	n->extra->seen = s->archives;
	return set_capability(s, n, t, e);
}

static int put_node(struct sketch *s, const char *name, const struct tar_entry *t, int dir, entry_data data, void *arg,
		    struct err *e)
{
	struct stat st = stat_of(s, t);
	struct erofs_node *n;

	if (t->type == TAR_CHAR && t->major == 0 && t->minor == 0)
		return err_set(e, ERR_CORRUPT, "%s is a device 0:0, which means a deletion", t->path);
	if (s->userns && (t->type == TAR_CHAR || t->type == TAR_BLOCKDEV)) {
		s->left_out++;	/* an ordinary user can't make it: the tree does without */
		return 0;
	}
	n = sketch_put(s, s->parent, name, &st, t->link);
	if (t->type == TAR_CHAR || t->type == TAR_BLOCKDEV)
		n->rdev = erofs_device(t->major, t->minor);
	if (t->type != TAR_FILE)
		return 0;
	if (set_capability(s, n, t, e) < 0)
		return -1;
	return t->size ? spool(s, n, t, dir, data, arg, e) : 0;
}

int sketch_entry(struct sketch *s, const struct tar_entry *t, int dir, entry_data data, void *arg, struct err *e)
{
	const char *slash = strrchr(t->path, '/'), *name = slash ? slash + 1 : t->path;

	s->w->entries++;
	if (strcmp(t->path, ".") == 0 && t->type != TAR_DIR)
		return err_set(e, ERR_CORRUPT, "the archive's root is not a directory");
	if (find_parent(s, t->path, slash ? (size_t)(slash - t->path) : 0, e) < 0)
		return -1;
	if (strlen(name) > EROFS_NAME_MAX) {
		errno = ENAMETOOLONG;
		return err_sys(e, "create %s", t->path);
	}
	switch (t->type) {
	case TAR_DIR:
		return put_dir(s, name, t, e);
	case TAR_LINK:
		return put_link(s, name, t, e);
	default:
		return put_node(s, name, t, dir, data, arg, e);
	}
}
