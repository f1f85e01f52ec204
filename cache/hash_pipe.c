/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of buffers between the one who has bytes and the thread that hashes them. */
#include "cache/hash_pipe.h"

#include <fcntl.h>

#include "base/fs.h"
#include "base/task.h"

#define SLOT ((size_t)512 << 10)
#define SLOTS 4u
#define WRITE_OUT (8u << 20)

struct hash_pipe {
	struct hasher h;		/* the thread's, once there is one */
	char *slot[SLOTS];
	size_t fill;			/* bytes in the slot that is being filled */
	size_t written;			/* of its bytes, to fd */
	uint64_t size;
	uint64_t out, synced;		/* written altogether; of these: the disk was told of */
	int fd;				/* -1: only hash */
	bool started, joined;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned given, hashed;		/* full slots so far; guarded by lock */
	size_t last;			/* bytes in the last one */
	bool ending;
};

struct hash_pipe *hash_pipe_new(void)
{
	struct hash_pipe *h = xcalloc(1, sizeof(*h));

	h->fd = -1;
	hasher_init(&h->h, HASH_SHA256);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	return h;
}

static void *hash_main(void *arg)
{
	struct hash_pipe *h = arg;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		unsigned at = h->hashed;
		size_t n;

		while (at == h->given && !h->ending)
			pthread_cond_wait(&h->changed, &h->lock);
		if (at == h->given)
			break;
		n = h->ending && at + 1 == h->given ? h->last : SLOT;
		pthread_mutex_unlock(&h->lock);
		hasher_update(&h->h, h->slot[at % SLOTS], n);
		pthread_mutex_lock(&h->lock);
		h->hashed++;
		pthread_cond_signal(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

void hash_pipe_to(struct hash_pipe *h, int fd)
{
	h->fd = fd;
}

/* Write the rest of slot k, and have the disk begin with what is complete: publishing waits for it. */
static int write_slot(struct hash_pipe *h, unsigned k, struct err *e)
{
	if (h->fd < 0 || h->fill == h->written)
		return 0;
	if (fs_write_all(h->fd, h->slot[k] + h->written, h->fill - h->written, e) < 0)
		return -1;
	h->out += h->fill - h->written;
	h->written = h->fill;
	if (h->out - h->synced >= WRITE_OUT) {
		(void)sync_file_range(h->fd, (off_t)h->synced, WRITE_OUT, SYNC_FILE_RANGE_WRITE);
		h->synced += WRITE_OUT;
	}
	return 0;
}

int hash_pipe_flush(struct hash_pipe *h, struct err *e)
{
	return h->fill ? write_slot(h, h->given % SLOTS, e) : 0;
}

static void give_slot(struct hash_pipe *h)
{
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);

	h->given++;
	pthread_cond_signal(&h->changed);
}

/* The slot is full: hand it over, write it, wait until the next one is free. */
static int next_slot(struct hash_pipe *h, struct err *e)
{
	unsigned k = h->given % SLOTS;
	int r;

	if (!h->started && thread_start(&h->thread, hash_main, h, e) < 0)
		return -1;
	h->started = true;
	give_slot(h);
	r = write_slot(h, k, e);
	h->fill = h->written = 0;
	if (r < 0)
		return -1;
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);
	while (h->given - h->hashed == SLOTS)
		pthread_cond_wait(&h->changed, &h->lock);
	return 0;
}

int hash_pipe_put(void *arg, const void *p, size_t n, struct err *e)
{
	struct hash_pipe *h = arg;
	const char *at = p;

	h->size += n;
	while (n) {
		unsigned k = h->given % SLOTS;	/* only this thread changes given */
		size_t part = MIN(n, SLOT - h->fill);

		if (!h->slot[k])
			h->slot[k] = xmalloc(SLOT);
		memcpy(h->slot[k] + h->fill, at, part);
		h->fill += part;
		at += part;
		n -= part;
		if (h->fill == SLOT && next_slot(h, e) < 0)
			return -1;
	}
	return 0;
}

static void join(struct hash_pipe *h)
{
	if (!h->started || h->joined)
		return;
	pthread_mutex_lock(&h->lock);
	h->last = h->fill;
	h->given += h->fill > 0;
	if (h->fill == 0)
		h->last = SLOT;
	h->ending = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	h->joined = true;
}

struct digest hash_pipe_end(struct hash_pipe *h)
{
	join(h);
	if (!h->started && h->fill)
		hasher_update(&h->h, h->slot[0], h->fill);
	return digest_final(&h->h);
}

uint64_t hash_pipe_size(const struct hash_pipe *h)
{
	return h->size;
}

void hash_pipe_free(struct hash_pipe *h)
{
	if (!h)
		return;
	join(h);
	for (unsigned i = 0; i < SLOTS; i++)
		free(h->slot[i]);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->changed);
	free(h);
}
