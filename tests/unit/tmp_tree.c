/* SPDX-License-Identifier: Apache-2.0 */
/* Making and describing file trees. */
#include "tests/unit/tmp_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "cache/names.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

#define must(cond, name) check((cond), "%s: %s", (name), strerror(errno))

/* "=MODE:UID:GID" at the end of s, if any, is cut off. */
static void attributes(char *s, unsigned *mode, unsigned *uid, unsigned *gid)
{
	char *at = strchr(s, '=');

	*uid = *gid = 0;
	if (!at)
		return;
	*at = '\0';
	check(sscanf(at + 1, "%o:%u:%u", mode, uid, gid) >= 1, "%s", at + 1);
}

static void make_socket(int dir, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%.60s", dir, name);
	must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0, name);
}

static void make_file(int dir, char *name, const char *contents)
{
	unsigned mode = 0644, uid, gid;
	auto_fd int fd = -1;

	attributes(name, &mode, &uid, &gid);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0, name);
	must(write(fd, contents, strlen(contents)) == (ssize_t)strlen(contents), name);
	must(fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0, name);
}

static void make_dir(int dir, char *name)
{
	unsigned mode = 0755, uid, gid;
	struct stat st;

	attributes(name, &mode, &uid, &gid);
	name[strlen(name) - 1] = '\0';
	must(mkdirat(dir, name, 0700) == 0 || (errno == EEXIST && fstatat(dir, name, &st, 0) == 0), name);
	must(fchownat(dir, name, uid, gid, 0) == 0 && fchmodat(dir, name, mode, 0) == 0, name);
}

static void make_device(int dir, char *name, char *numbers)
{
	unsigned maj, min;

	check(sscanf(numbers, "%u:%u", &maj, &min) == 2, "%s", numbers);
	must(mknodat(dir, name, S_IFCHR | 0600, makedev(maj, min)) == 0, name);
}

static void make_one(int dir, char *w)
{
	auto_err struct err e = { 0 };
	char *at = strpbrk(w, "@>~|$%"), kind = at ? *at : '/';

	if (w[0] == '-') {
		check(fs_remove(dir, w + 1, &e) == 0, "%s", err_text(&e));
		return;
	}
	if (at)
		*at++ = '\0';
	switch (kind) {
	case '@': make_file(dir, w, at); break;
	case '>': must(symlinkat(at, dir, w) == 0, w); break;
	case '~': must(linkat(dir, at, dir, w, 0) == 0, w); break;
	case '|': must(mkfifoat(dir, w, 0600) == 0, w); break;
	case '$': make_socket(dir, w); break;
	case '%': make_device(dir, w, at); break;
	default: make_dir(dir, w);
	}
}

/* Only what text makes gets TREE_TIME: a snapshot's other files must not be copied up. */
static void set_time(int dir, const char *path)
{
	static const struct timespec t[2] = { { .tv_sec = TREE_TIME }, { .tv_sec = TREE_TIME } };

	must(utimensat(dir, path, t, AT_SYMLINK_NOFOLLOW) == 0 || errno == ENOENT, path);	/* removed again */
}

void tree_make(int dir, const char *text)
{
	auto_strv struct strv made = { 0 };

	for (struct str rest = str_of(text); rest.p; ) {
		auto_free char *w = str_dup(str_cut(&rest, ' '));
		auto_free char *name = xstrndup(w, strcspn(w, "=@>~|$%"));

		if (!*w)
			continue;
		make_one(dir, w);
		if (w[0] != '-')
			strv_add(&made, name);
	}
	for (size_t i = made.n; i-- > 0; )
		set_time(dir, made.v[i]);
}

static void describe(int dir, const char *name, const char *path, const struct stat *st, struct inodes *seen,
		     bool times, struct buf *ret)
{
	char target[4096];
	const char *first = !S_ISDIR(st->st_mode) && st->st_nlink > 1 ? inodes_see(seen, st, path) : NULL;
	auto_buf struct buf data = { 0 };
	auto_err struct err e = { 0 };
	ssize_t n;

	buf_printf(ret, "%s%s", ret->n ? " " : "", path);
	if (first) {
		buf_printf(ret, "~%s", first);
	} else if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir, name, target, sizeof(target));
		must(n >= 0, path);
		buf_printf(ret, ">%.*s", (int)n, target);
		if (st->st_uid || st->st_gid)
			buf_printf(ret, "=%u:%u", st->st_uid, st->st_gid);
	} else if (S_ISCHR(st->st_mode)) {
		buf_printf(ret, "%%%u:%u", major(st->st_rdev), minor(st->st_rdev));
	} else if (S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode)) {
		buf_putc(ret, S_ISFIFO(st->st_mode) ? '|' : '$');
	} else {
		buf_printf(ret, "%s=%o", S_ISDIR(st->st_mode) ? "/" : "", st->st_mode & 07777);
		if (st->st_uid || st->st_gid)
			buf_printf(ret, ":%u:%u", st->st_uid, st->st_gid);
	}
	if (S_ISREG(st->st_mode) && !first) {
		check(fs_read(dir, name, 1 << 20, &data, &e) == 0, "%s", err_text(&e));
		buf_printf(ret, "@%s", data.p);
	}
	if (times)
		buf_printf(ret, "^%lld", (long long)st->st_mtim.tv_sec);
}

static void walk(int dir, const char *above, struct inodes *seen, bool times, struct buf *ret)
{
	auto_names struct names names = { 0 };

	must(names_read(dir, &names) == 0, "list");
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *path = xasprintf("%s%s%s", above, *above ? "/" : "", names.v[i].s);
		auto_fd int sub = -1;
		struct stat st;

		must(fstatat(dir, names.v[i].s, &st, AT_SYMLINK_NOFOLLOW) == 0, path);
		describe(dir, names.v[i].s, path, &st, seen, times, ret);
		if (!S_ISDIR(st.st_mode))
			continue;
		sub = openat(dir, names.v[i].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		must(sub >= 0, path);
		walk(sub, path, seen, times, ret);
	}
}

char *tree_text(int dir, bool times)
{
	auto_inodes struct inodes *seen = inodes_new();
	auto_fd int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct buf ret = { 0 };

	must(fd >= 0, "open");
	walk(fd, "", seen, times, &ret);
	return buf_take(&ret);
}

void tree_check(int dir, const char *want, const char *file, int line)
{
	auto_free char *got = tree_text(dir, false);

	if (strcmp(got, want) == 0)
		return;
	print_error("%s:%d: the tree is\n  %s\nand should be\n  %s\n", file, line, got, want);
	fail();
}

int tree_tmp(struct tmp_store *t, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", t->path, name);
	int fd;

	must(mkdir(path, 0755) == 0, path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0, path);
	return fd;
}

static void child(int dir, const char *const *argv, int in, int out)
{
	if (dir >= 0 && fchdir(dir) < 0)
		_exit(126);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

struct spawned tree_spawn(int dir, const char *const *argv, struct str in)
{
	struct spawned ret = { 0 };
	auto_err struct err e = { 0 };
	auto_fd int from = memfd_create("in", MFD_CLOEXEC);
	int out[2], status;
	pid_t pid;

	must(from >= 0 && pipe2(out, O_CLOEXEC) == 0, "pipe");
	check(fs_write_all(from, in.p, in.n, &e) == 0 && lseek(from, 0, SEEK_SET) == 0, "%s", err_text(&e));
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0)
		child(dir, argv, from, out[1]);
	close(out[1]);
	check(fs_read_fd(out[0], 16 << 20, &ret.out, &e) == 0, "%s", err_text(&e));
	close(out[0]);
	must(waitpid(pid, &status, 0) == pid, argv[0]);
	ret.status = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
	return ret;
}
