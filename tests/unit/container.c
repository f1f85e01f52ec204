/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/container: records, names, states, what a killed runner leaves; volumes. */
#include "runtime/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "runtime/container/names.h"
#include "runtime/container/volume.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

static json_t *some_config(bool rm)
{
	char now[CLOCK_TEXT_MAX];

	return json_pack("{s:s, s:s, s:s, s:[s], s:{s:s}, s:{s:b}, s:[{s:s, s:b}, {s:s, s:b}]}", "Created",
			 clock_rfc3339(clock_now_ns(), now), "Image", "sha256:00", "Path", "sh", "Args", "-c", "Config", "Image",
			 "busybox", "HostConfig", "AutoRemove", rm, "Mounts", "Name", "anon", "Anonymous", 1, "Name",
			 "kept", "Anonymous", 0);
}

static struct container *make_id(struct store *s, const char *id, const char *name, bool rm, struct err *e)
{
	struct digest layers[] = { tmp_digest(1), tmp_digest(2) };
	struct container *c = NULL;
	json_t *config = some_config(rm);

	if (container_new(s, id, name, config, layers, 2, false, &c, e) < 0)
		c = NULL;
	json_decref(config);
	return c;
}

static struct container *make(struct store *s, const char *name, struct err *e)
{
	char id[CONTAINER_ID_MAX];

	container_new_id(id);
	return make_id(s, id, name, false, e);
}

static void test_record(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct container *c = make(t->s, "good", &e), *o = NULL;
	auto_free char *layers = NULL, *start = NULL;
	auto_buf struct buf text = { 0 };
	auto_strv struct strv volumes = { 0 };

	check(c, "%s", err_text(&e));
	layers = xasprintf("containers/%s/layers", c->id);
	start = xstrndup(c->id, 9);
	assert_true(tmp_exists(t, layers));	/* one diff ID a line: what gc reads */
	assert_int_equal(fs_read(store_dirfd(t->s), layers, 1000, &text, &e), 0);
	assert_int_equal(text.n, 2 * 65);
	for (size_t i = 0; i < 4; i++) {	/* whole ID, name, "/name", start of the ID */
		const char *refs[] = { c->id, "good", "/good", start };

		check(container_open(t->s, refs[i], &o, &e) == 0, "%s: %s", refs[i], err_text(&e));
		check_str(o->id, c->id);
		check_str(o->name, "good");
		check_str(container_text(o, "Config", "Image", NULL), "busybox");
		check_str(container_text(o, "Config", "Nothing", NULL), "");
		assert_int_equal(o->state.status, CONTAINER_CREATED);
		container_free(o);
	}
	container_anonymous_volumes(c, &volumes);
	assert_int_equal(volumes.n, 1);
	check_str(volumes.v[0], "anon");
	container_free(c);
}

static void test_missing(void **state)
{
	static const char *const refs[] = { "nosuch", "", "/", "abc", "../x", "names", ".new-x",
		"0000000000000000000000000000000000000000000000000000000000000000" };
	struct tmp_store *t = *state;

	for (size_t i = 0; i < countof(refs); i++) {
		auto_err struct err e = { 0 };
		struct container *c;

		check(container_open(t->s, refs[i], &c, &e) < 0 && e.kind == ERR_NOT_FOUND, "%s", refs[i]);
		check(strstr(err_text(&e), "No such container"), "%s", err_text(&e));
	}
}

static void test_names(void **state)	/* run-038, run-039 */
{
	static const char *const bad[] = { "", "x", "a/bad", "-a", ".a", "_a", "a b", "a:b", "\xc3\xa4\xc3\xb6" };
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct container *a = make(t->s, "same", &e), *b;
	char name[NAMES_MAX];

	assert_null(make(t->s, "same", &e));
	assert_int_equal(e.kind, ERR_CONFLICT);
	check(strstr(err_text(&e), a->id) && strstr(err_text(&e), "already in use"), "%s", err_text(&e));
	err_clear(&e);
	assert_int_equal(container_remove(a, false, &e), 0);
	container_free(a);
	b = make(t->s, "same", &e);	/* free again */
	check(b, "%s", err_text(&e));
	container_free(b);
	for (size_t i = 0; i < countof(bad); i++)
		check(!container_name_ok(bad[i]), "%s", bad[i]);
	for (uint32_t i = 0; i < 4096; i++)
		check(container_name_ok(names_make(i, name)) && strlen(name) < NAMES_MAX - 1, "%s", name);
	b = make(t->s, NULL, &e);
	assert_true(container_name_ok(b->name) && strchr(b->name, '_'));
	container_free(b);
}

static void test_stale_name(void **state)	/* invariant 3: a link to no container is free for the taking */
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct container *c = make(t->s, "first", &e);

	container_free(c);
	assert_int_equal(symlinkat("00000000000000000000000000000000000000000000000000000000000000ff",
				   openat(store_dirfd(t->s), "containers/names", O_PATH | O_CLOEXEC), "stale"), 0);
	c = make(t->s, "stale", &e);
	check(c, "%s", err_text(&e));
	container_free(c);
}

static void test_prefix(void **state)
{
	static const char a[] = "ab00000000000000000000000000000000000000000000000000000000000001";
	static const char b[] = "ab00000000000000000000000000000000000000000000000000000000000002";
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct container *c;

	container_free(make_id(t->s, a, "one", false, &e));
	container_free(make_id(t->s, b, "two", false, &e));
	assert_int_equal(container_open(t->s, "ab0", &c, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	container_free(make_id(t->s, "cd00000000000000000000000000000000000000000000000000000000000002", "ab0", false, &e));
	err_clear(&e);
	assert_int_equal(container_open(t->s, "ab0", &c, &e), 0);	/* a name comes before the start of an ID */
	check_str(c->name, "ab0");
	container_free(c);
}

static void set(struct container *c, enum container_status status, int code)
{
	auto_err struct err e = { 0 };
	struct container_state st = { .status = status, .exit_code = code, .pid = 1, .started_ns = 1000000000,
				      .finished_ns = status == CONTAINER_EXITED ? 2000000000 : 0, .error = (char *)"why" };

	check(container_set_state(c, &st, &e) == 0, "%s", err_text(&e));
}

static void test_states(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct container *c = make(t->s, "states", &e), *o;
	auto_buf struct buf text = { 0 };

	set(c, CONTAINER_RUNNING, 0);
	assert_int_equal(container_open(t->s, "states", &o, &e), 0);
	assert_int_equal(o->state.status, CONTAINER_RUNNING);	/* we hold the lock */
	check_str(o->state.error, "why");
	container_status_text(o, 6000000000, &text);
	check_str(text.p, "Up 5 seconds");
	assert_int_equal(container_remove(o, false, &e), -1);	/* not while it runs */
	assert_int_equal(e.kind, ERR_CONFLICT);
	container_free(o);
	set(c, CONTAINER_EXITED, 3);
	assert_int_equal(container_open(t->s, "states", &o, &e), 0);
	assert_int_equal(o->state.exit_code, 3);
	buf_reset(&text);
	container_status_text(o, 122000000000, &text);
	check_str(text.p, "Exited (3) 2 minutes ago");
	container_free(o);
	container_free(c);
}

static int run_and_die(const char *root)
{
	auto_err struct err e = { 0 };
	struct store *s;
	struct container *c;

	if (store_open(root, &s, &e) < 0 || !(c = make(s, "killed", &e)))
		return 1;
	set(c, CONTAINER_RUNNING, 0);
	if (!(c = make_id(s, "ee00000000000000000000000000000000000000000000000000000000000001", "rm-killed", true, &e)))
		return 2;
	set(c, CONTAINER_RUNNING, 0);
	_exit(0);		/* as kill -9 would: nothing is released or written */
}

static void test_killed(void **state)	/* invariant 1 */
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_containers struct container_list l = { 0 };
	auto_buf struct buf text = { 0 };
	struct container *c;
	struct volume v;

	assert_int_equal(tmp_fork(t, run_and_die), 0);
	assert_int_equal(container_list(t->s, &l, &e), 0);
	assert_int_equal(l.n, 1);	/* the one with --rm went on the way */
	check_str(l.v[0]->name, "killed");
	assert_int_equal(l.v[0]->state.status, CONTAINER_EXITED);
	container_status_text(l.v[0], 0, &text);
	check_str(text.p, "Exited (137)");
	assert_false(tmp_exists(t, "containers/ee00000000000000000000000000000000000000000000000000000000000001"));
	assert_int_equal(container_remove(l.v[0], false, &e), 0);
	assert_int_equal(tmp_fork(t, run_and_die), 0);
	assert_int_equal(volume_open(t->s, "anon", &(struct volume_opts){ .anonymous = true }, &v, &e), 0);
	volume_close(&v);
	c = make(t->s, "rm-killed", &e);	/* nor does it keep its name */
	check(c, "%s", err_text(&e));
	container_free(c);
	assert_false(tmp_exists(t, "volumes/anon"));
	assert_null(make(t->s, "killed", &e));	/* this one was to stay */
}

static void test_garbage(void **state)	/* invariant 2 */
{
	static const char *const dirs[] = { "containers/.new-x", "containers/.del-x", "containers/.del-x/upper" };
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_containers struct container_list l = { 0 };
	struct container *c = make(t->s, "stays", &e);

	for (size_t i = 0; i < countof(dirs); i++)
		assert_int_equal(mkdirat(store_dirfd(t->s), dirs[i], 0700), 0);
	assert_int_equal(container_list(t->s, &l, &e), 0);
	assert_int_equal(l.n, 1);
	for (size_t i = 0; i < countof(dirs); i++)
		check(!tmp_exists(t, dirs[i]), "%s", dirs[i]);
	container_free(c);
}

static void test_damaged(void **state)	/* a power cut: it can still be seen and removed */
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_containers struct container_list l = { 0 };
	struct container *c = make(t->s, "damaged", &e);

	assert_int_equal(fs_replace(c->dir, "config.json", "", 0, 0600, false, &e), 0);
	assert_int_equal(fs_replace(c->dir, "state.json", "{\"Status\":7}", 12, 0600, false, &e), 0);
	container_free(c);
	assert_int_equal(container_list(t->s, &l, &e), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(container_remove(l.v[0], false, &e), 0);
	assert_int_equal(tmp_count(t, "containers"), 1);	/* names */
}

static int list_with_few_descriptors(const char *root)
{
	struct rlimit few = { 64, 64 };
	struct err e = { 0 };
	struct container_list l = { 0 };
	struct store *s;

	if (store_open(root, &s, &e) < 0 || setrlimit(RLIMIT_NOFILE, &few) < 0 || container_list(s, &l, &e) < 0)
		return 1;
	for (size_t i = 1; i < l.n; i++)
		if (container_created_ns(l.v[i - 1]) < container_created_ns(l.v[i]))
			return 2;
	return l.n == 150 ? 0 : 3;
}

static int list_with_none(const char *root)
{
	struct rlimit none = { 0, 0 };
	struct err e = { 0 };
	struct container_list l = { 0 };
	struct store *s;

	if (store_open(root, &s, &e) < 0 || store_dir(s, STORE_CONTAINERS, &e) < 0 || setrlimit(RLIMIT_NOFILE, &none) < 0)
		return 1;
	return container_list(s, &l, &e) < 0 && e.sys == EMFILE ? 0 : 2;
}

/* A list is whole or an error: prune takes what is not in it for unused. */
static void test_list_whole(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	char name[16];

	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		container_free(make(t->s, name, &e));
	}
	assert_int_equal(tmp_fork(t, list_with_few_descriptors), 0);
	assert_int_equal(tmp_fork(t, list_with_none), 0);
}

static void test_volumes(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "x", "-a" };
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct volume v;

	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err one = { 0 };

		check(volume_open(t->s, bad[i], &(struct volume_opts){ 0 }, &v, &one) < 0 && one.kind == ERR_USAGE, "%s", bad[i]);
	}
	assert_int_equal(volume_open(t->s, "data", &(struct volume_opts){ 0 }, &v, &e), 0);
	assert_true(volume_is_empty(&v));
	assert_true(tmp_exists(t, "volumes/data/_data"));
	assert_int_equal(mkdirat(v.data, "x", 0755), 0);
	assert_false(volume_is_empty(&v));
	volume_close(&v);
	assert_int_equal(volume_remove(t->s, "data", &e), 0);
	assert_int_equal(volume_remove(t->s, "data", &e), 0);
	assert_false(tmp_exists(t, "volumes/data"));
}

static void test_start_time(void **state UNUSED)
{
	assert_true(process_start_time(getpid()) > 0);
	assert_int_equal(process_start_time(0), 0);
	assert_int_equal(process_start_time(0x7ffffff0), 0);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, tmp_store_setup, tmp_store_teardown)

int suite_container(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(test_record), WITH_STORE(test_missing), WITH_STORE(test_names), WITH_STORE(test_stale_name),
		WITH_STORE(test_prefix), WITH_STORE(test_states), WITH_STORE(test_killed), WITH_STORE(test_garbage),
		WITH_STORE(test_damaged), WITH_STORE(test_list_whole),
		WITH_STORE(test_volumes), cmocka_unit_test(test_start_time),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
