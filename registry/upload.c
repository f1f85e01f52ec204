/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploading a blob. The feed fills one of two buffers while a thread sends the other:
 *
 *   feed ──upload_put()──► buffer ──full──► sender: PATCH ──► free
 */
#include "registry/upload.h"

#include <stdio.h>

#include "base/fs.h"
#include "cache/store.h"
#include "registry/upload_session.h"

#define ATTEMPTS 4u

struct part {
	char *p;
	size_t n, cap;
	uint64_t at;		/* its first byte's place in the blob */
	bool full;		/* the sender's; guarded by lock */
};

struct upload {
	struct job *j;
	const struct upload_from *from;
	struct upload_session s;
	struct hasher h;
	uint64_t fed;		/* bytes that came from the feed */
	struct part part[2];
	unsigned cur;		/* the one being filled */
	pthread_t thread;
	bool threaded, ending;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int state;		/* of the sender: enum upload_state, or -1 with err; guarded by lock */
	struct err err;
};

static void tell(struct upload *u)
{
	if (u->from->step)
		event_send(u->j->sink, &(struct event){ .kind = EV_STEP_BYTES, .step = u->from->step, .bytes = u->s.acked,
			.total = u->from->total });
}

/* A session that lost its first part before anything was acknowledged is simply begun again. */
static int send_part(struct upload *u, struct part *p, struct err *e)
{
	int r = upload_session_send(&u->s, p->p, p->n, p->at, e);

	for (unsigned i = 0; r == UPLOAD_LOST && p->at == 0 && i < ATTEMPTS; i++) {
		if (remote_pause(u->j, i, e) < 0 || upload_session_post(&u->s, e) < 0)
			return -1;
		r = upload_session_send(&u->s, p->p, p->n, p->at, e);
	}
	tell(u);
	return r;
}

static void *send_main(void *arg)
{
	struct upload *u = arg;
	unsigned next = 0;	/* an attempt begins with the first part */

	pthread_mutex_lock(&u->lock);
	for (;; next ^= 1) {
		struct part *p = &u->part[next];
		auto_err struct err e = { 0 };
		int r;

		while (!p->full && !u->ending)
			pthread_cond_wait(&u->changed, &u->lock);
		if (!p->full)
			break;
		pthread_mutex_unlock(&u->lock);
		r = send_part(u, p, &e);
		pthread_mutex_lock(&u->lock);
		if (r != UPLOAD_OK && u->state == UPLOAD_OK) {
			u->state = r;
			err_move(&u->err, &e);
		}
		p->full = false;
		p->n = 0;
		pthread_cond_broadcast(&u->changed);
		if (u->state != UPLOAD_OK)
			break;
	}
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

/* Hand the full part over; then the other one is free. -1 also if the sender has come to an end (u->state). */
static int hand_over(struct upload *u, struct err *e)
{
	if (!u->threaded) {
		if (thread_start(&u->thread, send_main, u, e) < 0)
			return -1;
		u->threaded = true;
	}
	auto_lock pthread_mutex_t *held = lock_hold(&u->lock);
	u->part[u->cur].full = true;
	pthread_cond_broadcast(&u->changed);
	u->cur ^= 1;
	while (u->part[u->cur].full && u->state == UPLOAD_OK)
		pthread_cond_wait(&u->changed, &u->lock);
	return u->state == UPLOAD_OK ? 0 : err_set(e, ERR_CANCELLED, "the upload stopped");
}

static int upload_put(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct upload *u = arg;
	const char *at = bytes;
	uint64_t skip = u->fed < u->s.acked && !u->threaded ? MIN((uint64_t)n, u->s.acked - u->fed) : 0;

	hasher_update(&u->h, bytes, n);
	u->fed += skip;		/* the registry has them from before */
	at += skip;
	n -= (size_t)skip;
	while (n) {
		struct part *p = &u->part[u->cur];
		size_t room;

		if (p->n == 0) {
			p->at = u->fed;
			if (p->cap != u->s.chunk && !u->threaded) {
				p->p = xrealloc(p->p, u->s.chunk);
				p->cap = u->s.chunk;
			}
		}
		if (!p->p) {
			p->cap = u->part[u->cur ^ 1].cap;
			p->p = xmalloc(p->cap);
		}
		room = MIN(n, p->cap - p->n);
		memcpy(p->p + p->n, at, room);
		p->n += room;
		u->fed += room;
		at += room;
		n -= room;
		if (p->n == p->cap && hand_over(u, e) < 0)
			return -1;
	}
	return 0;
}

static void join(struct upload *u)
{
	if (!u->threaded)
		return;
	pthread_mutex_lock(&u->lock);
	u->ending = true;
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->thread, NULL);
	u->threaded = u->ending = false;
}

/* All was fed: the rest, then the digest. */
static int finish(struct upload *u, const struct digest *d, struct err *e)
{
	struct part *p = &u->part[u->cur];
	struct http_body body = { .size = p->n, .p = p->p };
	bool alone = u->s.acked == 0 && p->at == 0;	/* POST and PUT: all of it is here */
	int r;

	if (alone)
		return upload_session_close(&u->s, d, &body, e);
	r = p->n ? send_part(u, p, e) : UPLOAD_OK;
	return r == UPLOAD_OK ? upload_session_close(&u->s, d, NULL, e) : r;
}

/* Feed and send once: enum upload_state or -1. */
static int attempt(struct upload *u, struct digest *ret, struct err *e)
{
	char have[DIGEST_TEXT_MAX], want[DIGEST_TEXT_MAX];
	int r;

	hasher_init(&u->h, u->from->known ? u->from->known->alg : HASH_SHA256);
	u->fed = 0;
	u->part[0].n = u->part[1].n = 0;
	u->part[0].full = u->part[1].full = false;
	u->cur = 0;
	u->state = UPLOAD_OK;
	if (!u->s.url && upload_session_post(&u->s, e) < 0)
		return -1;
	r = u->from->feed(u->j, u->from->arg, upload_put, u, e);
	join(u);
	if (u->state != UPLOAD_OK) {
		if (u->state < 0)
			err_move(e, &u->err);
		else
			err_clear(e);
		return u->state;
	}
	if (r < 0)
		return -1;
	*ret = digest_final(&u->h);
	if (u->from->known && !digest_eq(ret, u->from->known)) {
		upload_session_cancel(&u->s);
		return err_set(e, ERR_CORRUPT, "its bytes are those of %s, not %s", digest_text(ret, have),
			       digest_text(u->from->known, want));
	}
	if (u->s.acked > u->fed)
		return UPLOAD_LOST;
	return finish(u, ret, e);
}

/* --- in one piece --- */

struct spool {
	int fd;
	uint64_t at;
	struct hasher h;
};

static int spool_put(void *arg, const void *p, size_t n, struct err *e)
{
	struct spool *s = arg;

	hasher_update(&s->h, p, n);
	s->at += n;
	return fs_write_all(s->fd, p, n, e);
}

static ssize_t spool_get(void *arg, void *p, size_t n, struct err *e)
{
	struct spool *s = arg;
	ssize_t r = pread(s->fd, p, n, (off_t)s->at);

	if (r < 0)
		return err_sys(e, "read a temporary file");
	s->at += (uint64_t)r;
	return r;
}

static int spool_rewind(void *arg, struct err *e UNUSED)
{
	((struct spool *)arg)->at = 0;
	return 0;
}

static int spool_open(struct store *s, struct err *e)
{
	int work = s ? store_dir(s, STORE_WORK, e) : AT_FDCWD, fd;

	if (s && work < 0)
		return -1;
	fd = openat(work, s ? "." : "/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(e, "make a temporary file") : fd;
}

static int send_whole(struct upload *u, struct digest *ret, struct err *e)
{
	auto_fd int fd = spool_open(u->s.r->o.store, e);
	struct spool s = { .fd = fd };
	struct http_body body = { .get = spool_get, .rewind = spool_rewind, .arg = &s };
	int r = UPLOAD_LOST;

	if (fd < 0)
		return -1;
	hasher_init(&s.h, u->from->known ? u->from->known->alg : HASH_SHA256);
	if (u->from->feed(u->j, u->from->arg, spool_put, &s, e) < 0)
		return -1;
	*ret = digest_final(&s.h);
	u->fed = body.size = s.at;
	for (unsigned i = 0; r == UPLOAD_LOST && i < ATTEMPTS; i++) {
		s.at = 0;
		err_clear(e);
		if ((i && remote_pause(u->j, i, e) < 0) || upload_session_post(&u->s, e) < 0)
			return -1;
		r = upload_session_close(&u->s, ret, &body, e);
	}
	return r == UPLOAD_LOST ? -1 : r;
}

static int upload_all(struct upload *u, struct digest *ret, struct err *e)
{
	int r = UPLOAD_LOST;

	for (unsigned i = 0; r == UPLOAD_LOST && i < ATTEMPTS; i++) {
		if (i && remote_pause(u->j, i, e) < 0)
			return -1;
		err_clear(e);
		r = attempt(u, ret, e);
		if (r == UPLOAD_LOST) {		/* the next one begins with a new session */
			free(take_ptr(&u->s.url));
			u->s.acked = 0;
		}
	}
	if (r == UPLOAD_WHOLE)
		r = send_whole(u, ret, e);
	if (r != UPLOAD_LOST)
		return r;
	return e->kind == ERR_NONE ? err_set(e, ERR_NET, "%s: the registry lost the upload time and again", u->s.r->repo) : -1;
}

int upload_blob(struct job *j, struct remote *r, const struct upload_from *from, struct digest *ret, uint64_t *size,
		struct err *e)
{
	struct upload u = { .j = j, .from = from };
	int n = 0;

	upload_session_init(&u.s, j, r);
	pthread_mutex_init(&u.lock, NULL);
	pthread_cond_init(&u.changed, NULL);
	if (from->session)
		upload_session_adopt(&u.s, from->key, from->session);
	else
		n = upload_session_resume(&u.s, from->key, e);
	if (n == 0)
		n = upload_all(&u, ret, e);
	if (n == 0 || e->kind == ERR_CORRUPT || e->kind == ERR_DENIED)
		upload_session_forget(&u.s);
	if (n == 0)
		*size = u.fed;
	upload_session_done(&u.s);
	err_clear(&u.err);
	free(u.part[0].p);
	free(u.part[1].p);
	pthread_mutex_destroy(&u.lock);
	pthread_cond_destroy(&u.changed);
	return n < 0 ? -1 : 0;
}

int upload_mount(struct job *j, struct remote *r, const struct digest *d, const char *repo, char **session, struct err *e)
{
	auto_answer struct http_answer a = { 0 };
	auto_err struct err bad = { 0 };
	auto_buf struct buf path = { 0 };
	struct client_request q;
	char text[DIGEST_TEXT_MAX];

	buf_puts(&path, "blobs/uploads/");
	url_query(&path, "mount", str_of(digest_text(d, text)));
	url_query(&path, "from", str_of(repo));
	q = remote_request(r, "POST", path.p);
	q.access = CLIENT_PULL | CLIENT_PUSH;
	q.mount_from = repo;
	q.again = true;
	if (client_do(j, r->c, &q, &a, e) < 0)
		return e->kind == ERR_NET || e->kind == ERR_DENIED ? (err_clear(e), 0) : -1;
	if (a.status == 201)
		return 1;
	if (a.status == 202 && client_location(r->c, &a, session, &bad) < 0)
		*session = NULL;
	return 0;
}

struct copying {
	struct wire *from;
	const struct descriptor *b;
};

static int copy_feed(struct job *j, void *arg, bytes_put put, void *put_arg, struct err *e)
{
	struct copying *c = arg;

	return c->from->type->blob(j, c->from, c->b, put, put_arg, e);
}

int upload_copy(struct job *j, struct remote *r, const struct descriptor *b, struct wire *from, struct err *e)
{
	struct copying c = { from, b };
	char text[DIGEST_TEXT_MAX];
	auto_free char *session = NULL;
	struct upload_from f = { .feed = copy_feed, .arg = &c, .known = &b->digest, .total = b->size };
	struct digest got;
	uint64_t size;
	int there = remote_has(j, r, &b->digest, e);

	if (there != 0)
		return there < 0 ? -1 : 0;
	if (from->host && strcmp(from->host, r->ref.host) == 0 && strcmp(from->repo, r->ref.path) != 0) {
		there = upload_mount(j, r, &b->digest, from->repo, &session, e);
		if (there != 0)
			return there < 0 ? -1 : 0;
	}
	f.session = session;
	f.key = str_of(digest_text(&b->digest, text));
	return upload_blob(j, r, &f, &got, &size, e);
}
