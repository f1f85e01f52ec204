/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of trees: what counts, what doesn't, what the stat cache saves, how differences are told. */
#include "cache/treehash.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cache/db.h"
#include "cache/statcache.h"
#include "cache/store.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/tmp_tree.h"
#include "tests/unit/unit.h"

static const struct tree_top whole = { "", NULL };

static struct digest hash(struct store *s, int root, const struct tree_top *tops, size_t n, bool zero_owner)
{
	struct tree_req r = { .root = root, .tops = tops, .ntops = n, .zero_owner = zero_owner, .cached = s != NULL };
	auto_err struct err e = { 0 };
	struct digest d = { 0 };
	struct job j;

	check(job_init(&j, NULL, &e) == 0 && tree_hash(&j, s, &r, &d, &e) == 0, "%s", err_text(&e));
	job_done(&j);
	return d;
}

#define TREE "d/ d/f@one d/g@two l>d/f"

/* One change each to TREE: must the digest change, and in which words is the change told? */
static void test_counts(void **state)
{
	static const struct { const char *does, *told; } rows[] = {
		{ "d/f@ONE", "d/f: contents changed" }, { "d/f@longer", "d/f: contents changed" },
		{ "d/f=755@one", "d/f: mode 644 -> 755" }, { "d/h@three", "d/h: added" }, { "-d/g", "d/g: removed" },
		{ "-l l>d/g", "l: link target changed" }, { "-d/g d/g/", "d/g: file -> directory" },
		{ "d/=700", "d: mode 755 -> 700" }, { "d/f=644:5:6@one", "d/f: owner 0:0 -> 5:6" }, { "a/", "a: added" },
		{ "d/f@one", NULL },
	};
	struct tmp_store *t = *state;

	for (size_t i = 0; i < countof(rows); i++) {
		auto_free char *name = xasprintf("t%zu", i);
		auto_fd int dir = tree_tmp(t, name);
		auto_buf struct buf told = { 0 };
		auto_err struct err e = { 0 };
		struct digest was, is;
		int r;

		tree_make(dir, TREE);
		was = hash(t->s, dir, &whole, 1, false);
		tree_make(dir, rows[i].does);
		check(futimens(dir, (struct timespec[2]){ { 1, 0 }, { 1, 0 } }) == 0, "time");
		is = hash(t->s, dir, &whole, 1, false);
		check(digest_eq(&was, &is) == !rows[i].told, "%s", rows[i].does);
		r = tree_diff(t->s, &was, &is, &told, &e);
		check(r == !!rows[i].told, "%s: %s", rows[i].does, err_text(&e));
		if (r)
			check(strncmp(told.p, rows[i].told, strlen(rows[i].told)) == 0, "%s: %s", rows[i].does, told.p);
	}
}

static void test_owner_and_tops(void **state)
{
	static const struct tree_top tops[] = { { "d/f", "x" }, { "d", "y" } }, other[] = { { "d/f", "z" }, { "d", "y" } };
	static const struct tree_top inside = { "d", NULL }, file = { "d/f", "" };
	struct tmp_store *t = *state;
	auto_fd int a = tree_tmp(t, "a"), b = tree_tmp(t, "b");
	struct digest x, y;

	tree_make(a, TREE);
	tree_make(b, "d/=755:7:7 d/f=644:8:8@one d/g@two l>d/f");
	x = hash(NULL, a, &whole, 1, true);
	y = hash(NULL, b, &whole, 1, true);
	check(digest_eq(&x, &y), "in a context owners don't count");
	y = hash(NULL, b, &whole, 1, false);
	check(!digest_eq(&x, &y), "elsewhere they do");
	x = hash(t->s, a, tops, 2, false);
	y = hash(t->s, a, other, 2, false);
	check(!digest_eq(&x, &y), "names of tops count");
	tree_make(b, "c/ c/f@one c/g@two");
	x = hash(t->s, a, &inside, 1, false);
	y = hash(t->s, b, &(struct tree_top){ "c", NULL }, 1, false);
	check(digest_eq(&x, &y), "a lone directory's own name doesn't");
	x = hash(t->s, a, &file, 1, false);
	y = hash(t->s, b, &(struct tree_top){ "c/f", "" }, 1, false);
	check(digest_eq(&x, &y), "nor where a lone file lies");
	check(fsetxattr(openat(b, "c/f", O_RDONLY | O_CLOEXEC), "security.capability",
			"\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0) == 0, "setxattr");
	y = hash(t->s, b, &(struct tree_top){ "c/f", "" }, 1, false);
	check(!digest_eq(&x, &y), "a capability counts");
}

static enum tree_pick pick(void *arg UNUSED, size_t top UNUSED, const char *path, bool is_dir)
{
	if (strcmp(path, "skip") == 0)
		return PICK_NO;
	if (strncmp(path, "below", 5) == 0 && !strstr(path, "yes"))
		return is_dir ? PICK_BELOW : PICK_NO;
	return PICK_YES;
}

/* A tree without what was not picked has the same digest. */
static void test_pick(void **state)
{
	struct tmp_store *t = *state;
	auto_fd int a = tree_tmp(t, "a"), b = tree_tmp(t, "b");
	struct tree_req r = { .root = a, .tops = &whole, .ntops = 1, .pick = pick };
	auto_err struct err e = { 0 };
	struct digest x, y;
	struct job j;

	tree_make(a, "k@1 skip/ skip/x@1 below/ below/no@1 below/yes@2 below2/ below2/no@1");
	tree_make(b, "k@1 below/ below/yes@2");
	check(job_init(&j, NULL, &e) == 0 && tree_hash(&j, NULL, &r, &x, &e) == 0, "%s", err_text(&e));
	job_done(&j);
	y = hash(NULL, b, &whole, 1, false);
	check(digest_eq(&x, &y), "only what is picked counts");
}

/* Rows that lie: whoever believes them did not read the files. */
static void poison(struct store *s, int dir, const char *name, bool settled)
{
	static const uint8_t lie[32] = { 0xee };
	auto_buf struct buf row = { 0 };
	auto_err struct err e = { 0 };
	struct stat st, dst;

	check(fstatat(dir, name, &st, 0) == 0 && fstat(dir, &dst) == 0, "stat");
	check(statcache_settled(&st, (int64_t)st.st_ctim.tv_sec * 1000000000 + 5000000000) &&
	      !statcache_settled(&st, (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec + 1000000), "racy");
	if (!settled)
		st.st_ctim.tv_nsec ^= 1;
	statcache_add(&row, str_of(name), &st, lie);
	check(statcache_put(s, dst.st_dev, dst.st_ino, buf_view(&row), &e) == 0, "%s", err_text(&e));
}

static void test_cache(void **state)
{
	static const struct tree_top file = { "f", "" };
	struct tmp_store *t = *state;
	auto_fd int dir = tree_tmp(t, "a");
	struct digest truth, other, d;

	tree_make(dir, "f@one g@two");
	truth = hash(NULL, dir, &whole, 1, false);
	poison(t->s, dir, "f", true);
	d = hash(t->s, dir, &whole, 1, false);
	check(!digest_eq(&d, &truth), "the row is believed");
	other = hash(NULL, dir, &file, 1, false);
	poison(t->s, dir, "f", true);
	d = hash(t->s, dir, &file, 1, false);
	check(!digest_eq(&d, &other), "the row is believed for a lone file, too");
	poison(t->s, dir, "f", false);
	d = hash(t->s, dir, &whole, 1, false);
	check(digest_eq(&d, &truth), "another ctime: the file is read");
	poison(t->s, dir, "f", true);
	tree_make(dir, "f@ONE");	/* same size, same mtime (TREE_TIME), same inode */
	d = hash(t->s, dir, &whole, 1, false);
	check(!digest_eq(&d, &truth), "a change");
	other = hash(NULL, dir, &whole, 1, false);
	check(digest_eq(&d, &other), "is seen by ctime");
}

static size_t rows_of(struct store *s, int dir, struct buf *ret)
{
	auto_err struct err e = { 0 };
	struct stat_entry c;
	struct stat st;
	struct str rest;
	size_t n = 0;

	buf_reset(ret);
	check(fstat(dir, &st) == 0 && statcache_get(s, &st, ret, &e) == 0, "%s", err_text(&e));
	for (rest = buf_view(ret); statcache_next(&rest, &c); n++)
		;
	return n;
}

/* Settled files are remembered; lone tops keep what the row says of their neighbours. */
static void test_rows(void **state)
{
	static const struct tree_top tops[] = { { "f", "f" }, { "h", "h" } };
	struct tmp_store *t = *state;
	auto_fd int dir = tree_tmp(t, "a");
	auto_buf struct buf row = { 0 };

	tree_make(dir, "f@1 g@2 h@3");
	hash(t->s, dir, &whole, 1, false);
	assert_int_equal(rows_of(t->s, dir, &row), 0);	/* too fresh */
	usleep(80000);
	hash(t->s, dir, tops, 2, false);
	assert_int_equal(rows_of(t->s, dir, &row), 2);
	hash(t->s, dir, &whole, 1, false);
	assert_int_equal(rows_of(t->s, dir, &row), 3);
	tree_make(dir, "-g f@9");
	usleep(80000);
	hash(t->s, dir, tops, 2, false);
	assert_int_equal(rows_of(t->s, dir, &row), 3);	/* g is not looked at */
	tree_make(dir, "h@8");
	usleep(80000);
	hash(t->s, dir, &whole, 1, false);
	assert_int_equal(rows_of(t->s, dir, &row), 2);
	buf_puts(&row, "damaged");
	{
		auto_err struct err e = { 0 };
		struct stat st;

		check(fstat(dir, &st) == 0 &&
		      statcache_put(t->s, st.st_dev, st.st_ino, str_sub(buf_view(&row), 3, row.n), &e) == 0, "put");
	}
	check(({ struct digest a = hash(t->s, dir, &whole, 1, false), b = hash(NULL, dir, &whole, 1, false);
		 digest_eq(&a, &b); }), "a damaged row is no harm");
}

static void test_odd_files(void **state)
{
	static const struct tree_top gone = { "nothing", "" };
	struct tmp_store *t = *state;
	auto_fd int dir = tree_tmp(t, "a");
	struct tree_req r = { .root = dir, .tops = &gone, .ntops = 1 };
	auto_err struct err e = { 0 };
	struct digest a, b;
	struct job j;

	tree_make(dir, "p| s$ c%1:3 l>/nowhere");
	a = hash(t->s, dir, &whole, 1, false);	/* nothing of it may block or be opened */
	tree_make(dir, "-s s=755@");
	b = hash(t->s, dir, &whole, 1, false);
	check(digest_eq(&a, &b), "a socket counts as an empty file");
	check(job_init(&j, NULL, &e) == 0, "job");
	check(tree_hash(&j, NULL, &r, &a, &e) < 0 && e.kind == ERR_CONFLICT, "%s", err_text(&e));
	err_clear(&e);
	job_cancel(&j);
	r.tops = &whole;
	check(tree_hash(&j, NULL, &r, &a, &e) < 0 && e.kind == ERR_CANCELLED, "%s", err_text(&e));
	job_done(&j);
}

/* Many files are read by several threads: the digest is the same as one by one. */
static void test_many(void **state)
{
	struct tmp_store *t = *state;
	auto_fd int dir = tree_tmp(t, "a");
	struct digest a, b;

	for (int i = 0; i < 600; i++) {
		auto_free char *text = i % 20 ? xasprintf("d%d/f%d@contents%d", i / 20, i, i * 7) :
			xasprintf("d%d/", i / 20);

		tree_make(dir, text);
	}
	usleep(80000);
	a = hash(NULL, dir, &whole, 1, false);
	b = hash(t->s, dir, &whole, 1, false);
	check(digest_eq(&a, &b), "first");
	b = hash(t->s, dir, &whole, 1, false);
	check(digest_eq(&a, &b), "from the cache");
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM statcache"), 30);
	assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM trees"), 31);
}

/* One processor alone: everything is done by the thread that asks. */
static struct digest hash_alone(struct store *s, int root)
{
	cpu_set_t all, one;
	struct digest d;

	check(sched_getaffinity(0, sizeof(all), &all) == 0, "affinity");
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	check(sched_setaffinity(0, sizeof(one), &one) == 0, "affinity");
	d = hash(s, root, &whole, 1, false);
	check(sched_setaffinity(0, sizeof(all), &all) == 0, "affinity");
	return d;
}

/* Leaves are stat'ed by several threads, in parts: a large directory, odd entries, one changed file. */
static void test_threads(void **state)
{
	struct tmp_store *t = *state;
	auto_fd int dir = tree_tmp(t, "a");
	struct digest a, b;

	tree_make(dir, "big/ big/s$ big/l>f1 big/p| big/sub/ big/sub/x@1 big/=700");
	for (int i = 0; i < 1000; i++) {
		auto_free char *text = xasprintf("big/f%d@%d", i, i);

		tree_make(dir, text);
	}
	usleep(80000);
	a = hash_alone(NULL, dir);
	b = hash(t->s, dir, &whole, 1, false);
	check(digest_eq(&a, &b), "first");
	b = hash(t->s, dir, &whole, 1, false);
	check(digest_eq(&a, &b), "from the cache");
	b = hash_alone(t->s, dir);
	check(digest_eq(&a, &b), "from the cache, alone");
	tree_make(dir, "big/f777@other");
	b = hash(t->s, dir, &whole, 1, false);
	check(!digest_eq(&a, &b), "changed");
	a = hash_alone(NULL, dir);
	check(digest_eq(&a, &b), "changed, alone");
}

int suite_treehash(void)
{
	const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, tmp_store_setup, tmp_store_teardown)
		T(test_counts), T(test_owner_and_tops), T(test_pick), T(test_cache), T(test_rows), T(test_odd_files),
		T(test_many), T(test_threads),
#undef T
	};

	return cmocka_run_group_tests_name("treehash", tests, NULL, NULL);
}
