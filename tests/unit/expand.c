/* SPDX-License-Identifier: Apache-2.0 */
/* parser/expand, parser/pattern: every form, quotes, words, bodies, limits. */
#include "parser/expand.h"

#include "tests/unit/unit.h"

static const char *const vars[] = {
	"PWD=/home", "SHELL=bash", "KOREAN=\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4", "NULL=", "FOO=xxyy", "STARS=a***yy*",
	"Q=???y", "P=/tmp/tmp/bar.txt", "N=/tmp", "RE=()[]{}^$.*?|\\x", "space=abc  def", "lead=  ab c", "x\xc3\xa9=e",
	"ALL=aaa", "M=\xed\x95\x9c" "b\xed\x95\x9c", NULL,
};

static const char *get(void *arg, struct str name)
{
	unsigned *asked = arg;

	if (asked)
		++*asked;
	for (const char *const *v = vars; *v; v++)
		if (strncmp(*v, name.p, name.n) == 0 && (*v)[name.n] == '=')
			return *v + name.n + 1;
	return NULL;
}

struct row { const char *in, *out; };	/* out NULL: an error */

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_buf struct buf b = { 0 };
		auto_err struct err e = { 0 };
		int r = expand_word(str_of(rows[i].in), '\\', (struct env){ get, NULL }, &b, &e);

		check((r < 0) == !rows[i].out, "%s: %s", rows[i].in, r < 0 ? e.msg : b.p);
		if (r == 0)
			check(str_is(buf_view(&b), rows[i].out), "%s: %s", rows[i].in, b.p);
		else
			check(e.kind == ERR_USAGE && e.msg, "%s", rows[i].in);
	}
}

static void test_expand_quotes(void **state)
{
	static const struct row rows[] = {
		{ "", "" }, { "he'll'o", "hello" }, { "he\\'llo", "he'llo" }, { "he'llo", NULL },
		{ "he\\\\'llo", NULL },
		{ "abc\\tdef", "abctdef" }, { "\"abc\\tdef\"", "abc\\tdef" },
		{ "\"abc\\\\tdef\"", "abc\\tdef" },
		{ "'abc\\tdef'", "abc\\tdef" }, { "hello\\", "hello" }, { "hello\\\\", "hello\\" },
		{ "\"hello", NULL },
		{ "\"hello\\\"", NULL }, { "'hello\\'", "hello\\" }, { "\"''\"", "''" },
		{ "'$PWD'", "$PWD" },
		{ "\"$PWD\"", "/home" }, { "\"\\$PWD\"", "$PWD" },
		{ "\\\xed\x95\x9c", "\xed\x95\x9c" },
	};

	(void)state;
	check_rows(rows, countof(rows));
}

static void test_expand_names(void **state)
{
	static const struct row rows[] = {
		{ "he$1x", "hex" }, { "he$.x", "he$.x" }, { "$", "$" }, { "a$", "a$" },
		{ "$PWD$", "/home$" },
		{ "$pwd", "" }, { "$999aaa", "aaa" }, { "$@@@", "@@" }, { "$$x", "x" },
		{ "$0", "" }, { "$-", "" },
		{ "$KOREAN.", "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4." }, { "$x\xc3\xa9", "e" },
		{ "$PWD\xe2\x80\xa6", "/home\xe2\x80\xa6" }, { "\\${}", "${}" }, { "${}", NULL },
		{ "${.}", NULL },
		{ "${PWD", NULL }, { "${", NULL }, { "${{a}", NULL }, { "${a}}", "}" },
		{ "${:}", NULL }, { "${:-b}", NULL },
		{ "${@}", "" }, { "${#}", "" },
	};

	(void)state;
	check_rows(rows, countof(rows));
}

static void test_expand_choice(void **state)
{
	static const struct row rows[] = {
		{ "${XXX:-000}", "000" }, { "${PWD:-000}", "/home" }, { "${NULL:-x}", "x" },
		{ "${NULL-x}", "" },
		{ "${XXX-x}", "x" }, { "${XXX:-${YYY:-yyy}}", "yyy" },
		{ "${aaa:-bbb {foo}", "bbb {foo" },
		{ "${aaa:-bbb ${foo}", NULL }, { "${XXX:+${PWD}}", "" },
		{ "${PWD:+${SHELL}}", "bash" },
		{ "${PWD:+${PWD}:}xx", "/home:xx" }, { "${NULL:+x}", "" }, { "${NULL+x}", "x" },
		{ "${XXX+x}", "" },
		{ "${XXX:-\\$PWD:}xx", "$PWD:xx" }, { "${XXX:-\\${PWD}z}", "${PWDz}" },
		{ "${XXX:-'}'}", "}" },
		{ "${XXX:-\"a}b\"}", "a}b" }, { "${XXX?}", NULL }, { "${XXX:?}", NULL },
		{ "${NULL?}", "" },
		{ "${NULL:?}", NULL }, { "${PWD:?}", "/home" }, { "${XXX:YYY}", NULL },
		{ "${PWD:=000}", NULL },
		{ "${FOO=aaa}", NULL }, { "${1:-bbb}", "bbb" }, { "${@:-bbb}", "bbb" },
		{ "${-:+bbb}", "" },
		{ "\"${XXX:-a b}\"", "a b" },
	};

	(void)state;
	check_rows(rows, countof(rows));
}

static void test_expand_trim(void **state)
{
	static const struct row rows[] = {
		{ "${FOO#*x*y}", "y" }, { "${FOO#*}", "xxyy" }, { "${FOO##*}", "" },
		{ "${FOO##*x}", "yy" },
		{ "${FOO#x}", "xyy" }, { "${FOO##x}", "xyy" }, { "${FOO#y}", "xxyy" },
		{ "${Q#?\\?}", "?y" },
		{ "${Q#\\?}", "??y" }, { "${STARS%%\\**}", "a" }, { "${STARS%%\\**\\*}", "a" },
		{ "${STARS%\\*}", "a***yy" },
		{ "${FOO%x}", "xxyy" }, { "${FOO%}", "xxyy" }, { "${FOO#}", "xxyy" },
		{ "${FOO%y*}", "xxy" },
		{ "${FOO%%y*}", "xx" }, { "${FOO:#}", NULL }, { "${FOO:##}", NULL },
		{ "${FOO:%}", NULL },
		{ "${FOO:%%}", NULL }, { "${FOO#\\a}", NULL }, { "${FOO%\\}", NULL },
		{ "${XXX#a}", "" },
		{ "${RE#()[]{\\}^$.\\*\\?|\\\\}", "x" }, { "${M#?}", "b\xed\x95\x9c" },
		{ "${M%?}", "\xed\x95\x9c" "b" },
		{ "${P##*/}", "bar.txt" }, { "${P%/*}", "/tmp/tmp" }, { "${P%%/*}", "" },
		{ "${P#$N}", "/tmp/bar.txt" },
		{ "${FOO#${XXX:-x}}", "xyy" },
	};

	(void)state;
	check_rows(rows, countof(rows));
}

static void test_expand_replace(void **state)
{
	static const struct row rows[] = {
		{ "${P/$N/} - ${P//$N/}", "/tmp/bar.txt - /bar.txt" }, { "${FOO/x/a}", "axyy" },
		{ "${FOO//x/a}", "aayy" },
		{ "${FOO//x*/a}", "a" }, { "${FOO/$NULL/ww}", "wwxxyy" }, { "${FOO//ww}", NULL },
		{ "${FOO///}", "xxyy" },
		{ "${FOO/z/a}", "xxyy" }, { "${FOO//\\//\\/}", "xxyy" },
		{ "${N//\\//\\/}", "\\/tmp" },
		{ "${ALL//a/b}", "bbb" }, { "${ALL//aa/b}", "ba" }, { "${ALL//\\*/b}", "aaa" },
		{ "${ALL//?/xy}", "xyxyxy" },
		{ "${ALL//$NULL/-}", "-a-a-a-" }, { "${XXX/a/b}", "" },
		{ "${M//\xed\x95\x9c/k}", "kbk" }, { "${P/tmp*./_}", "/_txt" },
		{ "${FOO/x", NULL }, { "${FOO/x/y", NULL },
	};

	(void)state;
	check_rows(rows, countof(rows));
}

static void test_expand_messages(void **state)
{
	static const struct row rows[] = {
		{ "${XXX:?message here$FOO}", "XXX: message herexxyy" },
		{ "${XXX?}", "XXX: is not allowed to be unset" },
		{ "${NULL:?}", "NULL: is not allowed to be empty" },
		{ "${FOO:=a}", "unsupported modifier (:=) in substitution" },
		{ "${FOO=a}", "unsupported modifier (=) in substitution" },
		{ "${}", "syntax error: bad substitution" },
		{ "'a", "unexpected end of statement while looking for matching single-quote" },
		{ "\"a", "unexpected end of statement while looking for matching double-quote" },
		{ "${FOO#\\z}", "invalid pattern (\\z) in substitution: invalid escape" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };
		auto_err struct err e = { 0 };

		check(expand_word(str_of(rows[i].in), '\\', (struct env){ get, NULL }, &b, &e) < 0,
		      "%s", rows[i].in);
		check_str(e.msg, rows[i].out);
	}
}

static void test_expand_words(void **state)
{
	static const struct row rows[] = {
		{ "hello", "hello" }, { "hello${space}bye", "helloabc|defbye" },
		{ "hello\"${space}\"bye", "helloabc  defbye" },
		{ "hello \"${space}\"bye", "hello|abc  defbye" },
		{ "hello${lead}def", "hello|ab|cdef" },
		{ "hello\\ there", "hello there" }, { "hello\" there", NULL },
		{ "hello\\\" there", "hello\"|there" },
		{ "hello \"\" a", "hello|a" }, { "", "" }, { " a  b ", "a|b" },
		{ "'a b'c d", "a bc|d" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_strv struct strv l = { 0 };
		auto_buf struct buf b = { 0 };
		auto_err struct err e = { 0 };
		int r = expand_words(str_of(rows[i].in), '\\', (struct env){ get, NULL }, &l, &e);

		check((r < 0) == !rows[i].out, "%s", rows[i].in);
		for (size_t k = 0; k < l.n; k++)
			buf_printf(&b, "%s%s", k ? "|" : "", l.v[k]);
		if (r == 0)
			check(str_is(buf_view(&b), rows[i].out), "%s: %s", rows[i].in, b.p);
	}
}

static void test_expand_body(void **state)
{
	static const struct row rows[] = {
		{ "Hello $PWD \"$FOO\" 'it''s $SHELL'\n", "Hello /home \"xxyy\" 'it''s bash'\n" },
		{ "a\\$b \\\\ \\n\\\nc", "a$b \\ n\nc" }, { "it's", "it's" },
		{ "${XXX:-a\"b}", "a\"b" }, { "x\\", "x" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };
		auto_err struct err e = { 0 };

		check(expand_body(str_of(rows[i].in), (struct env){ get, NULL }, &b, &e) == 0, "%s",
		      rows[i].in);
		check_str(b.p, rows[i].out);
	}
}

static void test_expand_escape(void **state)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };

	(void)state;
	assert_int_equal(expand_word(STR_LIT("C:\\x `$PWD \"`\"\" $PWD"), '`',
				     (struct env){ get, NULL }, &b, &e), 0);
	check_str(b.p, "C:\\x $PWD \" /home");
	check(expand_needed(STR_LIT("a`b"), '`') && !expand_needed(STR_LIT("a\\b"), '`'), "needed");
	check(expand_has_variable(STR_LIT("a$b"), '\\') && !expand_has_variable(STR_LIT("a\\$b"),
										'\\'), "variable");
	check(!expand_has_variable(STR_LIT("ab$"), '\\') &&
	      expand_has_variable(STR_LIT("\"it's $b\""), '\\'), "quotes");
}

static void test_expand_used(void **state)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	unsigned asked = 0;

	(void)state;
	assert_int_equal(expand_word(STR_LIT("$PWD ${FOO:-$SHELL} '$no'"), '\\',
				     (struct env){ get, &asked }, &b, &e), 0);
	assert_int_equal(asked, 3);
	buf_reset(&b);
	assert_int_equal(expand_word(STR_LIT("$PWD!"), '\\', (struct env){ 0 }, &b, &e), 0);
	check_str(b.p, "!");
}

static const char *get_large(void *arg, struct str name)
{
	return name.n == 1 ? arg : NULL;
}

static void test_expand_limits(void **state)
{
	auto_buf struct buf raw = { 0 };
	auto_buf struct buf b = { 0 };
	auto_free char *large = xmalloc(700001);
	auto_err struct err e = { 0 };
	struct env env = { get_large, large };

	(void)state;
	memset(large, 'a', 700000);
	large[700000] = '\0';
	assert_int_equal(expand_word(STR_LIT("$a$a"), '\\', env, &b, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(b.n, 0);
	for (int i = 0; i < 30000; i++)
		buf_puts(&raw, "${x:+$a}");
	assert_int_equal(expand_word(buf_view(&raw), '\\', env, &b, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(expand_word(STR_LIT("${a//a*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab*/c}"), '\\', env, &b, &e), 0);
	assert_int_equal(expand_word(STR_LIT("${a/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab/c}"), '\\', env, &b, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	buf_reset(&raw);
	for (int i = 0; i < 20000; i++)
		buf_puts(&raw, "${x:-");
	assert_int_equal(expand_word(buf_view(&raw), '\\', env, &b, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
}

int suite_expand(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand_quotes), cmocka_unit_test(test_expand_names),
		cmocka_unit_test(test_expand_choice), cmocka_unit_test(test_expand_trim),
		cmocka_unit_test(test_expand_replace), cmocka_unit_test(test_expand_messages),
		cmocka_unit_test(test_expand_words), cmocka_unit_test(test_expand_body),
		cmocka_unit_test(test_expand_escape), cmocka_unit_test(test_expand_used),
		cmocka_unit_test(test_expand_limits),
	};

	return cmocka_run_group_tests_name("expand", tests, NULL, NULL);
}
