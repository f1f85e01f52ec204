/* SPDX-License-Identifier: Apache-2.0 */
/* image/digest and base/hash: strict text, known values, chain IDs. */
#include "image/digest.h"
#include "tests/unit/unit.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_digest_parse(void **state)
{
	static const char *const bad[] = {
		"", "sha256:", "sha256:12", EMPTY, "SHA256:" EMPTY, "sha256:" EMPTY "0", "md5:" EMPTY,
		"sha256:E3B0C44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:../../../../etc/passwd", "sha512:" EMPTY,
	};
	struct err e = { 0 };
	struct digest d;
	char text[DIGEST_TEXT_MAX];

	(void)state;
	assert_int_equal(digest_parse(STR_LIT("sha256:" EMPTY), &d, &e), 0);
	check_str(digest_text(&d, text), "sha256:" EMPTY);
	check_str(digest_hex(&d, text), EMPTY);
	assert_int_equal(digest_parse(STR_LIT("sha512:" EMPTY EMPTY), &d, &e), 0);
	check_str(digest_text(&d, text), "sha512:" EMPTY EMPTY);
	for (size_t i = 0; i < countof(bad); i++) {
		check(digest_parse(str_of(bad[i]), &d, &e) < 0 && e.kind == ERR_USAGE, "%s", bad[i]);
		err_clear(&e);
	}
}

static void test_digest_chain(void **state)
{
	struct digest a = digest_of("", 0), b = digest_of("abc", 3), c;
	char text[DIGEST_TEXT_MAX];

	(void)state;
	c = chain_id(NULL, &a);
	check_str(digest_hex(&c, text), EMPTY);
	c = chain_id(&a, &b);
	/* sha256("sha256:e3b0... sha256:ba78...") by another program */
	check_str(digest_hex(&c, text), "a893da35bd22286079f2f3931516d3423eb9b4945f2379e0f8a501ec3d665dd6");
}

static void test_hasher_fields(void **state)
{
	struct hasher h;
	struct digest a, b;

	(void)state;
	hasher_init(&h, HASH_SHA256);
	hasher_cstr(&h, "ab");
	hasher_cstr(&h, "c");
	a = digest_final(&h);
	hasher_init(&h, HASH_SHA256);
	hasher_cstr(&h, "a");
	hasher_cstr(&h, "bc");
	b = digest_final(&h);
	assert_false(digest_eq(&a, &b));
}

int suite_digest(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest_parse), cmocka_unit_test(test_digest_chain),
		cmocka_unit_test(test_hasher_fields),
	};

	return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
