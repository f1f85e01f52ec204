/* SPDX-License-Identifier: Apache-2.0 */
/* base/clock: RFC 3339 both ways, Go durations, ages. */
#include "base/clock.h"
#include "tests/unit/unit.h"

static void test_rfc3339(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z" },
		{ "2023-11-14T22:13:20.5Z", "2023-11-14T22:13:20.5Z" },
		{ "2023-11-15T00:13:20.000000001+02:00", "2023-11-14T22:13:20.000000001Z" },
		{ "1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.25Z" },
		{ "0001-01-01T00:00:00Z", "1677-09-21T00:12:43.145224192Z" },	/* the first and the last that there are */
		{ "1600-01-01T00:00:00.5+01:00", "1677-09-21T00:12:43.145224192Z" },
		{ "9999-12-31T23:59:59.999999999-12:00", "2262-04-11T23:47:16.854775807Z" },
		{ "2262-04-11T23:47:16.9Z", "2262-04-11T23:47:16.854775807Z" },
	};
	static const char *const bad[] = { "", "2023-11-14", "2023-11-14T22:13:20", "2023-11-14T22:13:20+2", "x" };
	char text[CLOCK_TEXT_MAX];
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		check(clock_parse_rfc3339(str_of(rows[i].in), &ns), "%s", rows[i].in);
		check_str(clock_rfc3339(ns, text), rows[i].out);
	}
	for (size_t i = 0; i < countof(bad); i++)
		check(!clock_parse_rfc3339(str_of(bad[i]), &ns), "%s", bad[i]);
}

static void test_duration(void **state)
{
	static const struct { const char *in; int64_t ns; } rows[] = {
		{ "0", 0 }, { "5s", 5000000000 }, { "1h2m3.5s", 3723500000000 }, { "500ms", 500000000 },
		{ "1us", 1000 }, { "-2s", -2000000000 }, { "1.5h", 5400000000000 },
	};
	static const char *const bad[] = { "", "5", "s", "5x", "1h 2m", "." };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		check(clock_parse_duration(str_of(rows[i].in), &ns) && ns == rows[i].ns, "%s", rows[i].in);
	for (size_t i = 0; i < countof(bad); i++)
		check(!clock_parse_duration(str_of(bad[i]), &ns), "%s", bad[i]);
}

static void test_ago(void **state)
{
	static const struct { int64_t s; const char *text; } cases[] = {
		{ -5, "Less than a second ago" }, { 0, "Less than a second ago" }, { 1, "1 second ago" },
		{ 59, "59 seconds ago" }, { 60, "About a minute ago" }, { 119, "About a minute ago" },
		{ 200, "3 minutes ago" }, { 3599, "59 minutes ago" }, { 3600, "About an hour ago" },
		{ 5400, "2 hours ago" }, { 47 * 3600, "47 hours ago" }, { 50 * 3600, "2 days ago" },
		{ 13 * 86400, "13 days ago" }, { 14 * 86400, "2 weeks ago" }, { 61 * 86400, "2 months ago" },
		{ 729 * 86400, "24 months ago" }, { 800 * 86400, "2 years ago" },
	};
	char text[CLOCK_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_str(clock_ago(cases[i].s * 1000000000 + 5, text), cases[i].text);
}

int suite_clock(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc3339), cmocka_unit_test(test_duration), cmocka_unit_test(test_ago),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
