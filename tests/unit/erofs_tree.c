/* SPDX-License-Identifier: Apache-2.0 */
/* Random layer tars, and comparing trees. */
#include "tests/unit/erofs_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/names.h"
#include "cache/whiteout.h"
#include "tests/unit/unit.h"

static uint64_t scramble(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
	v = (v ^ v >> 27) * 0x94d049bb133111ebu;
	return v ^ v >> 31;
}

uint64_t made_random(struct made_tar *m, uint64_t below)
{
	m->random += 0x9e3779b97f4a7c15u;
	return scramble(m->random) % below;
}

void made_bytes(uint64_t seed, uint64_t at, void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)(scramble(seed + ((at + i) >> 3)) >> 8 * ((at + i) & 7));
}

struct made *made_add(struct made_tar *m, enum tar_type type, const char *path)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 64;
		m->v = xrealloc(m->v, m->cap * sizeof(*m->v));
	}
	m->v[m->n] = (struct made){ .t = { .type = type, .mode = 0644, .path = arena_strdup(&m->arena, path) } };
	return &m->v[m->n++];
}

void made_done(struct made_tar *m)
{
	free(m->v);
	arena_done(&m->arena);
}

/* Bytes other than NUL and slash. */
static void random_name(struct made_tar *m, struct buf *b)
{
	size_t n = made_random(m, 20) == 0 ? 1 + made_random(m, 255) : 1 + made_random(m, 12), start = b->n;

	for (size_t i = 0; i < n; i++) {
		char c = (char)made_random(m, 256);

		buf_putc(b, made_random(m, 3) ? (char)('a' + (unsigned char)c % 26) : c == '/' || !c ? '!' : c);
	}
	if (b->p[start] == '.')
		b->p[start] = made_random(m, 2) ? ' ' : '~';
}

static void random_times(struct made_tar *m, struct tar_entry *t)
{
	static const int64_t odd[] = { 0, 1, -1, -2147483649, 4294967296, 1ll << 40, 253402300800 };

	t->mtime = 1700000000;		/* most are equal, as in a build */
	if (made_random(m, 3) == 0)
		t->mtime = made_random(m, 3) ? (int64_t)made_random(m, 2000000000) : odd[made_random(m, countof(odd))];
}

static void random_owner(struct made_tar *m, struct tar_entry *t)
{
	static const uint32_t odd[] = { 1, 1000, 65534, 65535, 65536, 2097151, 2097152, UINT32_MAX - 1 };

	if (made_random(m, 3) == 0)
		t->uid = odd[made_random(m, countof(odd))];
	if (made_random(m, 3) == 0)
		t->gid = odd[made_random(m, countof(odd))];
	if (made_random(m, 3) == 0)
		t->mode = (mode_t)made_random(m, 010000);
	/* With fs.protected_symlinks the host would not follow others' links in such a directory. */
	if (t->mode & 02)
		t->mode &= ~(mode_t)01000;
}

static const char capability[24] = "\1\0\0\2\0\4\0\0\0\4\0\0";	/* revision 2, the rest of 3 is zeros */

static void random_xattrs(struct made_tar *m, struct tar_entry *t)
{
	static const char *const keys[] = { "security.capability", "user.a", "user.mime_type", "user.z", "user.\xff" };
	struct tar_xattr *v = arena_array(&m->arena, struct tar_xattr, countof(keys));
	size_t n = 0;

	if (made_random(m, 4))
		return;
	for (size_t i = 0; i < countof(keys); i++) {
		size_t size = made_random(m, 10) ? made_random(m, 40) : made_random(m, 3000);
		char *value = arena_alloc(&m->arena, size + 1);

		if (made_random(m, 2) || (i == 0 && t->type != TAR_FILE))
			continue;
		made_bytes(made_random(m, 5), 0, value, size);
		v[n++] = i ? (struct tar_xattr){ str_of(keys[i]), { value, size } } :
			(struct tar_xattr){ str_of(keys[i]), { capability, 20 } };
	}
	t->xattrs = v;
	t->nxattrs = n;
}

static void random_size(struct made_tar *m, struct made *it)
{
	static const uint64_t even[] = { 0, 0, 1, 511, 512, 513, 1024, 4095, 4096, 4097, 8192 };

	it->seed = made_random(m, 1u << 30);
	it->t.size = made_random(m, 3) ? made_random(m, 6000) : even[made_random(m, countof(even))];
	if (made_random(m, 60) == 0)
		it->t.size = made_random(m, 1u << 20);
}

static const char *random_target(struct made_tar *m)
{
	auto_buf struct buf b = { 0 };
	size_t n = made_random(m, 8) ? 1 + made_random(m, 60) : 1 + made_random(m, 4095);

	while (b.n < n)
		buf_putc(&b, made_random(m, 6) ? (char)('a' + made_random(m, 26)) : (char)(1 + made_random(m, 255)));
	return arena_strdup(&m->arena, b.p);
}

/* Everything but the name of an entry that is neither a directory nor a hard link. */
static void random_leaf(struct made_tar *m, struct made *it)
{
	switch (made_random(m, 12)) {
	case 0: case 1:
		it->t.type = TAR_SYMLINK;
		it->t.link = random_target(m);
		break;
	case 2:
		it->t.type = made_random(m, 2) ? TAR_CHAR : TAR_BLOCKDEV;
		it->t.major = 1 + (uint32_t)made_random(m, 0xfff);
		it->t.minor = (uint32_t)made_random(m, 0x100000);
		break;
	case 3:
		it->t.type = TAR_FIFO;
		break;
	default:
		random_size(m, it);
	}
}

static void random_rest(struct made_tar *m, struct made *it)
{
	if (it->t.type == TAR_LINK)
		return;
	random_times(m, &it->t);
	random_owner(m, &it->t);
	if (it->t.type == TAR_FILE || it->t.type == TAR_DIR)
		random_xattrs(m, &it->t);
}

static void swap(struct made_tar *m, size_t i, size_t k)
{
	struct made it = m->v[i];

	m->v[i] = m->v[k];
	m->v[k] = it;
}

/* Any order, but most hard links behind their targets. */
static void shuffle(struct made_tar *m)
{
	size_t end = m->n;

	for (size_t i = m->n; i > 1; i--)
		swap(m, i - 1, made_random(m, i));
	for (size_t i = m->n; i-- > 0; )
		if (m->v[i].t.type == TAR_LINK && made_random(m, 50))
			swap(m, i, --end);
}

/* Some directories, at times deep, at times wide. */
static void make_tidy(struct made_tar *m, bool shuffled)
{
	size_t count = 1 + made_random(m, 60), ndirs = 1;
	const char *dirs[64] = { "" };
	struct made *it = made_add(m, TAR_DIR, ".");

	it->t.mode = 0755;
	random_times(m, &it->t);
	for (size_t i = 0; i < count; i++) {
		const char *dir = dirs[made_random(m, 3) ? ndirs - 1 : made_random(m, ndirs)];
		auto_buf struct buf path = { 0 };
		bool is_dir = made_random(m, 4) == 0 && ndirs < countof(dirs);

		buf_puts(&path, dir);
		random_name(m, &path);
		if (path.n > 2000)
			continue;
		it = made_add(m, is_dir ? TAR_DIR : TAR_FILE, path.p);
		if (is_dir) {
			it->t.mode = 0755;
			dirs[ndirs++] = arena_printf(&m->arena, "%s/", path.p);
		} else if (made_random(m, 8) == 0 && i > 0 && m->v[m->n - 2].t.type != TAR_DIR) {
			it->t.type = TAR_LINK;
			it->t.link = m->v[m->n - 2].t.path;
		} else {
			random_leaf(m, it);
		}
		random_rest(m, it);
	}
	if (shuffled)
		shuffle(m);
}

static const char *few_names(struct made_tar *m, bool may_wh)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "l", "m" };
	static const char *const wh[] = { ".wh.a", ".wh.b", ".wh.d", ".wh.l", ".wh..wh..opq", ".wh..wh.plnk", ".wh.x" };

	if (may_wh && made_random(m, 5) == 0)
		return wh[made_random(m, countof(wh))];
	return names[made_random(m, countof(names))];
}

static const char *few_path(struct made_tar *m, bool may_wh)
{
	auto_buf struct buf b = { 0 };
	size_t depth = made_random(m, 4);

	for (size_t i = 0; i < depth; i++)
		buf_printf(&b, "%s/", few_names(m, false));
	buf_puts(&b, few_names(m, may_wh));
	return arena_strdup(&m->arena, b.p);
}

static void make_hostile(struct made_tar *m)
{
	static const char *const targets[] = { "a", "b", "../b", "/d", "/d/a", "..", "/", ".", "l", "m", "/l/../c",
					       "a/b/../../c/", "missing", "/../../etc", "d/e" };
	size_t count = 2 + made_random(m, 14);

	for (size_t i = 0; i < count; i++) {
		struct made *it = made_add(m, TAR_FILE, few_path(m, true));

		switch (strstr(it->t.path, ".wh.") && made_random(m, 20) ? 9 : made_random(m, 8)) {
		case 0: case 1:
			it->t.type = TAR_DIR;
			it->t.mode = 0755;
			break;
		case 2: case 3:
			it->t.type = TAR_SYMLINK;
			it->t.link = targets[made_random(m, countof(targets))];
			break;
		case 4:
			it->t.type = TAR_LINK;
			it->t.link = few_path(m, false);
			break;
		case 9:
			continue;
		default:
			random_leaf(m, it);
		}
		random_rest(m, it);
	}
}

void made_tar(struct made_tar *m, enum made_kind kind, uint64_t seed)
{
	*m = (struct made_tar){ .random = scramble(seed + 1) };
	if (kind == MADE_HOSTILE)
		make_hostile(m);
	else
		make_tidy(m, kind == MADE_LOOSE);
}

static int put_fd(void *arg, const void *p, size_t n, struct err *e)
{
	return fs_write_all(*(int *)arg, p, n, e);
}

static void write_data(struct tar_writer *w, const struct made *it)
{
	auto_err struct err e = { 0 };
	char chunk[4096];

	for (uint64_t at = 0; it->t.type == TAR_FILE && at < it->t.size; at += sizeof(chunk)) {
		size_t n = (size_t)MIN(it->t.size - at, (uint64_t)sizeof(chunk));

		made_bytes(it->seed, at, chunk, n);
		check(tar_write_data(w, chunk, n, &e) == 0, "%s", err_text(&e));
	}
}

int made_file(const struct made_tar *m)
{
	auto_err struct err e = { 0 };
	int fd = memfd_create("tar", MFD_CLOEXEC);
	struct tar_writer w;

	assert_true(fd >= 0);
	tar_write_init(&w, put_fd, &fd);
	for (size_t i = 0; i < m->n; i++) {
		check(tar_write_entry(&w, &m->v[i].t, &e) == 0, "%s", err_text(&e));
		write_data(&w, &m->v[i]);
	}
	check(tar_write_end(&w, &e) == 0, "%s", err_text(&e));
	tar_write_done(&w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

struct compare {
	struct tree_diff *d;
	struct buf path;
	struct inodes *seen[2];
};

static bool differ(struct compare *c, const char *what, const char *a, const char *b)
{
	snprintf(c->d->text, sizeof(c->d->text), "%.*s: %s: %.100s != %.100s", (int)c->path.n,
		 c->path.p ? c->path.p : "", what, a, b);
	return false;
}

static bool same_num(struct compare *c, const char *what, int64_t a, int64_t b)
{
	char x[32], y[32];

	if (a == b)
		return true;
	snprintf(x, sizeof(x), "%lld", (long long)a);
	snprintf(y, sizeof(y), "%lld", (long long)b);
	return differ(c, what, x, y);
}

static bool same_stat(struct compare *c, const struct stat *a, const struct stat *b)
{
	bool root = c->path.n == 0;
	const char *first[2];

	if (!same_num(c, "mode", a->st_mode, b->st_mode))
		return false;
	if (whiteout_is(a) && whiteout_is(b))
		return true;
	if (!same_num(c, "uid", a->st_uid, b->st_uid) || !same_num(c, "gid", a->st_gid, b->st_gid) ||
	    !same_num(c, "nlink", (int64_t)a->st_nlink, (int64_t)b->st_nlink) ||
	    !same_num(c, "rdev", (int64_t)a->st_rdev, (int64_t)b->st_rdev))
		return false;
	if (!S_ISDIR(a->st_mode) && !same_num(c, "size", a->st_size, b->st_size))
		return false;
	if ((root ? c->d->root_time : c->d->dir_times || !S_ISDIR(a->st_mode)) &&
	    (!same_num(c, "mtime", a->st_mtim.tv_sec, b->st_mtim.tv_sec) ||
	     !same_num(c, "mtime ns", a->st_mtim.tv_nsec, b->st_mtim.tv_nsec)))
		return false;
	if (S_ISDIR(a->st_mode) || a->st_nlink < 2)
		return true;
	first[0] = inodes_see(c->seen[0], a, c->path.p);
	first[1] = inodes_see(c->seen[1], b, c->path.p);
	if (strcmp(first[0] ? first[0] : "", first[1] ? first[1] : "") != 0)
		return differ(c, "hard link", first[0] ? first[0] : "new", first[1] ? first[1] : "new");
	return true;
}

static int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_xattrs(const struct compare *c, const char *path, struct strv *ret)
{
	static char list[65536];
	ssize_t n = llistxattr(path, list, sizeof(list));

	assert_true(n >= 0 || errno == ENOTSUP);
	for (char *p = list; n > 0 && p < list + n; p += strlen(p) + 1) {
		bool user = strncmp(p, "user.", 5) == 0, mark = strstr(p, "overlay.opaque") != NULL;

		if ((!mark && user && !c->d->user_xattrs) || (mark && !c->d->opaque))
			continue;
		strv_add(ret, p);
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), text_order);
}

static bool same_xattrs(struct compare *c, const char *a, const char *b)
{
	auto_strv struct strv x = { 0 }, y = { 0 };

	list_xattrs(c, a, &x);
	list_xattrs(c, b, &y);
	if (!same_num(c, "attributes", (int64_t)x.n, (int64_t)y.n))
		return false;
	for (size_t i = 0; i < x.n; i++) {
		static char v[2][65536];
		ssize_t n = lgetxattr(a, x.v[i], v[0], sizeof(v[0])), k = lgetxattr(b, x.v[i], v[1], sizeof(v[1]));

		if (strcmp(x.v[i], y.v[i]) != 0)
			return differ(c, "attribute", x.v[i], y.v[i]);
		if (n < 0 || n != k || memcmp(v[0], v[1], (size_t)n) != 0)
			return differ(c, "value of", x.v[i], n < 0 ? strerror(errno) : "another");
	}
	return true;
}

static bool same_bytes(struct compare *c, const char *a, const char *b)
{
	auto_fd int x = open(a, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), y = open(b, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char buf[2][16384];
	ssize_t n, k;

	if (x < 0 || y < 0)
		return differ(c, "open", x < 0 ? strerror(errno) : "", y < 0 ? strerror(errno) : "");
	do {
		n = read(x, buf[0], sizeof(buf[0]));
		k = read(y, buf[1], sizeof(buf[1]));
		if (n < 0 || n != k || memcmp(buf[0], buf[1], (size_t)n) != 0)
			return differ(c, "contents", n < 0 || k < 0 ? strerror(errno) : "", "");
	} while (n > 0);
	return true;
}

static bool same_link(struct compare *c, const char *a, const char *b)
{
	char x[TAR_PATH_MAX + 1], y[TAR_PATH_MAX + 1];
	ssize_t n = readlink(a, x, TAR_PATH_MAX), k = readlink(b, y, TAR_PATH_MAX);

	if (n < 0 || k < 0)
		return differ(c, "readlink", strerror(errno), "");
	x[n] = y[k] = '\0';
	return strcmp(x, y) == 0 || differ(c, "target", x, y);
}

static bool same_dir(struct compare *c, int a, int b);

static bool same_entry(struct compare *c, int a, int b, const char *name)
{
	auto_free char *x = xasprintf("/proc/self/fd/%d/%s", a, name), *y = xasprintf("/proc/self/fd/%d/%s", b, name);
	struct stat s, t;

	if (lstat(x, &s) < 0 || lstat(y, &t) < 0)
		return differ(c, "stat", strerror(errno), "");
	if (!same_stat(c, &s, &t) || !same_xattrs(c, x, y))
		return false;
	if (S_ISREG(s.st_mode))
		return same_bytes(c, x, y);
	if (S_ISLNK(s.st_mode))
		return same_link(c, x, y);
	if (S_ISDIR(s.st_mode)) {
		auto_fd int i = openat(a, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		auto_fd int k = openat(b, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

		return same_dir(c, i, k);
	}
	return true;
}

static bool same_dir(struct compare *c, int a, int b)
{
	auto_fd int x = openat(a, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int y = openat(b, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_names struct names n = { 0 }, k = { 0 };
	size_t len = c->path.n;

	if (x < 0 || y < 0 || names_read(x, &n) < 0 || names_read(y, &k) < 0)
		return differ(c, "list", strerror(errno), "");
	for (size_t i = 0; i < n.n || i < k.n; i++) {
		bool same;

		if (i >= n.n || i >= k.n || strcmp(n.v[i].s, k.v[i].s) != 0)
			return differ(c, "name", i < n.n ? n.v[i].s : "none", i < k.n ? k.v[i].s : "none");
		buf_printf(&c->path, "/%s", n.v[i].s);
		same = same_entry(c, x, y, n.v[i].s);
		if (!same)
			return false;
		c->path.n = len;
	}
	return true;
}

bool tree_same(int a, int b, struct tree_diff *d)
{
	struct compare c = { .d = d, .seen = { inodes_new(), inodes_new() } };
	bool same;

	d->text[0] = '\0';
	same = same_entry(&c, a, b, ".");
	inodes_free(c.seen[0]);
	inodes_free(c.seen[1]);
	buf_done(&c.path);
	return same;
}
