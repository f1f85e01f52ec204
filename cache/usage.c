/* SPDX-License-Identifier: Apache-2.0 */
/* Counting allocated blocks. */
#include "cache/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define DEPTH_MAX 4096

static int add(int dir, const char *name, int depth, struct set *seen, uint64_t *ret,
	       struct err *e);

static int add_dir(int fd, int depth, struct set *seen, uint64_t *ret, struct err *e)
{
	DIR *d = fdopendir(fd);
	struct dirent *de;
	int r = 0;

	if (!d) {
		err_sys(e, "read a directory");
		close(fd);
		return -1;
	}
	while (r == 0 && (de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			r = add(dirfd(d), de->d_name, depth + 1, seen, ret, e);
	closedir(d);
	return r;
}

static int add(int dir, const char *name, int depth, struct set *seen, uint64_t *ret, struct err *e)
{
	struct set_item file;
	struct stat st;
	int fd;

	if (depth > DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d directories deep", name, DEPTH_MAX);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "stat %s", name);
	file = set_pair(st.st_dev, st.st_ino);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && !set_add(seen, &file))
		return 0;
	*ret += (uint64_t)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)	/* EACCES: an overlay's work directory has no mode at all, and is empty */
		return errno == ENOENT || errno == EACCES ? 0 : err_sys(e, "open %s", name);
	return add_dir(fd, depth, seen, ret, e) < 0 ? err_wrap(e, "%s", name) : 0;
}

int usage_add(int dir, const char *name, struct set *seen, uint64_t *ret, struct err *e)
{
	return add(dir, name, 0, seen, ret, e);
}
