/* SPDX-License-Identifier: Apache-2.0 */
/* base/fs: nothing escapes the root, files are replaced whole, trees vanish. */
#include "base/fs.h"

#include <errno.h>

#include "tests/unit/unit.h"

struct place {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	memcpy(p->path, "/tmp/tare-unit-XXXXXX", 22);
	assert_non_null(mkdtemp(p->path));
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->fd >= 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };

	assert_int_equal(fs_remove(AT_FDCWD, p->path, &e), 0);
	assert_int_equal(access(p->path, F_OK), -1);
	close(p->fd);
	free(p);
	return 0;
}

static void test_open_in_clamps(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	auto_buf struct buf b = { 0 };
	auto_fd int fd = -1;

	assert_int_equal(mkdirat(p->fd, "root", 0755), 0);
	auto_fd int root = openat(p->fd, "root", O_RDONLY | O_DIRECTORY);

	assert_int_equal(fs_replace(p->fd, "secret", "outside", 7, 0600, false, &e), 0);
	assert_int_equal(fs_replace(root, "secret", "inside", 6, 0600, false, &e), 0);
	assert_int_equal(symlinkat("../../../../secret", root, "up"), 0);
	assert_int_equal(symlinkat("/secret", root, "abs"), 0);
	static const char *const paths[] = { "/secret", "../secret", "up", "abs", "./../x/../secret" };

	assert_int_equal(mkdirat(root, "x", 0755), 0);
	for (size_t i = 0; i < countof(paths); i++) {
		fd = fs_open_in(root, paths[i], O_RDONLY, 0);
		check(fd >= 0, "%s", paths[i]);
		buf_reset(&b);
		assert_int_equal(fs_read_fd(fd, 100, &b, &e), 0);
		check_str(b.p, "inside");
		close(take_fd(&fd));
	}
	assert_int_equal(symlinkat("/proc/self/root", root, "magic"), 0);
	assert_int_equal(fs_open_in(root, "magic/etc", O_PATH, 0), -1);
}

static void test_mkdirs_in(void **state)
{
	struct place *p = *state;
	struct stat st;

	assert_int_equal(mkdirat(p->fd, "real", 0700), 0);
	assert_int_equal(symlinkat("/real", p->fd, "link"), 0);
	auto_fd int fd = fs_mkdirs_in(p->fd, "/link/a/b", 0750, (uid_t)-1, (gid_t)-1);

	assert_true(fd >= 0);
	assert_int_equal(fstatat(p->fd, "real/a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fstatat(p->fd, "real", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(mknodat(p->fd, "file", S_IFREG | 0600, 0), 0);
	assert_int_equal(fs_mkdirs_in(p->fd, "/file/x", 0755, (uid_t)-1, (gid_t)-1), -1);
}

static void test_parent_in(void **state)
{
	struct place *p = *state;
	static const struct { const char *path, *name; } rows[] = {
		{ "/", "." }, { "", "." }, { "a", "a" }, { "/x/y", "y" }, { "x/..", "." },
	};

	assert_int_equal(mkdirat(p->fd, "x", 0755), 0);
	for (size_t i = 0; i < countof(rows); i++) {
		const char *name;
		int fd = fs_open_parent_in(p->fd, rows[i].path, &name);

		check(fd >= 0, "%s", rows[i].path);
		check_str(name, rows[i].name);
		close(fd);
	}
}

static void test_copy_keeps_holes(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	struct stat st;
	auto_fd int in = openat(p->fd, "in", O_RDWR | O_CREAT, 0600), out = openat(p->fd, "out", O_RDWR | O_CREAT, 0600);
	char back[4] = { 0 };

	assert_int_equal(pwrite(in, "end", 3, 64 << 20), 3);
	assert_int_equal(fs_copy_data(in, out, (64 << 20) + 3, &e), 0);
	assert_int_equal(fstat(out, &st), 0);
	assert_int_equal(st.st_size, (64 << 20) + 3);
	assert_true(st.st_blocks < 2048);
	assert_int_equal(pread(out, back, 3, 64 << 20), 3);
	check_str(back, "end");
}

static void test_read_limits(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	auto_buf struct buf b = { 0 };

	assert_int_equal(fs_replace(p->fd, "f", "12345", 5, 0644, true, &e), 0);
	assert_int_equal(fs_read(p->fd, "f", 4, &b, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	buf_reset(&b);
	assert_int_equal(fs_read(p->fd, "f", 5, &b, &e), 0);
	check_str(b.p, "12345");
	assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0);
	assert_int_equal(fs_read(p->fd, "fifo", 5, &b, &e), -1);	/* and does not hang */
	assert_int_equal(fs_read(p->fd, "absent", 5, &b, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
}

static void test_remove_tree(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	struct stat st;

	assert_int_equal(mkdirat(p->fd, "t", 0755), 0);
	assert_int_equal(mkdirat(p->fd, "t/closed", 0755), 0);
	assert_int_equal(fs_replace(p->fd, "t/closed/f", "", 0, 0600, false, &e), 0);
	assert_int_equal(fchmodat(p->fd, "t/closed", 0, 0), 0);
	assert_int_equal(fs_replace(p->fd, "kept", "", 0, 0600, false, &e), 0);
	assert_int_equal(symlinkat("../kept", p->fd, "t/link"), 0);
	assert_int_equal(fs_remove(p->fd, "t", &e), 0);
	assert_int_equal(fstatat(p->fd, "t", &st, 0), -1);
	assert_int_equal(fstatat(p->fd, "kept", &st, 0), 0);
	assert_int_equal(fs_remove(p->fd, "t", &e), 0);
}

int suite_fs(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_open_in_clamps), T(test_mkdirs_in), T(test_parent_in), T(test_copy_keeps_holes),
		T(test_read_limits), T(test_remove_tree),
	};
#undef T

	return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
