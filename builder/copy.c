/* SPDX-License-Identifier: Apache-2.0 */
/* COPY and ADD: the digest of what they read, and the doing. */
#include "builder/copy.h"

#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "base/fs.h"
#include "builder/copy_tree.h"
#include "cache/archive.h"
#include "cache/sketch.h"
#include "parser/flags.h"

/* ---- digest ---- */

/* What the items are called in the listing: a lone literal source has no name of its own there. */
static struct tree_top *tops_of(const struct copy_items *l)
{
	struct tree_top *tops = xcalloc(l->n + 1, sizeof(*tops));

	for (size_t i = 0; i < l->n; i++) {
		const struct copy_item *it = &l->v[i];
		bool alone = !l->wild && S_ISDIR(it->st.st_mode);

		tops[i] = (struct tree_top){ it->path, alone ? NULL : l->wild ? it->match : "" };
	}
	return tops;
}

/* A literal file's own name counts (it may be the destination's), a directory's doesn't. */
static void hash_shape(struct hasher *h, const struct copy_items *l)
{
	const char *base;

	hasher_u64(h, l->wild);
	hasher_u64(h, l->n);
	if (l->wild || l->n == 0 || S_ISDIR(l->v[0].st.st_mode))
		return;
	base = strrchr(l->v[0].match, '/');
	hasher_cstr(h, base ? base + 1 : l->v[0].match);
}

static int digest_source(struct job *j, struct store *s, const struct copy_spec *c, size_t i, struct hasher *h,
			 struct digest *ret, struct err *e)
{
	auto_items struct copy_items l = { 0 };
	auto_free struct tree_top *tops = NULL;
	struct tree_req req = { .root = c->src_root, .zero_owner = c->from_context, .cached = c->from_context,
				.pick = copy_pick, .arg = &l };

	if (copy_match(c, i, &l, e) < 0)
		return -1;
	tops = tops_of(&l);
	req.tops = tops;
	req.ntops = l.n;
	hash_shape(h, &l);
	return tree_hash(j, s, &req, ret, e);
}

static void digest_file(const struct copy_file *f, struct hasher *h, copy_input input, void *arg)
{
	struct digest d = digest_of(f->body.p ? f->body.p : "", f->body.n);
	auto_free char *name = xasprintf("file <<%s", f->name);
	char text[DIGEST_TEXT_MAX];

	hasher_cstr(h, f->name);
	hasher_update(h, d.b, hash_size(d.alg));
	if (input)
		input(arg, name, digest_text(&d, text));
}

int copy_digest(struct job *j, struct store *s, const struct copy_spec *c, copy_input input, void *arg,
		struct digest *ret, struct err *e)
{
	struct hasher h;

	hasher_init(&h, HASH_SHA256);
	hasher_u64(&h, c->src.n);
	for (size_t i = 0; i < c->src.n; i++) {
		auto_free char *name = xasprintf("file %s", c->src.v[i]), *value = NULL;
		char text[DIGEST_TEXT_MAX];
		struct digest d;

		if (digest_source(j, s, c, i, &h, &d, e) < 0)
			return -1;
		hasher_update(&h, d.b, hash_size(d.alg));
		value = xasprintf("tree %s", digest_text(&d, text));
		if (input)
			input(arg, name, value);
	}
	hasher_u64(&h, c->nfiles);
	for (size_t i = 0; i < c->nfiles; i++)
		digest_file(&c->files[i], &h, input, arg);
	*ret = digest_final(&h);
	return 0;
}

/* ---- copying ---- */

static struct timespec copy_time(const struct copier *c)
{
	if (c->spec->now_ns >= 0)
		return (struct timespec){ c->spec->now_ns / 1000000000, c->spec->now_ns % 1000000000 };
	return c->newest.tv_sec ? c->newest : dest_time(&c->dest);
}

static int archive_bytes(void *arg, const void **p, size_t *n, struct err *e)
{
	return archive_data(arg, p, n, e);
}

static int unpack_entries(struct copier *c, struct archive_in *in, struct err *e)
{
	struct sketch *s = c->dest.s;
	struct tar_entry t;
	int r;

	while ((r = archive_next(in, &t, e)) > 0)
		if (job_check(c->job, e) < 0 || sketch_entry(s, &t, c->spec->scratch, archive_bytes, in, e) < 0)
			return -1;
	if (r == 0 && sketch_left_out(s))
		event_warn(c->job->sink, "left out %llu device files: an ordinary user can't make them",
			   (unsigned long long)sketch_left_out(s));
	return r;
}

static int unpack_to_dest(struct copier *c, const struct copy_item *it, struct archive_in *in, struct err *e)
{
	auto_buf struct buf base = { 0 };
	struct sketch_archive a = { .chown = c->spec->chown, .uid = c->spec->uid, .gid = c->spec->gid };

	if (copy_place_dir(c, &base, e) < 0)
		return -1;
	if (it->st.st_mtim.tv_sec >= c->newest.tv_sec)
		c->newest = it->st.st_mtim;
	a.base = base.p;
	a.now_ns = c->spec->now_ns >= 0 ? c->spec->now_ns : (int64_t)it->st.st_mtim.tv_sec * 1000000000;
	sketch_archive(c->dest.s, &a);
	return unpack_entries(c, in, e) < 0 ? err_wrap(e, "unpack /%s", it->match) : 0;
}

/* ADD of an archive: 1 unpacked, 0 it is none, -1. */
static int try_unpack(struct copier *c, const struct copy_item *it, struct err *e)
{
	auto_archive struct archive_in *in = NULL;
	auto_fd int fd = -1;

	if (!c->spec->add || c->spec->no_unpack || !S_ISREG(it->st.st_mode) || it->st.st_size == 0)
		return 0;
	fd = fs_open_in(c->spec->src_root, it->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return errno == EACCES ? 0 : err_sys(e, "open /%s", it->match);
	if (archive_open_tar(&fd, &in, e) < 0)
		return err_wrap(e, "/%s", it->match);
	if (!in)
		return 0;
	return unpack_to_dest(c, it, in, e) < 0 ? -1 : 1;
}

static int copy_source(struct copier *c, size_t i, struct err *e)
{
	auto_items struct copy_items l = { 0 };

	if (copy_match(c->spec, i, &l, e) < 0)
		return -1;
	if (c->spec->parents && l.n == 0) {
		auto_buf struct buf ignored = { 0 };

		return copy_place_dir(c, &ignored, e);
	}
	for (size_t k = 0; k < l.n; k++) {
		int r = try_unpack(c, &l.v[k], e);

		if (r < 0 || (r == 0 && copy_item(c, &l, k, e) < 0))
			return -1;
	}
	return 0;
}

/* A heredoc: 0644 0:0 unless told otherwise. */
static int write_file(struct copier *c, const struct copy_file *f, struct err *e)
{
	const struct copy_spec *s = c->spec;
	struct stat st = { .st_mode = S_IFREG | (s->chmod ? chmod_apply(s->chmod, 0644, false) & 07777 : 0644),
			   .st_uid = s->chown ? s->uid : 0, .st_gid = s->chown ? s->gid : 0, .st_size = (off_t)f->body.n };
	auto_buf struct buf path = { 0 };
	struct erofs_node *n;
	struct erofs_dir *dir;
	const char *name;

	if (copy_place(c, f->name, &path, e) < 0)
		return -1;
	errno = sketch_parent(c->dest.s, path.p, &dir, &name);
	if (errno == 0 && strlen(name) > NAME_MAX)
		errno = ENAMETOOLONG;
	if (errno)
		return err_sys(e, "open the directory of /%s", path.p);
	if (copy_clear(c, dir, name, path.p, e) < 0)
		return -1;
	st.st_mtim = copy_time(c);
	n = sketch_put(c->dest.s, dir, name, &st, NULL);
	sketch_read_bytes(c->dest.s, n, f->body.p);
	return 0;
}

static int copy_all(struct copier *c, struct err *e)
{
	for (size_t i = 0; i < c->spec->src.n; i++)
		if (copy_source(c, i, e) < 0)
			return -1;
	for (size_t i = 0; i < c->spec->nfiles; i++)
		if (write_file(c, &c->spec->files[i], e) < 0)
			return -1;
	dest_end(&c->dest, copy_time(c));
	return 0;
}

int copy_sketch(struct job *j, const struct copy_spec *spec, struct sketch *s, struct err *e)
{
	bool octal = spec->chmod && spec->chmod->octal;
	struct copier c = { .job = j, .spec = spec, .dest = {
		.s = s, .mode = octal ? spec->chmod->mode & 07777 : 0755,
		.uid = spec->chown ? spec->uid : 0, .gid = spec->chown ? spec->gid : 0,
	} };
	int r = copy_all(&c, e);

	dest_done(&c.dest);
	buf_done(&c.src);
	buf_done(&c.dst);
	return r;
}

int copy_run(struct job *j, const struct copy_spec *spec, int root, struct err *e)
{
	auto_sketch struct sketch *s = sketch_new(root);

	return copy_sketch(j, spec, s, e) < 0 ? -1 : sketch_apply(j, s, e);
}
