/* SPDX-License-Identifier: Apache-2.0 */
/* cache/store: making and opening, versions, damage, a full and a read-only disk, many at once. */
#include "cache/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/fs.h"
#include "cache/blob.h"
#include "cache/db.h"
#include "cache/images.h"
#include "cache/schema.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

static void test_make_and_open(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	int64_t v = 0;
	struct stat st;

	for (int i = 0; i < 2; i++) {
		check(store_open(t->root, &t->s, &e) == 0, "%s", err_text(&e));
		assert_int_equal(schema_version(store_db(t->s), &v, &e), 0);
		assert_int_equal(v, schema_latest());
		check_str(store_path(t->s), t->root);
		store_close(t->s);
		t->s = NULL;
	}
	assert_int_equal(stat(t->root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_false(tmp_exists(t, "layers"));	/* made when needed */
}

static void test_dirs(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };

	for (int i = 0; i < STORE_DIRS; i++) {
		int fd = store_dir(t->s, (enum store_dir)i, &e);

		check(fd >= 0, "%s", err_text(&e));
		assert_int_equal(store_dir(t->s, (enum store_dir)i, &e), fd);
		check(tmp_exists(t, store_dir_name((enum store_dir)i)), "%s", store_dir_name((enum store_dir)i));
	}
}

static void check_refused(struct tmp_store *t, enum err_kind kind, const char *words)
{
	auto_err struct err e = { 0 };
	struct store *s = NULL;

	check(store_open(t->root, &s, &e) < 0, "opened, should say %s", words);
	check(e.kind == kind && strstr(err_text(&e), words), "%d %s", e.kind, err_text(&e));
	check(e.hint && !strchr(err_text(&e), '\n'), "%s", err_text(&e));
	assert_null(s);
}

static void test_newer(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };

	assert_int_equal(db_script(store_db(t->s), "PRAGMA user_version=999", &e), 0);
	check_refused(t, ERR_USAGE, "newer tare");
	assert_int_equal(db_script(store_db(t->s), "PRAGMA user_version=1", &e), 0);
}

static void overwrite(struct tmp_store *t, const char *name, off_t at, const char *bytes, size_t n)
{
	auto_free char *path = xasprintf("%s/%s", t->root, name);
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
}

static void remove_file(struct tmp_store *t, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", t->root, name);

	unlink(path);
}

static void close_store(struct tmp_store *t)
{
	auto_err struct err e = { 0 };

	/* all in the main file, as after any checkpoint */
	assert_int_equal(db_script(store_db(t->s), "PRAGMA wal_checkpoint(TRUNCATE)", &e), 0);
	store_close(t->s);
	t->s = NULL;
}

static void test_broken(void **state)
{
	struct tmp_store *t = *state;
	static const char junk[4096] = "this was a database once";

	close_store(t);
	overwrite(t, "tare.db", 0, junk, sizeof(junk));
	check_refused(t, ERR_CORRUPT, "damaged");
}

/* The header is whole, a page of a table is not: the first use says so. */
static void test_broken_inside(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	char junk[4096];
	int64_t page = tmp_int(t->s, "SELECT rootpage FROM sqlite_schema WHERE name = 'layers'"), n;

	memset(junk, 0x5a, sizeof(junk));
	close_store(t);
	overwrite(t, "tare.db", (page - 1) * 4096, junk, sizeof(junk));
	check(store_open(t->root, &t->s, &e) == 0, "%s", err_text(&e));
	assert_int_equal(db_get_int(store_db(t->s), "SELECT count(*) FROM layers", BIND_NONE, &n, &e), -1);
	check(e.kind == ERR_CORRUPT && e.hint, "%s", err_text(&e));
}

/* An empty or missing database beside layers is a lost one: it is not made anew. */
static void test_lost(void **state)
{
	struct tmp_store *t = *state;
	struct digest d = tmp_layer(t->s, 1);
	auto_free char *path = xasprintf("%s/tare.db", t->root);

	close_store(t);
	assert_int_equal(truncate(path, 0), 0);
	check_refused(t, ERR_CORRUPT, "missing or empty");
	remove_file(t, "tare.db");
	check_refused(t, ERR_CORRUPT, "missing or empty");
	assert_true(tmp_layer_exists(t, &d));
}

static void test_no_place(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_free char *file = xasprintf("%s/file", t->path), *below = xasprintf("%s/file/store", t->path);
	struct store *s;

	assert_int_equal(fs_replace(AT_FDCWD, file, "", 0, 0600, false, &e), 0);
	assert_int_equal(store_open(file, &s, &e), -1);
	check(e.kind == ERR_SYS && e.sys == ENOTDIR, "%s", err_text(&e));
	assert_int_equal(store_open(below, &s, &e), -1);
	check(e.kind == ERR_SYS && e.sys == ENOTDIR, "%s", err_text(&e));
}

/* --- many at once --- */

static int open_close(const char *root)
{
	auto_err struct err e = { 0 };
	struct store *s;

	for (int i = 0; i < 3; i++) {
		if (store_open(root, &s, &e) < 0) {
			fprintf(stderr, "%s\n", err_text(&e));
			return 1;
		}
		store_close(s);
	}
	return 0;
}

static void test_first_together(void **state)
{
	struct tmp_store *t = *state;
	int status, left = 8;

	for (int i = 0; i < left; i++)
		tmp_start(t, open_close);
	while (left-- > 0) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

/* Killed at any point of the first opening: the next one completes it. */
static void test_killed_while_made(void **state)
{
	struct tmp_store *t = *state;
	unsigned n = 1;

	while (tmp_fork_fault(t, "*", n, open_close) == 256 + SIGKILL) {
		assert_int_equal(tmp_fork(t, open_close), 0);
		auto_err struct err e = { 0 };
		assert_int_equal(fs_remove(AT_FDCWD, t->root, &e), 0);
		n++;
	}
	assert_true(n > 3);
}

/* --- disks, in a mount namespace of the child's own --- */

static int own_mounts(const char *root, const char *options)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mkdir(root, 0700) < 0 || mount("tmpfs", root, "tmpfs", 0, options) < 0 ? -1 : 0;
}

static int full(struct err *e)
{
	int ok = e->kind == ERR_SYS && e->sys == ENOSPC && e->hint;

	if (!ok)
		fprintf(stderr, "not the error of a full disk: %s\n", err_text(e));
	err_clear(e);
	return ok;
}

static int on_tiny_disk(const char *root)
{
	auto_err struct err e = { 0 };
	struct store *s;

	if (own_mounts(root, "size=16k") < 0)
		return 77;
	if (store_open(root, &s, &e) == 0 || !full(&e))
		return 1;
	if (mount(NULL, root, NULL, MS_REMOUNT, "size=4m") < 0 || store_open(root, &s, &e) < 0)
		return 2;	/* what was half made does not stand in the way */
	store_close(s);
	return 0;
}

/* Fill the disk; returns the fd of the file that does it. */
static int fill(const char *root)
{
	auto_free char *path = xasprintf("%s/ballast", root);
	static const char data[4096];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	while (write(fd, data, sizeof(data)) > 0)
		;
	return fd;
}

static int on_full_disk(const char *root)
{
	auto_err struct err e = { 0 };
	static char big[1 << 20];
	struct store *s;
	struct digest d;
	int fd;

	if (own_mounts(root, "size=4m") < 0)
		return 77;
	if (store_open(root, &s, &e) < 0 || blob_put(s, "a", 1, &d, &e) < 0)
		return 1;
	if (db_run(store_db(s), "INSERT INTO trees VALUES ('first', 'kept')", BIND_NONE, &e) < 0)
		return 2;
	fd = fill(root);
	big[0] = 1;
	if (blob_put(s, big, sizeof(big), &d, &e) == 0 || !full(&e))
		return 3;
	if (db_run(store_db(s), "INSERT INTO trees VALUES ('second', ?)", BIND(db_blob(big, sizeof(big))), &e) == 0 ||
	    !full(&e))
		return 4;
	if (ftruncate(fd, 0) < 0 || close(fd) < 0)
		return 5;
	if (tmp_int(s, "SELECT count(*) FROM trees") != 1 || tmp_int(s, "SELECT count(*) FROM trees WHERE digest = 'first'") != 1)
		return 6;
	if (blob_put(s, big, sizeof(big), &d, &e) < 0)
		return 7;
	store_close(s);
	return 0;
}

static int on_read_only_disk(const char *root)
{
	auto_err struct err e = { 0 };
	struct store *s;

	if (own_mounts(root, "size=4m") < 0)
		return 77;
	if (mount(NULL, root, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return 1;
	if (store_open(root, &s, &e) == 0 || e.kind != ERR_DENIED || !e.hint)
		return 2;
	err_clear(&e);
	if (mount(NULL, root, NULL, MS_REMOUNT, NULL) < 0 || store_open(root, &s, &e) < 0)
		return 3;
	store_close(s);
	if (mount(NULL, root, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return 4;
	if (store_open(root, &s, &e) < 0)
		return e.kind == ERR_DENIED && e.hint ? 0 : 5;
	return db_run(store_db(s), "DELETE FROM trees", BIND_NONE, &e) < 0 && e.kind == ERR_DENIED && e.hint ? 0 : 6;
}

static void test_disks(void **state)
{
	struct tmp_store *t = *state;
	static const struct { const char *name; int (*fn)(const char *); } rows[] = {
		{ "tiny", on_tiny_disk }, { "full", on_full_disk }, { "read-only", on_read_only_disk },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		int r = tmp_fork(t, rows[i].fn);

		if (r == 77)
			skip();		/* an ordinary user may not mount */
		check(r == 0, "%s disk: %d", rows[i].name, r);
		rmdir(t->root);
	}
}

int suite_store(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_make_and_open, tmp_dir_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_dirs, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_newer, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_broken, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_broken_inside, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_lost, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_no_place, tmp_dir_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_first_together, tmp_dir_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_killed_while_made, tmp_dir_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_disks, tmp_dir_setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
