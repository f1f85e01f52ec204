/* SPDX-License-Identifier: Apache-2.0 */
/* Whiteouts and opaque directories of overlayfs. Linux Documentation/filesystems/overlayfs.rst. */
#include "cache/whiteout.h"

#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fs.h"

bool whiteout_userns(void)
{
	auto_buf struct buf text = { 0 };
	auto_err struct err e = { 0 };
	unsigned in, out, n;

	/* The initial namespace maps everything onto itself. */
	if (fs_read(AT_FDCWD, "/proc/self/uid_map", 4096, &text, &e) < 0)
		return false;
	return sscanf(text.p, "%u %u %u", &in, &out, &n) != 3 || in != 0 || out != 0 || n != UINT32_MAX;
}

bool whiteout_is(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

int whiteout_make(int dir, const char *name)
{
	return mknodat(dir, name, S_IFCHR, makedev(0, 0));
}

static const char *opaque_name(bool userns)
{
	return userns ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

int opaque_get(int dir, bool userns)
{
	char value[4];
	ssize_t n = fgetxattr(dir, opaque_name(userns), value, sizeof(value));

	if (n < 0)	/* ERANGE: a longer value, not one of overlayfs's */
		return errno == ENODATA || errno == ENOTSUP || errno == EPERM || errno == ERANGE ? 0 : -1;
	return n == 1 && value[0] == 'y';
}

int opaque_set(int dir, bool userns)
{
	return fsetxattr(dir, opaque_name(userns), "y", 1, 0);
}

int opaque_clear(int dir, bool userns)
{
	return fremovexattr(dir, opaque_name(userns)) < 0 && errno != ENODATA ? -1 : 0;
}
