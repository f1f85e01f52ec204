/* SPDX-License-Identifier: Apache-2.0 */
/* image/ref, image/platform, image/media. */
#include "tests/unit/unit.h"

#include "image/media.h"
#include "image/platform.h"
#include "image/ref.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_ref_good(void **state UNUSED)
{
	static const struct { const char *in, *host, *path, *tag, *canonical, *familiar; } good[] = {
		{ "alpine", "docker.io", "library/alpine", "latest", "docker.io/library/alpine:latest", "alpine:latest" },
		{ "alpine:3", "docker.io", "library/alpine", "3", "docker.io/library/alpine:3", "alpine:3" },
		{ "foo/bar", "docker.io", "foo/bar", "latest", "docker.io/foo/bar:latest", "foo/bar:latest" },
		{ "library/foo", "docker.io", "library/foo", "latest", "docker.io/library/foo:latest", "foo:latest" },
		{ "docker.io/a", "docker.io", "library/a", "latest", "docker.io/library/a:latest", "a:latest" },
		{ "index.docker.io/a/b", "docker.io", "a/b", "latest", "docker.io/a/b:latest", "a/b:latest" },
		{ "foo.com/bar", "foo.com", "bar", "latest", "foo.com/bar:latest", "foo.com/bar:latest" },
		{ "foo:5000/bar", "foo:5000", "bar", "latest", "foo:5000/bar:latest", "foo:5000/bar:latest" },
		{ "localhost/bar", "localhost", "bar", "latest", "localhost/bar:latest", "localhost/bar:latest" },
		{ "Foo/bar", "Foo", "bar", "latest", "Foo/bar:latest", "Foo/bar:latest" },
		{ "localhost:5000/a", "localhost:5000", "a", "latest", "localhost:5000/a:latest", "localhost:5000/a:latest" },
		{ "127.0.0.1/a", "127.0.0.1", "a", "latest", "127.0.0.1/a:latest", "127.0.0.1/a:latest" },
		{ "[::1]:5000/a/b:t", "[::1]:5000", "a/b", "t", "[::1]:5000/a/b:t", "[::1]:5000/a/b:t" },
		{ "localhost:5000", "docker.io", "library/localhost", "5000", "docker.io/library/localhost:5000", "localhost:5000" },
		{ "a__b/c-d---e.f", "docker.io", "a__b/c-d---e.f", "latest", "docker.io/a__b/c-d---e.f:latest", "a__b/c-d---e.f:latest" },
		{ "x:_x", "docker.io", "library/x", "_x", "docker.io/library/x:_x", "x:_x" },
		{ "r.io/a:t@sha256:" HEX, "r.io", "a", "t", "r.io/a:t", "r.io/a:t" },
		{ "r.io/a@sha256:" HEX, "r.io", "a", "", "r.io/a@sha256:" HEX, "r.io/a@sha256:" HEX },
		{ "docker.io/a.b/c", "docker.io", "a.b/c", "latest", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest" },
		{ "docker.io/localhost/c", "docker.io", "localhost/c", "latest", "docker.io/localhost/c:latest", "docker.io/localhost/c:latest" },
		{ HEX "0", "docker.io", "library/" HEX "0", "latest", "docker.io/library/" HEX "0:latest", HEX "0:latest" },
	};

	for (size_t i = 0; i < countof(good); i++) {
		auto_err struct err e = { 0 };
		char text[REF_TEXT_MAX];
		struct ref r;

		check(ref_parse(str_of(good[i].in), &r, &e) == 0, "%s: %s", good[i].in, err_text(&e));
		check_str(r.host, good[i].host);
		check_str(r.path, good[i].path);
		check_str(r.tag, good[i].tag);
		check_str(ref_canonical(&r, text), good[i].canonical);
		check_str(ref_familiar(&r, text), good[i].familiar);
		check(r.has_digest == (strchr(good[i].in, '@') != NULL), "%s", good[i].in);
	}
}

static void test_ref_bad(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "/", "a/", "/a", "a//b", "a:", ":a", "a:b:c", "a@", "a@sha256:12", "a@sha256:" HEX "0", "a@md5:00",
		"Alpine", "foo/Bar", "foo.com/Bar", "a b", "a\tb", "a..b", "a___b", "-a", "a-", "a_", "_a", "a.-b", "a/../b", "../a",
		"x:.x", "x:-x", "x:a/b", "-h.com/a", "h-.com/a", "h..com/a", "h:/a", "h:x/a", "[::1/a", "[]/a", "[::g]/a",
		"http://a/b", "a@sha256:" HEX "@sha256:" HEX, HEX, "a\\b", "\xc3\xa9",
	};

	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct ref r;

		check(ref_parse(str_of(bad[i]), &r, &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
	}
}

static void check_length(const char *prefix, size_t fill, const char *suffix, bool good)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	struct ref r;

	buf_puts(&b, prefix);
	for (size_t i = 0; i < fill; i++)
		buf_putc(&b, 'a');
	buf_puts(&b, suffix);
	check((ref_parse(buf_view(&b), &r, &e) == 0) == good, "%s: %s", b.p, err_text(&e));
	check(good || strstr(err_text(&e), "longer than"), "%s", err_text(&e));
}

static void test_ref_length(void **state UNUSED)
{
	check_length("x:", 128, "", true);
	check_length("x:", 129, "", false);
	check_length("r.io/", 250, ":t", true);
	check_length("r.io/", 251, ":t", false);
	check_length("a/", 243, "", true);	/* docker.io/ is counted */
	check_length("a/", 244, "", false);
	check_length("", 237, "", true);	/* docker.io/library/ */
	check_length("", 238, "", false);
}

static void test_ref_id(void **state UNUSED)
{
	static const char *const yes[] = { "a", "0", "sha256:ab", HEX, "sha256:" HEX };
	static const char *const no[] = { "", "g", "sha256:", "A", "sha256:" HEX "0", "a:b" };

	for (size_t i = 0; i < countof(yes); i++)
		check(ref_maybe_id(str_of(yes[i])), "%s", yes[i]);
	for (size_t i = 0; i < countof(no); i++)
		check(!ref_maybe_id(str_of(no[i])), "%s", no[i]);
}

static void test_platform_parse(void **state UNUSED)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "linux/amd64", "linux/amd64" }, { "arm64", "linux/arm64" }, { "linux/arm", "linux/arm/v7" },
		{ "linux/x86_64", "linux/amd64" }, { "aarch64", "linux/arm64" }, { "armhf", "linux/arm/v7" },
		{ "linux/armel", "linux/arm/v6" }, { "linux/arm64/v8", "linux/arm64" }, { "Linux/AMD64/v1", "linux/amd64" },
		{ "linux/amd64/v3", "linux/amd64/v3" }, { "windows/amd64", "windows/amd64" }, { "linux/arm/v6", "linux/arm/v6" },
	};
	static const char *const bad[] = { "", "/", "linux", "linux/", "linux/a/b/c", "linux/am d", "a/b//", "linux/$x",
		"linux/a\tb", "linux/0123456789012345678901234567890123" };

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		char text[PLATFORM_TEXT_MAX];
		struct platform p;

		check(platform_parse(str_of(rows[i].in), &p, &e) == 0, "%s: %s", rows[i].in, err_text(&e));
		check_str(platform_text(&p, text), rows[i].want);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct platform p;

		check(platform_parse(str_of(bad[i]), &p, &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
	}
}

/* Cases MAN-12 and MAN-13: the best of a list. */
static void test_platform_match(void **state UNUSED)
{
	static const char *const have[] = {
		"linux/amd64", "linux/amd64/v2", "linux/amd64/v3", "linux/arm/v6", "linux/arm/v7", "linux/arm64", NULL,
	};
	static const struct { const char *want, *got; } rows[] = {
		{ "linux/amd64", "linux/amd64" }, { "linux/amd64/v3", "linux/amd64/v3" }, { "linux/amd64/v2", "linux/amd64/v2" },
		{ "linux/amd64/v4", "linux/amd64/v3" }, { "linux/arm/v7", "linux/arm/v7" }, { "linux/arm/v8", "linux/arm/v7" },
		{ "linux/arm64", "linux/arm64" }, { "linux/arm/v5", "" }, { "linux/386", "" }, { "windows/amd64", "" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		struct platform want, p;
		const char *got = "";
		int best = 0;

		check(platform_parse(str_of(rows[i].want), &want, &e) == 0, "%s", rows[i].want);
		for (size_t k = 0; have[k]; k++) {
			check(platform_parse(str_of(have[k]), &p, &e) == 0, "%s", have[k]);
			if (platform_match(&want, &p) > best) {
				best = platform_match(&want, &p);
				got = have[k];
			}
		}
		check(strcmp(got, rows[i].got) == 0, "%s: %s", rows[i].want, got);
	}
}

static void test_media(void **state UNUSED)
{
	assert_int_equal(media_find(str_of(MEDIA_OCI_MANIFEST))->kind, MEDIA_MANIFEST);
	assert_int_equal(media_find(str_of("Application/vnd.oci.image.index.v1+json; charset=utf-8"))->kind, MEDIA_INDEX);
	assert_int_equal(media_find(str_of(MEDIA_OCI_LAYER "+zstd"))->zip, MEDIA_ZSTD);
	assert_int_equal(media_find(str_of("text/plain"))->kind, MEDIA_OTHER);
	assert_int_equal(media_find(str_of(NULL))->kind, MEDIA_OTHER);
}

int suite_ref(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ref_good), cmocka_unit_test(test_ref_bad), cmocka_unit_test(test_ref_length),
		cmocka_unit_test(test_ref_id), cmocka_unit_test(test_platform_parse),
		cmocka_unit_test(test_platform_match), cmocka_unit_test(test_media),
	};

	return cmocka_run_group_tests_name("ref", tests, NULL, NULL);
}
