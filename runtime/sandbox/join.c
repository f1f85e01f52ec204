/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a process that joins: cgroups, namespaces, then what every process of a sandbox goes through. */
#include "runtime/sandbox/join.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "base/task.h"
#include "runtime/sandbox/cgroup_find.h"
#include "runtime/sandbox/host.h"
#include "runtime/sandbox/planner.h"
#include "runtime/sandbox/sandbox_int.h"
#include "runtime/sandbox/spec.h"

#define PROC_FILE_MAX ((size_t)4 << 20)

/* ---- the process ---- */

uint64_t process_start_at(int proc)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };
	struct str rest;
	uint64_t n = 0;
	char *paren;

	if (fs_read(proc, "stat", 4096, &b, &ignored) < 0 || !(paren = strrchr(b.p, ')')))
		return 0;
	rest = str_of(paren + 2);	/* field 3 follows the name in parentheses, which may hold anything */
	for (int field = 3; field < 22 && rest.p; field++)
		(void)str_cut(&rest, ' ');
	return rest.p && str_to_u64(str_cut(&rest, ' '), 10, &n) ? n : 0;
}

int process_open(pid_t pid, uint64_t start, struct process *ret, struct err *e)
{
	auto_free char *path = xasprintf("/proc/%d", pid);
	auto_fd int proc = pid > 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	auto_fd int fd = proc < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);

	/* The directory's fd means the process that it was opened for, also when the number has become another's: it
	 * then is empty. So a start time read through it after pidfd_open() holds for the pidfd, too. */
	if (fd < 0 || process_start_at(proc) != start)
		return err_set(e, ERR_NOT_FOUND, "process %d has ended", pid);
	*ret = (struct process){ pid, take_fd(&fd), take_fd(&proc) };
	return 0;
}

int process_root(const struct process *t, int *ret, struct err *e)
{
	*ret = openat(t->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret >= 0)
		return 0;
	err_sys(e, "open the container's root");
	return e->sys == EACCES ? err_hint(e, "the container belongs to another user, or to another user namespace") : -1;
}

int process_cgroups(const struct process *t, struct strv *ret, struct err *e)
{
	auto_buf struct buf mounts = { 0 }, self = { 0 }, other = { 0 };

	if (fs_read(t->proc, "cgroup", PROC_FILE_MAX, &other, e) < 0 ||
	    fs_read(AT_FDCWD, "/proc/self/cgroup", PROC_FILE_MAX, &self, e) < 0)
		return err_wrap(e, "find the container's cgroups");
	if (str_eq(buf_view(&self), buf_view(&other)))
		return 0;
	if (fs_read(AT_FDCWD, "/proc/self/mountinfo", PROC_FILE_MAX, &mounts, e) < 0)
		return err_wrap(e, "find the container's cgroups");
	cgroup_dirs_differ(buf_view(&mounts), buf_view(&self), buf_view(&other), ret);
	return 0;
}

void process_close(struct process *t)
{
	if (t->pidfd >= 0)
		close(t->pidfd);
	if (t->proc >= 0)
		close(t->proc);
	*t = (struct process){ 0, -1, -1 };
}

/* ---- the plan ---- */

static int plan_cgroups(struct planner *p, const struct process *t, struct err *e)
{
	auto_strv struct strv dirs = { 0 };

	if (process_cgroups(t, &dirs, e) < 0)
		return -1;
	for (size_t i = 0; i < dirs.n; i++) {
		auto_free char *path = xasprintf("%s/cgroup.procs", dirs.v[i]);
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, "join the container's cgroup %s", dirs.v[i]);
		planner_fd(p, SLOT_CGROUP, fd, true);
		planner_add(p, PLAN_CGROUP, PLAN_A(SLOT_CGROUP));
	}
	return 0;
}

static const struct { const char *name; int flag; } spaces[] = {
	{ "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS }, { "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET },
	{ "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS }, { "cgroup", CLONE_NEWCGROUP },
};

/* Those in which it is not where we are: one may not join one's own user namespace. */
static int spaces_differ(const struct process *t, struct err *e)
{
	int flags = 0;

	for (size_t i = 0; i < countof(spaces); i++) {
		auto_free char *ours = xasprintf("/proc/self/ns/%s", spaces[i].name);
		auto_free char *theirs = xasprintf("ns/%s", spaces[i].name);
		struct stat a, b;

		if (stat(ours, &a) < 0)
			continue;	/* the kernel knows no such namespaces */
		if (fstatat(t->proc, theirs, &b, 0) < 0) {
			err_sys(e, "look at the container's namespaces");
			return -1;
		}
		if (a.st_ino != b.st_ino || a.st_dev != b.st_dev)
			flags |= spaces[i].flag;
	}
	return flags;
}

static int plan_streams(struct planner *p, const struct spec *sp, struct err *e)
{
	struct spec own = *sp;
	int null;

	if (sp->tty) {
		planner_add(p, PLAN_OPEN, PLAN_A(SLOT_PTS, SLOT_ROOT), "/dev/pts");
		planner_add(p, PLAN_TTY, PLAN_A(SLOT_PTS, PLAN_HOST, sp->rows ? sp->rows : 24, sp->cols ? sp->cols : 80,
						sp->uid));
		return 0;
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return err_sys(e, "open /dev/null");
	planner_inherit(p, null, true);
	for (int i = 0; i < 3; i++)
		if (own.stdio[i] < 0)
			own.stdio[i] = null;
	sandbox_plan_stdio(p, &own);
	return 0;
}

static int plan_compile(struct planner *p, struct sandbox *sb, const struct process *t, const struct spec *sp, struct err *e)
{
	int flags = spaces_differ(t, e);

	if (flags < 0 || plan_cgroups(p, t, e) < 0)
		return -1;
	planner_fd(p, SLOT_PID, t->pidfd, false);
	planner_add(p, PLAN_JOIN, PLAN_A(SLOT_PID, flags, SLOT_ROOT));
	planner_add(p, PLAN_FORK, PLAN_A(0, 0, sb->stays ? PLAN_STAY : 0));
	if (plan_streams(p, sp, e) < 0)
		return -1;
	planner_add(p, PLAN_CWD, PLAN_A(SLOT_ROOT, 0, sp->mkdir_cwd ? PLAN_MKDIR : 0), sp->cwd);
	sandbox_plan_limits(p, sp);
	planner_add(p, PLAN_READY, PLAN_A(0));
	sandbox_plan_ids(p, sb, sp);
	if (sandbox_plan_privileges(p, sb, sp, e) < 0)
		return -1;
	sandbox_plan_exec(p, sp);
	return 0;
}

static int join(struct job *j, struct sandbox *sb, const struct process *t, const struct spec *sp, struct err *e)
{
	struct planner p = { 0 };
	int r = plan_compile(&p, sb, t, sp, e);

	if (r == 0)
		r = sandbox_spawn(sb, &p, 0, e);
	planner_done(&p);
	return r < 0 ? -1 : sandbox_wait_ready(j, sb, e);
}

int sandbox_join(struct job *j, struct sandbox_host *h, const struct process *t, const struct spec *sp, bool stays,
		 struct sandbox **ret, struct err *e)
{
	struct sandbox *sb;

	if (sp->argv.n == 0)
		return err_set(e, ERR_USAGE, "no command specified");
	if (!sp->cwd || sp->cwd[0] != '/')
		return err_set(e, ERR_USAGE, "the working directory \"%s\" is invalid, it needs to be an absolute path",
			       sp->cwd ? sp->cwd : "");
	if (job_check(j, e) < 0)
		return -1;
	sb = sandbox_new(h);
	sb->stays = stays;
	if (join(j, sb, t, sp, e) < 0) {
		sandbox_free(sb);
		return -1;
	}
	*ret = sb;
	return 0;
}
