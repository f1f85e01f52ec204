/* SPDX-License-Identifier: Apache-2.0 */
/* Files beneath a directory fd: rooted opens, atomic replace, copies, removal of trees. */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static int open_how(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = resolve };
	int fd;

	if (flags & (O_CREAT | O_TMPFILE))
		how.mode = mode;
	do	/* EAGAIN: a rename elsewhere raced with "..", openat2(2) says to try again */
		fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd;
}

int fs_open_in(int root, const char *path, int flags, mode_t mode)
{
	return open_how(root, *path ? path : ".", flags, mode,
			RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int fs_open_plain_in(int root, const char *path, int flags)
{
	return open_how(root, *path ? path : ".", flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int fs_open_parent_in(int root, const char *path, const char **name)
{
	size_t n = strlen(path);
	auto_free char *dir = NULL;

	while (n && path[n - 1] != '/')
		n--;
	*name = path + n;
	if (!**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0) {
		*name = ".";
		return fs_open_in(root, path, O_PATH | O_DIRECTORY, 0);
	}
	dir = n ? xstrndup(path, n) : xstrdup(".");
	return fs_open_in(root, dir, O_PATH | O_DIRECTORY, 0);
}

/* Make one directory and give it its mode and owner; an existing one is left alone. */
static int mkdir_one(int parent, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	auto_fd int fd = -1;

	if (mkdirat(parent, name, 0700) < 0)
		return errno == EEXIST ? 0 : -1;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid) < 0)
		return -1;
	return fchmod(fd, mode);
}

int fs_mkdirs_in(int root, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	auto_buf struct buf done = { 0 };
	struct str rest = str_of(path);
	int fd = fs_open_in(root, path, O_PATH | O_DIRECTORY, 0);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	while (rest.p) {
		struct str part = str_cut(&rest, '/');
		auto_fd int parent = -1;
		const char *name;

		buf_putc(&done, '/');
		buf_str(&done, part);
		if (part.n == 0)
			continue;
		fd = fs_open_in(root, done.p, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0) {
			close(fd);
			continue;
		}
		if (errno != ENOENT)
			return -1;
		parent = fs_open_parent_in(root, done.p, &name);
		if (parent < 0 || mkdir_one(parent, name, mode, uid, gid) < 0)
			return -1;
	}
	return fs_open_in(root, path, O_PATH | O_DIRECTORY, 0);
}

int fs_reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

int fs_read_fd(int fd, size_t max, struct buf *ret, struct err *e)
{
	ret->max = MAX(ret->max, max + 64);
	for (;;) {
		ssize_t n;

		buf_reserve(ret, MIN((size_t)64 << 10, max + 1 - ret->n));
		n = read(fd, ret->p + ret->n, MIN((size_t)64 << 10, max + 1 - ret->n));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read");
		if (n == 0)
			break;
		ret->n += (size_t)n;
		if (ret->n > max)
			return err_set(e, ERR_LIMIT, "larger than %zu bytes", max);
	}
	ret->p[ret->n] = '\0';
	return 0;
}

/* A regular file, most often as long as it says: one read that comes back short is all of it. */
static int read_sized(int fd, size_t size, size_t max, struct buf *ret, struct err *e)
{
	ssize_t n;

	buf_reserve(ret, size + 1);
	do
		n = read(fd, ret->p + ret->n, size + 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "read");
	ret->n += (size_t)n;
	ret->p[ret->n] = '\0';
	return (size_t)n == size ? 0 : fs_read_fd(fd, max, ret, e);
}

int fs_read(int dir, const char *path, size_t max, struct buf *ret, struct err *e)
{
	bool small;

	auto_fd int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "%s is not a regular file", path);
	small = st.st_size > 0 && st.st_size < 64 << 10 && (size_t)st.st_size <= max && ret->n == 0;
	ret->max = MAX(ret->max, max + 64);
	if ((small ? read_sized(fd, (size_t)st.st_size, max, ret, e) : fs_read_fd(fd, max, ret, e)) < 0)
		return err_wrap(e, "%s", path);
	return 0;
}

int fs_write_all(int fd, const void *p, size_t n, struct err *e)
{
	const char *c = p;

	while (n) {
		ssize_t w = write(fd, c, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return err_sys(e, "write");
		c += w;
		n -= (size_t)w;
	}
	return 0;
}

int fs_replace(int dir, const char *path, const void *p, size_t n, mode_t mode, bool sync,
	       struct err *e)
{
	auto_free char *tmp = xasprintf("%s.tmp.%ld", path, (long)syscall(SYS_gettid));
	auto_fd int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0)
		return err_sys(e, "create %s", tmp);
	if (fs_write_all(fd, p, n, e) < 0) {
		unlinkat(dir, tmp, 0);
		return err_wrap(e, "%s", path);
	}
	if ((sync && fsync(fd) < 0) || renameat(dir, tmp, dir, path) < 0) {
		err_sys(e, "replace %s", path);
		unlinkat(dir, tmp, 0);
		return -1;
	}
	return 0;
}

static int copy_range(int in, int out, off_t at, off_t end, struct err *e)
{
	char buf[64 << 10];
	off_t from = at, to = at;

	while (at < end) {
		ssize_t n = copy_file_range(in, &from, out, &to, (size_t)(end - at), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;		/* not between these file systems: by hand below */
		at += n;
	}
	while (at < end) {
		ssize_t n = pread(in, buf, MIN(sizeof(buf), (size_t)(end - at)), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read");
		if (n == 0)
			return err_set(e, ERR_CONFLICT, "the file became shorter while it was read");
		for (ssize_t done = 0; done < n; ) {
			ssize_t w = pwrite(out, buf + done, (size_t)(n - done), at + done);

			if (w < 0 && errno != EINTR)
				return err_sys(e, "write");
			done += MAX(w, 0);
		}
		at += n;
	}
	return 0;
}

int fs_copy_data(int in, int out, uint64_t size, struct err *e)
{
	off_t at = 0, end = (off_t)size;

	if (size == 0 || ioctl(out, FICLONE, in) == 0)
		return 0;
	while (at < end) {
		off_t data = lseek(in, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;		/* only a hole follows */
		if (data < 0)
			data = at;
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0 || hole > end)
			hole = end;
		if (copy_range(in, out, data, hole, e) < 0)
			return -1;
		at = hole;
	}
	return ftruncate(out, end) < 0 ? err_sys(e, "set the file's size") : 0;
}

static int remove_tree(int dir, const char *name, dev_t dev, int depth, struct err *e)
{
	struct dirent *de;
	struct stat st;
	DIR *d;
	int fd, r = 0;

	if (depth > 4096)
		return err_set(e, ERR_LIMIT, "remove %s: more than 4096 directories deep", name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open %s", name);
	if (fstat(fd, &st) < 0 || st.st_dev != dev || !(d = fdopendir(fd))) {
		close(fd);
		return err_set(e, ERR_CONFLICT, "remove %s: another file system is mounted there", name);
	}
	if ((st.st_mode & 0700) != 0700)
		(void)!fchmod(fd, 0700);
	while (r == 0 && (de = readdir(d))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (de->d_type != DT_DIR && unlinkat(fd, de->d_name, 0) == 0)
			continue;
		if (errno == ENOENT && de->d_type != DT_DIR)
			continue;
		if (de->d_type == DT_DIR || errno == EISDIR)
			r = remove_tree(fd, de->d_name, dev, depth + 1, e);
		else
			r = err_sys(e, "remove %s", de->d_name);
	}
	closedir(d);
	if (r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, "remove %s", name);
	return r;
}

int fs_remove(int dir, const char *name, struct err *e)
{
	struct stat st;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, "remove %s", name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "stat %s", name);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_DENIED, "remove %s: not permitted", name);
	return remove_tree(dir, name, st.st_dev, 0, e);
}

int fs_mkdirs(const char *path, mode_t mode, struct err *e)
{
	auto_free char *p = xstrdup(path);

	for (char *s = p + 1; ; s++) {
		char c = *s;

		if (c != '/' && c != '\0')
			continue;
		*s = '\0';
		if (mkdir(p, mode) < 0 && errno != EEXIST)
			return err_sys(e, "make the directory %s", p);
		*s = c;
		if (c == '\0')
			return 0;
	}
}
