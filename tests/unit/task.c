/* SPDX-License-Identifier: Apache-2.0 */
/* base/task: pools run everything once, a cancelled job ends every wait. */
#include "base/task.h"

#include <poll.h>

#include "tests/unit/unit.h"

static void count_up(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_pool(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct pool *p;
	atomic_int n = 0;

	assert_int_equal(pool_new(4, &p, &e), 0);
	for (int i = 0; i < 1000; i++)
		pool_run(p, count_up, &n);
	pool_wait(p);
	assert_int_equal(n, 1000);
	pool_run(p, count_up, &n);
	pool_free(p);
	assert_int_equal(n, 1001);
}

static void test_job(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct job j;
	int fds[2];

	assert_int_equal(job_init(&j, NULL, &e), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(job_wait_fd(&j, fds[0], POLLIN, 0, &e), 1);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(job_wait_fd(&j, fds[0], POLLIN, -1, &e), 0);
	assert_int_equal(job_check(&j, &e), 0);
	job_cancel(&j);
	job_cancel(&j);
	assert_int_equal(job_wait_fd(&j, fds[0], POLLIN, -1, &e), -1);
	assert_int_equal(e.kind, ERR_CANCELLED);
	err_clear(&e);
	close(fds[0]);
	close(fds[1]);
	job_done(&j);
}

static void test_err_chain(void **state)
{
	(void)state;
	struct err e = { 0 }, to = { 0 };

	assert_int_equal(err_set(&e, ERR_LIMIT, "too %s", "large"), -1);
	assert_int_equal(err_wrap(&e, "read %d", 7), -1);
	check_str(err_text(&e), "read 7: too large");
	assert_int_equal(e.kind, ERR_LIMIT);
	err_move(&to, &e);
	assert_null(e.msg);
	check_str(err_text(&to), "read 7: too large");
	err_clear(&to);
}

int suite_task(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool), cmocka_unit_test(test_job), cmocka_unit_test(test_err_chain),
	};

	return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
