/* SPDX-License-Identifier: Apache-2.0 */
/* Layers and snapshots: what a step's changes become, their digests, publishing, reading back. */
#include "cache/layer.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/db.h"
#include "cache/layer_dir.h"
#include "cache/lease.h"
#include "cache/overlay.h"
#include "cache/snapshot.h"
#include "cache/whiteout.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/tmp_tree.h"
#include "tests/unit/unit.h"

#define EMPTY_LAYER "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

struct fixture {
	struct tmp_store *t;
	struct job job;
	struct lease *lease;
	struct err e;
};

#define ok(f, call) check((call) == 0, "%s", err_text(&(f)->e))

static void setup(struct fixture *f, void **state)
{
	*f = (struct fixture){ .t = *state };
	ok(f, job_init(&f->job, NULL, &f->e));
	ok(f, lease_new(f->t->s, &f->lease, &f->e));
}

static void teardown(struct fixture *f)
{
	lease_free(f->lease);
	job_done(&f->job);
	err_clear(&f->e);
}

static int put_buf(void *arg, const void *p, size_t n, struct err *e UNUSED)
{
	buf_add(arg, p, n);
	return 0;
}

struct mem {
	struct str left;
	size_t chunk;		/* most bytes at a time */
};

static ssize_t get_mem(void *arg, void *p, size_t n, struct err *e UNUSED)
{
	struct mem *m = arg;

	n = MIN(MIN(n, m->left.n), m->chunk ? m->chunk : n);
	memcpy(p, m->left.p, n);
	m->left = str_sub(m->left, n, m->left.n);
	return (ssize_t)n;
}

/* A layer: text made on lowers. */
static struct layer *make(struct fixture *f, struct layer *const *lowers, size_t n, const char *text)
{
	struct snapshot *s;
	struct layer *l;

	ok(f, snapshot_open(f->t->s, f->lease, lowers, n, true, &s, &f->e));
	tree_make(snapshot_fd(s), text);
	ok(f, snapshot_take(s, &l, &f->e));
	snapshot_free(s);
	return l;
}

static const char *seal(struct fixture *f, struct layer *l, char ret[static DIGEST_TEXT_MAX])
{
	ok(f, layer_seal(&f->job, f->t->s, l, &f->e));
	return digest_text(layer_diff_id(l), ret);
}

/* The names in the layer's tar, in its order, "~" before hard links. */
static char *tar_names(struct fixture *f, struct layer *l)
{
	auto_buf struct buf tar = { 0 };
	struct mem m;
	struct tar_reader *r;
	struct tar_entry t;
	struct buf ret = { 0 };
	struct seal_sum sum;
	int got;

	ok(f, seal_emit(&f->job, layer_fd(l), put_buf, &tar, &sum, &f->e));
	m = (struct mem){ buf_view(&tar), 700 };
	r = tar_read_new(get_mem, &m, NULL, NULL);
	while ((got = tar_next(r, &t, &f->e)) > 0)
		buf_printf(&ret, "%s%s%s%s", ret.n ? " " : "", t.type == TAR_LINK ? "~" : "", t.path,
			   t.type == TAR_DIR ? "/" : "");
	check(got == 0, "%s", err_text(&f->e));
	tar_read_free(r);
	return buf_take(&ret);
}

static void check_names(struct fixture *f, struct layer *l, const char *want)
{
	auto_free char *got = tar_names(f, l);

	check_str(got, want);
}

static void test_empty(void **state)
{
	char text[DIGEST_TEXT_MAX];
	struct fixture f;
	struct layer *base, *none;

	setup(&f, state);
	none = make(&f, NULL, 0, "");
	check_str(seal(&f, none, text), EMPTY_LAYER);
	assert_int_equal(layer_tar_size(none), 1024);
	layer_unref(none);
	base = make(&f, NULL, 0, "a/ a/b@x");
	none = make(&f, &base, 1, "");
	check_str(seal(&f, none, text), EMPTY_LAYER);
	layer_unref(none);
	none = make(&f, &base, 1, "a/c@1 -a/c");	/* LAY-003: made and deleted in one step */
	check_str(seal(&f, none, text), EMPTY_LAYER);
	layer_unref(none);
	layer_unref(base);
	teardown(&f);
}

/* What the base is, what a step does, what is in the layer's tar, what a reader of both layers sees. */
static void test_changes(void **state)
{
	static const char base_text[] = "d/ d/old@1 d/sub/ d/sub/x@2 e/ e/f@3 g@4 h>g";
	static const struct { const char *does, *tar, *seen; } rows[] = {
		{ "-d d/ d/new@n", "d/ d/.wh.old d/.wh.sub d/new",		/* LAY-002: no opaque marker */
		  "d/=755 d/new=644@n e/=755 e/f=644@3 g=644@4 h>g" },
		{ "-d/sub d/sub/ d/sub/y@9", "d/ d/sub/ d/sub/.wh.x d/sub/y",
		  "d/=755 d/old=644@1 d/sub/=755 d/sub/y=644@9 e/=755 e/f=644@3 g=644@4 h>g" },
		{ "-d", ".wh.d", "e/=755 e/f=644@3 g=644@4 h>g" },
		{ "-d d@file", "d", "d=644@file e/=755 e/f=644@3 g=644@4 h>g" },
		{ "-g g/ g/z@1", "g/ g/z", "d/=755 d/old=644@1 d/sub/=755 d/sub/x=644@2 e/=755 e/f=644@3 g/=755 g/z=644@1 h>g" },
		{ "e/new~e/f", "e/ e/f ~e/new",				/* a new name of an old file: both are kept */
		  "d/=755 d/old=644@1 d/sub/=755 d/sub/x=644@2 e/=755 e/f=644@3 e/new~e/f g=644@4 h>g" },
		{ "s$ e/s$", "", "d/=755 d/old=644@1 d/sub/=755 d/sub/x=644@2 e/=755 e/f=644@3 g=644@4 h>g" },
		{ "-g g$", ".wh.g", "d/=755 d/old=644@1 d/sub/=755 d/sub/x=644@2 e/=755 e/f=644@3 h>g" },
		{ "p| c%1:3", "c p", "c%1:3 d/=755 d/old=644@1 d/sub/=755 d/sub/x=644@2 e/=755 e/f=644@3 g=644@4 h>g p|" },
		{ "e/=700", "e/", "d/=755 d/old=644@1 d/sub/=755 d/sub/x=644@2 e/=700 e/f=644@3 g=644@4 h>g" },
		{ "b/ b.c@1 b/x@2", "b/ b/x b.c",
		  "b/=755 b.c=644@1 b/x=644@2 d/=755 d/old=644@1 d/sub/=755 d/sub/x=644@2 e/=755 e/f=644@3 g=644@4 h>g" },
		{ "-e/f e/a@1 -d/old", "d/ d/.wh.old e/ e/.wh.f e/a",
		  "d/=755 d/sub/=755 d/sub/x=644@2 e/=755 e/a=644@1 g=644@4 h>g" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct layer *both[2];
		struct snapshot *s;
		struct fixture f;

		setup(&f, state);
		both[0] = make(&f, NULL, 0, base_text);
		both[1] = make(&f, both, 1, rows[i].does);
		check_names(&f, both[1], rows[i].tar);
		ok(&f, snapshot_open(f.t->s, f.lease, both, 2, false, &s, &f.e));
		if (strstr(rows[i].seen, "b.c")) {	/* sorted by path here, by component there */
			check(faccessat(snapshot_fd(s), "b.c", F_OK, 0) == 0, "%s", rows[i].does);
		} else {
			check_tree(snapshot_fd(s), rows[i].seen);
		}
		snapshot_free(s);
		layer_unref(both[0]);
		layer_unref(both[1]);
		teardown(&f);
	}
}

/* LAY-005: opened for writing, or changed and changed back. */
static void test_copied_up(void **state)
{
	static const struct timespec whole[2] = { { .tv_sec = TREE_TIME }, { .tv_sec = TREE_TIME } };
	static const struct timespec fine[2] = { { TREE_TIME, 5 }, { TREE_TIME, 5 } };
	static const struct { const struct timespec *t; const char *contents; bool same; } rows[] = {
		{ whole, "abc", true }, { whole, "abd", false },	/* the time proves nothing: compared */
		{ fine, "abc", true }, { fine, "abd", true },		/* the time decides */
		{ fine, "abcd", false },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct fixture f;
		struct layer *base, *l;
		struct snapshot *s;
		char text[DIGEST_TEXT_MAX];
		int fd;

		setup(&f, state);
		base = make(&f, NULL, 0, "a/ a/f@abc");
		check(utimensat(layer_fd(base), "a/f", rows[i].t, 0) == 0, "time");
		ok(&f, snapshot_open(f.t->s, f.lease, &base, 1, true, &s, &f.e));
		fd = openat(snapshot_fd(s), "a/f", O_WRONLY | O_TRUNC);
		ok(&f, fs_write_all(fd, rows[i].contents, strlen(rows[i].contents), &f.e));
		check(futimens(fd, rows[i].t) == 0, "time");
		close(fd);
		ok(&f, snapshot_take(s, &l, &f.e));
		snapshot_free(s);
		check((strcmp(seal(&f, l, text), EMPTY_LAYER) == 0) == rows[i].same, "row %zu", i);
		layer_unref(l);
		layer_unref(base);
		teardown(&f);
	}
}

/* The same text gives these digests on any machine. */
static void test_golden(void **state)
{
	static const struct { const char *text, *digest; } rows[] = {
		{ "a@", "sha256:a349af929fa185eb8a309f7e64007c88af54d9de690cde9c9dab73e932056977" },
		{ "a/ a/b/ a/b/c=4755:1:2@xyz a/l>../x a/z~a/b/c p| c=600@", "sha256:b4a059ec7406bcce7910ae9720e5955de44572eb70dcc707f7051bf0123b9e63" },
		{ "big=644:3000000:2097152@id", "sha256:a7bc32b7e4362411d3188bca634a4f089efb0ec8756fe086a90d5e06ccd92b0e" },
		{ "\xc3\xa4/ \xc3\xa4/\xff@bytes", "sha256:a60a821b3d9ccede65dc763d5214619256cd3ed8e7cfc174c0214f0636d8c38a" },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789/ "
		  "0123456789012345678901234567890123456789012345678901234567890123456789/"
		  "012345678901234567890123456789012345678901234567890123456789@split", "sha256:5cb96ed4899dc9cd47251e4c4f7374c48f19471f2f67655a63fba58afb5cb316" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		char text[DIGEST_TEXT_MAX];
		struct fixture f;
		struct layer *l;

		setup(&f, state);
		l = make(&f, NULL, 0, rows[i].text);
		check(strcmp(seal(&f, l, text), rows[i].digest) == 0, "row %zu: %s", i, text);
		layer_unref(l);
		teardown(&f);
	}
}

static void test_capability(void **state)
{
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 4 };	/* cap_net_bind_service=ep */
	struct fixture f;
	struct layer *base, *l;
	struct snapshot *s;
	char text[DIGEST_TEXT_MAX], got[64];

	setup(&f, state);
	base = make(&f, NULL, 0, "f@1");
	ok(&f, snapshot_open(f.t->s, f.lease, &base, 1, true, &s, &f.e));
	{
		auto_fd int fd = openat(snapshot_fd(s), "f", O_RDONLY);

		check(fsetxattr(fd, "security.capability", cap, sizeof(cap), 0) == 0, "setxattr");
		check(fsetxattr(fd, "user.note", "x", 1, 0) == 0, "setxattr");
	}
	ok(&f, snapshot_take(s, &l, &f.e));
	snapshot_free(s);
	check(strcmp(seal(&f, l, text), EMPTY_LAYER) != 0, "a capability is a change");
	ok(&f, layer_publish(f.t->s, &l, 1, &f.e));
	{
		auto_buf struct buf tar = { 0 };
		auto_layer struct layer *again = NULL;
		struct mem m;

		ok(&f, layer_read(&f.job, f.t->s, layer_diff_id(l), put_buf, &tar, &f.e));
		m = (struct mem){ buf_view(&tar), 0 };
		ok(&f, layer_unpack(&f.job, f.t->s, f.lease, get_mem, &m, &again, &f.e));
		auto_fd int fd = openat(layer_fd(again), "f", O_RDONLY);
		check(fgetxattr(fd, "security.capability", got, sizeof(got)) == 20 && memcmp(got, cap, 20) == 0,
		      "the capability came back");
		check(fgetxattr(fd, "user.note", got, sizeof(got)) < 0, "only the capability is in a layer");
	}
	layer_unref(l);
	layer_unref(base);
	teardown(&f);
}

static void test_refused_name(void **state)
{
	struct fixture f;
	struct layer *l;

	setup(&f, state);
	l = make(&f, NULL, 0, "a/ a/.wh.x@1");
	check(layer_seal(&f.job, f.t->s, l, &f.e) < 0 && f.e.kind == ERR_USAGE, "a whiteout's name");
	layer_unref(l);
	teardown(&f);
}

static void test_publish(void **state)
{
	struct fixture f;
	struct layer *l[3], *again;
	auto_buf struct buf tar = { 0 };
	struct digest d;

	setup(&f, state);
	l[0] = make(&f, NULL, 0, "a@1");
	l[1] = make(&f, l, 1, "b@2");
	l[2] = make(&f, NULL, 0, "a@1");		/* the same as l[0] */
	for (size_t i = 0; i < 3; i++)
		ok(&f, layer_seal(&f.job, f.t->s, l[i], &f.e));
	d = *layer_diff_id(l[1]);
	check(layer_open(f.t->s, &d, &again, &f.e) < 0 && f.e.kind == ERR_NOT_FOUND, "not stored yet");
	err_clear(&f.e);
	ok(&f, layer_publish(f.t->s, l, 3, &f.e));
	ok(&f, layer_publish(f.t->s, l, 3, &f.e));
	assert_int_equal(tmp_count(f.t, "layers"), 2);
	assert_int_equal(tmp_int(f.t->s, "SELECT count(*) FROM layers"), 2);
	ok(&f, layer_open(f.t->s, &d, &again, &f.e));
	check_tree(layer_fd(again), "b=644@2");
	assert_int_equal(layer_tar_size(again), layer_tar_size(l[1]));
	ok(&f, layer_read(&f.job, f.t->s, &d, put_buf, &tar, &f.e));
	assert_int_equal(tar.n, layer_tar_size(again));
	check(digest_eq(&(struct digest){ 0 }, &d) == 0 && ({ struct digest g = digest_of(tar.p, tar.n);
	      digest_eq(&g, &d); }), "the tar's digest is the diff ID");
	check_tree(layer_fd(l[2]), "a=644@1");	/* dropped in favour of l[0]'s files, but usable */
	layer_unref(again);
	for (size_t i = 0; i < 3; i++)
		layer_unref(l[i]);
	teardown(&f);
}

static void test_damage(void **state)
{
	auto_buf struct buf tar = { 0 };
	struct fixture f;
	struct layer *l;

	setup(&f, state);
	l = make(&f, NULL, 0, "a@1");
	ok(&f, layer_seal(&f.job, f.t->s, l, &f.e));
	ok(&f, layer_publish(f.t->s, &l, 1, &f.e));
	tree_make(layer_fd(l), "a@2");
	check(layer_read(&f.job, f.t->s, layer_diff_id(l), put_buf, &tar, &f.e) < 0 && f.e.kind == ERR_CORRUPT,
	      "a changed file is noticed");
	layer_unref(l);
	teardown(&f);
}

/* A layer's upper serves as a lower before it is sealed, and after its directory was renamed. */
static void test_chain(void **state)
{
	struct layer *l[160];
	struct fixture f;
	struct snapshot *s;
	size_t n = 0;

	setup(&f, state);
	for (; n < countof(l); n++) {
		char text[32];

		snprintf(text, sizeof(text), "f%zu@%zu same@%zu", n, n, n);
		l[n] = make(&f, l, n, text);
	}
	for (size_t i = 0; i < n; i++)
		ok(&f, layer_seal(&f.job, f.t->s, l[i], &f.e));
	ok(&f, layer_publish(f.t->s, l, n, &f.e));
	ok(&f, snapshot_open(f.t->s, f.lease, l, n, false, &s, &f.e));
	check(faccessat(snapshot_fd(s), "f0", F_OK, 0) == 0 && faccessat(snapshot_fd(s), "f159", F_OK, 0) == 0,
	      "all layers are seen");
	check(openat(snapshot_fd(s), "new", O_CREAT | O_WRONLY, 0600) < 0, "read-only");
	snapshot_free(s);
	for (size_t i = 0; i < n; i++)
		layer_unref(l[i]);
	teardown(&f);
}

static void test_overlay_ways(void **state)
{
	static const enum overlay_way ways[] = { OVERLAY_FDS, OVERLAY_PATHS, OVERLAY_CLASSIC };
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	auto_fd int a = tree_tmp(t, "a"), b = tree_tmp(t, "b"), u = tree_tmp(t, "u"), w = tree_tmp(t, "w");
	auto_fd int scratch = tree_tmp(t, "scratch");
	int lowers[] = { a, b };

	tree_make(a, "x@a");
	tree_make(b, "x@b y@b");
	for (size_t i = 0; i < countof(ways); i++) {
		struct overlay_spec o = { .lowers = lowers, .nlowers = 2, .upper = -1, .work = -1,
					  .userns = whiteout_userns(), .scratch = scratch };
		auto_fd int ro = -1, rw = -1;

		/* A kernel that lacks the newer ways still has the last. */
		if (overlay_mount(&o, ways[i], &ro, &e) < 0 && ways[i] != OVERLAY_CLASSIC) {
			err_clear(&e);
			continue;
		}
		check(ro >= 0, "%s", err_text(&e));
		check_tree(ro, "x=644@a y=644@b");
		close(take_fd(&ro));
		o.upper = u;
		o.work = w;
		check(fs_remove(w, "work", &e) == 0 && fs_remove(w, "incompat", &e) == 0, "%s", err_text(&e));
		check(overlay_mount(&o, ways[i], &rw, &e) == 0, "%s", err_text(&e));
		tree_make(rw, "z@z");
		check(faccessat(u, "z", F_OK, 0) == 0, "the upper has it");
		check_tree(scratch, "");
	}
}

static void test_scratch(void **state)
{
	struct fixture f;
	struct snapshot *s;
	struct layer *l;

	setup(&f, state);
	ok(&f, snapshot_open(f.t->s, f.lease, NULL, 0, false, &s, &f.e));
	check_tree(snapshot_fd(s), "");
	check(mkdirat(snapshot_fd(s), "x", 0755) < 0, "read-only");
	snapshot_free(s);
	l = make(&f, NULL, 0, "d/ d/e/ d/e/f@1");
	ok(&f, snapshot_open(f.t->s, f.lease, &l, 1, false, &s, &f.e));
	check_tree(snapshot_fd(s), "d/=755 d/e/=755 d/e/f=644@1");
	snapshot_free(s);
	layer_unref(l);
	teardown(&f);
}

/* ---- in a user namespace with a single id ---- */

static bool put_text(const char *path, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

#define MUST(cond) do { if (!(cond)) { \
	fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #cond, err_text(&f.e)); return 1; } } while (0)

static struct str own_tar(const char *owner, char type, struct buf *ret)
{
	struct tar_writer w;
	struct tar_entry t = { .path = "x", .type = (enum tar_type)type, .mode = 0644, .major = 1, .minor = 3 };
	auto_err struct err e = { 0 };

	check(str_to_u64(str_of(owner), 10, &t.uid), "%s", owner);
	if (type == TAR_FILE)
		t.major = t.minor = 0;
	tar_write_init(&w, put_buf, ret);
	check(tar_write_entry(&w, &t, &e) == 0 && tar_write_end(&w, &e) == 0, "%s", err_text(&e));
	tar_write_done(&w);
	return buf_view(ret);
}

static UNUSED int in_userns(const char *root)
{
	struct tmp_store ts = { 0 };
	auto_buf struct buf foreign = { 0 }, own = { 0 }, dev = { 0 };
	auto_free char *seen = NULL;
	struct layer *l[3];
	struct snapshot *s;
	struct fixture f = { .t = &ts };
	struct mem m;
	int fd;

	MUST(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && put_text("/proc/self/setgroups", "deny") &&
	     put_text("/proc/self/uid_map", "0 0 1") && put_text("/proc/self/gid_map", "0 0 1"));
	MUST(whiteout_userns());
	MUST(store_open(root, &ts.s, &f.e) == 0 && job_init(&f.job, NULL, &f.e) == 0 &&
	     lease_new(ts.s, &f.lease, &f.e) == 0);
	m = (struct mem){ own_tar("5", TAR_FILE, &foreign), 0 };
	MUST(layer_unpack(&f.job, ts.s, f.lease, get_mem, &m, &l[0], &f.e) < 0 && f.e.kind == ERR_USAGE && f.e.hint);
	MUST(strstr(f.e.msg, "user ids that you don't have"));
	err_clear(&f.e);
	m = (struct mem){ own_tar("0", TAR_FILE, &own), 0 };
	MUST(layer_unpack(&f.job, ts.s, f.lease, get_mem, &m, &l[0], &f.e) == 0);
	layer_unref(l[0]);
	m = (struct mem){ own_tar("0", TAR_CHAR, &dev), 0 };	/* left out, but its bytes come back */
	MUST(layer_unpack(&f.job, ts.s, f.lease, get_mem, &m, &l[0], &f.e) == 0);
	MUST(layer_publish(ts.s, l, 1, &f.e) == 0);
	buf_reset(&own);
	MUST(layer_read(&f.job, ts.s, layer_diff_id(l[0]), put_buf, &own, &f.e) == 0);
	layer_unref(l[0]);
	l[0] = make(&f, NULL, 0, "d/ d/old@1 e@2 f@3");
	l[1] = make(&f, l, 1, "-d d/ d/new@n -e");
	MUST(snapshot_open(ts.s, f.lease, l, 2, true, &s, &f.e) == 0);
	seen = tree_text(snapshot_fd(s), false);
	MUST(strcmp(seen, "d/=755 d/new=644@n f=644@3") == 0);
	fd = openat(snapshot_fd(s), "f", O_WRONLY);	/* copied up, nothing changed */
	MUST(fd >= 0);
	close(fd);
	MUST(snapshot_take(s, &l[2], &f.e) == 0 && layer_seal(&f.job, ts.s, l[2], &f.e) == 0);
	MUST(layer_tar_size(l[2]) == 1024);
	snapshot_free(s);
	MUST(layer_seal(&f.job, ts.s, l[1], &f.e) == 0 && layer_publish(ts.s, l, 0, &f.e) == 0);
	for (size_t i = 0; i < 3; i++)
		layer_unref(l[i]);
	lease_free(f.lease);
	store_close(ts.s);
	return 0;
}

static void test_user_namespace(void **state)
{
	skip_with_threads();
	assert_int_equal(tmp_fork(*state, in_userns), 0);
}

/* ---- killed at every durable step ---- */

static int publish_two(const char *root)
{
	struct tmp_store ts = { 0 };
	struct fixture f = { .t = &ts };
	auto_buf struct buf tar = { 0 };
	struct layer *l[2];
	struct mem m;

	MUST(store_open(root, &ts.s, &f.e) == 0 && job_init(&f.job, NULL, &f.e) == 0 &&
	     lease_new(ts.s, &f.lease, &f.e) == 0);
	l[0] = make(&f, NULL, 0, "a@1");
	m = (struct mem){ own_tar("0", TAR_FILE, &tar), 0 };
	MUST(layer_unpack(&f.job, ts.s, f.lease, get_mem, &m, &l[1], &f.e) == 0);
	MUST(layer_seal(&f.job, ts.s, l[0], &f.e) == 0 && layer_publish(ts.s, l, 2, &f.e) == 0);
	return 0;
}

/* Whatever the moment: a row never names missing files, and doing it again succeeds. */
static void test_killed(void **state)
{
	static const char *const points[] = { "layer.synced", "layer.sidecar", "layer.renamed", "layer.named",
					      "layer.stored", NULL };
	struct tmp_store *t = *state;

	for (size_t i = 0; points[i]; i++)
		for (unsigned n = 1; n <= 2; n++) {
			bool twice = strcmp(points[i], "layer.sidecar") == 0 || strcmp(points[i], "layer.renamed") == 0;
			auto_err struct err e = { 0 };
			auto_stmt struct stmt st = { 0 };
			struct digest d;

			if (n == 2 && !twice)
				continue;
			assert_int_equal(tmp_fork_fault(t, points[i], n, publish_two), 256 + SIGKILL);
			check(db_query(store_db(t->s), "SELECT diff_id FROM layers", BIND_NONE, &st, &e) == 0, "%s",
			      err_text(&e));
			while (db_row(&st, &e) > 0) {
				char hex[DIGEST_TEXT_MAX];

				check(stmt_digest(&st, 0, &d), "digest");
				auto_free char *path = xasprintf("layers/%s", digest_hex(&d, hex));
				check(tmp_exists(t, path), "%s: a row without files", points[i]);
			}
			stmt_done(&st);
			assert_int_equal(tmp_fork(t, publish_two), 0);
			assert_int_equal(tmp_int(t->s, "SELECT count(*) FROM layers"), 2);
			check(db_run(store_db(t->s), "DELETE FROM layers", BIND_NONE, &e) == 0, "%s", err_text(&e));
			check(fs_remove(store_dirfd(t->s), "layers", &e) == 0, "%s", err_text(&e));
			check(mkdirat(store_dirfd(t->s), "layers", 0700) == 0, "mkdir");
			tmp_close(t);
			tmp_open(t);
		}
}

int suite_layer(void)
{
	const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, tmp_store_setup, tmp_store_teardown)
		T(test_empty), T(test_changes), T(test_copied_up), T(test_golden), T(test_capability),
		T(test_refused_name), T(test_publish), T(test_damage), T(test_chain), T(test_overlay_ways),
		T(test_scratch), T(test_user_namespace), T(test_killed),
#undef T
	};

	return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
