/* SPDX-License-Identifier: Apache-2.0 */
/* Copies between ends that hold manifests as bytes. */
#include "registry/wire.h"

#define WIRE_THREADS 4		/* blobs that travel at the same time */

void wire_doc_done(struct wire_doc *d)
{
	buf_done(&d->text);
	*d = (struct wire_doc){ 0 };
}

void wire_free(struct wire *w)
{
	if (w)
		w->type->free(w);
}

static struct digest hash_text(enum hash_alg alg, struct str text)
{
	struct hasher h;

	hasher_init(&h, alg);
	hasher_update(&h, text.p, text.n);
	return digest_final(&h);
}

/* The row of what a manifest says it is; where it does not, of what its sender said. */
static int doc_media(struct str text, const struct media *said, const struct media **ret, struct err *e)
{
	auto_arena struct arena a = { 0 };
	struct manifest m;
	struct index ix;
	enum media_kind kind;
	json_t *j, *type;
	bool own;

	if (said->kind == MEDIA_SCHEMA1)
		return err_set(e, ERR_CORRUPT, "manifests of schema version 1 (%s) are not supported", said->type);
	if (manifest_kind(text, &kind, e) < 0)
		return -1;
	if (said->kind != MEDIA_OTHER && said->kind != kind)
		return err_set(e, ERR_CORRUPT, "it was sent as %s, which it is not", said->type);
	if (kind == MEDIA_INDEX ? index_parse(text, &a, &ix, e) < 0 : manifest_parse(text, &a, &m, e) < 0)
		return -1;
	*ret = kind == MEDIA_INDEX ? ix.media : m.media;
	if (json_text_parse(text, MANIFEST_MAX, "manifest", &j, e) < 0)
		return -1;
	type = json_object_get(j, "mediaType");
	own = json_is_string(type);
	json_decref(j);
	if (own && said->kind != MEDIA_OTHER && said != *ret)
		return err_set(e, ERR_CORRUPT, "it was sent as %s, but says it is %s", said->type, (*ret)->type);
	if (!own && said->kind == kind)
		*ret = said;
	return 0;
}

int wire_doc_take(struct buf *text, const struct digest *want, const char *type, struct wire_doc *ret, struct err *e)
{
	struct digest got = hash_text(want ? want->alg : HASH_SHA256, buf_view(text));
	char have[DIGEST_TEXT_MAX], asked[DIGEST_TEXT_MAX];
	const struct media *media = NULL;

	if (want && !digest_eq(want, &got))
		return err_set(e, ERR_CORRUPT, "manifest %s came with the bytes of %s", digest_text(want, asked),
			       digest_text(&got, have));
	if (doc_media(buf_view(text), media_find(str_of(type)), &media, e) < 0)
		return -1;
	wire_doc_done(ret);
	*ret = (struct wire_doc){ *text, media, got };
	*text = (struct buf){ 0 };
	return 0;
}

static int gather(void *arg, const void *p, size_t n, struct err *e UNUSED)
{
	buf_add(arg, p, n);
	return 0;
}

int wire_text(struct job *j, struct wire *from, const struct descriptor *b, size_t max, struct buf *ret, struct err *e)
{
	char text[DIGEST_TEXT_MAX];

	if (b->size > max)
		return err_set(e, ERR_LIMIT, "blob %s is larger than %zu KiB", digest_text(&b->digest, text), max >> 10);
	buf_reset(ret);
	if (b->has_data) {
		buf_str(ret, b->data);
		return 0;
	}
	return from->type->blob(j, from, b, gather, ret, e);
}

static int get_manifest(struct job *j, struct wire *from, const struct descriptor *d, struct wire_doc *ret,
			struct err *e)
{
	auto_buf struct buf data = { 0 };
	char text[DIGEST_TEXT_MAX];
	int r;

	if (d->has_data) {
		buf_str(&data, d->data);
		r = wire_doc_take(&data, &d->digest, NULL, ret, e) < 0 ? -1 : 1;
	} else {
		r = from->type->manifest(j, from, &d->digest, ret, e);
	}
	if (r == 0)
		return err_set(e, ERR_NOT_FOUND, "manifest %s, to which an index points, is not there",
			       digest_text(&d->digest, text));
	if (r > 0 && d->media->kind != MEDIA_OTHER && d->media->kind != ret->media->kind)
		return err_set(e, ERR_CORRUPT, "manifest %s is not of the type that its index says",
			       digest_text(&d->digest, text));
	if (r > 0 && ret->text.n != d->size)
		return err_set(e, ERR_CORRUPT, "manifest %s has %zu bytes, its index says %llu", digest_text(&d->digest, text),
			       ret->text.n, (unsigned long long)d->size);
	return r < 0 ? -1 : 0;
}

/* --- choosing --- */

static int no_platform(const struct index *ix, const struct platform *want, struct err *e)
{
	auto_buf struct buf list = { 0 };
	char text[PLATFORM_TEXT_MAX];

	for (size_t i = 0; i < ix->n && list.n < 800; i++)
		if (!ix->entries[i].attestation)
			buf_printf(&list, "%s%s", list.n ? ", " : "", ix->entries[i].platform ?
				   platform_text(ix->entries[i].platform, text) : "one that is not said");
	return err_set(e, ERR_NOT_FOUND, "no image for %s; there is: %s", platform_text(want, text),
		       list.n ? list.p : "none");
}

/* An entry that does not say its platform: its config does. 1 it suits, 0, -1. */
static int suits(struct job *j, struct wire *from, const struct descriptor *d, const struct platform *want,
		 struct err *e)
{
	auto_doc struct wire_doc doc = { 0 };
	auto_arena struct arena a = { 0 };
	auto_buf struct buf text = { 0 };
	struct platform have;
	struct manifest m;
	struct config *c;

	if (get_manifest(j, from, d, &doc, e) < 0)
		return -1;
	if (doc.media->kind != MEDIA_MANIFEST)
		return 0;
	if (manifest_parse(buf_view(&doc.text), &a, &m, e) < 0)
		return -1;
	if (m.config.media->kind != MEDIA_CONFIG)
		return 0;
	if (wire_text(j, from, &m.config, CONFIG_MAX, &text, e) < 0 || config_parse(buf_view(&text), &c, e) < 0)
		return -1;
	have = config_platform(c);
	config_free(c);
	return platform_match(want, &have) > 0;
}

static int choose(struct job *j, struct wire *from, const struct index *ix, const struct platform *asked,
		  const struct descriptor **ret, struct err *e)
{
	struct platform host = platform_host();
	const struct platform *want = asked ? asked : &host;
	size_t images = 0, only = 0;

	*ret = index_choose(ix, want);
	if (*ret)
		return 0;
	for (size_t i = 0; i < ix->n; i++)
		if (!ix->entries[i].attestation) {
			only = i;
			images++;
		}
	if (images == 1 && (!asked || !ix->entries[only].platform)) {
		*ret = &ix->entries[only];
		return 0;
	}
	for (size_t i = 0; i < ix->n && i < 100; i++) {
		int r = ix->entries[i].platform || ix->entries[i].attestation ? 0 : suits(j, from, &ix->entries[i], want, e);

		if (r < 0)
			return -1;
		if (r > 0) {
			*ret = &ix->entries[i];
			return 0;
		}
	}
	return no_platform(ix, want, e);
}

int wire_image(struct job *j, struct wire *from, const struct platform *want, struct wire_doc *ret, struct digest *top,
	       struct err *e)
{
	auto_doc struct wire_doc doc = { 0 };
	int r = from->type->manifest(j, from, NULL, &doc, e);

	if (r <= 0)
		return r < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "there is no such image in the %s", from->type->name);
	if (top)
		*top = doc.digest;
	for (int depth = 0; doc.media->kind == MEDIA_INDEX; depth++) {
		auto_arena struct arena a = { 0 };
		const struct descriptor *d;
		struct index ix;

		if (depth >= INDEX_DEPTH_MAX)
			return err_set(e, ERR_LIMIT, "more than %d indexes within each other", INDEX_DEPTH_MAX);
		if (index_parse(buf_view(&doc.text), &a, &ix, e) < 0 || choose(j, from, &ix, want, &d, e) < 0 ||
		    get_manifest(j, from, d, &doc, e) < 0)
			return -1;
	}
	wire_doc_done(ret);
	*ret = doc;
	doc = (struct wire_doc){ 0 };
	return 0;
}

/* --- copying --- */

struct wiring {
	struct job *j;
	struct wire *from, *to;
	const struct wire_opts *o;
	struct digest result;	/* what the name means in the end */
};

struct blobs {			/* of one manifest, taken by several threads */
	struct wiring *w;
	pthread_mutex_t lock;
	const struct descriptor *v[MANIFEST_LAYERS_MAX + 1];
	size_t n, next;
	struct err err;		/* the first */
};

static const struct descriptor *next_blob(struct blobs *b)
{
	auto_lock pthread_mutex_t *held = lock_hold(&b->lock);

	return b->next < b->n && b->err.kind == ERR_NONE ? b->v[b->next++] : NULL;
}

static void copy_blobs(void *arg)
{
	struct blobs *b = arg;
	const struct descriptor *d;
	char text[DIGEST_TEXT_MAX];

	while ((d = next_blob(b))) {
		auto_err struct err e = { 0 };

		if (job_check(b->w->j, &e) == 0 && b->w->to->type->put_blob(b->w->j, b->w->to, d, b->w->from, &e) == 0)
			continue;
		if (e.kind != ERR_CANCELLED)
			err_wrap(&e, "blob %s", digest_text(&d->digest, text));
		auto_lock pthread_mutex_t *held = lock_hold(&b->lock);
		if (b->err.kind == ERR_NONE)
			err_move(&b->err, &e);
	}
}

static int copy_all_blobs(struct blobs *b, struct err *e)
{
	struct pool *p;

	if (pool_new(MIN(b->n, (size_t)WIRE_THREADS), &p, e) < 0)
		return -1;
	for (size_t i = 0; i < MIN(b->n, (size_t)WIRE_THREADS); i++)
		pool_run(p, copy_blobs, b);
	pool_free(p);
	if (b->err.kind == ERR_NONE)
		return 0;
	err_move(e, &b->err);
	return -1;
}

static void add_blob(struct blobs *b, const struct descriptor *d)
{
	for (size_t i = 0; i < b->n; i++)
		if (digest_eq(&b->v[i]->digest, &d->digest))
			return;
	b->v[b->n++] = d;
}

/* --- from one dialect to the other --- */

static int convert_descriptor(json_t *d, bool docker, bool *lost, struct err *e)
{
	const char *from = json_string_value(json_object_get(d, "mediaType"));
	const struct media *m = media_find(str_of(from));
	const char *to = m->docker == docker || m->kind == MEDIA_OTHER ? m->type : media_twin(m);

	if (!to)
		return err_set(e, ERR_USAGE, "%s has no like in %s's format", from, docker ? "Docker" : "OCI");
	if (*to)
		json_object_set_new(d, "mediaType", json_string(to));
	*lost |= docker && json_object_del(d, "annotations") == 0;
	return 0;
}

/* The manifest as the other dialect has it: the same blobs under other names of types. */
static int convert(struct wiring *w, const struct wire_doc *doc, struct wire_doc *ret, struct err *e)
{
	auto_buf struct buf text = { 0 };
	auto_free char *out = NULL;
	bool docker = w->o->docker, lost;
	json_t *j, *layers;
	int r;

	if (json_text_parse(buf_view(&doc->text), MANIFEST_MAX, "manifest", &j, e) < 0)
		return -1;
	layers = json_object_get(j, "layers");
	lost = docker && json_object_del(j, "annotations") == 0;
	json_object_set_new(j, "mediaType", json_string(docker ? MEDIA_DOCKER_MANIFEST : MEDIA_OCI_MANIFEST));
	r = convert_descriptor(json_object_get(j, "config"), docker, &lost, e);
	for (size_t i = 0; r == 0 && i < json_array_size(layers); i++)
		r = convert_descriptor(json_array_get(layers, i), docker, &lost, e);
	out = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	if (r < 0)
		return -1;
	if (lost)
		event_warn(w->j->sink, "Docker's format has no annotations: the image loses its own");
	buf_puts(&text, out);
	return wire_doc_take(&text, NULL, NULL, ret, e);
}

static int copy_image(struct wiring *w, const struct wire_doc *doc, bool named, struct err *e)
{
	auto_arena struct arena a = { 0 };
	auto_free struct blobs *b = xcalloc(1, sizeof(*b));
	auto_doc struct wire_doc other = { 0 };
	struct manifest m;
	int r;

	if (manifest_parse(buf_view(&doc->text), &a, &m, e) < 0)
		return -1;
	b->w = w;
	add_blob(b, &m.config);
	for (size_t i = 0; i < m.nlayers; i++)
		if (!m.layers[i].media->foreign || w->o->foreign)
			add_blob(b, &m.layers[i]);
	pthread_mutex_init(&b->lock, NULL);
	r = copy_all_blobs(b, e);
	pthread_mutex_destroy(&b->lock);
	if (r == 0 && named && w->o->has_format && doc->media->docker != w->o->docker) {
		r = convert(w, doc, &other, e);
		doc = &other;
	}
	if (r == 0 && named)
		w->result = doc->digest;
	return r < 0 ? -1 : w->to->type->put_manifest(w->j, w->to, doc, named, e);
}

static bool is_wanted(const struct wire_opts *o, const struct descriptor *d)
{
	for (size_t i = 0; i < o->nonly; i++)
		if (d->platform && !d->attestation && platform_match(&o->only[i], d->platform))
			return true;
	return o->nonly == 0;
}

static int copy_doc(struct wiring *w, const struct wire_doc *doc, bool named, int depth, struct err *e)
{
	auto_arena struct arena a = { 0 };
	struct index ix;
	size_t copied = 0;

	if (doc->media->kind == MEDIA_MANIFEST)
		return copy_image(w, doc, named, e);
	if (depth >= INDEX_DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "more than %d indexes within each other", INDEX_DEPTH_MAX);
	if (index_parse(buf_view(&doc->text), &a, &ix, e) < 0)
		return -1;
	for (size_t i = 0; i < ix.n; i++) {
		auto_doc struct wire_doc child = { 0 };

		if (!is_wanted(w->o, &ix.entries[i]))
			continue;
		if (get_manifest(w->j, w->from, &ix.entries[i], &child, e) < 0 || copy_doc(w, &child, false, depth + 1, e) < 0)
			return -1;
		copied++;
	}
	if (copied == 0 && w->o->nonly)
		return no_platform(&ix, &w->o->only[0], e);
	if (named && w->o->has_format && doc->media->docker != w->o->docker)
		return err_set(e, ERR_USAGE, "an index keeps its format: copy one --platform of it to change it");
	if (named)
		w->result = doc->digest;
	return w->to->type->put_manifest(w->j, w->to, doc, named, e);
}

int wire_copy(struct job *j, struct wire *from, struct wire *to, const struct wire_opts *o, struct digest *ret,
	      struct err *e)
{
	struct wiring w = { .j = j, .from = from, .to = to, .o = o };
	auto_doc struct wire_doc doc = { 0 };
	int r;

	if (o->all) {
		r = from->type->manifest(j, from, NULL, &doc, e);
		if (r == 0)
			return err_set(e, ERR_NOT_FOUND, "there is no such image in the %s", from->type->name);
	} else {
		r = wire_image(j, from, o->want, &doc, NULL, e);
	}
	if (r < 0 || copy_doc(&w, &doc, true, 0, e) < 0 || (to->type->end && to->type->end(j, to, e) < 0))
		return -1;
	*ret = w.result;
	return 0;
}
