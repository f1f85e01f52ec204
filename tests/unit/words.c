/* SPDX-License-Identifier: Apache-2.0 */
/* parser/words, parser/json: splitting, UTF-8, CSV, cleaned paths, guesses. */
#include "parser/words.h"

#include "base/arena.h"
#include "tests/unit/unit.h"

static char *joined(const struct strs *l)	/* "a|b|c" */
{
	struct buf b = { 0 };

	for (size_t i = 0; i < l->n; i++) {
		if (i)
			buf_putc(&b, '|');
		buf_str(&b, l->v[i]);
	}
	return buf_take(&b);
}

static void test_words_split(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "" }, { "  ", "" }, { "a", "a" }, { " a\tb\v\fc\r d ", "a|b|c|d" },
		{ "\"a b\" c", "\"a|b\"|c" }, { "a\xc2\xa0" "b", "a\xc2\xa0" "b" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_words struct strs l = { 0 };
		auto_free char *got = NULL;

		words_split(str_of(rows[i].in), &l);
		got = joined(&l);
		check_str(got, rows[i].out);
	}
}

static void test_words_shell(void **state)
{
	static const struct { const char *in; char escape; const char *out; } rows[] = {
		{ "name=value name2=value2", '\\', "name=value|name2=value2" },
		{ "name=value\\ value2 b=c", '\\', "name=value\\ value2|b=c" },
		{ "name=\"a b\" c", '\\', "name=\"a b\"|c" },
		{ "name='a\\'b''", '\\', "name='a\\'b''" },
		{ "name=\"a\\\" b\" c", '\\', "name=\"a\\\" b\"|c" },
		{ "a=b\\", '\\', "a=b" }, { "\\", '\\', "" }, { "\"\"", '\\', "\"\"" },
		{ "a=b` c d", '`', "a=b` c|d" }, { "a=b\\ c", '`', "a=b\\|c" },
		{ "a\xc2\xa0" "b", '\\', "a|b" }, { "'open quote", '\\', "'open quote" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_words struct strs l = { 0 };
		auto_free char *got = NULL;

		words_shell(str_of(rows[i].in), rows[i].escape, &l);
		got = joined(&l);
		check_str(got, rows[i].out);
	}
}

static void test_words_json(void **state)
{
	static const struct { const char *in; enum json_form form; const char *out; } rows[] = {
		{ "[]", JSON_STRINGS, "" }, { "[ ]", JSON_STRINGS, "" },
		{ "[\"\"]", JSON_STRINGS, "" },
		{ "[\"a\" , \"b\"]\t", JSON_STRINGS, "a|b" },
		{ "[\"\\\" \\\\ \\/ \\b\\f\\n\\r\\t\"]", JSON_STRINGS, "\" \\ / \b\f\n\r\t" },
		{ "[\"\\u2665\\ud83d\\ude00\"]", JSON_STRINGS, "\xe2\x99\xa5\xf0\x9f\x98\x80" },
		{ "[\"\\ud83d x\"]", JSON_STRINGS, "\xef\xbf\xbd x" },
		{ "[\"\xff\"]", JSON_STRINGS, "\xef\xbf\xbd" },
		{ "[\"a\",42,\"b\"]", JSON_OTHER, "42" }, { "[\"a\",null]", JSON_OTHER, "null" },
		{ "[\"a\",true]", JSON_OTHER, "true" },
		{ "[\"a\",{\"k\":[1]}]", JSON_OTHER, "{\"k\":[1]}" },
		{ "[\"a\",-1.5e+3]", JSON_OTHER, "-1.5e+3" },
		{ "[[\"a\"]]", JSON_OTHER, "[\"a\"]" },
		{ "[\"a\"] x", JSON_NONE, NULL }, { "[\"a\"", JSON_NONE, NULL },
		{ "[\"a\",]", JSON_NONE, NULL },
		{ "[\"a\" \"b\"]", JSON_NONE, NULL }, { "['a']", JSON_NONE, NULL },
		{ "[\"a]", JSON_NONE, NULL },
		{ "[\"\\x\"]", JSON_NONE, NULL }, { "[\"\\u12\"]", JSON_NONE, NULL },
		{ "[\"\t\"]", JSON_NONE, NULL },
		{ "[01]", JSON_NONE, NULL }, { "[1.]", JSON_NONE, NULL },
		{ "[,]", JSON_NONE, NULL },
		{ "[nul]", JSON_NONE, NULL }, { "[", JSON_NONE, NULL }, { "", JSON_NONE, NULL },
		{ "{}", JSON_NONE, NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_arena struct arena a = { 0 };
		auto_words struct strs l = { 0 };
		auto_words struct strs at = { 0 };
		struct str bad = { "", 0 };
		enum json_form form = words_json(str_of(rows[i].in), &a, &l, &at, &bad);
		auto_free char *got = form == JSON_OTHER ? str_dup(bad) : joined(&l);

		check(form == rows[i].form, "%s", rows[i].in);
		if (rows[i].out)
			check(strcmp(got, rows[i].out) == 0, "%s: %s", rows[i].in, got);
	}
}

static void test_words_json_nul(void **state)
{
	auto_arena struct arena a = { 0 };
	auto_words struct strs l = { 0 };
	auto_words struct strs at = { 0 };
	struct str bad;

	(void)state;
	assert_int_equal(words_json(STR_LIT("[\"a\\u0000b\"]"), &a, &l, &at, &bad), JSON_STRINGS);
	check(str_eq(l.v[0], STR_LIT("a\0b")), "NUL kept");
	check(str_is(at.v[0], "\"a\\u0000b\""), "place");
}

static void test_words_json_deep(void **state)
{
	auto_buf struct buf b = { 0 };
	auto_arena struct arena a = { 0 };
	auto_words struct strs l = { 0 };
	auto_words struct strs at = { 0 };
	struct str bad;

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_putc(&b, '[');
	assert_int_equal(words_json(buf_view(&b), &a, &l, &at, &bad), JSON_NONE);
}

static void test_words_csv(void **state)
{
	static const struct { const char *in; bool ok; const char *out; } rows[] = {
		{ "type=bind,target=/x", true, "type=bind|target=/x" },
		{ "a,\"b,\"\"c\"", true, "a|b,\"c" },
		{ "", true, "" }, { "a,", true, "a|" }, { "a\"b", false, "" }, { "\"a", false, "" },
		{ "\"a\"b", false, "" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_arena struct arena a = { 0 };
		auto_words struct strs l = { 0 };
		bool ok = words_csv(str_of(rows[i].in), &a, &l);
		auto_free char *got = joined(&l);

		check(ok == rows[i].ok, "%s", rows[i].in);
		if (ok)
			check_str(got, rows[i].out);
	}
}

static void test_words_utf8(void **state)
{
	static const struct { const char *in; size_t len; uint32_t c; } rows[] = {
		{ "a", 1, 'a' }, { "\xc3\xa9", 2, 0xe9 }, { "\xe2\x82\xac", 3, 0x20ac },
		{ "\xf0\x9f\x98\x80", 4, 0x1f600 },
		{ "\xc0\x80", 1, 0x1100c0 }, { "\xe0\x80\x80", 1, 0x1100e0 },
		{ "\xed\xa0\x80", 1, 0x1100ed },
		{ "\xf4\x90\x80\x80", 1, 0x1100f4 }, { "\xe2\x82", 1, 0x1100e2 },
		{ "\x80", 1, 0x110080 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };
		uint32_t c;
		size_t len = utf8_next(rows[i].in, strlen(rows[i].in), &c);

		check(len == rows[i].len && c == rows[i].c, "row %zu: %zu %x", i, len, c);
		utf8_put(&b, c);
		check(str_eq(buf_view(&b), (struct str){ rows[i].in, len }), "row %zu back", i);
	}
	check(str_is(space_trim(STR_LIT(" \xe2\x80\x83 a b\xc2\xa0\n")), "a b"), "Unicode blanks");
	check(str_is(space_trim(STR_LIT("\xc2\xa0")), ""), "nothing but blanks");
}

static void test_clean_path(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "." }, { "a", "a" }, { "/", "/" }, { "a/b/../c", "a/c" }, { "a/..", "." },
		{ "../a", "../a" },
		{ "a/../../b", "../b" }, { "../../a/..", "../.." }, { "/../a", "/a" },
		{ "//a//b/", "/a/b" },
		{ "./a/./b/.", "a/b" }, { "/a/b/../..", "/" }, { "**/", "**" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };

		buf_puts(&b, "x:");
		clean_path(str_of(rows[i].in), &b);
		check(strcmp(b.p + 2, rows[i].out) == 0, "%s: %s", rows[i].in, b.p);
	}
}

int suite_words(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_split), cmocka_unit_test(test_words_shell),
		cmocka_unit_test(test_words_json), cmocka_unit_test(test_words_json_nul),
		cmocka_unit_test(test_words_json_deep), cmocka_unit_test(test_words_csv),
		cmocka_unit_test(test_words_utf8), cmocka_unit_test(test_clean_path),
	};

	return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
