/* SPDX-License-Identifier: Apache-2.0 */
/* registry/hosts: where requests go, by all kinds of files; registry/creds: whose credentials. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "parser/toml.h"
#include "registry/creds.h"
#include "registry/hosts_int.h"

static void load(struct rules *r, const char *toml)
{
	auto_err struct err e = { 0 };
	json_t *root = NULL;

	check(toml_parse(str_of(toml), &root, &e) == 0, "%s", err_text(&e));
	check(rules_parse(r, root, "f", &e) == 0, "%s", err_text(&e));
	json_decref(root);
}

/* MIR-08: the longest prefix; a wildcard is for hosts beneath; the rewrite is exact. */
static void test_rules(void **state UNUSED)
{
	static const char conf[] =
		"[[registry]]\nprefix='r.io'\nlocation='one'\n[[registry]]\nprefix='r.io/ns'\nlocation='two/x'\n"
		"[[registry]]\nprefix='r.io/ns/a'\nlocation='three/y/b'\n[[registry]]\nprefix='*.r.io'\n"
		"[[registry]]\nprefix='*.w.io'\nlocation='four'\n[[registry]]\nlocation='h:5000'\n";
	static const struct { const char *name, *want; } rows[] = {
		{ "r.io/z", "one/z" }, { "r.io/ns/z", "two/x/z" }, { "r.io/ns/a", "three/y/b" }, { "r.io/ns/ab", "two/x/ab" },
		{ "r.io/nsx/a", "one/nsx/a" }, { "s.r.io/q", "-/q" }, { "a.b.r.io/q", "-/q" }, { "xr.io/q", NULL }, { "r.iox/q", NULL },
		{ "a.w.io/q", "four/q" }, { "w.io/q", NULL }, { "h:5000/q", "h:5000/q" }, { "h/q", NULL }, { "r.io:5000/q", NULL },
	};
	struct rules r = { 0 };

	load(&r, conf);
	for (size_t i = 0; i < countof(rows); i++) {
		const char *rest = "";
		const struct rule *rule = rules_find(&r, rows[i].name, &rest);
		auto_free char *got = rule ? xasprintf("%s%s", rule->location ? rule->location : "-", rest) : NULL;

		check((got != NULL) == (rows[i].want != NULL), "%s", rows[i].name);
		if (got)
			check_str(got, rows[i].want);
	}
	rules_done(&r);
}

static void test_rules_merge(void **state UNUSED)
{
	struct rules r = { 0 };
	const char *rest;

	load(&r, "unqualified-search-registries=['a.io']\n[[registry]]\nlocation='r.io'\nblocked=true\n[aliases]\nx='q.io/x'");
	load(&r, "unqualified-search-registries=['b.io','c.io']\n[[registry]]\nlocation='r.io'\n"
	     "[[registry.mirror]]\nlocation='m'\n[[registry.mirror]]\nlocation='n'\npull-from-mirror='digest-only'\n[aliases]\ny='q.io/y'");
	assert_int_equal(r.n, 1);
	assert_int_equal(r.search.n, 2);
	assert_int_equal(json_object_size(r.aliases), 2);
	check(!rules_find(&r, "r.io/a", &rest)->blocked, "the later file wins");
	check(r.v[0].nmirrors == 2 && r.v[0].mirrors[0].can == (HOST_PULL | HOST_RESOLVE) && r.v[0].mirrors[1].can == HOST_PULL, "modes");
	rules_done(&r);
}

static void test_rules_bad(void **state UNUSED)
{
	static const char *const bad[] = {
		"[[registry]]\nblocked=true", "[[registry]]\nlocation='https://r.io'", "[[registry]]\nlocation='r.io/'",
		"[[registry]]\nlocation='r.io'\n[[registry.mirror]]\ninsecure=true",
		"[[registry]]\nlocation='r.io'\n[[registry.mirror]]\nlocation='m'\npull-from-mirror='never'", "[registries.search]\nregistries=['a']",
	};

	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct rules r = { 0 };
		json_t *root = NULL;

		check(toml_parse(str_of(bad[i]), &root, &e) == 0, "%s", bad[i]);
		check(rules_parse(&r, root, "f", &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
		json_decref(root);
		rules_done(&r);
	}
}

static char *top(void)
{
	char *d = xstrdup("/tmp/tare-hosts-XXXXXX");

	assert_non_null(mkdtemp(d));
	return d;
}

static int drop(const char *path, const struct stat *st UNUSED, int kind UNUSED, struct FTW *f UNUSED)
{
	return remove(path);
}

static void put(const char *dir, const char *name, const char *text)
{
	auto_free char *path = xasprintf("%s/%s", dir, name), *parent = xstrdup(path);
	auto_err struct err e = { 0 };

	*strrchr(parent, '/') = 0;
	check(fs_mkdirs(parent, 0700, &e) == 0, "%s", err_text(&e));
	check(fs_replace(AT_FDCWD, path, text, strlen(text), 0600, false, &e) == 0, "%s", err_text(&e));
}

static void set(const char *variable, const char *dir, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);

	setenv(variable, path, 1);
}

/* "host prefix repo[ flags]" of each, separated by "; ". */
static void endpoints_text(const struct endpoints *l, struct buf *b)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct endpoint *p = &l->v[i];

		buf_printf(b, "%s%s%s %s%s%s%s%s%s%s%s", i ? "; " : "", p->host, p->prefix, p->repo, p->mirror ? " mirror" : "",
			   p->can & HOST_RESOLVE ? "" : " -resolve", p->can & HOST_PULL ? "" : " -pull", p->http ? " http" : "",
			   p->insecure ? " insecure" : "", p->headers.n ? " header" : "", p->ns ? " ns" : "");
	}
	if (l->blocked)
		buf_puts(b, " blocked");
}

static void check_endpoints(struct hosts *h, const char *host, const char *repo, const char *want)
{
	auto_endpoints struct endpoints l = { 0 };
	auto_err struct err e = { 0 };
	auto_buf struct buf b = { 0 };

	check(hosts_endpoints(h, host, repo, &l, &e) == 0, "%s", err_text(&e));
	endpoints_text(&l, &b);
	check(strcmp(b.p, want) == 0, "%s/%s: %s", host, repo, b.p);
}

/* MIR-01, MIR-08, MIR-11, MIR-12: all files together. */
static void test_endpoints(void **state UNUSED)
{
	const struct hosts_options o = { 0 };
	auto_free char *d = top();
	auto_err struct err e = { 0 };
	struct hosts *h;

	put(d, "r.conf", "[[registry]]\nlocation='r.io'\n[[registry.mirror]]\nlocation='m1:5000/cache'\n[[registry.mirror]]\n"
	    "location='m2'\npull-from-mirror='tag-only'\ninsecure=true\n[[registry]]\nlocation='evil.io'\nblocked=true\n");
	put(d, "r.conf.d/b.conf", "[[registry]]\nprefix='q.io/team'\nlocation='store.io/x'\n");
	put(d, "daemon.json", "{\"registry-mirrors\": [\"http://dm:5001/\"], \"insecure-registries\": [\"i.io:5000\", \"10.0.0.0/8\"]}");
	put(d, "certs/t.io:5000/hosts.toml", "server = 'https://up.io'\nskip_verify = true\n[host.'http://a:1']\ncapabilities=['pull']\n"
	    "[host.'https://b/deep']\noverride_path=true\nheader.X=['1','2']\n[host.'c:7']\n");
	put(d, "certs/u_5000_/hosts.toml", "[host.'https://z']\n");
	set("CONTAINERS_REGISTRIES_CONF", d, "r.conf");
	set("TARE_DAEMON_JSON", d, "daemon.json");
	set("TARE_CERTS_D", d, "certs");
	check(hosts_open(&o, &h, &e) == 0, "%s", err_text(&e));
	check_endpoints(h, "r.io", "a/b", "m1:5000/v2 cache/a/b mirror; m2/v2 a/b mirror -pull insecure; r.io/v2 a/b");
	check_endpoints(h, "evil.io", "a", "evil.io/v2 a blocked");
	check_endpoints(h, "q.io", "team/a", "store.io/v2 x/a");
	check_endpoints(h, "q.io", "b", "q.io/v2 b");
	check_endpoints(h, "docker.io", "library/a", "dm:5001/v2 library/a mirror http; registry-1.docker.io/v2 library/a");
	check_endpoints(h, "t.io:5000", "a", "a:1/v2 a mirror -resolve http ns; b/deep a mirror header ns; c:7/v2 a mirror ns; up.io/v2 a insecure");
	check_endpoints(h, "u:5000", "a", "z/v2 a mirror ns; u:5000/v2 a");
	check(docker_insecure(&h->docker_insecure, "i.io", 5000) && docker_insecure(&h->docker_insecure, "10.3.4.5", 443), "listed");
	check(!docker_insecure(&h->docker_insecure, "i.io", 443) && !docker_insecure(&h->docker_insecure, "11.0.0.1", 443), "not listed");
	hosts_free(h);
	unsetenv("CONTAINERS_REGISTRIES_CONF");
	unsetenv("TARE_DAEMON_JSON");
	unsetenv("TARE_CERTS_D");
	nftw(d, drop, 8, FTW_DEPTH | FTW_PHYS);
}

/* AUTH-36 */
static void test_key(void **state UNUSED)
{
	static const struct { const char *key, *name; bool yes; } rows[] = {
		{ "https://h:5000/v1/", "h:5000", true }, { "h:5000", "h:5000", true }, { "http://h:5000", "h:5000", true }, { "h:5000/", "h:5000", true },
		{ "h:5000/v2/", "h:5000", true }, { "h", "h:5000", false }, { "h:5000/ns", "h:5000", false }, { "h:5000/ns", "h:5000/ns", true },
		{ "https://index.docker.io/v1/", "docker.io", true }, { "index.docker.io", "docker.io", true }, { "registry-1.docker.io", "docker.io", true },
		{ "docker.io/ns", "docker.io/ns", true }, { "https://evil.io/h:5000", "h:5000", false },
	};

	for (size_t i = 0; i < countof(rows); i++)
		check(creds_key_is(rows[i].key, rows[i].name) == rows[i].yes, "%s %s", rows[i].key, rows[i].name);
}

/* AUTH-39 */
static void test_decode(void **state UNUSED)
{
	static const struct { const char *plain; size_t n; const char *user, *secret; } rows[] = {
		{ "u:p:q", 5, "u", "p:q" }, { "u:p\xc3\xa9", 5, "u", "p\xc3\xa9" }, { "u:p\n", 4, "u", "p" }, { "u:p\0\0", 5, "u", "p" }, { "u:", 2, "u", "" },
		{ "nocolon", 7, NULL, NULL }, { ":p", 2, NULL, NULL },
	};
	auto_err struct err bad = { 0 };
	auto_cred struct cred none = { 0 };

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		auto_cred struct cred c = { 0 };
		auto_buf struct buf b = { 0 };
		int r;

		buf_base64(&b, rows[i].plain, rows[i].n);
		r = creds_decode(b.p, &c, &e);
		check((r == 0) == (rows[i].user != NULL), "row %zu", i);
		if (r == 0) {
			check_str(c.user, rows[i].user);
			check_str(c.secret, rows[i].secret);
		}
	}
	check(creds_decode("a*b", &none, &bad) < 0, "no base64");
}

/* AUTH-37 */
static void test_paths(void **state UNUSED)
{
	static const struct { const char *repo, *user; } rows[] = {
		{ "ns/a", "three" }, { "ns/b", "two" }, { "ns/a/deep", "three" }, { "c", "one" }, { "nsx/a", "one" }, { NULL, "one" },
	};
	auto_free char *d = top(), *file = xasprintf("%s/auth.json", d);
	auto_err struct err e = { 0 };
	struct creds *c;
	struct job j;

	put(d, "auth.json", "{\"auths\":{\"h\":{\"auth\":\"b25lOng=\"},\"h/ns\":{\"auth\":\"dHdvOng=\"},\"h/ns/a\":{\"auth\":\"dGhyZWU6eA==\"}}}");
	assert_int_equal(job_init(&j, NULL, &e), 0);
	check(creds_open(file, &c, &e) == 0, "%s", err_text(&e));
	for (size_t i = 0; i < countof(rows); i++) {
		auto_cred struct cred got = { 0 };

		check(creds_find(&j, c, "h", rows[i].repo, &got, &e) == 1, "%s: %s", rows[i].repo, err_text(&e));
		check_str(got.user, rows[i].user);
	}
	creds_free(c);
	job_done(&j);
	nftw(d, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_base64(void **state UNUSED)
{
	for (size_t n = 0; n < 40; n++) {
		auto_buf struct buf text = { 0 }, back = { 0 };
		char bytes[40];

		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)(i * 37 + n);
		buf_base64(&text, bytes, n);
		check(text.n == (n + 2) / 3 * 4 && buf_base64_decode(&back, buf_view(&text)), "%zu", n);
		check(back.n == n && (n == 0 || memcmp(back.p, bytes, n) == 0), "%zu", n);
	}
}

int suite_hosts(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules), cmocka_unit_test(test_rules_merge), cmocka_unit_test(test_rules_bad),
		cmocka_unit_test(test_endpoints), cmocka_unit_test(test_key), cmocka_unit_test(test_decode),
		cmocka_unit_test(test_paths), cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests_name("hosts", tests, NULL, NULL);
}
