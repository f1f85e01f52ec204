/* SPDX-License-Identifier: Apache-2.0 */
/* cache/gc and cache/df: what is garbage goes, what is in use stays, killed anywhere; and the count is right. */
#include "cache/gc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cache/blob.h"
#include "cache/builds.h"
#include "cache/db.h"
#include "cache/df.h"
#include "cache/images.h"
#include "cache/keys.h"
#include "cache/lease.h"
#include "cache/listing.h"
#include "cache/usage.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

#define HOUR 3600000000000LL

/* The store is opened anew, as by another process: the pins of whoever filled it are gone. */
static void reopen(struct tmp_store *t)
{
	tmp_close(t);
	tmp_open(t);
}

static struct gc_result gc(struct tmp_store *t, struct gc_opts o)
{
	auto_err struct err e = { 0 };
	struct gc_result r = { 0 };

	check(gc_run(t->s, &o, &r, &e) == 0, "%s", err_text(&e));
	return r;
}

/* A key whose result is the layer n, last used so long ago. */
static void put_key(struct tmp_store *t, unsigned n, int64_t age_ns)
{
	auto_err struct err e = { 0 };
	struct digest key = tmp_digest(1000 + n), op = tmp_digest(2000);
	struct key_result r = { .has_layer = true, .diff_id = tmp_digest(n) };

	check(keys_put(t->s, &key, &op, "f|0|1", &r, NULL, 0, &e) == 0, "%s", err_text(&e));
	assert_int_equal(db_run(store_db(t->s), "UPDATE keys SET used = ? WHERE key = ?",
				BIND(db_int(clock_now_ns() - age_ns), db_digest(&key)), &e), 0);
}

static void put_container(struct tmp_store *t, const char *id, const struct digest *layer)
{
	auto_err struct err e = { 0 };
	char text[DIGEST_TEXT_MAX + 1], path[64];
	int dir = store_dir(t->s, STORE_CONTAINERS, &e);

	assert_int_equal(mkdirat(dir, id, 0700), 0);
	snprintf(path, sizeof(path), "%s/layers", id);
	digest_hex(layer, text);
	memcpy(text + 64, "\n", 2);
	assert_int_equal(fs_replace(dir, path, text, 65, 0600, false, &e), 0);
}

static void test_garbage(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest image = tmp_layer(t->s, 1), cached = tmp_layer(t->s, 2), contained = tmp_layer(t->s, 3);
	struct digest row = tmp_layer(t->s, 4), files = tmp_digest(5), used[] = { image };
	struct gc_result r;

	tmp_layer_files(t->s, &files);
	tmp_image(t->s, 1, used, 1, "a:1");
	tmp_image(t->s, 2, used, 1, NULL);
	put_key(t, 2, 1000 * HOUR);
	put_container(t, "c1", &contained);
	assert_int_equal(mkdirat(store_dir(t->s, STORE_CONTAINERS, &e), "made", 0700), 0);
	assert_int_equal(blob_put(t->s, "stray", 5, NULL, &e), 0);
	r = gc(t, (struct gc_opts){ 0 });	/* pinned by ourselves: only what never was */
	assert_true(r.layers.n == 1 && r.blobs.n == 0);
	reopen(t);
	tmp_layer_files(t->s, &files);
	for (int dry = 1; dry >= 0; dry--) {
		r = gc(t, (struct gc_opts){ .dry_run = dry });
		assert_int_equal(r.layers.n, 2);
		assert_int_equal(r.blobs.n, 1);
		assert_int_equal(r.keys.n + r.images.n, 0);
		assert_true(r.bytes >= 2 * 12288 + 4096 && r.bytes == r.layers.bytes + r.blobs.bytes);
		assert_int_equal(tmp_layer_exists(t, &row), dry);
		assert_int_equal(tmp_layer_exists(t, &files), dry);
	}
	assert_true(tmp_layer_exists(t, &image) && tmp_layer_exists(t, &cached) && tmp_layer_exists(t, &contained));
	assert_int_equal(tmp_count(t, "layers"), 6);	/* with their side files */
	assert_int_equal(tmp_count(t, "blobs/sha256"), 4);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM layers"), 3);
	r = gc(t, (struct gc_opts){ 0 });
	assert_int_equal(r.bytes, 0);
}

static void test_work(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	int work = store_dir(t->s, STORE_WORK, &e), builds = store_dir(t->s, STORE_BUILDS, &e), fd;
	struct build_record *b, *done;
	struct blob_in *in;
	struct lease *l;
	struct gc_result r;

	assert_int_equal(lease_new(t->s, &l, &e), 0);
	assert_int_equal(blob_begin(t->s, 10, &in, &e), 0);
	assert_int_equal(build_begin(t->s, "/a", "/a/Dockerfile", NULL, &b, &e), 0);
	assert_int_equal(build_dir(b, &fd, &e), 0);
	assert_int_equal(build_begin(t->s, "/a", "/a/Dockerfile", NULL, &done, &e), 0);
	assert_int_equal(build_dir(done, &fd, &e), 0);
	assert_int_equal(build_end(done, "ok", NULL, &e), 0);
	/* the same of dead makers */
	assert_int_equal(mkdirat(work, "0123456789abcdef", 0700), 0);
	assert_int_equal(mkdirat(work, "0123456789abcdef/upper", 0), 0);
	assert_int_equal(fs_replace(work, "blob-0123456789abcdef", "x", 1, 0600, false, &e), 0);
	assert_int_equal(mkdirat(builds, "0123456789abcdef", 0700), 0);
	r = gc(t, (struct gc_opts){ 0 });
	assert_true(r.leases.n == 1 && r.temps.n == 1 && r.logs.n == 1);
	assert_int_equal(tmp_count(t, "work"), 3);	/* pins, and the two of the living */
	assert_int_equal(tmp_count(t, "builds"), 2);
	lease_free(l);
	blob_drop(in);
	build_drop(b);
	r = gc(t, (struct gc_opts){ 0 });
	assert_true(r.leases.n == 0 && r.temps.n == 0 && r.logs.n == 0);
	assert_int_equal(tmp_count(t, "work"), 1);
}

/* A cache mount goes on request, unless a step has it; one that a dead step was making goes always. */
static void test_mounts(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	int dir = store_dir(t->s, STORE_MOUNTS, &e), fd;
	static const char *const dirs[] = { "free", "used", "used.new", "dead.new" };
	struct gc_result r;
	struct df d = { 0 };

	for (size_t i = 0; i < countof(dirs); i++)
		assert_int_equal(mkdirat(dir, dirs[i], 0755), 0);
	assert_int_equal(fs_replace(dir, "free/file", "x", 1, 0600, false, &e), 0);
	fd = openat(dir, "used.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(df_get(t->s, &d, &e), 0);
	assert_true(d.mounts.n == 2 && d.mounts.reclaimable >= 4096 && d.garbage.n == 1 && d.work.n == 1);
	df_done(&d);
	r = gc(t, (struct gc_opts){ 0 });
	assert_true(r.mounts.n == 0 && r.temps.n == 1);
	r = gc(t, (struct gc_opts){ .all = true, .until_ns = HOUR });
	assert_int_equal(r.mounts.n, 0);
	for (int dry = 1; dry >= 0; dry--) {
		r = gc(t, (struct gc_opts){ .all = true, .dry_run = dry });
		assert_true(r.mounts.n == 1 && r.mounts.bytes >= 4096);
		assert_int_equal(tmp_exists(t, "mounts/free"), dry);
	}
	assert_true(tmp_exists(t, "mounts/used") && tmp_exists(t, "mounts/used.new"));
	close(fd);
	r = gc(t, (struct gc_opts){ .all = true });
	assert_true(r.mounts.n == 1 && r.temps.n == 1);
}

/* Layers 1..5 are cached, 1 is the least recently used; 5 is also an image's. */
static void test_evict(void **state)
{
	static const struct { struct gc_opts o; unsigned kept; } rows[] = {	/* kept: bit n - 1 for layer n */
		{ { 0 }, 0x1f },
		{ { .all = true }, 0x10 },
		{ { .has_keep = true, .keep = 1 << 30 }, 0x1f },
		{ { .has_keep = true, .keep = 0 }, 0x10 },
		{ { .has_keep = true, .keep = 2 * 16384 }, 0x1c },
		{ { .has_keep = true, .keep = 2 * 16384 - 1 }, 0x18 },
		{ { .until_ns = 35 * HOUR / 10 }, 0x1e },	/* used 4, 3, 2, 1, 0 hours ago */
		{ { .until_ns = 25 * HOUR / 10 }, 0x1c },
		{ { .until_ns = 25 * HOUR / 10, .all = true }, 0x1c },
		{ { .until_ns = 25 * HOUR / 10, .has_keep = true, .keep = 3 * 16384 }, 0x1e },
		{ { .until_ns = 25 * HOUR / 10, .has_keep = true, .keep = 0 }, 0x1c },
		{ { .until_ns = 100 * HOUR, .all = true }, 0x1f },
	};
	struct tmp_store *t = *state;

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		struct digest l[5];
		struct gc_result r;

		for (unsigned n = 1; n <= 5; n++) {
			l[n - 1] = tmp_layer(t->s, n);
			put_key(t, n, (5 - n) * HOUR);
		}
		tmp_image(t->s, 1, &l[4], 1, "a:1");
		reopen(t);
		r = gc(t, rows[i].o);
		for (unsigned n = 0; n < 5; n++)
			check(tmp_layer_exists(t, &l[n]) == (rows[i].kept >> n & 1), "row %zu layer %u", i, n + 1);
		check(r.keys.n == r.layers.n && r.keys.n == 5u - (unsigned)__builtin_popcount(rows[i].kept), "row %zu", i);
		assert_int_equal(fs_remove(store_dirfd(t->s), "layers", &e), 0);
		assert_int_equal(db_script(store_db(t->s), "DELETE FROM layers; DELETE FROM keys; DELETE FROM images;"
					   "DELETE FROM image_layers", &e), 0);
		reopen(t);
	}
}

static void test_evict_images(void **state)
{
	struct tmp_store *t = *state;
	struct digest a = tmp_layer(t->s, 1), b = tmp_layer(t->s, 2);
	struct gc_result r;

	tmp_image(t->s, 1, &a, 1, "a:1");
	tmp_image(t->s, 2, &b, 1, NULL);
	r = gc(t, (struct gc_opts){ .all = true });	/* its manifest is pinned: it may be named yet */
	assert_int_equal(r.images.n, 0);
	reopen(t);
	r = gc(t, (struct gc_opts){ .all = true });
	assert_true(r.images.n == 1 && r.layers.n == 1 && r.blobs.n == 2);
	assert_true(tmp_layer_exists(t, &a) && !tmp_layer_exists(t, &b));
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM image_layers"), 1);
}

/* A pin of a live process stands before everything. */
static void test_pinned(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest cached = tmp_layer(t->s, 1), plain = tmp_layer(t->s, 2);
	struct key_result found;
	struct digest key = tmp_digest(1001);
	struct gc_result r;
	struct store *user;

	put_key(t, 1, HOUR);
	reopen(t);
	assert_int_equal(store_open(t->root, &user, &e), 0);
	assert_int_equal(keys_find(user, NULL, &key, &found, &e), 1);
	assert_int_equal(store_pin(user, &plain, &e), 0);
	r = gc(t, (struct gc_opts){ .all = true });
	assert_true(r.layers.n == 0 && r.keys.n == 0);
	store_close(user);
	r = gc(t, (struct gc_opts){ .all = true });
	assert_true(r.layers.n == 2 && r.keys.n == 1);
	assert_false(tmp_layer_exists(t, &cached));
	assert_int_equal(keys_find(t->s, NULL, &key, &found, &e), 0);
}

static struct digest put_tree(struct tmp_store *t, const char *name, uint32_t type, const struct digest *child)
{
	auto_err struct err e = { 0 };
	auto_buf struct buf b = { 0 };
	struct listing_entry l = { .type = type, .mode = 0755, .name = str_of(name) };
	struct digest d;

	if (child)
		memcpy(l.digest, child->b, sizeof(l.digest));
	listing_add(&b, &l);
	d = digest_of(b.p, b.n);
	assert_int_equal(trees_put(t->s, &d, buf_view(&b), &e), 0);
	return d;
}

static void test_rows(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest leaf = put_tree(t, "f", S_IFREG, NULL), top = put_tree(t, "d", S_IFDIR, &leaf);
	struct digest stray = put_tree(t, "g", S_IFREG, &top), key = tmp_digest(1), other = tmp_digest(2);
	char value[12 + DIGEST_TEXT_MAX], text[DIGEST_TEXT_MAX];
	struct key_input in[] = { { "instruction", "COPY" }, { "file", value } };
	struct key_result none = { 0 };
	auto_buf struct buf b = { 0 };
	struct gc_result r;

	snprintf(value, sizeof(value), "tree %s", digest_text(&top, text));
	assert_int_equal(keys_put(t->s, &key, &key, "f|0|1", &none, in, 2, &e), 0);
	assert_int_equal(keys_put_inputs(t->s, &other, in, 2, &e), 0);	/* of no key, of no build */
	r = gc(t, (struct gc_opts){ 0 });
	assert_int_equal(r.trees.n, 1);
	assert_int_equal(trees_get(t->s, &stray, &b, &e), 0);
	assert_int_equal(trees_get(t->s, &top, &b, &e), 1);
	assert_int_equal(trees_get(t->s, &leaf, &b, &e), 1);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM key_inputs"), 1);
	r = gc(t, (struct gc_opts){ .all = true });
	assert_true(r.trees.n == 2 && r.keys.n == 1);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM key_inputs"), 0);
}

/* --- killed --- */

static int run_gc(const char *root)
{
	auto_err struct err e = { 0 };
	struct gc_opts o = { .all = true };
	struct gc_result r;
	struct store *s;

	if (store_open(root, &s, &e) < 0 || gc_run(s, &o, &r, &e) < 0) {
		fprintf(stderr, "%s\n", err_text(&e));
		return 1;
	}
	store_close(s);
	return 0;
}

static void check_rows_have_files(struct tmp_store *t, unsigned n)
{
	auto_err struct err e = { 0 };
	auto_stmt struct stmt st = { 0 };
	struct digest d;

	assert_int_equal(db_query(store_db(t->s), "SELECT diff_id FROM layers", BIND_NONE, &st, &e), 0);
	while (db_row(&st, &e) > 0)
		check(stmt_digest(&st, 0, &d) && tmp_layer_exists(t, &d), "killed at point %u", n);
}

/* Killed at each of its points, gc leaves what the next gc removes; rows always have their files. */
static void test_killed(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	struct digest kept = tmp_layer(t->s, 1);
	unsigned n = 1;
	int status;

	tmp_image(t->s, 1, &kept, 1, "a:1");
	do {
		for (unsigned i = 2; i < 4; i++)
			if (tmp_int(t->s, "SELECT count(*) FROM layers") < i) {
				struct digest d = tmp_digest(i);

				if (!tmp_layer_exists(t, &d))
					tmp_layer(t->s, i);
			}
		assert_int_equal(blob_put(t->s, "stray", 5, NULL, &e), 0);
		reopen(t);
		status = tmp_fork_fault(t, "*", n++, run_gc);
		check_rows_have_files(t, n - 1);
		assert_true(tmp_layer_exists(t, &kept));
	} while (status == 256 + SIGKILL);
	assert_int_equal(status, 0);
	assert_true(n > 10);
	assert_int_equal(tmp_count(t, "layers"), 2);
	assert_int_equal(tmp_count(t, "work"), 1);
	assert_int_equal(tmp_count(t, "blobs/sha256"), 2);
}

/* --- a user and gc at the same time --- */

/* Finds the key, and when it does, its layer must be whole for as long as the store is open. */
static int find_and_use(const char *root)
{
	auto_err struct err e = { 0 };
	struct digest key = tmp_digest(1001);
	struct key_result r;

	for (int i = 0; i < 300; i++) {
		struct store *s;
		int found;

		if (store_open(root, &s, &e) < 0)
			return 1;
		found = keys_find(s, NULL, &key, &r, &e);
		for (int k = 0; found > 0 && k < 5; k++) {
			char hex[DIGEST_TEXT_MAX];
			auto_free char *path = xasprintf("%s/layers/%s/file", root, digest_hex(&r.diff_id, hex));

			if (access(path, F_OK) < 0)
				return 2;
			usleep(100);
		}
		store_close(s);
		if (found < 0)
			return 3;
	}
	return 0;
}

static void test_race(void **state)
{
	struct tmp_store *t = *state;
	pid_t user;
	int status;

	tmp_close(t);
	user = tmp_start(t, find_and_use);
	tmp_open(t);
	while (waitpid(user, &status, WNOHANG) == 0) {
		struct digest d = tmp_digest(1);

		if (!tmp_layer_exists(t, &d)) {
			tmp_layer(t->s, 1);
			put_key(t, 1, HOUR);
			reopen(t);
		}
		gc(t, (struct gc_opts){ .all = true });
	}
	assert_int_equal(status, 0);
}

/* --- df --- */

static void test_df(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_set struct set seen = { 0 };
	struct digest shared = tmp_layer(t->s, 1), own = tmp_layer(t->s, 2), both[] = { shared, own };
	struct digest contained = tmp_layer(t->s, 4), stray = tmp_layer(t->s, 5), untagged = tmp_layer(t->s, 6);
	struct df d = { 0 };
	uint64_t du = 0;
	struct lease *l;

	tmp_layer(t->s, 3);
	put_key(t, 3, HOUR);
	put_key(t, 1, HOUR);
	tmp_image(t->s, 1, &shared, 1, "a:1");
	tmp_image(t->s, 2, both, 2, "b:1");
	tmp_image(t->s, 3, &untagged, 1, NULL);
	put_container(t, "c1", &contained);
	reopen(t);
	assert_int_equal(lease_new(t->s, &l, &e), 0);
	check(df_get(t->s, &d, &e) == 0, "%s", err_text(&e));
	assert_int_equal(usage_add(AT_FDCWD, t->root, &seen, &du, &e), 0);
	assert_int_equal(d.total, du);
	assert_true(d.images.n == 3 && d.cache.n == 1 && d.containers.n == 1 && d.work.n == 1 && d.garbage.n == 1);
	assert_true(d.images.reclaimable > 0 && d.images.reclaimable < d.images.bytes / 2);
	assert_int_equal(d.cache.reclaimable, d.cache.bytes);
	assert_int_equal(d.total, d.images.bytes + d.cache.bytes + d.containers.bytes + d.volumes.bytes +
			 d.logs.bytes + d.mounts.bytes +
			 d.work.bytes + d.garbage.bytes + d.database.bytes);
	assert_int_equal(d.nlayers, 6);
	assert_int_equal(d.nimages, 3);
	for (size_t i = 0; i < d.nimages; i++) {
		bool b = d.image[i].image.names.n && strcmp(d.image[i].image.names.v[0], "b:1") == 0;

		assert_int_equal(d.image[i].bytes, d.image[i].shared + d.image[i].unique);
		if (b)
			assert_true(d.image[i].shared == d.image[i].unique && d.image[i].shared > 0);
	}
	for (size_t i = 0; i < d.nlayers; i++)
		if (digest_eq(&d.layers[i].diff_id, &shared))
			assert_true(d.layers[i].images == 2 && d.layers[i].key);
		else if (digest_eq(&d.layers[i].diff_id, &stray))
			assert_true(!d.layers[i].images && !d.layers[i].key && !d.layers[i].container);
	df_done(&d);
	lease_free(l);
	/* and gc gives back what df said */
	assert_int_equal(df_get(t->s, &d, &e), 0);
	struct gc_result r = gc(t, (struct gc_opts){ 0 });
	assert_int_equal(r.bytes, d.garbage.bytes);
	df_done(&d);
}

static void test_usage(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_set struct set seen = { 0 };
	uint64_t once = 0, twice = 0, again = 0;
	struct digest d = tmp_digest(1);
	int dir = store_dir(t->s, STORE_LAYERS, &e);
	char hex[DIGEST_TEXT_MAX];

	tmp_layer_files(t->s, &d);
	digest_hex(&d, hex);
	assert_int_equal(usage_add(dir, hex, &seen, &once, &e), 0);
	auto_free char *from = xasprintf("%s/file", hex), *to = xasprintf("%s/link", hex);
	assert_int_equal(linkat(dir, from, dir, to, 0), 0);
	assert_int_equal(symlinkat("/", dir, "root"), 0);
	assert_int_equal(usage_add(dir, hex, &seen, &twice, &e), 0);
	assert_int_equal(once, twice);
	assert_int_equal(usage_add(dir, from, &seen, &again, &e), 0);
	assert_int_equal(usage_add(dir, "root", &seen, &again, &e), 0);
	assert_int_equal(usage_add(dir, "nothing", &seen, &again, &e), 0);
	assert_int_equal(again, 0);
}

int suite_gc(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_garbage, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_work, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_mounts, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_evict, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_evict_images, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_pinned, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_rows, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_killed, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_race, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_df, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_usage, tmp_store_setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("gc", tests, NULL, NULL);
}
