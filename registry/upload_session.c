/* SPDX-License-Identifier: Apache-2.0 */
/* Upload sessions: POST, PATCH, PUT, GET for their state, and what each answer means. */
#include "registry/upload_session.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/fault.h"
#include "base/fs.h"
#include "cache/store.h"

#define FAILS_MAX 5u		/* in a row without progress */
#define RECORD_MAX ((size_t)64 << 10)

void upload_session_init(struct upload_session *s, struct job *j, struct remote *r)
{
	*s = (struct upload_session){ .j = j, .r = r, .chunk = r->o.chunk ? r->o.chunk : REMOTE_CHUNK, .dir = -1, .record = -1 };
}

void upload_session_done(struct upload_session *s)
{
	free(s->url);
	if (s->record >= 0)
		close(s->record);
	s->url = NULL;
	s->record = -1;
}

/* --- the record --- */

static void record_save(struct upload_session *s)
{
	auto_buf struct buf b = { 0 };

	if (s->record < 0 || !s->url)
		return;
	buf_puts(&b, "{\"url\":");
	buf_json_str(&b, str_of(s->url));
	buf_printf(&b, ",\"min\":%zu}\n", s->chunk_min);
	/* a torn record is one that is not believed */
	if (pwrite(s->record, b.p, b.n, 0) != (ssize_t)b.n || ftruncate(s->record, (off_t)b.n) < 0)
		(void)!ftruncate(s->record, 0);
	fault_point("upload.recorded");
}

static bool record_load(struct upload_session *s)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	const char *url;
	json_t *o;

	if (fs_read_fd(s->record, RECORD_MAX, &b, &e) < 0 || b.n == 0 ||
	    json_text_parse(buf_view(&b), RECORD_MAX, "record", &o, &e) < 0)
		return false;
	url = json_string_value(json_object_get(o, "url"));
	if (url) {
		s->url = xstrdup(url);
		s->chunk_min = (size_t)json_integer_value(json_object_get(o, "min"));
		s->chunk = MIN(MAX(s->chunk, s->chunk_min), UPLOAD_CHUNK_MAX);
	}
	json_decref(o);
	return s->url != NULL;
}

/* Open and lock; without a record if another process has it, or there is no store. */
static void record_open(struct upload_session *s, struct str key)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf all = { 0 };
	char hex[DIGEST_TEXT_MAX];
	struct digest d;
	struct stat st;

	if (!s->r->o.store || key.n == 0)
		return;
	s->dir = store_dir(s->r->o.store, STORE_WORK, &ignored);
	buf_printf(&all, "%s%c", s->r->repo, 0);
	buf_str(&all, key);
	d = digest_of(all.p, all.n);
	snprintf(s->name, sizeof(s->name), STORE_SESSION "%s", digest_hex(&d, hex));
	while (s->dir >= 0 && s->record < 0) {
		auto_fd int fd = openat(s->dir, s->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0)
			return;
		if (st.st_nlink > 0)
			s->record = take_fd(&fd);
	}
}

void upload_session_forget(struct upload_session *s)
{
	if (s->record >= 0)
		(void)!unlinkat(s->dir, s->name, 0);
	upload_session_done(s);
	s->acked = 0;
}

/* --- requests --- */

static struct client_request request(struct upload_session *s, const char *method)
{
	struct client_request q = remote_request(s->r, method, NULL);

	q.access = CLIENT_PULL | CLIENT_PUSH;
	q.url = s->url;
	return q;
}

/* "0-1023": bytes that are there. "0-0" is one byte, or, from some registries, none: false. */
static bool range_end(const struct http_answer *a, uint64_t *ret)
{
	const char *text = http_header(a, "range");
	struct str rest = str_trim(str_of(text)), first;
	uint64_t from, to;

	if (!text)
		return false;
	if (str_is_nocase(str_sub(rest, 0, 6), "bytes="))
		rest = str_sub(rest, 6, rest.n);
	first = str_cut(&rest, '-');
	if (!rest.p || !str_to_u64(first, 10, &from) || !str_to_u64(rest, 10, &to) || from != 0 || to == 0)
		return false;
	*ret = to + 1;
	return true;
}

/* Where it goes on, if the answer says so. */
static int move_on(struct upload_session *s, const struct http_answer *a, struct err *e)
{
	char *url;

	if (!http_header(a, "location"))
		return 0;
	if (client_location(s->r->c, a, &url, e) < 0)
		return -1;
	free(s->url);
	s->url = url;
	return 0;
}

static int take_min(struct upload_session *s, const struct http_answer *a, struct err *e)
{
	const char *text = http_header(a, "oci-chunk-min-length");
	uint64_t min;

	if (!text || !str_to_u64(str_trim(str_of(text)), 10, &min))
		return 0;
	if (min > UPLOAD_CHUNK_MAX)
		return err_set(e, ERR_LIMIT, "%s: the registry wants parts of at least %llu bytes", s->r->repo,
			       (unsigned long long)min);
	s->chunk_min = (size_t)min;
	s->chunk = MAX(s->chunk, s->chunk_min);
	return 0;
}

int upload_session_post(struct upload_session *s, struct err *e)
{
	auto_answer struct http_answer a = { 0 };
	struct client_request q = request(s, "POST");
	char *url;

	q.url = NULL;
	q.path = "blobs/uploads/";
	q.again = true;		/* a session more or less */
	if (client_do(s->j, s->r->c, &q, &a, e) < 0)
		return -1;
	if (a.status != 202)
		return client_refused(&q, &a, e);
	if (client_location(s->r->c, &a, &url, e) < 0 || take_min(s, &a, e) < 0)
		return -1;
	free(s->url);
	s->url = url;
	s->acked = 0;
	record_save(s);
	return 0;
}

/* What has the registry? UPLOAD_OK and acked, UPLOAD_LOST, -1. */
static int ask(struct upload_session *s, struct err *e)
{
	auto_answer struct http_answer a = { 0 };
	struct client_request q = request(s, "GET");

	if (client_do(s->j, s->r->c, &q, &a, e) < 0)
		return e->kind == ERR_NET ? (err_clear(e), UPLOAD_LOST) : -1;
	if ((a.status != 204 && a.status != 202 && a.status != 200) || !range_end(&a, &s->acked))
		return UPLOAD_LOST;
	return move_on(s, &a, e) < 0 ? -1 : UPLOAD_OK;
}

int upload_session_resume(struct upload_session *s, struct str key, struct err *e)
{
	int r;

	record_open(s, key);
	if (s->record < 0 || !record_load(s))
		return 0;
	r = ask(s, e);
	if (r == UPLOAD_OK)
		return 0;
	free(take_ptr(&s->url));
	s->acked = 0;
	return MIN(r, 0);
}

void upload_session_adopt(struct upload_session *s, struct str key, const char *url)
{
	record_open(s, key);
	s->url = xstrdup(url);
	record_save(s);
}

/* A part was taken, or some of it. */
static int taken(struct upload_session *s, const struct http_answer *a, uint64_t at, size_t n, struct err *e)
{
	uint64_t end = at + n;

	if (range_end(a, &end) && (end <= at || end > at + n))
		return UPLOAD_LOST;
	if (move_on(s, a, e) < 0)
		return -1;
	s->acked = end;
	record_save(s);
	fault_point("upload.part");
	return UPLOAD_OK;
}

/* The part was too large for something on the way. */
static int shrink(struct upload_session *s, size_t n, const struct client_request *q, const struct http_answer *a,
		  struct err *e)
{
	size_t to = MIN(s->chunk, n) / 2;

	if (to < UPLOAD_CHUNK_MIN || to < s->chunk_min)
		return client_refused(q, a, e);
	s->chunk = to;
	return UPLOAD_OK;
}

/* One PATCH of at most a part. */
static int patch(struct upload_session *s, const char *p, size_t n, uint64_t at, struct err *e)
{
	char range[64], type[] = "Content-Type: application/octet-stream";
	char *header[] = { range, type, NULL };
	struct strv headers = { header, 2 };
	auto_answer struct http_answer a = { 0 };
	struct client_request q = request(s, "PATCH");

	snprintf(range, sizeof(range), "Content-Range: %llu-%llu", (unsigned long long)at, (unsigned long long)at + n - 1);
	q.headers = &headers;
	q.body = (struct http_body){ .size = n, .p = p };
	if (client_do(s->j, s->r->c, &q, &a, e) < 0)
		return e->kind == ERR_NET ? (err_clear(e), ask(s, e)) : -1;
	if (a.status >= 200 && a.status <= 299)
		return taken(s, &a, at, n, e);
	if (a.status == 413)
		return shrink(s, n, &q, &a, e);
	if (a.status == 405 || a.status == 501)
		return UPLOAD_WHOLE;
	if (a.status == 404)
		return UPLOAD_LOST;
	if (a.status == 416 || a.status >= 500 || a.status == 408)
		return ask(s, e);
	return client_refused(&q, &a, e);
}

int upload_session_send(struct upload_session *s, const char *p, size_t n, uint64_t at, struct err *e)
{
	uint64_t end = at + n;

	for (unsigned fails = 0; s->acked < end;) {
		uint64_t before = s->acked, from = MAX(at, s->acked);
		size_t chunk = s->chunk, part;
		int r;

		if (s->acked < at)
			return UPLOAD_LOST;	/* it has less than it said */
		part = (size_t)MIN((uint64_t)s->chunk, end - from);
		r = patch(s, p + (from - at), part, from, e);
		if (r != UPLOAD_OK)
			return r;
		if (s->acked > before || s->chunk != chunk)
			fails = 0;
		else if (++fails > FAILS_MAX)
			return err_set(e, ERR_NET, "%s: the registry takes no more of the blob after %llu bytes", s->r->repo,
				       (unsigned long long)s->acked);
		if (fails && remote_pause(s->j, fails, e) < 0)
			return -1;
	}
	return s->acked > end ? UPLOAD_LOST : UPLOAD_OK;
}

int upload_session_close(struct upload_session *s, const struct digest *d, const struct http_body *body, struct err *e)
{
	char type[] = "Content-Type: application/octet-stream", text[DIGEST_TEXT_MAX];
	char *header[] = { type, NULL };
	struct strv headers = { header, 1 };
	auto_answer struct http_answer a = { 0 };
	struct client_request q = request(s, "PUT");
	auto_buf struct buf url = { 0 };
	int there;

	buf_puts(&url, s->url);
	url_query(&url, "digest", str_of(digest_text(d, text)));
	q.url = url.p;
	q.headers = &headers;
	if (body)
		q.body = *body;
	fault_point("upload.closing");
	if (client_do(s->j, s->r->c, &q, &a, e) < 0) {
		if (e->kind != ERR_NET)
			return -1;
		err_clear(e);
	} else if (a.status == 201) {
		return UPLOAD_OK;
	} else if (a.status == 401 || a.status == 403) {
		return client_refused(&q, &a, e);
	} else if (a.status == 413 && body) {
		return shrink(s, (size_t)MIN(body->size, (uint64_t)SIZE_MAX), &q, &a, e) < 0 ? -1 : UPLOAD_LOST;
	}
	there = remote_has(s->j, s->r, d, e);	/* it may have been filed all the same */
	if (there != 0)
		return there < 0 ? -1 : UPLOAD_OK;
	if (a.status == 400)
		upload_session_cancel(s);
	client_refused(&q, &a, e);		/* for the message, should this be the last attempt */
	return UPLOAD_LOST;
}

void upload_session_cancel(struct upload_session *s)
{
	auto_answer struct http_answer a = { 0 };
	auto_err struct err ignored = { 0 };
	struct client_request q = request(s, "DELETE");

	q.access |= CLIENT_DELETE;
	if (s->url && client_do(s->j, s->r->c, &q, &a, &ignored) < 0)
		err_clear(&ignored);
	free(take_ptr(&s->url));
}
