/* SPDX-License-Identifier: Apache-2.0 */
/* Downloading ranges of blobs. */
#include "registry/fetch.h"

#include <stdio.h>

#define FAILS_MAX 5u			/* attempts in a row that bring less than */
#define PROGRESS ((uint64_t)64 << 10)	/* bytes */

/* "bytes 5-9/10" or "bytes 5-9/ *": exactly what was asked for? RFC 9110, 14.4 */
static bool range_fits(const struct http_answer *a, const struct fetch *f)
{
	const char *text = http_header(a, "content-range");
	struct str rest, first, last;
	uint64_t from, to, total = f->b->size;

	if (!text || http_header_nth(a, "content-range", 1))
		return false;
	rest = str_trim(str_of(text));
	if (!str_is_nocase(str_sub(rest, 0, 6), "bytes "))
		return false;
	rest = str_trim(str_sub(rest, 6, rest.n));
	first = str_cut(&rest, '-');
	last = str_cut(&rest, '/');
	if (!rest.p || !str_to_u64(first, 10, &from) || !str_to_u64(last, 10, &to))
		return false;
	if (!str_is(rest, "*") && (!str_to_u64(rest, 10, &total) || total != f->b->size))
		return false;
	return from == f->pos && to + 1 == f->to;
}

/* Before the first byte: 0 read on, 1 the answer is of no use, -1. */
static int on_head(void *arg, const struct http_answer *a, struct err *e)
{
	struct fetch *f = arg;
	char text[DIGEST_TEXT_MAX];

	f->skip = 0;
	f->refused = false;
	if (a->status == 206) {
		f->refused = f->no_range || !range_fits(a, f);
		return f->refused;
	}
	if (a->length >= 0 && (uint64_t)a->length != f->b->size)
		return err_set(e, ERR_CORRUPT, "blob %s has %lld bytes, its manifest says %llu",
			       digest_text(&f->b->digest, text), (long long)a->length, (unsigned long long)f->b->size);
	if (f->pos || f->to < f->b->size)
		f->no_range = true;	/* all of it comes, whatever was asked for */
	f->skip = f->pos;
	f->to = f->b->size;
	return 0;
}

static int on_bytes(void *arg, const void *p, size_t n, struct err *e)
{
	struct fetch *f = arg;
	size_t skip = (size_t)MIN((uint64_t)n, f->skip);
	char text[DIGEST_TEXT_MAX];

	f->touched = true;
	f->skip -= skip;
	n -= skip;
	if (n == 0)
		return 0;
	if (n > f->to - f->pos)
		return err_set(e, ERR_CORRUPT, "blob %s goes on behind its %llu bytes", digest_text(&f->b->digest, text),
			       (unsigned long long)f->b->size);
	if (f->put(f->arg, (const char *)p + skip, n, e) < 0) {
		f->put_failed = true;
		return -1;
	}
	f->pos += n;
	return 0;
}

static bool is_partial(const struct fetch *f)
{
	return !f->no_range && (f->pos > 0 || f->to < f->b->size);
}

/* What an answer that brought nothing means: 1 try again, -1. */
static int refused(struct fetch *f, const struct client_request *q, const struct http_answer *a, struct err *e)
{
	if ((f->refused || a->status == 416) && is_partial(f)) {
		f->no_range = true;
		f->to = f->b->size;
		return 1;
	}
	if (f->refused)
		return err_set(e, ERR_NET, "the registry answers with a part that was not asked for");
	if (a->status == 404 && f->b->media->foreign && f->b->url && !f->elsewhere) {
		f->elsewhere = true;
		return 1;
	}
	return client_refused(q, a, e);
}

/* One request: 0 all is there, 1 something came or another try makes sense, -1. */
static int fetch_some(struct job *j, struct fetch *f, struct err *e)
{
	char path[REMOTE_PATH_MAX], range[64];
	char *header[] = { range, NULL };
	struct strv headers = { header, 1 };
	auto_answer struct http_answer a = { 0 };
	struct client_request q = remote_request(f->r, "GET", remote_path("blobs", NULL, &f->b->digest, path));
	int r;

	snprintf(range, sizeof(range), "Range: bytes=%llu-%llu", (unsigned long long)f->pos, (unsigned long long)f->to - 1);
	if (is_partial(f))
		q.headers = &headers;
	q.by_digest = true;
	q.sink = (struct http_sink){ on_bytes, on_head, f };
	if (f->elsewhere) {
		q.url = f->b->url;
		q.path = NULL;
	}
	f->touched = f->refused = false;
	r = client_do(j, f->r->c, &q, &a, e);
	if (r < 0)
		return f->touched && !f->put_failed && e->kind == ERR_NET ? 1 : -1;
	if (f->refused || (a.status != 200 && a.status != 206))
		return refused(f, &q, &a, e);
	return f->pos < f->to ? (err_set(e, ERR_NET, "the answer ended too early"), 1) : 0;
}

int fetch_range(struct job *j, struct fetch *f, struct err *e)
{
	for (unsigned fails = 0;;) {
		uint64_t before = f->pos;
		bool trusted = !f->no_range, here = !f->elsewhere;
		int r = f->pos < f->to ? fetch_some(j, f, e) : 0;

		if (r <= 0)
			return r;
		if (f->pos - before >= PROGRESS || trusted == f->no_range || here == f->elsewhere)
			fails = 0;
		else if (++fails > FAILS_MAX)
			return err_wrap(e, "gave up after %u attempts", fails);
		if (remote_pause(j, fails, e) < 0)
			return -1;
		err_clear(e);
	}
}

struct checked {
	struct hasher h;
	bytes_put put;
	void *arg;
};

static int checked_put(void *arg, const void *p, size_t n, struct err *e)
{
	struct checked *c = arg;

	hasher_update(&c->h, p, n);
	return c->put(c->arg, p, n, e);
}

int fetch_stream(struct job *j, struct remote *r, const struct descriptor *b, bytes_put put, void *arg, struct err *e)
{
	struct checked c = { .put = put, .arg = arg };
	struct fetch f = { .r = r, .b = b, .to = b->size, .put = checked_put, .arg = &c };
	char text[DIGEST_TEXT_MAX];
	struct digest got;
	int n;

	hasher_init(&c.h, b->digest.alg);
	remote_enter(r);
	n = fetch_range(j, &f, e);
	remote_leave(r);
	if (n < 0)
		return -1;
	got = digest_final(&c.h);
	if (digest_eq(&got, &b->digest))
		return 0;
	return err_set(e, ERR_CORRUPT, "%s: the bytes of blob %s are others than its digest says", r->repo,
		       digest_text(&b->digest, text));
}
