/* SPDX-License-Identifier: Apache-2.0 */
/* EROFS indexes: the mounted index of a tar is the tree that unpacking it gives, whatever the tar. */
#include "cache/erofs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/extract.h"
#include "cache/layer_dir.h"
#include "cache/names.h"
#include "cache/whiteout.h"
#include "tests/unit/erofs_kit.h"
#include "tests/unit/erofs_tree.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

/* Index, or -1 and why. */
static int index_tar(int tar, struct err *e)
{
	auto_erofs struct erofs *w = erofs_new(false);
	struct digest d = digest_of("a tar", 5);
	auto_fd int out = kit_index_file();

	assert_int_equal(lseek(tar, 0, SEEK_SET), 0);
	if (erofs_read_tar(w, bytes_get_fd, &tar, e) < 0 || erofs_write(w, kit_size(tar), &d, kit_put, &out, e) < 0)
		return -1;
	return take_fd(&out);
}

static bool same_file(int a, int b)
{
	size_t n = kit_size(a);
	const void *x, *y;
	bool same;

	if (n != kit_size(b))
		return false;
	x = kit_map(a, n);
	y = kit_map(b, n);
	same = memcmp(x, y, n) == 0;
	munmap((void *)x, n);
	munmap((void *)y, n);
	return same;
}

struct extracting {
	struct tar_reader *tar;
	bool lost_mark;
};

static int read_data(void *arg, const void **p, size_t *n, struct err *e)
{
	return tar_data(((struct extracting *)arg)->tar, p, n, e);
}

static bool has_mark(int dir, const char *name)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_names struct names names = { 0 };

	if (fd < 0)
		return false;
	if (opaque_get(fd, false) > 0)
		return true;
	assert_int_equal(names_read(fd, &names), 0);
	for (size_t i = 0; i < names.n; i++)
		if (has_mark(fd, names.v[i].s))
			return true;
	return false;
}

/* An opaque directory that a later entry removes: see test_trees(). */
static int replace(void *arg, int dir, const char *name, const char *path UNUSED, struct err *e)
{
	struct extracting *x = arg;

	x->lost_mark = x->lost_mark || has_mark(dir, name);
	return fs_remove(dir, name, e);
}

/* The tree form of the layer, in dir. */
static int extract_tar(int tar, int dir, bool *lost_mark, struct err *e)
{
	struct extracting data = { 0 };
	struct extract_opts o = { .root = dir, .base = "", .layer = true, .now_ns = 0, .replace = replace,
				  .arg = &data };
	struct extract *x = extract_new(&o);
	struct tar_entry t;
	bool made;
	int r;

	assert_int_equal(lseek(tar, 0, SEEK_SET), 0);
	data.tar = tar_read_new(bytes_get_fd, &tar, NULL, NULL);
	while ((r = tar_next(data.tar, &t, e)) > 0)
		if ((r = extract_put(x, &t, read_data, &data, &made, e)) < 0)
			break;
	if (r == 0)
		r = extract_end(x, e);
	*lost_mark = data.lost_mark;
	tar_read_free(data.tar);
	extract_free(x);
	return r;
}

static void describe(const struct made_tar *m, struct buf *b)
{
	for (size_t i = 0; i < m->n; i++)
		buf_printf(b, "\n  %c %.60s%s%.60s", m->v[i].t.type, m->v[i].t.path, m->v[i].t.link ? " -> " : "",
			   m->v[i].t.link ? m->v[i].t.link : "");
}

struct seen {			/* how much the random trees covered */
	unsigned same, refused, unclear;
};

/* The canonical tar of an unpacked layer, indexed and mounted, is that layer once more. */
static void check_sealed(int tree, bool dir_times, const char *what)
{
	auto_fd int tar = kit_memory("sealed");
	struct tree_diff diff = { .dir_times = dir_times };
	auto_err struct err e = { 0 };
	struct seal_sum sum;
	struct job job;

	check(job_init(&job, NULL, &e) == 0, "%s", err_text(&e));
	check(seal_emit(&job, tree, kit_put, &tar, &sum, &e) == 0, "%s: %s", what, err_text(&e));
	job_done(&job);
	auto_fd int index = index_tar(tar, &e);
	check(index >= 0, "%s: %s", what, err_text(&e));
	auto_fd int mounted = kit_mount(index, tar);
	check(tree_same(tree, mounted, &diff), "canonical: %s: %s", diff.text, what);
}

static void check_tree(const struct made_tar *m, int tree, uint64_t seed, struct seen *seen)
{
	struct tree_diff diff = { .user_xattrs = true, .opaque = true, .dir_times = seed % 3 != MADE_HOSTILE };
	auto_err struct err e1 = { 0 }, e2 = { 0 };
	auto_buf struct buf text = { 0 };
	auto_fd int tar = made_file(m);
	bool lost_mark;
	int r = extract_tar(tar, tree, &lost_mark, &e1);
	auto_fd int index = index_tar(tar, &e2);

	buf_printf(&text, "seed %llu", (unsigned long long)seed);
	describe(m, &text);
	check((r < 0) == (index < 0) || (r < 0 && lost_mark), "%s\nunpacking: %s\nindexing: %s", text.p, err_text(&e1), err_text(&e2));
	if (index < 0) {
		check(e1.kind == e2.kind, "%s\nunpacking: %s\nindexing: %s", text.p, err_text(&e1), err_text(&e2));
		seen->refused++;
		return;
	}
	auto_fd int again = index_tar(tar, &e2);
	check(same_file(index, again), "%s: not the same twice", text.p);
	kit_check(index, tar, text.p, NULL);
	kit_fsck(index, tar, text.p);
	if (lost_mark) {
		seen->unclear++;
		return;
	}
	auto_fd int mounted = kit_mount(index, tar);
	check(tree_same(tree, mounted, &diff), "%s: %s", diff.text, text.p);
	check_sealed(tree, diff.dir_times, text.p);
	seen->same++;
}

/* TARE_TEST_TREES: how many. Unpacking knows directories by their paths at its end, and in a hostile tar these may
 * lead somewhere else by then: hence their times are not compared, nor trees that removed an opaque one. */
static void test_trees(void **state)
{
	const char *more = getenv("TARE_TEST_TREES");
	struct tmp_store *t = *state;
	struct seen seen = { 0 };
	uint64_t count = 300;

	kit_need_mount();
	if (more)
		assert_true(str_to_u64(str_of(more), 10, &count));
	for (uint64_t seed = 0; seed < count; seed++) {
		auto_free char *path = xasprintf("%s/%llu", t->path, (unsigned long long)seed);
		auto_err struct err e = { 0 };
		auto_made struct made_tar m;

		made_tar(&m, (enum made_kind)(seed % 3), seed);
		assert_int_equal(mkdir(path, 0755) | chmod(path, 0755), 0);
		auto_fd int tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		check_tree(&m, tree, seed, &seen);
		check(fs_remove(AT_FDCWD, path, &e) == 0, "%s", err_text(&e));
	}
	/* The generator must neither make trees that are all refused nor none. */
	check(seen.same > count / 2 && seen.refused > count / 50 && seen.unclear < count / 20,
	      "%u the same, %u refused, %u not compared", seen.same, seen.refused, seen.unclear);
}

/* What the entries make, as "path" of all that is there, directories with a slash, whiteouts with a "-". */
static void list_tree(int dir, const char *above, struct buf *b)
{
	auto_fd int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_names struct names names = { 0 };
	char y;

	assert_int_equal(names_read(fd, &names), 0);
	if (fgetxattr(fd, "trusted.overlay.opaque", &y, 1) == 1)
		buf_printf(b, "%s* ", above);
	for (size_t i = 0; i < names.n; i++) {
		const char *s = names.v[i].s;
		struct stat st;

		assert_int_equal(fstatat(fd, s, &st, AT_SYMLINK_NOFOLLOW), 0);
		buf_printf(b, "%s%s%s ", above, s, S_ISDIR(st.st_mode) ? "/" : whiteout_is(&st) ? "-" : "");
		if (S_ISDIR(st.st_mode)) {
			auto_fd int sub = openat(fd, s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			auto_free char *path = xasprintf("%s%s/", above, s);

			list_tree(sub, path, b);
		}
	}
}

/* "TYPE:PATH" or "TYPE:PATH>TARGET", blanks between them. */
static int add_entries(struct erofs *w, const char *text, struct err *e)
{
	struct str rest = str_of(text);

	while (rest.p && rest.n) {
		struct str entry = str_cut(&rest, ' '), path = str_cut(&entry, '>');
		auto_free char *name = str_dup(str_sub(path, 2, path.n));
		auto_free char *link = entry.p ? str_dup(entry) : NULL;
		struct tar_entry t = { .path = name, .type = (enum tar_type)path.p[0], .mode = 0755, .link = link };

		if (erofs_add(w, &t, 0, e) < 0)
			return -1;
	}
	return 0;
}

#define NAME_50 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define NAME_250 NAME_50 NAME_50 NAME_50 NAME_50 NAME_50

/* What entries make of an empty tree, or why they are refused. */
static const struct {
	const char *what, *entries, *tree, *error;
} rules[] = {
	{ "empty", "", "", NULL },
	{ "implied parents", "0:a/b/c", "a/ a/b/ a/b/c ", NULL },
	{ "sorted by bytes, dots among them", "0:b 0:! 0:a\377 0:a", "! a a\377 b ", NULL },
	{ "file over file", "0:a 0:a", "a ", NULL },
	{ "file over directory", "0:a/b 0:a", "a ", NULL },
	{ "directory over file", "0:a 5:a 0:a/b", "a/ a/b ", NULL },
	{ "directory twice", "0:a/b 5:a", "a/ a/b ", NULL },
	{ "below a link", "5:d 2:l>d 0:l/f", "d/ d/f l ", NULL },
	{ "below an absolute link", "5:d 2:d/l>/d 0:d/l/f", "d/ d/f d/l ",
	  NULL },
	{ "below a link that climbs", "2:l>../../.. 0:l/f", "f l ", NULL },
	{ "below a link to nothing", "2:l>d 0:l/f", NULL, "something else" },
	{ "below a loop", "2:l>m 2:m>l 0:l/f", NULL, "loop of links" },
	{ "below a file", "0:a 0:a/b", NULL, "something else" },
	{ "directory over a link", "5:d 2:l>d 5:l", "d/ l/ ", NULL },
	{ "whiteout", "0:.wh.a 0:d/.wh.b", "a- d/ d/b- ", NULL },
	{ "whiteout of an own file", "0:a 0:.wh.a", "a ", NULL },
	{ "whiteout of an own directory", "5:a 0:.wh.a", "a/ a/* ", NULL },
	{ "file over a whiteout", "0:.wh.a 0:a", "a ", NULL },
	{ "directory over a whiteout", "0:.wh.a 5:a", "a/ a/* ", NULL },
	{ "implied over a whiteout", "0:.wh.a 0:a/b", "a/ a/* a/b ", NULL },
	{ "opaque", "0:a/.wh..wh..opq 0:a/b/.wh.c 0:a/d", "a/ a/* a/b/ a/d ", NULL },
	{ "opaque root", "0:.wh..wh..opq 0:.wh.a", "* ", NULL },
	{ "files of AUFS", "0:.wh..wh.plnk", "", NULL },
	{ "whiteout of nothing", "0:.wh.", NULL, "proper whiteout" },
	{ "whiteout of the parent", "0:.wh...", NULL, "proper whiteout" },
	{ "whiteout of the directory", "0:.wh..", NULL, "proper whiteout" },
	{ "whiteout that is a link", "2:.wh.a>b", NULL, "proper whiteout" },
	{ "device 0:0", "3:a", NULL, "means a deletion" },
	{ "root as a file", "0:.", NULL, "not a directory" },
	{ "root as a link", "2:.>/etc", NULL, "not a directory" },
	{ "hard link", "0:a 1:b/c>a", "a b/ b/c ", NULL },
	{ "hard link to a link", "2:a>x 1:b>a", "a b ", NULL },
	{ "hard link through a link", "0:d/a 2:l>d 1:b>l/a", "b d/ d/a l ", NULL },
	{ "hard link to nothing", "1:b>a", NULL, "not there" },
	{ "hard link to itself", "0:a 1:a>a", NULL, "not there" },
	{ "hard link over its target's directory", "0:a/b 1:a>a/b", NULL, "not there" },
	{ "hard link to a directory", "5:a 1:b>a", NULL, "no file" },
	{ "hard link to the root", "1:b>.", NULL, "no file" },
	{ "hard link to a whiteout", "0:.wh.a 1:b>a", NULL, "no file" },
	{ "a target that was replaced", "0:a 1:b>a 0:a 1:c>b", "a b c ", NULL },
	{ "a name of 255 bytes", "0:" NAME_250 "12345", NAME_250 "12345 ", NULL },
	{ "a name of 256 bytes", "0:" NAME_250 "123456", NULL, "too long" },
	{ "a directory of 256 bytes", "0:" NAME_250 "123456/a", NULL, "too long" },
	{ "a hidden name of 255 bytes", "0:.wh." NAME_250 "12345", NAME_250 "12345- ", NULL },
	{ "a hidden name of 256 bytes", "0:.wh." NAME_250 "123456", NULL, "too long" },
};

static void test_rules(void **state UNUSED)
{
	kit_need_mount();
	for (size_t i = 0; i < countof(rules); i++) {
		auto_fd int index = kit_index_file(), tar = kit_memory("tar");
		auto_erofs struct erofs *w = erofs_new(false);
		auto_buf struct buf tree = { 0 };
		auto_err struct err e = { 0 };
		int r = add_entries(w, rules[i].entries, &e);

		check((r < 0) == !rules[i].tree, "%s: %s", rules[i].what, err_text(&e));
		if (r < 0) {
			check(strstr(err_text(&e), rules[i].error), "%s: %s", rules[i].what, err_text(&e));
			continue;
		}
		assert_int_equal(ftruncate(tar, 1024), 0);
		check(erofs_write(w, 1024, NULL, kit_put, &index, &e) == 0, "%s", err_text(&e));
		kit_check(index, tar, rules[i].what, NULL);
		auto_fd int mounted = kit_mount(index, tar);
		list_tree(mounted, "", &tree);
		check(strcmp(buf_view(&tree).p, rules[i].tree) == 0, "%s: %s", rules[i].what, tree.p);
	}
}

/* A tar that ends too early never becomes an index, wherever it was cut. */
static void test_cut(void **state UNUSED)
{
	auto_made struct made_tar m;

	made_tar(&m, MADE_TIDY, 12);
	auto_fd int tar = made_file(&m);
	uint64_t size = kit_size(tar);
	unsigned refused = 0;

	for (uint64_t n = 100; n < size - 1024; n += 700) {
		auto_err struct err e = { 0 };

		assert_int_equal(ftruncate(tar, (off_t)n), 0);
		auto_fd int index = index_tar(tar, &e);
		check(index < 0 || n % 512 == 0, "cut at %llu", (unsigned long long)n);
		refused += index < 0;
		assert_int_equal(ftruncate(tar, (off_t)size), 0);
	}
	assert_true(refused > 0);
}

int suite_erofs(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test_setup_teardown(test_trees, tmp_dir_setup, tmp_store_teardown),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("erofs", tests, NULL, NULL);
}
