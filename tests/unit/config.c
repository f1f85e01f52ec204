/* SPDX-License-Identifier: Apache-2.0 */
/* image/config. */
#include "tests/unit/unit.h"

#include "image/config.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}"

static struct config *parse(const char *text)
{
	auto_err struct err e = { 0 };
	struct config *c = NULL;

	check(config_parse(str_of(text), &c, &e) == 0, "%s: %s", text, err_text(&e));
	return c;
}

static void check_text(const struct config *c, const char *want)
{
	auto_buf struct buf b = { 0 };

	config_text(c, &b);
	check_str(b.p, want);
}

/* Fields are set in another order than they are written in. */
static void test_build(void **state UNUSED)
{
	struct platform p = { .os = "linux", .arch = "arm", .variant = "v7" };
	struct config *c = config_new(&p), *copy;
	struct strv v = { 0 };
	struct healthcheck h = { .interval = 30000000000, .retries = 3 };
	struct config_history hist = { true, 1700000000000000000, "RUN a && b", "buildkit.dockerfile.v0", NULL, false };
	struct digest d;
	auto_err struct err e = { 0 };

	check_text(c, "{\"architecture\":\"arm\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},\"variant\":\"v7\"}");
	strv_add(&v, "sh");
	strv_add(&v, "-c");
	config_set_list(c, CONFIG_SHELL, &v);
	config_set_list(c, CONFIG_CMD, &v);
	config_set_args_escaped(c, true);
	config_set_str(c, CONFIG_WORKDIR, "/");
	config_set_str(c, CONFIG_USER, "app");
	config_set_str(c, CONFIG_AUTHOR, "me");
	config_env_set(c, "B", "1");
	config_env_set(c, "A", "2");
	config_env_set(c, "B", "3 <x>");
	config_label_set(c, "z", "1");
	config_label_set(c, "a", "bad\xff" "byte");
	config_set_add(c, CONFIG_PORTS, "80/tcp");
	config_set_add(c, CONFIG_PORTS, "53/udp");
	strv_add(&h.test, "CMD");
	strv_add(&h.test, "true");
	config_set_healthcheck(c, &h);
	assert_int_equal(digest_parse(str_of(D1), &d, &e), 0);
	config_add_diff_id(c, &d);
	config_add_history(c, &hist);
	hist = (struct config_history){ .has_created = true, .created_ns = 1700000001500000000, .created_by = "CMD", .empty_layer = true };
	config_add_history(c, &hist);
	config_set_created(c, 1700000001500000000);
	copy = config_clone(c);
	check_text(copy, "{\"architecture\":\"arm\",\"author\":\"me\",\"config\":{\"User\":\"app\",\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":{}},"
		"\"Env\":[\"B=3 \\u003cx\\u003e\",\"A=2\"],\"Cmd\":[\"sh\",\"-c\"],\"WorkingDir\":\"/\",\"Labels\":{\"a\":\"bad\xef\xbf\xbd" "byte\",\"z\":\"1\"},"
		"\"ArgsEscaped\":true,\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"],\"Interval\":30000000000,\"Retries\":3},\"Shell\":[\"sh\",\"-c\"]},"
		"\"created\":\"2023-11-14T22:13:21.5Z\",\"history\":[{\"created\":\"2023-11-14T22:13:20Z\",\"created_by\":\"RUN a \\u0026\\u0026 b\",\"comment\":\"buildkit.dockerfile.v0\"},"
		"{\"created\":\"2023-11-14T22:13:21.5Z\",\"created_by\":\"CMD\",\"empty_layer\":true}],\"os\":\"linux\","
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]},\"variant\":\"v7\"}");
	config_set_list(copy, CONFIG_CMD, NULL);
	check_str(config_env_get(c, "B"), "3 <x>");
	assert_null(config_env_get(c, "C"));
	strv_done(&v);
	assert_int_equal(config_list(c, CONFIG_CMD, &v), 2);
	assert_int_equal(config_list(copy, CONFIG_CMD, &v), 0);
	assert_true(config_history(c, 1).empty_layer);
	check_str(config_history(c, 0).created_by, "RUN a && b");
	config_free(c);
	config_free(copy);
	strv_done(&v);
	healthcheck_done(&h);
}

/* What is unknown survives; what Go leaves out is left out; order does not depend on the input's. */
static void test_survive(void **state UNUSED)
{
	struct config *c = parse("{\"os\":\"linux\",\"moby.buildkit.cache.v0\":\"x\",\"config\":{\"Hostname\":\"h\",\"Labels\":{\"b\":\"1\",\"a\":\"2\"},\"Env\":null,"
		"\"Cmd\":[],\"OnBuild\":[\"RUN x\"],\"User\":\"\",\"StopTimeout\":5},\"architecture\":\"amd64\"," ROOTFS ",\"history\":null,\"created\":\"0001-01-01T00:00:00Z\"}");
	struct strv v = { 0 };
	int64_t ns = 7;

	assert_false(config_created(c, &ns));	/* Go's zero time does not fit into ns */
	assert_int_equal(ns, 7);
	assert_int_equal(config_list(c, CONFIG_ENV, &v), 0);
	assert_int_equal(config_histories(c), 0);
	config_env_set(c, "K", "");
	check_text(c, "{\"architecture\":\"amd64\",\"config\":{\"Env\":[\"K=\"],\"Labels\":{\"a\":\"2\",\"b\":\"1\"},\"OnBuild\":[\"RUN x\"],"
		"\"Hostname\":\"h\",\"StopTimeout\":5},\"created\":\"0001-01-01T00:00:00Z\",\"moby.buildkit.cache.v0\":\"x\",\"os\":\"linux\"," ROOTFS "}");
	config_free(c);
}

static void test_bad(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "null", "[]", "{}", "{\"rootfs\":null}", "{\"rootfs\":[]}", "{" ROOTFS "} x", "{" ROOTFS "," ROOTFS "}",
		"{" ROOTFS ",\"config\":[]}", "{" ROOTFS ",\"config\":{\"Env\":\"A=1\"}}", "{" ROOTFS ",\"config\":{\"Env\":[1]}}",
		"{" ROOTFS ",\"config\":{\"Env\":[null]}}", "{" ROOTFS ",\"config\":{\"Labels\":{\"a\":1}}}",
		"{" ROOTFS ",\"config\":{\"Labels\":[]}}", "{" ROOTFS ",\"config\":{\"User\":0}}", "{" ROOTFS ",\"config\":{\"Volumes\":[\"/x\"]}}",
		"{" ROOTFS ",\"config\":{\"Healthcheck\":{\"Test\":\"x\"}}}", "{" ROOTFS ",\"config\":{\"Healthcheck\":{\"Interval\":1.5}}}",
		"{" ROOTFS ",\"history\":{}}", "{" ROOTFS ",\"history\":[1]}", "{" ROOTFS ",\"history\":[{\"created_by\":1}]}",
		"{" ROOTFS ",\"history\":[{\"created\":\"yesterday\"}]}", "{" ROOTFS ",\"created\":\"2020-01-01\"}", "{" ROOTFS ",\"created\":5}",
		"{" ROOTFS ",\"os\":1}", "{" ROOTFS ",\"architecture\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
		"{\"rootfs\":{\"diff_ids\":[\"sha256:../../etc\"]}}", "{\"rootfs\":{\"diff_ids\":[1]}}", "{\"rootfs\":{\"diff_ids\":{}}}",
		"{" ROOTFS ",\"x\":\"\xff\"}", "{" ROOTFS ",\"x\":\"\\u0000\"}", "{" ROOTFS ",\"x\":1e999}",
	};

	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct config *c;

		check(config_parse(str_of(bad[i]), &c, &e) < 0 && e.kind == ERR_CORRUPT, "%s", bad[i]);
	}
}

static void test_limits(void **state UNUSED)
{
	auto_buf struct buf big = { 0 }, deep = { 0 };
	auto_err struct err e = { 0 };
	struct config *c;

	while (big.n <= CONFIG_MAX)
		buf_puts(&big, "                                                                ");
	check(config_parse(buf_view(&big), &c, &e) < 0 && e.kind == ERR_LIMIT, "%s", err_text(&e));
	err_clear(&e);
	buf_puts(&deep, "{" ROOTFS ",\"x\":");
	for (int i = 0; i < 10000; i++)
		buf_putc(&deep, '[');
	check(config_parse(buf_view(&deep), &c, &e) < 0 && e.kind == ERR_CORRUPT, "%s", err_text(&e));
}

int suite_config(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build), cmocka_unit_test(test_survive), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
