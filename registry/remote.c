/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and tags of a repository. */
#include "registry/remote.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "registry/fetch.h"
#include "registry/upload.h"

#define TAGS_MAX 1000000
#define TAGS_PAGE ((size_t)16 << 20)	/* bytes of one page of tags */
#define PAGES_MAX 10000

const char *remote_path(const char *what, const char *name, const struct digest *d, char ret[static REMOTE_PATH_MAX])
{
	char text[DIGEST_TEXT_MAX];

	snprintf(ret, REMOTE_PATH_MAX, "%s/%s", what, d ? digest_text(d, text) : name);
	return ret;
}

struct client_request remote_request(const struct remote *r, const char *method, const char *path)
{
	return (struct client_request){ .host = r->ref.host, .repo = r->ref.path, .access = CLIENT_PULL, .method = method,
		.path = path };
}

int remote_pause(struct job *j, unsigned n, struct err *e)
{
	unsigned ms = 100u << MIN(n, 6u);
	struct timespec t;

	/* jitter, so that many who failed together don't come back together */
	clock_gettime(CLOCK_MONOTONIC, &t);
	ms = ms / 2 + (unsigned)(t.tv_nsec / 1000) % ms;
	return job_wait_fd(j, j->cancel_fd, 0, (int)ms, e) < 0 ? -1 : 0;
}

void remote_enter(struct remote *r)
{
	auto_lock pthread_mutex_t *held = lock_hold(&r->lock);

	while (r->busy >= REMOTE_BLOBS)
		pthread_cond_wait(&r->left, &r->lock);
	r->busy++;
}

void remote_leave(struct remote *r)
{
	auto_lock pthread_mutex_t *held = lock_hold(&r->lock);

	r->busy--;
	pthread_cond_signal(&r->left);
}

/* All that can be read; with less some registries hide what they have, or convert it to schema 1. */
static void accept_all(struct strv *headers)
{
	strv_add(headers, "Accept: " MEDIA_OCI_INDEX);
	strv_add(headers, "Accept: " MEDIA_OCI_MANIFEST);
	strv_add(headers, "Accept: application/vnd.docker.distribution.manifest.list.v2+json");
	strv_add(headers, "Accept: application/vnd.docker.distribution.manifest.v2+json");
}

/* Docker-Content-Digest: 1 and *ret, 0 there is none, -1 it is no digest. */
static int told_digest(const struct http_answer *a, struct digest *ret, struct err *e)
{
	const char *text = http_header(a, "docker-content-digest");

	if (!text)
		return 0;
	if (digest_parse(str_of(text), ret, e) < 0) {
		e->kind = ERR_CORRUPT;
		return err_wrap(e, "Docker-Content-Digest");
	}
	return 1;
}

static int check_told(const struct http_answer *a, const struct wire_doc *doc, struct err *e)
{
	char text[DIGEST_TEXT_MAX], have[DIGEST_TEXT_MAX];
	struct digest told;
	int r = told_digest(a, &told, e);

	if (r <= 0)
		return r;
	if (told.alg != doc->digest.alg || digest_eq(&told, &doc->digest))
		return 0;
	return err_set(e, ERR_CORRUPT, "the registry says it is %s, but its bytes are those of %s", digest_text(&told, text),
		       digest_text(&doc->digest, have));
}

int remote_manifest(struct job *j, struct remote *r, const char *tag, const struct digest *d, struct wire_doc *ret,
		    struct err *e)
{
	const struct digest *want = d ? d : !tag && r->ref.has_digest ? &r->ref.digest : NULL;
	char path[REMOTE_PATH_MAX];
	auto_answer struct http_answer a = { 0 };
	auto_strv struct strv headers = { 0 };
	struct client_request q = remote_request(r, "GET", remote_path("manifests", tag ? tag : r->ref.tag, want, path));

	accept_all(&headers);
	q.headers = &headers;
	q.by_digest = want != NULL;
	q.body_max = MANIFEST_MAX;
	if (client_do(j, r->c, &q, &a, e) < 0)
		return err_wrap(e, "%s/%s", r->repo, path);
	if (a.status == 404)
		return 0;
	if (a.status != 200)
		return client_refused(&q, &a, e);
	if (wire_doc_take(&a.body, want, http_header(&a, "content-type"), ret, e) < 0 || check_told(&a, ret, e) < 0)
		return err_wrap(e, "%s/%s", r->repo, path);
	return 1;
}

int remote_digest(struct job *j, struct remote *r, struct digest *ret, struct err *e)
{
	char path[REMOTE_PATH_MAX];
	auto_answer struct http_answer a = { 0 };
	auto_strv struct strv headers = { 0 };
	auto_doc struct wire_doc doc = { 0 };
	auto_err struct err ignored = { 0 };
	struct client_request q = remote_request(r, "HEAD", remote_path("manifests", r->ref.tag,
									 r->ref.has_digest ? &r->ref.digest : NULL, path));
	int got;

	accept_all(&headers);
	q.headers = &headers;
	q.by_digest = r->ref.has_digest;
	if (client_do(j, r->c, &q, &a, e) < 0)
		return -1;
	if (a.status == 200 && a.length >= 0 && told_digest(&a, ret, &ignored) > 0 &&
	    (!r->ref.has_digest || digest_eq(ret, &r->ref.digest)))
		return 1;
	if (a.status == 401)		/* a GET would not be let in, either */
		return client_refused(&q, &a, e);
	got = remote_manifest(j, r, NULL, NULL, &doc, e);
	if (got > 0)
		*ret = doc.digest;
	return got;
}

/* The first digest in the details of MANIFEST_BLOB_UNKNOWN: {"digest":"..."}, or a list of such, or the text alone. */
static bool blob_of_detail(const char *detail, struct digest *ret)
{
	auto_err struct err e = { 0 };
	const char *at = detail ? strstr(detail, "sha256:") : NULL;

	return at && digest_parse(str_sub(str_of(at), 0, 7 + 64), ret, &e) == 0;
}

int remote_put_manifest(struct job *j, struct remote *r, const char *tag, const struct wire_doc *d,
			struct digest *missing, struct err *e)
{
	char path[REMOTE_PATH_MAX];
	auto_answer struct http_answer a = { 0 };
	auto_free char *type = xasprintf("Content-Type: %s", d->media->type), *detail = NULL;
	struct strv headers = { &type, 1 };
	struct client_request q = remote_request(r, "PUT", remote_path("manifests", tag, tag ? NULL : &d->digest, path));
	struct digest told;
	char text[DIGEST_TEXT_MAX];
	int got;

	q.access = CLIENT_PULL | CLIENT_PUSH;
	q.headers = &headers;
	q.body = (struct http_body){ .size = d->text.n, .p = d->text.p };
	q.again = true;
	if (client_do(j, r->c, &q, &a, e) < 0)
		return err_wrap(e, "%s/%s", r->repo, path);
	if (a.status == 413)
		return err_set(e, ERR_LIMIT, "%s: 413: the registry refuses a manifest of %zu bytes", r->repo, d->text.n);
	if (a.status < 200 || a.status > 299) {
		bool lacks = a.status == 404 || a.status == 400;

		client_refused(&q, &a, e);
		if (missing && lacks && client_error_is(&a, "MANIFEST_BLOB_UNKNOWN", &detail) && blob_of_detail(detail, missing))
			e->kind = ERR_NOT_FOUND;
		else if (e->kind == ERR_NOT_FOUND)
			e->kind = ERR_NET;
		return -1;
	}
	got = told_digest(&a, &told, e);
	if (got < 0)
		return -1;
	if (got > 0 && told.alg == d->digest.alg && !digest_eq(&told, &d->digest))
		return err_set(e, ERR_CORRUPT, "%s: the registry filed the manifest as %s", r->repo, digest_text(&told, text));
	return 0;
}

int remote_untag(struct job *j, struct remote *r, struct err *e)
{
	char path[REMOTE_PATH_MAX];
	auto_answer struct http_answer a = { 0 };
	struct client_request q = remote_request(r, "DELETE", remote_path("manifests", r->ref.tag,
									   r->ref.has_digest ? &r->ref.digest : NULL, path));

	q.access = CLIENT_PULL | CLIENT_DELETE;
	if (client_do(j, r->c, &q, &a, e) < 0)
		return -1;
	if (a.status == 202 || a.status == 200 || a.status == 204)
		return 0;
	client_refused(&q, &a, e);
	if (a.status == 405 || a.status == 400) {
		e->kind = ERR_USAGE;
		return err_hint(e, r->ref.has_digest ? "the registry does not let manifests be deleted" :
				"the registry deletes no tags; by its digest (name@sha256:...) a manifest goes with all its tags");
	}
	return -1;
}

/* One page. last gets its last tag. */
static int add_tags(const struct http_answer *a, struct strv *ret, size_t *added, struct err *e)
{
	const json_t *list;
	json_t *o;
	int r = 0;

	if (json_text_parse(buf_view(&a->body), TAGS_PAGE, "list of tags", &o, e) < 0)
		return -1;
	list = json_object_get(o, "tags");
	if (!json_is_object(o) || (list && !json_is_array(list) && !json_is_null(list)))
		r = err_set(e, ERR_CORRUPT, "list of tags: it is something else");
	*added = json_array_size(list);
	for (size_t i = 0; r == 0 && i < *added; i++) {
		const char *tag = json_string_value(json_array_get(list, i));

		if (!tag || !ref_is_tag(str_of(tag)))
			r = err_set(e, ERR_CORRUPT, "list of tags: it holds something else");
		else if (ret->n >= TAGS_MAX)
			r = err_set(e, ERR_LIMIT, "more than %d tags", TAGS_MAX);
		else
			strv_add(ret, tag);
	}
	json_decref(o);
	return r;
}

/* The next page: by Link, else (a full page: there may be more) from the last tag on. 1, 0, -1. */
static int next_page(const struct http_answer *a, const struct strv *tags, size_t added, char **url, char **path,
		     struct err *e)
{
	int r = client_next(a, url, e);

	if (r != 0 || added < 1000)
		return r;
	*path = xasprintf("tags/list?n=1000&last=%s", tags->v[tags->n - 1]);
	return 1;
}

int remote_tags(struct job *j, struct remote *r, struct strv *ret, struct err *e)
{
	auto_free char *path = xstrdup("tags/list?n=1000"), *url = NULL;
	auto_strv struct strv seen = { 0 };

	for (size_t page = 0; page < PAGES_MAX; page++) {
		auto_answer struct http_answer a = { 0 };
		struct client_request q = remote_request(r, "GET", url ? NULL : path);
		size_t added = 0, before = ret->n;
		auto_free char *next = NULL, *more = NULL;
		int got;

		q.url = url;
		q.body_max = TAGS_PAGE;
		if (client_do(j, r->c, &q, &a, e) < 0)
			return -1;
		if (a.status != 200)
			return client_refused(&q, &a, e);
		if (add_tags(&a, ret, &added, e) < 0)
			return err_wrap(e, "%s", r->repo);
		if (!url && before && added && strcmp(ret->v[before], ret->v[0]) == 0) {
			while (ret->n > before)		/* it knows no pages: all came again */
				free(ret->v[--ret->n]);
			ret->v[ret->n] = NULL;
			return 0;
		}
		got = next_page(&a, ret, added, &next, &more, e);
		if (got <= 0)
			return got;
		if (next && strv_has(&seen, next))
			return err_set(e, ERR_LIMIT, "%s: its list of tags leads back to where it was", r->repo);
		if (next)
			strv_add(&seen, next);
		free(url);
		free(path);
		url = take_ptr(&next);
		path = take_ptr(&more);
	}
	return err_set(e, ERR_LIMIT, "%s: more than %d pages of tags", r->repo, PAGES_MAX);
}

int remote_has(struct job *j, struct remote *r, const struct digest *d, struct err *e)
{
	char path[REMOTE_PATH_MAX];
	auto_answer struct http_answer a = { 0 };
	struct client_request q = remote_request(r, "HEAD", remote_path("blobs", NULL, d, path));

	q.access = CLIENT_PULL | CLIENT_PUSH;
	q.upstream = true;
	if (client_do(j, r->c, &q, &a, e) < 0)
		return -1;
	if (a.status == 200)
		return 1;
	if (a.status == 404 || a.status == 405 || a.status == 400)
		return 0;
	return client_refused(&q, &a, e);
}

/* --- as an end --- */

static struct remote *of(struct wire *w)
{
	return container_of(w, struct remote, w);
}

static int wire_manifest(struct job *j, struct wire *w, const struct digest *d, struct wire_doc *ret, struct err *e)
{
	return remote_manifest(j, of(w), NULL, d, ret, e);
}

static int wire_blob(struct job *j, struct wire *w, const struct descriptor *b, bytes_put put, void *arg, struct err *e)
{
	return fetch_stream(j, of(w), b, put, arg, e);
}

static int wire_put_blob(struct job *j, struct wire *w, const struct descriptor *b, struct wire *from, struct err *e)
{
	return upload_copy(j, of(w), b, from, e);
}

static int wire_put_manifest(struct job *j, struct wire *w, const struct wire_doc *d, bool named, struct err *e)
{
	struct remote *r = of(w);

	return remote_put_manifest(j, r, named && !r->ref.has_digest ? r->ref.tag : NULL, d, NULL, e);
}

static void wire_end(struct wire *w)
{
	struct remote *r = of(w);

	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->left);
	free(r);
}

struct remote *remote_new(struct client *c, const struct ref *ref, const struct remote_opts *o)
{
	static const struct wire_type type = {
		.name = "registry", .manifest = wire_manifest, .blob = wire_blob, .put_blob = wire_put_blob,
		.put_manifest = wire_put_manifest, .free = wire_end,
	};
	struct remote *r = xcalloc(1, sizeof(*r));

	r->c = c;
	r->o = *o;
	r->ref = *ref;
	ref_repository(ref, r->repo);
	r->w = (struct wire){ &type, r->ref.host, r->ref.path };
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->left, NULL);
	return r;
}
