/* SPDX-License-Identifier: Apache-2.0 */
/* registry/url, registry/zone, registry/proxy: where a request may go. */
#include "tests/unit/unit.h"

#include "registry/proxy.h"
#include "registry/zone.h"

static void test_parse(void **state UNUSED)
{
	static const struct { const char *in, *text, *host; unsigned port; bool tls; } good[] = {
		{ "https://h", "https://h/", "h", 443, true },
		{ "HTTP://Ho.St:80/a?b#c", "http://ho.st/a?b", "ho.st", 80, false },
		{ "http://h:5000?q=%2F&x", "http://h:5000/?q=%2F&x", "h", 5000, false },
		{ "https://[2001:DB8::1]:5000/v2/", "https://[2001:db8::1]:5000/v2/", "2001:db8::1", 5000, true },
		{ "https://h:443/a/../b//c", "https://h/a/../b//c", "h", 443, true },
	};
	static const char *const bad[] = {
		"", "h", "ftp://h/", "file:///etc/passwd", "http://", "http:///a", "http://u:p@h/", "http://h:0/", "http://h:65536/",
		"http://h:x/", "http://[::1/", "http://[::g]/", "http://[::1]x/", "http://h/a b", "http://h/\n", "http://h\\a", "//h/a", "/a",
		"http://h%2e/", "javascript:x", "http://a,b/",
	};

	for (size_t i = 0; i < countof(good); i++) {
		auto_err struct err e = { 0 };
		auto_url struct url u = { 0 };

		check(url_parse(str_of(good[i].in), &u, &e) == 0, "%s: %s", good[i].in, err_text(&e));
		check_str(u.text, good[i].text);
		check_str(u.host, good[i].host);
		check(u.port == good[i].port && u.tls == good[i].tls && u.text[u.path] == '/', "%s", good[i].in);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		auto_url struct url u = { 0 };

		check(url_parse(str_of(bad[i]), &u, &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
		check(!strstr(err_text(&e), "u:p"), "%s", err_text(&e));
	}
}

/* PUSH-03: every form of a Location. */
static void test_join(void **state UNUSED)
{
	static const struct { const char *ref, *want; } rows[] = {
		{ "/v2/x?_state=a%3D%3D&u=1", "https://h:5/v2/x?_state=a%3D%3D&u=1" },
		{ "x/y?z", "https://h:5/a/b/x/y?z" },
		{ "?only=query", "https://h:5/a/b/c?only=query" },
		{ "#frag", "https://h:5/a/b/c?q=1" },
		{ "//g:6/p#frag", "https://g:6/p" },
		{ "http://g/p?digest=sha256:x", "http://g/p?digest=sha256:x" },
		{ "../d", "https://h:5/a/d" }, { "../../../d/.", "https://h:5/d/" }, { "./e/../f", "https://h:5/a/b/f" },
		{ "/a/./b/..", "https://h:5/a/" }, { "..", "https://h:5/a/" }, { "/", "https://h:5/" }, { "a:b/c", NULL }, { "", NULL },
		{ "file:///etc/passwd", NULL }, { "a b", NULL },
	};
	auto_err struct err e = { 0 };
	auto_url struct url base = { 0 };

	assert_int_equal(url_parse(STR_LIT("https://h:5/a/b/c?q=1"), &base, &e), 0);
	for (size_t i = 0; i < countof(rows); i++) {
		auto_url struct url u = { 0 };
		int r = url_join(&base, str_of(rows[i].ref), &u, &e);

		check((r == 0) == (rows[i].want != NULL), "%s", rows[i].ref);
		if (rows[i].want)
			check_str(u.text, rows[i].want);
	}
}

static void test_query(void **state UNUSED)
{
	static const struct { const char *url, *want; } rows[] = {
		{ "http://h/t", "http://h/t?scope=a%3Ab%2Cc" },
		{ "http://h/t?tenant=7&x=%2F", "http://h/t?tenant=7&x=%2F&scope=a%3Ab%2Cc" },	/* AUTH-18 */
		{ "http://h/t?", "http://h/t?scope=a%3Ab%2Cc" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };

		buf_puts(&b, rows[i].url);
		url_query(&b, "scope", STR_LIT("a:b,c"));
		check_str(b.p, rows[i].want);
	}
}

static void test_redact(void **state UNUSED)
{
	auto_buf struct buf b = { 0 };

	url_redact(&b, STR_LIT("https://h/p?X-Amz-Signature=abc&n=5&sig=q%3D&_state=zz&flag&digest=sha256:0"));
	check_str(b.p, "https://h/p?X-Amz-Signature=***&n=5&sig=***&_state=***&flag&digest=sha256:0");
}

static void test_zone(void **state UNUSED)
{
	static const struct { const char *host; enum http_zone zone; } rows[] = {
		{ "localhost", ZONE_LOOPBACK }, { "a.localhost", ZONE_LOOPBACK }, { "localhost.evil.test", ZONE_PUBLIC },
		{ "127.0.0.2", ZONE_LOOPBACK }, { "127.1", ZONE_LOOPBACK }, { "2130706433", ZONE_LOOPBACK }, { "0.0.0.0", ZONE_LOOPBACK },
		{ "::1", ZONE_LOOPBACK }, { "::", ZONE_LOOPBACK }, { "::ffff:127.0.0.1", ZONE_LOOPBACK }, { "::ffff:10.0.0.1", ZONE_PRIVATE },
		{ "10.1.2.3", ZONE_PRIVATE }, { "172.16.0.1", ZONE_PRIVATE }, { "172.32.0.1", ZONE_PUBLIC }, { "192.168.3.4", ZONE_PRIVATE },
		{ "100.64.0.1", ZONE_PRIVATE }, { "100.128.0.1", ZONE_PUBLIC }, { "fd00::1", ZONE_PRIVATE }, { "64:ff9b::a00:1", ZONE_PRIVATE },
		{ "169.254.169.254", ZONE_LINK }, { "fe80::1", ZONE_LINK }, { "224.0.0.1", ZONE_LINK }, { "255.255.255.255", ZONE_LINK },
		{ "8.8.8.8", ZONE_PUBLIC }, { "2001:4860::8888", ZONE_PUBLIC }, { "r.io", ZONE_PUBLIC }, { "2002:7f00:1::", ZONE_LOOPBACK },
	};

	for (size_t i = 0; i < countof(rows); i++)
		check(zone_of_host(rows[i].host) == rows[i].zone, "%s", rows[i].host);
	for (int z = ZONE_PUBLIC; z < ZONE_ANY; z++) {
		check(zone_allows(ZONE_ANY, (enum http_zone)z), "any allows %d", z);
		check(zone_allows((enum http_zone)z, (enum http_zone)z), "%d allows itself", z);
		check(zone_allows((enum http_zone)z, ZONE_PUBLIC), "%d allows public", z);
		check(z == ZONE_PUBLIC || !zone_allows(ZONE_PUBLIC, (enum http_zone)z), "public does not allow %d", z);
	}
	check(!zone_allows(ZONE_PRIVATE, ZONE_LOOPBACK) && !zone_allows(ZONE_LOOPBACK, ZONE_LINK), "never nearer");
	check(zone_allows(ZONE_LOOPBACK, ZONE_PRIVATE), "a local registry may store elsewhere");
}

/* PROXY-02 */
static void test_proxy(void **state UNUSED)
{
	static const struct { const char *no, *url; bool proxied; } rows[] = {
		{ NULL, "http://r.io/", true }, { NULL, "http://127.0.0.1:5000/", false }, { NULL, "http://localhost/", false },
		{ "127.0.0.1,.corp,10.0.0.0/8", "http://a.corp/", false }, { "127.0.0.1,.corp,10.0.0.0/8", "http://corp/", true },
		{ "127.0.0.1, .corp ,10.0.0.0/8", "http://10.9.8.7:5000/", false }, { "127.0.0.1,.corp,10.0.0.0/8", "http://11.0.0.1/", true },
		{ "corp", "http://corp/", false }, { "corp", "http://a.corp/", false }, { "corp", "http://acorp/", true },
		{ "*.corp", "http://a.b.corp/", false }, { "r.io:5000", "http://r.io:5000/", false }, { "r.io:5000", "http://r.io/", true },
		{ "*", "http://r.io/", false }, { "fd00::/8", "http://[fd00::1]/", false }, { "fd00::1", "http://[fd00::1]/", false },
		{ "[fd00::1]:80", "http://[fd00::1]/", false }, { "10.0.0.0/99,x/,/8,:,[", "http://10.0.0.1/", true }, { "R.IO", "http://r.io/", false },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		const struct proxy_rules r = { .http = "http://p:1", .no = rows[i].no };
		auto_err struct err e = { 0 };
		auto_url struct url u = { 0 };

		assert_int_equal(url_parse(str_of(rows[i].url), &u, &e), 0);
		check((proxy_of(&r, &u) != NULL) == rows[i].proxied, "%s %s", rows[i].no, rows[i].url);
	}
}

static void test_proxy_scheme(void **state UNUSED)
{
	const struct proxy_rules r = { .http = "h", .https = "s" }, all = { .all = "a" };
	auto_err struct err e = { 0 };
	auto_url struct url plain = { 0 }, tls = { 0 };

	assert_int_equal(url_parse(STR_LIT("http://r.io"), &plain, &e), 0);
	assert_int_equal(url_parse(STR_LIT("https://r.io"), &tls, &e), 0);
	check_str(proxy_of(&r, &plain), "h");
	check_str(proxy_of(&r, &tls), "s");
	check_str(proxy_of(&all, &tls), "a");
}

int suite_url(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_join), cmocka_unit_test(test_query),
		cmocka_unit_test(test_redact), cmocka_unit_test(test_zone), cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_proxy_scheme),
	};

	return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
