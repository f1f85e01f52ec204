/* SPDX-License-Identifier: Apache-2.0 */
/* The init program's mounts: all by fd, destinations resolved beneath the container's root by openat2. */
#include "runtime/sandbox/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define UMOUNT_DETACH 2		/* MNT_DETACH; <sys/mount.h> clashes with <linux/mount.h> */
#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define STRICT (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

static int move_mount_fd(int fd, int dir, const char *path)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0 : MOVE_MOUNT_T_EMPTY_PATH);

	return (int)syscall(SYS_move_mount, fd, "", dir, path, flags);
}

static int mount_attr_set(int fd, bool rec, uint64_t set, uint64_t propagation)
{
	struct mount_attr a = { .attr_set = set, .propagation = propagation };

	return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (rec ? AT_RECURSIVE : 0), &a, sizeof(a));
}

int mount_clone(int dir, const char *path, bool rec, uint64_t attrs)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)(*path ? 0 : AT_EMPTY_PATH) |
			 (unsigned)(rec ? AT_RECURSIVE : 0);
	int fd = (int)syscall(SYS_open_tree, dir, path, flags);

	if (fd >= 0 && attrs && mount_attr_set(fd, rec, attrs, 0) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void do_private(struct child *c, const struct step *st)
{
	if (syscall(SYS_mount, "", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		step_fail(c, st, "make the mounts private");
}

/* The file system's own words, if it has some, come after ours. */
static void newfs_fail(struct child *c, const struct step *st, int fs, const char *what)
{
	int sys = errno;
	char log[256] = "";
	ssize_t n = fs < 0 ? 0 : read(fs, log, sizeof(log) - 1);

	while (n > 0 && log[n - 1] == '\n')
		log[--n] = '\0';
	if (n < 0)
		log[0] = '\0';
	errno = sys;
	step_fail(c, st, "mount a %s%s%s%s%s", st->s[0], *what ? " with " : "", what, *log ? ": " : "",
		  log[0] && log[1] == ' ' ? log + 2 : log);
}

static int fs_option(int fs, const char *opt)
{
	const char *eq = strchr(opt, '=');
	char key[64];

	if (!eq)
		return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, opt, NULL, 0);
	if ((size_t)(eq - opt) >= sizeof(key)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(key, opt, (size_t)(eq - opt));
	key[eq - opt] = '\0';
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, eq + 1, 0);
}

/* s1... are options; one with '?' in front may be refused. */
void do_newfs(struct child *c, const struct step *st)
{
	bool bind = st->op->arg[2] & PLAN_BIND_HOST;
	unsigned nopt = st->op->nstr - 1u - bind;
	int fs = (int)syscall(SYS_fsopen, st->s[0], FSOPEN_CLOEXEC), fd = -1;
	const char *opt = step_next(st->s[0]);

	for (; nopt; nopt--, opt = step_next(opt))
		if (fs >= 0 && fs_option(fs, opt + (*opt == '?')) < 0 && *opt != '?')
			newfs_fail(c, st, fs, opt);
	if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, st->op->arg[1]);
	if (fd < 0 && bind)
		fd = mount_clone(AT_FDCWD, opt, true, (uint64_t)st->op->arg[1]);
	if (fd < 0 && !(st->op->arg[2] & PLAN_OPTIONAL))
		newfs_fail(c, st, fs, "");
	if (fs >= 0)
		close(fs);
	slot_set(c, st, fd);
}

void do_stack(struct child *c, const struct step *st)
{
	if (move_mount_fd(STEP_FD(c, st, 0), AT_FDCWD, *st->s[0] ? st->s[0] : "/") < 0)
		step_fail(c, st, "attach the container's root");
}

void do_clone(struct child *c, const struct step *st)
{
	int from = st->op->arg[1] == PLAN_HOST ? AT_FDCWD : STEP_FD(c, st, 1);
	int fd = mount_clone(from, st->s[0], st->op->arg[2] & PLAN_REC, (uint64_t)st->op->arg[3]);

	if (fd < 0 && !(st->op->arg[2] & PLAN_OPTIONAL))
		step_fail(c, st, "clone the mount %s", st->s[0]);
	slot_set(c, st, fd);
}

/* path up to its last component, which is returned; NULL and errno if there is none. */
static const char *path_split(const char *path, char up[static 4096])
{
	size_t n = strlen(path);

	while (n && path[n - 1] == '/')
		n--;
	while (n && path[n - 1] != '/')
		n--;
	if (n == 0 || n >= 4096 || strlen(path + n) > 256) {
		errno = n >= 4096 ? ENAMETOOLONG : EINVAL;
		return NULL;
	}
	path += n;
	memcpy(up, path - n, n);
	while (n > 1 && up[n - 1] == '/')
		n--;
	up[n] = '\0';
	return path;
}

/* What a dangling link at the end of path means, within root; true if path is such a link. */
static bool behind_link(int root, const char *path, char ret[static 8192])
{
	char link[4096];
	const char *slash = strrchr(path, '/');
	int fd = open_beneath(root, path, O_PATH | O_NOFOLLOW, 0, IN_ROOT);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", link, sizeof(link) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	link[n] = '\0';
	snprintf(ret, 8192, "%.*s/%s", link[0] == '/' || !slash ? 0 : (int)(slash - path), path, link);
	return true;
}

/* mkdir -p beneath root, links resolved within it. Returns an O_PATH fd, or -1 with errno. */
int mkdirs_in(int root, const char *path)
{
	int fd = open_beneath(root, path, O_PATH | O_DIRECTORY, 0, IN_ROOT), parent;
	char up[4096], name[260], link[8192];
	const char *leaf;

	if (fd >= 0 || errno != ENOENT || !(leaf = path_split(path, up)))
		return fd;
	parent = mkdirs_in(root, up);
	if (parent < 0)
		return -1;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(leaf, "/"), leaf);
	if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST) {
		close(parent);
		return -1;
	}
	close(parent);
	fd = open_beneath(root, path, O_PATH | O_DIRECTORY, 0, IN_ROOT);
	if (fd < 0 && errno == ENOENT && behind_link(root, path, link))
		fd = mkdirs_in(root, link);	/* ends: the kernel follows at most 40 links, then says ELOOP */
	return fd;
}

/* Make an empty file or a directory at path; links before the last component are followed within root. */
static int target_make(int root, const char *path, bool dir)
{
	char up[4096];
	const char *leaf = path_split(path, up);
	int parent, fd = -1;

	if (dir)
		return mkdirs_in(root, path);
	parent = leaf ? mkdirs_in(root, up) : -1;
	if (parent >= 0)
		fd = open_beneath(parent, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, STRICT);
	if (fd >= 0)
		close(fd);
	if (parent >= 0)
		close(parent);
	return fd < 0 ? -1 : open_beneath(root, path, O_PATH, 0, IN_ROOT);
}

static int target_open(int root, const char *path, bool dir, bool strict)
{
	uint64_t how = IN_ROOT | (strict ? RESOLVE_NO_SYMLINKS : 0);
	int fd = open_beneath(root, path, O_PATH, 0, how);
	char link[8192];

	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = target_make(root, path, dir);
	if (fd < 0 && errno == EEXIST && !strict && behind_link(root, path, link))
		fd = target_make(root, link, dir);	/* as Docker does for a dangling /etc/resolv.conf */
	return fd;
}

void do_attach(struct child *c, const struct step *st)
{
	int fd = STEP_FD(c, st, 0), at;
	struct stat src, dst;

	if (fd < 0)
		return;
	if (fstat(fd, &src) < 0)
		step_fail(c, st, "mount %s", st->s[0]);
	at = target_open(STEP_FD(c, st, 1), st->s[0], S_ISDIR(src.st_mode), st->op->arg[2] & PLAN_NO_LINKS);
	if (at < 0 && errno == ELOOP && (st->op->arg[2] & PLAN_NO_LINKS))
		step_fail(c, st, "the image's %s is a symbolic link, it must be a directory", st->s[0]);
	if (at < 0)
		step_fail(c, st, "make the mount point %s", st->s[0]);
	if (fstat(at, &dst) == 0 && S_ISDIR(src.st_mode) != S_ISDIR(dst.st_mode)) {
		errno = S_ISDIR(src.st_mode) ? ENOTDIR : EISDIR;
		step_fail(c, st, "mount a %s on %s", S_ISDIR(src.st_mode) ? "directory" : "file", st->s[0]);
	}
	if (move_mount_fd(fd, at, "") < 0)
		step_fail(c, st, "mount %s", st->s[0]);
	close(at);
}

/* The node as a mount: made in the private tmpfs, or the host's own where mknod is refused. */
static int device_mount(struct child *c, const struct step *st)
{
	const struct plan_op *op = st->op;
	int priv = STEP_FD(c, st, 0);
	char name[512];

	snprintf(name, sizeof(name), "%s", st->s[0]);
	for (char *p = name; (p = strchr(p, '/')); )
		*p = '!';
	if (mknodat(priv, name, (mode_t)op->arg[2], (dev_t)op->arg[3]) < 0)
		return errno != EPERM ? -1 : mount_clone(AT_FDCWD, st->s[1], false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (fchownat(priv, name, (uid_t)op->arg[4], (gid_t)op->arg[5], AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return mount_clone(priv, name, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

/* A node is bound onto a file in /dev, which itself is mounted nodev: what mknod makes inside the
 * container cannot be opened, with or without a device cgroup. */
void do_device(struct child *c, const struct step *st)
{
	int fd = device_mount(c, st), at;
	mode_t mode = (mode_t)st->op->arg[2];
	char path[512];
	struct stat sb;

	snprintf(path, sizeof(path), "/%s", st->s[0]);
	if (fd < 0 && st->op->nstr > 2)
		return;		/* s2: it may be missing */
	if (fd < 0 || fstat(fd, &sb) < 0)
		step_fail(c, st, "make the device %s", st->s[0]);
	if ((sb.st_mode & S_IFMT) != (mode & S_IFMT) || sb.st_rdev != (dev_t)st->op->arg[3]) {
		errno = ENODEV;
		step_fail(c, st, "the host's %s is not the device it should be", st->s[1]);
	}
	at = openat(STEP_FD(c, st, 1), st->s[0], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (at < 0 && errno == ENOENT)
		at = target_make(STEP_FD(c, st, 1), path, false);
	if (at < 0 || move_mount_fd(fd, at, "") < 0)
		step_fail(c, st, "mount the device /dev/%s", st->s[0]);
	close(at);
	close(fd);
}

void do_file(struct child *c, const struct step *st)
{
	const struct plan_op *op = st->op;
	int fd = openat(STEP_FD(c, st, 0), st->s[0], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t n = (size_t)op->arg[3];

	if (fd < 0 || write(fd, st->tail, n) != (ssize_t)n || fchown(fd, (uid_t)op->arg[4], (gid_t)op->arg[5]) < 0 ||
	    fchmod(fd, (mode_t)op->arg[2]) < 0)
		step_fail(c, st, "make the file %s", st->s[0]);
	close(fd);
}

void do_dir(struct child *c, const struct step *st)
{
	if (mkdirat(STEP_FD(c, st, 0), st->s[0], (mode_t)st->op->arg[2]) < 0)
		step_fail(c, st, "make the directory %s", st->s[0]);
}

void do_symlink(struct child *c, const struct step *st)
{
	if (symlinkat(st->s[0], STEP_FD(c, st, 0), st->s[1]) < 0)
		step_fail(c, st, "make the link %s", st->s[1]);
}

/* CVE-2025-31133: what covers is our own node or directory, by fd; what is covered is reached through procfs's own fd. */
void do_mask(struct child *c, const struct step *st)
{
	int at = open_beneath(STEP_FD(c, st, 0), st->s[0], O_PATH, 0, STRICT | RESOLVE_NO_XDEV), fd;
	uint64_t attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	int priv = STEP_FD(c, st, 1);
	struct stat sb;

	if (at < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return;		/* the kernel was built without it, or it is closed to us anyway */
	if (at < 0 || fstat(at, &sb) < 0)
		step_fail(c, st, "mask %s", st->s[0]);
	if (S_ISDIR(sb.st_mode)) {
		fd = mount_clone(priv, "empty", false, attrs | MOUNT_ATTR_NODEV);
	} else {
		fd = mount_clone(priv, "null", false, attrs & ~(uint64_t)MOUNT_ATTR_RDONLY);
		if (fd < 0)	/* no mknod here: the host's, and no other thing of that name */
			fd = mount_clone(AT_FDCWD, "/dev/null", false, attrs & ~(uint64_t)MOUNT_ATTR_RDONLY);
		if (fd >= 0 && (fstat(fd, &sb) < 0 || !S_ISCHR(sb.st_mode) || sb.st_rdev != makedev(1, 3))) {
			errno = ENODEV;
			fd = -1;
		}
	}
	if (fd < 0 || move_mount_fd(fd, at, "") < 0)
		step_fail(c, st, "mask %s", st->s[0]);
	close(fd);
	close(at);
}

void do_rdonly(struct child *c, const struct step *st)
{
	int at = open_beneath(STEP_FD(c, st, 0), st->s[0], O_PATH, 0, STRICT), fd;

	if (at < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return;
	fd = at < 0 ? -1 : mount_clone(at, "", true, MOUNT_ATTR_RDONLY);
	if (fd < 0 || move_mount_fd(fd, at, "") < 0)
		step_fail(c, st, "make %s read-only", st->s[0]);
	close(fd);
	close(at);
}

void do_attr(struct child *c, const struct step *st)
{
	if (STEP_FD(c, st, 0) < 0)
		return;
	if (mount_attr_set(STEP_FD(c, st, 0), st->op->arg[2] & PLAN_REC, (uint64_t)st->op->arg[3], 0) < 0)
		step_fail(c, st, "set mount flags");
}

void do_pivot(struct child *c, const struct step *st)
{
	/* The old root ends up on top of the new one, with the private tmpfs on top of that: both go, and all below. */
	if (fchdir(STEP_FD(c, st, 0)) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    syscall(SYS_umount2, ".", UMOUNT_DETACH) < 0 || syscall(SYS_umount2, ".", UMOUNT_DETACH) < 0 ||
	    chdir("/") < 0)
		step_fail(c, st, "change to the container's root");
}

/* CVE-2025-52565: /dev/console is this fd, not a path */
static void console_mount(struct child *c, const struct step *st, int slave)
{
	int bind = mount_clone(slave, "", false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	int at = bind < 0 ? -1 : target_open(STEP_FD(c, st, 1), "/console", false, true);

	if (at < 0 || move_mount_fd(bind, at, "") < 0)
		step_fail(c, st, "mount /dev/console");
	close(at);
	close(bind);
}

/* The pty is made in the container's own devpts, so that it has a name there; the parent gets the master. */
void do_tty(struct child *c, const struct step *st)
{
	struct winsize ws = { .ws_row = (unsigned short)st->op->arg[2], .ws_col = (unsigned short)st->op->arg[3] };
	int zero = 0, master, slave;
	struct stat sb;

	master = open_beneath(STEP_FD(c, st, 0), "ptmx", O_RDWR | O_NOCTTY, 0, STRICT);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &zero) < 0 ||
	    (slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		step_fail(c, st, "make a terminal");
	if (fstat(slave, &sb) < 0 || !S_ISCHR(sb.st_mode) || major(sb.st_rdev) < 136 || major(sb.st_rdev) > 143) {
		errno = ENODEV;
		step_fail(c, st, "the new terminal is not one");
	}
	if (ioctl(slave, TIOCSWINSZ, &ws) < 0 || fchown(slave, (uid_t)st->op->arg[4], (gid_t)-1) < 0)
		step_fail(c, st, "set up the terminal");
	if (st->op->arg[1] != PLAN_HOST)
		console_mount(c, st, slave);
	child_report(c, REPORT_TTY, 0, 0, "", master);
	close(master);
	if (dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0 || ioctl(0, TIOCSCTTY, 0) < 0)
		step_fail(c, st, "take the terminal");
	if (slave > 2)
		close(slave);
	c->tty = true;
}
