/* SPDX-License-Identifier: Apache-2.0 */
/* What this host allows us, found out by trying. */
#include "runtime/sandbox/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "cache/erofs.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/ns.h"
#include "runtime/sandbox/userns.h"

static void yes(struct probe *p, char *text)
{
	p->ok = true;
	p->text = text;
}

static void no(struct probe *p, char *text, const char *hint)
{
	p->ok = false;
	p->text = text;
	p->hint = hint;
}

static bool inside_userns(void)
{
	auto_err struct err e = { 0 };
	struct userns u;

	return userns_info(&u, &e) == 0 && u.inside;
}

static void try_userns(struct probe *p, const char *scratch UNUSED)
{
	auto_err struct err e = { 0 };
	struct userns u;
	uint64_t n = 0;

	if (userns_info(&u, &e) < 0) {
		no(p, xstrdup(err_text(&e)), NULL);
		return;
	}
	for (size_t i = 0; i < u.nuids; i++)
		n += u.uids[i].count;
	if (!u.inside)
		yes(p, xstrdup("not needed: all user IDs of the machine"));
	else if (u.single_id)
		no(p, xasprintf("only the own user ID %u: an image's files can have no other owner", u.owner),
		   "install uidmap, and give the user a range in /etc/subuid and /etc/subgid");
	else
		yes(p, xasprintf("%llu user IDs, root is user %u outside", (unsigned long long)n,
				 u.owner));
}

/* ---- overlay ---- */

static int fs_set(int fs, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key,
			    value, 0);
}

static bool overlay_try(const char *dir)
{
	auto_free char *lower = xasprintf("%s/lower", dir), *upper = xasprintf("%s/upper", dir),
		       *work = xasprintf("%s/work", dir);
	auto_fd int fs = -1, mnt = -1;

	if (mkdir(lower, 0700) < 0 || mkdir(upper, 0700) < 0 || mkdir(work, 0700) < 0)
		return false;
	fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (fs < 0 || (inside_userns() && fs_set(fs, "userxattr", NULL) < 0) ||
	    fs_set(fs, "lowerdir", lower) < 0 || fs_set(fs, "upperdir", upper) < 0 ||
	    fs_set(fs, "workdir", work) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return false;
	mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return mnt >= 0;
}

static void try_overlay(struct probe *p, const char *scratch)
{
	auto_free char *dir = xasprintf("%s/probe-XXXXXX", scratch);
	auto_err struct err e = { 0 };
	bool ok;
	int sys;

	if (!mkdtemp(dir)) {
		no(p, xasprintf("make a directory in %s: %s", scratch, strerror(errno)), NULL);
		return;
	}
	ok = overlay_try(dir);
	sys = errno;
	if (fs_remove(AT_FDCWD, dir, &e) < 0)
		ok = false;
	if (ok)
		yes(p, xstrdup(inside_userns() ? "in the user namespace" : "as root"));
	else if (sys == EINVAL)
		no(p, xasprintf("%s cannot hold the upper directory", scratch),
		   "put the store (--root) on ext4, xfs, btrfs or tmpfs");
	else
		no(p, xasprintf("mount overlay: %s", strerror(sys)),
		   "needs Linux 5.11, for an ordinary user, too");
}

/* ---- the rest ---- */

/* The same question that cache/layer_form asks of the store. */
static void try_erofs(struct probe *p, const char *scratch)
{
	auto_fd int dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_err struct err e = { 0 };

	if (dir >= 0 && erofs_try(dir, &e) == 0)
		yes(p, xstrdup("from files: layers of COPY, ADD, load and import are tars that are mounted"));
	else if (dir >= 0)
		no(p, xasprintf("%s; layers are kept as directories", err_text(&e)), e.hint);
	else
		no(p, xasprintf("open %s: %s", scratch, strerror(errno)), NULL);
}

static bool map_one(pid_t pid, const char *map)
{
	auto_free char *path = xasprintf("/proc/%d/%s", pid, map);
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, "0 0 1\n", 6) == 6;
}

/* A child in a user namespace with one ID, only to have a descriptor of that namespace; -1 with
 * errno. */
static int userns_fd(void)
{
	int p[2], ret = -1, sys;
	pid_t pid;
	char c;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		c = unshare(CLONE_NEWUSER) == 0;
		(void)!write(p[1], &c, 1);
		_exit(pause());
	}
	close(p[1]);
	if (pid > 0 && read(p[0], &c, 1) == 1 && c && map_one(pid, "uid_map") &&
	    map_one(pid, "gid_map")) {
		auto_free char *ns = xasprintf("/proc/%d/ns/user", pid);

		ret = open(ns, O_RDONLY | O_CLOEXEC);
	}
	sys = errno;
	close(p[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	errno = sys;
	return ret;
}

static void try_idmap(struct probe *p, const char *scratch)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP };
	auto_fd int ns = -1, tree = -1;

	if (inside_userns()) {
		no(p, xstrdup("only root may map the IDs of a mount"), NULL);
		return;
	}
	ns = userns_fd();
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, scratch, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	a.userns_fd = (uint64_t)ns;
	if (ns < 0 || tree < 0)
		no(p, xasprintf("no user namespace or mount to try it with: %s", strerror(errno)),
		   NULL);
	else if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		no(p, xasprintf("the filesystem of %s: %s", scratch, strerror(errno)), NULL);
	else
		yes(p, xstrdup("the store's filesystem can"));
}

static void try_cgroup(struct probe *p, const char *scratch UNUSED)
{
	auto_buf struct buf words = { 0 };
	enum cgroup_version v = cgroup_facts(&words);

	if (v == CGROUP_NONE)
		no(p, xstrdup("none is mounted"),
		   "limits of memory, processors and processes are refused");
	else if (words.n)
		yes(p, xasprintf("version %d: %s", v == CGROUP_V1 ? 1 : 2, words.p));
	else
		no(p, xasprintf("version %d, but none is delegated to us", v == CGROUP_V1 ? 1 : 2),
		   "for limits start tare by: systemd-run --user --scope -p Delegate=yes tare ...");
}

static void try_seccomp(struct probe *p, const char *scratch UNUSED)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		yes(p, xstrdup("filters"));
	else
		no(p, xasprintf("no filters: %s", strerror(errno)),
		   "the kernel needs CONFIG_SECCOMP_FILTER");
}

static void try_netns(struct probe *p, const char *scratch UNUSED)
{
	auto_err struct err e = { 0 };
	auto_fd int fd = -1;

	if (ns_net_new(NULL, NULL, &fd, &e) < 0)
		no(p, xstrdup(err_text(&e)), "containers need --network host here");
	else
		yes(p, xstrdup("can be made"));
}

static const struct {
	const char *name;
	void (*try)(struct probe *p, const char *scratch);
} probes[PROBE_COUNT] = {
	[PROBE_USERNS] = { "user IDs", try_userns },
	[PROBE_OVERLAY] = { "overlay", try_overlay },
	[PROBE_EROFS] = { "erofs", try_erofs },
	[PROBE_IDMAP] = { "ID-mapped mounts", try_idmap },
	[PROBE_CGROUP] = { "cgroups", try_cgroup },
	[PROBE_SECCOMP] = { "seccomp", try_seccomp },
	[PROBE_NETNS] = { "network namespaces", try_netns },
};

void probe_one(enum probe_id id, const char *scratch, struct probe *ret)
{
	*ret = (struct probe){ .name = probes[id].name };
	probes[id].try(ret, scratch);
}

void probe_done(struct probe *p)
{
	free(p->text);
	*p = (struct probe){ 0 };
}
