/* SPDX-License-Identifier: Apache-2.0 */
/* base/str: cutting, numbers, sizes, guesses, quoting, lists. */
#include "base/str.h"
#include "tests/unit/unit.h"

static void test_str_cut(void **state)
{
	(void)state;
	struct str rest = STR_LIT("a::b"), part;

	part = str_cut(&rest, ':');
	check(str_is(part, "a"), "first");
	part = str_cut(&rest, ':');
	check(str_is(part, "") && rest.p, "empty middle");
	part = str_cut(&rest, ':');
	check(str_is(part, "b") && !rest.p, "last");
}

static void test_str_numbers(void **state)
{
	static const struct { const char *in; unsigned base; bool ok; uint64_t v; } rows[] = {
		{ "0", 10, true, 0 }, { "18446744073709551615", 10, true, UINT64_MAX },
		{ "18446744073709551616", 10, false, 0 }, { "", 10, false, 0 }, { "-1", 10, false, 0 },
		{ "1 ", 10, false, 0 }, { "0x1", 16, false, 0 }, { "ff", 16, true, 255 }, { "8", 8, false, 0 },
		{ "0755", 8, true, 0755 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		uint64_t v = 0;
		bool ok = str_to_u64(str_of(rows[i].in), rows[i].base, &v);

		check(ok == rows[i].ok && (!ok || v == rows[i].v), "\"%s\"", rows[i].in);
	}
}

static void test_str_sizes(void **state)
{
	static const struct { const char *in; bool ok; uint64_t v; } rows[] = {
		{ "64m", true, 64 << 20 }, { "1.5g", true, 3ULL << 29 }, { "10kb", true, 10240 },
		{ "10KiB", true, 10240 }, { "7", true, 7 }, { "7b", true, 7 }, { "1 m", true, 1 << 20 },
		{ "m", false, 0 }, { "1x", false, 0 }, { "-1m", false, 0 }, { "99999999999t", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		uint64_t v = 0;
		bool ok = str_to_bytes(str_of(rows[i].in), &v);

		check(ok == rows[i].ok && (!ok || v == rows[i].v), "\"%s\": %llu", rows[i].in, (unsigned long long)v);
	}
}

static void test_str_guess(void **state)
{
	static const char *const words[] = { "COPY", "RUN", "ENTRYPOINT", "HEALTHCHECK", "chmod", "chown", "from", NULL };
	static const struct { const char *in, *guess; } rows[] = {
		{ "COPPY", "COPY" }, { "FNTRYPOINT", "ENTRYPOINT" }, { "rnu", "RUN" }, { "xyzzy", NULL },
		{ "chwon", "chown" }, { "chmd", "chmod" }, { "form", "from" }, { "CHOWN", "chown" }, { "", NULL }, { "x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		const char *g = str_nearest(str_of(rows[i].in), words);

		check(g == rows[i].guess || (g && rows[i].guess && strcmp(g, rows[i].guess) == 0), "%s: %s",
		      rows[i].in, g ? g : "none");
	}
}

static void test_buf_quotes(void **state)
{
	(void)state;
	auto_buf struct buf b = { 0 };

	buf_json_str(&b, STR_LIT("a\"b\\\n\x01"));
	check_str(b.p, "\"a\\\"b\\\\\\n\\u0001\"");
	buf_reset(&b);
	buf_go_quote(&b, STR_LIT("\a\v\xff\xc3\xa9"));
	check_str(b.p, "\"\\a\\v\\xff\xc3\xa9\"");
	buf_reset(&b);
	buf_hex(&b, "\x00\xab", 2);
	check_str(b.p, "00ab");
}

static void test_strv_env(void **state)
{
	(void)state;
	auto_strv struct strv l = { 0 };

	strv_env_set(&l, "A", "1");
	strv_env_set(&l, "AB", "2");
	strv_env_set(&l, "A", "3");
	assert_int_equal(l.n, 2);
	check_str(l.v[0], "A=3");
	check_str(strv_env_get(&l, "AB"), "2");
	assert_null(strv_env_get(&l, "B"));
	assert_null(l.v[2]);
}

int suite_str(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str_cut), cmocka_unit_test(test_str_numbers),
		cmocka_unit_test(test_str_sizes), cmocka_unit_test(test_str_guess),
		cmocka_unit_test(test_buf_quotes), cmocka_unit_test(test_strv_env),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
