/* SPDX-License-Identifier: Apache-2.0 */
/* registry/token: expiry, single flight, failures. Time is what the test says. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "registry/token.h"

#define S 1000000000LL

struct tokens_test {
	struct job j;
	struct tokens *t;
	struct scopes pull, push;
};

static int setup(void **state)
{
	struct tokens_test *x = xcalloc(1, sizeof(*x));
	struct err e = { 0 };

	assert_int_equal(job_init(&x->j, NULL, &e), 0);
	x->t = tokens_new();
	scopes_add(&x->pull, STR_LIT("repository:a:pull"));
	scopes_add(&x->push, STR_LIT("repository:a:pull,push"));
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct tokens_test *x = *state;

	tokens_free(x->t);
	scopes_done(&x->pull);
	scopes_done(&x->push);
	job_done(&x->j);
	free(x);
	return 0;
}

/* The token at a time; NULL: one has to be fetched (and the claim on it is given up). */
static char *at(struct tokens_test *x, const char *key, const struct scopes *want, int64_t now)
{
	auto_err struct err e = { 0 }, none = { 0 };
	char *text = NULL;
	int r = token_take(&x->j, x->t, key, want, now, &text, &e);

	assert_int_not_equal(r, -1);
	if (r == 0)
		token_fail(x->t, key, want, &none);
	return text;
}

static void put(struct tokens_test *x, const char *key, const struct scopes *want, const char *text, uint64_t life, int64_t now)
{
	auto_err struct err e = { 0 };
	char *old = NULL;

	assert_int_equal(token_take(&x->j, x->t, key, want, now, &old, &e), 0);
	token_put(x->t, key, want, text, life, now);
}

static void check_at(struct tokens_test *x, const char *key, const struct scopes *want, int64_t now, const char *text)
{
	auto_free char *got = at(x, key, want, now);

	check((got != NULL) == (text != NULL), "%s at %lld", key, (long long)(now / S));
	if (got)
		check_str(got, text);
}

/* AUTH-07, AUTH-09: 60 s if nothing is said, counted from when it was asked for, with a margin. */
static void test_expiry(void **state)
{
	struct tokens_test *x = *state;

	put(x, "k", &x->pull, "one", 0, 100 * S);
	check_at(x, "k", &x->pull, 150 * S, "one");
	check_at(x, "k", &x->pull, 155 * S, NULL);
	put(x, "k", &x->pull, "two", 300, 200 * S);
	check_at(x, "k", &x->pull, 469 * S, "two");
	check_at(x, "k", &x->pull, 471 * S, NULL);
	put(x, "k", &x->pull, "three", UINT64_MAX, 500 * S);
	check_at(x, "k", &x->pull, (500 + 86400) * S, NULL);
}

/* AUTH-30, AUTH-37: never for another account, another registry, more than it was asked for. */
static void test_bounds(void **state)
{
	struct tokens_test *x = *state;
	auto_scopes struct scopes other = { 0 };

	scopes_add(&other, STR_LIT("repository:b:pull"));
	put(x, "k", &x->push, "wide", 60, 0);
	check_at(x, "k", &x->pull, S, "wide");
	check_at(x, "l", &x->pull, S, NULL);
	check_at(x, "k", &other, S, NULL);
	put(x, "m", &x->pull, "narrow", 60, 0);
	check_at(x, "m", &x->push, S, NULL);
	check_at(x, "m", &x->pull, S, "narrow");
	token_drop(x->t, "narrow");
	check_at(x, "m", &x->pull, S, NULL);
}

struct taker {
	struct tokens_test *x;
	char *text;
	struct err e;
	int r;
};

static void *take(void *arg)
{
	struct taker *k = arg;

	k->r = token_take(&k->x->j, k->x->t, "k", &k->x->pull, 0, &k->text, &k->e);
	if (k->r == 0)			/* came after a failure: it is this thread's to fetch, and it can't */
		token_fail(k->x->t, "k", &k->x->pull, &k->e);
	return NULL;
}

#define TAKERS 8

static void takers_start(struct tokens_test *x, struct taker *k, pthread_t *thread)
{
	auto_err struct err e = { 0 };

	for (size_t i = 0; i < TAKERS; i++) {
		k[i] = (struct taker){ .x = x };
		assert_int_equal(thread_start(&thread[i], take, &k[i], &e), 0);
	}
}

/* AUTH-29: whoever comes while one is fetched waits for that one, or for the reason why there is none. */
static void test_single_flight(void **state)
{
	struct tokens_test *x = *state;
	auto_err struct err e = { 0 }, why = { 0 };
	struct taker k[TAKERS];
	pthread_t thread[TAKERS];

	for (int fails = 0; fails < 2; fails++) {
		char *text = NULL;

		assert_int_equal(token_take(&x->j, x->t, "k", &x->pull, 0, &text, &e), 0);
		takers_start(x, k, thread);
		usleep(20000);
		if (fails) {
			err_set(&why, ERR_DENIED, "no");
			token_fail(x->t, "k", &x->pull, &why);
		} else {
			token_put(x->t, "k", &x->pull, "it", 60, 0);
		}
		for (size_t i = 0; i < TAKERS; i++)
			pthread_join(thread[i], NULL);
		for (size_t i = 0; i < TAKERS; i++) {
			check(fails || (k[i].r == 1 && strcmp(k[i].text, "it") == 0), "thread %zu", i);
			check(!fails || k[i].r <= 0, "thread %zu", i);
			free(k[i].text);
			err_clear(&k[i].e);
		}
		token_drop(x->t, "it");
	}
}

static void test_cancel(void **state)
{
	struct tokens_test *x = *state;
	auto_err struct err e = { 0 };
	struct taker k = { .x = x };
	char *text = NULL;
	pthread_t thread;

	assert_int_equal(token_take(&x->j, x->t, "k", &x->pull, 0, &text, &e), 0);
	assert_int_equal(thread_start(&thread, take, &k, &e), 0);
	job_cancel(&x->j);
	pthread_join(thread, NULL);
	check(k.r == -1 && k.e.kind == ERR_CANCELLED, "%s", err_text(&k.e));
	err_clear(&k.e);
}

int suite_token(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_single_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	};

	return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
