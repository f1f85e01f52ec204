/* SPDX-License-Identifier: Apache-2.0 */
/* Mounted indexes: large ones, attributes, damage, overlayfs on top. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/names.h"
#include "cache/overlay.h"
#include "tests/unit/erofs_kit.h"
#include "tests/unit/erofs_tree.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

extern char **environ;

#define WIDE 100000

/* One directory of 100,000 entries that came in no order, and a path of 1,000 directories. */
static void test_wide_and_deep(void **state UNUSED)
{
	auto_erofs struct erofs *w = erofs_new(false);
	auto_fd int tar = kit_memory("tar");
	auto_buf struct buf deep = { 0 };
	struct image_sum sum;
	char path[64];
	struct stat st;

	kit_need_mount();
	for (uint64_t i = 0; i < WIDE; i++) {
		uint64_t k = i * 7919 % WIDE;
		struct tar_entry t = { .path = path, .type = k % 5 ? TAR_FILE : TAR_DIR, .mode = 0600,
				       .mtime = (int64_t)k };

		snprintf(path, sizeof(path), "wide/%llx-entry", (unsigned long long)k);
		kit_add(w, &t, 0);
	}
	for (int i = 0; i < 1000; i++)
		buf_puts(&deep, "d/");
	buf_puts(&deep, "file");
	kit_add(w, &(struct tar_entry){ .path = deep.p, .type = TAR_FILE, .mtime = 5 }, 0);
	assert_int_equal(ftruncate(tar, 1024), 0);
	auto_fd int index = kit_write(w, 1024);
	kit_check(index, tar, "wide", &sum);
	assert_int_equal(sum.names, WIDE + 1 + 1000 + 1);
	kit_fsck(index, tar, "wide");
	auto_fd int mounted = kit_mount(index, tar);
	auto_fd int wide = openat(mounted, "wide", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_names struct names names = { 0 };
	assert_int_equal(names_read(wide, &names), 0);
	assert_int_equal(names.n, WIDE);
	assert_int_equal(fstat(wide, &st), 0);
	assert_int_equal(st.st_nlink, 2 + WIDE / 5);
	for (unsigned k = 0; k < WIDE; k += 97) {
		snprintf(path, sizeof(path), "%x-entry", k);
		check(fstatat(wide, path, &st, AT_SYMLINK_NOFOLLOW) == 0, "%s", path);
		assert_int_equal(st.st_mtim.tv_sec, k);
		snprintf(path, sizeof(path), "%x-missing", k);
		assert_int_equal(fstatat(wide, path, &st, AT_SYMLINK_NOFOLLOW), -1);
	}
	assert_int_equal(fstatat(mounted, deep.p, &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 5);
}

static void expect_at(int fd, const char *want, uint64_t at)
{
	char got[16] = "";

	assert_int_equal(pread(fd, got, strlen(want), (off_t)at), strlen(want));
	check_str(got, want);
}

/* Files beyond 4 GiB, in size and in place; the tar is mostly a hole, so nothing is read through. */
static void test_huge(void **state UNUSED)
{
	const uint64_t size = ((uint64_t)5 << 30) + 77, second = 512 + ((size + 511) & ~(uint64_t)511) + 512;
	struct tar_entry t = { .path = "huge", .type = TAR_FILE, .mode = 0644, .size = size };
	auto_erofs struct erofs *w = erofs_new(false);
	auto_fd int tar = kit_memory("tar");
	struct stat st;

	kit_need_mount();
	kit_add(w, &t, 512);
	t.path = "behind";
	t.size = 6;
	kit_add(w, &t, second);
	assert_int_equal(ftruncate(tar, (off_t)(second + 512 + 1024)), 0);
	assert_int_equal(pwrite(tar, "first", 5, 512), 5);
	assert_int_equal(pwrite(tar, "middle", 6, 512 + ((off_t)1 << 32) - 3), 6);
	assert_int_equal(pwrite(tar, "last", 4, (off_t)(512 + size - 4)), 4);
	assert_int_equal(pwrite(tar, "behind", 6, (off_t)second), 6);
	auto_fd int index = kit_write(w, kit_size(tar));
	kit_check(index, tar, "huge", NULL);
	auto_fd int mounted = kit_mount(index, tar);
	auto_fd int huge = openat(mounted, "huge", O_RDONLY | O_CLOEXEC);
	auto_fd int behind = openat(mounted, "behind", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(huge, &st), 0);
	assert_true((uint64_t)st.st_size == size);
	expect_at(huge, "first", 0);
	expect_at(huge, "middle", ((uint64_t)1 << 32) - 3);
	expect_at(huge, "last", size - 4);
	expect_at(behind, "behind", 0);
}

static void test_attributes(void **state UNUSED)
{
	static char values[300][3], keys[300][16], large[65535];
	struct tar_xattr many[300], few[3] = { { STR_LIT("trusted.x"), STR_LIT("no") },
					       { STR_LIT("user.large"), { large, sizeof(large) } },
					       { STR_LIT("user.overlay.opaque"), STR_LIT("y") } };
	struct tar_entry t = { .path = "many", .type = TAR_FILE, .mode = 0644, .xattrs = many, .nxattrs = 300 };
	auto_erofs struct erofs *w = erofs_new(true);
	auto_fd int tar = kit_memory("tar");
	static char list[65536];
	struct image_sum sum;
	struct stat st;

	kit_need_mount();
	memset(large, 'x', sizeof(large));
	for (size_t i = 0; i < countof(many); i++) {
		snprintf(keys[i], sizeof(keys[i]), "user.%03zu", i);
		snprintf(values[i], sizeof(values[i]), "%02zx", i % 200);
		many[i] = (struct tar_xattr){ str_of(keys[i]), str_of(values[i]) };
	}
	kit_add(w, &t, 0);
	t.path = "as many";
	kit_add(w, &t, 0);
	t.path = "few";
	t.xattrs = few;
	t.nxattrs = countof(few);
	t.mtime = -1;
	t.mtime_ns = 999999999;
	kit_add(w, &t, 0);
	t = (struct tar_entry){ .path = "d/.wh..wh..opq", .type = TAR_FILE };
	kit_add(w, &t, 0);
	assert_int_equal(ftruncate(tar, 1024), 0);
	auto_fd int index = kit_write(w, 1024);
	kit_check(index, tar, "attributes", &sum);
	assert_int_equal(sum.shared, 2 * 253 + 1);	/* what both have is stored once; so is what is large */
	kit_fsck(index, tar, "attributes");
	auto_fd int mounted = kit_mount(index, tar);
	auto_fd int f = openat(mounted, "few", O_RDONLY), m = openat(mounted, "many", O_RDONLY);
	auto_fd int d = openat(mounted, "d", O_RDONLY);
	assert_int_equal(flistxattr(f, list, sizeof(list)), sizeof("user.large"));
	assert_int_equal(fgetxattr(f, "user.large", list, sizeof(list)), sizeof(large));
	assert_memory_equal(list, large, sizeof(large));
	assert_int_equal(fstat(f, &st), 0);
	assert_true(st.st_mtim.tv_sec == -1 && st.st_mtim.tv_nsec == 999999999);
	assert_int_equal(flistxattr(m, list, sizeof(list)), 253 * sizeof("user.000"));
	assert_int_equal(fgetxattr(m, "user.252", list, sizeof(list)), 2);
	assert_memory_equal(list, values[252], 2);
	assert_int_equal(fgetxattr(d, "user.overlay.opaque", list, sizeof(list)), 1);
	assert_int_equal(fgetxattr(d, "trusted.overlay.opaque", list, sizeof(list)), -1);
}

static void test_refused(void **state UNUSED)
{
	struct tar_xattr cap = { STR_LIT("security.capability"), { "\0\0\0\1\0\0\0\0\0\0\0\0", 12 } };
	const struct { struct tar_entry t; uint64_t data; enum err_kind kind; } table[] = {
		{ { .path = "a", .type = TAR_FILE, .size = 1 }, 511, ERR_CORRUPT },
		{ { .path = "a", .type = TAR_FILE, .size = 1 }, EROFS_TAR_MAX, ERR_LIMIT },
		{ { .path = "a", .type = TAR_FILE, .size = UINT64_MAX }, 512, ERR_LIMIT },
		{ { .path = "a", .type = TAR_FILE, .xattrs = &cap, .nxattrs = 1 }, 0, ERR_CORRUPT },
	};
	struct tar_entry t = { .path = "a", .type = TAR_FILE, .size = 513 };
	auto_erofs struct erofs *w = erofs_new(false), *twice = erofs_new(false);
	auto_fd int out = kit_index_file();
	auto_err struct err e = { 0 };

	for (size_t i = 0; i < countof(table); i++) {
		auto_erofs struct erofs *one = erofs_new(false);

		err_clear(&e);
		check(erofs_add(one, &table[i].t, table[i].data, &e) < 0 && e.kind == table[i].kind, "%zu: %s", i,
		      err_text(&e));
	}
	kit_add(w, &t, 512);
	err_clear(&e);
	check(erofs_write(w, 1024, NULL, kit_put, &out, &e) < 0 && e.kind == ERR_CORRUPT, "%s", err_text(&e));
	err_clear(&e);
	check(erofs_write(twice, 1024, NULL, kit_put, &out, &e) == 0, "%s", err_text(&e));
	check(erofs_write(twice, 1024, NULL, kit_put, &out, &e) < 0 && e.kind == ERR_USAGE, "%s", err_text(&e));
}

static void test_damaged(void **state UNUSED)
{
	static const struct { off_t at; const char *bytes; } table[] = {
		{ 1024, "xxxx" }, { 1036, "\77" }, { 1060, "\377\377" }, { 1030, "\1" }, { 1200, "x" },
	};

	kit_need_mount();
	for (size_t i = 0; i < countof(table); i++) {
		auto_erofs struct erofs *w = erofs_new(false);
		auto_fd int tar = kit_memory("tar"), index = kit_write(w, 1024), fd = -1;
		auto_err struct err e = { 0 };
		size_t n = strlen(table[i].bytes);

		assert_int_equal(ftruncate(tar, 1024), 0);
		assert_int_equal(pwrite(index, table[i].bytes, n, table[i].at), n);
		check(erofs_mount(index, tar, &fd, &e) < 0 && e.kind == ERR_CORRUPT, "%zu: %s", i, err_text(&e));
	}
}

static void make_lower(int dir)
{
	static const char *const files[] = { "d/f", "o/f", "gone", "kept" };

	assert_int_equal(mkdirat(dir, "d", 0755) | mkdirat(dir, "o", 0755) | mkdirat(dir, "up", 0755) |
			 mkdirat(dir, "work", 0755), 0);
	for (size_t i = 0; i < countof(files); i++) {
		auto_err struct err e = { 0 };

		check(fs_replace(dir, files[i], files[i], strlen(files[i]), 0644, false, &e) == 0, "%s", err_text(&e));
	}
}

static struct made *add_program(struct made_tar *m, struct buf *bytes)
{
	struct made *it = made_add(m, TAR_FILE, "bin/true");
	auto_err struct err e = { 0 };

	check(fs_read(AT_FDCWD, "/bin/true", (size_t)8 << 20, bytes, &e) == 0, "%s", err_text(&e));
	it->t.mode = 0755;
	it->t.size = bytes->n;
	return it;
}

/* A tar of a whiteout, an opaque directory and a program, written and indexed entry by entry as a builder does. */
static int build_layer(int tar, int *index)
{
	auto_erofs struct erofs *w = erofs_new(false);
	auto_made struct made_tar m = { 0 };
	auto_buf struct buf bytes = { 0 };
	auto_err struct err e = { 0 };
	struct tar_writer out;

	made_add(&m, TAR_FILE, ".wh.gone");
	add_program(&m, &bytes);
	made_add(&m, TAR_FILE, "o/.wh..wh..opq");
	made_add(&m, TAR_SYMLINK, "o/new")->t.link = "../bin/true";
	tar_write_init(&out, kit_put, &tar);
	for (size_t i = 0; i < m.n; i++) {
		check(tar_write_entry(&out, &m.v[i].t, &e) == 0, "%s", err_text(&e));
		kit_add(w, &m.v[i].t, out.size);
		if (m.v[i].t.size)
			check(tar_write_data(&out, bytes.p, bytes.n, &e) == 0, "%s", err_text(&e));
	}
	check(tar_write_end(&out, &e) == 0, "%s", err_text(&e));
	*index = kit_write(w, out.size);
	tar_write_done(&out);
	return 0;
}

static int run(const char *path)
{
	char *argv[] = { (char *)path, NULL };
	int status;
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, path, NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The mount as overlayfs's lower directory, above a tree-form layer and below a writable one. */
static void test_overlay(void **state)
{
	struct tmp_store *t = *state;
	auto_free char *path = xasprintf("%s/overlay", t->path);
	auto_err struct err e = { 0 };
	auto_fd int index = -1, tar = kit_memory("tar"), merged = -1;
	struct stat st;

	kit_need_mount();
	assert_int_equal(mkdir(path, 0755), 0);
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_lower(dir);
	build_layer(tar, &index);
	auto_fd int mounted = kit_mount(index, tar);
	auto_fd int up = openat(dir, "up", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int work = openat(dir, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct overlay_spec spec = { .lowers = (int[]){ mounted, dir }, .nlowers = 2, .upper = up, .work = work,
				     .scratch = dir };
	check(overlay_mount(&spec, OVERLAY_AUTO, &merged, &e) == 0, "%s", err_text(&e));
	assert_int_equal(fstatat(merged, "kept", &st, 0) | fstatat(merged, "d/f", &st, 0), 0);
	assert_int_equal(fstatat(merged, "gone", &st, 0), -1);
	assert_int_equal(fstatat(merged, "o/f", &st, 0), -1);
	auto_free char *program = xasprintf("/proc/self/fd/%d/o/new", merged);
	assert_int_equal(run(program), 0);
	auto_fd int file = openat(merged, "bin/true", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(write(file, "x", 1), 1);
	assert_int_equal(fstatat(up, "bin/true", &st, 0), 0);
	assert_int_equal(unlinkat(merged, "o/new", 0), 0);
	assert_int_equal(close(take_fd(&file)) | close(take_fd(&merged)), 0);
}

/* What can't be mounted is said with what to do about it. */
static void test_try(void **state UNUSED)
{
	auto_fd int shm = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_err struct err e = { 0 };
	struct statfs fs;

	if (shm < 0 || fstatfs(shm, &fs) < 0 || fs.f_type != TMPFS_MAGIC) {
		print_message("skipped: /dev/shm is no tmpfs\n");
		skip();
	}
	check(erofs_try(shm, &e) < 0 && e.kind == ERR_SYS && e.hint, "%s", err_text(&e));
}

int suite_erofs_mount(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide_and_deep),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_try),
		cmocka_unit_test_setup_teardown(test_overlay, tmp_dir_setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("erofs_mount", tests, NULL, NULL);
}
