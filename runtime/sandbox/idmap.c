/* SPDX-License-Identifier: Apache-2.0 */
/* The map is that of a user namespace: a process is needed to make one, and is not needed for more. */
#include "runtime/sandbox/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"

#define IDS UINT32_MAX		/* 0 to UINT32_MAX - 1 */

static void same(struct buf *b, uint32_t from, uint32_t to)
{
	if (from < to)
		buf_printf(b, "%u %u %u\n", from, from, to - from);
}

void idmap_text(const struct idmap_pair *p, struct buf *ret)
{
	uint32_t low = MIN(p->disk, p->shown), high = MAX(p->disk, p->shown);

	if (low == high) {
		same(ret, 0, IDS);
		return;
	}
	same(ret, 0, low);
	buf_printf(ret, "%u %u 1\n", low, high);
	same(ret, low + 1, high);
	buf_printf(ret, "%u %u 1\n", high, low);
	same(ret, high + 1, IDS);
}

static int map_write(int proc, const char *file, const struct idmap_pair *p, struct err *e)
{
	auto_fd int fd = openat(proc, file, O_WRONLY | O_CLOEXEC);
	auto_buf struct buf text = { 0 };

	idmap_text(p, &text);
	if (fd < 0 || write(fd, text.p, text.n) != (ssize_t)text.n)
		return err_sys(e, "write the %s of a mount", file);
	return 0;
}

static int namespace_take(pid_t pid, const struct idmap_pair *user, const struct idmap_pair *group, int *ret, struct err *e)
{
	auto_free char *path = xasprintf("/proc/%d", pid);
	auto_fd int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0)
		return err_sys(e, "open %s", path);
	if (map_write(proc, "uid_map", user, e) < 0 || map_write(proc, "gid_map", group, e) < 0)
		return -1;
	*ret = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open a user namespace") : 0;
}

/* The child only makes system calls: we may have threads. */
static int namespace_make(const struct idmap_pair *user, const struct idmap_pair *group, int *ret, struct err *e)
{
	struct clone_args a = { .flags = CLONE_NEWUSER };
	int gate[2], r;
	char byte;
	long pid;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0) {
		syscall(SYS_close, gate[1]);
		syscall(SYS_read, gate[0], &byte, 1);
		syscall(SYS_exit_group, 0);
	}
	r = pid < 0 ? err_sys(e, "make a user namespace") : namespace_take((pid_t)pid, user, group, ret, e);
	close(gate[0]);
	close(gate[1]);
	while (pid > 0 && waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return r;
}

int idmap_set(int mount, const struct idmap_pair *user, const struct idmap_pair *group, struct err *e)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP };
	auto_fd int ns = -1;

	if (user->disk == user->shown && group->disk == group->shown)
		return 0;
	if (namespace_make(user, group, &ns, e) < 0)
		return -1;
	a.userns_fd = (uint64_t)ns;
	if (mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof(a)) == 0)
		return 0;
	err_sys(e, "map the owners of a mount");
	if (e->sys != EPERM)
		return err_hint(e, "its file system does not allow idmapped mounts");
	e->kind = ERR_DENIED;
	return err_hint(e, "only root can map the owners of the host's files");
}
