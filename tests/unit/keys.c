/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys and cache/builds: what was stored is found, with its inputs; records of builds and their logs. */
#include "cache/keys.h"

#include <signal.h>
#include <stdio.h>

#include "cache/builds.h"
#include "cache/db.h"
#include "cache/lease.h"
#include "cache/pin.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

static const struct key_input inputs[] = {
	{ "instruction", "RUN make" }, { "env PATH", "" }, { "base", "sha256:00" }, { "", "x" },
};

static void test_put_and_find(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest key = tmp_digest(100), bare = tmp_digest(101), op = tmp_digest(102), other = tmp_digest(103);
	struct key_result with = { .has_layer = true, .diff_id = tmp_layer(t->s, 1), .extra = "123" }, none = { 0 }, r;
	struct key_inputs in = { 0 };

	assert_int_equal(keys_find(t->s, NULL, &key, &r, &e), 0);
	assert_false(keys_op_seen(t->s, &op));
	check(keys_put(t->s, &key, &op, "f|0|1", &with, inputs, countof(inputs), &e) == 0, "%s", err_text(&e));
	check(keys_put(t->s, &bare, &op, "f|0|2", &none, NULL, 0, &e) == 0, "%s", err_text(&e));
	assert_true(keys_op_seen(t->s, &op) && !keys_op_seen(t->s, &other));
	assert_int_equal(keys_find(t->s, NULL, &key, &r, &e), 1);
	assert_true(r.has_layer && digest_eq(&r.diff_id, &with.diff_id));
	check_str(r.extra, "123");
	key_result_done(&r);
	assert_int_equal(keys_find(t->s, NULL, &bare, &r, &e), 1);
	assert_true(!r.has_layer && !r.extra);
	assert_int_equal(keys_inputs(t->s, &key, &in, &e), 1);
	assert_int_equal(in.n, countof(inputs));
	for (size_t i = 0; i < in.n; i++) {
		check_str(in.v[i].name, inputs[i].name);
		check_str(in.v[i].value, inputs[i].value);
	}
	assert_int_equal(keys_inputs(t->s, &bare, &in, &e), 1);
	assert_int_equal(in.n, 0);
	assert_int_equal(keys_inputs(t->s, &other, &in, &e), 0);
	key_inputs_done(&in);
}

/* A key's layer must be there when it is stored, and is looked for again when it is found. */
static void test_layer_gone(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest key = tmp_digest(100), op = tmp_digest(102);
	struct key_result r = { .has_layer = true, .diff_id = tmp_digest(5) }, found;

	assert_int_equal(keys_put(t->s, &key, &op, "f|0|1", &r, NULL, 0, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(keys_find(t->s, NULL, &key, &found, &e), 0);
	r.diff_id = tmp_layer(t->s, 6);
	assert_int_equal(keys_put(t->s, &key, &op, "f|0|1", &r, NULL, 0, &e), 0);
	assert_int_equal(db_run(store_db(t->s), "DELETE FROM layers", BIND_NONE, &e), 0);
	assert_int_equal(keys_find(t->s, NULL, &key, &found, &e), 0);
}

static void test_find_pins(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest key = tmp_digest(100), op = tmp_digest(102);
	struct key_result r = { .has_layer = true, .diff_id = tmp_digest(6) }, found;
	auto_fd int fd = -1;
	struct lease *l;

	tmp_layer(t->s, 6);
	assert_int_equal(keys_put(t->s, &key, &op, "f|0|1", &r, NULL, 0, &e), 0);
	store_close(t->s);	/* tmp_layer() has pinned it */
	assert_int_equal(store_open(t->root, &t->s, &e), 0);
	assert_int_equal(pin_open(t->s, PIN_KEEP, &fd, &e), 0);
	assert_false(pin_held(fd, &r.diff_id));
	assert_int_equal(lease_new(t->s, &l, &e), 0);
	assert_int_equal(keys_find(t->s, l, &key, &found, &e), 1);
	assert_true(pin_held(fd, &r.diff_id));
	lease_free(l);
	assert_false(pin_held(fd, &r.diff_id));
	assert_int_equal(keys_find(t->s, NULL, &key, &found, &e), 1);
	assert_true(pin_held(fd, &r.diff_id));
}

/* Several keys, with the rows of the layers they need, all or none. */
static void test_put_many(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct key_row rows[3];

	for (unsigned i = 0; i < 3; i++)
		rows[i] = (struct key_row){ .key = tmp_digest(100 + i), .op = tmp_digest(200), .slot = "f|0|1",
					    .result = { .has_layer = i == 2, .diff_id = tmp_digest(300) } };
	assert_int_equal(keys_put_many(t->s, rows, 3, &e), -1);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM keys"), 0);
	{
		auto_tx struct tx tx = { 0 };

		assert_int_equal(db_begin(store_db(t->s), &tx, &e), 0);
		tmp_layer(t->s, 300);
		assert_int_equal(keys_put_many(t->s, rows, 3, &e), 0);
	}	/* rolled back, layer and keys */
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM keys"), 0);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM layers"), 0);
	assert_int_equal(keys_put_many(t->s, rows, 2, &e), 0);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM keys"), 2);
}

static void test_touch(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest key = tmp_digest(100), op = tmp_digest(102);
	struct key_result none = { 0 };

	assert_int_equal(keys_put(t->s, &key, &op, "f|0|1", &none, NULL, 0, &e), 0);
	assert_int_equal(db_run(store_db(t->s), "UPDATE keys SET used = 5", BIND_NONE, &e), 0);
	assert_int_equal(keys_touch(t->s, &op, 1, &e), 0);
	assert_int_equal(tmp_int(t->s, "SELECT used FROM keys"), 5);
	assert_int_equal(keys_touch(t->s, &key, 1, &e), 0);
	assert_true(tmp_int(t->s, "SELECT used FROM keys") > 1600000000000000000);
}

static void test_trees(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_buf struct buf b = { 0 };
	struct digest d = tmp_digest(1), other = tmp_digest(2);

	assert_int_equal(trees_put(t->s, &d, STR_LIT("a\0b"), &e), 0);
	assert_int_equal(trees_put(t->s, &d, STR_LIT("a\0b"), &e), 0);
	assert_int_equal(trees_get(t->s, &other, &b, &e), 0);
	assert_int_equal(trees_get(t->s, &d, &b, &e), 1);
	assert_true(b.n == 3 && memcmp(b.p, "a\0b", 3) == 0);
}

/* --- records --- */

static void record(struct tmp_store *t, const char *context, const char *target, const char *status, bool log, char *id)
{
	auto_err struct err e = { 0 };
	struct digest manifest = tmp_digest(9);
	struct build_record *b;

	assert_int_equal(build_begin(t->s, context, "/src/Dockerfile", target, &b, &e), 0);
	memcpy(id, build_id(b), STORE_ID_MAX);
	for (unsigned i = 1; i <= 2; i++) {
		struct build_step st = {
			.index = i, .name = i == 1 ? "[1/2] FROM base" : "[2/2] RUN make", .slot = "f|0|1",
			.line = 3 * i, .line_end = 3 * i + 1, .state = i == 1 ? BUILD_HIT : BUILD_FAILED,
			.key = tmp_digest(100 + i), .has_layer = i == 1, .diff_id = tmp_digest(1), .seconds = i / 2.0,
			.note = i == 2 ? "--no-cache" : NULL, .inputs = i == 2 ? inputs : NULL, .ninputs = i == 2 ? 4 : 0,
		};

		build_step(b, &st);
		if (log) {
			auto_fd int fd = -1;

			assert_int_equal(build_log(b, i, &fd, &e), 0);
			assert_int_equal(write(fd, "hello\n", 6), 6);
		}
	}
	check(build_end(b, status, &manifest, &e) == 0, "%s", err_text(&e));
}

static void test_record(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct build_row last = { 0 }, before = { 0 };
	struct build_steps steps = { 0 };
	struct key_inputs in = { 0 };
	char a[STORE_ID_MAX], other[STORE_ID_MAX], b[STORE_ID_MAX];

	assert_int_equal(build_find(t->s, NULL, &last, &e), 0);
	record(t, "/src", NULL, "ok", true, a);
	record(t, "/src", "test", "ok", false, other);
	record(t, "/src", NULL, "failed", false, b);
	auto_free char *log = xasprintf("builds/%s/2.log", a);
	assert_true(tmp_exists(t, log));
	assert_int_equal(tmp_count(t, "builds"), 1);	/* no log, no directory */
	assert_int_equal(build_find(t->s, NULL, &last, &e), 1);
	check_str(last.id, b);
	check_str(last.status, "failed");
	assert_true(!last.target && last.ended_ns >= last.started_ns);
	assert_int_equal(build_earlier(t->s, &last, "f|0|1", &before, &e), 1);
	check_str(before.id, other);
	assert_int_equal(build_earlier(t->s, &before, "f|0|1", &before, &e), 1);
	check_str(before.id, a);
	assert_int_equal(build_earlier(t->s, &before, "f|0|1", &before, &e), 0);
	assert_int_equal(build_earlier(t->s, &last, "f|0|2", &before, &e), 0);
	other[7] = '\0';
	assert_int_equal(build_find(t->s, other, &before, &e), 1);
	check_str(before.target, "test");
	assert_int_equal(build_find(t->s, "xx", &before, &e), 0);
	assert_int_equal(build_steps(t->s, b, &steps, &e), 0);
	assert_int_equal(steps.n, 2);
	check_str(steps.v[1].name, "[2/2] RUN make");
	check_str(steps.v[1].note, "--no-cache");
	assert_true(steps.v[0].has_layer && !steps.v[1].has_layer && !steps.v[0].note);
	assert_true(steps.v[1].state == BUILD_FAILED && steps.v[1].line == 6 && steps.v[1].line_end == 7);
	assert_int_equal(keys_inputs(t->s, &steps.v[1].key, &in, &e), 1);	/* though no key was stored */
	assert_int_equal(in.n, 4);
	key_inputs_done(&in);
	build_steps_done(&steps);
	build_row_done(&last);
	build_row_done(&before);
}

static void test_record_pruned(void **state)
{
	struct tmp_store *t = *state;
	char first[STORE_ID_MAX], id[STORE_ID_MAX], other[STORE_ID_MAX];

	record(t, "/other", NULL, "ok", true, other);
	record(t, "/src", NULL, "ok", true, first);
	for (int i = 0; i < BUILDS_KEPT; i++)
		record(t, "/src", NULL, "ok", true, id);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM builds"), BUILDS_KEPT + 1);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM build_steps"), 2 * (BUILDS_KEPT + 1));
	assert_int_equal(tmp_count(t, "builds"), BUILDS_KEPT + 1);
	auto_free char *gone = xasprintf("builds/%s", first), *kept = xasprintf("builds/%s", other);
	assert_true(!tmp_exists(t, gone) && tmp_exists(t, kept));
}

static void test_record_dropped(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct build_record *b;
	int fd;

	assert_int_equal(build_begin(t->s, "/src", "/src/Dockerfile", NULL, &b, &e), 0);
	assert_int_equal(build_log(b, 1, &fd, &e), 0);
	close(fd);
	assert_int_equal(tmp_count(t, "builds"), 1);
	build_drop(b);
	assert_int_equal(tmp_count(t, "builds"), 0);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM builds"), 0);
}

/* The end of a build touches its keys, so that gc knows what is in use. */
static void test_record_touches(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest key = tmp_digest(101), op = tmp_digest(102);
	struct key_result r = { .has_layer = true, .diff_id = tmp_layer(t->s, 1) };
	char id[STORE_ID_MAX];

	assert_int_equal(keys_put(t->s, &key, &op, "f|0|1", &r, NULL, 0, &e), 0);
	assert_int_equal(db_run(store_db(t->s), "UPDATE keys SET used = 5", BIND_NONE, &e), 0);
	record(t, "/src", NULL, "ok", false, id);
	assert_true(tmp_int(t->s, "SELECT used FROM keys") > 1600000000000000000);
}

int suite_keys(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_and_find, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_layer_gone, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_find_pins, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_put_many, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_touch, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_trees, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_record, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_record_pruned, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_record_dropped, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_record_touches, tmp_store_setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
