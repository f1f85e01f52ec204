/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and unpacking tars: each hostile archive beside its benign twin; random trees there and back. */
#include "cache/tar.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/archive.h"
#include "cache/layer_dir.h"
#include "cache/lease.h"
#include "cache/snapshot.h"
#include "cache/tar_header.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/tmp_tree.h"
#include "tests/unit/unit.h"

/* ---- making tars ---- */

static void sum(struct tar_header *h)
{
	unsigned s = 0;

	memset(h->chksum, ' ', sizeof(h->chksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		s += ((unsigned char *)h)[i];
	snprintf(h->chksum, sizeof(h->chksum), "%06o", s);
}

static struct tar_header header(char type, const char *name, const char *link, size_t size)
{
	struct tar_header h = { .type = type, .mode = "0000644", .uid = "0000000", .gid = "0000000",
				.mtime = "14524733400", .magic = "ustar\0" "0", .major = "0000000", .minor = "0000000" };

	memcpy(h.magic, "ustar\0" "00", 8);
	memcpy(h.name, name, MIN(strlen(name), sizeof(h.name)));
	if (link)
		memcpy(h.linkname, link, MIN(strlen(link), sizeof(h.linkname)));
	snprintf(h.size, sizeof(h.size), "%011zo", size);
	if (type == '5')
		memcpy(h.mode, "0000755", 8);
	sum(&h);
	return h;
}

static void pad(struct buf *b)
{
	static const char zeros[TAR_BLOCK];

	if (b->n % TAR_BLOCK)
		buf_add(b, zeros, TAR_BLOCK - b->n % TAR_BLOCK);
}

static void put(struct buf *b, char type, const char *name, const char *link, struct str data)
{
	struct tar_header h = header(type, name, link, data.n);

	buf_add(b, &h, sizeof(h));
	buf_str(b, data);
	pad(b);
}

static void finish(struct buf *b)
{
	static const char zeros[2 * TAR_BLOCK];

	buf_add(b, zeros, sizeof(zeros));
}

/*
 * A tar from text: entries separated by blanks, "TYPE:NAME", "2:NAME>TARGET", "0:NAME@DATA"; type x, g, L, K take their
 * DATA with "\n" for a newline and %n% for the length that a pax record counts itself with.
 */
static void tar_of(const char *text, struct buf *ret)
{
	for (struct str rest = str_of(text); rest.p; ) {
		struct str word = str_cut(&rest, ' ');
		auto_free char *w = str_dup(word);
		auto_buf struct buf data = { 0 };
		char *name = w + 2, *at = strpbrk(name, ">@"), kind = at ? *at : 0;

		if (word.n < 2)
			continue;
		if (at)
			*at++ = '\0';
		for (char *c = kind == '@' ? at : NULL; c && *c; c++)
			if (c[0] == '\\' && c[1] == 'n')
				buf_putc(&data, '\n'), c++;
			else if (c[0] == '_')
				buf_putc(&data, ' ');
			else
				buf_putc(&data, *c);
		put(ret, w[0], name, kind == '>' ? at : NULL, buf_view(&data));
	}
	finish(ret);
}

struct mem {
	struct str left;
	size_t chunk;
};

static ssize_t get_mem(void *arg, void *p, size_t n, struct err *e UNUSED)
{
	struct mem *m = arg;

	n = MIN(MIN(n, m->left.n), m->chunk ? m->chunk : n);
	memcpy(p, m->left.p, n);
	m->left = str_sub(m->left, n, m->left.n);
	return (ssize_t)n;
}

static int put_buf(void *arg, const void *p, size_t n, struct err *e UNUSED)
{
	buf_add(arg, p, n);
	return 0;
}

/* Read all entries; names (with types) into ret. */
static int read_all(struct str tar, size_t chunk, struct buf *ret, struct err *e)
{
	struct mem m = { tar, chunk };
	struct tar_reader *r = tar_read_new(get_mem, &m, NULL, NULL);
	struct tar_entry t;
	int got;

	while ((got = tar_next(r, &t, e)) > 0) {
		const void *p;
		size_t n, size = 0;

		buf_printf(ret, "%s%c:%s", ret->n ? " " : "", t.type, t.path);
		if (t.link)
			buf_printf(ret, ">%s", t.link);
		while (tar_data(r, &p, &n, e) == 0 && n)
			size += n;
		if (size != t.size)
			break;
		if (size)
			buf_printf(ret, "+%zu", size);
	}
	tar_read_free(r);
	return got;
}

static void test_read(void **state UNUSED)
{
	static const struct { const char *tar, *want; } good[] = {
		{ "5:a/ 0:a/b@xyz 2:a/l>../../x 1:a/h>./a/b", "5:a 0:a/b+3 2:a/l>../../x 1:a/h>a/b" },
		{ "0:/abs 0:./dot 0:a//b/./c 0:a/../d", "0:abs 0:dot 0:a/b/c 0:d" },
		{ "5:./ 5:x/", "5:. 5:x" },
		{ "5:. 6:p", "5:. 6:p" },
		{ "x:p@15_path=longer\\n 0:short@12", "0:longer+2" },
		{ "x:p@12_comment=\\n 0:a", "0:a" },
		{ "g:p@15_comment=git\\n 0:a", "0:a" },
		{ "x:p@8_path=\\n 0:a", "0:a" },			/* an empty value takes nothing away */
		{ "L:@long/name 0:x@1", "0:long/name+1" },
		{ "K:@long/target 2:x>y", "2:x>long/target" },
		{ "x:p@9_size=3\\n 0:a@123", "0:a+3" },
		{ "7:contiguous@1 0:b", "0:contiguous+1 0:b" },
		{ "0:olddir/", "5:olddir" },
	};
	static const struct { const char *tar; enum err_kind kind; } bad[] = {
		{ "0:../x", ERR_CORRUPT }, { "0:a/../../x", ERR_CORRUPT }, { "1:a>../x", ERR_CORRUPT },
		{ "x:p@15_path=longe\\n 0:x", ERR_CORRUPT }, { "x:p@14_path=longer\\n 0:x", ERR_CORRUPT },
		{ "x:p@015_path=onger\\n 0:x", ERR_CORRUPT }, { "x:p@99999999999_path=x\\n 0:x", ERR_CORRUPT },
		{ "x:p@5_=x\\n 0:x", ERR_CORRUPT }, { "x:p@junk 0:x", ERR_CORRUPT },
		{ "x:p@9_size=4\\n 0:a@123", ERR_CORRUPT },	/* which size? never guess */
		{ "x:p@11_size=-1\\n 0:a", ERR_CORRUPT },
		{ "x:p@22_GNU.sparse.major=1\\n 0:a", ERR_CORRUPT }, { "S:sparse", ERR_CORRUPT },
		{ "g:p@9_path=x\\n 0:a", ERR_CORRUPT }, { "x:p@9_path=x\\n", ERR_CORRUPT },
		{ "x:p@9_path=x\\n x:p@9_path=y\\n 0:a", ERR_CORRUPT },
		{ "L:@a x:p@9_path=x\\n 0:a", ERR_CORRUPT }, { "L:@a L:@b 0:a", ERR_CORRUPT },
		{ "2:l", ERR_CORRUPT }, { "V:label", ERR_CORRUPT }, { "5:d@data", ERR_CORRUPT }, { "2:l@data", ERR_CORRUPT },
		{ "x:p@18_uid=4294967296\\n 0:a", ERR_CORRUPT }, { "x:p@9_uid=a1\\n 0:a", ERR_CORRUPT },
	};

	for (size_t i = 0; i < countof(good); i++)
		for (size_t chunk = 0; chunk < 1000; chunk = chunk * 3 + 7) {
			auto_buf struct buf tar = { 0 }, got = { 0 };
			auto_err struct err e = { 0 };

			tar_of(good[i].tar, &tar);
			check(read_all(buf_view(&tar), chunk, &got, &e) == 0, "%s: %s", good[i].tar, err_text(&e));
			check_str(got.p, good[i].want);
		}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_buf struct buf tar = { 0 }, got = { 0 };
		auto_err struct err e = { 0 };

		tar_of(bad[i].tar, &tar);
		check(read_all(buf_view(&tar), 0, &got, &e) < 0 && e.kind == bad[i].kind, "%s: %s", bad[i].tar,
		      err_text(&e));
	}
}

/* Every cut of an archive is an error or a clean end, every flipped header byte too; never a crash, never a hang. */
static void test_damaged(void **state UNUSED)
{
	auto_buf struct buf tar = { 0 };

	tar_of("5:a/ x:p@15_path=longer\\n 0:a/b@xyz 2:a/l>../../x 1:a/h>./a/b", &tar);
	for (size_t cut = 1; cut < tar.n - 2 * TAR_BLOCK; cut += 37) {
		auto_buf struct buf got = { 0 };
		auto_err struct err e = { 0 };
		int r = read_all(str_sub(buf_view(&tar), 0, cut), 0, &got, &e);

		check(r < 0 || cut % TAR_BLOCK == 0, "cut at %zu", cut);
	}
	for (size_t at = 0; at < tar.n; at += 5) {
		auto_buf struct buf got = { 0 };
		auto_err struct err e = { 0 };

		tar.p[at] ^= 0x41;
		check(read_all(buf_view(&tar), 0, &got, &e) <= 0, "flipped %zu", at);
		tar.p[at] ^= 0x41;
	}
}

static void test_limits(void **state UNUSED)
{
	static const struct { char type; size_t size; } rows[] = {
		{ 'x', TAR_EXT_MAX + 1 }, { 'L', TAR_EXT_MAX + 1 }, { 'K', (size_t)8 << 30 }, { 'L', TAR_PATH_MAX + 1 },
	};
	auto_buf struct buf deep = { 0 }, tar = { 0 };

	for (size_t i = 0; i < countof(rows); i++) {
		struct tar_header h = header(rows[i].type, "x", NULL, rows[i].size);
		auto_buf struct buf b = { 0 }, got = { 0 };
		auto_err struct err e = { 0 };

		buf_add(&b, &h, sizeof(h));
		for (size_t k = 0; k < MIN(rows[i].size, (size_t)8192); k++)
			buf_putc(&b, 'a');
		pad(&b);
		put(&b, '0', "f", NULL, STR_LIT(""));
		finish(&b);
		check(read_all(buf_view(&b), 0, &got, &e) < 0 && e.kind == ERR_LIMIT, "row %zu: %s", i, err_text(&e));
	}
	for (int i = 0; i < TAR_DEPTH_MAX + 1; i++)
		buf_puts(&deep, "a/");
	put(&tar, 'L', "x", NULL, buf_view(&deep));
	put(&tar, '0', "f", NULL, STR_LIT(""));
	finish(&tar);
	{
		auto_buf struct buf got = { 0 };
		auto_err struct err e = { 0 };

		check(read_all(buf_view(&tar), 0, &got, &e) < 0 && e.kind == ERR_LIMIT, "too deep");
	}
}

/* Numbers in base 256, blanks around octal digits. */
static void test_numbers(void **state UNUSED)
{
	struct tar_header h = header('0', "f", NULL, 0);
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	struct mem m;
	struct tar_reader *r;
	struct tar_entry t;

	memcpy(h.uid, "\x80\0\0\0\0\x2d\xc6\xc0", 8);		/* 3000000 */
	memcpy(h.gid, "   7 \0\0\0", 8);
	memcpy(h.mtime, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
	sum(&h);
	buf_add(&b, &h, sizeof(h));
	finish(&b);
	m = (struct mem){ buf_view(&b), 0 };
	r = tar_read_new(get_mem, &m, NULL, NULL);
	check(tar_next(r, &t, &e) == 1, "%s", err_text(&e));
	assert_int_equal(t.uid, 3000000);
	assert_int_equal(t.gid, 7);
	assert_int_equal(t.mtime, -2);
	tar_read_free(r);
}

/* ---- unpacking ---- */

struct fixture {
	struct tmp_store *t;
	struct job job;
	struct lease *lease;
	struct err e;
};

static void setup(struct fixture *f, void **state)
{
	*f = (struct fixture){ .t = *state };
	check(job_init(&f->job, NULL, &f->e) == 0 && lease_new(f->t->s, &f->lease, &f->e) == 0, "%s", err_text(&f->e));
}

static void teardown(struct fixture *f)
{
	lease_free(f->lease);
	job_done(&f->job);
	err_clear(&f->e);
}

static int unpack(struct fixture *f, struct str tar, struct layer **ret)
{
	struct mem m = { tar, 0 };

	return layer_unpack(&f->job, f->t->s, f->lease, get_mem, &m, ret, &f->e);
}

/* The layer's bytes come back as they were. */
static void check_same(struct fixture *f, struct layer *l, struct str tar, const char *what)
{
	auto_buf struct buf back = { 0 };
	struct digest want = digest_of(tar.p, tar.n);

	check(digest_eq(&want, layer_diff_id(l)), "%s: diff ID", what);
	check(layer_publish(f->t->s, &l, 1, &f->e) == 0, "%s: %s", what, err_text(&f->e));
	check(layer_read(&f->job, f->t->s, &want, put_buf, &back, &f->e) == 0, "%s: %s", what, err_text(&f->e));
	check(str_eq(buf_view(&back), tar), "%s: bytes", what);
}

/* tar, the tree that comes of it, or NULL where it must be refused (then nothing may appear outside). */
static void test_unpack(void **state)
{
	static const struct { const char *tar, *want; } rows[] = {
		/* CVE-2021-29136: the root may only be a directory */
		{ "2:.>/etc", NULL }, { "1:.>a", NULL }, { "0:.@x", NULL }, { "5:.", "" },
		/* links that lead out: kept as they are, resolved inside */
		{ "2:l>/ 0:l/f@x", "f=644@x l>/" }, { "2:l>../../.. 0:l/f@x", "f=644@x l>../../.." },
		{ "2:a>b 5:b/ 0:a/f@x", "a>b b/=755 b/f=644@x" },
		{ "2:a>b 2:b>a 0:a/f@x", NULL }, { "2:a>nowhere 0:a/f@x", NULL },
		/* a link is never written through: the entry replaces it */
		{ "2:l>t 0:t@old 0:l@new", "l=644@new t=644@old" },
		/* CVE-2021-32760: metadata of a link's name doesn't reach its target */
		{ "0:t@x 2:l>t 5:l/", "l/=755 t=644@x" },
		/* hard links: inside only, to files only; one to a link is a link */
		{ "1:h>outside", NULL }, { "5:d/ 1:h>d", NULL }, { "1:h>h", NULL },
		{ "0:a@x 1:b>a 1:c>b", "a=644@x b~a c~a" }, { "2:l>/etc/passwd 1:h>l", "h>/etc/passwd l~h" },
		{ "2:l>/ 0:f@x 1:h>l/f", "f=644@x h~f l>/" },
		/* entries over entries: directories merge, else the later one wins */
		{ "0:a@1 0:a@2", "a=644@2" }, { "5:d/ 0:d/x@1 0:d@file", "d=644@file" },
		{ "0:d@file 5:d/ 0:d/x@1", "d/=755 d/x=644@1" }, { "5:d/ 0:d/x@1 5:d/", "d/=755 d/x=644@1" },
		{ "0:a@1 1:b>a 0:a@2", "a=644@2 b=644@1" },
		{ "5:d/ 0:d/x@1 0:d/y@2 0:d@f 5:d/ 0:d/x@3", "d/=755 d/x=644@3" },
		{ "0:a@x 0:a/b@y", NULL },
		/* parents that no entry made */
		{ "0:x/y/z@1", "x/=755 x/y/=755 x/y/z=644@1" },
		/* whiteouts */
		{ "0:.wh.", NULL }, { "0:a/.wh..", NULL }, { "0:.wh...", NULL }, { "5:.wh.d/", NULL },
		{ "0:.wh.gone", "gone%0:0" }, { "0:a@x 0:.wh.a", "a=644@x" }, { "0:.wh.a 0:a@x", "a=644@x" },
		{ "0:.wh..wh.plnk@x 0:a@y", "a=644@y" },
		{ "2:l>/etc 0:l/.wh.passwd", NULL }, { "2:l>d 5:d/ 0:l/.wh.x", "d/=755 d/x%0:0 l>d" },
		{ "3:dev", NULL },	/* 0:0: overlayfs would take it for a deletion */
		{ "5:d/ 0:d/.wh..wh..opq 0:d/.wh.x 0:d/y@1", "d/=755 d/y=644@1" },
		/* an opaque directory that a later entry replaces: what is there then is not tidied as it would be */
		{ "5:d/ 0:d/.wh..wh..opq 2:d>d", "d>d" }, { "5:d/ 0:d/.wh..wh..opq 0:d@f", "d=644@f" },
		{ "5:e/ 0:e/.wh.x 5:d/ 0:d/.wh..wh..opq 2:d>e", "d>e e/=755 e/x%0:0" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf tar = { 0 };
		struct layer *l = NULL;
		struct fixture f;
		int r;

		setup(&f, state);
		tar_of(rows[i].tar, &tar);
		r = unpack(&f, buf_view(&tar), &l);
		if (rows[i].want) {
			check(r == 0, "%s: %s", rows[i].tar, err_text(&f.e));
			check_tree(layer_fd(l), rows[i].want);
			check_same(&f, l, buf_view(&tar), rows[i].tar);
			layer_unref(l);
		} else {
			check(r < 0 && f.e.kind == ERR_CORRUPT, "%s: %s", rows[i].tar, err_text(&f.e));
		}
		check(!tmp_exists(f.t, "f") && access("/passwd", F_OK) < 0, "%s: outside", rows[i].tar);
		teardown(&f);
	}
}

/* What whiteouts and opaque directories do to the layers below. */
static void test_unpacked_above(void **state)
{
	static const struct { const char *tar, *seen; } rows[] = {
		{ "0:.wh.d", "f=644@1" },
		{ "0:d/.wh.x", "d/=755 d/s/=755 d/s/z=644@3 d/y=644@2 f=644@1" },
		{ "5:d/ 0:d/.wh..wh..opq 0:d/new@n", "d/=755 d/new=644@n f=644@1" },
		{ "5:d/ 0:d/new@n 0:d/.wh..wh..opq", "d/=755 d/new=644@n f=644@1" },
		{ "0:.wh.d 5:d/ 0:d/new@n", "d/=755 d/new=644@n f=644@1" },
		{ "5:d/ 0:d/new@n 0:.wh.d", "d/=755 d/new=644@n f=644@1" },
		{ "0:.wh.d 0:d/new@n", "d/=755 d/new=644@n f=644@1" },
		{ "5:d/ 5:d/s/ 0:d/s/.wh.z 0:d/.wh..wh..opq", "d/=755 d/s/=755 f=644@1" },
		{ "0:f@2", "d/=755 d/s/=755 d/s/z=644@3 d/x=644@1 d/y=644@2 f=644@2" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf below = { 0 }, tar = { 0 };
		struct layer *l[2];
		struct snapshot *s;
		struct fixture f;

		setup(&f, state);
		tar_of("5:d/ 0:d/x@1 0:d/y@2 5:d/s/ 0:d/s/z@3 0:f@1", &below);
		tar_of(rows[i].tar, &tar);
		check(unpack(&f, buf_view(&below), &l[0]) == 0 && unpack(&f, buf_view(&tar), &l[1]) == 0 &&
		      snapshot_open(f.t->s, f.lease, l, 2, false, &s, &f.e) == 0, "%s: %s", rows[i].tar, err_text(&f.e));
		check_tree(snapshot_fd(s), rows[i].seen);
		snapshot_free(s);
		layer_unref(l[0]);
		layer_unref(l[1]);
		teardown(&f);
	}
}

/* Overlayfs's own marks from an archive would change what a mount shows. */
static void test_xattrs(void **state)
{
	static const char *const hostile[] = { "trusted.overlay.opaque", "user.overlay.opaque", "trusted.overlay.redirect",
					       "user.overlay.redirect", "security.selinux" };
	struct fixture f;
	char got[16];

	setup(&f, state);
	for (size_t i = 0; i < countof(hostile); i++) {
		auto_buf struct buf tar = { 0 }, rec = { 0 };
		auto_layer struct layer *l = NULL;
		size_t n = strlen("00 SCHILY.xattr.=y\n") + strlen(hostile[i]);

		buf_printf(&rec, "%zu SCHILY.xattr.%s=y\n", n, hostile[i]);
		put(&tar, 'x', "p", NULL, buf_view(&rec));
		put(&tar, '5', "d/", NULL, STR_LIT(""));
		finish(&tar);
		check(unpack(&f, buf_view(&tar), &l) == 0, "%s: %s", hostile[i], err_text(&f.e));
		auto_fd int fd = openat(layer_fd(l), "d", O_RDONLY);
		check(fgetxattr(fd, hostile[i], got, sizeof(got)) < 0, "%s", hostile[i]);
		check_same(&f, l, buf_view(&tar), hostile[i]);
	}
	teardown(&f);
}

static struct buf compress(const char *program, struct str in)
{
	const char *const argv[] = { program, "-c", NULL };
	struct spawned s = tree_spawn(-1, argv, in);

	check(s.status == 0, "%s", program);
	return s.out;
}

static void test_compressed(void **state)
{
	static const char *const programs[] = { "gzip", "bzip2", "xz", "zstd" };
	auto_buf struct buf tar = { 0 };
	struct fixture f;

	setup(&f, state);
	tar_of("5:a/ 0:a/b@xyz 2:a/l>b", &tar);
	for (size_t i = 0; i < 3 + (access("/usr/bin/zstd", X_OK) == 0); i++) {
		struct buf z = compress(programs[i], buf_view(&tar));
		auto_layer struct layer *l = NULL;

		check(unpack(&f, buf_view(&z), &l) == 0, "%s: %s", programs[i], err_text(&f.e));
		check_same(&f, l, buf_view(&tar), programs[i]);
		check(unpack(&f, str_sub(buf_view(&z), 0, z.n / 2), &l) < 0, "%s: cut", programs[i]);
		err_clear(&f.e);
		buf_done(&z);
	}
	teardown(&f);
}

static void test_import(void **state)
{
	static const struct { const char *tar, *want; } rows[] = {
		{ "5:./ 5:./etc/ 0:./etc/x@1 2:./l>etc", "etc/=755 etc/x=644@1 l>etc" },
		{ "0:not/../there@1", "there=644@1" },
	};
	struct fixture f;

	setup(&f, state);
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf tar = { 0 }, back = { 0 };
		auto_layer struct layer *l = NULL;
		struct mem m;

		tar_of(rows[i].tar, &tar);
		m = (struct mem){ buf_view(&tar), 0 };
		check(layer_import(&f.job, f.t->s, f.lease, get_mem, &m, &l, &f.e) == 0, "%s", err_text(&f.e));
		check_tree(layer_fd(l), rows[i].want);
		check(layer_publish(f.t->s, &l, 1, &f.e) == 0 &&
		      layer_read(&f.job, f.t->s, layer_diff_id(l), put_buf, &back, &f.e) == 0, "%s", err_text(&f.e));
	}
	{
		struct mem m = { STR_LIT("this is no archive at all, only text"), 0 };
		struct layer *l;

		check(layer_import(&f.job, f.t->s, f.lease, get_mem, &m, &l, &f.e) < 0 && f.e.kind == ERR_USAGE,
		      "%s", err_text(&f.e));
	}
	teardown(&f);
}

/* ---- random trees, there and back by another program ---- */

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void random_name(unsigned *seed, struct buf *ret)
{
	static const char *const names[] = { "a", "b.c", "b", "A", "z z", "\xc3\xa4\xc3\xb6", "\xff\xfe", "-x", "n\nl", ".h" };
	unsigned n = next(seed) % 40;

	if (n < 30) {
		buf_printf(ret, "%s%u", names[n % countof(names)], next(seed) % 7);
		return;
	}
	for (unsigned i = 0; i < 90 + n; i++)
		buf_putc(ret, (char)('a' + next(seed) % 26));
}

static void random_file(int dir, const char *name, unsigned *seed)
{
	static const mode_t modes[] = { 0644, 0755, 04755, 02711, 0400, 0 };
	auto_free char *data = xmalloc(70000);
	size_t n = next(seed) % 5 ? next(seed) % 1500 : next(seed) % 70000;
	auto_fd int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0600);

	memset(data, (int)next(seed), n);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		return;
	check(fchown(fd, next(seed) % 3 ? 0 : next(seed) % 3000000, next(seed) % 5) == 0, "chown");
	check(fchmod(fd, modes[next(seed) % countof(modes)]) == 0, "chmod");
}

static void random_dir(int dir, int depth, unsigned *seed)
{
	unsigned n = next(seed) % 9;
	auto_buf struct buf last = { 0 };

	for (unsigned i = 0; i < n; i++) {
		auto_buf struct buf name = { 0 };
		unsigned kind = next(seed) % 10;

		random_name(seed, &name);
		if (kind < 3 && depth < 6) {
			auto_fd int sub = mkdirat(dir, name.p, 0755) == 0 ?
				openat(dir, name.p, O_RDONLY | O_DIRECTORY) : -1;

			if (sub >= 0)
				random_dir(sub, depth + 1, seed);
		} else if (kind == 3) {
			(void)!symlinkat(next(seed) % 2 ? "../x" : name.p, dir, name.p);
		} else if (kind == 4 && last.n) {
			(void)!linkat(dir, last.p, dir, name.p, 0);
		} else if (kind == 5) {
			(void)!mkfifoat(dir, name.p, 0600);
		} else {
			random_file(dir, name.p, seed);
			buf_reset(&last);
			buf_puts(&last, name.p);
		}
	}
}

/* Names in the order of the archive, as Python's tarfile reads them. */
static void check_by_python(struct str tar)
{
	static const char script[] = "import sys,tarfile\n"
		"t=tarfile.open(fileobj=sys.stdin.buffer,mode='r|',encoding='utf-8',errors='surrogateescape')\n"
		"o=b' '.join(m.type+b':'+m.name.encode('utf-8','surrogateescape')+"
		"(b'>'+m.linkname.encode('utf-8','surrogateescape') if m.linkname else b'')+"
		"(b'+%d'%m.size if m.size else b'') for m in t)\n"
		"sys.stdout.buffer.write(o)\n";
	static const char *const argv[] = { "python3", "-c", script, NULL };
	auto_buf struct buf ours = { 0 };
	auto_err struct err e = { 0 };
	struct spawned s = tree_spawn(-1, argv, tar);

	check(s.status == 0 && read_all(tar, 0, &ours, &e) == 0, "%s %s", s.out.p, err_text(&e));
	check(str_eq(buf_view(&s.out), buf_view(&ours)), "%s\n%s", s.out.p, ours.p);
	buf_done(&s.out);
}

/* Through libarchive and sealed anew: the canonical form is a fixed point. */
static void check_by_import(struct fixture *f, const struct layer *l, struct str tar, const char *want)
{
	struct mem m = { tar, 1000 };
	auto_layer struct layer *again = NULL;
	auto_free char *got = NULL;

	check(layer_import(&f->job, f->t->s, f->lease, get_mem, &m, &again, &f->e) == 0, "%s", err_text(&f->e));
	got = tree_text(layer_fd(again), true);
	check_str(got, want);
	check(digest_eq(layer_diff_id(l), layer_diff_id(again)), "the same digest");
}

/* seal, read back by tar(1), tarfile, libarchive and our own reader: always the same tree. */
static void test_random_trees(void **state)
{
	static const char *const untar[] = { "tar", "-xp", "--numeric-owner", "-f", "-", NULL };

	for (unsigned i = 0; i < 120; i++) {
		struct layer *l, *again = NULL;
		auto_buf struct buf tar = { 0 };
		auto_free char *want = NULL, *by_tar = NULL, *by_us = NULL, *name = xasprintf("out%u", i);
		struct snapshot *s;
		struct spawned sp;
		struct fixture f;
		struct stat st;
		unsigned seed = i;
		auto_fd int out = tree_tmp(*state, name);

		setup(&f, state);
		check(snapshot_open(f.t->s, f.lease, NULL, 0, true, &s, &f.e) == 0, "%s", err_text(&f.e));
		random_dir(snapshot_fd(s), 0, &seed);
		check(snapshot_take(s, &l, &f.e) == 0 && layer_seal(&f.job, f.t->s, l, &f.e) == 0 &&
		      layer_publish(f.t->s, &l, 1, &f.e) == 0, "%s", err_text(&f.e));
		snapshot_free(s);
		check(layer_read(&f.job, f.t->s, layer_diff_id(l), put_buf, &tar, &f.e) == 0, "%s", err_text(&f.e));
		check(tar.n == layer_tar_size(l) && fstat(out, &st) == 0, "size");
		sp = tree_spawn(out, untar, buf_view(&tar));
		check(sp.status == 0, "seed %u: %s", i, sp.out.p ? sp.out.p : "");
		buf_done(&sp.out);
		want = tree_text(layer_fd(l), true);
		by_tar = tree_text(out, true);
		check_str(by_tar, want);
		check(unpack(&f, buf_view(&tar), &again) == 0, "%s", err_text(&f.e));
		by_us = tree_text(layer_fd(again), true);
		check_str(by_us, want);
		if (*want)	/* an empty tar is no archive to an importer */
			check_by_import(&f, l, buf_view(&tar), want);
		if (i % 12 == 0)
			check_by_python(buf_view(&tar));
		layer_unref(again);
		layer_unref(l);
		teardown(&f);
	}
}

int suite_tar(void)
{
	const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, tmp_store_setup, tmp_store_teardown)
		cmocka_unit_test(test_read), cmocka_unit_test(test_damaged), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_numbers),
		T(test_unpack), T(test_unpacked_above), T(test_xattrs), T(test_compressed), T(test_import),
		T(test_random_trees),
#undef T
	};

	return cmocka_run_group_tests_name("tar", tests, NULL, NULL);
}
