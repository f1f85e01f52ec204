/* SPDX-License-Identifier: Apache-2.0 */
/* cache/lease: a directory for as long as its maker lives, pins that die with a process, locks on keys. */
#include "cache/lease.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/task.h"
#include "cache/pin.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

static void test_directory(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	int work = store_dir(t->s, STORE_WORK, &e);
	auto_fd int again = -1;
	struct lease *l;

	check(lease_new(t->s, &l, &e) == 0, "%s", err_text(&e));
	auto_free char *path = xasprintf("work/%s", lease_id(l));
	assert_true(tmp_exists(t, path));
	assert_int_equal(mkdirat(lease_dirfd(l), "upper", 0755), 0);
	assert_int_equal(mkdirat(lease_dirfd(l), "upper/a", 0), 0);
	assert_int_equal(name_claim(work, lease_id(l), &again, &e), 0);
	lease_free(l);
	assert_false(tmp_exists(t, path));
	lease_free(NULL);
}

/* Pins two digests by both means, says so by making the file `ready`, and waits to be killed. */
static int pin_and_wait(const char *root)
{
	auto_free char *ready = xasprintf("%s/ready", root);
	auto_err struct err e = { 0 };
	struct digest d = tmp_digest(1), d2 = tmp_digest(2);
	struct store *s;
	struct lease *l;

	if (store_open(root, &s, &e) < 0 || lease_new(s, &l, &e) < 0 || store_pin(s, &d, &e) < 0 ||
	    lease_pin(l, &d2, &e) < 0 || mkdir(ready, 0700) < 0)
		return 1;
	for (;;)
		pause();
}

static void test_pins_die_with_process(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest d[] = { tmp_digest(1), tmp_digest(2), tmp_digest(3) };
	auto_fd int fd = -1;
	pid_t pid;

	tmp_close(t);
	pid = tmp_start(t, pin_and_wait);
	while (!tmp_exists(t, "ready"))
		usleep(1000);
	tmp_open(t);
	assert_int_equal(pin_open(t->s, PIN_KEEP, &fd, &e), 0);
	for (size_t i = 0; i < countof(d); i++) {
		assert_int_equal(pin_held(fd, &d[i]), i < 2);
		assert_int_equal(pin_claim(fd, &d[i], &e), i == 2);
	}
	assert_int_equal(store_pin(t->s, &d[0], &e), 0);	/* pins are shared */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(pin_claim(fd, &d[0], &e), 0);
	assert_int_equal(pin_claim(fd, &d[1], &e), 1);
	pin_release(fd, &d[1]);
}

static void test_lease_pins(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest d = tmp_digest(1);
	auto_fd int fd = -1;
	struct lease *l;

	assert_int_equal(pin_open(t->s, PIN_KEEP, &fd, &e), 0);
	assert_int_equal(lease_new(t->s, &l, &e), 0);
	assert_int_equal(lease_pin(l, &d, &e), 0);
	assert_int_equal(lease_pin(l, &d, &e), 0);
	assert_true(pin_held(fd, &d));
	lease_free(l);
	assert_false(pin_held(fd, &d));
}

static void *cancel_soon(void *arg)
{
	usleep(20000);
	job_cancel(arg);
	return NULL;
}

static void test_key_lock(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest k = tmp_digest(1), other = tmp_digest(2);
	auto_fd int a = -1, b = -1, c = -1;
	struct job j;
	pthread_t th;

	assert_int_equal(job_init(&j, NULL, &e), 0);
	assert_int_equal(key_lock(t->s, &k, &j, &a, &e), 0);
	assert_int_equal(key_trylock(t->s, &k, &b, &e), 0);
	assert_int_equal(key_trylock(t->s, &other, &b, &e), 1);
	close(take_fd(&a));
	assert_int_equal(key_lock(t->s, &k, &j, &a, &e), 0);
	assert_int_equal(thread_start(&th, cancel_soon, &j, &e), 0);
	assert_int_equal(key_lock(t->s, &k, &j, &c, &e), -1);	/* held: waits, until the job is cancelled */
	assert_int_equal(e.kind, ERR_CANCELLED);
	pthread_join(th, NULL);
	job_done(&j);
}

static int make_lease(const char *root)
{
	auto_err struct err e = { 0 };
	struct store *s;
	struct lease *l;

	if (store_open(root, &s, &e) < 0 || lease_new(s, &l, &e) < 0)
		return 1;
	lease_free(l);
	store_close(s);
	return 0;
}

/* A killed maker's directory can be told from a live one's. */
static void test_dead(void **state)
{
	static const char *const points[] = { "lease.made", "lease.locked" };
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_strv struct strv dead = { 0 };

	for (size_t i = 0; i < countof(points); i++) {
		check(tmp_fork_fault(t, points[i], 1, make_lease) == 256 + SIGKILL, "%s", points[i]);
		assert_int_equal(tmp_count(t, "work"), i + 1);
	}
	assert_int_equal(tmp_fork(t, make_lease), 0);
	assert_int_equal(tmp_count(t, "work"), countof(points));
}

int suite_lease(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_directory, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_pins_die_with_process, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_lease_pins, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_key_lock, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_dead, tmp_store_setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
