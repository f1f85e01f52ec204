/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that come as tars from elsewhere: load and import. */
#include <errno.h>

#include "base/fs.h"
#include "cache/archive.h"
#include "cache/erofs.h"
#include "cache/extract.h"
#include "cache/hash_pipe.h"
#include "cache/layer_dir.h"
#include "cache/layer_form.h"
#include "cache/lease.h"
#include "cache/sketch.h"
#include "cache/split.h"

struct unpack {
	struct job *job;
	int home;		/* a directory of our own in the lease */
	int tree;		/* home/u, O_PATH */
	struct extract *x;
	struct split_out *split;
	struct archive_in *in;
	struct tar_reader *tar;
	struct hash_pipe *h;	/* takes the tar's bytes */
	uint64_t entries, disk;
};

static int unpack_init(struct unpack *u, struct job *j, struct lease *lease, struct err *e)
{
	*u = (struct unpack){ .job = j, .home = -1, .tree = -1 };
	if (layer_home(lease, &u->home, e) < 0)
		return -1;
	if (mkdirat(u->home, "u", 0755) < 0)
		return err_sys(e, "create a directory for a layer");
	u->tree = openat(u->home, "u", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (u->tree < 0 || fchmodat(u->home, "u", 0755, 0) < 0)
		return err_sys(e, "create a directory for a layer");
	u->h = hash_pipe_new();
	return 0;
}

static void unpack_done(struct unpack *u)
{
	extract_free(u->x);
	split_free(u->split);
	tar_read_free(u->tar);
	archive_close(u->in);
	hash_pipe_free(u->h);
	if (u->tree >= 0)
		close(u->tree);
	if (u->home >= 0)
		close(u->home);
}

static ssize_t hash_get(void *arg, void *p, size_t n, struct err *e)
{
	struct unpack *u = arg;
	ssize_t got = archive_get(u->in, p, n, e);

	return got > 0 && hash_pipe_put(u->h, p, (size_t)got, e) < 0 ? -1 : got;
}

static int tar_bytes(void *arg, const void **p, size_t *n, struct err *e)
{
	struct unpack *u = arg;

	return job_check(u->job, e) < 0 ? -1 : tar_data(u->tar, p, n, e);
}

/* Data of an entry that became no file: nowhere else to keep it. */
static int keep_data(struct unpack *u, struct err *e)
{
	const void *p;
	size_t n;

	for (;;) {
		if (tar_bytes(u, &p, &n, e) < 0)
			return -1;
		if (n == 0)
			return 0;
		if (split_raw(u->split, p, n, e) < 0)
			return -1;
	}
}

static int put_entry(struct unpack *u, const struct tar_entry *t, entry_data data, struct err *e)
{
	bool made;

	if (++u->entries > ARCHIVE_ENTRIES_MAX)
		return err_set(e, ERR_LIMIT, "a layer of more than %u entries", ARCHIVE_ENTRIES_MAX);
	u->disk += (t->size + 4095) & ~(uint64_t)4095;
	if (extract_put(u->x, t, data, u, &made, e) < 0)
		return -1;
	if (!u->split || t->type != TAR_FILE || t->size == 0)
		return 0;
	return made ? split_file(u->split, extract_path(u->x), t->size, e) : keep_data(u, e);
}

static void tell_left_out(struct job *j, uint64_t n)
{
	if (n)
		event_warn(j->sink, "left out %llu device files: an ordinary user can't make them",
			   (unsigned long long)n);
}

static int unpack_tar(struct unpack *u, bytes_get get, void *arg, struct err *e)
{
	struct extract_opts o = { .root = u->tree, .base = "", .layer = true, .now_ns = 0 };
	struct tar_entry t;
	int r;

	if (archive_unzip(get, arg, &u->in, e) < 0 || split_new(u->home, "u", &u->split, e) < 0)
		return -1;
	u->tar = tar_read_new(hash_get, u, split_raw, u->split);
	o.replace = split_lose;
	o.arg = u->split;
	u->x = extract_new(&o);
	while ((r = tar_next(u->tar, &t, e)) > 0)
		if (job_check(u->job, e) < 0 || put_entry(u, &t, tar_bytes, e) < 0)
			return -1;
	if (r < 0 || extract_end(u->x, e) < 0 || split_end(u->split, e) < 0)
		return -1;
	tell_left_out(u->job, extract_left_out(u->x));
	return 0;
}

static struct layer *layer_of(struct unpack *u)
{
	struct layer *l = layer_new(u->tree, u->home, "u");

	u->tree = u->home = -1;
	return l;
}

int layer_unpack_tree(struct job *j, int root, bytes_get get, void *arg, struct err *e)
{
	struct extract_opts o = { .root = root, .base = "", .layer = true, .now_ns = 0 };
	struct unpack u = { .job = j, .home = -1, .tree = -1 };
	struct tar_entry t;
	int r;

	u.tar = tar_read_new(get, arg, NULL, NULL);
	u.x = extract_new(&o);
	do {
		r = job_check(j, e) < 0 ? -1 : tar_next(u.tar, &t, e);
	} while (r > 0 && (r = put_entry(&u, &t, tar_bytes, e) < 0 ? -1 : 1) > 0);
	if (r == 0)
		r = extract_end(u.x, e);
	unpack_done(&u);
	return r;
}

struct tee {			/* bytes on their way into a layer in tar form */
	struct job *job;
	struct archive_in *in;
	struct hash_pipe *pipe;
};

static ssize_t tee_get(void *arg, void *p, size_t n, struct err *e)
{
	struct tee *t = arg;
	ssize_t got = job_check(t->job, e) < 0 ? -1 : archive_get(t->in, p, n, e);

	return got > 0 && hash_pipe_put(t->pipe, p, (size_t)got, e) < 0 ? -1 : got;
}

static int unpack_to_tar(struct job *j, struct store *s, struct lease *lease, bytes_get get, void *arg,
			 struct layer **ret, struct err *e)
{
	auto_archive struct archive_in *in = NULL;
	struct layer_out o;
	int r = layer_out_init(&o, s, lease, e);

	if (r == 0)
		r = archive_unzip(get, arg, &in, e);
	if (r == 0)
		r = erofs_read_tar(o.index, tee_get, &(struct tee){ j, in, o.pipe }, e);
	if (r == 0)
		r = layer_out_end(&o, ret, e);
	layer_out_done(&o);
	return r < 0 ? err_wrap(e, "unpack a layer") : 0;
}

static int unpack_to_tree(struct job *j, struct lease *lease, bytes_get get, void *arg, struct layer **ret,
			  struct err *e)
{
	struct unpack u;
	struct layer *l;

	if (unpack_init(&u, j, lease, e) < 0 || unpack_tar(&u, get, arg, e) < 0) {
		unpack_done(&u);
		return err_wrap(e, "unpack a layer");
	}
	l = layer_of(&u);
	l->diff_id = hash_pipe_end(u.h);
	l->tar_size = hash_pipe_size(u.h);
	l->entries = u.entries;
	l->disk_size = u.disk;
	l->empty = u.entries == 0;
	l->sealed = true;
	unpack_done(&u);
	*ret = l;
	return 0;
}

int layer_unpack(struct job *j, struct store *s, struct lease *lease, bytes_get get, void *arg, struct layer **ret,
		 struct err *e)
{
	enum layer_form form;

	if (layer_form(s, &form, e) < 0)
		return -1;
	return form == LAYER_FORM_TAR ? unpack_to_tar(j, s, lease, get, arg, ret, e) :
		unpack_to_tree(j, lease, get, arg, ret, e);
}

struct import {
	struct job *job;
	struct archive_in *in;
};

static int archive_bytes(void *arg, const void **p, size_t *n, struct err *e)
{
	struct import *i = arg;

	return job_check(i->job, e) < 0 ? -1 : archive_data(i->in, p, n, e);
}

static int import_entries(struct import *i, struct sketch *s, int dir, struct err *e)
{
	struct tar_entry t;
	int r;

	sketch_archive(s, &(struct sketch_archive){ .base = "" });
	while ((r = archive_next(i->in, &t, e)) > 0)
		if (job_check(i->job, e) < 0 || sketch_entry(s, &t, dir, archive_bytes, i, e) < 0)
			return -1;
	if (r == 0)
		tell_left_out(i->job, sketch_left_out(s));
	return r;
}

int layer_import(struct job *j, struct store *s, struct lease *lease, bytes_get get, void *arg,
		 struct layer **ret, struct err *e)
{
	auto_sketch struct sketch *sketch = sketch_new(-1);
	struct import i = { .job = j };
	int r = archive_read_tar(get, arg, &i.in, e);

	if (r == 0)
		r = import_entries(&i, sketch, lease_dirfd(lease), e);
	archive_close(i.in);
	if (r == 0)
		r = sketch_write(j, sketch, s, lease, ret, e);
	return r < 0 ? err_wrap(e, "import") : 0;
}
