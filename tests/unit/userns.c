/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/sandbox/userns: subordinate IDs, and real ordinary users with and without them. */
#include "runtime/sandbox/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "tests/unit/unit.h"

#define USER 54321
#define SUB 700000

static void test_userns_subids(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		uint32_t first, count, inside_last;
	} rows[] = {
		{ "", 0, 0, 0, 0 },
		{ "other:100000:65536\n", 0, 0, 0, 0 },
		{ "me:100000:65536\n", 1, 100000, 65536, 1 },
		{ "1000:200000:10", 1, 200000, 10, 1 },
		{ "me:100000:65536\nother:1:1\nme:300000:5\n", 2, 100000, 65536, 65537 },
		{ "me:x:65536\nme:100000:\nme:100000:0\nme:0:5\nme\nme:4294967295:1\nme:5:4294967295\n",
		  0, 0, 0, 0 },
		{ "me:100000:65536\nme:1:1\n\n\n", 2, 100000, 65536, 65537 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct userns_range v[2] = { 0 };
		size_t n = userns_subids(str_of(rows[i].text), STR_LIT("me"), 1000, v, 2);

		check(n == rows[i].n, "row %zu: %zu", i, n);
		check(!n || (v[0].inside == 1 && v[0].outside == rows[i].first &&
			     v[0].count == rows[i].count),
		      "row %zu", i);
		check(!n || v[n - 1].inside == rows[i].inside_last, "row %zu: last %u", i,
		      v[n - 1].inside);
	}
}

static void test_userns_info(void **state)
{
	auto_err struct err e = { 0 };
	struct userns u;

	(void)state;
	check(userns_info(&u, &e) == 0, "%s", err_text(&e));
	check(userns_has_uid(&u, geteuid()) && userns_has_gid(&u, getegid()), "we exist");
}

/* ---- a real user: a child process that gives up root ---- */

static bool cover(const char *file, const char *text)
{
	auto_free char *tmp = xasprintf("/tmp/tare-unit-%d", getpid());
	auto_fd int fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
		  mount(tmp, file, NULL, MS_BIND, NULL) == 0;

	unlink(tmp);
	return ok;
}

/* As an exec of the program by that user would leave it: /proc/self is the user's own. */
static bool drop_root(void)
{
	return setresgid(USER, USER, USER) == 0 && setresuid(USER, USER, USER) == 0 &&
	       prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

/* In a mount namespace of its own: a user with these subordinate IDs in the system's files. */
static bool become_user(const char *subids)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	if (!cover("/etc/subuid", subids) || !cover("/etc/subgid", subids) ||
	    !cover("/etc/passwd",
		   "root:x:0:0::/root:/bin/sh\nunit:x:54321:54321::/tmp:/bin/sh\n") ||
	    !cover("/etc/group", "root:x:0:\nunit:x:54321:\n"))
		return false;
	return setgroups(0, NULL) == 0 && drop_root();
}

/* Exit status of fn in such a child; 77: the set-up is not possible here. */
static int as_user(const char *subids, int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(become_user(subids) ? fn() : 77);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define want(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			return 1; \
		} \
	} while (0)

static int alone(void)
{
	auto_err struct err e = { 0 };
	struct userns u;
	char *note;
	pid_t pid = getpid();

	want(userns_enter(&note, &e) == 0);
	want(getpid() == pid && geteuid() == 0 && getegid() == 0 && !note);
	want(userns_info(&u, &e) == 0);
	want(u.inside && u.single_id && u.setgroups_denied && u.owner == USER && u.group == USER);
	want(userns_has_uid(&u, 0) && !userns_has_uid(&u, 1));
	want(mount("none", "/mnt", "tmpfs", 0, NULL) == 0); /* in a mount namespace of our own */
	want(userns_enter(&note, &e) == 0);			/* a second time: nothing to do */
	want(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return 0;
}

static int ranged(void)
{
	auto_err struct err e = { 0 };
	struct userns u;
	char *note;
	auto_fd int fd = -1;

	want(userns_enter(&note, &e) == 0);
	if (note) {
		fprintf(stderr, "%s\n", note);
		free(note);
		return 77;
	}
	want(userns_info(&u, &e) == 0);
	want(u.inside && !u.single_id && !u.setgroups_denied && u.owner == USER);
	want(userns_has_uid(&u, 100) && userns_has_gid(&u, 65535) && !userns_has_uid(&u, 70000));
	want(mount("none", "/mnt", "tmpfs", 0, NULL) == 0);
	fd = open("/mnt/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	want(fd >= 0 && fchown(fd, 33, 44) == 0 && setgroups(0, NULL) == 0);
	want(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return 0;
}

/* Ranges on paper, but no newuidmap to be found: the own ID, and a note that says why. */
static int no_program(void)
{
	auto_err struct err e = { 0 };
	struct userns u;
	char *note;

	setenv("PATH", "/nonexistent", 1);
	signal(SIGCHLD, SIG_IGN);
	want(userns_enter(&note, &e) == 0);
	want(note && strstr(note, "newuidmap") && userns_info(&u, &e) == 0 && u.single_id);
	free(note);
	return 0;
}

/* A limit of namespaces set to 0 by somebody above us. */
static int forbidden_here(void)
{
	auto_err struct err e = { 0 };
	char *note;

	want(userns_enter(&note, &e) < 0 && e.kind == ERR_DENIED && e.hint &&
	     strstr(e.hint, "max_user_namespaces"));
	return 0;
}

static int run_dirs(void)
{
	auto_err struct err e = { 0 };
	auto_free char *a = NULL, *b = NULL, *x = xasprintf("/tmp/tare-unit-xdg-%d", getpid()),
		       *xdg = NULL;
	struct userns u;

	want(mkdir(x, 0700) == 0 && userns_enter(NULL, &e) == 0 && userns_info(&u, &e) == 0);
	setenv("XDG_RUNTIME_DIR", x, 1);
	want(userns_run_dir(&u, &a, &e) == 0);
	xdg = xasprintf("%s/tare", x);
	want(strcmp(a, xdg) == 0 && rmdir(a) == 0 && rmdir(x) == 0);
	want(userns_run_dir(&u, &b, &e) == 0 &&
	     strcmp(b, "/tmp/tare-54321") == 0); /* it is no more */
	want(chmod(b, 0777) == 0);
	free(take_ptr(&b));
	want(userns_run_dir(&u, &b, &e) < 0 &&
	     e.kind == ERR_DENIED); /* anybody could have put things there */
	want(rmdir("/tmp/tare-54321") == 0);
	return 0;
}

static void user_test(const char *subids, int (*fn)(void))
{
	int r;

	skip_with_threads();
	r = geteuid() == 0 ? as_user(subids, fn) : 77;
	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

static void test_userns_single(void **state)
{
	(void)state;
	user_test("root:1:1\n", alone);
}

static void test_userns_ranges(void **state)
{
	(void)state;
	user_test("unit:700000:65536\n", ranged);
}

static void test_userns_no_program(void **state)
{
	(void)state;
	user_test("unit:700000:65536\n", no_program);
}

static void test_userns_run_dir(void **state)
{
	(void)state;
	user_test("\n", run_dirs);
}

static bool put(const char *path, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Wait until the other side has done its part: it closes its end. */
static void sync_wait(int fd)
{
	char c;

	(void)!read(fd, &c, 1);
	close(fd);
}

static int forbidden_child(int ready[2], int go[2])
{
	close(ready[0]);
	close(go[1]);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return 77;
	close(ready[1]);
	sync_wait(go[0]);
	if (!put("/proc/sys/user/max_user_namespaces", "0"))
		return 77;
	return drop_root() ? forbidden_here() : 77;
}

/* In a user namespace whose limit is 0, so that the host's own setting stays as it is. */
static void test_userns_forbidden(void **state)
{
	int ready[2], go[2], status;
	pid_t pid;

	(void)state;
	skip_with_threads();
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(ready) | pipe(go), 0);
	pid = fork();
	if (pid == 0)
		_exit(forbidden_child(ready, go));
	close(ready[1]);
	close(go[0]);
	sync_wait(ready[0]);
	for (int i = 0; i < 2; i++) {
		auto_free char *path = xasprintf("/proc/%d/%cid_map", pid, "ug"[i]);

		check(put(path, "0 0 100000\n"), "%s", path);
	}
	close(go[1]);
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

int suite_userns(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_userns_subids), cmocka_unit_test(test_userns_info),
		cmocka_unit_test(test_userns_single), cmocka_unit_test(test_userns_ranges),
		cmocka_unit_test(test_userns_no_program), cmocka_unit_test(test_userns_run_dir),
		cmocka_unit_test(test_userns_forbidden),
	};

	return cmocka_run_group_tests_name("userns", tests, NULL, NULL);
}
