/* SPDX-License-Identifier: Apache-2.0 */
/* parser/toml: documents as JSON; what is wrong, with its line. */
#include "tests/unit/unit.h"

#include "parser/toml.h"

static void test_good(void **state UNUSED)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "", "{}" }, { "# only\n\n  # this", "{}" }, { "a = 1 # x\r\nb='x'\r\n", "{\"a\":1,\"b\":\"x\"}" },
		{ "a.b.\"c d\".'e' = true", "{\"a\":{\"b\":{\"c d\":{\"e\":true}}}}" },
		{ "[a.b]\nx=1\n[a]\ny=2\n[ a . c ]\nz=3", "{\"a\":{\"b\":{\"x\":1},\"y\":2,\"c\":{\"z\":3}}}" },
		{ "[[r]]\na=1\n[[r.m]]\nb=2\n[[r.m]]\nb=3\n[[r]]\na=4", "{\"r\":[{\"a\":1,\"m\":[{\"b\":2},{\"b\":3}]},{\"a\":4}]}" },
		{ "[host.\"https://m:5\"]\ncapabilities = [\"pull\",\n # c\n 'resolve',\n]", "{\"host\":{\"https://m:5\":{\"capabilities\":[\"pull\",\"resolve\"]}}}" },
		{ "a = { b = 1, c.d = \"x\" }\ne={}", "{\"a\":{\"b\":1,\"c\":{\"d\":\"x\"}},\"e\":{}}" },
		{ "a=[[1,2],['x']]\nb=[]", "{\"a\":[[1,2],[\"x\"]],\"b\":[]}" },
		{ "a=\"\\t\\u00e9\\\"\\\\\"", "{\"a\":\"\\t\xc3\xa9\\\"\\\\\"}" }, { "a='\\n'", "{\"a\":\"\\\\n\"}" },
		{ "a=\"\"\"\nx\n  y\\\n   z\"\"\"", "{\"a\":\"x\\n  yz\"}" }, { "a='''\nx'y''''", "{\"a\":\"x'y'\"}" }, { "a=\"\"\"\"x\"\"\"\"\"", "{\"a\":\"\\\"x\\\"\\\"\"}" },
		{ "a=-17\nb=+1_000\nc=0xff\nd=0o17\ne=0b101", "{\"a\":-17,\"b\":1000,\"c\":255,\"d\":15,\"e\":5}" },
		{ "a=1.5\nb=-2e3", "{\"a\":1.5,\"b\":-2000.0}" },
		{ "a=1979-05-27T07:32:00Z\nb=1979-05-27 07:32:00\nc=07:32:00", "{\"a\":\"1979-05-27T07:32:00Z\",\"b\":\"1979-05-27 07:32:00\",\"c\":\"07:32:00\"}" },
		{ "\xef\xbb\xbf""a=1", "{\"a\":1}" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		auto_free char *text = NULL;
		json_t *root = NULL;

		check(toml_parse(str_of(rows[i].in), &root, &e) == 0, "%s: %s", rows[i].in, err_text(&e));
		text = json_dumps(root, JSON_COMPACT);
		check(strcmp(text, rows[i].want) == 0, "%s: %s", rows[i].in, text);
		json_decref(root);
	}
}

static void test_bad(void **state UNUSED)
{
	static const struct { const char *in, *says; } rows[] = {
		{ "a", "line 1: \"=\"" }, { "a=", "line 1: a value" }, { "\n\na=b", "line 3: a value" }, { "a=1 b=2", "line 1: something follows" },
		{ "a=1\na=2", "line 2: a is there already" }, { "[a\nb=1", "line 1: \"]\"" }, { "[a]\n[[a]]", "line 2: a key is used" },
		{ "[[a]]\n[a]", "line 2: a list of tables" }, { "a=1\n[a.b]", "line 2: a key is used as a table" }, { "a=[1", "line 1: \",\" or \"]\"" },
		{ "a={b=1", "line 1: \",\" or \"}\"" }, { "a=\"x", "line 1: a string" }, { "a=\"x\ny\"", "line 1: a string" }, { "a=\"\\q\"", "line 1: an unknown escape" },
		{ "a=\"\\ud800\"", "line 1: a bad" }, { "a=\"\\u12\"", "line 1: a bad" }, { "a='''x", "line 1: a string" }, { "=1", "line 1: a key" },
		{ "a.=1", "line 1: a key" }, { "a=01", "line 1: a value" }, { "a=inf", "line 1: a value" }, { "a=9223372036854775808", "line 1: a value" },
		{ "a=\"\xff\"", "line 1: a string is not UTF-8" }, { "a=1e", "line 1: a value" }, { "a=1__-", "line 1: a value" }, { "a=[1 2]", "line 1: \",\"" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		json_t *root = NULL;

		check(toml_parse(str_of(rows[i].in), &root, &e) < 0 && e.kind == ERR_USAGE, "%s", rows[i].in);
		check(str_starts(str_of(err_text(&e)), rows[i].says), "%s: %s", rows[i].in, err_text(&e));
	}
}

static void test_depth(void **state UNUSED)
{
	static const char *const open[] = { "a=", "a=" };
	static const char piece[] = { '[', '.' };

	for (size_t i = 0; i < countof(open); i++) {
		auto_err struct err e = { 0 };
		auto_buf struct buf b = { 0 };
		json_t *root = NULL;

		buf_puts(&b, i ? "" : open[i]);
		for (int n = 0; n < 100000; n++)
			buf_printf(&b, "%s%c", i ? "a" : "", piece[i]);
		check(toml_parse(buf_view(&b), &root, &e) < 0, "row %zu", i);
	}
}

int suite_toml(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests_name("toml", tests, NULL, NULL);
}
