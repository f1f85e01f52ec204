/* SPDX-License-Identifier: Apache-2.0 */
/* Resumable downloads: the file, its table of pieces, the threads that fetch. */
#include "registry/download.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#include "base/fault.h"
#include "base/fs.h"
#include "cache/blob.h"
#include "cache/lease.h"
#include "cache/store.h"

#define MAGIC "tarepart"
#define HEAD 16u
#define FULL ((uint64_t)1 << 20)	/* bytes: a disk with less free space has none */
#define SAVE_EVERY ((uint32_t)256 << 10)	/* bytes of a piece between two notes of how many are there */

struct piece {
	uint32_t done;
	bool busy;
};

struct download {
	struct job *j;
	struct remote *r;
	struct store *s;
	const struct descriptor *b;
	int step, fd;
	char name[sizeof(STORE_PART) + DIGEST_TEXT_MAX];	/* "": nameless */
	bool resumed;
	uint64_t read;			/* the reader's place */
	pthread_t thread[DOWNLOAD_THREADS];
	size_t threads;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct piece *piece;		/* all below: guarded by lock */
	size_t npieces, front;		/* front: the first piece that is not whole */
	uint64_t fetched;		/* bytes there */
	bool stop, whole, splitting, ended;	/* whole: no ranges, one thread does it all */
	size_t running;
	struct err err;
};

static uint64_t piece_size(const struct download *d, size_t i)
{
	return MIN(DOWNLOAD_PIECE, d->b->size - i * DOWNLOAD_PIECE);
}

/* --- the file --- */

static int write_at(int fd, const void *p, size_t n, uint64_t off, struct err *e)
{
	const char *at = p;

	while (n) {
		ssize_t r = pwrite(fd, at, n, (off_t)off);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_sys(e, "write a download");
		at += r;
		n -= (size_t)r;
		off += (uint64_t)r;
	}
	return 0;
}

static int save_piece(struct download *d, size_t i, struct err *e)
{
	return write_at(d->fd, &d->piece[i].done, sizeof(uint32_t), d->b->size + HEAD + i * sizeof(uint32_t), e);
}

/* Begin anew: an empty table. */
static int reset(struct download *d, struct err *e)
{
	char head[HEAD] = MAGIC;

	memcpy(head + 8, &d->b->size, 8);
	if (ftruncate(d->fd, 0) < 0 ||
	    ftruncate(d->fd, (off_t)(d->b->size + HEAD + d->npieces * sizeof(uint32_t))) < 0)
		return err_sys(e, "begin a download");
	return write_at(d->fd, head, sizeof(head), d->b->size, e);
}

/* What an earlier process left: true if the table makes sense. */
static bool load(struct download *d)
{
	auto_free uint32_t *done = xcalloc(d->npieces + 1, sizeof(*done));
	size_t n = d->npieces * sizeof(*done);
	char head[HEAD];
	struct stat st;

	if (fstat(d->fd, &st) < 0 || (uint64_t)st.st_size != d->b->size + HEAD + n ||
	    pread(d->fd, head, HEAD, (off_t)d->b->size) != HEAD || memcmp(head, MAGIC, 8) != 0 ||
	    memcmp(head + 8, &d->b->size, 8) != 0 || pread(d->fd, done, n, (off_t)(d->b->size + HEAD)) != (ssize_t)n)
		return false;
	for (size_t i = 0; i < d->npieces; i++)
		if (done[i] > piece_size(d, i))
			return false;
	for (size_t i = 0; i < d->npieces; i++) {
		d->piece[i].done = done[i];
		d->fetched += done[i];
	}
	d->resumed = d->fetched > 0;
	return true;
}

/* 1 opened and locked, 0 somebody else has it, -1. */
static int open_named(struct download *d, int work, struct err *e)
{
	char hex[DIGEST_TEXT_MAX];
	struct stat st;

	snprintf(d->name, sizeof(d->name), STORE_PART "%s", digest_hex(&d->b->digest, hex));
	for (;;) {
		auto_fd int fd = openat(work, d->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return err_sys(e, "open work/%s", d->name);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? 0 : err_sys(e, "lock work/%s", d->name);
		if (fstat(fd, &st) < 0)
			return err_sys(e, "stat work/%s", d->name);
		if (st.st_nlink > 0) {		/* else its user was done with it just now */
			d->fd = take_fd(&fd);
			return 1;
		}
	}
}

static int open_file(struct download *d, struct lease *l, struct err *e)
{
	int work = store_dir(d->s, STORE_WORK, e);
	int r = work < 0 ? -1 : open_named(d, work, e);

	if (r < 0)
		return -1;
	if (r == 0) {
		d->name[0] = '\0';
		d->fd = openat(lease_dirfd(l), ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
		if (d->fd < 0)
			return err_sys(e, "make a file for a download");
	}
	return r > 0 && load(d) ? 0 : reset(d, e);
}

/* --- fetching --- */

struct fetcher {
	struct download *d;
	size_t i;		/* the piece */
	uint64_t pos;
	uint32_t saved;
};

static void advance(struct download *d)		/* d->lock held */
{
	while (d->front < d->npieces && d->piece[d->front].done == piece_size(d, d->front))
		d->front++;
	pthread_cond_broadcast(&d->changed);
}

static void tell(struct download *d)		/* d->lock held */
{
	if (d->step)
		event_send(d->j->sink, &(struct event){ .kind = EV_STEP_BYTES, .step = d->step, .bytes = d->fetched,
			.total = d->b->size });
}

/* n bytes of piece i are now there, up to `upto` within it. */
static int account(struct fetcher *f, size_t i, uint32_t upto, struct err *e)
{
	struct download *d = f->d;
	struct piece *p = &d->piece[i];
	auto_lock pthread_mutex_t *held = lock_hold(&d->lock);

	if (d->stop)
		return err_set(e, ERR_CANCELLED, "the download was stopped");
	if (upto > p->done) {
		d->fetched += upto - p->done;
		p->done = upto;
	}
	advance(d);
	if (upto - f->saved < SAVE_EVERY && upto < piece_size(d, i))
		return 0;
	f->saved = upto == piece_size(d, i) ? 0 : upto;
	tell(d);
	fault_point("download.progress");
	return save_piece(d, i, e);
}

static int fetch_put(void *arg, const void *p, size_t n, struct err *e)
{
	struct fetcher *f = arg;
	const char *at = p;

	if (write_at(f->d->fd, p, n, f->pos, e) < 0)
		return -1;
	while (n) {
		size_t i = (size_t)(f->pos / DOWNLOAD_PIECE), part;

		part = (size_t)MIN((uint64_t)n, i * DOWNLOAD_PIECE + piece_size(f->d, i) - f->pos);
		f->pos += part;
		at += part;
		n -= part;
		if (account(f, i, (uint32_t)(f->pos - i * DOWNLOAD_PIECE), e) < 0)
			return -1;
	}
	return 0;
}

/* The next piece nobody works on; false: nothing is left to do. */
static bool take_piece(struct download *d, size_t *ret)
{
	auto_lock pthread_mutex_t *held = lock_hold(&d->lock);

	for (size_t i = d->front; i < d->npieces && !d->stop && d->err.kind == ERR_NONE; i++)
		if (!d->piece[i].busy && d->piece[i].done < piece_size(d, i)) {
			d->piece[i].busy = true;
			*ret = i;
			return true;
		}
	return false;
}

static void failed(struct download *d, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&d->lock);

	if (d->err.kind == ERR_NONE)
		err_move(&d->err, e);
	err_clear(e);
	pthread_cond_broadcast(&d->changed);
}

static void *fetch_main(void *arg);

/* The server keeps to ranges, so more of them at a time make sense. */
static void start_more(struct download *d)
{
	auto_lock pthread_mutex_t *held = lock_hold(&d->lock);
	auto_err struct err e = { 0 };

	if (d->splitting)
		return;
	d->splitting = true;
	while (d->threads < DOWNLOAD_THREADS && d->threads < d->npieces - d->front) {
		if (thread_start(&d->thread[d->threads], fetch_main, d, &e) < 0)
			return;
		d->threads++;
		d->running++;
	}
}

static int fetch_piece(struct download *d, size_t i, struct err *e)
{
	struct fetcher g = { .d = d, .i = i };
	struct fetch f = { .r = d->r, .b = d->b, .to = d->b->size, .put = fetch_put, .arg = &g };
	bool split;
	int r;

	pthread_mutex_lock(&d->lock);
	f.no_range = d->whole;
	split = d->b->size > DOWNLOAD_SPLIT && !d->whole;
	g.saved = d->piece[i].done;
	pthread_mutex_unlock(&d->lock);
	f.pos = g.pos = i * DOWNLOAD_PIECE + g.saved;
	if (split)
		f.to = i * DOWNLOAD_PIECE + piece_size(d, i);

	remote_enter(d->r);
	r = fetch_range(d->j, &f, e);
	remote_leave(d->r);
	if (f.no_range) {
		auto_lock pthread_mutex_t *held = lock_hold(&d->lock);
		d->whole = true;
	} else if (r == 0 && split) {
		start_more(d);
	}
	return r;
}

static void *fetch_main(void *arg)
{
	struct download *d = arg;
	auto_err struct err e = { 0 };
	size_t i;

	while (take_piece(d, &i)) {
		int r = fetch_piece(d, i, &e);

		pthread_mutex_lock(&d->lock);
		d->piece[i].busy = false;
		pthread_mutex_unlock(&d->lock);
		if (r < 0) {
			failed(d, &e);
			break;
		}
	}
	auto_lock pthread_mutex_t *held = lock_hold(&d->lock);
	d->running--;
	pthread_cond_broadcast(&d->changed);
	return NULL;
}

int download_new(struct job *j, struct remote *r, struct store *s, struct lease *l, const struct descriptor *b, int step,
		 struct download **ret, struct err *e)
{
	struct download *d = xcalloc(1, sizeof(*d));

	*d = (struct download){ .j = j, .r = r, .s = s, .b = b, .step = step, .fd = -1,
		.npieces = (size_t)((b->size + DOWNLOAD_PIECE - 1) / DOWNLOAD_PIECE) };
	d->piece = xcalloc(d->npieces + 1, sizeof(*d->piece));
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	if (open_file(d, l, e) < 0) {
		download_free(d);
		return -1;
	}
	pthread_mutex_lock(&d->lock);
	advance(d);
	tell(d);
	pthread_mutex_unlock(&d->lock);
	if (d->front < d->npieces) {
		d->running = 1;
		if (thread_start(&d->thread[0], fetch_main, d, e) < 0) {
			download_free(d);
			return -1;
		}
		d->threads = 1;
	}
	*ret = d;
	return 0;
}

static int copy_err(struct download *d, struct err *e)
{
	err_set(e, d->err.kind, "%s", err_text(&d->err));
	e->sys = d->err.sys;
	return err_hint(e, d->err.hint);
}

/* Bytes that may be read from d->read on; 0 at the end; -1. */
static int64_t available(struct download *d, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&d->lock);

	for (;;) {
		uint64_t upto = d->front == d->npieces ? d->b->size : d->front * DOWNLOAD_PIECE + d->piece[d->front].done;

		if (d->stop)
			return err_set(e, ERR_CANCELLED, "the download was stopped");
		if (upto > d->read || d->front == d->npieces)
			return (int64_t)(upto - d->read);
		if (d->err.kind != ERR_NONE)
			return copy_err(d, e);
		if (d->running == 0)
			return err_set(e, ERR_NET, "the download ended too early");
		pthread_cond_wait(&d->changed, &d->lock);
	}
}

ssize_t download_get(void *arg, void *p, size_t n, struct err *e)
{
	struct download *d = arg;
	int64_t have = available(d, e);
	ssize_t r;

	if (have <= 0)
		return (ssize_t)have;
	do
		r = pread(d->fd, p, (size_t)MIN((uint64_t)n, (uint64_t)have), (off_t)d->read);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return err_sys(e, "read a download");
	d->read += (uint64_t)r;
	return r;
}

bool download_resumed(const struct download *d)
{
	return d->resumed;
}

void download_stop(struct download *d)
{
	auto_lock pthread_mutex_t *held = lock_hold(&d->lock);

	d->stop = true;
	pthread_cond_broadcast(&d->changed);
}

static void join(struct download *d)
{
	download_stop(d);
	for (size_t i = 0; i < d->threads; i++)
		pthread_join(d->thread[i], NULL);
	d->threads = 0;
}

int download_keep(struct download *d, struct err *e)
{
	int work = store_dir(d->s, STORE_WORK, e);

	join(d);
	if (work < 0 || !d->name[0])
		return work < 0 ? -1 : 0;	/* another process has the same, and keeps it or not */
	if (ftruncate(d->fd, (off_t)d->b->size) < 0)
		return err_sys(e, "keep a download");
	if (blob_adopt(d->s, work, d->name, d->fd, &d->b->digest, e) < 0)
		return -1;
	d->name[0] = '\0';
	return 0;
}

void download_remove(struct download *d)
{
	auto_err struct err ignored = { 0 };
	int work = store_dir(d->s, STORE_WORK, &ignored);

	join(d);
	if (work >= 0 && d->name[0])
		(void)!unlinkat(work, d->name, 0);
	d->name[0] = '\0';
}

/* Then half a blob is not worth the space that others wait for. */
static bool disk_is_full(const struct download *d)
{
	struct statvfs v;

	return d->err.sys == ENOSPC || d->err.sys == EDQUOT ||
	       (d->fd >= 0 && fstatvfs(d->fd, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < FULL);
}

void download_free(struct download *d)
{
	auto_err struct err ignored = { 0 };

	if (!d)
		return;
	join(d);
	if (disk_is_full(d))
		download_remove(d);
	for (size_t i = 0; i < d->npieces && d->fd >= 0 && d->name[0]; i++)
		if (d->piece[i].done && save_piece(d, i, &ignored) < 0)
			err_clear(&ignored);
	if (d->fd >= 0)
		close(d->fd);
	err_clear(&d->err);
	free(d->piece);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->changed);
	free(d);
}
