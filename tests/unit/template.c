/* SPDX-License-Identifier: Apache-2.0 */
/* cli/template, cli/format, cli/table. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "cli/format.h"
#include "cli/table.h"
#include "cli/template.h"

static const char data[] =
	"{\"Id\":\"abc\",\"N\":3,\"Neg\":-7,\"F\":1.5,\"Yes\":true,\"No\":false,\"Nil\":null,\"Empty\":\"\",\"L\":[\"x\",\"y\",\"z\"],"
	"\"None\":[],\"Sub\":{\"A\":{\"B\":\"deep\"}},\"Map\":{\"k2\":\"v2\",\"k1\":\"v1\"},\"Nums\":[1,2],\"Path\":\"/a/b\","
	"\"Objs\":[{\"Name\":\"n1\"},{\"Name\":\"n2\"}],\"Html\":\"<&>\",\"Utf\":\"h\xc3\xa9llo\"}";

static int run(const char *text, struct buf *out, struct err *e)
{
	auto_arena struct arena a = { 0 };
	json_t *j = json_loads(data, 0, NULL);
	struct template t;
	int r;

	assert_non_null(j);
	r = template_parse(text, &a, &t, e);
	if (r == 0)
		r = template_run(&t, j, out, e);
	json_decref(j);
	return r;
}

static void test_good(void **state UNUSED)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "", "" }, { "plain }} text", "plain }} text" }, { "{{.Id}}", "abc" }, { "a{{ .Id }}b{{.N}}", "aabcb3" },
		{ "{{.Sub.A.B}}", "deep" }, { "{{.F}} {{.Yes}} {{.No}} {{.Nil}} {{.Neg}}", "1.5 true false <nil> -7" },
		{ "{{.L}} {{.Map}} {{.None}}", "[x y z] map[k1:v1 k2:v2] []" }, { "{{.Map.k1}} {{.Map.zz}}", "v1 <no value>" },
		{ "{{json .L}} {{json .Map}} {{json .Id}} {{json .Html}}", "[\"x\",\"y\",\"z\"] {\"k2\":\"v2\",\"k1\":\"v1\"} \"abc\" \"<&>\"" },
		{ "{{range .L}}<{{.}}>{{end}}", "<x><y><z>" }, { "{{range $i, $v := .L}}{{$i}}={{$v}};{{end}}", "0=x;1=y;2=z;" },
		{ "{{range $k, $v := .Map}}{{$k}}:{{$v}} {{end}}", "k1:v1 k2:v2 " }, { "{{range .None}}x{{else}}empty{{end}}", "empty" },
		{ "{{range .Objs}}{{.Name}},{{end}}", "n1,n2," }, { "{{range .Objs}}{{$.Id}}{{end}}", "abcabc" },
		{ "{{range .L}}{{if eq . \"y\"}}{{continue}}{{end}}{{.}}{{end}}", "xz" }, { "{{range .L}}{{if eq . \"y\"}}{{break}}{{end}}{{.}}{{end}}", "x" },
		{ "{{if .Yes}}a{{else}}b{{end}}{{if .No}}a{{else}}b{{end}}", "ab" }, { "{{if .Empty}}a{{else if .None}}b{{else if .N}}c{{else}}d{{end}}", "c" },
		{ "{{with .Sub.A}}{{.B}}{{end}}{{with .Nil}}x{{else}}none{{end}}", "deepnone" }, { "{{with $x := .Id}}{{$x}}{{end}}", "abc" },
		{ "{{$x := 1}}{{if .Yes}}{{$x = 2}}{{$y := 5}}{{end}}{{$x}}", "2" }, { "{{$x := 1}}{{if .Yes}}{{$x := 2}}{{end}}{{$x}}", "1" },
		{ "x \n {{- .Id -}} \n y", "xabcy" }, { "a {{- /* c */ -}} b", "ab" }, { "{{/* only */}}", "" }, { "{{- 3}} {{3 -}} ", "3 3" },
		{ "{{.Id | upper | printf \"%s-%d\" \"v\" | len}}", NULL }, { "{{.Id | upper}}", "ABC" }, { "{{upper \"a b\" | title}}", "A B" },
		{ "{{title \"ab cd\"}} {{lower \"AB\"}}", "Ab Cd ab" }, { "{{join .L \", \"}} {{join .Nums \"-\"}}", "x, y, z 1-2" },
		{ "{{split .Path \"/\"}} {{len (split .Path \"/\")}}", "[ a b] 3" }, { "{{index .L 1}} {{index .Map \"k2\"}}|{{index .Map \"no\"}}|", "y v2||" },
		{ "{{(index .Objs 1).Name}} {{index .Objs 0 \"Name\"}}", "n2 n1" }, { "{{slice .L 1}} {{slice .Id 0 2}} {{slice .L 1 2}}", "[y z] ab [y]" },
		{ "{{len .L}} {{len .Id}} {{len .Map}}", "3 3 2" }, { "{{eq .N 3}} {{eq .Id \"x\" \"abc\"}} {{ne .N 3}} {{lt .N 4}} {{ge .F 2}}", "true true false true false" },
		{ "{{and .Yes .Id}} {{and .No .Nil.X}} {{or .No .Empty .N}} {{or .Id .Nil.X}} {{not .No}}", "abc false 3 abc true" },
		{ "{{print 1 2 \"a\" \"b\" 3}}|{{println .Id .N}}|", "1 2ab3|abc 3\n|" }, { "{{printf \"%5d|%-5s|%05d|%x|%q|%v|%.2f|%t|%%\" 42 \"ab\" 42 255 \"q\\\"\" .L 1.239 true}}",
		  "   42|ab   |00042|ff|\"q\\\"\"|[x y z]|1.24|true|%" },
		{ "{{pad .Id 1 2}}|{{truncate .Id 2}}|{{truncate .Utf 2}}", " abc  |ab|h" }, { "{{`raw \\n`}} {{\"esc\\t\\\"\"}}", "raw \\n esc\t\"" },
		{ "{{.Map.k1 | printf \"%s=%s\" \"k\"}}", "k=v1" }, { "{{true}} {{-5}} {{0x1f}} {{1.25}} {{len \"\"}}", "true -5 31 1.25 0" },
		{ "{{.Map \"k1\"}}|{{.Map \"none\"}}", "v1|" }, { "{{range $v := .L}}{{$v}}{{end}}", "xyz" },
		{ "{{if (and .Yes (eq .N 3))}}ok{{end}}", "ok" }, { "{{ $m := .Map }}{{ $m.k2 }}", "v2" }, { "{{if .Yes}}{{range .L}}{{.}}{{end}}{{end}}!", "xyz!" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		auto_buf struct buf b = { 0 };
		int r = run(rows[i].in, &b, &e);

		if (!rows[i].want) {
			check(r < 0, "%s", rows[i].in);
			continue;
		}
		check(r == 0, "%s: %s", rows[i].in, err_text(&e));
		check(strcmp(b.p ? b.p : "", rows[i].want) == 0, "%s: %s", rows[i].in, b.p);
	}
}

static void test_bad(void **state UNUSED)
{
	static const struct { const char *in, *says; } rows[] = {
		{ "{{", "does not end" }, { "{{.Id", "does not end" }, { "{{}}", "empty" }, { "{{end}}", "without a block" }, { "{{else}}", "without a block" },
		{ "{{if .Id}}", "end" }, { "{{if}}x{{end}}", "missing" }, { "{{range .L}}{{else}}{{else}}{{end}}", "end" }, { "{{.Idd}}", "did you mean Id?" },
		{ "{{.Sub.X}}", "no field X" }, { "{{.Id.X}}", "of a string" }, { "{{.Nil.X}}", "of nil" }, { "{{.Map.zz.X}}", "no value" },
		{ "{{uper .Id}}", "did you mean upper?" }, { "{{nosuch}}", "no function" }, { "{{upper}}", "0 arguments" }, { "{{upper .Id .Id}}", "2 arguments" },
		{ "{{upper .N}}", "wants a string" }, { "{{\"abc}}", "does not end" }, { "{{`abc}}", "does not end" }, { "{{\"\\z\"}}", "escape" },
		{ "{{index .L 3}}", "out of range" }, { "{{index .L -1}}", "out of range" }, { "{{index .L \"x\"}}", "whole number" }, { "{{index .N 1}}", "list or a map" },
		{ "{{slice .L 2 1}}", "out of range" }, { "{{slice .Utf 0 2}}", "character" }, { "{{$x}}", "no variable" }, { "{{$x = 1}}", "no variable" },
		{ "{{if .Yes}}{{$y := 1}}{{end}}{{$y}}", "no variable" }, { "{{break}}", "range" }, { "{{define \"x\"}}{{end}}", "not supported" },
		{ "{{range .N}}{{end}}", "range over" }, { "{{eq .Id 3}}", "compared" }, { "{{lt true false}}", "compared" }, { "{{printf \"%d\" \"x\"}}", "whole number" },
		{ "{{printf \"%d\"}}", "more verbs" }, { "{{printf \"x\" 1}}", "more arguments" }, { "{{printf \"%z\" 1}}", "verb" }, { "{{.Id | .N}}", "function" },
		{ "{{.Id )}}", "left over" }, { "{{(.Id}}", "missing" }, { "{{.Id ! }}", "no place" }, { "{{99999999999999999999}}", "" }, { "{{1x}}", "not a number" },
		{ "{{/* x }}", "comment" }, { "{{len upper}}", "function" }, { "{{.N 3}}", "argument" }, { "{{split .Id \"\"}}", "empty separator" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		auto_buf struct buf b = { 0 };
		int r = run(rows[i].in, &b, &e);

		if (!*rows[i].says)
			continue;
		check(r < 0 && e.kind == ERR_USAGE, "%s: %s", rows[i].in, b.p);
		check(strstr(err_text(&e), rows[i].says), "%s: %s", rows[i].in, err_text(&e));
	}
}

static void test_depth(void **state UNUSED)
{
	auto_buf struct buf text = { 0 }, out = { 0 };
	auto_err struct err e = { 0 };

	buf_puts(&text, "{{");
	for (int i = 0; i < 100000; i++)
		buf_putc(&text, '(');
	check(run(text.p, &out, &e) < 0 && strstr(err_text(&e), "too many"), "%s", err_text(&e));
	err_clear(&e);
	buf_reset(&text);
	for (int i = 0; i < 100000; i++)
		buf_puts(&text, "{{if .Yes}}");
	check(run(text.p, &out, &e) < 0 && strstr(err_text(&e), "too many"), "%s", err_text(&e));
}

static void print_to(struct buf *ret, void (*fn)(void *arg, FILE *out), void *arg)
{
	char *p = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);

	fn(arg, f);
	fclose(f);
	buf_reset(ret);
	buf_add(ret, p, n);
	free(p);
}

static void do_table(void *arg, FILE *out)
{
	table_print(str_of(arg), out);
}

static void test_table(void **state UNUSED)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "A\tB\n1\t2\n", "A         B\n1         2\n" }, { "a-long-cell\tB\n1\t2\n", "a-long-cell   B\n1             2\n" },
		{ "h\xc3\xa9h\xc3\xa9h\xc3\xa9h\xc3\xa9\tB\nx\ty\n", "h\xc3\xa9h\xc3\xa9h\xc3\xa9h\xc3\xa9   B\nx          y\n" },
		{ "x\x1b[31m\ty\n", "x?[31m    y\n" }, { "", "" }, { "one\n", "one\n" }, { "a\t\tb\n", "a                   b\n" },
	};
	auto_buf struct buf b = { 0 };

	for (size_t i = 0; i < countof(rows); i++) {
		print_to(&b, do_table, (void *)rows[i].in);
		check(strcmp(b.p ? b.p : "", rows[i].want) == 0, "%s: %s", rows[i].in, b.p);
	}
}

static void do_format(void *arg, FILE *out)
{
	format_print(arg, out);
}

static void test_format(void **state UNUSED)
{
	static const struct format_field fields[] = { { "ID", "IMAGE ID" }, { "Name", "NAME" }, { "Label", NULL }, { 0 } };
	static const struct { const char *text; bool heads; const char *want; } rows[] = {
		{ NULL, true, "IMAGE ID   NAME\n1          a\n" }, { "table", false, "1         a\n" },
		{ "table {{.Name}}\\t{{.ID}}", true, "NAME      IMAGE ID\na         1\n" }, { "{{.ID}}:{{.Name}}", true, "1:a\n" },
		{ "json", true, "{\"ID\":\"1\",\"Name\":\"a\"}\n" }, { "{{.Label \"k\"}}", true, "v\n" },
		{ "table {{.ID}}\\t{{.Label \"k\"}}", true, "1         v\n" },
	};
	auto_err struct err e = { 0 };
	auto_buf struct buf b = { 0 };
	struct format *f;

	for (size_t i = 0; i < countof(rows); i++) {
		check(format_new(rows[i].text, "{{.ID}}\t{{.Name}}", fields, rows[i].heads, &f, &e) == 0, "%s", err_text(&e));
		check(format_row(f, json_pack("{s:s,s:s,s:{s:s}}", "ID", "1", "Name", "a", "Label", "k", "v"), &e) == 0, "%s", err_text(&e));
		print_to(&b, do_format, f);
		check(strcmp(b.p, rows[i].want) == 0, "%s: %s", rows[i].text, b.p);
		format_free(f);
	}
	check(format_new("{{.Nam}}", "", fields, true, &f, &e) < 0 && strstr(err_text(&e), "did you mean Name?"), "%s", err_text(&e));
}

static void test_sizes(void **state UNUSED)
{
	static const struct { uint64_t n; const char *want; } rows[] = {
		{ 0, "0B" }, { 999, "999B" }, { 1000, "1kB" }, { 1234567, "1.23MB" }, { 999999, "1000kB" }, { 77800000, "77.8MB" },
		{ 1240000000, "1.24GB" }, { UINT64_MAX, "18.4EB" },
	};
	char text[FORMAT_SIZE_MAX];
	auto_buf struct buf b = { 0 };

	for (size_t i = 0; i < countof(rows); i++)
		check_str(format_size(rows[i].n, 3, text), rows[i].want);
	format_ellipsis(STR_LIT("abcdef"), 6, &b);
	check_str(b.p, "abcdef");
	buf_reset(&b);
	format_ellipsis(STR_LIT("abcdefg"), 6, &b);
	check_str(b.p, "abcde\xe2\x80\xa6");
}

int suite_template(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_depth),
		cmocka_unit_test(test_table), cmocka_unit_test(test_format), cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
