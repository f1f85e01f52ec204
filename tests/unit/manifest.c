/* SPDX-License-Identifier: Apache-2.0 */
/* image/manifest, image/descriptor. */
#include "tests/unit/unit.h"

#include "image/manifest.h"

#define H1 "1111111111111111111111111111111111111111111111111111111111111111"
#define CONF "{\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"digest\":\"sha256:" H1 "\",\"size\":2}"
#define LAYER "{\"mediaType\":\"" MEDIA_OCI_LAYER "+gzip\",\"digest\":\"sha256:" H1 "\",\"size\":3}"
#define ENTRY(plat, extra) "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"sha256:" H1 "\",\"size\":9" plat extra "}"
#define PLAT(os, arch, variant) ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\",\"variant\":\"" variant "\"}"

static void test_good(void **state UNUSED)
{
	static const char *const manifests[] = {
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"config\":" CONF ",\"layers\":[" LAYER "]}",
		"{\"schemaVersion\":2,\"config\":" CONF ",\"layers\":[" LAYER "],\"annotations\":{\"a\":\"b\"},\"zzz\":1}",
		"{\"layers\":[" LAYER "],\"config\":" CONF ",\"manifests\":null}",
	};

	for (size_t i = 0; i < countof(manifests); i++) {
		auto_arena struct arena a = { 0 };
		auto_err struct err e = { 0 };
		enum media_kind kind;
		struct manifest m;

		check(manifest_parse(str_of(manifests[i]), &a, &m, &e) == 0, "%s: %s", manifests[i], err_text(&e));
		check(manifest_kind(str_of(manifests[i]), &kind, &e) == 0 && kind == MEDIA_MANIFEST, "%s", manifests[i]);
		assert_int_equal(m.nlayers, 1);
		assert_int_equal(m.layers[0].media->zip, MEDIA_GZIP);
		assert_int_equal(m.layers[0].size, 3);
		assert_int_equal(m.config.media->kind, MEDIA_CONFIG);
	}
}

#define M(config, layers) "{\"schemaVersion\":2,\"config\":" config ",\"layers\":" layers "}"
#define D(digest, size) "{\"digest\":" digest ",\"size\":" size "}"
#define GOOD "\"sha256:" H1 "\""

static void test_bad(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "{}", "[]", "x", "{\"schemaVersion\":1,\"fsLayers\":[]}", "{\"mediaType\":\"application/vnd.docker.distribution.manifest.v1+prettyjws\"}",
		"{\"config\":" CONF ",\"layers\":[],\"manifests\":[]}",
		"{\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"config\":" CONF ",\"layers\":[]}",
		"{\"mediaType\":\"text/html\",\"config\":" CONF ",\"layers\":[]}", "{\"mediaType\":7,\"config\":" CONF ",\"layers\":[]}",
		"{\"config\":" CONF ",\"layers\":[],\"layers\":[]}", M(CONF, "{}"), M(CONF, "[1]"), M("null", "[]"), M("[]", "[]"),
		M(D("\"sha256:../../etc/passwd\"", "1"), "[]"), M(D("\"sha256:ABC\"", "1"), "[]"), M(D("\"x\"", "1"), "[]"), M(D("1", "1"), "[]"),
		M(D(GOOD, "-1"), "[]"), M(D(GOOD, "9223372036854775808"), "[]"), M(D(GOOD, "1e30"), "[]"), M(D(GOOD, "\"12\""), "[]"),
		M(D(GOOD, "null"), "[]"), M(CONF, "[]") " trailing", "{\"config\":" CONF ",\"layers\":[],\"x\":\"\xff\"}",
		M("{\"digest\":" GOOD ",\"size\":1,\"platform\":[]}", "[]"), M("{\"digest\":" GOOD ",\"size\":1,\"annotations\":{\"org.opencontainers.image.ref.name\":1}}", "[]"),
		"{\"manifests\":[]}",
	};

	for (size_t i = 0; i < countof(bad); i++) {
		auto_arena struct arena a = { 0 };
		auto_err struct err e = { 0 };
		struct manifest m;

		check(manifest_parse(str_of(bad[i]), &a, &m, &e) < 0 && e.kind == ERR_CORRUPT, "%s", bad[i]);
	}
}

static void test_limits(void **state UNUSED)
{
	auto_arena struct arena a = { 0 };
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	struct manifest m;
	struct index ix;

	buf_puts(&b, "{\"config\":" CONF ",\"layers\":[");
	for (int i = 0; i < MANIFEST_LAYERS_MAX; i++)
		buf_puts(&b, LAYER ",");
	buf_puts(&b, LAYER "]}");
	check(manifest_parse(buf_view(&b), &a, &m, &e) < 0 && e.kind == ERR_LIMIT, "%s", err_text(&e));
	err_clear(&e);
	buf_reset(&b);
	buf_puts(&b, "{\"manifests\":[");
	for (int i = 0; i < 20000; i++)
		buf_puts(&b, ENTRY("", "") ",");
	buf_puts(&b, ENTRY("", "") "]}");
	check(index_parse(buf_view(&b), &a, &ix, &e) < 0 && e.kind == ERR_LIMIT, "%s", err_text(&e));
}

/* Case MAN-12: attestations are never chosen, the first among equals is. */
static void test_index(void **state UNUSED)
{
	static const char text[] = "{\"schemaVersion\":2,\"manifests\":["
		ENTRY(PLAT("linux", "amd64", ""), ",\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"}") ","
		ENTRY(PLAT("unknown", "unknown", ""), "") "," ENTRY(PLAT("linux", "arm", "v6"), "") ","
		ENTRY(PLAT("linux", "amd64", "v1"), ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"t\",\"io.containerd.image.name\":\"n\"}") ","
		ENTRY(PLAT("linux", "x86_64", ""), "") "," ENTRY("", "") "]}";
	auto_arena struct arena a = { 0 };
	auto_err struct err e = { 0 };
	struct platform p = { .os = "linux", .arch = "amd64" };
	struct index ix;
	const struct descriptor *d;

	check(index_parse(str_of(text), &a, &ix, &e) == 0, "%s", err_text(&e));
	assert_int_equal(ix.n, 6);
	d = index_choose(&ix, &p);
	assert_ptr_equal(d, &ix.entries[3]);
	check_str(d->ref_name, "t");
	check_str(d->image_name, "n");
	snprintf(p.arch, sizeof(p.arch), "s390x");
	assert_null(index_choose(&ix, &p));
	check(index_parse(str_of("{\"schemaVersion\":2,\"manifests\":null}"), &a, &ix, &e) == 0 && ix.n == 0, "%s", err_text(&e));
}

static void test_text(void **state UNUSED)
{
	auto_arena struct arena a = { 0 };
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	struct descriptor c = { .media = media_find(str_of(MEDIA_OCI_CONFIG)), .size = 2 }, l = { .size = 3 };
	struct platform p = { .os = "linux", .arch = "arm", .variant = "v7" };
	struct manifest m;

	c.digest = l.digest = digest_of("x", 1);
	manifest_text(&c, &l, 1, &b);
	check(manifest_parse(buf_view(&b), &a, &m, &e) == 0, "%s: %s", b.p, err_text(&e));
	assert_true(digest_eq(&m.layers[0].digest, &l.digest));
	buf_reset(&b);
	c.platform = &p;
	c.ref_name = "v1";
	c.image_name = "docker.io/library/x:v1";
	index_text(&c, 1, &b);
	check_str(b.p, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_CONFIG
		  "\",\"digest\":\"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\",\"size\":2,\"annotations\":"
		  "{\"io.containerd.image.name\":\"docker.io/library/x:v1\",\"org.opencontainers.image.ref.name\":\"v1\"},"
		  "\"platform\":{\"architecture\":\"arm\",\"os\":\"linux\",\"variant\":\"v7\"}}]}");
}

int suite_manifest(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_index), cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
