/* SPDX-License-Identifier: Apache-2.0 */
/* Stubs: the leaf goes again if it is empty, intermediate directories stay (BuildKit does the same). */
#include "runtime/sandbox/stub.h"

#include <errno.h>
#include <stdio.h>

#include "base/fs.h"

struct stub {
	int parent;		/* O_PATH */
	char *name;
	bool dir;
};

static void times_set(int dir, const struct stat *st)
{
	const struct timespec t[2] = { st->st_atim, st->st_mtim };

	(void)utimensat(dir, ".", t, 0);
}

static int leaf_make(int parent, const char *name, bool dir)
{
	int fd;

	if (dir)
		return mkdirat(parent, name, 0755);
	fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	(void)fchmod(fd, 0644);	/* whatever our umask is */
	close(fd);
	return 0;
}

/* The parent of path, made if missing, and the last component; dangling links at the end are followed. */
static int parent_of(int root, const char *path, char **name)
{
	auto_free char *p = xstrdup(path);

	for (int links = 0; links < 8; links++) {
		char link[4096], *slash = strrchr(p, '/');
		auto_free char *up = xstrndup(p, slash ? (size_t)(slash - p) : 0);
		auto_fd int fd = fs_mkdirs_in(root, *up ? up : "/", 0755, (uid_t)-1, (gid_t)-1);
		ssize_t n;

		if (fd < 0 || !slash || !slash[1])
			return -1;
		n = readlinkat(fd, slash + 1, link, sizeof(link) - 1);
		if (n <= 0) {
			*name = xstrdup(slash + 1);
			return take_fd(&fd);
		}
		link[n] = '\0';
		slash = xasprintf("%s/%s", link[0] == '/' ? "" : up, link);
		free(p);
		p = slash;
	}
	return -1;
}

void stubs_make(struct stubs *s, int root, const char *path, bool dir)
{
	auto_fd int found = fs_open_in(root, path, O_PATH, 0), parent = -1;
	auto_free char *name = NULL;
	struct stat st;

	if (found >= 0 || errno != ENOENT)
		return;
	parent = parent_of(root, path, &name);
	if (parent < 0 || fstat(parent, &st) < 0 || leaf_make(parent, name, dir) < 0)
		return;
	times_set(parent, &st);
	s->v = xrealloc(s->v, (s->n + 1) * sizeof(*s->v));
	s->v[s->n++] = (struct stub){ take_fd(&parent), take_ptr(&name), dir };
}

static void stub_remove(struct stub *s)
{
	struct stat parent, leaf;

	if (fstat(s->parent, &parent) == 0 && fstatat(s->parent, s->name, &leaf, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (s->dir ? S_ISDIR(leaf.st_mode) : S_ISREG(leaf.st_mode) && leaf.st_size == 0) &&
	    unlinkat(s->parent, s->name, s->dir ? AT_REMOVEDIR : 0) == 0)
		times_set(s->parent, &parent);
	close(s->parent);
	free(s->name);
}

void stubs_remove(struct stubs *s)
{
	while (s->n)
		stub_remove(&s->v[--s->n]);
	free(s->v);
	*s = (struct stubs){ 0 };
}
