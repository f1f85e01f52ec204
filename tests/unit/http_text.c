/* SPDX-License-Identifier: Apache-2.0 */
/* registry/header, registry/challenge, registry/scope, registry/retry: what registries say in headers. */
#include "tests/unit/unit.h"

#include "registry/challenge.h"
#include "registry/header.h"
#include "registry/retry.h"
#include "registry/scope.h"

#define NOW 784111777		/* Sun, 06 Nov 1994 08:49:37 GMT */

/* RETRY-02 */
static void test_retry_after(void **state UNUSED)
{
	static const struct { const char *in; bool ok; uint64_t want; } rows[] = {
		{ "0", true, 0 }, { "2", true, 2 }, { " 86400 ", true, 86400 }, { "-1", false, 0 }, { "abc", false, 0 }, { "", false, 0 },
		{ "1.5", false, 0 }, { "99999999999999999999999", false, 0 },
		{ "Sun, 06 Nov 1994 08:49:39 GMT", true, 2 }, { "Sunday, 06-Nov-94 08:50:37 GMT", true, 60 },
		{ "Sun Nov  6 09:49:37 1994", true, 3600 }, { "Sun, 06 Nov 1994 08:49:37 GMT", false, 0 },
		{ "Sun, 06 Nov 1990 08:49:39 GMT", false, 0 }, { "Sun, 06 Nov 1994 08:49:39 CET", false, 0 },
		{ "Sun, 99 Nov 1994 08:49:39 GMT", false, 0 }, { "Sun, 06 Nox 1994 08:49:39 GMT", false, 0 },
		{ "Thu, 29 Feb 1996 00:00:00 GMT", true, 41440223 }, { "Sun, 06 Nov 1994 25:49:39 GMT", false, 0 },
		{ ", , , , , ", false, 0 }, { "Sun, 06 Nov 1994 08:49:39 GMT GMT", false, 0 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		uint64_t s = 0;

		check(header_retry_after(str_of(rows[i].in), NOW, &s) == rows[i].ok, "%s", rows[i].in);
		check(!rows[i].ok || s == rows[i].want, "%s: %llu", rows[i].in, (unsigned long long)s);
	}
}

static void test_link(void **state UNUSED)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "</v2/a/tags/list?last=x&n=2>; rel=\"next\"", "/v2/a/tags/list?last=x&n=2" },
		{ "<u>;rel=next", "u" }, { "<u>; REL=\"prev next\"", "u" }, { "<a>; rel=prev, <b>; title=\"x, y\"; rel=next", "b" },
		{ "<a>; rel=\"prev\"", NULL }, { "", NULL }, { "<", NULL }, { "<a", NULL }, { "<a>;", NULL }, { "<a>;;;rel", NULL },
		{ "<a>; rel=\"nex", NULL }, { "junk", NULL },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct str s = { 0 };
		bool ok = header_link_next(str_of(rows[i].in), &s);

		check(ok == (rows[i].want != NULL), "%s", rows[i].in);
		check(!ok || str_is(s, rows[i].want), "%s", rows[i].in);
	}
}

static void test_warning(void **state UNUSED)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "299 - \"it is \\\"old\\\"\"", "it is \"old\"" }, { "299 - \"a\" \"date\"", "a" }, { "199 - \"a\"", NULL },
		{ "299 host \"a\"", NULL }, { "299 - a", NULL }, { "299 - \"a", NULL },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_free char *s = header_warning(str_of(rows[i].in));

		check((s != NULL) == (rows[i].want != NULL), "%s", rows[i].in);
		if (s)
			check_str(s, rows[i].want);
	}
}

static const char *const schemes[] = { "-", "basic", "bearer", "other" };

static void challenge_text(const struct challenge *c, struct buf *b)
{
	buf_printf(b, "%s", c ? schemes[c->scheme] : "none");
	if (c)
		buf_printf(b, " %s %s %s %s", c->realm ? c->realm : "-", c->service ? c->service : "-",
			   c->scope ? c->scope : "-", c->error ? c->error : "-");
}

/* Which challenge is answered, out of all headers (separated by "|" here). */
static void test_challenge(void **state UNUSED)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "Bearer realm=\"https://h/t\",service=\"s\",scope=\"repository:a:pull,push\"",
		  "bearer https://h/t s repository:a:pull,push -" },
		{ "BEARER Realm = \"https://h/t?x=1,2\" , SERVICE=s,error=\"insufficient_scope\"",
		  "bearer https://h/t?x=1,2 s - insufficient_scope" },
		{ "Basic realm=\"a \\\"b\\\", c\"", "basic a \"b\", c - - -" },
		{ "Basic realm=\"x\", Bearer realm=\"r\",service=\"s\"", "bearer r s - -" },
		{ "Negotiate abc==, Basic realm=x", "basic x - - -" },
		{ "Digest qop=\"auth, auth-int\", nonce=\"Basic realm=y\", Basic realm=x", "basic x - - -" },
		{ "Basic realm=x|Bearer realm=r", "bearer r - - -" }, { "Bearer service=s|Basic realm=x", "basic x - - -" },
		{ "Bearer service=s", "bearer - s - -" }, { "Basic", "basic - - - -" }, { "Bearer realm=\"\"", "bearer  - - -" },
		{ "", "none" }, { ",,, ,", "none" }, { "\"", "none" }, { "=", "none" }, { "Bearer realm=\"open", "bearer \"open - - -" },
		{ "Newauth realm=r, a=b, Basic realm=z", "basic z - - -" }, { "realm=x", "none" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_challenges struct challenges l = { 0 };
		auto_buf struct buf b = { 0 };

		for (struct str rest = str_of(rows[i].in); rest.p;)
			challenges_add(&l, str_cut(&rest, '|'));
		challenge_text(challenges_pick(&l), &b);
		check(strcmp(b.p, rows[i].want) == 0, "%s: %s", rows[i].in, b.p);
	}
}

static void test_scopes(void **state UNUSED)
{
	static const struct { const char *add, *want; } rows[] = {
		{ "repository:a/b:pull", "repository:a/b:pull" }, { "repository:a:push,pull", "repository:a:pull,push" },
		{ "repository:a:pull repository:a:push", "repository:a:pull,push" },
		{ "repository:h:5000/a:pull", "repository:h:5000/a:pull" }, { "registry:catalog:*", "registry:catalog:*" },
		{ "repository:b:push repository:a:pull  repository:b:pull", "repository:b:pull,push repository:a:pull" },
		{ "odd", "odd" }, { "", "" }, { "a\tb c\x7f \xc3\xa9 d", "d" }, { "repository:a:pull,,pull", "repository:a:pull" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_scopes struct scopes s = { 0 };
		auto_buf struct buf b = { 0 };

		scopes_add(&s, str_of(rows[i].add));
		scopes_text(&s, &b);
		check(str_is(buf_view(&b), rows[i].want), "%s: %s", rows[i].add, buf_view(&b).p);
	}
}

static void test_scopes_cover(void **state UNUSED)
{
	static const struct { const char *have, *want; bool yes; } rows[] = {
		{ "repository:a:pull,push", "repository:a:pull", true }, { "repository:a:pull", "repository:a:pull,push", false },
		{ "repository:a:pull", "repository:b:pull", false }, { "repository:a:*", "repository:a:delete", true },
		{ "repository:a:pull repository:b:pull", "repository:b:pull", true }, { "", "", true }, { "", "odd", false }, { "odd", "odd", true },
		{ "repository:h:1/a:pull", "repository:h:pull", false },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_scopes struct scopes have = { 0 }, want = { 0 };

		scopes_add(&have, str_of(rows[i].have));
		scopes_add(&want, str_of(rows[i].want));
		check(scopes_cover(&have, &want) == rows[i].yes, "%s over %s", rows[i].have, rows[i].want);
	}
}

/* RETRY-07; pauses grow, are bounded, and differ. */
static void test_retry(void **state UNUSED)
{
	static const int yes[] = { 408, 429, 500, 502, 503, 504 }, no[] = { 0, 200, 206, 400, 401, 403, 404, 405, 416, 501, 505 };

	for (size_t i = 0; i < countof(yes); i++)
		check(retry_status(yes[i]), "%d", yes[i]);
	for (size_t i = 0; i < countof(no); i++)
		check(!retry_status(no[i]), "%d", no[i]);
	check(!retry_broken(HTTP_DNS) && !retry_broken(HTTP_TLS_PEER) && !retry_broken(HTTP_WHOLE), "final");
	for (int n = 1; n < 40; n++) {
		int64_t least = retry_pause_ns(n, 0), most = retry_pause_ns(n, 1023);

		check(least >= 100000000 && least < most && most <= 10000000000, "try %d", n);
		check(n == 1 || retry_pause_ns(n - 1, 0) <= least, "try %d", n);
	}
}

int suite_http_text(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retry_after), cmocka_unit_test(test_link), cmocka_unit_test(test_warning),
		cmocka_unit_test(test_challenge), cmocka_unit_test(test_scopes), cmocka_unit_test(test_scopes_cover),
		cmocka_unit_test(test_retry),
	};

	return cmocka_run_group_tests_name("http_text", tests, NULL, NULL);
}
