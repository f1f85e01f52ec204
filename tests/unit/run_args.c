/* SPDX-License-Identifier: Apache-2.0 */
/* engine/run: -v, --tmpfs, --ulimit, --cpus, -e, as tables. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "engine/run_env.h"
#include "engine/run_mount.h"
#include "engine/run_record.h"

static void test_clean(void **state UNUSED)
{
	static const char *const t[][2] = {
		{ "/", "/" }, { "", "/" }, { "/a/b/", "/a/b" }, { "/a//b", "/a/b" }, { "/a/./b/.", "/a/b" },
		{ "/a/../b", "/b" }, { "/../../etc", "/etc" }, { "/a/b/../../..", "/" }, { "rel", "/rel" },
	};

	for (size_t i = 0; i < countof(t); i++) {
		auto_free char *got = str_path_clean(t[i][0]);

		check(strcmp(got, t[i][1]) == 0, "%s: %s", t[i][0], got);
	}
}

static void test_volume(void **state UNUSED)
{
	static const struct {
		const char *in;
		enum run_mount_type type;
		const char *src, *dst;	/* src NULL: anonymous */
		unsigned flags;
		enum spec_propagation propagation;
		bool no_copy;
	} good[] = {
		{ "/data", RUN_MOUNT_VOLUME, NULL, "/data", 0, SPEC_PRIVATE, false },
		{ "/data/", RUN_MOUNT_VOLUME, NULL, "/data", 0, SPEC_PRIVATE, false },
		{ "vol:/data", RUN_MOUNT_VOLUME, "vol", "/data", 0, SPEC_PRIVATE, false },
		{ "vol:/data:ro", RUN_MOUNT_VOLUME, "vol", "/data", SPEC_RO, SPEC_PRIVATE, false },
		{ "vol:/data:nocopy", RUN_MOUNT_VOLUME, "vol", "/data", 0, SPEC_PRIVATE, true },
		{ "/h:/d", RUN_MOUNT_BIND, "/h", "/d", SPEC_REC, SPEC_PRIVATE, false },
		{ "/h/../x/:/d", RUN_MOUNT_BIND, "/x", "/d", SPEC_REC, SPEC_PRIVATE, false },
		{ "./h:/d:ro", RUN_MOUNT_BIND, "/cwd/h", "/d", SPEC_REC | SPEC_RO, SPEC_PRIVATE, false },
		{ "..:/d", RUN_MOUNT_BIND, "/", "/d", SPEC_REC, SPEC_PRIVATE, false },
		{ "/h:/d:rw,rslave,noexec", RUN_MOUNT_BIND, "/h", "/d", SPEC_REC | SPEC_NOEXEC, SPEC_SLAVE, false },
		{ "/h:/d:shared", RUN_MOUNT_BIND, "/h", "/d", 0, SPEC_SHARED, false },
		{ "/h:/d:cached", RUN_MOUNT_BIND, "/h", "/d", SPEC_REC, SPEC_PRIVATE, false },
	};

	for (size_t i = 0; i < countof(good); i++) {
		auto_err struct err e = { 0 };
		struct run_mounts l = { 0 };

		check(run_mounts_volume(&l, good[i].in, "/cwd", &e) == 0, "%s: %s", good[i].in, err_text(&e));
		check(l.n == 1 && l.v[0].type == good[i].type && l.v[0].flags == good[i].flags &&
		      l.v[0].propagation == good[i].propagation && l.v[0].no_copy == good[i].no_copy, "%s", good[i].in);
		check_str(l.v[0].dst, good[i].dst);
		check(l.v[0].anonymous == !good[i].src, "%s", good[i].in);
		if (good[i].src)
			check_str(l.v[0].src, good[i].src);
		run_mounts_done(&l);
	}
}

static void test_volume_bad(void **state UNUSED)
{
	static const char *const bad[][2] = {
		{ "", "empty section" }, { ":", "empty section" }, { "/a:", "empty section" }, { ":/a", "empty section" },
		{ "data", "absolute" }, { "/h:data", "absolute" }, { "vol:/", "can't be '/'" }, { "/", "can't be '/'" },
		{ "/h:/d:bogus", "invalid mode" }, { "/h:/d:ro,rw", "invalid mode" }, { "/h:/d:nocopy", "invalid mode" },
		{ "/h:/d:ro,", "invalid mode" }, { "/d:ro", "invalid volume" }, { "/a:/b:ro:x", "invalid volume" },
		{ "a/b:/d", "invalid characters" }, { "x:/d", "invalid characters" }, { "a b:/d", "invalid characters" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct run_mounts l = { 0 };

		check(run_mounts_volume(&l, bad[i][0], "/cwd", &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i][0]);
		check(strstr(err_text(&e), bad[i][1]), "%s: %s", bad[i][0], err_text(&e));
		check(l.n == 0, "%s", bad[i][0]);
		run_mounts_done(&l);
	}
}

static void test_tmpfs(void **state UNUSED)
{
	enum { SAFE = SPEC_NOSUID | SPEC_NODEV | SPEC_NOEXEC };
	static const struct { const char *in, *data; unsigned flags; } good[] = {
		{ "/t", NULL, SAFE },
		{ "/t:rw,exec,size=8192k", "size=8192k", SAFE & ~SPEC_NOEXEC },
		{ "/t:rw,size=8192k,exec,size=4096k,noexec", "size=4096k", SAFE },	/* vol-007 */
		{ "/t:ro,suid,mode=1777,uid=5", "mode=1777,uid=5", SPEC_RO | SPEC_NODEV | SPEC_NOEXEC },
	};
	static const char *const bad[] = { "t", "/", "/run:foobar", "/t:size", "/t:size=", "/t:,", "/t:dev" };

	for (size_t i = 0; i < countof(good); i++) {
		auto_err struct err e = { 0 };
		struct run_mounts l = { 0 };

		check(run_mounts_tmpfs(&l, good[i].in, &e) == 0, "%s: %s", good[i].in, err_text(&e));
		check(l.v[0].flags == good[i].flags, "%s: %x", good[i].in, l.v[0].flags);
		if (good[i].data)
			check_str(l.v[0].data, good[i].data);
		else
			assert_null(l.v[0].data);
		run_mounts_done(&l);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct run_mounts l = { 0 };

		check(run_mounts_tmpfs(&l, bad[i], &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
		run_mounts_done(&l);
	}
}

static void test_duplicates(void **state UNUSED)	/* vol-003, vol-008 */
{
	auto_err struct err e = { 0 };
	struct run_mounts l = { 0 };
	char *paths[] = { (char *)"/x/", (char *)"/v", (char *)"/", NULL };
	struct strv image = { paths, 3 };

	assert_int_equal(run_mounts_volume(&l, "/a:/x", "/", &e), 0);
	assert_int_equal(run_mounts_volume(&l, "/a:/x", "/", &e), 0);	/* the same pair twice */
	assert_int_equal(l.n, 1);
	assert_int_equal(run_mounts_volume(&l, "/b:/x", "/", &e), -1);
	check(strstr(err_text(&e), "Duplicate mount point"), "%s", err_text(&e));
	assert_int_equal(run_mounts_tmpfs(&l, "/x", &e), -1);
	assert_int_equal(run_mounts_image(&l, &image, &e), 0);	/* /x is taken, / is none */
	assert_int_equal(l.n, 2);
	check_str(l.v[1].dst, "/v");
	assert_true(l.v[1].anonymous);
	run_mounts_done(&l);
}

static void test_sort(void **state UNUSED)	/* vol-009: what lies within comes later */
{
	static const char *const in[] = { "/a/b/c", "/b", "/a", "/a/b", "/c" }, *const out[] = { "/b", "/a", "/c", "/a/b", "/a/b/c" };
	auto_err struct err e = { 0 };
	struct run_mounts l = { 0 };

	for (size_t i = 0; i < countof(in); i++)
		assert_int_equal(run_mounts_tmpfs(&l, in[i], &e), 0);
	run_mounts_sort(&l);
	for (size_t i = 0; i < countof(out); i++)
		check_str(l.v[i].dst, out[i]);
	run_mounts_done(&l);
}

static void test_cpus(void **state UNUSED)
{
	static const struct { const char *in; int64_t nano; } good[] = {
		{ "1", 1000000000 }, { "0.5", 500000000 }, { ".25", 250000000 }, { "1.5", 1500000000 },
		{ "2.000000001", 2000000001 }, { "0", 0 }, { "3.", 3000000000 },
	};
	static const char *const bad[] = { "", ".", "-1", "a", "1.a", "1.0000000001", "1e3", "9999999", "1.5.5" };

	for (size_t i = 0; i < countof(good); i++) {
		auto_err struct err e = { 0 };
		int64_t got = -1;

		check(run_parse_cpus(good[i].in, &got, &e) == 0 && got == good[i].nano, "%s: %lld", good[i].in, (long long)got);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		int64_t got;

		check(run_parse_cpus(bad[i], &got, &e) < 0, "%s", bad[i]);
	}
}

static void test_ulimit(void **state UNUSED)
{
	static const struct { const char *in; int resource; uint64_t soft, hard; } good[] = {
		{ "nofile=50", RLIMIT_NOFILE, 50, 50 }, { "nofile=50:60", RLIMIT_NOFILE, 50, 60 },
		{ "core=0:-1", RLIMIT_CORE, 0, UINT64_MAX }, { "stack=unlimited", RLIMIT_STACK, UINT64_MAX, UINT64_MAX },
	};
	static const char *const bad[] = { "", "nofile", "nofile=", "nofile=a", "nofile=5:", "bogus=1", "nofile=60:50", "nofile=-2" };

	for (size_t i = 0; i < countof(good); i++) {
		auto_err struct err e = { 0 };
		struct spec_rlimit r = { 0 };

		check(run_parse_ulimit(good[i].in, &r, &e) == 0, "%s: %s", good[i].in, err_text(&e));
		check(r.resource == good[i].resource && r.soft == good[i].soft && r.hard == good[i].hard, "%s", good[i].in);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct spec_rlimit r;

		check(run_parse_ulimit(bad[i], &r, &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
	}
}

static void test_env(void **state UNUSED)
{
	static const char *const bad[] = { "", "=", "=foo" };	/* env-003 */
	auto_strv struct strv env = { 0 };
	auto_err struct err e = { 0 };

	setenv("TARE_TEST_HAS", "from here", 1);
	unsetenv("TARE_TEST_HASNT");
	assert_int_equal(run_parse_env("LALA=value1", &env, &e), 0);
	assert_int_equal(run_parse_env("B=", &env, &e), 0);
	assert_int_equal(run_parse_env("LALA=value2", &env, &e), 0);	/* env-009 */
	assert_int_equal(run_parse_env("TARE_TEST_HAS", &env, &e), 0);
	assert_int_equal(run_parse_env("B", &env, &e), 0);	/* bare and unset here: removed there, too */
	assert_int_equal(env.n, 3);
	check_str(env.v[0], "LALA=value2");
	check_str(env.v[1], "TARE_TEST_HAS=from here");
	check_str(env.v[2], "B");
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err one = { 0 };

		check(run_parse_env(bad[i], &env, &one) < 0 && strstr(err_text(&one), "invalid environment variable"), "%s", bad[i]);
	}
	unsetenv("TARE_TEST_HAS");
}

int suite_run_args(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean), cmocka_unit_test(test_volume), cmocka_unit_test(test_volume_bad),
		cmocka_unit_test(test_tmpfs), cmocka_unit_test(test_duplicates), cmocka_unit_test(test_sort),
		cmocka_unit_test(test_cpus), cmocka_unit_test(test_ulimit), cmocka_unit_test(test_env),
	};

	return cmocka_run_group_tests_name("run_args", tests, NULL, NULL);
}
