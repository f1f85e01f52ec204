/* SPDX-License-Identifier: Apache-2.0 */
/* COPY, ADD and WORKDIR as operations. */
#include "builder/op_copy.h"

#include "builder/copy_dest.h"
#include "builder/result.h"
#include "builder/users.h"
#include "builder/work.h"
#include "cache/lease.h"
#include "cache/sketch.h"
#include "cache/snapshot.h"
#include "parser/ignore.h"

static void hash_list(struct hasher *h, const struct strv *l)
{
	hasher_u64(h, l->n);
	for (size_t i = 0; i < l->n; i++)
		hasher_cstr(h, l->v[i]);
}

static const char *base_name(const char *path)
{
	size_t n = strlen(path), at;

	while (n > 1 && path[n - 1] == '/')
		n--;
	for (at = n; at > 0 && path[at - 1] != '/'; at--)
		;
	return path + at;
}

/* Sources count by their last part only: the files' contents are keyed by content. */
static void copy_key(struct work *w, struct vertex *v, struct hasher *h)
{
	const struct copy_op *op = v->data;

	hasher_cstr(h, op->dest);
	hasher_u64(h, op->src.n);
	for (size_t i = 0; i < op->src.n; i++)
		hasher_cstr(h, base_name(op->src.v[i]));
	hasher_cstr(h, op->chown ? op->chown : "");
	hasher_u64(h, op->chown != NULL);
	hasher_cstr(h, op->chmod ? op->chmod : "");
	hash_list(h, &op->exclude);
	hasher_u64(h, (uint64_t)(op->from | op->parents << 1 | op->add << 2 | op->no_unpack << 3 | v->detached << 4));
	hasher_u64(h, (uint64_t)w->epoch);
	vertex_instruction(w, v, NULL);
	vertex_input(w, v, "destination", "%s", op->dest);
	if (w->epoch >= 0)
		vertex_input(w, v, "SOURCE_DATE_EPOCH", "%lld", (long long)w->epoch);
}

struct copy_call {		/* a copy_spec and what it borrows */
	struct copy_spec c;
	struct ignore *exclude;
	struct chmod_spec chmod;
};

static int call_init(struct work *w, const struct copy_op *op, int src_root, struct copy_call *ret, struct err *e)
{
	*ret = (struct copy_call){ .c = {
		.src_root = src_root, .from_context = !op->from, .ignore = op->from ? NULL : w->ignore,
		.src = op->src, .parents = op->parents, .files = op->files, .nfiles = op->nfiles,
		.dest = op->dest, .scratch = lease_dirfd(w->lease), .add = op->add, .no_unpack = op->no_unpack,
		.now_ns = w->epoch >= 0 ? w->epoch * 1000000000 : -1,
	} };
	if (op->src.n && src_root < 0)
		return err_set(e, ERR_USAGE, "there is no build context to copy \"%s\" from", op->src.v[0]);
	if (op->chmod) {
		if (chmod_parse(str_of(op->chmod), &ret->chmod, e) < 0)
			return -1;
		ret->c.chmod = &ret->chmod;
	}
	if (op->exclude.n && ignore_new(&op->exclude, &ret->exclude, e) < 0)
		return -1;
	ret->c.exclude = ret->exclude;
	return 0;
}

/* Mount the tree that is copied from; *root is w's context where there is none. */
static int source_open(struct work *w, const struct vertex *v, struct snapshot **snap, int *root, struct err *e)
{
	const struct copy_op *op = v->data;

	*root = w->context_fd;
	if (!op->from)
		return 0;
	if (result_mount(w, v->in[1] ? &v->in[1]->result : NULL, false, snap, e) < 0)
		return -1;
	*root = snapshot_fd(*snap);
	return 0;
}

struct input_arg {
	struct work *w;
	struct vertex *v;
};

static void copy_told(void *arg, const char *name, const char *value)
{
	struct input_arg *a = arg;

	vertex_input(a->w, a->v, name, "%s", value);
}

static int copy_content(struct work *w, struct vertex *v, bool solved UNUSED, struct hasher *h, struct err *e)
{
	struct copy_op *op = v->data;
	auto_snapshot struct snapshot *snap = NULL;
	struct copy_call call;
	int root, r = 0;

	if (!op->has_digest || op->from) {
		if (source_open(w, v, &snap, &root, e) < 0)
			return -1;
		r = call_init(w, op, root, &call, e);
		if (r == 0)
			r = copy_digest(w->job, w->store, &call.c, copy_told, &(struct input_arg){ w, v }, &op->digest, e);
		ignore_free(call.exclude);
		op->has_digest = r == 0;
	}
	hasher_update(h, op->digest.b, hash_size(op->digest.alg));
	return r;
}

static int copy_do(struct work *w, struct vertex *v, struct copy_call *call, int lower, struct err *e)
{
	const struct copy_op *op = v->data;
	auto_sketch struct sketch *s = NULL;

	if (op->chown) {
		call->c.chown = true;
		if (users_chown(lower, op->chown, v->detached || !vertex_root(v), &call->c.uid, &call->c.gid, w->job->sink,
				e) < 0)
			return -1;
	}
	s = sketch_new(lower);
	return copy_sketch(w->job, &call->c, s, e) < 0 ? -1 :
		sketch_write(w->job, s, w->store, w->lease, &v->result.layer, e);
}

/* The tree that v starts from, to look at; *lower is -1 for an empty one. */
static int lower_open(struct work *w, const struct vertex *v, struct snapshot **snap, int *lower, struct err *e)
{
	*lower = -1;
	if (!vertex_root(v))
		return 0;
	if (result_mount(w, vertex_root(v), false, snap, e) < 0)
		return -1;
	*lower = snapshot_fd(*snap);
	return 0;
}

static int copy_make(struct work *w, struct vertex *v, struct err *e)
{
	auto_snapshot struct snapshot *src = NULL, *dst = NULL;
	struct copy_call call;
	int root, lower, r;

	if (source_open(w, v, &src, &root, e) < 0 || lower_open(w, v, &dst, &lower, e) < 0)
		return -1;
	r = call_init(w, v->data, root, &call, e);
	if (r == 0)
		r = copy_do(w, v, &call, lower, e);
	ignore_free(call.exclude);
	return r;
}

const struct op_type copy_type = { "copy", copy_key, copy_content, copy_make };

/* ---- WORKDIR ---- */

static void workdir_key(struct work *w, struct vertex *v, struct hasher *h)
{
	const struct workdir_op *op = v->data;

	hasher_cstr(h, op->path);
	hasher_cstr(h, op->user);
	hasher_u64(h, (uint64_t)w->epoch);
	vertex_instruction(w, v, NULL);
	vertex_input(w, v, "directory", "%s", op->path);
	if (*op->user)
		vertex_input(w, v, "user", "%s", op->user);
	if (w->epoch >= 0)
		vertex_input(w, v, "SOURCE_DATE_EPOCH", "%lld", (long long)w->epoch);
}

/* The directories made get a time that is the same on every machine: the epoch, or the newest above them. */
static int workdir_mkdirs(struct work *w, struct dest *d, const char *path, struct err *e)
{
	struct timespec t;

	if (dest_mkdirs(d, path, e) < 0)
		return -1;
	t = w->epoch >= 0 ? (struct timespec){ .tv_sec = w->epoch } : dest_time(d);
	dest_end(d, t);
	return 0;
}

static int workdir_in(struct work *w, const struct workdir_op *op, int lower, struct sketch *s, struct err *e)
{
	struct dest d = { .s = s, .mode = 0755 };
	auto_buf struct buf path = { 0 };
	struct passwd_user u = { 0 };
	bool exists;
	mode_t mode;
	int r;

	if (dest_resolve(&d, op->path, &path, &exists, &mode, e) < 0)
		return -1;
	if (exists)
		return S_ISDIR(mode) ? 0 : err_set(e, ERR_USAGE, "%s is not a directory", op->path);
	if (users_lookup(lower, op->user, &u, e) < 0)
		return -1;
	d.uid = u.uid;
	d.gid = u.gid;
	r = users_check(u.uid, u.gid, e) < 0 ? -1 : workdir_mkdirs(w, &d, path.p, e);
	passwd_user_done(&u);
	dest_done(&d);
	return r;
}

static int workdir_make(struct work *w, struct vertex *v, struct err *e)
{
	const struct workdir_op *op = v->data;
	auto_snapshot struct snapshot *dst = NULL;
	auto_sketch struct sketch *s = NULL;
	int lower;

	if (lower_open(w, v, &dst, &lower, e) < 0)
		return -1;
	s = sketch_new(lower);
	if (workdir_in(w, op, lower, s, e) < 0)
		return err_wrap(e, "WORKDIR %s", op->path);
	return sketch_write(w->job, s, w->store, w->lease, &v->result.layer, e);
}

const struct op_type workdir_type = { "workdir", workdir_key, NULL, workdir_make };
