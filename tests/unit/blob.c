/* SPDX-License-Identifier: Apache-2.0 */
/* cache/blob: bytes come back, wrong ones are refused, a kill leaves a whole blob or none. */
#include "cache/blob.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

/* Files in work/ other than the one that holds the pins. */
static size_t temps(const struct tmp_store *t)
{
	return tmp_count(t, "work") - tmp_exists(t, "work/pins");
}

static void test_put_and_read(void **state)
{
	static const char *const texts[] = { "", "a", "{\"schemaVersion\":2}" };
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };

	for (size_t i = 0; i < countof(texts); i++)
		for (int again = 0; again < 2; again++) {
			auto_buf struct buf b = { 0 };
			auto_fd int fd = -1;
			struct digest d, want = digest_of(texts[i], strlen(texts[i]));
			uint64_t size = 99;

			check(blob_put(t->s, texts[i], strlen(texts[i]), &d, &e) == 0, "%s", err_text(&e));
			assert_true(digest_eq(&d, &want));
			assert_int_equal(blob_has(t->s, &d, &e), 1);
			assert_int_equal(blob_read(t->s, &d, 100, &b, &e), 0);
			check_str(buf_view(&b).p, texts[i]);
			assert_int_equal(blob_open(t->s, &d, &fd, &size, &e), 0);
			assert_int_equal(size, strlen(texts[i]));
		}
	assert_int_equal(tmp_count(t, "blobs/sha256"), countof(texts));
	assert_int_equal(temps(t), 0);
}

static void test_missing(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_buf struct buf b = { 0 };
	struct digest d = tmp_digest(1), d512 = { .alg = HASH_SHA512 };
	int fd;

	assert_int_equal(blob_has(t->s, &d, &e), 0);
	assert_int_equal(blob_open(t->s, &d, &fd, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(blob_read(t->s, &d, 10, &b, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(blob_open(t->s, &d512, &fd, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

static void test_refused(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_buf struct buf b = { 0 };
	struct digest want = tmp_digest(1), d;
	struct blob_in *in;

	/* not the digest that was promised */
	assert_int_equal(blob_begin(t->s, 100, &in, &e), 0);
	assert_int_equal(blob_write(in, "abc", 3, &e), 0);
	assert_int_equal(blob_commit(in, &want, &d, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	/* more than was allowed */
	assert_int_equal(blob_begin(t->s, 4, &in, &e), 0);
	assert_int_equal(blob_write(in, "abc", 3, &e), 0);
	assert_int_equal(blob_write(in, "de", 2, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	blob_drop(in);
	/* nothing stays */
	assert_int_equal(tmp_count(t, "blobs/sha256"), 0);
	assert_int_equal(temps(t), 0);
	/* more than the reader takes */
	assert_int_equal(blob_put(t->s, "hello", 5, &d, &e), 0);
	assert_int_equal(blob_read(t->s, &d, 4, &b, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
}

static void damage(struct tmp_store *t, const struct digest *d, const char *bytes)
{
	auto_err struct err e = { 0 };
	char hex[DIGEST_TEXT_MAX];

	assert_int_equal(fs_replace(store_dir(t->s, STORE_BLOBS, &e), digest_hex(d, hex), bytes, strlen(bytes), 0600,
				    false, &e), 0);
}

static void test_damaged(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_buf struct buf b = { 0 };
	struct digest d;

	assert_int_equal(blob_put(t->s, "hello", 5, &d, &e), 0);
	damage(t, &d, "jello");
	assert_int_equal(blob_read(t->s, &d, 100, &b, &e), -1);
	check(e.kind == ERR_CORRUPT && e.hint, "%s", err_text(&e));
	assert_int_equal(b.n, 0);
	/* one of another length is replaced */
	damage(t, &d, "he");
	assert_int_equal(blob_put(t->s, "hello", 5, &d, &e), 0);
	assert_int_equal(blob_read(t->s, &d, 100, &b, &e), 0);
}

static int put_one(const char *root)
{
	auto_err struct err e = { 0 };
	struct blob_in *in;
	struct store *s;
	struct digest d;

	if (store_open(root, &s, &e) < 0 || blob_begin(s, 100, &in, &e) < 0 || blob_write(in, "half ", 5, &e) < 0 ||
	    blob_write(in, "and half", 8, &e) < 0 || blob_commit(in, NULL, &d, NULL, &e) < 0)
		return 1;
	store_close(s);
	return 0;
}

/* Killed at each step: the name is there with all its bytes, or is not there. */
static void test_killed(void **state)
{
	static const struct { const char *point; size_t blobs, temps; } rows[] = {
		{ "blob.created", 0, 1 }, { "blob.written", 0, 1 }, { "blob.synced", 0, 1 },
		{ "blob.renamed", 1, 0 }, { "blob.durable", 1, 0 },
	};
	struct tmp_store *t = *state;
	struct digest d = digest_of("half and half", 13);

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		auto_buf struct buf b = { 0 };
		char hex[DIGEST_TEXT_MAX];

		assert_int_equal(fs_remove(store_dir(t->s, STORE_BLOBS, &e), digest_hex(&d, hex), &e), 0);
		size_t before = temps(t);
		check(tmp_fork_fault(t, rows[i].point, 1, put_one) == 256 + SIGKILL, "%s", rows[i].point);
		check(tmp_count(t, "blobs/sha256") == rows[i].blobs, "%s", rows[i].point);
		check(temps(t) - before == rows[i].temps, "%s", rows[i].point);
		if (rows[i].blobs)
			check(blob_read(t->s, &d, 100, &b, &e) == 0, "%s: %s", rows[i].point, err_text(&e));
		check(tmp_fork(t, put_one) == 0, "%s", rows[i].point);	/* and it can be done again */
		assert_int_equal(blob_read(t->s, &d, 100, &b, &e), 0);
	}
}

int suite_blob(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_and_read, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_missing, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_refused, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_damaged, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_killed, tmp_store_setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("blob", tests, NULL, NULL);
}
