/* SPDX-License-Identifier: Apache-2.0 */
/* What the read-only registry answers: manifests, blobs, tags of the store. Spec: distribution-spec, "Pull". */
#include <stdio.h>

#include "cache/blob.h"
#include "cache/db.h"
#include "cache/images.h"
#include "cache/layer.h"
#include "image/manifest.h"
#include "image/ref.h"
#include "registry/local.h"
#include "registry/serve_int.h"

#define TAGS_MAX 10000

/* name and tag (or NULL: none) as the store has them. */
static bool store_name(const char *name, const char *tag, struct ref *ret)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };

	buf_printf(&b, "%s%s%s", name, tag ? ":" : "", tag ? tag : "");
	return ref_parse(buf_view(&b), ret, &e) == 0 && !ret->has_digest;
}

static int unknown(struct serve_client *c, const char *code, struct err *e)
{
	return serve_refuse(c, 404, code, "it is not in this store", e);
}

static int manifest(struct serve_client *c, const char *name, const char *what, struct err *e)
{
	auto_err struct err none = { 0 };
	auto_buf struct buf text = { 0 };
	char canonical[REF_TEXT_MAX], headers[400], digest[DIGEST_TEXT_MAX];
	struct image_row row;
	struct digest d;
	struct ref ref;
	int r;

	if (digest_parse(str_of(what), &d, &none) == 0)
		r = images_by_manifest(c->s, &d, &row, e);
	else
		r = store_name(name, what, &ref) ? images_by_name(c->s, ref_canonical(&ref, canonical), &row, e) : 0;
	if (r < 0)
		return -1;
	if (r == 0 || blob_read(c->s, &row.manifest, MANIFEST_MAX, &text, e) < 0) {
		err_clear(e);
		return unknown(c, "MANIFEST_UNKNOWN", e);
	}
	snprintf(headers, sizeof(headers), "Content-Type: " MEDIA_OCI_MANIFEST "\r\nDocker-Content-Digest: %s\r\n",
		 digest_text(&row.manifest, digest));
	return serve_text(c, 200, headers, buf_view(&text), e);
}

/* --- blobs --- */

struct part {			/* bytes from..to of a stream go to the client */
	struct serve_client *c;
	uint64_t at, from, to;
};

static int put_part(void *arg, const void *p, size_t n, struct err *e)
{
	struct part *t = arg;
	uint64_t begin = MAX(t->at, t->from), end = MIN(t->at + n, t->to), start = t->at;

	t->at += n;
	if (begin < end && serve_send(t->c, (const char *)p + (begin - start), (size_t)(end - begin), e) < 0)
		return -1;
	if (t->at >= t->to && t->to != UINT64_MAX)
		return err_set(e, ERR_CANCELLED, "that was all");
	return 0;
}

static int blob_head(struct serve_client *c, const struct digest *d, uint64_t size, uint64_t *from, uint64_t *to,
		     struct err *e)
{
	char headers[500], digest[DIGEST_TEXT_MAX];
	int r, n;

	*from = 0;
	*to = size;
	r = serve_range(c->r.range, size, from, to);
	if (r < 0) {
		snprintf(headers, sizeof(headers), "Content-Range: bytes */%llu\r\n", (unsigned long long)size);
		return serve_text(c, 416, headers, (struct str){ 0 }, e) < 0 ? -1 : 1;
	}
	n = snprintf(headers, sizeof(headers), "Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n"
		     "Docker-Content-Digest: %s\r\nContent-Length: %llu\r\n", digest_text(d, digest),
		     (unsigned long long)(*to - *from));
	if (r > 0)
		snprintf(headers + n, sizeof(headers) - (size_t)n, "Content-Range: bytes %llu-%llu/%llu\r\n",
			 (unsigned long long)*from, (unsigned long long)*to - 1, (unsigned long long)size);
	return serve_text(c, r > 0 ? 206 : 200, headers, (struct str){ 0 }, e);
}

/* Only what belongs to an image: a cached step's layer may hold what its author meant to keep. */
static int belongs(struct serve_client *c, const struct digest *d, bool *layer, struct err *e)
{
	int64_t one;
	int r = db_get_int(store_db(c->s), "SELECT 1 FROM image_layers WHERE diff_id = ?", BIND(db_digest(d)), &one, e);

	*layer = r > 0;
	if (r != 0)
		return r;
	return db_get_int(store_db(c->s), "SELECT 1 FROM images WHERE config = ?1 OR manifest = ?1", BIND(db_digest(d)), &one, e);
}

static int send_layer(struct serve_client *c, const struct digest *d, struct err *e)
{
	struct part t = { .c = c };
	uint64_t size;
	int r;

	if (local_layer_size(c->s, d, &size, e) < 0) {
		err_clear(e);
		return unknown(c, "BLOB_UNKNOWN", e);
	}
	r = blob_head(c, d, size, &t.from, &t.to, e);
	if (r != 0 || strcmp(c->r.method, "HEAD") == 0)
		return MIN(r, 0);
	if (t.to == size)
		t.to = UINT64_MAX;	/* to its end, so that it is checked */
	r = layer_read(c->j, c->s, d, put_part, &t, e);
	if (r < 0 && e->kind == ERR_CANCELLED && t.to != UINT64_MAX && t.at >= t.to) {
		err_clear(e);
		r = 0;
	}
	return r;
}

static int blob(struct serve_client *c, const char *what, struct err *e)
{
	auto_err struct err none = { 0 };
	auto_buf struct buf text = { 0 };
	uint64_t from, to;
	struct digest d;
	bool layer;
	int r;

	if (digest_parse(str_of(what), &d, &none) < 0)
		return serve_refuse(c, 400, "DIGEST_INVALID", "that is no digest", e);
	r = belongs(c, &d, &layer, e);
	if (r < 0)
		return -1;
	if (r > 0 && layer)
		return send_layer(c, &d, e);
	if (r == 0 || blob_read(c->s, &d, MANIFEST_MAX, &text, e) < 0) {
		err_clear(e);
		return unknown(c, "BLOB_UNKNOWN", e);
	}
	r = blob_head(c, &d, text.n, &from, &to, e);
	if (r != 0 || strcmp(c->r.method, "HEAD") == 0)
		return MIN(r, 0);
	return serve_send(c, text.p + from, (size_t)(to - from), e);
}

/* --- tags --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find_tags(struct serve_client *c, const struct ref *want, struct strv *ret, struct err *e)
{
	auto_image_list struct image_list l = { 0 };

	if (images_list(c->s, &l, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++)
		for (size_t k = 0; k < l.v[i].names.n; k++) {
			auto_err struct err none = { 0 };
			struct ref r;

			if (ref_parse(str_of(l.v[i].names.v[k]), &r, &none) == 0 && strcmp(r.host, want->host) == 0 &&
			    strcmp(r.path, want->path) == 0)
				strv_add(ret, r.tag);
		}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_text);
	return 0;
}

/* The value of a query's parameter as it stands, or NULL; the caller frees. */
static char *parameter(const char *query, const char *name)
{
	struct str rest = str_of(query);

	while (rest.p) {
		struct str value = str_cut(&rest, '&'), key = str_cut(&value, '=');

		if (str_is(key, name))
			return str_dup(value);
	}
	return NULL;
}

static int tags(struct serve_client *c, const char *name, struct err *e)
{
	auto_free char *n = parameter(c->r.query, "n"), *last = parameter(c->r.query, "last");
	auto_buf struct buf b = { 0 }, link = { 0 };
	auto_strv struct strv list = { 0 };
	uint64_t max = TAGS_MAX;
	size_t from = 0, to;
	struct ref ref;

	if (n && (!str_to_u64(str_of(n), 10, &max) || max > TAGS_MAX))
		return serve_refuse(c, 400, "PAGINATION_NUMBER_INVALID", "n is not a number up to 10000", e);
	if (!store_name(name, NULL, &ref))
		return unknown(c, "NAME_UNKNOWN", e);
	if (find_tags(c, &ref, &list, e) < 0)
		return -1;
	if (list.n == 0)
		return unknown(c, "NAME_UNKNOWN", e);
	while (last && from < list.n && strcmp(list.v[from], last) <= 0)
		from++;
	to = from + (size_t)MIN(max, (uint64_t)(list.n - from));
	buf_puts(&b, "{\"name\":");
	buf_json_str(&b, str_of(name));
	buf_puts(&b, ",\"tags\":[");
	for (size_t i = from; i < to; i++) {
		buf_puts(&b, i > from ? "," : "");
		buf_json_str(&b, str_of(list.v[i]));
	}
	buf_puts(&b, "]}\n");
	buf_puts(&link, "Content-Type: application/json\r\n");
	if (to < list.n && to > from)
		buf_printf(&link, "Link: </v2/%s/tags/list?n=%llu&last=%s>; rel=\"next\"\r\n", name, (unsigned long long)max,
			   list.v[to - 1]);
	return serve_text(c, 200, link.p, buf_view(&b), e);
}

/* --- routes --- */

/* Split "/v2/<name>/<verb>/<what>" at the last verb; name and what are set, owned. */
static bool split(const char *target, const char *verb, char **name, char **what)
{
	const char *rest = target + strlen("/v2/"), *at = NULL, *next = rest;

	while ((next = strstr(next, verb)) != NULL)
		at = next++;
	if (!at || at == rest || strchr(at + strlen(verb), '/'))
		return false;
	*name = xstrndup(rest, (size_t)(at - rest));
	*what = xstrdup(at + strlen(verb));
	return true;
}

int serve_answer(struct serve_client *c, struct err *e)
{
	auto_free char *name = NULL, *what = NULL;
	const char *t = c->r.target;

	if (strcmp(c->r.method, "GET") != 0 && strcmp(c->r.method, "HEAD") != 0)
		return serve_refuse(c, 405, "UNSUPPORTED", "this registry can only be read", e);
	if (strcmp(t, "/v2/") == 0 || strcmp(t, "/v2") == 0)
		return serve_text(c, 200, "Content-Type: application/json\r\n", STR_LIT("{}"), e);
	if (!str_starts(str_of(t), "/v2/"))
		return unknown(c, "NAME_UNKNOWN", e);
	if (split(t, "/manifests/", &name, &what))
		return manifest(c, name, what, e);
	if (split(t, "/blobs/", &name, &what))
		return blob(c, what, e);
	if (split(t, "/tags/", &name, &what) && strcmp(what, "list") == 0)
		return tags(c, name, e);
	return unknown(c, "NAME_UNKNOWN", e);
}
