/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/container: restart policies, detach keys, lines of logs, records skimmed and of any bytes; as tables. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "runtime/container/detach.h"
#include "runtime/container/jsontext.h"
#include "runtime/container/logread.h"
#include "runtime/container/restart.h"
#include "runtime/container/skim.h"

#define MS INT64_C(1000000)

static void test_restart_parse(void **state UNUSED)
{
	static const struct { const char *in; enum restart_when when; unsigned max; } good[] = {
		{ "no", RESTART_NO, 0 }, { "", RESTART_NO, 0 }, { "always", RESTART_ALWAYS, 0 },
		{ "unless-stopped", RESTART_UNLESS_STOPPED, 0 }, { "on-failure", RESTART_ON_FAILURE, 0 },
		{ "on-failure:3", RESTART_ON_FAILURE, 3 },
	};
	static const char *const bad[] = { "Always", "sometimes", "always:1", "no:0", "on-failure:", "on-failure:x", "on-failure:-1" };

	for (size_t i = 0; i < countof(good); i++) {
		auto_err struct err e = { 0 };
		struct restart_policy p;

		check(restart_parse(good[i].in, &p, &e) == 0 && p.when == good[i].when && p.max == good[i].max, "%s: %s",
		      good[i].in, err_text(&e));
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct restart_policy p;

		check(restart_parse(bad[i], &p, &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
	}
}

static void test_restart_again(void **state UNUSED)
{
	static const struct { enum restart_when when; unsigned max; int code; bool wanted, again; } t[] = {
		{ RESTART_NO, 0, 1, false, false }, { RESTART_ALWAYS, 0, 0, false, true }, { RESTART_ALWAYS, 0, 1, true, false },
		{ RESTART_UNLESS_STOPPED, 0, 0, false, true }, { RESTART_UNLESS_STOPPED, 0, 0, true, false },
		{ RESTART_ON_FAILURE, 0, 0, false, false }, { RESTART_ON_FAILURE, 0, 1, false, true },
		{ RESTART_ON_FAILURE, 1, 1, false, true },
	};
	static const int64_t delays[] = { 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000 };
	struct restart_policy p = { RESTART_ON_FAILURE, 2 };
	struct restart_state s = { 0 };
	int64_t delay;

	for (size_t i = 0; i < countof(t); i++) {
		struct restart_policy one = { t[i].when, t[i].max };
		struct restart_state fresh = { 0 };

		check(restart_again(&one, &fresh, t[i].code, t[i].wanted, 0, &delay) == t[i].again, "row %zu", i);
	}
	check(restart_again(&p, &s, 1, false, 0, &delay) && restart_again(&p, &s, 1, false, 0, &delay) &&
	      !restart_again(&p, &s, 1, false, 0, &delay), "twice, then no more");
	p = (struct restart_policy){ RESTART_ALWAYS, 0 };
	s = (struct restart_state){ 0 };
	for (size_t i = 0; i < countof(delays); i++)
		check(restart_again(&p, &s, 1, false, 0, &delay) && delay == delays[i] * MS, "%zu: %lld", i, (long long)delay);
	check(restart_again(&p, &s, 0, false, 10000 * MS, &delay) && delay == 100 * MS, "a long run starts afresh");
}

static void test_detach(void **state UNUSED)
{
	static const struct { const char *keys, *typed, *passed; bool left; } t[] = {
		{ NULL, "\x10\x11", "", true }, { NULL, "ab\x10" "c", "ab\x10" "c", false }, { NULL, "\x10\x10\x11", "\x10", true },
		{ "", "\x10\x11", "\x10\x11", false }, { "a,b,c", "aba", "ab", false }, { "a,b,c", "abac", "abac", false },
		{ "a,b,c", "xabc", "x", true }, { "ctrl-x,x", "\x18x", "", true }, { "ctrl-@", "a", "a", false },
		{ "ctrl-[,ctrl-_", "\x1b\x1f", "", true },
	};
	static const char *const bad[] = { "shift-a", "ctrl-", "ctrl-A", "a,,b", "ab", "ctrl-p,ctrl-" };

	for (size_t i = 0; i < countof(t); i++) {
		auto_err struct err e = { 0 };
		auto_buf struct buf b = { 0 };
		struct detach d;

		check(detach_parse(t[i].keys, &d, &e) == 0, "%s", err_text(&e));
		check(detach_feed(&d, str_of(t[i].typed), &b) == t[i].left && str_is(buf_view(&b), t[i].passed), "row %zu", i);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct detach d;

		check(detach_parse(bad[i], &d, &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
	}
}

static void test_logline(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "x", "{", "{\"log\"}", "{\"log\":\"a", "{\"log\":1}", "{\"time\":\"never\"}", "{\"log\":\"\\u12\"}", "{\"log\":\"\\x\"}",
		"{\"attrs\":[]}", "{\"attrs\":{\"a\":1", "{,,,", "{\"log\":\"\\",
	};
	static const struct { const char *in, *text; int stream; } good[] = {
		{ "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.5Z\"}", "a\n", 1 },
		{ "{\"log\":\"\\u003c\\\"\\\\\\t\\u00fc\\ud83d\\ude00\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.5Z\"}",
		  "<\"\\\t\xc3\xbc\xf0\x9f\x98\x80", 2 },
		{ "{\"log\":\"\\udcff\\udc80\",\"stream\":\"stdout\",\"attrs\":{\"k\":\"}\"},\"time\":\"2026-01-02T03:04:05.5Z\"}", "\xff\x80", 1 },
	};
	auto_buf struct buf text = { 0 };
	struct logline l;

	for (size_t i = 0; i < countof(good); i++)
		check(logline_parse(str_of(good[i].in), &l, &text) && str_is(l.text, good[i].text) && l.stream == good[i].stream &&
		      l.time_ns == INT64_C(1767323045500000000), "%s", good[i].in);
	check(str_is(l.attrs, "{\"k\":\"}\"}"), "attrs");
	for (size_t i = 0; i < countof(bad); i++)
		check(!logline_parse(str_of(bad[i]), &l, &text), "%s", bad[i]);
}

static void test_any_bytes(void **state UNUSED)
{
	static const char *const t[] = { "", "plain", "\xc3\xbc", "a\xff" "b", "\xc3", "\xf0\x9f\x98", "\x80\xbf\xc0\xfe", "\xf4\x8f\xbf\xbf" };

	for (size_t i = 0; i < countof(t); i++) {
		auto_buf struct buf b = { 0 };
		json_t *j = jsontext(t[i]);
		auto_free char *back = j ? jsontext_bytes(j) : NULL;

		check(j && back && strcmp(back, t[i]) == 0, "row %zu", i);
		buf_json_bytes(&b, str_of(t[i]));
		check(b.n >= 2 && b.p[0] == '"' && b.p[b.n - 1] == '"', "row %zu", i);
		json_decref(j);
	}
}

static void test_skim(void **state UNUSED)
{
	static const struct { const char *in, *out; } good[] = {
		{ "{}", "{}" }, { "{ \"Name\": \"/a\", \"X\": [1, {\"y\": \"]}\"}], \"Args\": [\"a\\\"b\", \"c\"] }",
				  "{\"Name\":\"/a\",\"Args\":[\"a\\\"b\", \"c\"]}" },
		{ "{\"Config\":{\"Env\":[\"}\"],\"Image\":\"i\",\"Labels\":{\"a\":\"b\"}},\"HostConfig\":{\"AutoRemove\":true,\"Memory\":1}}",
		  "{\"Config\":{\"Image\":\"i\",\"Labels\":{\"a\":\"b\"}},\"HostConfig\":{\"AutoRemove\":true}}" },
		{ "{\"Args\": [], \"Name\": \"/a\", \"Mounts\":[{}], \"Config\": {\"Labels\": {}}, \"Image\": \"\", \"Transient\": false}",
		  "{\"Name\":\"/a\",\"Mounts\":[{}],\"Config\":{}}" },
		{ "{\"NetworkSettings\": {\"Ports\": null, \"Networks\": {\"x\": {}, \"y\": {\"Links\": null, \"A\": {\"b\": null}}}}}",
		  "{\"NetworkSettings\":{\"Ports\":null,\"Networks\":{\"x\":{},\"y\":{\"A\":{\"b\": null}}}}}" },
	};
	static const char *const bad[] = { "", "[", "{", "{\"a\"", "{\"a\":", "{\"a\":\"", "{\"a\":[", "{\"Config\":[]}", "{\"a\":\"b\\",
					   "{\"NetworkSettings\":{\"a\" 1}}" };

	for (size_t i = 0; i < countof(good); i++) {
		auto_buf struct buf b = { 0 };

		check(skim_record(str_of(good[i].in), &b) && str_is(buf_view(&b), good[i].out), "%s: %s", good[i].in, b.p);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_buf struct buf b = { 0 };

		check(!skim_record(str_of(bad[i]), &b), "%s: %s", bad[i], b.p);
	}
}

int suite_lifecycle(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restart_parse), cmocka_unit_test(test_restart_again), cmocka_unit_test(test_detach),
		cmocka_unit_test(test_logline), cmocka_unit_test(test_any_bytes), cmocka_unit_test(test_skim),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
