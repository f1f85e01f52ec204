/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/sandbox: plans as bytes, checks of a spec, mount point stubs; and, as root, real sandboxes on a tiny root. */
#include "runtime/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/task.h"
#include "runtime/sandbox/planner.h"
#include "runtime/sandbox/spec.h"
#include "runtime/sandbox/stub.h"
#include "tests/unit/unit.h"

static void test_plan(void **state UNUSED)
{
	static const char *const none[] = { NULL };
	struct planner p = { 0 };
	const struct plan_op *op;
	size_t at = 0;

	planner_add(&p, PLAN_HOSTNAME, PLAN_A(0), "box");
	planner_add(&p, PLAN_SYMLINK, PLAN_A(SLOT_DEV), "/proc/self/fd", "fd");
	planner_put(&p, PLAN_IDS, PLAN_A(1, 2, 0, 3), none, (struct str){ "abcdefghijkl", 12 });
	planner_add(&p, PLAN_PRIVATE, PLAN_A(0));
	op = (const struct plan_op *)(void *)p.b.p;
	assert_int_equal(op->code, PLAN_HOSTNAME);
	assert_int_equal(op->nstr, 1);
	check_str(op->text, "box");
	for (size_t i = 0; i < 4; i++, at += op->size) {	/* every record is aligned and says its size */
		op = (const struct plan_op *)(void *)(p.b.p + at);
		assert_int_equal(op->size % 8, 0);
		assert_true(op->size >= sizeof(*op) && at + op->size <= p.b.n);
		if (i == 1)
			check_str(op->text + strlen(op->text) + 1, "fd");
		if (i == 2) {
			assert_int_equal(op->nstr, 0);
			assert_int_equal(op->arg[1], 2);
			assert_memory_equal(op->text, "abcdefghijkl", 12);
		}
	}
	assert_int_equal(at, p.b.n);
	assert_int_equal(op->code, PLAN_PRIVATE);
	planner_done(&p);
}

static void test_check(void **state UNUSED)
{
	static const struct {
		const char *says, *cwd, *name, *hostname, *dst;
		int root;
		uint64_t memory;
	} rows[] = {
		{ "no root", "/", "n", NULL, NULL, -1, 0 }, { "absolute path", "rel", "n", NULL, NULL, 3, 0 },
		{ "sandbox name", "/", "a/b", NULL, NULL, 3, 0 }, { "sandbox name", "/", "", NULL, NULL, 3, 0 },
		{ "sandbox name", "/", "..", NULL, NULL, 3, 0 }, { "sandbox name", "/", NULL, NULL, NULL, 3, 0 },
		{ "hostname", "/", "n", "", NULL, 3, 0 }, { "must be absolute", "/", "n", NULL, "x", 3, 0 },
		{ "can't be '/'", "/", "n", NULL, "//", 3, 0 }, { "6MB", "/", "n", NULL, NULL, 3, 524287 },
		{ "no source", "/", "n", NULL, "/x", 3, 0 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		struct spec_mount m = { .src_fd = -1, .dst = rows[i].dst };
		struct spec sp;

		spec_init(&sp);
		strv_add(&sp.argv, "true");
		sp.root_fd = rows[i].root;
		sp.cwd = rows[i].cwd;
		sp.name = rows[i].name;
		sp.hostname = rows[i].hostname;
		sp.limits.memory = rows[i].memory;
		sp.mounts = &m;
		sp.nmounts = rows[i].dst != NULL;
		check(spec_check(&sp, &e) < 0 && e.kind == ERR_USAGE, "row %zu", i);
		check(strstr(err_text(&e), rows[i].says), "row %zu: %s", i, err_text(&e));
		spec_done(&sp);
	}
}

struct dir {
	char path[64];
	int fd;
};

static int dir_setup(void **state)
{
	struct dir *d = xcalloc(1, sizeof(*d));

	snprintf(d->path, sizeof(d->path), "%s/tare-unit-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(d->path) || chmod(d->path, 0755) < 0 ||
	    (d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	*state = d;
	return 0;
}

static int dir_teardown(void **state)
{
	auto_err struct err e = { 0 };
	struct dir *d = *state;
	int r;

	close(d->fd);
	r = fs_remove(AT_FDCWD, d->path, &e);
	free(d);
	return r;
}

static bool exists(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_stubs(void **state)	/* RUN-037, RUN-038 */
{
	static const struct timespec old[2] = { { 1000, 5 }, { 2000, 7 } };
	struct dir *d = *state;
	struct stubs s = { 0 };
	struct stat st;

	assert_int_equal(mkdirat(d->fd, "etc", 0755), 0);
	assert_int_equal(mkdirat(d->fd, "sys", 0755), 0);
	assert_int_equal(symlinkat("../run/resolv", openat(d->fd, "etc", O_PATH | O_CLOEXEC), "resolv.conf"), 0);
	assert_int_equal(symlinkat("/sys", d->fd, "outside"), 0);
	assert_int_equal(utimensat(d->fd, "etc", old, 0), 0);
	stubs_make(&s, d->fd, "/etc/hosts", false);
	stubs_make(&s, d->fd, "/etc/resolv.conf", false);	/* a dangling link: what it means is made */
	stubs_make(&s, d->fd, "/sys", true);			/* there already */
	stubs_make(&s, d->fd, "/outside/in", true);		/* the link stays within the root */
	stubs_make(&s, d->fd, "/a/b/c", true);
	stubs_make(&s, d->fd, "/used", true);
	assert_true(exists(d->fd, "etc/hosts") && exists(d->fd, "run/resolv") && exists(d->fd, "a/b/c"));
	assert_true(exists(d->fd, "sys/in"));
	assert_int_equal(fstatat(d->fd, "etc", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);		/* nor does the container see a change */
	assert_int_equal(mkdirat(d->fd, "used/x", 0755), 0);
	stubs_remove(&s);
	assert_int_equal(fstatat(d->fd, "etc", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_mtim.tv_nsec, 7);
	assert_false(exists(d->fd, "etc/hosts") || exists(d->fd, "run/resolv") || exists(d->fd, "a/b/c") ||
		     exists(d->fd, "sys/in"));
	assert_true(exists(d->fd, "a/b"));			/* parents that were made stay */
	assert_true(exists(d->fd, "used/x") && exists(d->fd, "sys") && exists(d->fd, "etc/resolv.conf"));
}

/* ---- real ones ---- */

struct box {
	struct dir *d;
	struct job job;
	struct sandbox_host *host;
};

/* A root with busybox as its only program. */
static int box_setup(void **state)
{
	static const char *const applets[] = { "sh", "true", "cat", "sleep", "id", "ls", "kill", "mkdir", "touch", "mknod" };
	struct box *b = xcalloc(1, sizeof(*b));
	auto_err struct err e = { 0 };
	auto_fd int bin = -1, in = -1, out = -1;
	struct stat st;
	void *d;

	*state = NULL;
	if (geteuid() != 0 || access("/bin/busybox", X_OK) != 0) {
		free(b);
		return 0;	/* each test then skips itself by name */
	}
	if (dir_setup(&d) < 0)
		return -1;
	b->d = d;
	mkdirat(b->d->fd, "bin", 0755);
	bin = openat(b->d->fd, "bin", O_PATH | O_CLOEXEC);
	in = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	out = openat(bin, "busybox", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (in < 0 || out < 0 || fstat(in, &st) < 0 || fs_copy_data(in, out, (uint64_t)st.st_size, &e) < 0)
		return -1;
	for (size_t i = 0; i < countof(applets); i++)
		if (symlinkat("busybox", bin, applets[i]) < 0)
			return -1;
	if (job_init(&b->job, NULL, &e) < 0 || sandbox_host_new(&b->host, &e) < 0)
		return -1;
	*state = b;
	return 0;
}

static int box_teardown(void **state)
{
	struct box *b = *state;
	void *d;
	int r;

	if (!b)
		return 0;
	sandbox_host_free(b->host);
	job_done(&b->job);
	d = b->d;
	r = dir_teardown(&d);
	free(b);
	return r;
}

static void box_spec(struct box *b, struct spec *sp, const char *script)
{
	spec_init(sp);
	sp->root_fd = b->d->fd;
	sp->name = "unit";
	sp->hostname = "box";
	strv_add(&sp->env, "PATH=/bin");
	strv_add(&sp->argv, "sh");
	strv_add(&sp->argv, "-c");
	strv_add(&sp->argv, script);
}

/* Run to the end; its output (both streams) in ret. */
static struct exit_status box_run(struct box *b, struct spec *sp, struct buf *ret)
{
	auto_err struct err e = { 0 };
	struct exit_status st = { .code = -1 };
	struct sandbox *sb;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	sp->stdio[1] = sp->stdio[2] = fds[1];
	check(sandbox_create(&b->job, b->host, sp, &sb, &e) == 0, "%s", err_text(&e));
	close(fds[1]);
	check(sandbox_start(&b->job, sb, &e) == 0, "%s", err_text(&e));
	check(fs_read_fd(fds[0], 1 << 20, ret, &e) == 0, "%s", err_text(&e));
	check(sandbox_wait(&b->job, sb, &st, &e) == 0, "%s", err_text(&e));
	close(fds[0]);
	sandbox_free(sb);
	spec_done(sp);
	return st;
}

static void test_runs(void **state)
{
	struct box *b = *state;
	auto_buf struct buf out = { 0 };
	struct exit_status st;
	struct spec sp;

	if (!b)
		skip();
	box_spec(b, &sp, "echo $$; cat /proc/sys/kernel/hostname; ls /proc/self/fd; exit 7");
	st = box_run(b, &sp, &out);
	assert_int_equal(st.code, 7);
	assert_int_equal(st.signal, 0);
	check_str(out.p, "1\nbox\n0\n1\n2\n3\n");	/* process 1; 3 is ls reading the directory: nothing leaks */
	assert_false(exists(b->d->fd, "proc") || exists(b->d->fd, "sys") || exists(b->d->fd, "dev") ||
		     exists(b->d->fd, "etc/hostname"));	/* no trace, as RUN needs it */
}

static void test_signal(void **state)
{
	struct box *b = *state;
	auto_buf struct buf out = { 0 };
	struct exit_status st;
	struct spec sp;

	if (!b)
		skip();
	box_spec(b, &sp, "kill -TERM $$; sh -c 'kill -SEGV $$'; echo $?");
	sp.init = true;		/* so that the shell is not process 1, which ignores it */
	st = box_run(b, &sp, &out);
	assert_int_equal(st.code, 128 + SIGTERM);
}

static void test_start_errors(void **state)	/* run-004, run-006 */
{
	static const struct { const char *argv0; int status; const char *says; } rows[] = {
		{ "nosuch", 127, "executable file not found in $PATH" }, { "/no/such", 127, "no such file or directory" },
		{ "/bin", 126, "is a directory" }, { "/plain", 126, "permission denied" }, { "", 127, "not found" },
	};
	struct box *b = *state;

	if (!b)
		skip();
	close(openat(b->d->fd, "plain", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		struct sandbox *sb;
		struct spec sp;

		box_spec(b, &sp, "");
		strv_done(&sp.argv);
		strv_add(&sp.argv, rows[i].argv0);
		check(sandbox_create(&b->job, b->host, &sp, &sb, &e) == 0, "%s", err_text(&e));
		check(sandbox_start(&b->job, sb, &e) < 0, "%s", rows[i].argv0);
		check(sandbox_start_status(&e) == rows[i].status, "%s: %s", rows[i].argv0, err_text(&e));
		check(strstr(err_text(&e), rows[i].says), "%s: %s", rows[i].argv0, err_text(&e));
		sandbox_free(sb);
		spec_done(&sp);
	}
}

static void test_hostile_dev(void **state)	/* CVE-2026-47766: no setup through the image's links */
{
	static const char *const names[] = { "dev", "proc", "sys" };
	struct box *b = *state;

	if (!b)
		skip();
	for (size_t i = 0; i < countof(names); i++) {
		auto_err struct err e = { 0 };
		struct sandbox *sb;
		struct spec sp;

		assert_int_equal(symlinkat("/tmp", b->d->fd, names[i]), 0);
		box_spec(b, &sp, "true");
		check(sandbox_create(&b->job, b->host, &sp, &sb, &e) < 0, "%s", names[i]);
		check(strstr(err_text(&e), "symbolic link"), "%s", err_text(&e));
		spec_done(&sp);
		assert_int_equal(unlinkat(b->d->fd, names[i], 0), 0);
	}
}

static void test_cwd(void **state)	/* CVE-2024-21626: an fd of ours is no working directory */
{
	static const char *const bad[] = { "/proc/self/fd/7", "/proc/self/cwd", "/proc/1/root", "/bin/busybox" };
	struct box *b = *state;

	if (!b)
		skip();
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct sandbox *sb;
		struct spec sp;

		box_spec(b, &sp, "true");
		sp.cwd = bad[i];
		sp.mkdir_cwd = true;
		check(sandbox_create(&b->job, b->host, &sp, &sb, &e) < 0, "%s", bad[i]);
		check(strstr(err_text(&e), "working directory"), "%s", err_text(&e));
		spec_done(&sp);
	}
}

static void test_cancel(void **state)
{
	struct box *b = *state;
	auto_err struct err e = { 0 };
	struct exit_status st;
	struct sandbox *sb;
	struct spec sp;
	pid_t pid;

	if (!b)
		skip();
	box_spec(b, &sp, "sleep 1000");
	check(sandbox_create(&b->job, b->host, &sp, &sb, &e) == 0, "%s", err_text(&e));
	check(sandbox_start(&b->job, sb, &e) == 0, "%s", err_text(&e));
	pid = sandbox_pid(sb);
	job_cancel(&b->job);
	assert_int_equal(sandbox_wait(&b->job, sb, &st, &e), -1);
	assert_int_equal(e.kind, ERR_CANCELLED);
	assert_int_equal(kill(pid, 0), 0);
	sandbox_free(sb);
	assert_int_equal(kill(pid, 0), -1);	/* dead and reaped */
	spec_done(&sp);
}

/* A detached mount of another mount namespace cannot be copied, as none can before Linux 6.15: then it is
 * handed over itself. */
static void *foreign_mount(void *arg)
{
	int fs = -1;

	if (unshare(CLONE_FS | CLONE_NEWNS) == 0)
		fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		*(int *)arg = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (fs >= 0)
		close(fs);
	return NULL;
}

static void test_root_of_another_namespace(void **state)
{
	struct box *b = *state;
	auto_err struct err e = { 0 };
	auto_buf struct buf out = { 0 };
	auto_fd int root = -1;
	struct spec_mount m = { .kind = SPEC_BIND, .dst = "/bin" };
	pthread_t t;
	struct spec sp;

	if (!b)
		skip();
	assert_int_equal(thread_start(&t, foreign_mount, &root, &e), 0);
	pthread_join(t, NULL);
	assert_true(root >= 0);
	m.src_fd = openat(b->d->fd, "bin", O_PATH | O_CLOEXEC);
	box_spec(b, &sp, "touch /f; echo ran");
	sp.root_fd = root;
	sp.mounts = &m;
	sp.nmounts = 1;
	assert_int_equal(box_run(b, &sp, &out).code, 0);
	check_str(out.p, "ran\n");
	assert_true(exists(root, "f"));		/* it can still be looked into */
	assert_false(exists(root, "bin") || exists(root, "proc"));
	close(m.src_fd);
}

/* Devices: what mknod makes cannot be opened; the six that are given can. */
static void test_devices(void **state)
{
	struct box *b = *state;
	auto_buf struct buf out = { 0 };
	struct spec sp;

	if (!b)
		skip();
	box_spec(b, &sp, "for d in / /dev/ /dev/shm/; do mknod ${d}n c 1 3 && echo >${d}n && echo bad; done 2>/dev/null; "
		 "echo x >/dev/null && cat /dev/null && echo good");
	assert_int_equal(box_run(b, &sp, &out).code, 0);
	check_str(out.p, "good\n");
}

/* The keeper ends what a killed parent leaves, also where the container's PDEATHSIG is gone. */
static void test_keeper(void **state)
{
	struct box *b = *state;
	struct pollfd p = { .events = POLLIN };
	int fds[2], status;
	char c;
	pid_t pid;

	if (!b)
		skip();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		auto_err struct err e = { 0 };
		struct sandbox_host *h;
		struct sandbox *sb;
		struct spec sp;

		box_spec(b, &sp, "echo; sleep 1000");
		sp.stdio[1] = fds[1];
		sp.uid = 1000;
		if (sandbox_host_new(&h, &e) < 0 || sandbox_create(&b->job, h, &sp, &sb, &e) < 0 ||
		    sandbox_start(&b->job, sb, &e) < 0)
			_exit(1);
		pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);	/* it runs */
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	p.fd = fds[0];
	assert_int_equal(poll(&p, 1, 30000), 1);	/* the last holder of the pipe has ended */
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

#define WITH_BOX(f) cmocka_unit_test_setup_teardown(f, box_setup, box_teardown)

int suite_sandbox(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan), cmocka_unit_test(test_check),
		cmocka_unit_test_setup_teardown(test_stubs, dir_setup, dir_teardown),
		WITH_BOX(test_runs), WITH_BOX(test_signal), WITH_BOX(test_start_errors), WITH_BOX(test_hostile_dev),
		WITH_BOX(test_cwd), WITH_BOX(test_cancel), WITH_BOX(test_devices), WITH_BOX(test_root_of_another_namespace), WITH_BOX(test_keeper),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
