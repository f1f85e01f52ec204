/* SPDX-License-Identifier: Apache-2.0 */
/* The mount API for overlayfs, and what older kernels need instead. */
#include "cache/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/str.h"

/* glibc's <sys/mount.h> collides with <linux/mount.h>, hence these few by hand. */
#define UMOUNT_DETACH 2

static int fs_config(int fs, unsigned cmd, const char *key, const void *value, int aux)
{
	return (int)syscall(SYS_fsconfig, fs, cmd, key, value, aux);
}

static int set_string(int fs, const char *key, const char *value)
{
	return fs_config(fs, FSCONFIG_SET_STRING, key, value, 0);
}

static int set_dir(int fs, enum overlay_way way, const char *key, int dir)
{
	char path[32];

	if (way == OVERLAY_FDS)
		return fs_config(fs, FSCONFIG_SET_FD, key, NULL, dir);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	return set_string(fs, key, path);
}

/* Everything that would make the result depend on the host's module options is said explicitly.
 * userxattr excludes redirect_dir and metacopy by itself and refuses to hear of them. */
static int set_options(int fs, const struct overlay_spec *o)
{
	if (set_string(fs, "index", "off") < 0 || set_string(fs, "xino", "off") < 0)
		return -1;
	if (o->userns)
		return fs_config(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0);
	return set_string(fs, "redirect_dir", "nofollow") < 0 ? -1 : set_string(fs, "metacopy", "off");
}

static int config(int fs, const struct overlay_spec *o, enum overlay_way way)
{
	if (set_string(fs, "source", "tare") < 0 || set_options(fs, o) < 0)
		return -1;
	for (size_t i = 0; i < o->nlowers; i++)
		if (set_dir(fs, way, "lowerdir+", o->lowers[i]) < 0)
			return -1;
	if (o->upper >= 0 &&
	    (set_dir(fs, way, "upperdir", o->upper) < 0 || set_dir(fs, way, "workdir", o->work) < 0 ||
	     (!o->durable && fs_config(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)))
		return -1;
	return fs_config(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* Returns the mount's fd or -1 with errno. */
static int mount_new(const struct overlay_spec *o, enum overlay_way way)
{
	auto_fd int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);

	if (fs < 0 || config(fs, o, way) < 0)
		return -1;
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
}

static void classic_options(const struct overlay_spec *o, struct buf *b)
{
	buf_puts(b, "index=off,xino=off,");
	buf_puts(b, o->userns ? "userxattr" : "redirect_dir=nofollow,metacopy=off");
	for (size_t i = 0; i < o->nlowers; i++)
		buf_printf(b, "%s/proc/self/fd/%d", i ? ":" : ",lowerdir=", o->lowers[i]);
	if (o->upper >= 0)
		buf_printf(b, ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d%s", o->upper, o->work,
			   o->durable ? "" : ",volatile");
}

/* Mounted for a moment on a directory of ours, cloned off it, and taken away again. */
static int mount_classic(const struct overlay_spec *o)
{
	static const char name[] = "overlay.mnt";
	auto_buf struct buf options = { 0 };
	auto_free char *path = xasprintf("/proc/self/fd/%d/%s", o->scratch, name);
	int fd;

	classic_options(o, &options);
	if (options.n >= 4096) {
		errno = E2BIG;
		return -1;
	}
	if (mkdirat(o->scratch, name, 0700) < 0 && errno != EEXIST)
		return -1;
	if (syscall(SYS_mount, "tare", path, "overlay", 0, options.p) < 0)
		return -1;
	fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	syscall(SYS_umount2, path, UMOUNT_DETACH);
	unlinkat(o->scratch, name, AT_REMOVEDIR);
	return fd;
}

int overlay_mount(const struct overlay_spec *o, enum overlay_way way, int *ret, struct err *e)
{
	int fd = -1;

	if (o->nlowers > OVERLAY_LOWERS_MAX)
		return err_set(e, ERR_LIMIT, "%zu layers; the kernel can stack %d", o->nlowers,
			       OVERLAY_LOWERS_MAX);
	if (way == OVERLAY_AUTO || way == OVERLAY_FDS)
		fd = mount_new(o, OVERLAY_FDS);
	if (fd < 0 && (way == OVERLAY_AUTO || way == OVERLAY_PATHS))
		fd = mount_new(o, OVERLAY_PATHS);
	if (fd < 0 && (way == OVERLAY_AUTO || way == OVERLAY_CLASSIC))
		fd = mount_classic(o);
	if (fd < 0) {
		err_sys(e, "mount an overlay of %zu layers", o->nlowers);
		return err_hint(e, e->sys == EPERM ? "overlayfs needs root, or a user namespace on Linux 5.11 or later"
				: "the store must lie on a file system that overlayfs takes (ext4, xfs, btrfs, tmpfs)");
	}
	*ret = fd;
	return 0;
}

int overlay_bind(int dir, bool readonly, int *ret, struct err *e)
{
	struct mount_attr clear = { .attr_clr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	auto_fd int fd = (int)syscall(SYS_open_tree, dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (fd < 0)
		return err_sys(e, "clone a directory's mount");
	/* In a user namespace these may be locked: then the store's file system decides. */
	(void)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &clear, sizeof(clear));
	if (readonly && syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &ro, sizeof(ro)) < 0)
		return err_sys(e, "make a mount read-only");
	*ret = take_fd(&fd);
	return 0;
}
