/* SPDX-License-Identifier: Apache-2.0 */
/* cache/images: storing, naming, finding, forgetting. */
#include "cache/images.h"

#include <signal.h>

#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

static void test_put_and_find(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest layers[] = { tmp_layer(t->s, 1), tmp_layer(t->s, 2), tmp_layer(t->s, 1000) };
	auto_free struct digest *got = NULL;
	auto_strv struct strv names = { 0 };
	struct digest m, twice[] = { layers[0], layers[1], layers[0] };
	struct image_row r;
	size_t n;

	m = tmp_image(t->s, 1, twice, 3, "docker.io/library/a:1");
	assert_int_equal(images_tag(t->s, "docker.io/library/a:0", &m, &e), 0);
	assert_int_equal(images_by_name(t->s, "docker.io/library/a:1", &r, &e), 1);
	assert_true(digest_eq(&r.manifest, &m) && r.created_ns == 1 && r.size == 30720);
	assert_int_equal(images_by_manifest(t->s, &m, &r, &e), 1);
	assert_int_equal(images_by_name(t->s, "a:1", &r, &e), 0);
	assert_int_equal(images_layers(t->s, &m, &got, &n, &e), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		assert_true(digest_eq(&got[i], &twice[i]));
	assert_int_equal(images_names(t->s, &m, &names, &e), 0);
	assert_int_equal(names.n, 2);
	check_str(names.v[0], "docker.io/library/a:0");
}

static void test_put_again(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest l = tmp_layer(t->s, 1), missing = tmp_digest(7);
	struct image_row r = { .manifest = tmp_digest(20), .config = tmp_digest(21), .created_ns = 5 };

	assert_int_equal(images_put(t->s, &r, &l, 1, &e), 0);
	r.created_ns = 6;
	assert_int_equal(images_put(t->s, &r, &l, 1, &e), 0);
	assert_int_equal(images_by_manifest(t->s, &r.manifest, &r, &e), 1);
	assert_int_equal(r.created_ns, 6);
	/* a layer that is not stored: nothing of the image is */
	r.manifest = tmp_digest(22);
	assert_int_equal(images_put(t->s, &r, &missing, 1, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(images_by_manifest(t->s, &r.manifest, &r, &e), 0);
	assert_int_equal(images_tag(t->s, "x", &missing, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	/* no layer at all is an image, too */
	assert_int_equal(images_put(t->s, &(struct image_row){ .manifest = tmp_digest(23) }, NULL, 0, &e), 0);
}

static void test_names_move(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest l = tmp_layer(t->s, 1), a = tmp_image(t->s, 1, &l, 1, "x:1"), b = tmp_image(t->s, 2, &l, 1, "x:1");
	auto_strv struct strv names = { 0 };
	struct image_row r;

	assert_int_equal(images_by_name(t->s, "x:1", &r, &e), 1);
	assert_true(digest_eq(&r.manifest, &b));
	assert_int_equal(images_names(t->s, &a, &names, &e), 0);
	assert_int_equal(names.n, 0);
	assert_int_equal(images_untag(t->s, "x:1", &e), 1);
	assert_int_equal(images_untag(t->s, "x:1", &e), 0);
	assert_int_equal(images_by_name(t->s, "x:1", &r, &e), 0);
	assert_int_equal(images_by_manifest(t->s, &b, &r, &e), 1);
	assert_int_equal(images_tag(t->s, "y:1", &b, &e), 0);
	assert_int_equal(images_remove(t->s, &b, &e), 1);
	assert_int_equal(images_remove(t->s, &b, &e), 0);
	assert_int_equal(images_by_name(t->s, "y:1", &r, &e), 0);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM image_layers"), 1);
}

static struct digest hex(const char *start)
{
	char text[65];
	struct digest d = { 0 };

	memset(text, '0', 64);
	memcpy(text, start, strlen(start));
	assert_true(digest_from_hex((struct str){ text, 64 }, &d));
	return d;
}

static void test_prefix(void **state)
{
	static const struct { const char *prefix; int result; enum err_kind kind; const char *config; } rows[] = {
		{ "ab1", 1, ERR_NONE, "ab1" },
		{ "ab12", 0, ERR_NONE, NULL },
		{ "ab", -1, ERR_CONFLICT, NULL },
		{ "a", -1, ERR_CONFLICT, NULL },
		{ "ac", 1, ERR_NONE, "acd" },
		{ "ff", 1, ERR_NONE, "ff" },
		{ "e1", 1, ERR_NONE, "ab1" },		/* by manifest */
		{ "77", 1, ERR_NONE, "77" },		/* one config, two manifests */
		{ "5", 0, ERR_NONE, NULL },
		{ "", -1, ERR_USAGE, NULL },
		{ "AB", -1, ERR_USAGE, NULL },
		{ "xyz", -1, ERR_USAGE, NULL },
		{ "acd0000000000000000000000000000000000000000000000000000000000000", 1, ERR_NONE, "acd" },
		{ "acd00000000000000000000000000000000000000000000000000000000000000", -1, ERR_USAGE, NULL },
	};
	static const char *const images[][2] = {
		{ "e1", "ab1" }, { "e2", "ab2" }, { "e3", "acd" }, { "e4", "ff" }, { "e5", "77" }, { "e6", "77" },
	};
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };

	for (size_t i = 0; i < countof(images); i++) {
		struct image_row r = { .manifest = hex(images[i][0]), .config = hex(images[i][1]),
				       .created_ns = (int64_t)i };

		check(images_put(t->s, &r, NULL, 0, &e) == 0, "%s", err_text(&e));
	}
	for (size_t i = 0; i < countof(rows); i++) {
		struct image_row r;
		int got = images_by_id_prefix(t->s, str_of(rows[i].prefix), &r, &e);

		check(got == rows[i].result && (got >= 0 || e.kind == rows[i].kind), "%s: %d %s", rows[i].prefix, got,
		      err_text(&e));
		if (got > 0) {
			struct digest want = hex(rows[i].config);

			check(digest_eq(&r.config, &want), "%s", rows[i].prefix);
		}
		err_clear(&e);
	}
}

static void test_list(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_image_list struct image_list l = { 0 };
	struct digest m[3];

	assert_int_equal(images_list(t->s, &l, &e), 0);
	assert_int_equal(l.n, 0);
	for (unsigned i = 0; i < 3; i++)
		m[i] = tmp_image(t->s, i, NULL, 0, i == 1 ? NULL : i ? "c:1" : "b:1");
	assert_int_equal(images_tag(t->s, "a:1", &m[2], &e), 0);
	assert_int_equal(images_list(t->s, &l, &e), 0);
	assert_int_equal(l.n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(digest_eq(&l.v[i].row.manifest, &m[2 - i]));
	assert_int_equal(l.v[0].names.n, 2);
	check_str(l.v[0].names.v[0], "a:1");
	check_str(l.v[0].names.v[1], "c:1");
	assert_int_equal(l.v[1].names.n, 0);
}

static int store_image(const char *root)
{
	auto_err struct err e = { 0 };
	struct digest layer = tmp_digest(1);
	struct image_row row = { .config = tmp_digest(51), .created_ns = 1 };
	struct store *s;

	if (store_open(root, &s, &e) < 0 || store_pin(s, &layer, &e) < 0)
		return 1;
	row.manifest = tmp_digest(50);
	if (images_put(s, &row, &layer, 1, &e) < 0 || images_tag(s, "k:1", &row.manifest, &e) < 0 ||
	    images_remove(s, &row.manifest, &e) != 1)
		return 2;
	store_close(s);
	return 0;
}

/* Killed at any point, an image is there with all its layers or not at all. */
static void test_killed(void **state)
{
	struct tmp_store *t = *state;
	unsigned n = 1;

	tmp_layer(t->s, 1);
	while (tmp_fork_fault(t, "*", n, store_image) == 256 + SIGKILL) {
		assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM images"),
				 tmp_int(t->s, "SELECT count(*) FROM image_layers"));
		assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM tags WHERE manifest NOT IN "
					 "(SELECT manifest FROM images)"), 0);
		n++;
	}
	assert_true(n > 9);	/* three transactions of three points each */
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM images"), 0);
}

int suite_images(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_and_find, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_put_again, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_names_move, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_prefix, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_list, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_killed, tmp_store_setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
