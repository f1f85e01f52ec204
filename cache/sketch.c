/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a sketch: what is below shows through where nothing was changed. */
#include <errno.h>
#include <sys/sysmacros.h>

#include "base/fs.h"
#include "cache/sketch_int.h"
#include "cache/whiteout.h"

#define LINKS_MAX 40		/* the kernel's MAXSYMLINKS */

struct sketch *sketch_new(int lower)
{
	struct sketch *s = xcalloc(1, sizeof(*s));
	struct stat st;

	s->userns = whiteout_userns();
	s->w = erofs_new(s->userns);
	s->lower = lower;
	s->at_fd = s->spool = -1;
	s->w->root->node->extra = arena_new(&s->w->arena, struct sketch_extra);
	if (lower < 0)
		return s;
	s->w->root->lower = "";
	s->w->root->node->extra->shadow = true;
	if (fstat(lower, &st) == 0) {
		sketch_set(s, s->w->root->node, &st);
		s->w->root->node->mtime_ns = 0;
	}
	return s;
}

void sketch_free(struct sketch *s)
{
	if (!s)
		return;
	if (s->at_fd >= 0)
		close(s->at_fd);
	if (s->spool >= 0)
		close(s->spool);
	buf_done(&s->parent_path);
	erofs_free(s->w);
	free(s);
}

struct erofs_dir *sketch_root(struct sketch *s)
{
	return s->w->root;
}

mode_t sketch_mode(const struct erofs_node *n)
{
	return n->mode;
}

struct timespec sketch_time(const struct erofs_node *n)
{
	return (struct timespec){ n->mtime, n->mtime_ns };
}

const char *sketch_target(const struct erofs_node *n)
{
	return n->target;
}

struct erofs_dir *sketch_as_dir(const struct erofs_node *n)
{
	return n->dir;
}

/* ---- looking ---- */

static struct erofs_node *node_new(struct sketch *s, struct erofs_dir *dir, mode_t mode)
{
	struct erofs_node *n = S_ISDIR(mode) ? erofs_dir_new(s->w, dir, 0, 0, 0) : erofs_node_new(s->w, mode & S_IFMT, 0, 0);

	n->extra = arena_new(&s->w->arena, struct sketch_extra);
	return n;
}

static void set_type_data(struct sketch *s, struct erofs_node *n, const struct stat *st, const char *target)
{
	if (S_ISLNK(st->st_mode)) {
		n->size = strlen(target);
		n->target = arena_strndup(&s->w->arena, target, n->size);
		n->mode = S_IFLNK | 0777;
	} else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		n->rdev = erofs_device(major(st->st_rdev), minor(st->st_rdev));
	} else if (S_ISREG(st->st_mode)) {
		n->size = (uint64_t)st->st_size;
	}
}

static const char *join(struct sketch *s, const char *dir, struct str name)
{
	return arena_printf(&s->w->arena, "%s%s" STR_FMT, dir, *dir ? "/" : "", STR_ARG(name));
}

static int open_lower(struct sketch *s, const struct erofs_dir *dir)
{
	if (s->at == dir)
		return 0;
	if (s->at_fd >= 0)
		close(s->at_fd);
	s->at = NULL;
	s->at_fd = fs_open_in(s->lower, dir->lower, O_PATH | O_DIRECTORY, 0);
	if (s->at_fd < 0)
		return errno;
	s->at = dir;
	return 0;
}

/* What the lower tree has at the name, as a shadow in the sketch. */
static int shadow(struct sketch *s, struct erofs_dir *dir, struct str part, struct erofs_node **ret)
{
	char name[EROFS_NAME_MAX + 1], target[4096] = "";
	struct erofs_node *n;
	struct stat st;
	ssize_t len = 0;
	int r = open_lower(s, dir);

	if (r)
		return r;
	memcpy(name, part.p, part.n);
	name[part.n] = '\0';
	if (fstatat(s->at_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno;
	if (whiteout_is(&st))
		return ENOENT;
	if (S_ISLNK(st.st_mode) && (len = readlinkat(s->at_fd, name, target, sizeof(target) - 1)) < 0)
		return errno;
	target[len] = '\0';
	n = node_new(s, dir, st.st_mode);
	sketch_set(s, n, &st);
	set_type_data(s, n, &st, target);
	n->extra->shadow = true;
	if (S_ISDIR(st.st_mode)) {
		n->dir->lower = join(s, dir->lower, part);
	} else if (S_ISREG(st.st_mode)) {
		sketch_read_from(s, n, sketch_from(s, s->lower, dir->lower), name);
		n->extra->shadow = true;
	}
	erofs_name_get(s->w, dir, part)->node = n;
	*ret = n;
	return 0;
}

static int child(struct sketch *s, struct erofs_dir *dir, struct str part, struct erofs_node **ret)
{
	struct erofs_name *n;

	if (part.n > EROFS_NAME_MAX)
		return ENAMETOOLONG;
	n = erofs_name_find(s->w, dir, part);
	if (n && n->node && !erofs_is_whiteout(n->node)) {
		*ret = n->node;
		return 0;
	}
	return n || !dir->lower ? ENOENT : shadow(s, dir, part, ret);
}

int sketch_child(struct sketch *s, struct erofs_dir *dir, const char *name, struct erofs_node **ret)
{
	return child(s, dir, str_of(name), ret);
}

struct walk {
	struct sketch *s;
	struct erofs_dir *at;
	unsigned links;		/* followed so far */
};

static int follow(struct walk *k, struct str path);

static int step(struct walk *k, struct str part)
{
	struct erofs_node *n;
	int r;

	if (part.n == 0 || str_is(part, "."))
		return 0;
	if (str_is(part, "..")) {
		k->at = k->at->parent;
		return 0;
	}
	r = child(k->s, k->at, part, &n);
	if (r)
		return r;
	if (S_ISDIR(n->mode)) {
		k->at = n->dir;
		return 0;
	}
	if (!S_ISLNK(n->mode))
		return ENOTDIR;
	return ++k->links > LINKS_MAX ? ELOOP : follow(k, (struct str){ n->target, n->size });
}

/* Recursion goes as deep as links lead into each other, LINKS_MAX at most. */
static int follow(struct walk *k, struct str path)
{
	int r = 0;

	if (path.n && path.p[0] == '/')
		k->at = k->s->w->root;
	while (path.p && r == 0)
		r = step(k, str_cut(&path, '/'));
	return r;
}

static int walk(struct sketch *s, struct str path, struct erofs_dir **ret)
{
	struct walk k = { s, s->w->root, 0 };
	int r = follow(&k, path);

	if (r == 0)
		*ret = k.at;
	return r;
}

int sketch_dir(struct sketch *s, const char *path, struct erofs_dir **ret)
{
	return walk(s, str_of(path), ret);
}

int sketch_parent(struct sketch *s, const char *path, struct erofs_dir **ret, const char **name)
{
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	return walk(s, (struct str){ path, slash ? (size_t)(slash - path) : 0 }, ret);
}

int sketch_look(struct sketch *s, const char *path, struct erofs_node **ret)
{
	struct erofs_dir *dir;
	const char *name;
	int r = sketch_parent(s, path, &dir, &name);

	if (r)
		return r;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		*ret = strcmp(name, "..") == 0 ? dir->parent->node : dir->node;
		return 0;
	}
	return sketch_child(s, dir, name, ret);
}

/* ---- changing ---- */

struct erofs_node *sketch_new_node(struct sketch *s, struct erofs_dir *dir, struct str name, mode_t mode)
{
	struct erofs_node *n = node_new(s, dir, mode);

	erofs_name_get(s->w, dir, name)->node = n;
	return n;
}

void sketch_set(struct sketch *s UNUSED, struct erofs_node *n, const struct stat *st)
{
	n->mode = (uint16_t)((n->mode & S_IFMT) | (S_ISLNK(n->mode) ? 0777 : st->st_mode & 07777));
	n->uid = st->st_uid;
	n->gid = st->st_gid;
	n->mtime = st->st_mtim.tv_sec;
	n->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	n->extra->shadow = false;
}

void sketch_set_time(struct sketch *s UNUSED, struct erofs_node *n, struct timespec t)
{
	n->mtime = t.tv_sec;
	n->mtime_ns = (uint32_t)t.tv_nsec;
}

struct erofs_node *sketch_put(struct sketch *s, struct erofs_dir *dir, const char *name, const struct stat *st,
			      const char *target)
{
	struct erofs_node *n = sketch_new_node(s, dir, str_of(name), st->st_mode);

	sketch_set(s, n, st);
	set_type_data(s, n, st, target);
	return n;
}

/* A shadow belongs to the change then, as overlayfs copies it up. */
void sketch_hard_link(struct sketch *s, struct erofs_dir *dir, const char *name, struct erofs_node *n)
{
	n->extra->linked = true;
	n->extra->shadow = false;
	erofs_name_get(s->w, dir, str_of(name))->node = n;
}

struct sketch_from *sketch_from(struct sketch *s, int root, const char *path)
{
	struct sketch_from *f = arena_new(&s->w->arena, struct sketch_from);

	f->root = root;
	f->path = arena_strdup(&s->w->arena, path);
	return f;
}

void sketch_read_from(struct sketch *s, struct erofs_node *n, struct sketch_from *from, const char *name)
{
	n->extra->data = DATA_FROM;
	n->extra->from = from;
	n->extra->name = arena_strdup(&s->w->arena, name);
}

void sketch_read_bytes(struct sketch *s UNUSED, struct erofs_node *n, const char *p)
{
	n->extra->data = DATA_BYTES;
	n->extra->bytes = p;
}

uint64_t sketch_left_out(const struct sketch *s)
{
	return s->left_out;
}
