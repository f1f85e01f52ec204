/* SPDX-License-Identifier: Apache-2.0 */
/* cache/db: values, statements, nested transactions, threads and processes on one database. */
#include "cache/db.h"

#include <sys/wait.h>

#include "base/task.h"
#include "cache/store.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

static int setup(void **state)
{
	auto_err struct err e = { 0 };
	struct tmp_store *t;

	tmp_store_setup(state);
	t = *state;
	assert_int_equal(db_script(store_db(t->s), "CREATE TABLE t (i INT, f REAL, s TEXT, b BLOB);"
				   "CREATE TABLE counter (n INT); INSERT INTO counter VALUES (0)", &e), 0);
	return 0;
}

static void test_values(void **state)
{
	struct tmp_store *t = *state;
	struct db *db = store_db(t->s);
	auto_err struct err e = { 0 };
	struct digest d = tmp_digest(1), back, d512 = { .alg = HASH_SHA512 };
	auto_stmt struct stmt st = { 0 };
	int64_t n;

	d512.b[63] = 7;
	assert_int_equal(db_run(db, "INSERT INTO t VALUES (?, ?, ?, ?)",
				BIND(db_int(INT64_MIN), db_real(1.5), db_text("a'b"), db_digest(&d)), &e), 0);
	assert_int_equal(db_run(db, "INSERT INTO t VALUES (?, ?, ?, ?)",
				BIND(db_null(), db_null(), db_text(NULL), db_digest(&d512)), &e), 0);
	assert_int_equal(db_run(db, "INSERT INTO t VALUES (?, ?, ?, ?)",
				BIND(db_int(3), db_null(), db_str(STR_LIT("")), db_blob(NULL, 0)), &e), 0);
	assert_int_equal(db_query(db, "SELECT i, f, s, b FROM t ORDER BY rowid", BIND_NONE, &st, &e), 0);
	assert_int_equal(db_row(&st, &e), 1);
	assert_true(stmt_int(&st, 0) == INT64_MIN && stmt_real(&st, 1) == 1.5);
	check_str(stmt_text(&st, 2), "a'b");
	assert_true(stmt_digest(&st, 3, &back) && digest_eq(&back, &d));
	assert_false(stmt_digest(&st, 2, &back));
	assert_int_equal(db_row(&st, &e), 1);
	assert_true(stmt_null(&st, 0) && stmt_null(&st, 2) && !stmt_text(&st, 2));
	assert_true(stmt_digest(&st, 3, &back) && digest_eq(&back, &d512));
	assert_int_equal(db_row(&st, &e), 1);
	assert_true(!stmt_null(&st, 2) && !stmt_null(&st, 3) && stmt_bytes(&st, 3).n == 0);
	assert_int_equal(db_row(&st, &e), 0);
	assert_int_equal(db_get_int(db, "SELECT i FROM t WHERE i = ?", BIND(db_int(4)), &n, &e), 0);
	assert_int_equal(db_run_count(db, "DELETE FROM t WHERE i IS NOT NULL", BIND_NONE, &n, &e), 0);
	assert_int_equal(n, 2);
}

/* The same text again while it is in use is another statement. */
static void test_statement_twice(void **state)
{
	static const char sql[] = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 3) SELECT x FROM c";
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_stmt struct stmt a = { 0 }, b = { 0 };

	for (int round = 0; round < 2; round++) {
		assert_int_equal(db_query(store_db(t->s), sql, BIND_NONE, &a, &e), 0);
		assert_int_equal(db_row(&a, &e), 1);
		assert_int_equal(db_query(store_db(t->s), sql, BIND_NONE, &b, &e), 0);
		for (int i = 1; i <= 3; i++) {
			assert_int_equal(db_row(&b, &e), 1);
			assert_int_equal(stmt_int(&b, 0), i);
		}
		assert_int_equal(db_row(&a, &e), 1);
		assert_int_equal(stmt_int(&a, 0), 2);
		stmt_done(&b);
		stmt_done(&a);
	}
}

static void test_bad_sql(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };

	assert_int_equal(db_run(store_db(t->s), "SELECT nothing FROM nowhere", BIND_NONE, &e), -1);
	assert_int_equal(e.kind, ERR_SYS);
	assert_int_equal(db_run(store_db(t->s), "SELECT 1", BIND(db_int(1)), &e), -1);
	assert_int_equal(tmp_int(t->s, "SELECT 42"), 42);
}

static int insert(struct db *db, int64_t i, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	if (db_begin(db, &tx, e) < 0 || db_run(db, "INSERT INTO t (i) VALUES (?)", BIND(db_int(i)), e) < 0)
		return -1;
	if (i < 0)
		return err_set(e, ERR_USAGE, "negative");	/* rolls back */
	return db_commit(&tx, e);
}

static void test_transactions(void **state)
{
	static const struct { int64_t in[3]; bool lazy, commit; int result; int64_t rows; } rows[] = {
		{ { 1, 2, 3 }, false, true, 0, 3 },
		{ { 1, 2, 3 }, true, true, 0, 3 },
		{ { 1, 2, 3 }, false, false, 0, 0 },
		{ { 1, -2, 3 }, false, true, -1, 0 },	/* an inner part failed: nothing is stored */
		{ { -1, 2, 3 }, true, true, -1, 0 },
	};
	struct tmp_store *t = *state;
	struct db *db = store_db(t->s);

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 }, inner = { 0 };
		struct tx tx = { 0 };

		assert_int_equal(db_run(db, "DELETE FROM t", BIND_NONE, &e), 0);
		assert_int_equal((rows[i].lazy ? db_begin_lazy : db_begin)(db, &tx, &e), 0);
		for (int k = 0; k < 3; k++)
			assert_int_equal(insert(db, rows[i].in[k], &inner), rows[i].in[k] < 0 ? -1 : 0);
		if (rows[i].commit)
			check(db_commit(&tx, &e) == rows[i].result, "row %zu: %s", i, err_text(&e));
		db_rollback(&tx);
		db_rollback(&tx);
		assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM t"), rows[i].rows);
		assert_int_equal(insert(db, 9, &e), 0);	/* and the connection is usable */
	}
}

static int add_100(struct db *db, struct err *e)
{
	for (int i = 0; i < 100; i++) {
		auto_tx struct tx tx = { 0 };
		int64_t n;

		if (db_begin_lazy(db, &tx, e) < 0 || db_get_int(db, "SELECT n FROM counter", BIND_NONE, &n, e) < 0 ||
		    db_run(db, "UPDATE counter SET n = ?", BIND(db_int(n + 1)), e) < 0 || db_commit(&tx, e) < 0)
			return -1;
	}
	return 0;
}

static void add_in_thread(void *arg)
{
	auto_err struct err e = { 0 };

	check(add_100(arg, &e) == 0, "%s", err_text(&e));
}

static void test_threads(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct pool *p;

	assert_int_equal(pool_new(4, &p, &e), 0);
	for (int i = 0; i < 4; i++)
		pool_run(p, add_in_thread, store_db(t->s));
	pool_free(p);
	assert_int_equal(tmp_int(t->s, "SELECT n FROM counter"), 400);
}

static int add_in_process(const char *root)
{
	auto_err struct err e = { 0 };
	struct store *s;

	if (store_open(root, &s, &e) < 0 || add_100(store_db(s), &e) < 0)
		return 1;
	store_close(s);
	return 0;
}

static void test_processes(void **state)
{
	struct tmp_store *t = *state;
	int status;

	tmp_close(t);
	for (int i = 0; i < 4; i++)
		tmp_start(t, add_in_process);
	for (int i = 0; i < 4; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	tmp_open(t);
	assert_int_equal(tmp_int(t->s, "SELECT n FROM counter"), 400);
}

int suite_db(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_statement_twice, setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_bad_sql, setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_transactions, setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_processes, setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
