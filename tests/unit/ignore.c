/* SPDX-License-Identifier: Apache-2.0 */
/* parser/ignore, parser/glob: single patterns, files of them, walks. */
#include "parser/ignore.h"

#include "tests/unit/unit.h"

static struct ignore *make(const char *text)
{
	auto_err struct err e = { 0 };
	struct ignore *ig = NULL;

	check(ignore_parse("f", str_of(text), &ig, &e) == 0, "%s: %s", text, err_text(&e));
	return ig;
}

static void test_ignore_single(void **state)
{
	static const struct { const char *pattern, *path; bool want; } rows[] = {
		{ "**", "file", true }, { "**", "/", true }, { "**/", "dir/file", true },
		{ "dir/**", "dir/file", true },
		{ "abc/**", "abc", false }, { "**/dir", "dir/file", true },
		{ "**/dir2/*", "dir/dir2/file", true },
		{ "**file", "dir/dir/file", true }, { "**file", "xfile", true },
		{ "**/file*.txt*", "d/d/file.txt", true },
		{ "**/**/*.txt2", "d/file.txt", false },
		{ "a**/*.txt", "a/dir/dir/file.txt", true },
		{ "a/*.txt", "a/dir/file.txt", false }, { "a/*.txt**", "a/file.txt", true },
		{ "a/*/c", "a/b/c/d", true },
		{ "a[b-d]e", "ace", true }, { "a[b-d]e", "ae", false }, { "a[^b-d]e", "aze", true },
		{ "a[^b-d]e", "ace", false },
		{ "a[]]e", "a]e", true }, { "a[a-]e", "a-e", true }, { "a[\\]x]e", "a]e", true },
		{ "[^a]", "/", true },
		{ ".*", ".foo", true }, { ".*", "foo", false }, { "abc?def", "abcZdef", true },
		{ "abc?def", "abc/def", false },
		{ "a?c", "a\xc3\xa9" "c", true }, { "a\\\\", "a\\", true },
		{ "a\\*b", "a*b", true }, { "a\\*b", "axb", false },
		{ "**/foo/bar", "dir/foo/bar", true }, { "**/foo", "xfoo", false },
		{ "a(b)c/def", "a(b)c/def", true },
		{ "a.|)$(}+{bc", "a.|)$(}+{bc", true }, { "/abs", "abs", true },
		{ "a/../b", "b/c", true }, { "a/", "a", true },
		{ "*a**/b", "aab", true }, { "a**b**/c", "ax/b/y/c", true },
		{ "a**b**/c", "axb/y/c", false }, { "*", "a/b/c", true },
		{ "a*b*c", "aXbXbXc", true },
		{ "dir", "directory", false }, { "!x", "x", false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct ignore *ig = make(rows[i].pattern);

		check(ignore_match(ig, rows[i].path) == rows[i].want, "%s %s", rows[i].pattern,
		      rows[i].path);
		ignore_free(ig);
	}
}

static void test_ignore_bad(void **state)
{
	static const char *const rows[] = { "!", " ! ", "a[", "[]", "[b-a]", "a\\", "[a-", "x/[^" };

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		auto_free char *text = xasprintf("fine\n%s\n", rows[i]);
		struct ignore *ig;

		check(ignore_parse("f", str_of(text), &ig, &e) < 0 && e.kind == ERR_USAGE, "%s",
		      rows[i]);
		check(strncmp(e.msg, "f:2: ", 5) == 0, "%s", e.msg);
	}
}

static void test_ignore_file(void **state)
{
	struct ignore *ig = make("\xef\xbb\xbf# comment\r\n # no comment\r\n\n*.log\r\n!keep.log\nsub\n!sub/in/*.txt\nlast");

	(void)state;
	assert_int_equal(ignore_count(ig), 6);
	check(ignore_match(ig, "# no comment"), "indented");
	check(!ignore_match(ig, "# comment"), "comment");
	check(ignore_match(ig, "a.log") && !ignore_match(ig, "keep.log") &&
	      ignore_match(ig, "last"), "last wins");
	check(ignore_match(ig, "sub/x") && !ignore_match(ig, "sub/in/a.txt") &&
	      ignore_match(ig, "sub/in/a.c"), "again");
	check(ignore_may_reinclude(ig, "sub") && ignore_may_reinclude(ig, "sub/in"), "walk on");
	check(!ignore_may_reinclude(ig, "sub/out") && !ignore_may_reinclude(ig, "subx"), "skip");
	check(ignore_has_negation(ig) && !ignore_has_negation(NULL), "negation");
	ignore_free(ig);
	ig = make("!a.go\n*.go");
	check(ignore_match(ig, "a.go"), "order");
	ignore_free(ig);
	ignore_free(NULL);
	check(!ignore_match(NULL, "a") && !ignore_match_in(NULL, NULL, "a", NULL), "no patterns");
}

static void test_ignore_reinclude(void **state)
{
	static const struct { const char *text, *dir; bool want; } rows[] = {
		{ "*\n!**/keep", "a/b", true }, { "*\n!a*/x", "abc", true },
		{ "*\n!a*/x", "b", false },
		{ "*\n!a/b/c", "a", true }, { "*\n!a/b/c", "a/b", true },
		{ "*\n!a/b/c", "a/b/c", false },
		{ "*\n!a/**", "a/b/c", true }, { "*\n!a", ".", true }, { "*\n", "a", false },
		{ "*\n!a/b/**/d", "a/b/x/y", true },
		{ "*\n!a.b/c", "a", false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct ignore *ig = make(rows[i].text);

		check(ignore_may_reinclude(ig, rows[i].dir) == rows[i].want, "%s: %s", rows[i].text,
		      rows[i].dir);
		ignore_free(ig);
	}
}

/* A walk with states gives what a question for each path gives. */
static void test_ignore_walk(void **state)
{
	static const char *const lists[] = {
		"a\n!a/b\na/b/c", "*\n!x", "**/c\n!a/b/c", "*/b\n!a\n*/*/c", "a/*\n!a/b\n",
	};
	static const char *const paths[] = { "a", "a/b", "a/b/c" };

	(void)state;
	for (size_t i = 0; i < countof(lists); i++) {
		struct ignore *ig = make(lists[i]);
		uint64_t above[4] = { 0 }, here[4] = { 0 };

		assert_int_equal(ignore_state_words(ig), 1);
		for (size_t k = 0; k < countof(paths); k++) {
			bool want = ignore_match(ig, paths[k]);

			check(ignore_match_in(ig, k ? above : NULL, paths[k], NULL) == want,
			      "%s: %s", lists[i], paths[k]);
			check(ignore_match_in(ig, k ? above : NULL, paths[k], here) == want,
			      "%s: %s", lists[i], paths[k]);
			above[0] = here[0];
		}
		ignore_free(ig);
	}
}

static void test_ignore_new(void **state)
{
	auto_strv struct strv l = { 0 };
	auto_err struct err e = { 0 };
	struct ignore *ig;

	(void)state;
	strv_add(&l, "#x");
	strv_add(&l, "test/a/b*/c/**/e");
	assert_int_equal(ignore_new(&l, &ig, &e), 0);
	check(ignore_match(ig, "#x"), "no comments in a flag");
	check(ignore_may_match_below(ig, "test/a/b1") && ignore_may_match_below(ig,
										"test/a/b1/c/d"), "below");
	check(ignore_may_match_below(ig, "#x") && !ignore_may_match_below(ig, "test/b"), "itself");
	ignore_free(ig);
	strv_add(&l, "!");
	assert_int_equal(ignore_new(&l, &ig, &e), -1);
}

static void test_ignore_slow(void **state)
{
	auto_buf struct buf b = { 0 };
	auto_buf struct buf path = { 0 };
	auto_err struct err e = { 0 };
	struct ignore *ig;

	(void)state;
	for (int i = 0; i < 1300; i++)
		buf_puts(&b, i % 2 ? "a*" : "**a");
	for (int i = 0; i < 4000; i++)
		buf_putc(&path, i % 40 ? 'a' : '/');
	buf_putc(&b, 'b');
	ig = make(b.p);
	check(!ignore_match(ig, path.p), "many stars");
	ignore_free(ig);
	for (int i = 0; i < 4000; i++)
		buf_putc(&b, 'x');
	assert_int_equal(ignore_parse("f", buf_view(&b), &ig, &e), -1);
}

int suite_ignore(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ignore_single), cmocka_unit_test(test_ignore_bad), cmocka_unit_test(test_ignore_file),
		cmocka_unit_test(test_ignore_reinclude), cmocka_unit_test(test_ignore_walk),
		cmocka_unit_test(test_ignore_new), cmocka_unit_test(test_ignore_slow),
	};

	return cmocka_run_group_tests_name("ignore", tests, NULL, NULL);
}
