/* SPDX-License-Identifier: Apache-2.0 */
/* EROFS indexes: the mounted index of a tar is the tree that unpacking it gives, whatever the tar. */
#include "cache/erofs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/extract.h"
#include "cache/layer_dir.h"
#include "cache/names.h"
#include "cache/overlay.h"
#include "cache/whiteout.h"
#include "tests/unit/erofs_image.h"
#include "tests/unit/erofs_tree.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

extern char **environ;

static int put_fd(void *arg, const void *p, size_t n, struct err *e)
{
	return fs_write_all(*(int *)arg, p, n, e);
}

/* A file without a name, in memory: good for tars. */
static int nameless(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The same in a directory of a disk's file system: the kernel mounts no index from tmpfs. */
static int on_disk(const char *dir)
{
	return open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static const char *disk_dir(void)
{
	static const char *const dirs[] = { "/var/tmp", "/tmp", "." };
	static const char *found;

	for (size_t i = 0; i < countof(dirs) && !found; i++) {
		auto_erofs struct erofs *w = erofs_new(false);
		auto_fd int index = on_disk(dirs[i]), tar = nameless("tar"), fd = -1;
		auto_err struct err e = { 0 };

		if (index < 0)
			continue;
		assert_int_equal(ftruncate(tar, 1024), 0);
		check(erofs_write(w, 1024, NULL, put_fd, &index, &e) == 0, "%s", err_text(&e));
		if (erofs_mount(index, tar, &fd, &e) == 0)
			found = dirs[i];
		else if (i + 1 == countof(dirs))
			print_message("skipped: %s\n", err_text(&e));
	}
	return found;
}

/* A file for an index; where none can be mounted, tests do with memory. */
static int index_file(void)
{
	const char *dir = disk_dir();
	int fd = dir ? on_disk(dir) : nameless("index");

	assert_true(fd >= 0);
	return fd;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static const void *map(int fd, size_t n)
{
	const void *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* Index, or -1 and why. */
static int index_tar(int tar, struct err *e)
{
	auto_erofs struct erofs *w = erofs_new(false);
	struct digest d = digest_of("a tar", 5);
	auto_fd int out = index_file();

	assert_int_equal(lseek(tar, 0, SEEK_SET), 0);
	if (erofs_read_tar(w, bytes_get_fd, &tar, e) < 0 || erofs_write(w, size_of(tar), &d, put_fd, &out, e) < 0)
		return -1;
	return take_fd(&out);
}

static void check_image(int index, int tar, const char *what, struct image_sum *sum)
{
	size_t n = size_of(index);
	const void *p = map(index, n);
	const char *why = image_check(p, n, size_of(tar), sum);

	check(!why, "%s: %s", what, why);
	munmap((void *)p, n);
}

static bool same_file(int a, int b)
{
	size_t n = size_of(a);
	const void *x, *y;
	bool same;

	if (n != size_of(b))
		return false;
	x = map(a, n);
	y = map(b, n);
	same = memcmp(x, y, n) == 0;
	munmap((void *)x, n);
	munmap((void *)y, n);
	return same;
}

static int mount_index(int index, int tar)
{
	auto_err struct err e = { 0 };
	int fd = -1;

	check(erofs_mount(index, tar, &fd, &e) == 0, "%s", err_text(&e));
	return fd;
}

/* Root, Linux 6.12, a directory on a disk: else there is nothing to look at. */
static void need_mount(void)
{
	if (!disk_dir())
		skip();
}

/* Run fsck.erofs with what it says in text: its status, or -1 if it is not installed. */
static int run_fsck(char *const argv[], char *text, size_t size)
{
	auto_fd int out = nameless("fsck");
	posix_spawn_file_actions_t actions;
	int status, r;
	ssize_t n;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, out, 2);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r == ENOENT)
		return -1;
	assert_int_equal(r, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n = pread(out, text, size - 1, 0);
	text[MAX(n, 0)] = '\0';
	return status;
}

/* Blocks of 512 bytes are known since erofs-utils 1.6. */
static bool fsck_usable(void)
{
	static enum { UNKNOWN, USABLE, NOT } state;
	char *argv[] = { (char *)"fsck.erofs", (char *)"-V", NULL };
	char text[256];
	uint64_t minor;

	if (state == UNKNOWN) {
		int r = run_fsck(argv, text, sizeof(text));
		const char *version = r < 0 ? NULL : strstr(text, " 1.");
		struct str rest = str_of(version ? version + 3 : "0");

		state = version && str_to_u64(str_sub(rest, 0, strspn(rest.p, "0123456789")), 10, &minor) && minor >= 6 ?
			USABLE : NOT;
		if (state == NOT)
			print_message("left out: fsck.erofs of erofs-utils 1.6 or later\n");
	}
	return state == USABLE;
}

/* A copy without the checksum: fsck.erofs 1.8 crashes over one of blocks below 1,024 bytes. The kernel checks it. */
static int without_checksum(int index)
{
	auto_err struct err e = { 0 };
	int fd = nameless("copy");

	check(fs_copy_data(index, fd, size_of(index), &e) == 0, "%s", err_text(&e));
	assert_int_equal(pwrite(fd, "\2", 1, 1024 + 8), 1);
	return fd;
}

static void fsck(int index, int tar, const char *what)
{
	auto_fd int copy = without_checksum(index);
	auto_free char *device = xasprintf("--device=/proc/self/fd/%d", tar);
	auto_free char *image = xasprintf("/proc/self/fd/%d", copy);
	char *argv[] = { (char *)"fsck.erofs", (char *)"-d2", (char *)"--extract", device, image, NULL };
	char text[1024];

	if (!fsck_usable())
		return;
	assert_int_equal(fcntl(copy, F_SETFD, 0) | fcntl(tar, F_SETFD, 0), 0);
	check(run_fsck(argv, text, sizeof(text)) == 0, "fsck.erofs: %s: %s", text, what);
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
	auto_fd int tar = nameless("sealed");
	struct tree_diff diff = { .dir_times = dir_times };
	auto_err struct err e = { 0 };
	struct seal_sum sum;
	struct job job;

	check(job_init(&job, NULL, &e) == 0, "%s", err_text(&e));
	check(seal_emit(&job, tree, put_fd, &tar, &sum, &e) == 0, "%s: %s", what, err_text(&e));
	job_done(&job);
	auto_fd int index = index_tar(tar, &e);
	check(index >= 0, "%s: %s", what, err_text(&e));
	auto_fd int mounted = mount_index(index, tar);
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
	check_image(index, tar, text.p, NULL);
	fsck(index, tar, text.p);
	if (lost_mark) {
		seen->unclear++;
		return;
	}
	auto_fd int mounted = mount_index(index, tar);
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

	need_mount();
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

static void test_rules(void **state UNUSED)
{
	static const struct { const char *what; const char *entries, *tree, *error; } table[] = {
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

	need_mount();
	for (size_t i = 0; i < countof(table); i++) {
		auto_fd int index = index_file(), tar = nameless("tar");
		auto_erofs struct erofs *w = erofs_new(false);
		auto_buf struct buf tree = { 0 };
		auto_err struct err e = { 0 };
		int r = add_entries(w, table[i].entries, &e);

		check((r < 0) == !table[i].tree, "%s: %s", table[i].what, err_text(&e));
		if (r < 0) {
			check(strstr(err_text(&e), table[i].error), "%s: %s", table[i].what, err_text(&e));
			continue;
		}
		assert_int_equal(ftruncate(tar, 1024), 0);
		check(erofs_write(w, 1024, NULL, put_fd, &index, &e) == 0, "%s", err_text(&e));
		check_image(index, tar, table[i].what, NULL);
		auto_fd int mounted = mount_index(index, tar);
		list_tree(mounted, "", &tree);
		check(strcmp(buf_view(&tree).p, table[i].tree) == 0, "%s: %s", table[i].what, tree.p);
	}
}

static void add(struct erofs *w, const struct tar_entry *t, uint64_t data)
{
	auto_err struct err e = { 0 };

	check(erofs_add(w, t, data, &e) == 0, "%s", err_text(&e));
}

static int written(struct erofs *w, uint64_t tar_size)
{
	auto_err struct err e = { 0 };
	int fd = index_file();

	check(erofs_write(w, tar_size, NULL, put_fd, &fd, &e) == 0, "%s", err_text(&e));
	return fd;
}

#define WIDE 100000

/* One directory of 100,000 entries that came in no order, and a path of 1,000 directories. */
static void test_wide_and_deep(void **state UNUSED)
{
	auto_erofs struct erofs *w = erofs_new(false);
	auto_fd int tar = nameless("tar");
	auto_buf struct buf deep = { 0 };
	struct image_sum sum;
	char path[64];
	struct stat st;

	need_mount();
	for (uint64_t i = 0; i < WIDE; i++) {
		uint64_t k = i * 7919 % WIDE;
		struct tar_entry t = { .path = path, .type = k % 5 ? TAR_FILE : TAR_DIR, .mode = 0600,
				       .mtime = (int64_t)k };

		snprintf(path, sizeof(path), "wide/%llx-entry", (unsigned long long)k);
		add(w, &t, 0);
	}
	for (int i = 0; i < 1000; i++)
		buf_puts(&deep, "d/");
	buf_puts(&deep, "file");
	add(w, &(struct tar_entry){ .path = deep.p, .type = TAR_FILE, .mtime = 5 }, 0);
	assert_int_equal(ftruncate(tar, 1024), 0);
	auto_fd int index = written(w, 1024);
	check_image(index, tar, "wide", &sum);
	assert_int_equal(sum.names, WIDE + 1 + 1000 + 1);
	fsck(index, tar, "wide");
	auto_fd int mounted = mount_index(index, tar);
	auto_fd int wide = openat(mounted, "wide", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_names struct names names = { 0 };
	assert_int_equal(names_read(wide, &names), 0);
	assert_int_equal(names.n, WIDE);
	assert_int_equal(fstat(wide, &st), 0);
	assert_int_equal(st.st_nlink, 2 + WIDE / 5);
	for (unsigned k = 0; k < WIDE; k += 97) {
		snprintf(path, sizeof(path), "%x-entry", k);
		check(fstatat(wide, path, &st, AT_SYMLINK_NOFOLLOW) == 0, "%s", path);
		assert_int_equal(st.st_mtim.tv_sec, k);
		snprintf(path, sizeof(path), "%x-missing", k);
		assert_int_equal(fstatat(wide, path, &st, AT_SYMLINK_NOFOLLOW), -1);
	}
	assert_int_equal(fstatat(mounted, deep.p, &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 5);
}

static void expect_at(int fd, const char *want, uint64_t at)
{
	char got[16] = "";

	assert_int_equal(pread(fd, got, strlen(want), (off_t)at), strlen(want));
	check_str(got, want);
}

/* Files beyond 4 GiB, in size and in place; the tar is mostly a hole, so nothing is read through. */
static void test_huge(void **state UNUSED)
{
	const uint64_t size = ((uint64_t)5 << 30) + 77, second = 512 + ((size + 511) & ~(uint64_t)511) + 512;
	struct tar_entry t = { .path = "huge", .type = TAR_FILE, .mode = 0644, .size = size };
	auto_erofs struct erofs *w = erofs_new(false);
	auto_fd int tar = nameless("tar");
	struct stat st;

	need_mount();
	add(w, &t, 512);
	t.path = "behind";
	t.size = 6;
	add(w, &t, second);
	assert_int_equal(ftruncate(tar, (off_t)(second + 512 + 1024)), 0);
	assert_int_equal(pwrite(tar, "first", 5, 512), 5);
	assert_int_equal(pwrite(tar, "middle", 6, 512 + ((off_t)1 << 32) - 3), 6);
	assert_int_equal(pwrite(tar, "last", 4, (off_t)(512 + size - 4)), 4);
	assert_int_equal(pwrite(tar, "behind", 6, (off_t)second), 6);
	auto_fd int index = written(w, size_of(tar));
	check_image(index, tar, "huge", NULL);
	auto_fd int mounted = mount_index(index, tar);
	auto_fd int huge = openat(mounted, "huge", O_RDONLY | O_CLOEXEC);
	auto_fd int behind = openat(mounted, "behind", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(huge, &st), 0);
	assert_true((uint64_t)st.st_size == size);
	expect_at(huge, "first", 0);
	expect_at(huge, "middle", ((uint64_t)1 << 32) - 3);
	expect_at(huge, "last", size - 4);
	expect_at(behind, "behind", 0);
}

static void test_attributes(void **state UNUSED)
{
	static char values[300][3], keys[300][16], large[65535];
	struct tar_xattr many[300], few[3] = { { STR_LIT("trusted.x"), STR_LIT("no") },
					       { STR_LIT("user.large"), { large, sizeof(large) } },
					       { STR_LIT("user.overlay.opaque"), STR_LIT("y") } };
	struct tar_entry t = { .path = "many", .type = TAR_FILE, .mode = 0644, .xattrs = many, .nxattrs = 300 };
	auto_erofs struct erofs *w = erofs_new(true);
	auto_fd int tar = nameless("tar");
	static char list[65536];
	struct image_sum sum;
	struct stat st;

	need_mount();
	memset(large, 'x', sizeof(large));
	for (size_t i = 0; i < countof(many); i++) {
		snprintf(keys[i], sizeof(keys[i]), "user.%03zu", i);
		snprintf(values[i], sizeof(values[i]), "%02zx", i % 200);
		many[i] = (struct tar_xattr){ str_of(keys[i]), str_of(values[i]) };
	}
	add(w, &t, 0);
	t.path = "few";
	t.xattrs = few;
	t.nxattrs = countof(few);
	t.mtime = -1;
	t.mtime_ns = 999999999;
	add(w, &t, 0);
	t = (struct tar_entry){ .path = "d/.wh..wh..opq", .type = TAR_FILE };
	add(w, &t, 0);
	assert_int_equal(ftruncate(tar, 1024), 0);
	auto_fd int index = written(w, 1024);
	check_image(index, tar, "attributes", &sum);
	fsck(index, tar, "attributes");
	auto_fd int mounted = mount_index(index, tar);
	auto_fd int f = openat(mounted, "few", O_RDONLY), m = openat(mounted, "many", O_RDONLY);
	auto_fd int d = openat(mounted, "d", O_RDONLY);
	assert_int_equal(flistxattr(f, list, sizeof(list)), sizeof("user.large"));
	assert_int_equal(fgetxattr(f, "user.large", list, sizeof(list)), sizeof(large));
	assert_memory_equal(list, large, sizeof(large));
	assert_int_equal(fstat(f, &st), 0);
	assert_true(st.st_mtim.tv_sec == -1 && st.st_mtim.tv_nsec == 999999999);
	assert_int_equal(flistxattr(m, list, sizeof(list)), 253 * sizeof("user.000"));
	assert_int_equal(fgetxattr(m, "user.252", list, sizeof(list)), 2);
	assert_memory_equal(list, values[252], 2);
	assert_int_equal(fgetxattr(d, "user.overlay.opaque", list, sizeof(list)), 1);
	assert_int_equal(fgetxattr(d, "trusted.overlay.opaque", list, sizeof(list)), -1);
}

static void test_refused(void **state UNUSED)
{
	struct tar_xattr cap = { STR_LIT("security.capability"), { "\0\0\0\1\0\0\0\0\0\0\0\0", 12 } };
	const struct { struct tar_entry t; uint64_t data; enum err_kind kind; } table[] = {
		{ { .path = "a", .type = TAR_FILE, .size = 1 }, 511, ERR_CORRUPT },
		{ { .path = "a", .type = TAR_FILE, .size = 1 }, EROFS_TAR_MAX, ERR_LIMIT },
		{ { .path = "a", .type = TAR_FILE, .size = UINT64_MAX }, 512, ERR_LIMIT },
		{ { .path = "a", .type = TAR_FILE, .xattrs = &cap, .nxattrs = 1 }, 0, ERR_CORRUPT },
	};
	struct tar_entry t = { .path = "a", .type = TAR_FILE, .size = 513 };
	auto_erofs struct erofs *w = erofs_new(false), *twice = erofs_new(false);
	auto_fd int out = index_file();
	auto_err struct err e = { 0 };

	for (size_t i = 0; i < countof(table); i++) {
		auto_erofs struct erofs *one = erofs_new(false);

		err_clear(&e);
		check(erofs_add(one, &table[i].t, table[i].data, &e) < 0 && e.kind == table[i].kind, "%zu: %s", i,
		      err_text(&e));
	}
	add(w, &t, 512);
	err_clear(&e);
	check(erofs_write(w, 1024, NULL, put_fd, &out, &e) < 0 && e.kind == ERR_CORRUPT, "%s", err_text(&e));
	err_clear(&e);
	check(erofs_write(twice, 1024, NULL, put_fd, &out, &e) == 0, "%s", err_text(&e));
	check(erofs_write(twice, 1024, NULL, put_fd, &out, &e) < 0 && e.kind == ERR_USAGE, "%s", err_text(&e));
}

static void test_damaged(void **state UNUSED)
{
	static const struct { off_t at; const char *bytes; } table[] = {
		{ 1024, "xxxx" }, { 1036, "\77" }, { 1060, "\377\377" }, { 1030, "\1" }, { 1200, "x" },
	};

	need_mount();
	for (size_t i = 0; i < countof(table); i++) {
		auto_erofs struct erofs *w = erofs_new(false);
		auto_fd int tar = nameless("tar"), index = written(w, 1024), fd = -1;
		auto_err struct err e = { 0 };
		size_t n = strlen(table[i].bytes);

		assert_int_equal(ftruncate(tar, 1024), 0);
		assert_int_equal(pwrite(index, table[i].bytes, n, table[i].at), n);
		check(erofs_mount(index, tar, &fd, &e) < 0 && e.kind == ERR_CORRUPT, "%zu: %s", i, err_text(&e));
	}
}

static void make_lower(int dir)
{
	static const char *const files[] = { "d/f", "o/f", "gone", "kept" };

	assert_int_equal(mkdirat(dir, "d", 0755) | mkdirat(dir, "o", 0755) | mkdirat(dir, "up", 0755) |
			 mkdirat(dir, "work", 0755), 0);
	for (size_t i = 0; i < countof(files); i++) {
		auto_err struct err e = { 0 };

		check(fs_replace(dir, files[i], files[i], strlen(files[i]), 0644, false, &e) == 0, "%s", err_text(&e));
	}
}

static struct made *add_program(struct made_tar *m, struct buf *bytes)
{
	struct made *it = made_add(m, TAR_FILE, "bin/true");
	auto_err struct err e = { 0 };

	check(fs_read(AT_FDCWD, "/bin/true", (size_t)8 << 20, bytes, &e) == 0, "%s", err_text(&e));
	it->t.mode = 0755;
	it->t.size = bytes->n;
	return it;
}

/* A tar of a whiteout, an opaque directory and a program, written and indexed entry by entry as a builder does. */
static int build_layer(int tar, int *index)
{
	auto_erofs struct erofs *w = erofs_new(false);
	auto_made struct made_tar m = { 0 };
	auto_buf struct buf bytes = { 0 };
	auto_err struct err e = { 0 };
	struct tar_writer out;

	made_add(&m, TAR_FILE, ".wh.gone");
	add_program(&m, &bytes);
	made_add(&m, TAR_FILE, "o/.wh..wh..opq");
	made_add(&m, TAR_SYMLINK, "o/new")->t.link = "../bin/true";
	tar_write_init(&out, put_fd, &tar);
	for (size_t i = 0; i < m.n; i++) {
		check(tar_write_entry(&out, &m.v[i].t, &e) == 0, "%s", err_text(&e));
		add(w, &m.v[i].t, out.size);
		if (m.v[i].t.size)
			check(tar_write_data(&out, bytes.p, bytes.n, &e) == 0, "%s", err_text(&e));
	}
	check(tar_write_end(&out, &e) == 0, "%s", err_text(&e));
	*index = written(w, out.size);
	tar_write_done(&out);
	return 0;
}

static int run(const char *path)
{
	char *argv[] = { (char *)path, NULL };
	int status;
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, path, NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The mount as overlayfs's lower directory, above a tree-form layer and below a writable one. */
static void test_overlay(void **state)
{
	struct tmp_store *t = *state;
	auto_free char *path = xasprintf("%s/overlay", t->path);
	auto_err struct err e = { 0 };
	auto_fd int index = -1, tar = nameless("tar"), merged = -1;
	struct stat st;

	need_mount();
	assert_int_equal(mkdir(path, 0755), 0);
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_lower(dir);
	build_layer(tar, &index);
	auto_fd int mounted = mount_index(index, tar);
	auto_fd int up = openat(dir, "up", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int work = openat(dir, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct overlay_spec spec = { .lowers = (int[]){ mounted, dir }, .nlowers = 2, .upper = up, .work = work,
				     .scratch = dir };
	check(overlay_mount(&spec, OVERLAY_AUTO, &merged, &e) == 0, "%s", err_text(&e));
	assert_int_equal(fstatat(merged, "kept", &st, 0) | fstatat(merged, "d/f", &st, 0), 0);
	assert_int_equal(fstatat(merged, "gone", &st, 0), -1);
	assert_int_equal(fstatat(merged, "o/f", &st, 0), -1);
	auto_free char *program = xasprintf("/proc/self/fd/%d/o/new", merged);
	assert_int_equal(run(program), 0);
	auto_fd int file = openat(merged, "bin/true", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(write(file, "x", 1), 1);
	assert_int_equal(fstatat(up, "bin/true", &st, 0), 0);
	assert_int_equal(unlinkat(merged, "o/new", 0), 0);
	assert_int_equal(close(take_fd(&file)) | close(take_fd(&merged)), 0);
}

/* A tar that ends too early never becomes an index, wherever it was cut. */
static void test_cut(void **state UNUSED)
{
	auto_made struct made_tar m;

	made_tar(&m, MADE_TIDY, 12);
	auto_fd int tar = made_file(&m);
	uint64_t size = size_of(tar);
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
		cmocka_unit_test(test_wide_and_deep),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_cut),
		cmocka_unit_test_setup_teardown(test_overlay, tmp_dir_setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("erofs", tests, NULL, NULL);
}
