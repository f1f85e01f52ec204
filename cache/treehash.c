/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashing trees in three passes: walk (stat everything, take digests from the stat cache), read what is
 * missing (in parallel), sum up (listings from the leaves to the root). Then remember.
 */
#include "cache/treehash.h"

#include <errno.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cache/db.h"
#include "cache/keys.h"
#include "cache/listing.h"
#include "cache/store.h"
#include "cache/tar.h"
#include "cache/treewalk.h"

#define CHUNK ((size_t)256 << 10)
#define FEW_FILES 8		/* so few are read by this thread alone, unless they are large */
#define FEW_BYTES ((uint64_t)1 << 20)

/* ---- reading what the stat cache doesn't know ---- */

static int hash_fd(struct walk *w, int fd, struct node *n, char *chunk, struct err *e)
{
	char cap[64];
	struct hasher h;
	uint64_t size = 0;
	ssize_t got;

	hasher_init(&h, HASH_SHA256);
	while ((got = bytes_get_fd(&fd, chunk, CHUNK, e)) > 0) {
		if (job_check(w->job, e) < 0)
			return -1;
		hasher_update(&h, chunk, (size_t)got);
		size += (uint64_t)got;
	}
	if (got < 0)
		return -1;
	hasher_final(&h, n->digest);
	n->st.st_size = (off_t)size;
	got = fgetxattr(fd, "security.capability", cap, sizeof(cap));
	if (got > 0) {			/* the only attribute that counts: a part of the contents' digest */
		hasher_init(&h, HASH_SHA256);
		hasher_str(&h, (struct str){ (const char *)n->digest, sizeof(n->digest) });
		hasher_str(&h, (struct str){ cap, (size_t)got });
		hasher_final(&h, n->digest);
	}
	return 0;
}

static int hash_node(struct walk *w, struct node *n, char *chunk, struct err *e)
{
	auto_buf struct buf path = { 0 };
	auto_fd int fd = -1;
	struct stat st;

	tree_node_path(n, &path);
	fd = fs_open_in(w->req->root, path.p, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return tree_walk_fail(path.p, e);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFLICT, "%s changed while the tree was read", path.p);
	n->st = st;
	return hash_fd(w, fd, n, chunk, e) < 0 ? err_wrap(e, "%s", path.p) : 0;
}

static void hash_some(void *arg)
{
	struct walk *w = arg;
	auto_free char *chunk = xmalloc(CHUNK);

	for (;;) {
		size_t i = atomic_fetch_add(&w->next, 1);
		auto_err struct err e = { 0 };

		if (i >= w->nmissing || atomic_load(&w->failed))
			return;
		if (hash_node(w, w->missing[i], chunk, &e) == 0)
			continue;
		tree_walk_broke(w, &e);
	}
}

static int hash_missing(struct walk *w, struct err *e)
{
	size_t threads = MIN(cpu_count(), (size_t)8);
	struct pool *pool;

	if (w->nmissing <= FEW_FILES && w->missing_bytes <= FEW_BYTES)
		threads = 1;
	if (threads > 1 && w->nmissing > 1) {
		if (pool_new(threads, &pool, e) < 0)
			return -1;
		for (size_t i = 0; i < threads; i++)
			pool_run(pool, hash_some, w);
		pool_wait(pool);
		pool_free(pool);
	} else if (w->nmissing) {
		hash_some(w);
	}
	if (!atomic_load(&w->failed))
		return 0;
	err_move(e, &w->first);
	return -1;
}

/* ---- listings ---- */

static void list_node(struct walk *w, const struct node *n, const char *name, bool top, struct buf *ret)
{
	bool is_dir = S_ISDIR(n->st.st_mode), is_link = S_ISLNK(n->st.st_mode);
	bool ownerless = w->req->zero_owner || (top && is_dir);	/* of a directory source only the insides are copied */
	struct listing_entry l = {
		.type = n->st.st_mode & S_IFMT,
		.mode = is_link || (top && is_dir) ? 0 : n->st.st_mode & 07777,
		.uid = ownerless ? 0 : n->st.st_uid,
		.gid = ownerless ? 0 : n->st.st_gid,
		.size = S_ISREG(n->st.st_mode) ? (uint64_t)n->st.st_size : 0,
		.name = str_of(name),
	};

	if (S_ISCHR(n->st.st_mode) || S_ISBLK(n->st.st_mode))
		l.size = n->st.st_rdev;
	memcpy(l.digest, n->digest, sizeof(l.digest));
	listing_add(ret, &l);
}

static void sum_node(struct walk *w, struct node *n);

static void sum_dir(struct walk *w, struct node *n)
{
	auto_buf struct buf text = { .max = (size_t)1 << 30 };
	size_t kept = 0;

	for (size_t i = 0; i < n->dir->n; i++) {
		struct node *c = n->dir->v[i];

		sum_node(w, c);
		if (c->gone)
			continue;
		list_node(w, c, c->name, false, &text);
		kept++;
	}
	n->gone = n->below_only && kept == 0;
	n->dir->digest = digest_of(text.p ? text.p : "", text.n);
	memcpy(n->digest, n->dir->digest.b, sizeof(n->digest));
	if (w->store && !n->gone)
		n->dir->listing = arena_str(&w->arena, buf_view(&text));
}

static void sum_node(struct walk *w, struct node *n)
{
	if (n->dir)
		sum_dir(w, n);
}

static struct digest sum_tops(struct walk *w, struct dir *whole)
{
	auto_buf struct buf text = { .max = (size_t)1 << 30 };

	for (size_t i = 0; i < w->req->ntops; i++)
		sum_node(w, &w->tops[i]);
	if (w->req->ntops == 1 && !w->req->tops[0].name && w->tops[0].dir)
		return w->tops[0].dir->digest;
	for (size_t i = 0; i < w->req->ntops; i++)
		list_node(w, &w->tops[i], w->req->tops[i].name ? w->req->tops[i].name : "", true, &text);
	whole->digest = digest_of(text.p ? text.p : "", text.n);
	whole->listing = arena_str(&w->arena, buf_view(&text));
	whole->next = w->dirs;
	w->dirs = whole;
	return whole->digest;
}

/* ---- remembering ---- */

static int listing_known(struct walk *w, const struct dir *d, struct err *e)
{
	int64_t one;

	return db_get_int(store_db(w->store), "SELECT 1 FROM trees WHERE digest = ?", BIND(db_digest(&d->digest)),
			  &one, e);
}

static int store_row(struct walk *w, const struct dir *d, struct err *e)
{
	auto_buf struct buf row = { .max = (size_t)1 << 30 };

	for (size_t i = 0; i < d->nlines; i++) {
		const struct line *l = &d->lines[i];

		if (!l->node)
			buf_str(&row, l->old);
		else if (statcache_settled(&l->node->st, w->now_ns))
			statcache_add(&row, l->name, &l->node->st, l->node->digest);
	}
	return statcache_put(w->store, d->dev, d->ino, buf_view(&row), e);
}

static int remember_dir(struct walk *w, const struct dir *d, struct tx *tx, struct err *e)
{
	bool row = d->dirty && w->req->cached;
	int known = d->listing.p ? listing_known(w, d, e) : 1;

	if (known < 0)
		return -1;
	if (!row && known)
		return 0;
	if (!tx->db && db_begin_lazy(store_db(w->store), tx, e) < 0)
		return -1;
	if (!known && trees_put(w->store, &d->digest, d->listing, e) < 0)
		return -1;
	return row ? store_row(w, d, e) : 0;
}

/* One transaction for all, none if there is nothing new (the usual case). */
static int remember(struct walk *w, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	for (struct dir *d = w->dirs; d; d = d->next)
		if (remember_dir(w, d, &tx, e) < 0)
			return -1;
	for (struct top_dir *t = w->top_dirs; t; t = t->next) {
		if (t->dir.dirty)
			tree_walk_complete(w, t);
		if (remember_dir(w, &t->dir, &tx, e) < 0)
			return -1;
	}
	return tx.db ? db_commit(&tx, e) : 0;
}

static int run(struct walk *w, struct digest *ret, struct err *e)
{
	struct dir *whole = arena_new(&w->arena, struct dir);
	struct digest d;

	if (tree_walk(w, e) < 0 || hash_missing(w, e) < 0)
		return -1;
	d = sum_tops(w, whole);
	if (w->store && remember(w, e) < 0)
		return -1;
	*ret = d;
	return 0;
}

int tree_hash(struct job *j, struct store *s, const struct tree_req *req, struct digest *ret, struct err *e)
{
	struct walk w = { .job = j, .store = s, .req = req, .now_ns = clock_now_ns() };
	int r;

	pthread_mutex_init(&w.lock, NULL);
	r = run(&w, ret, e);
	pthread_mutex_destroy(&w.lock);
	err_clear(&w.first);
	tree_walk_done(&w);
	return r;
}
