/* SPDX-License-Identifier: Apache-2.0 */
/* Locks named by a digest, and locks on names that may vanish. */
#include "cache/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

static struct flock pin_range(short type, const struct digest *d)
{
	uint64_t at = 0;

	for (size_t i = 0; i < 8; i++)
		at = at << 8 | d->b[i];
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)(at >> 2), .l_len = 1
	};
}

int pin_open(struct store *s, enum pin_file which, int *ret, struct err *e)
{
	const char *name = which == PIN_KEEP ? "pins" : "locks";
	int work = store_dir(s, STORE_WORK, e), fd;

	if (work < 0)
		return -1;
	fd = openat(work, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "open %s/work/%s", store_path(s), name);
	*ret = fd;
	return 0;
}

int pin_share(int fd, const struct digest *d, struct err *e)
{
	struct flock fl = pin_range(F_RDLCK, d);
	int r;

	do
		r = fcntl(fd, F_OFD_SETLKW, &fl);
	while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(e, "pin in the store") : 0;
}

int pin_claim(int fd, const struct digest *d, struct err *e)
{
	struct flock fl = pin_range(F_WRLCK, d);

	if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
		return 1;
	return errno == EAGAIN || errno == EACCES ? 0 : err_sys(e, "lock in the store");
}

void pin_release(int fd, const struct digest *d)
{
	struct flock fl = pin_range(F_UNLCK, d);

	(void)fcntl(fd, F_OFD_SETLK, &fl);
}

bool pin_held(int fd, const struct digest *d)
{
	struct flock fl = pin_range(F_WRLCK, d);

	return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

int name_claim(int dir, const char *name, int *ret, struct err *e)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat a, b;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open %s", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(e, "lock %s", name);
	/* Whoever had the lock before may have removed the name. */
	if (fstat(fd, &a) < 0 || fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "stat %s", name);
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return 0;
	*ret = take_fd(&fd);
	return 1;
}
