/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/sandbox/cgroup: limits that are refused, places, limits that bite, what killed processes
 * leave. */
#include "runtime/sandbox/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "runtime/sandbox/cgroup_find.h"
#include "tests/unit/unit.h"

static void test_cgroup_check(void **state)
{
	static const struct { struct cgroup_limits l; const char *text; } rows[] = {
		{ { .memory = 524287 }, "Minimum memory limit allowed is 6MB" },
		{ { .memory_swap = 8 << 20 }, "needs a memory limit" },
		{ { .memory = 8 << 20, .memory_swap = 7 << 20 }, "below the memory limit" },
		{ { .memory = 8 << 20, .memory_swap = -2 }, "negative" },
		{ { .nano_cpus = 1 }, "Range of CPUs is from 0.01" },
		{ { .nano_cpus = -1 }, "Range of CPUs is from 0.01" },
		{ { .nano_cpus = INT64_MAX }, "Range of CPUs is from 0.01" },
		{ { .cpuset = "0-x" }, "not a list" },
		{ { .cpuset = "1-0" }, "not a list" },
		{ { .cpuset = "4095" }, "Requested CPUs are not available" },
		{ { .memory = 6 << 20,
		    .memory_swap = -1,
		    .nano_cpus = 10000000,
		    .cpuset = "0",
		    .pids = -1 },
		  NULL },
		{ { .memory = 6 << 20, .memory_swap = 6 << 20 }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		int r = cgroup_check(&rows[i].l, &e);

		if (!rows[i].text)
			check(r == 0, "row %zu: %s", i, err_text(&e));
		else
			check(r < 0 && e.kind == ERR_USAGE && strstr(e.msg, rows[i].text),
			      "row %zu: %s", i, err_text(&e));
	}
}

static void test_cgroup_places(void **state)
{
	static const struct { const char *mounts, *self, *memory, *pids, *v2; } rows[] = {
		{ "30 1 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
		  "0::/user.slice/session-3.scope\n", NULL, NULL,
		  "/sys/fs/cgroup/user.slice/session-3.scope" },
		{ "31 1 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n32 1 0:28 /docker/x /cg/pids rw - cgroup none rw,pids\n"
		  "33 1 0:29 / /cg/unified rw - cgroup2 none rw\n",
		  "4:memory:/a/b\n8:pids:/docker/x/y\n0::/\n", "/cg/memory/a/b", "/cg/pids/y",
		  "/cg/unified" },
		{ "32 1 0:28 /docker/x /cg/pids rw - cgroup none rw,pids\n", "8:pids:/docker/xy\n",
		  NULL, "/cg/pids", NULL },
		{ "32 1 0:28 / /cg/mp rw - cgroup none rw,memory,pids\n", "8:pids,memory:/\n",
		  "/cg/mp", "/cg/mp", NULL },
		{ "1 0 0:1 / / rw - ext4 /dev/sda rw\nnonsense\n\n", "0::/\n", NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct cgroup_places p;
		const char *got[3], *want[3] = { rows[i].memory, rows[i].pids, rows[i].v2 };

		cgroup_places_parse(str_of(rows[i].mounts), str_of(rows[i].self), &p);
		got[0] = p.v1[CGROUP_MEMORY];
		got[1] = p.v1[CGROUP_PIDS];
		got[2] = p.v2;
		for (size_t k = 0; k < 3; k++)
			check(got[k] && want[k] ? strcmp(got[k], want[k]) == 0 : got[k] == want[k],
			      "row %zu: %s", i, got[k] ? got[k] : "none");
		cgroup_places_done(&p);
	}
}

/* A v2 hierarchy drawn in plain files: which directory may have children with the controllers? */
struct drawn { const char *dir, *controllers, *subtree, *procs; bool root; };

static void draw(int top, const struct drawn *d)
{
	auto_err struct err e = { 0 };
	auto_fd int fd = fs_mkdirs_in(top, d->dir, 0755, (uid_t)-1, (gid_t)-1);
	const struct { const char *file, *text; } files[] = {
		{ "cgroup.controllers", d->controllers }, { "cgroup.subtree_control", d->subtree },
		{ "cgroup.procs", d->procs }, { "cgroup.type", d->root ? NULL : "domain\n" },
	};

	for (size_t i = 0; i < countof(files); i++)
		if (files[i].text)
			check(fs_replace(fd, files[i].file, files[i].text, strlen(files[i].text),
					 0644, false, &e) == 0,
			      "%s", err_text(&e));
}

static void test_cgroup_v2_parent(void **state)
{
	static const struct drawn tree[] = {
		{ ".", "cpu memory pids\n", "memory pids\n", "1\n", true },
		{ "user", "memory pids\n", "pids\n", "", false },
		{ "user/service", "pids\n", "\n", "", false },
		{ "user/service/own", "\n", "\n", "7\n", false },
	};
	static const struct { const char *own; unsigned mask; const char *want; } rows[] = {
		{ "/user/service/own", 1 << CGROUP_PIDS, "/user/service" }, /* hands it on */
		{ "/user/service/own", 1 << CGROUP_MEMORY, "/user" },
		{ "/user/service/own", 1 << CGROUP_MEMORY | 1 << CGROUP_PIDS, "/user" },
		{ "/user/service/own", 1 << CGROUP_CPU, "" }, /* a root may have processes */
		{ "/user/service/own", 1 << CGROUP_CPUSET, NULL },
		{ "", 1 << CGROUP_PIDS, "" },
	};
	char top[] = "/tmp/tare-unit-cgroup-XXXXXX";
	auto_err struct err e = { 0 };
	auto_fd int fd = -1;

	(void)state;
	assert_non_null(mkdtemp(top));
	fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < countof(tree); i++)
		draw(fd, &tree[i]);
	for (size_t i = 0; i < countof(rows); i++) {
		auto_free char *own = xasprintf("%s%s", top, rows[i].own), *got = NULL;
		auto_free char *want = rows[i].want ? xasprintf("%s%s", top, rows[i].want) : NULL;
		const struct cgroup_places p = { .v2 = own, .v2_top = strlen(top) };

		got = cgroup_v2_parent(&p, rows[i].mask, false);
		check(got && want ? strcmp(got, want) == 0 : got == want, "row %zu: %s", i,
		      got ? got : "none");
	}
	check(fs_remove(AT_FDCWD, top, &e) == 0, "%s", err_text(&e));
}

static bool can_limit(const char *word)
{
	auto_buf struct buf words = { 0 };

	cgroup_facts(&words);
	return words.p && strstr(words.p, word);
}

static char *test_name(const char *what)
{
	return xasprintf("unit-%s-%d", what, getpid());
}

static void gone(const char *const *dirs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(access(dirs[i], F_OK) < 0, "%s is left", dirs[i]);
}

/* A child that joins by itself, then runs fn. */
static int run_in(struct cgroup *g, int (*fn)(void))
{
	int fds[CGROUP_DIRS], status;
	size_t n = cgroup_procs(g, fds);
	pid_t pid = fork();

	if (pid == 0) {
		for (size_t i = 0; i < n; i++)
			if (write(fds[i], "0", 1) != 1)
				_exit(99);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int eat_memory(void)
{
	size_t n = (size_t)64 << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < n; i += 4096)
		((volatile char *)p)[i] = 1;
	return 0;
}

static int be_good(void)
{
	return 0;
}

static void test_cgroup_memory(void **state)
{
	const struct cgroup_limits l = { .memory = 16 << 20 };
	auto_free char *name = test_name("memory");
	auto_err struct err e = { 0 };
	const char *dirs[CGROUP_DIRS];
	char *copy[CGROUP_DIRS];
	struct cgroup *g;
	size_t n;
	int status;

	(void)state;
	if (!can_limit("memory"))
		skip();
	check(cgroup_new(name, &l, &g, &e) == 0, "%s", err_text(&e));
	n = cgroup_dirs(g, dirs);
	check(n >= 1, "a directory");
	status = run_in(g, be_good);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !cgroup_oom(g), "status %x", status);
	status = run_in(g, eat_memory);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", status);
	check(cgroup_oom(g), "it was the limit");
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(dirs[i]);
	cgroup_free(g);
	gone((const char *const *)copy, n);
	for (size_t i = 0; i < n; i++)
		free(copy[i]);
}

static int fork_many(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 7;
		if (pid == 0)
			_exit(pause());
	}
	return 0;
}

/* The limit holds, and cgroup_free() ends the children that fork_many() left. */
static void test_cgroup_pids(void **state)
{
	const struct cgroup_limits l = { .pids = 8, .nano_cpus = 500000000, .cpuset = "0" };
	auto_free char *name = test_name("pids");
	auto_err struct err e = { 0 };
	struct cgroup *g, *again;
	int status;

	(void)state;
	if (!can_limit("pids") || !can_limit("cpu") || !can_limit("cpuset"))
		skip();
	check(cgroup_new(name, &l, &g, &e) == 0, "%s", err_text(&e));
	check(cgroup_new(name, &l, &again, &e) < 0 && e.kind == ERR_CONFLICT, "the name is taken");
	status = run_in(g, fork_many);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %x", status);
	check(!cgroup_oom(g), "no memory limit");
	cgroup_free(g);
	check(cgroup_new(name, &l, &g, &e) == 0, "free again: %s", err_text(&e));
	cgroup_free(g);
}

/* A process that is killed leaves its cgroup; nobody's sweep removes it while it lives, anybody's
 * does afterwards. */
static void test_cgroup_sweep(void **state)
{
	const struct cgroup_limits l = { .pids = 8 };
	auto_free char *name = test_name("sweep");
	auto_err struct err e = { 0 };
	struct cgroup *g;
	int pipefd[2], status;
	char c;
	pid_t pid;

	(void)state;
	if (!can_limit("pids"))
		skip();
	assert_int_equal(pipe(pipefd), 0);
	pid = fork();
	if (pid == 0) {
		c = cgroup_new(name, &l, &g, &e) == 0 ? 'y' : 'n';
		_exit(write(pipefd[1], &c, 1) == 1 ? pause() : 1);
	}
	check(read(pipefd[0], &c, 1) == 1 && c == 'y', "made");
	cgroup_sweep();
	check(cgroup_new(name, &l, &g, &e) < 0 && e.kind == ERR_CONFLICT, "still there");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	check(cgroup_sweep() >= 1, "swept");
	check(cgroup_new(name, &l, &g, &e) == 0, "%s", err_text(&e));
	cgroup_free(g);
	close(pipefd[0]);
	close(pipefd[1]);
}

static void test_cgroup_names(void **state)
{
	static const char *const bad[] = { "", "a/b", "..x/", "a b", "\n" };
	const struct cgroup_limits l = { .pids = 8 };

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct cgroup *g;

		check(cgroup_new(bad[i], &l, &g, &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
	}
}

int suite_cgroup(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroup_check), cmocka_unit_test(test_cgroup_places),
		cmocka_unit_test(test_cgroup_v2_parent),
		cmocka_unit_test(test_cgroup_memory), cmocka_unit_test(test_cgroup_pids),
		cmocka_unit_test(test_cgroup_sweep), cmocka_unit_test(test_cgroup_names),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
