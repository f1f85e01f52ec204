/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freezing a sandbox. Its own cgroup of version 2 does it; where it has none, one is made when it is first needed, and
 * all processes of its pid namespace are moved there (joining a cgroup at the start would cost every container
 * milliseconds). On hosts without version 2 the freezer controller of version 1 takes its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/cgroup_find.h"
#include "runtime/sandbox/host.h"
#include "runtime/sandbox/sandbox_int.h"

#define PASSES 50		/* to catch what is forked while its parent is moved */
#define WAIT_MS 2000
#define PROCS_MAX ((size_t)16 << 20)

struct freezer {
	char *dir;
	int fd;			/* of dir; flock'ed if we have made it (cgroup.h) */
	bool v2, made;
	bool left;		/* limits have moved all to another cgroup */
	uint32_t keep_id;
};

static int put(const struct freezer *f, const char *file, const char *text)
{
	auto_fd int fd = openat(f->fd, file, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) >= 0 ? 0 : -1;
}

/* The container's own directory, if it is one that can freeze. */
static bool own(struct sandbox *sb, struct freezer *f)
{
	const char *dirs[CGROUP_DIRS];
	size_t n = sb->cgroup ? cgroup_dirs(sb->cgroup, dirs) : 0;

	for (size_t i = 0; i < n; i++) {
		auto_fd int fd = open(dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0 || faccessat(fd, "cgroup.freeze", W_OK, 0) < 0)
			continue;
		f->dir = xstrdup(dirs[i]);
		f->fd = take_fd(&fd);
		f->v2 = true;
		return true;
	}
	return false;
}

static int make_at(struct freezer *f, const char *controller, const char *name, const char *file)
{
	auto_free char *parent = cgroup_own_dir(controller), *dir = NULL;
	auto_fd int fd = -1;

	if (!parent) {
		errno = ENOENT;
		return -1;
	}
	dir = xasprintf("%s/tare-%s-frozen", parent, name);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || faccessat(fd, file, W_OK, 0) < 0) {
		int sys = errno;

		(void)rmdir(dir);
		errno = sys;
		return -1;
	}
	f->dir = take_ptr(&dir);
	f->fd = take_fd(&fd);
	f->v2 = controller == NULL;
	f->made = true;
	return 0;
}

static int freezer_make(struct sandbox *sb, const char *name, struct freezer *f, struct err *e)
{
	auto_strv struct strv paths = { 0 };

	if (own(sb, f))
		return 0;
	if (make_at(f, NULL, name, "cgroup.freeze") < 0 && make_at(f, "freezer", name, "freezer.state") < 0) {
		err_sys(e, "make a cgroup to freeze the container");
		if (e->sys == EACCES || e->sys == EPERM || e->sys == EROFS) {
			e->kind = ERR_DENIED;
			err_hint(e, "freezing needs a delegated cgroup: try systemd-run --user --scope -p Delegate=yes tare ...");
		}
		return -1;
	}
	strv_add(&paths, f->dir);
	return host_keep(sb->host, sb->pidfd, &paths, &f->keep_id, e);
}

static bool is_listed(const struct buf *procs, const char *pid)
{
	for (struct str rest = buf_view(procs); rest.p && rest.n;)
		if (str_is(str_cut(&rest, '\n'), pid))
			return true;
	return false;
}

/* Move whoever is not there yet; the number of them, or -1. */
static int gather(struct sandbox *sb, const struct freezer *f, struct err *e)
{
	auto_buf struct buf procs = { 0 };
	auto_strv struct strv pids = { 0 };
	int n = 0;

	if (fs_read(f->fd, "cgroup.procs", PROCS_MAX, &procs, e) < 0 || sandbox_members(sb, &pids, e) < 0)
		return -1;
	for (size_t i = 0; i < pids.n; i++) {
		if (is_listed(&procs, pids.v[i]))
			continue;
		if (put(f, "cgroup.procs", pids.v[i]) == 0)
			n++;
		else if (errno != ESRCH)
			return err_sys(e, "move process %s to %s", pids.v[i], f->dir);
	}
	return n;
}

static int gather_all(struct sandbox *sb, const struct freezer *f, struct err *e)
{
	int n = f->made;	/* else they were born there */

	for (int pass = 0; pass < PASSES && n > 0; pass++)
		n = gather(sb, f, e);
	return n < 0 ? -1 : 0;
}

static bool is_frozen(const struct freezer *f)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err ignored = { 0 };

	if (fs_read(f->fd, f->v2 ? "cgroup.events" : "freezer.state", 4096, &b, &ignored) < 0)
		return false;
	return f->v2 ? strstr(b.p, "frozen 1") != NULL : strncmp(b.p, "FROZEN", 6) == 0;
}

static int set_frozen(const struct freezer *f, bool on)
{
	return f->v2 ? put(f, "cgroup.freeze", on ? "1" : "0") : put(f, "freezer.state", on ? "FROZEN" : "THAWED");
}

int sandbox_freeze(struct sandbox *sb, const char *name, struct err *e)
{
	struct freezer *f = sb->freezer;

	if (f && f->left) {
		sandbox_freezer_free(sb);
		f = NULL;
	}
	if (!f) {
		f = sb->freezer = xcalloc(1, sizeof(*f));
		f->fd = -1;
		if (freezer_make(sb, name, f, e) < 0) {
			sandbox_freezer_free(sb);
			return -1;
		}
	}
	if (gather_all(sb, f, e) < 0)
		return -1;
	if (set_frozen(f, true) < 0)
		return err_sys(e, "freeze %s", f->dir);
	for (int ms = 0; ms < WAIT_MS && !is_frozen(f); ms++)
		poll(NULL, 0, 1);
	if (is_frozen(f) && gather_all(sb, f, e) == 0)
		return 0;
	(void)set_frozen(f, false);
	return e->kind == ERR_NONE ? err_set(e, ERR_SYS, "the container's processes do not freeze") : -1;
}

int sandbox_thaw(struct sandbox *sb, struct err *e)
{
	if (!sb->freezer)
		return 0;
	return set_frozen(sb->freezer, false) < 0 ? err_sys(e, "thaw %s", sb->freezer->dir) : 0;
}

void sandbox_freezer_free(struct sandbox *sb)
{
	struct freezer *f = sb->freezer;

	if (!f)
		return;
	if (f->made)
		for (int i = 0; i < 100 && rmdir(f->dir) < 0 && errno == EBUSY; i++)
			poll(NULL, 0, 5);
	if (f->keep_id)
		host_unkeep(sb->host, f->keep_id);
	if (f->fd >= 0)
		close(f->fd);
	free(f->dir);
	free(f);
	sb->freezer = NULL;
}

int sandbox_freezer_leave(struct sandbox *sb, struct err *e)
{
	if (!sb->freezer || !sb->freezer->made || !sb->freezer->v2)
		return 0;
	if (is_frozen(sb->freezer))
		return err_set(e, ERR_CONFLICT, "the container is paused: unpause it before its first limit is set");
	sb->freezer->left = true;
	return 0;
}
