/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs: written under a temporary, locked name, then checked, synced, renamed.
 *
 *   blob_begin() ──► work/blob-<id> (flock'ed) ──blob_commit(): check, pin, sync, rename, sync dir──► blobs/sha256/<hex>
 *                        └── process dies: the lock is free, gc removes it
 */
#include "cache/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/fs.h"
#include "cache/pin.h"

struct blob_in {
	struct store *store;
	int work, fd;
	char name[sizeof("blob-") + STORE_ID_MAX];
	uint64_t size, limit;
	struct hasher h;
};

/* 1: made and locked; 0: gc saw the name before it was locked; -1. */
static int temp_try(struct blob_in *b, struct err *e)
{
	char id[STORE_ID_MAX];
	struct stat st;

	store_id(id);
	snprintf(b->name, sizeof(b->name), "blob-%s", id);
	cleanup_fd(&b->fd);
	b->fd = openat(b->work, b->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (b->fd < 0)
		return err_sys(e, "make %s/work/%s", store_path(b->store), b->name);
	if (flock(b->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(e, "lock work/%s", b->name);
	if (fstat(b->fd, &st) < 0)
		return err_sys(e, "stat work/%s", b->name);
	return st.st_nlink > 0;
}

int blob_begin(struct store *s, uint64_t limit, struct blob_in **ret, struct err *e)
{
	struct blob_in *b = xcalloc(1, sizeof(*b));
	int r = -1;

	b->store = s;
	b->limit = limit;
	b->fd = -1;
	hasher_init(&b->h, HASH_SHA256);
	b->work = store_dir(s, STORE_WORK, e);
	while (b->work >= 0 && (r = temp_try(b, e)) == 0)
		;
	if (r < 0) {
		blob_drop(b);
		return err_wrap(e, "store a blob");
	}
	fault_point("blob.created");
	*ret = b;
	return 0;
}

int blob_write(struct blob_in *b, const void *p, size_t n, struct err *e)
{
	if (n > b->limit - b->size)
		return err_set(e, ERR_LIMIT, "blob larger than %llu bytes",
			       (unsigned long long)b->limit);
	if (fs_write_all(b->fd, p, n, e) < 0)
		return err_wrap(e, "store a blob");
	hasher_update(&b->h, p, n);
	b->size += n;
	return 0;
}

void blob_drop(struct blob_in *b)
{
	if (!b)
		return;
	if (b->fd >= 0 && b->name[0])
		unlinkat(b->work, b->name, 0);
	cleanup_fd(&b->fd);
	free(b);
}

static int blob_path(const struct digest *d, char hex[static DIGEST_TEXT_MAX], struct err *e)
{
	if (d->alg != HASH_SHA256)
		return err_set(e, ERR_USAGE, "blobs are stored under sha256 alone");
	digest_hex(d, hex);
	return 0;
}

/* Is it stored with that size? (Another size: damaged, to be replaced.) The caller has pinned
 * it. */
static bool blob_stored(int dir, const char *hex, uint64_t size)
{
	struct stat st;

	return fstatat(dir, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == size;
}

/*
 * Invariant 1: the names come after check and sync, and the caller's rows after the names are durable. The disk begins
 * with all of them before one is waited for, so that one commit of the file system's journal serves for many.
 */
static int blob_name(struct blob_in *const *b, const struct digest *d, size_t n, int dir, struct err *e)
{
	char hex[DIGEST_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		fault_point("blob.written");
		(void)sync_file_range(b[i]->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	for (size_t i = 0; i < n; i++)
		if (fsync(b[i]->fd) < 0)
			return err_sys(e, "sync blob %s", digest_hex(&d[i], hex));
	fault_point("blob.synced");
	for (size_t i = 0; i < n; i++) {
		if (renameat(b[i]->work, b[i]->name, dir, digest_hex(&d[i], hex)) < 0)
			return err_sys(e, "name blob %s", hex);
		b[i]->name[0] = '\0';
		fault_point("blob.renamed");
	}
	if (fsync(dir) < 0)
		return err_sys(e, "sync the directory of blobs");
	fault_point("blob.durable");
	return 0;
}

static int commit(struct blob_in *b, const struct digest *want, struct digest *ret, struct err *e)
{
	struct digest d = digest_final(&b->h);
	char hex[DIGEST_TEXT_MAX], expected[DIGEST_TEXT_MAX];
	int dir = store_dir(b->store, STORE_BLOBS, e);

	if (dir < 0 || blob_path(&d, hex, e) < 0)
		return -1;
	if (want && !digest_eq(want, &d))
		return err_set(e, ERR_CORRUPT, "blob has digest sha256:%s, not %s", hex,
			       digest_text(want, expected));
	if (store_pin(b->store, &d, e) < 0)
		return -1;
	if (!blob_stored(dir, hex, b->size) && blob_name(&b, &d, 1, dir, e) < 0)
		return -1;
	if (ret)
		*ret = d;
	return 0;
}

int blob_commit(struct blob_in *b, const struct digest *want, struct digest *ret, uint64_t *size,
		struct err *e)
{
	int r = commit(b, want, ret, e);

	if (r == 0 && size)
		*size = b->size;
	blob_drop(b);
	return r;
}

struct fresh {			/* blobs that are not stored yet, under temporary names */
	struct blob_in **b;
	struct digest *d;
	size_t n;
};

static int write_fresh(struct store *s, int dir, struct str text, const struct digest *d, struct fresh *f, struct err *e)
{
	char hex[DIGEST_TEXT_MAX];

	if (blob_path(d, hex, e) < 0 || store_pin(s, d, e) < 0)
		return -1;
	if (blob_stored(dir, hex, text.n))
		return 0;
	if (blob_begin(s, text.n, &f->b[f->n], e) < 0)
		return -1;
	f->d[f->n++] = *d;
	return blob_write(f->b[f->n - 1], text.p, text.n, e);
}

int blob_put_all(struct store *s, const struct str *texts, size_t n, struct digest *ret, struct err *e)
{
	auto_free struct blob_in **b = xcalloc(n + 1, sizeof(struct blob_in *));
	auto_free struct digest *d = xcalloc(n + 1, sizeof(*d));
	struct fresh f = { b, d, 0 };
	int dir = store_dir(s, STORE_BLOBS, e), r = dir < 0 ? -1 : 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		ret[i] = digest_of(texts[i].p, texts[i].n);
		r = write_fresh(s, dir, texts[i], &ret[i], &f, e);
	}
	if (r == 0 && f.n)
		r = blob_name(f.b, f.d, f.n, dir, e);
	for (size_t i = 0; i < f.n; i++)
		blob_drop(f.b[i]);
	return r;
}

int blob_adopt(struct store *s, int dir, const char *name, int fd, const struct digest *want, struct err *e)
{
	char hex[DIGEST_TEXT_MAX];
	int blobs = store_dir(s, STORE_BLOBS, e);

	if (blobs < 0 || blob_path(want, hex, e) < 0 || store_pin(s, want, e) < 0)
		return -1;
	if (fsync(fd) < 0)
		return err_sys(e, "sync blob %s", hex);
	if (renameat(dir, name, blobs, hex) < 0)
		return err_sys(e, "name blob %s", hex);
	return fsync(blobs) < 0 ? err_sys(e, "sync the directory of blobs") : 0;
}

int blob_put(struct store *s, const void *p, size_t n, struct digest *ret, struct err *e)
{
	struct digest d;

	if (blob_put_all(s, &(struct str){ p, n }, 1, &d, e) < 0)
		return -1;
	if (ret)
		*ret = d;
	return 0;
}

int blob_open(struct store *s, const struct digest *d, int *ret, uint64_t *size, struct err *e)
{
	char hex[DIGEST_TEXT_MAX];
	int dir = store_dir(s, STORE_BLOBS, e);
	auto_fd int fd = -1;
	struct stat st;

	if (dir < 0 || blob_path(d, hex, e) < 0 || store_pin(s, d, e) < 0)
		return -1;
	fd = openat(dir, hex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "blob sha256:%s is not in the store", hex);
	if (fd < 0)
		return err_sys(e, "open blob sha256:%s", hex);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat blob sha256:%s", hex);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CORRUPT, "blob sha256:%s is not a regular file", hex);
	if (size)
		*size = (uint64_t)st.st_size;
	*ret = take_fd(&fd);
	return 0;
}

int blob_read(struct store *s, const struct digest *d, size_t max, struct buf *ret, struct err *e)
{
	auto_buf struct buf b = { 0 };
	char hex[DIGEST_TEXT_MAX];
	auto_fd int fd = -1;
	struct digest have;

	if (blob_open(s, d, &fd, NULL, e) < 0)
		return -1;
	if (fs_read_fd(fd, max, &b, e) < 0)
		return err_wrap(e, "blob sha256:%s", digest_hex(d, hex));
	have = digest_of(b.p, b.n);
	if (!digest_eq(&have, d)) {
		err_set(e, ERR_CORRUPT, "blob sha256:%s is damaged in the store",
			digest_hex(d, hex));
		return err_hint(e, "remove its image (tare rmi), then tare gc, and build or load it again");
	}
	buf_done(ret);
	*ret = b;
	b = (struct buf){ 0 };
	return 0;
}

int blob_has(struct store *s, const struct digest *d, struct err *e)
{
	char hex[DIGEST_TEXT_MAX];
	int dir = store_dir(s, STORE_BLOBS, e);

	if (dir < 0 || blob_path(d, hex, e) < 0 || store_pin(s, d, e) < 0)
		return -1;
	if (faccessat(dir, hex, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, "look for blob sha256:%s", hex);
}
