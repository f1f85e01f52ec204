/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting an index with its tar straight from their files. Linux Documentation/filesystems/erofs.rst "device=". */
#include "cache/erofs.h"

#include <endian.h>
#include <errno.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "cache/erofs_disk.h"

static int set_file(int fs, const char *key, int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, path, 0);
}

/* The mount's fd, or -1 with errno. */
static int mount_new(int index, int tar)
{
	auto_fd int fs = (int)syscall(SYS_fsopen, "erofs", FSOPEN_CLOEXEC);

	if (fs < 0 || set_file(fs, "source", index) < 0 || set_file(fs, "device", tar) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
			    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

static const char *hint_for(int sys)
{
	switch (sys) {
	case EPERM: return "this needs root: no user namespace may mount it";
	case ENODEV: return "the kernel has no EROFS: Linux 6.12 or later, built with EROFS_FS_BACKED_BY_FILE";
	case ENOTBLK: return "this needs Linux 6.12 with EROFS_FS_BACKED_BY_FILE, and the store on a disk's file system "
			     "(ext4, xfs, btrfs; not tmpfs or overlayfs)";
	default: return NULL;
	}
}

int erofs_mount(int index, int tar, int *ret, struct err *e)
{
	int fd = mount_new(index, tar);

	if (fd < 0 && (errno == EUCLEAN || errno == EINVAL || errno == EBADMSG))
		return err_set(e, ERR_CORRUPT, "mount a layer's index: it is damaged");
	if (fd < 0) {
		err_sys(e, "mount a layer's index");
		return err_hint(e, hint_for(e->sys));
	}
	*ret = fd;
	return 0;
}

bool erofs_current(int index)
{
	struct erofs_disk_super s;
	struct stat st;

	return pread(index, &s, sizeof(s), EROFS_SUPER_AT) == (ssize_t)sizeof(s) && fstat(index, &st) == 0 &&
	       le32toh(s.magic) == EROFS_MAGIC && memcmp(s.label, EROFS_LABEL, sizeof(EROFS_LABEL) - 1) == 0 &&
	       (uint64_t)st.st_size == (uint64_t)le32toh(s.blocks) * EROFS_BLOCK;
}

static int put_fd(void *arg, const void *p, size_t n, struct err *e)
{
	return fs_write_all(*(int *)arg, p, n, e);
}

int erofs_try(int dir, struct err *e)
{
	auto_erofs struct erofs *w = erofs_new(false);
	auto_fd int file = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), fd = -1;

	if (file < 0)
		return err_sys(e, "make a file without a name");
	if (erofs_write(w, 0, NULL, put_fd, &file, e) < 0)
		return -1;
	return erofs_mount(file, file, &fd, e);
}
