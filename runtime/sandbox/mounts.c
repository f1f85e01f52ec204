/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts in Docker's order (spec/runtime.md 2.1), compiled to steps of the init program. */
#include "runtime/sandbox/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fs.h"
#include "runtime/sandbox/hooks.h"
#include "runtime/sandbox/planner.h"
#include "runtime/sandbox/spec.h"
#include "runtime/sandbox/stub.h"

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static const struct node { const char *name; unsigned minor_; unsigned major_; } nodes[] = {
	{ "null", 3, 1 }, { "zero", 5, 1 }, { "full", 7, 1 }, { "random", 8, 1 }, { "urandom", 9, 1 }, { "tty", 0, 5 },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
	{ "/proc/self/fd/2", "stderr" }, { "/proc/kcore", "core" }, { "pts/ptmx", "ptmx" },
};

static const char *const masked_proc[] = {
	"acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi",
};

static const char *const masked_sys[] = { "firmware", "devices/virtual/powercap" };
static const char *const readonly_proc[] = { "bus", "fs", "irq", "sys", "sysrq-trigger" };

/* A detached copy of a mount of ours that the init may attach; on kernels before 6.15 a detached mount
 * cannot be copied: it is handed over itself. */
static int clone_source(int fd, const char *path, bool rec, int *ret)
{
	int r = open_tree(fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH) |
				    (rec ? AT_RECURSIVE : 0));

	if (r < 0 && errno == EINVAL && fd >= 0 && !*path)
		r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	*ret = r;
	return r < 0 ? -1 : 0;
}

static int add_root(struct planner *p, const struct spec *sp, struct err *e)
{
	struct mount_attr a = { .attr_set = sp->privileged ? 0 : MOUNT_ATTR_NODEV, .propagation = MS_PRIVATE };
	int fd;

	if (clone_source(sp->root_fd, "", false, &fd) < 0)
		return err_sys(e, "copy the mount of the container's root");
	planner_fd(p, SLOT_ROOT, fd, true);
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		return err_sys(e, "set the mount flags of the container's root");
	planner_add(p, PLAN_PRIVATE, PLAN_A(0));
	planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_PRIV, MOUNT_ATTR_NOSUID), "tmpfs", "source=tmpfs", "mode=0755");
	planner_add(p, PLAN_STACK, PLAN_A(SLOT_PRIV));
	planner_add(p, PLAN_DIR, PLAN_A(SLOT_PRIV, 0, 0555), "empty");
	if (sp->nhooks) {	/* hooks see it there, and what is attached to it later, too */
		auto_free char *seen = xasprintf("%s/rootfs", sp->bundle);

		planner_add(p, PLAN_STACK, PLAN_A(SLOT_ROOT), seen);
	} else {
		planner_add(p, PLAN_STACK, PLAN_A(SLOT_ROOT));
	}
	return 0;
}

static void add_proc(struct planner *p, const struct spec *sp)
{
	const int64_t *sysctl = PLAN_A(SLOT_PROC, 0, PLAN_OPTIONAL);

	if (sp->host_pid)
		planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_PROC, SAFE, PLAN_BIND_HOST), "proc", "source=proc", "/proc");
	else
		planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_PROC, SAFE), "proc", "source=proc");
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_PROC, SLOT_ROOT, PLAN_NO_LINKS), "/proc");
	if (sp->net != SPEC_NET_HOST) {
		planner_add(p, PLAN_WRITE, sysctl, "sys/net/ipv4/ip_unprivileged_port_start", "0");
		planner_add(p, PLAN_WRITE, sysctl, "sys/net/ipv4/ping_group_range", "0 2147483647");
	}
	for (size_t i = 0; i < sp->nsysctls; i++) {
		auto_free char *path = xasprintf("sys/%s", sp->sysctls[i].key);

		for (char *s = path; (s = strchr(s, '.')); )
			*s = '/';
		planner_add(p, PLAN_WRITE, PLAN_A(SLOT_PROC, 0, sp->sysctls[i].optional ? PLAN_OPTIONAL : 0), path,
			    sp->sysctls[i].value);
	}
}

static void add_device(struct planner *p, const char *path, mode_t mode, dev_t rdev, uid_t uid, gid_t gid,
		       const char *host, bool optional)
{
	const int64_t *args = PLAN_A(SLOT_PRIV, SLOT_DEV, mode, (int64_t)rdev, uid, gid);

	if (optional)
		planner_add(p, PLAN_DEVICE, args, path, host, "optional");
	else
		planner_add(p, PLAN_DEVICE, args, path, host);
}

/* Does the spec itself say what that node is? */
static bool is_given(const struct spec *sp, const char *name)
{
	for (size_t i = 0; i < sp->ndevices; i++)
		if (strcmp(sp->devices[i].path, name) == 0)
			return true;
	return false;
}

/* --privileged: every node of the host's /dev, but not what belongs to other mounts. */
static void add_host_devices(struct planner *p, const struct spec *sp, const char *dir, const char *prefix, int depth)
{
	static const char *const skip[] = { "pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console",
					    "ptmx", "null", "zero", "full", "random", "urandom", "tty", NULL };
	DIR *d = opendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		auto_free char *host = xasprintf("%s/%s", dir, de->d_name);
		auto_free char *path = xasprintf("%s%s", prefix, de->d_name);
		auto_free char *below = xasprintf("%s/", path);
		struct stat st;
		bool left_out = de->d_name[0] == '.' && strspn(de->d_name, ".") == strlen(de->d_name);

		for (size_t i = 0; depth == 0 && skip[i]; i++)
			left_out = left_out || strcmp(skip[i], de->d_name) == 0;
		if (left_out || is_given(sp, path) || lstat(host, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < 8)
			add_host_devices(p, sp, host, below, depth + 1);
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			add_device(p, path, st.st_mode, st.st_rdev, st.st_uid, st.st_gid, host, true);
	}
	if (d)
		closedir(d);
}

/* CVE-2026-47766: /dev is our own tmpfs, mounted on a directory that no link leads to, filled through its fd. */
static void add_dev(struct planner *p, const struct spec *sp)
{
	planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_DEV, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME),
		    "tmpfs", "source=tmpfs", "mode=0755", "size=65536k");
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_DEV, SLOT_ROOT, PLAN_NO_LINKS), "/dev");
	planner_add(p, PLAN_DIR, PLAN_A(SLOT_DEV, 0, 0755), "pts");
	for (size_t i = 0; i < countof(nodes); i++) {
		auto_free char *host = xasprintf("/dev/%s", nodes[i].name);

		if (!is_given(sp, nodes[i].name))
			add_device(p, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major_, nodes[i].minor_), 0, 0, host,
				   false);
	}
	for (size_t i = 0; i < countof(links); i++)
		planner_add(p, PLAN_SYMLINK, PLAN_A(SLOT_DEV), links[i][0], links[i][1]);
	planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_PTS, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), "devpts", "source=devpts",
		    "newinstance", "ptmxmode=0666", "mode=0620", "?gid=5");
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_PTS, SLOT_ROOT, PLAN_NO_LINKS), "/dev/pts");
	for (size_t i = 0; i < sp->ndevices; i++) {
		const struct spec_device *d = &sp->devices[i];

		add_device(p, d->path, d->mode, d->rdev, d->uid, d->gid, d->host, false);
	}
	if (sp->privileged)
		add_host_devices(p, sp, "/dev", "", 0);
}

static void add_ipc(struct planner *p, const struct spec *sp)
{
	auto_free char *size = xasprintf("size=%llu", (unsigned long long)sp->shm_size);

	planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_TMP, SAFE), "mqueue", "source=mqueue");
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_TMP, SLOT_ROOT, PLAN_NO_LINKS), "/dev/mqueue");
	if (sp->no_shm)
		return;
	if (sp->ipc_fd >= 0) {
		if (sp->shm_fd < 0)
			return;
		planner_fd(p, SLOT_TMP, sp->shm_fd, false);
		planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_TMP, SLOT_ROOT, PLAN_NO_LINKS), "/dev/shm");
		return;
	}
	if (sp->host_ipc) {
		planner_add(p, PLAN_CLONE, PLAN_A(SLOT_TMP, PLAN_HOST, 0, SAFE), "/dev/shm");
		planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_TMP, SLOT_ROOT, PLAN_NO_LINKS), "/dev/shm");
		return;
	}
	planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_TMP, SAFE), "tmpfs", "source=shm", "mode=1777", size);
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_TMP, SLOT_ROOT, PLAN_NO_LINKS), "/dev/shm");
}

static void add_sys(struct planner *p, const struct spec *sp)
{
	planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_SYS, SAFE | (sp->privileged ? 0 : MOUNT_ATTR_RDONLY), PLAN_BIND_HOST),
		    "sysfs", "source=sysfs", "/sys");
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_SYS, SLOT_ROOT, PLAN_NO_LINKS), "/sys");
}

/* One version 1 hierarchy, words as in /proc/self/cgroup: "cpu,cpuacct", "name=systemd". In the new cgroup
 * namespace its root is the container's own cgroup. */
static void add_hierarchy(struct planner *p, struct str words, uint64_t attrs)
{
	auto_free char *name = str_dup(str_starts(words, "name=") ? str_sub(words, 5, words.n) : words);
	auto_strv struct strv strs = { 0 };
	struct str rest = words;

	strv_add(&strs, "cgroup");
	strv_add(&strs, "source=cgroup");
	if (str_starts(words, "name="))
		strv_add(&strs, "none");
	while (rest.n)
		strv_add_n(&strs, str_cut(&rest, ','));
	planner_put(p, PLAN_NEWFS, PLAN_A(SLOT_TMP, (int64_t)attrs, PLAN_OPTIONAL), (const char *const *)strs.v,
		    (struct str){ 0 });
	planner_add(p, PLAN_DIR, PLAN_A(SLOT_CGROUP, 0, 0755), name);
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_TMP, SLOT_CGROUP, PLAN_NO_LINKS), name);
	for (rest = words; strchr(name, ',') && rest.n; ) {
		auto_free char *one = str_dup(str_cut(&rest, ','));

		planner_add(p, PLAN_SYMLINK, PLAN_A(SLOT_CGROUP), name, one);
	}
}

static void add_cgroups(struct planner *p, const struct spec *sp, struct str lines)
{
	uint64_t ro = sp->privileged || sp->writable_cgroups ? 0 : MOUNT_ATTR_RDONLY;
	bool v1 = false;

	for (struct str rest = lines; rest.n; ) {
		struct str line = str_cut(&rest, '\n'), words;

		(void)str_cut(&line, ':');
		words = str_cut(&line, ':');
		if (!words.n)
			continue;
		if (!v1) {
			planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_CGROUP, SAFE), "tmpfs", "source=tmpfs", "mode=0755");
			planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_CGROUP, SLOT_ROOT, PLAN_NO_LINKS), "/sys/fs/cgroup");
		}
		v1 = true;
		add_hierarchy(p, words, SAFE | ro);
	}
	if (v1) {
		planner_add(p, PLAN_ATTR, PLAN_A(SLOT_CGROUP, 0, 0, (int64_t)ro));
		return;
	}
	planner_add(p, PLAN_NEWFS, PLAN_A(SLOT_TMP, (int64_t)(SAFE | ro), PLAN_OPTIONAL), "cgroup2", "source=cgroup");
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_TMP, SLOT_ROOT, PLAN_NO_LINKS), "/sys/fs/cgroup");
}

static void add_masks(struct planner *p)
{
	char path[64];

	for (size_t i = 0; i < countof(masked_proc); i++)
		planner_add(p, PLAN_MASK, PLAN_A(SLOT_PROC, SLOT_PRIV), masked_proc[i]);
	for (size_t i = 0; i < countof(masked_sys); i++)
		planner_add(p, PLAN_MASK, PLAN_A(SLOT_SYS, SLOT_PRIV), masked_sys[i]);
	for (long i = 0, n = access("/sys/devices/system/cpu/cpu0/thermal_throttle", F_OK) == 0 ?
			    sysconf(_SC_NPROCESSORS_CONF) : 0; i < n; i++) {
		snprintf(path, sizeof(path), "devices/system/cpu/cpu%ld/thermal_throttle", i);
		planner_add(p, PLAN_MASK, PLAN_A(SLOT_SYS, SLOT_PRIV), path);
	}
	for (size_t i = 0; i < countof(readonly_proc); i++)
		planner_add(p, PLAN_RDONLY, PLAN_A(SLOT_PROC), readonly_proc[i]);
}

static uint64_t mount_attrs(const struct spec *sp, unsigned flags)
{
	return (flags & SPEC_RO ? MOUNT_ATTR_RDONLY : 0) | (flags & SPEC_NOSUID ? MOUNT_ATTR_NOSUID : 0) |
	       (flags & SPEC_NODEV || !sp->privileged ? MOUNT_ATTR_NODEV : 0) |
	       (flags & SPEC_NOEXEC ? MOUNT_ATTR_NOEXEC : 0) | (flags & SPEC_NOATIME ? MOUNT_ATTR_NOATIME : 0);
}

/* A file of bytes: made in the private tmpfs under a name of its own, then bound. */
static void add_text(struct planner *p, const struct spec_mount *m, uint64_t attrs, size_t n)
{
	const int64_t *args = PLAN_A(SLOT_PRIV, 0, m->mode, (int64_t)m->text.n, m->uid, m->gid);
	auto_free char *name = xasprintf("text%zu", n);
	const char *const strs[] = { name, NULL };

	planner_put(p, PLAN_FILE, args, strs, m->text);
	planner_add(p, PLAN_CLONE, PLAN_A(SLOT_TMP, SLOT_PRIV, 0, (int64_t)attrs), name);
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_TMP, SLOT_ROOT, 0), m->dst);
}

static void add_texts(struct planner *p, const struct spec *sp)
{
	auto_free char *hostname = sp->hostname ? xasprintf("%s\n", sp->hostname) : NULL;
	const struct { const char *dst, *text; } files[] = {
		{ "/etc/hostname", hostname }, { "/etc/hosts", sp->hosts }, { "/etc/resolv.conf", sp->resolv_conf },
	};

	for (size_t i = 0; i < countof(files); i++)
		if (files[i].text)
			add_text(p, &(struct spec_mount){ .dst = files[i].dst, .text = str_of(files[i].text),
							  .mode = 0644 },
				 SAFE, sp->nmounts + i);
}

static int add_bind(struct planner *p, const struct spec *sp, const struct spec_mount *m, struct err *e)
{
	static const uint64_t propagation[] = { MS_PRIVATE, MS_SLAVE, MS_SHARED };
	struct mount_attr a = { .attr_set = mount_attrs(sp, m->flags), .propagation = propagation[m->propagation] };
	bool rec = m->flags & SPEC_REC, by_path = m->src_fd < 0;
	const char *shown = m->src ? m->src : m->dst;
	int fd;

	if (clone_source(by_path ? AT_FDCWD : m->src_fd, by_path ? m->src : "", rec, &fd) < 0) {
		if (errno == ENOENT && m->optional)
			return 0;
		if (errno == ENOENT)
			return err_set(e, ERR_NOT_FOUND, "bind source path does not exist: %s", shown);
		return err_sys(e, "bind %s", shown);
	}
	planner_fd(p, SLOT_TMP, fd, true);
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (rec ? AT_RECURSIVE : 0), &a, sizeof(a)) < 0)
		return err_sys(e, "set the mount flags of %s", shown);
	a = (struct mount_attr){ .attr_set = MOUNT_ATTR_RDONLY };
	if ((m->flags & SPEC_RO_TOP) && mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		return err_sys(e, "set the mount flags of %s", shown);
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_TMP, SLOT_ROOT, 0), m->dst);
	return 0;
}

static void add_tmpfs(struct planner *p, const struct spec *sp, const struct spec_mount *m)
{
	struct str rest = str_of(m->data);
	auto_strv struct strv strs = { 0 };

	strv_add(&strs, "tmpfs");
	strv_add(&strs, "source=tmpfs");
	while (rest.n) {
		struct str opt = str_cut(&rest, ',');

		if (opt.n)
			strv_add_n(&strs, opt);
	}
	planner_put(p, PLAN_NEWFS, PLAN_A(SLOT_TMP, (int64_t)mount_attrs(sp, m->flags)),
		    (const char *const *)strs.v, (struct str){ 0 });
	planner_add(p, PLAN_ATTACH, PLAN_A(SLOT_TMP, SLOT_ROOT, 0), m->dst);
}

static int add_mounts(struct planner *p, const struct spec *sp, struct err *e)
{
	for (size_t i = 0; i < sp->nmounts; i++) {
		const struct spec_mount *m = &sp->mounts[i];

		if (m->kind == SPEC_TMPFS)
			add_tmpfs(p, sp, m);
		else if (m->kind == SPEC_TEXT)
			add_text(p, m, mount_attrs(sp, m->flags), i);
		else if (add_bind(p, sp, m, e) < 0)
			return -1;
	}
	return 0;
}

int mounts_compile(struct planner *p, const struct spec *sp, struct str cgroups, struct err *e)
{
	if (add_root(p, sp, e) < 0)
		return -1;
	add_proc(p, sp);
	add_dev(p, sp);
	add_sys(p, sp);
	add_cgroups(p, sp, cgroups);
	add_ipc(p, sp);
	if (!sp->unmask && !sp->privileged)
		add_masks(p);
	add_texts(p, sp);
	if (add_mounts(p, sp, e) < 0)
		return -1;
	if (sp->tty)
		planner_add(p, PLAN_TTY, PLAN_A(SLOT_PTS, SLOT_DEV, sp->rows ? sp->rows : 24,
						sp->cols ? sp->cols : 80, sp->uid));
	if (sp->readonly_root)
		planner_add(p, PLAN_ATTR, PLAN_A(SLOT_ROOT, 0, 0, MOUNT_ATTR_RDONLY));
	hooks_plan_create(p, sp);
	planner_add(p, PLAN_PIVOT, PLAN_A(SLOT_ROOT));
	return 0;
}

/* Is path at or below one of the mounts that come before the n-th, or below a standard one? */
static bool is_covered(const struct spec *sp, size_t n, const char *path)
{
	static const char *const std[] = { "/proc", "/sys", "/dev" };

	for (size_t i = 0; i < countof(std) + n; i++) {
		const char *dst = i < countof(std) ? std[i] : sp->mounts[i - countof(std)].dst;
		size_t len = strlen(dst);

		if (strncmp(path, dst, len) == 0 && (path[len] == '/' || path[len] == '\0'))
			return true;
	}
	return false;
}

static bool is_dir_source(const struct spec_mount *m)
{
	struct stat st;

	if (m->kind != SPEC_BIND)
		return m->kind == SPEC_TMPFS;
	return (m->src_fd >= 0 ? fstat(m->src_fd, &st) : stat(m->src, &st)) == 0 && S_ISDIR(st.st_mode);
}

void mounts_make_stubs(const struct spec *sp, struct stubs *s)
{
	stubs_make(s, sp->root_fd, "/proc", true);
	stubs_make(s, sp->root_fd, "/sys", true);
	stubs_make(s, sp->root_fd, "/dev", true);
	if (sp->hostname)
		stubs_make(s, sp->root_fd, "/etc/hostname", false);
	if (sp->hosts)
		stubs_make(s, sp->root_fd, "/etc/hosts", false);
	if (sp->resolv_conf)
		stubs_make(s, sp->root_fd, "/etc/resolv.conf", false);
	for (size_t i = 0; i < sp->nmounts; i++)
		if (!is_covered(sp, i, sp->mounts[i].dst))
			stubs_make(s, sp->root_fd, sp->mounts[i].dst, is_dir_source(&sp->mounts[i]));
}
