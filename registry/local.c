/* SPDX-License-Identifier: Apache-2.0 */
/* The store as an end: finding and filing images, offering and taking layers. */
#include "registry/local.h"

#include "base/clock.h"
#include "cache/blob.h"
#include "cache/db.h"
#include "cache/layer.h"
#include "cache/lease.h"
#include "cache/packed.h"
#include "image/manifest.h"

void image_done(struct image *i)
{
	config_free(i->config);
	received_done(&i->received);
	*i = (struct image){ 0 };
}

/* By ID, the whole one or its start: 1, 0, -1. */
static int find_id(struct store *s, struct str id, struct image_row *ret, struct err *e)
{
	if (!ref_maybe_id(id))
		return 0;
	if (str_starts(id, "sha256:"))
		id = str_sub(id, 7, id.n);
	return images_by_id_prefix(s, id, ret, e);
}

static int find_ref(struct store *s, const struct ref *r, struct image_row *ret, struct err *e)
{
	char name[REF_TEXT_MAX];

	struct digest image;
	int got;

	if (r->has_digest) {
		got = images_by_manifest(s, &r->digest, ret, e);
		if (got != 0)
			return got;
		got = received_find(s, &r->digest, &image, e);	/* as a registry has it */
		return got > 0 ? images_by_manifest(s, &image, ret, e) : got;
	}
	return images_by_name(s, ref_canonical(r, name), ret, e);
}

int local_find(struct store *s, const char *name, struct image_row *ret, struct err *e)
{
	struct str text = str_of(name);
	struct ref ref;
	int r = 0;

	if (ref_parse(text, &ref, e) == 0)
		r = find_ref(s, &ref, ret, e);
	else if (!ref_maybe_id(text))
		return -1;
	err_clear(e);
	if (r == 0)
		r = find_id(s, text, ret, e);
	if (r == 0)
		return err_set(e, ERR_NOT_FOUND, "no such image: %s", name);
	return r < 0 ? -1 : 0;
}

int local_open(struct store *s, const struct image_row *row, struct image *ret, struct err *e)
{
	auto_received struct received_list received = { 0 };
	auto_buf struct buf text = { 0 };
	char id[DIGEST_TEXT_MAX];
	struct config *c;

	if (store_pin(s, &row->manifest, e) < 0 || blob_read(s, &row->config, CONFIG_MAX, &text, e) < 0 ||
	    received_of(s, &row->manifest, &received, e) < 0 || config_parse(buf_view(&text), &c, e) < 0)
		return err_wrap(e, "image %s", digest_text(&row->config, id));
	*ret = (struct image){ *row, c, received };
	received = (struct received_list){ 0 };
	return 0;
}

int local_layer_size(struct store *s, const struct digest *diff_id, uint64_t *ret, struct err *e)
{
	char text[DIGEST_TEXT_MAX];
	int64_t size;
	int r;

	if (store_pin(s, diff_id, e) < 0)
		return -1;
	r = db_get_int(store_db(s), "SELECT tar_size FROM layers WHERE diff_id = ?", BIND(db_digest(diff_id)),
		       &size, e);
	if (r <= 0)
		return r < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "layer %s is not in the store",
					    digest_text(diff_id, text));
	*ret = (uint64_t)size;
	return 0;
}

static int offer_sizes(struct store *s, const struct offer *o, struct err *e)
{
	for (size_t i = 0; i < o->nlayers; i++)
		if (local_layer_size(s, &o->layers[i].diff_id, &o->layers[i].tar_size, e) < 0)
			return -1;
	return 0;
}

/* Fill in the layers of o from its config and the store's rows. */
static int offer_layers(struct store *s, struct offer *o, struct err *e)
{
	free(o->layers);
	o->nlayers = config_diff_ids(o->config);
	o->layers = xcalloc(o->nlayers + 1, sizeof(*o->layers));
	for (size_t i = 0; i < o->nlayers; i++)
		o->layers[i].diff_id = config_diff_id(o->config, i);
	return offer_sizes(s, o, e);
}

/* Blobs and row of one image, whose layers are filled in. */
static int put_offer(struct store *s, const struct offer *o, struct image_row *ret, struct err *e)
{
	auto_buf struct buf manifest = { 0 };
	auto_free struct digest *diff_ids = xcalloc(o->nlayers + 1, sizeof(*diff_ids));
	struct image_row row = { .created_ns = clock_now_ns() };
	struct digest d[2];

	for (size_t i = 0; i < o->nlayers; i++) {
		diff_ids[i] = o->layers[i].diff_id;
		row.size += o->layers[i].tar_size;
	}
	offer_manifest(o, &manifest);
	if (blob_put_all(s, (struct str[]){ buf_view(&o->text), buf_view(&manifest) }, 2, d, e) < 0)
		return -1;
	row.config = d[0];
	row.manifest = d[1];
	if (images_put(s, &row, diff_ids, o->nlayers, e) < 0)
		return -1;
	for (size_t i = 0; i < o->names.n; i++)
		if (images_tag(s, o->names.v[i], &row.manifest, e) < 0)
			return -1;
	*ret = row;
	return 0;
}

/* 1: the image is filed already, under all these names; 0; -1. */
static int is_filed(struct store *s, const struct offer *o, struct err *e)
{
	auto_buf struct buf text = { 0 };
	struct digest manifest;
	struct image_row row;
	int r;

	offer_manifest(o, &text);
	manifest = digest_of(text.p, text.n);
	r = images_by_manifest(s, &manifest, &row, e);
	for (size_t i = 0; i < o->names.n && r > 0; i++) {
		r = images_by_name(s, o->names.v[i], &row, e);
		if (r > 0 && !digest_eq(&row.manifest, &manifest))
			r = 0;
	}
	return r;
}

/* An image that is filed already is only dated anew. A power cut may lose that: it is not worth a sync. */
static int begin_put(struct store *s, const struct offer *o, struct tx *tx, struct err *e)
{
	int r;

	if (db_begin_lazy(store_db(s), tx, e) < 0)
		return -1;
	r = is_filed(s, o, e);
	if (r != 0)
		return MIN(r, 0);
	return db_commit(tx, e) < 0 ? -1 : db_begin(store_db(s), tx, e);
}

int local_put(struct store *s, const struct config *c, const char *name, struct image_row *ret, struct err *e)
{
	auto_offers struct offers list = { 0 };
	struct offer *o = offers_add(&list);
	auto_tx struct tx tx = { 0 };
	struct image_row row;

	config_text(c, &o->text);
	o->config = config_clone(c);
	if (name)
		strv_add(&o->names, name);
	if (offer_layers(s, o, e) < 0 || begin_put(s, o, &tx, e) < 0 || put_offer(s, o, &row, e) < 0 ||
	    db_commit(&tx, e) < 0)
		return -1;
	if (ret)
		*ret = row;
	return 0;
}

struct local_origin {
	struct origin o;
	struct store *s;
	const struct strv *names;
};

/* The offer of the image with this ID, if a name before meant the same. */
static struct offer *offer_of(struct offers *list, const struct digest *config)
{
	for (size_t i = 0; i < list->n; i++) {
		struct digest id = offer_id(&list->v[i]);

		if (digest_eq(&id, config))
			return &list->v[i];
	}
	return NULL;
}

static int list_one(struct store *s, const char *name, struct offers *ret, struct err *e)
{
	char canonical[REF_TEXT_MAX];
	auto_err struct err none = { 0 };
	struct image_row row, named;
	struct offer *o;
	struct ref ref;

	if (local_find(s, name, &row, e) < 0)
		return -1;
	o = offer_of(ret, &row.config);
	if (!o) {
		o = offers_add(ret);
		if (store_pin(s, &row.manifest, e) < 0 || blob_read(s, &row.config, CONFIG_MAX, &o->text, e) < 0 ||
		    config_parse(buf_view(&o->text), &o->config, e) < 0 || offer_layers(s, o, e) < 0)
			return err_wrap(e, "image %s", name);
	}
	/* an ID or a digest names nothing */
	if (ref_parse(str_of(name), &ref, &none) < 0 || ref.has_digest)
		return 0;
	ref_canonical(&ref, canonical);
	if (images_by_name(s, canonical, &named, e) < 0)
		return -1;
	if (!strv_has(&o->names, canonical) && digest_eq(&named.manifest, &row.manifest))
		strv_add(&o->names, canonical);
	return 0;
}

static int origin_list(struct job *j, struct origin *o, struct offers *ret, struct err *e)
{
	const struct local_origin *l = container_of(o, struct local_origin, o);

	for (size_t i = 0; i < l->names->n; i++)
		if (job_check(j, e) < 0 || list_one(l->s, l->names->v[i], ret, e) < 0)
			return -1;
	return 0;
}

static int origin_push(struct job *j, struct origin *o, const struct offer_layer *l, bytes_put put, void *arg,
		       struct err *e)
{
	return layer_read(j, container_of(o, struct local_origin, o)->s, &l->diff_id, put, arg, e);
}

static void origin_end(struct origin *o)
{
	free(container_of(o, struct local_origin, o));
}

struct origin *local_origin(struct store *s, const struct strv *names)
{
	static const struct origin_type type = {
		.name = "store", .list = origin_list, .push = origin_push, .free = origin_end,
	};
	struct local_origin *l = xcalloc(1, sizeof(*l));

	*l = (struct local_origin){ { &type }, s, names };
	return &l->o;
}

struct local_target {
	struct target t;
	struct store *s;
	struct lease *lease;
	pthread_mutex_t lock;		/* guards all below */
	struct layer **layers;		/* new ones, sealed */
	const struct offer_layer **offers;	/* what each came from */
	size_t n;
};

static int target_begin(struct job *j UNUSED, struct target *t UNUSED, const struct offers *o UNUSED,
			struct err *e UNUSED)
{
	return 0;
}

struct unpacking {
	struct job *j;
	struct local_target *t;
	struct layer *layer;
};

static int unpack(void *arg, bytes_get get, void *get_arg, struct err *e)
{
	struct unpacking *u = arg;

	layer_unref(take_ptr(&u->layer));	/* of an attempt before this one */
	return layer_unpack(u->j, u->t->s, u->t->lease, get, get_arg, &u->layer, e);
}

/* 1 if the store has the layer, pinned from now on; 0; -1. */
static int has_layer(struct local_target *t, const struct digest *d, struct err *e)
{
	int64_t one;

	if (store_pin(t->s, d, e) < 0)
		return -1;
	return db_get_int(store_db(t->s), "SELECT 1 FROM layers WHERE diff_id = ?", BIND(db_digest(d)), &one, e);
}

static int target_layer(struct job *j, struct target *target, struct origin *from, const struct offer_layer *l,
			struct err *e)
{
	struct local_target *t = container_of(target, struct local_target, t);
	struct unpacking u = { j, t, NULL };
	char got[DIGEST_TEXT_MAX];
	int r = has_layer(t, &l->diff_id, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	r = from->type->pull(j, from, l, unpack, &u, e);
	if (r == 0 && !digest_eq(layer_diff_id(u.layer), &l->diff_id))
		r = err_set(e, ERR_CORRUPT, "its bytes are those of %s", digest_text(layer_diff_id(u.layer), got));
	if (r < 0) {
		layer_unref(u.layer);
		return -1;
	}
	auto_lock pthread_mutex_t *held = lock_hold(&t->lock);
	t->layers = xrealloc(t->layers, (t->n + 1) * sizeof(struct layer *));
	t->offers = xrealloc(t->offers, (t->n + 1) * sizeof(*t->offers));
	t->layers[t->n] = u.layer;
	t->offers[t->n++] = l;
	return 0;
}

/* What was seen of the layers on the way in: which compressed bytes they were. */
static int remember(struct local_target *t, const struct offers *o, struct err *e)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->offers[i]->blob && packed_add(t->s, &t->offers[i]->diff_id, t->offers[i]->blob, e) < 0)
			return -1;
	for (size_t i = 0; i < o->n; i++)
		for (size_t k = 0; o->v[i].repo && k < o->v[i].nlayers; k++)
			if (o->v[i].layers[k].blob &&
			    packed_source_add(t->s, &o->v[i].layers[k].blob->digest, o->v[i].repo, e) < 0)
				return -1;
	return 0;
}

static int put_received(struct store *s, const struct offer *o, const struct digest *image, struct err *e)
{
	struct received r = { .repo = o->repo, .digest = o->top };

	if (!o->repo)
		return 0;
	return blob_put(s, o->manifest.p, o->manifest.n, &r.manifest, e) < 0 ? -1 : received_add(s, image, &r, e);
}

static int target_end(struct job *j UNUSED, struct target *target, const struct offers *o, struct err *e)
{
	struct local_target *t = container_of(target, struct local_target, t);
	auto_tx struct tx tx = { 0 };
	struct image_row row;

	if (layer_publish(t->s, t->layers, t->n, e) < 0 || db_begin(store_db(t->s), &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (offer_sizes(t->s, &o->v[i], e) < 0 || put_offer(t->s, &o->v[i], &row, e) < 0 ||
		    put_received(t->s, &o->v[i], &row.manifest, e) < 0)
			return -1;
	return remember(t, o, e) < 0 ? -1 : db_commit(&tx, e);
}

static void target_done(struct target *target)
{
	struct local_target *t = container_of(target, struct local_target, t);

	for (size_t i = 0; i < t->n; i++)
		layer_unref(t->layers[i]);
	free(t->layers);
	free(t->offers);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

struct target *local_target(struct store *s, struct lease *l)
{
	static const struct target_type type = {
		.name = "store", .begin = target_begin, .layer = target_layer, .end = target_end, .free = target_done,
	};
	struct local_target *t = xcalloc(1, sizeof(*t));

	*t = (struct local_target){ .t.type = &type, .s = s, .lease = l };
	pthread_mutex_init(&t->lock, NULL);
	return &t->t;
}
