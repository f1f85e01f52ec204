/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compression in blocks. The caller fills slots of a ring in order, workers compress them in any order, the
 * caller puts them out in order again:
 *
 *   FREE ──fill──► FULL ──worker takes──► BUSY ──► DONE ──caller puts it out──► FREE
 */
#include "base/zip.h"

#include <stdbool.h>
#include <zstd.h>

#include "base/isal.h"
#include "base/task.h"

#define WORKERS_MAX 8
#define OUT_MAX (ZIP_BLOCK + (ZIP_BLOCK >> 3) + 1024)	/* what a block may become: more than either library needs */
#define LEVEL_BUF MAX(ISAL_DEF_LVL1_DEFAULT, MAX(ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT))

struct slot {
	enum { SLOT_FREE, SLOT_FULL, SLOT_BUSY, SLOT_DONE } state;
	char *in, *out;
	size_t n, out_n;	/* out_n 0: it could not be compressed */
};

struct worker {
	struct zip *z;
	pthread_t thread;
	struct isal_zstream *gz;	/* gzip */
	uint8_t *level_buf;
	ZSTD_CCtx *zstd;
};

struct zip {
	enum zip_kind kind;
	int level;
	bytes_put put;
	void *arg;
	struct isal isal;
	uint32_t crc;
	uint64_t size;			/* bytes put in */
	bool begun;			/* the header is out */
	struct slot *slot;
	size_t nslots;
	uint64_t filled, emptied;	/* slots so far; the caller's */
	struct worker *worker;
	size_t nworkers, started;
	pthread_mutex_t lock;
	pthread_cond_t full, done;
	uint64_t taken;			/* slots that workers took; guarded by lock, as are the states */
	bool ending;
};

static const char *const names[] = { [ZIP_NONE] = "none", [ZIP_GZIP] = "gzip", [ZIP_ZSTD] = "zstd" };

int zip_kind_parse(const char *s, enum zip_kind *ret, struct err *e)
{
	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(s, names[i]) == 0) {
			*ret = (enum zip_kind)i;
			return 0;
		}
	return err_set(e, ERR_USAGE, "no such compression: %s (gzip, zstd, none)", s);
}

const char *zip_kind_name(enum zip_kind k)
{
	return names[k];
}

/* gzip's nine levels on ISA-L's three. */
static uint32_t isal_level(int level)
{
	return level <= 3 ? 1 : level <= 6 ? 2 : 3;
}

static size_t gzip_block(struct worker *w, const struct slot *s)
{
	static const uint32_t bufs[] = { 0, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT };
	struct isal_zstream *z = w->gz;

	w->z->isal.deflate_init(z);
	z->level = isal_level(w->z->level);
	z->level_buf = w->level_buf;
	z->level_buf_size = bufs[z->level];
	z->flush = FULL_FLUSH;
	z->end_of_stream = 0;
	z->next_in = (uint8_t *)s->in;
	z->avail_in = (uint32_t)s->n;
	z->next_out = (uint8_t *)s->out;
	z->avail_out = (uint32_t)OUT_MAX;
	return w->z->isal.deflate(z) == COMP_OK && z->avail_in == 0 ? z->total_out : 0;
}

static size_t zstd_block(struct worker *w, const struct slot *s)
{
	size_t n = ZSTD_compress2(w->zstd, s->out, OUT_MAX, s->in, s->n);

	return ZSTD_isError(n) ? 0 : n;
}

static void worker_block(struct worker *w, struct slot *s)
{
	if (!s->out)
		s->out = xmalloc(OUT_MAX);
	s->out_n = w->z->kind == ZIP_GZIP ? gzip_block(w, s) : zstd_block(w, s);
}

static void worker_init(struct worker *w, struct zip *z)
{
	w->z = z;
	if (z->kind == ZIP_GZIP) {
		w->gz = isal_stream_new();
		w->level_buf = xcalloc(1, LEVEL_BUF);
		return;
	}
	w->zstd = ZSTD_createCCtx();
	if (!w->zstd)
		abort();	/* out of memory, STYLE 4 */
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, z->level);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct zip *z = w->z;

	pthread_mutex_lock(&z->lock);
	for (;;) {
		struct slot *s = &z->slot[z->taken % z->nslots];

		if (s->state != SLOT_FULL) {
			if (z->ending)
				break;
			pthread_cond_wait(&z->full, &z->lock);
			continue;
		}
		z->taken++;
		s->state = SLOT_BUSY;
		pthread_mutex_unlock(&z->lock);
		worker_block(w, s);
		pthread_mutex_lock(&z->lock);
		s->state = SLOT_DONE;
		pthread_cond_signal(&z->done);
	}
	pthread_mutex_unlock(&z->lock);
	return NULL;
}

int zip_new(enum zip_kind kind, int level, size_t workers, bytes_put put, void *arg, struct zip **ret, struct err *e)
{
	struct zip *z;

	if (level < 0 || level > (kind == ZIP_GZIP ? 9 : ZIP_LEVEL_MAX))
		return err_set(e, ERR_USAGE, "%s has no level %d: take 1 to %d", names[kind], level,
			       kind == ZIP_GZIP ? 9 : ZIP_LEVEL_MAX);
	z = xcalloc(1, sizeof(*z));
	z->kind = kind;
	z->level = level ? level : kind == ZIP_ZSTD ? 3 : 1;
	z->put = put;
	z->arg = arg;
	pthread_mutex_init(&z->lock, NULL);
	pthread_cond_init(&z->full, NULL);
	pthread_cond_init(&z->done, NULL);
	if (kind == ZIP_GZIP && isal_load(&z->isal, e) < 0) {
		zip_free(z);
		return -1;
	}
	z->nworkers = MIN(workers ? workers : cpu_count(), (size_t)WORKERS_MAX);
	z->worker = xcalloc(z->nworkers, sizeof(*z->worker));
	z->nslots = 2 * z->nworkers + 2;
	z->slot = xcalloc(z->nslots, sizeof(*z->slot));
	*ret = z;
	return 0;
}

/* RFC 1952 section 2.3: no flags, no time, no name, operating system unknown. */
static int put_head(struct zip *z, struct err *e)
{
	static const unsigned char head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff };

	if (z->begun)
		return 0;
	z->begun = true;
	return z->kind == ZIP_GZIP ? z->put(z->arg, head, sizeof(head), e) : 0;
}

/* Put out the oldest slot; wait for its worker only if wait is set. 1 done, 0 not ready, -1. */
static int put_oldest(struct zip *z, bool wait, struct err *e)
{
	struct slot *s = &z->slot[z->emptied % z->nslots];
	bool ready;

	pthread_mutex_lock(&z->lock);
	while (wait && s->state != SLOT_DONE)
		pthread_cond_wait(&z->done, &z->lock);
	ready = s->state == SLOT_DONE;
	pthread_mutex_unlock(&z->lock);
	if (!ready)
		return 0;
	if (s->out_n == 0)
		return err_set(e, ERR_CORRUPT, "%s could not compress a block", names[z->kind]);
	if (put_head(z, e) < 0 || z->put(z->arg, s->out, s->out_n, e) < 0)
		return -1;
	s->state = SLOT_FREE;
	s->n = 0;
	z->emptied++;
	return 1;
}

static int start_workers(struct zip *z, struct err *e)
{
	for (; z->started < z->nworkers; z->started++) {
		struct worker *w = &z->worker[z->started];

		worker_init(w, z);
		if (thread_start(&w->thread, worker_main, w, e) < 0)
			return z->started ? (err_clear(e), z->nworkers = z->started, 0) : -1;
	}
	return 0;
}

static void slot_full(struct zip *z, struct slot *s)
{
	auto_lock pthread_mutex_t *held = lock_hold(&z->lock);

	s->state = SLOT_FULL;
	z->filled++;
	pthread_cond_signal(&z->full);
}

/* The slot being filled is full: hand it over, put out what is ready, make sure that the next one is free. */
static int next_slot(struct zip *z, struct slot *s, struct err *e)
{
	int r;

	if (start_workers(z, e) < 0)
		return -1;
	slot_full(z, s);
	while (z->emptied < z->filled && (r = put_oldest(z, z->filled - z->emptied == z->nslots, e)) != 0)
		if (r < 0)
			return -1;
	return 0;
}

int zip_put(void *zip, const void *p, size_t n, struct err *e)
{
	struct zip *z = zip;
	const char *at = p;

	if (z->kind == ZIP_NONE)
		return z->put(z->arg, p, n, e);
	if (z->kind == ZIP_GZIP)
		z->crc = z->isal.crc32(z->crc, p, n);
	z->size += n;
	while (n) {
		struct slot *s = &z->slot[z->filled % z->nslots];
		size_t part = MIN(n, ZIP_BLOCK - s->n);

		if (!s->in)
			s->in = xmalloc(ZIP_BLOCK);
		memcpy(s->in + s->n, at, part);
		s->n += part;
		at += part;
		n -= part;
		if (s->n == ZIP_BLOCK && next_slot(z, s, e) < 0)
			return -1;
	}
	return 0;
}

/* The last slot, not full. With no worker yet the caller is one: small streams start no thread. */
static int end_slot(struct zip *z, struct err *e)
{
	struct slot *s = &z->slot[z->filled % z->nslots];

	if (s->n == 0 && !(z->size == 0 && z->kind == ZIP_ZSTD))
		return 0;
	if (!s->in)
		s->in = xmalloc(ZIP_BLOCK);
	if (z->started) {
		slot_full(z, s);
		return 0;
	}
	worker_init(&z->worker[0], z);
	worker_block(&z->worker[0], s);
	s->state = SLOT_DONE;
	z->filled++;
	return s->out_n ? 0 : err_set(e, ERR_CORRUPT, "%s could not compress a block", names[z->kind]);
}

/* An empty final deflate block, then CRC and size, low byte first. */
static int put_tail(struct zip *z, struct err *e)
{
	unsigned char tail[10] = { 0x03, 0x00 };

	for (unsigned i = 0; i < 4; i++) {
		tail[2 + i] = (unsigned char)(z->crc >> 8 * i);
		tail[6 + i] = (unsigned char)(z->size >> 8 * i);
	}
	return z->put(z->arg, tail, sizeof(tail), e);
}

int zip_end(struct zip *z, struct err *e)
{
	if (z->kind == ZIP_NONE)
		return 0;
	if (end_slot(z, e) < 0)
		return -1;
	while (z->emptied < z->filled)
		if (put_oldest(z, true, e) < 0)
			return -1;
	return put_head(z, e) < 0 ? -1 : z->kind == ZIP_GZIP ? put_tail(z, e) : 0;
}

void zip_free(struct zip *z)
{
	if (!z)
		return;
	pthread_mutex_lock(&z->lock);
	z->ending = true;
	pthread_cond_broadcast(&z->full);
	pthread_mutex_unlock(&z->lock);
	for (size_t i = 0; i < z->started; i++)
		pthread_join(z->worker[i].thread, NULL);
	for (size_t i = 0; i < z->nworkers && z->worker; i++) {
		isal_stream_free(z->worker[i].gz);
		free(z->worker[i].level_buf);
		ZSTD_freeCCtx(z->worker[i].zstd);
	}
	for (size_t i = 0; i < z->nslots; i++) {
		free(z->slot[i].in);
		free(z->slot[i].out);
	}
	free(z->worker);
	free(z->slot);
	isal_unload(&z->isal);
	pthread_mutex_destroy(&z->lock);
	pthread_cond_destroy(&z->full);
	pthread_cond_destroy(&z->done);
	free(z);
}
