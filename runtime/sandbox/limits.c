/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a sandbox that runs, and which processes are its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/str.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/host.h"
#include "runtime/sandbox/sandbox_int.h"

#define PASSES 20		/* to catch what is forked while its parent is moved */
#define NS_DEPTH 32		/* the kernel's MAX_PID_NS_LEVEL */

/* Is the process in the pid namespace ino, or in one within it? */
static bool is_inside(int proc, const char *pid, ino_t ino)
{
	auto_free char *path = xasprintf("%s/ns/pid", pid);
	auto_fd int ns = openat(proc, path, O_RDONLY | O_CLOEXEC);

	for (int depth = 0; ns >= 0 && depth < NS_DEPTH; depth++) {
		struct stat st;
		int parent;

		if (fstat(ns, &st) == 0 && st.st_ino == ino)
			return true;
		parent = ioctl(ns, NS_GET_PARENT);
		close(ns);
		ns = parent;
	}
	return false;
}

int sandbox_members(struct sandbox *sb, struct strv *ret, struct err *e)
{
	char path[64];
	struct stat st;
	DIR *d;

	if (sb->shares_pids)
		return cgroup_members(sb->cgroup, ret, e);
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", sb->pid);
	if (stat(path, &st) < 0 || !(d = opendir("/proc")))
		return err_sys(e, "look for the container's processes");
	for (const struct dirent *de = readdir(d); de; de = readdir(d))
		if (de->d_name[0] >= '1' && de->d_name[0] <= '9' && is_inside(dirfd(d), de->d_name, st.st_ino))
			strv_add(ret, de->d_name);
	closedir(d);
	return 0;
}

/* Until a pass finds nobody whom the one before has not moved. */
static int move_all(struct sandbox *sb, struct err *e)
{
	auto_strv struct strv known = { 0 };

	for (int pass = 0; pass < PASSES; pass++) {
		auto_strv struct strv pids = { 0 };
		size_t n = 0;

		if (sandbox_members(sb, &pids, e) < 0)
			return -1;
		for (size_t i = 0; i < pids.n; i++) {
			uint64_t pid;

			if (strv_has(&known, pids.v[i]) || !str_to_u64(str_of(pids.v[i]), 10, &pid))
				continue;
			strv_add(&known, pids.v[i]);
			n++;
			if (cgroup_add(sb->cgroup, (pid_t)pid, e) < 0 && e->sys != ESRCH)
				return -1;
			err_clear(e);
		}
		if (n == 0)
			break;
	}
	return 0;
}

/* The keeper shall know of the new directories, too. */
static int keep_dirs(struct sandbox *sb, struct err *e)
{
	auto_strv struct strv dirs = { 0 };
	const char *paths[CGROUP_DIRS];
	size_t n = cgroup_dirs(sb->cgroup, paths);
	uint32_t old = sb->limits_keep_id;

	for (size_t i = 0; i < n; i++)
		strv_add(&dirs, paths[i]);
	if (host_keep(sb->host, sb->pidfd, &dirs, &sb->limits_keep_id, e) < 0)
		return -1;
	if (old)
		host_unkeep(sb->host, old);
	return 0;
}

static bool is_v2(const struct sandbox *sb)
{
	const char *paths[CGROUP_DIRS];
	size_t n = cgroup_dirs(sb->cgroup, paths);

	for (size_t i = 0; i < n; i++) {
		auto_free char *file = xasprintf("%s/cgroup.freeze", paths[i]);

		if (access(file, F_OK) == 0)
			return true;
	}
	return false;
}

int sandbox_limit(struct sandbox *sb, const char *name, const struct cgroup_limits *l, struct err *e)
{
	const char *ignored[CGROUP_DIRS];
	size_t before = sb->cgroup ? cgroup_dirs(sb->cgroup, ignored) : 0;
	int r;

	if (!cgroup_wanted(l))
		return 0;
	r = sb->cgroup ? cgroup_change(sb->cgroup, name, l, e) : cgroup_new(name, l, &sb->cgroup, e);
	if (r < 0 || cgroup_dirs(sb->cgroup, ignored) == before)
		return r;
	if (keep_dirs(sb, e) < 0)
		return -1;
	if (is_v2(sb) && sandbox_freezer_leave(sb, e) < 0)	/* of version 2 a process has one cgroup only */
		return -1;
	return move_all(sb, e);
}
