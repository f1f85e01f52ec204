/* SPDX-License-Identifier: Apache-2.0 */
/* Rootless: an ordinary user's process moves itself into own user and mount namespaces. */
#include "runtime/sandbox/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"

#define FILE_MAX ((size_t)1 << 20)

/* ---- what exists here ---- */

/* user_namespaces(7), "uid_map": lines of three numbers, blanks between. */
static size_t map_parse(struct str text, struct userns_range *ret)
{
	size_t n = 0;

	while (text.p && n < USERNS_RANGES) {
		struct str line = str_cut(&text, '\n');
		uint64_t v[3];
		size_t k = 0;

		while (line.p && k < 3) {
			struct str word = str_cut(&line, ' ');

			if (word.n && !str_to_u64(word, 10, &v[k++]))
				return n;
		}
		if (k == 3)
			ret[n++] = (struct userns_range){ (uint32_t)v[0], (uint32_t)v[1],
							  (uint32_t)v[2] };
	}
	return n;
}

static int map_read(const char *path, struct userns_range *ret, size_t *n, struct err *e)
{
	auto_buf struct buf text = { 0 };

	if (fs_read(AT_FDCWD, path, FILE_MAX, &text, e) < 0)
		return -1;
	*n = map_parse(buf_view(&text), ret);
	if (*n == 0)
		return err_set(e, ERR_DENIED, "this user namespace has no IDs (%s is empty)", path);
	return 0;
}

static uint64_t ids_total(const struct userns_range *v, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += v[i].count;
	return total;
}

static uint32_t outside_of_root(const struct userns_range *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].inside == 0)
			return v[i].outside;
	return v[0].outside;
}

int userns_info(struct userns *ret, struct err *e)
{
	auto_buf struct buf groups = { 0 };
	auto_err struct err none = { 0 };
	struct userns u = { 0 };

	if (map_read("/proc/self/uid_map", u.uids, &u.nuids, e) < 0 ||
	    map_read("/proc/self/gid_map", u.gids, &u.ngids, e) < 0)
		return -1;
	u.inside = u.nuids != 1 || u.uids[0].inside != 0 || u.uids[0].outside != 0 ||
		   u.uids[0].count != UINT32_MAX;
	u.single_id = ids_total(u.uids, u.nuids) == 1 || ids_total(u.gids, u.ngids) == 1;
	u.setgroups_denied = fs_read(AT_FDCWD, "/proc/self/setgroups", 64, &groups, &none) == 0 &&
			     str_starts(buf_view(&groups), "deny");
	if (u.inside) {
		u.owner = outside_of_root(u.uids, u.nuids);
		u.group = outside_of_root(u.gids, u.ngids);
	}
	*ret = u;
	return 0;
}

static bool range_has(const struct userns_range *v, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= v[i].inside && id - v[i].inside < v[i].count)
			return true;
	return false;
}

bool userns_has_uid(const struct userns *u, uint32_t id)
{
	return range_has(u->uids, u->nuids, id);
}

bool userns_has_gid(const struct userns *u, uint32_t id)
{
	return range_has(u->gids, u->ngids, id);
}

/* ---- subordinate IDs ---- */

/* subuid(5): "name:first:count", the name may be the ID in digits. */
size_t userns_subids(struct str text, struct str name, uint32_t id, struct userns_range *ret,
		     size_t max)
{
	uint64_t who, first, count, inside = 1;
	size_t n = 0;

	while (text.p && n < max) {
		struct str line = str_cut(&text, '\n'), user = str_cut(&line, ':'),
			   from = str_cut(&line, ':');
		bool ours =
			(name.n && str_eq(user, name)) || (str_to_u64(user, 10, &who) && who == id);

		if (!ours || !str_to_u64(str_trim(from), 10, &first) ||
		    !str_to_u64(str_trim(line), 10, &count) || count == 0 || first == 0 ||
		    first + count > UINT32_MAX || inside + count > UINT32_MAX)
			continue;
		ret[n++] =
			(struct userns_range){ (uint32_t)inside, (uint32_t)first, (uint32_t)count };
		inside += count;
	}
	return n;
}

/* Of the passwd file, and of what else the system knows users by; owned, NULL if there is no such
 * user. */
static char *user_name(uid_t uid)
{
	auto_buf struct buf text = { 0 };
	auto_err struct err e = { 0 };
	const struct passwd *pw;
	struct str rest;
	uint64_t id;

	if (fs_read(AT_FDCWD, "/etc/passwd", FILE_MAX, &text, &e) == 0)
		for (rest = buf_view(&text); rest.p;) {
			struct str line = str_cut(&rest, '\n'), name = str_cut(&line, ':');

			(void)str_cut(&line, ':');
			if (str_to_u64(str_cut(&line, ':'), 10, &id) && id == uid)
				return str_dup(name);
		}
	pw = getpwuid(uid);
	return pw ? xstrdup(pw->pw_name) : NULL;
}

static size_t subids_read(const char *path, const char *name, uint32_t id, struct userns_range *ret)
{
	auto_buf struct buf text = { 0 };
	auto_err struct err e = { 0 };

	if (fs_read(AT_FDCWD, path, FILE_MAX, &text, &e) < 0)
		return 0;
	return userns_subids(buf_view(&text), str_of(name), id, ret,
			     USERNS_RANGES - 1); /* one is the own ID */
}

/* ---- the helper: it stays outside and maps IDs for us ---- */

struct helper {
	pid_t pid;
	int go;			/* we write when we are inside */
	int answer;		/* it writes: nothing if all is well, else one line */
};

struct ids {			/* what to map, once for users, once for groups */
	const char *prog;
	uint32_t own;
	struct userns_range v[USERNS_RANGES];
	size_t n;
};

/* Start prog for process pid. */
static pid_t map_start(const struct ids *ids, pid_t target)
{
	auto_strv struct strv l = { 0 };
	pid_t pid;

	strv_add(&l, ids->prog);
	strv_take(&l, xasprintf("%d", target));
	strv_add(&l, "0");
	strv_take(&l, xasprintf("%u", ids->own));
	strv_add(&l, "1");
	for (size_t i = 0; i < ids->n; i++) {
		strv_take(&l, xasprintf("%u", ids->v[i].inside));
		strv_take(&l, xasprintf("%u", ids->v[i].outside));
		strv_take(&l, xasprintf("%u", ids->v[i].count));
	}
	pid = fork();
	if (pid != 0)
		return pid;
	execvp(ids->prog, l.v);
	dprintf(STDERR_FILENO, "%s: %s\n", ids->prog, strerror(errno));
	_exit(127);
}

static bool map_ended_well(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static _Noreturn void helper_main(int go, int answer, const struct ids *users,
				  const struct ids *groups)
{
	pid_t a, b, target = getppid();
	bool ok;
	char c;

	signal(SIGCHLD, SIG_DFL);
	dup2(answer, STDERR_FILENO);
	if (read(go, &c, 1) != 1)
		_exit(1);			/* the namespace was not made */
	a = map_start(users, target);
	b = map_start(groups, target);
	ok = map_ended_well(a);
	ok = map_ended_well(b) && ok;
	if (!ok)
		dprintf(answer, "failed\n");	/* in case that they said nothing */
	_exit(!ok);
}

static int helper_start(struct helper *h, const struct ids *users, const struct ids *groups,
			struct err *e)
{
	int go[2], answer[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	if (pipe2(answer, O_CLOEXEC) < 0) {
		close(go[0]);
		close(go[1]);
		return err_sys(e, "pipe");
	}
	h->pid = fork();
	if (h->pid == 0) {
		close(go[1]);
		close(answer[0]);
		helper_main(go[0], answer[1], users, groups);
	}
	close(go[0]);
	close(answer[1]);
	h->go = go[1];
	h->answer = answer[0];
	if (h->pid > 0)
		return 0;
	close(h->go);
	close(h->answer);
	return err_sys(e, "fork");
}

/* Let it map (or go away), wait for it. *ret: what it complained of; empty if all went well. */
static void helper_end(struct helper *h, bool map, struct buf *ret)
{
	auto_err struct err e = { 0 };
	bool told = map && write(h->go, "g", 1) == 1;

	close(h->go);
	if (fs_read_fd(h->answer, 65536, ret, &e) < 0)
		buf_puts(ret, err_text(&e));
	close(h->answer);
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (map && !told)
		buf_puts(ret, "the helper died");
}

/* ---- entering ---- */

static bool switch_is(const char *path, const char *value)
{
	auto_buf struct buf text = { 0 };
	auto_err struct err e = { 0 };

	return fs_read(AT_FDCWD, path, 64, &text, &e) == 0 &&
	       str_is(str_trim(buf_view(&text)), value);
}

/* The kernel said no (errno): find the switch that did it. */
static int forbidden(struct err *e)
{
	static const struct { const char *file, *value, *hint;
	} switches[] = {
		{ "/proc/sys/user/max_user_namespaces", "0",
		  "as root: sysctl user.max_user_namespaces=15000; or run tare as root" },
		{ "/proc/sys/kernel/unprivileged_userns_clone", "0",
		  "as root: sysctl kernel.unprivileged_userns_clone=1; or run tare as root" },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		  "AppArmor forbids it: as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give tare a profile "
		  "with \"userns,\"; or run tare as root" },
	};
	int sys = errno;

	err_sys(e, "an ordinary user's tare needs a user namespace, which this system forbids");
	e->kind = ERR_DENIED;
	e->hint = sys == ENOSPC
			  ? "too many user namespaces exist: see /proc/sys/user/max_user_namespaces"
			  : "if this is a container, its runtime forbids it; or run tare as root";
	for (size_t i = 0; i < countof(switches); i++)
		if (switch_is(switches[i].file, switches[i].value))
			e->hint = switches[i].hint;
	return -1;
}

static int write_file(const char *path, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static bool mapped(const char *path)
{
	auto_buf struct buf text = { 0 };
	auto_err struct err e = { 0 };

	return fs_read(AT_FDCWD, path, FILE_MAX, &text, &e) == 0 && text.n > 0;
}

/* The own IDs alone, which needs nobody's permission. Leaves what is mapped already. */
static int map_single(uid_t uid, gid_t gid, struct err *e)
{
	auto_free char *u = xasprintf("0 %u 1\n", uid), *g = xasprintf("0 %u 1\n", gid);

	if (!mapped("/proc/self/uid_map") && write_file("/proc/self/uid_map", u) < 0)
		return forbidden(e);
	if (mapped("/proc/self/gid_map"))
		return 0;
	if (write_file("/proc/self/setgroups", "deny") < 0 ||
	    write_file("/proc/self/gid_map", g) < 0)
		return forbidden(e);
	return 0;
}

/* In one line what went wrong with the ranges. */
static char *range_note(const struct buf *complaint)
{
	struct str rest = str_trim(buf_view(complaint)), line = str_cut(&rest, '\n');

	return xasprintf("subordinate IDs of /etc/subuid and /etc/subgid are not used: " STR_FMT
			 " (install uidmap; newuidmap must be setuid root)", STR_ARG(line));
}

static int enter(bool ranges, struct helper *h, uid_t uid, gid_t gid, char **note, struct err *e)
{
	auto_buf struct buf complaint = { 0 };
	bool made = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
	int sys = errno;

	if (ranges)
		helper_end(h, made, &complaint);
	errno = sys;
	if (!made)
		return forbidden(e);
	if (ranges && complaint.n)
		*note = range_note(&complaint);
	if ((!ranges || complaint.n) && map_single(uid, gid, e) < 0)
		return -1;
	/* Mounts come in from outside, never go out. Also the first deed that shows whether an LSM
	 * lets us do any. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return forbidden(e);
	return 0;
}

int userns_enter(char **note, struct err *e)
{
	struct ids users = { .prog = "newuidmap", .own = geteuid() };
	struct ids groups = { .prog = "newgidmap", .own = getegid() };
	auto_free char *name = NULL, *said = NULL;
	struct helper h = { 0 };
	bool ranges;
	int r;

	if (note)
		*note = NULL;
	if (users.own == 0)
		return 0;
	name = user_name(users.own);
	users.n = subids_read("/etc/subuid", name, users.own, users.v);
	groups.n = subids_read("/etc/subgid", name, users.own, groups.v);
	ranges = users.n && groups.n;
	if (ranges && helper_start(&h, &users, &groups, e) < 0)
		return -1;
	r = enter(ranges, &h, users.own, groups.own, &said, e);
	if (r == 0 && note)
		*note = take_ptr(&said);
	return r;
}

/* ---- directories ---- */

/* As root of the machine, or of a container that brings its own such directory: not for us from
 * outside. */
static bool ours(const char *dir)
{
	struct stat st;

	return stat(dir, &st) == 0 && st.st_uid == geteuid();
}

static bool absolute(const char *s)
{
	return s && s[0] == '/';
}

static int private_dir(const char *dir, struct err *e)
{
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", dir);
	if (lstat(dir, &st) < 0)
		return err_sys(e, "stat %s", dir);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		err_set(e, ERR_DENIED, "%s is not a directory of this user alone", dir);
		return err_hint(e, "remove it, or set XDG_RUNTIME_DIR to a directory of yours");
	}
	return 0;
}

int userns_run_dir(const struct userns *u, char **ret, struct err *e)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	auto_free char *dir = NULL, *user = xasprintf("/run/user/%u", u->owner);

	if (!u->inside || ours("/run"))
		dir = xstrdup("/run/tare");
	else if (absolute(xdg) && ours(xdg))
		dir = xasprintf("%s/tare", xdg);
	else if (ours(user))
		dir = xasprintf("%s/tare", user);
	else
		dir = xasprintf("/tmp/tare-%u", u->owner);
	if (private_dir(dir, e) < 0)
		return -1;
	*ret = take_ptr(&dir);
	return 0;
}
