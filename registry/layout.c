/* SPDX-License-Identifier: Apache-2.0 */
/* Reading OCI layouts, in an archive or a directory. */
#include "registry/layout.h"

#include "image/ref.h"

struct layout {
	struct members *m;
	const struct platform *want;	/* NULL: the host's, or the only one */
	struct arena *a;
	struct offers *ret;
};

int layout_offer(struct offers *list, struct buf *text, struct offer **ret, bool *is_new, struct err *e)
{
	struct digest id = digest_of(text->p ? text->p : "", text->n);
	struct config *c;
	struct offer *o;

	for (size_t i = 0; i < list->n; i++) {
		struct digest d = offer_id(&list->v[i]);

		if (digest_eq(&d, &id)) {
			*ret = &list->v[i];
			*is_new = false;
			return 0;
		}
	}
	if (list->n >= LAYOUT_IMAGES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d images in one archive", LAYOUT_IMAGES_MAX);
	if (config_parse(buf_view(text), &c, e) < 0)
		return -1;
	o = offers_add(list);
	o->text = *text;
	*text = (struct buf){ 0 };
	o->config = c;
	o->nlayers = config_diff_ids(c);
	o->layers = xcalloc(o->nlayers + 1, sizeof(*o->layers));
	for (size_t i = 0; i < o->nlayers; i++)
		o->layers[i].diff_id = config_diff_id(c, i);
	*ret = o;
	*is_new = true;
	return 0;
}

int layout_name(struct offer *o, const char *name, struct err *e)
{
	char canonical[REF_TEXT_MAX];
	struct ref ref;

	if (ref_parse(str_of(name), &ref, e) < 0) {
		e->kind = ERR_CORRUPT;
		return err_wrap(e, "the archive names an image");
	}
	if (*ref.tag && !strv_has(&o->names, ref_canonical(&ref, canonical)))
		strv_add(&o->names, canonical);
	return 0;
}

/* A blob that a descriptor points to: 1, 0 not there, -1. */
static int read_blob(struct layout *l, const struct descriptor *d, size_t max, struct buf *ret, struct err *e)
{
	char text[DIGEST_TEXT_MAX];
	int r = members_blob(l->m, &d->digest, max, ret, e);

	if (r > 0 && ret->n != d->size)
		return err_set(e, ERR_CORRUPT, "blob %s has %zu bytes, its descriptor says %llu",
			       digest_text(&d->digest, text), ret->n, (unsigned long long)d->size);
	return r;
}

static int missing(const char *what, const struct digest *d, struct err *e)
{
	char text[DIGEST_TEXT_MAX];

	return err_set(e, ERR_CORRUPT, "%s %s is missing", what, digest_text(d, text));
}

/* One layer of a manifest: a kind we can unpack, and there. */
static int set_layer(struct layout *l, const struct descriptor *d, struct offer_layer *ret, struct err *e)
{
	struct stored_layer *own = arena_new(l->a, struct stored_layer);
	auto_member struct member f = { 0 };
	char name[MEMBERS_BLOB_MAX], text[DIGEST_TEXT_MAX];
	int r;

	if (d->media->kind != MEDIA_LAYER)
		return err_set(e, ERR_CORRUPT, "layer %s is of a type that is no image layer",
			       digest_text(&d->digest, text));
	r = members_find(l->m, members_blob_name(&d->digest, name), &f, e);
	if (r <= 0)
		return r < 0 ? -1 : missing("layer", &d->digest, e);
	if (f.size != d->size)
		return err_set(e, ERR_CORRUPT, "layer %s has %llu bytes, its descriptor says %llu",
			       digest_text(&d->digest, text), (unsigned long long)f.size, (unsigned long long)d->size);
	*own = (struct stored_layer){ arena_strdup(l->a, name), true, d->digest };
	ret->own = own;
	return 0;
}

static int check_platform(const struct layout *l, const struct config *c, struct err *e)
{
	char have[PLATFORM_TEXT_MAX], want[PLATFORM_TEXT_MAX];
	struct platform p = config_platform(c);

	if (!l->want || platform_match(l->want, &p))
		return 0;
	return err_set(e, ERR_NOT_FOUND, "the image is for %s, not %s", platform_text(&p, have),
		       platform_text(l->want, want));
}

/* One image's manifest; names come from the entry of index.json that led here. */
static int add_image(struct layout *l, struct str text, const struct descriptor *entry, struct err *e)
{
	auto_buf struct buf config = { 0 };
	struct manifest m;
	struct offer *o;
	bool is_new;
	int r;

	if (manifest_parse(text, l->a, &m, e) < 0)
		return -1;
	if (m.config.media->kind != MEDIA_CONFIG)
		return 0;	/* an artifact */
	r = read_blob(l, &m.config, CONFIG_MAX, &config, e);
	if (r <= 0)
		return r < 0 ? -1 : missing("config", &m.config.digest, e);
	if (layout_offer(l->ret, &config, &o, &is_new, e) < 0 || check_platform(l, o->config, e) < 0)
		return -1;
	if (is_new && m.nlayers != o->nlayers)
		return err_set(e, ERR_CORRUPT, "the manifest has %zu layers, the config %zu", m.nlayers, o->nlayers);
	for (size_t i = 0; is_new && i < m.nlayers; i++)
		if (set_layer(l, &m.layers[i], &o->layers[i], e) < 0)
			return -1;
	if (entry->image_name)
		return layout_name(o, entry->image_name, e);
	if (entry->ref_name && strpbrk(entry->ref_name, "/:"))
		return layout_name(o, entry->ref_name, e);
	return 0;
}

static int add_entry(struct layout *l, const struct descriptor *d, const struct descriptor *entry, int depth,
		     struct err *e);

/* Of an index, the entries whose manifests are there. */
static int present(struct layout *l, const struct index *ix, struct index *ret, struct err *e)
{
	*ret = (struct index){ ix->media, arena_array(l->a, struct descriptor, ix->n + 1), 0 };
	for (size_t i = 0; i < ix->n; i++) {
		auto_member struct member f = { 0 };
		char name[MEMBERS_BLOB_MAX];
		int r = ix->entries[i].attestation ? 0 :
			members_find(l->m, members_blob_name(&ix->entries[i].digest, name), &f, e);

		if (r < 0)
			return -1;
		if (r > 0)
			ret->entries[ret->n++] = ix->entries[i];
	}
	return 0;
}

static int no_platform(const struct index *ix, const struct platform *want, struct err *e)
{
	auto_buf struct buf list = { 0 };
	char text[PLATFORM_TEXT_MAX];

	for (size_t i = 0; i < ix->n && i < 20; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", ix->entries[i].platform ?
			   platform_text(ix->entries[i].platform, text) : "one that is not said");
	return err_set(e, ERR_NOT_FOUND, "no image for %s; there is: %s", platform_text(want, text),
		       list.n ? list.p : "none");
}

static int add_index(struct layout *l, struct str text, const struct descriptor *entry, int depth, struct err *e)
{
	struct platform host = platform_host();
	const struct platform *want = l->want ? l->want : &host;
	const struct descriptor *best;
	struct index ix, here;

	if (depth >= INDEX_DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "more than %d indexes within each other", INDEX_DEPTH_MAX);
	if (index_parse(text, l->a, &ix, e) < 0 || present(l, &ix, &here, e) < 0)
		return -1;
	best = index_choose(&here, want);
	if (!best && here.n == 1 && (!l->want || !here.entries[0].platform))
		best = &here.entries[0];
	if (!best)
		return no_platform(here.n ? &here : &ix, want, e);
	return add_entry(l, best, entry, depth + 1, e);
}

static int add_entry(struct layout *l, const struct descriptor *d, const struct descriptor *entry, int depth,
		     struct err *e)
{
	auto_buf struct buf text = { 0 };
	enum media_kind kind;
	int r = read_blob(l, d, MANIFEST_MAX, &text, e);

	if (r <= 0)
		return r < 0 ? -1 : missing("manifest", &d->digest, e);
	if (manifest_kind(buf_view(&text), &kind, e) < 0)
		return -1;
	if (d->media->kind != MEDIA_OTHER && d->media->kind != kind)
		return err_set(e, ERR_CORRUPT, "a manifest is not of the type that its descriptor says");
	if (kind == MEDIA_INDEX)
		return add_index(l, buf_view(&text), entry, depth, e);
	return add_image(l, buf_view(&text), entry, e);
}

/* "oci-layout": {"imageLayoutVersion":"1.0.0"}. 1, 0 there is none, -1. */
static int check_version(struct members *m, struct err *e)
{
	auto_buf struct buf text = { 0 };
	json_t *j, *v;
	bool good;
	int r = members_text(m, "oci-layout", 4096, &text, e);

	if (r <= 0)
		return r;
	if (json_text_parse(buf_view(&text), 4096, "oci-layout", &j, e) < 0)
		return -1;
	v = json_object_get(j, "imageLayoutVersion");
	good = json_is_string(v) && str_starts(str_of(json_string_value(v)), "1.");
	json_decref(j);
	return good ? 1 : err_set(e, ERR_CORRUPT, "oci-layout: imageLayoutVersion is not 1.x");
}

bool layout_has_tag(const struct descriptor *d, const char *tag)
{
	auto_err struct err e = { 0 };
	struct ref r;

	if (d->ref_name && strcmp(d->ref_name, tag) == 0)
		return true;
	for (int i = 0; i < 2; i++) {
		const char *name = i ? d->image_name : d->ref_name;

		if (name && ref_parse(str_of(name), &r, &e) == 0 && strcmp(r.tag, tag) == 0 && strpbrk(name, "/:"))
			return true;
		err_clear(&e);
	}
	return false;
}

int layout_list(struct members *m, const struct platform *want, const char *tag, struct arena *a, struct offers *ret,
		struct err *e)
{
	struct layout l = { m, want, a, ret };
	auto_buf struct buf text = { 0 };
	struct index ix;
	int r = check_version(m, e);

	if (r <= 0)
		return r;
	r = members_text(m, "index.json", MANIFEST_MAX, &text, e);
	if (r <= 0)
		return r;
	if (index_parse(buf_view(&text), a, &ix, e) < 0)
		return err_wrap(e, "index.json");
	for (size_t i = 0; i < ix.n; i++)
		if (!ix.entries[i].attestation && (!tag || layout_has_tag(&ix.entries[i], tag)) &&
		    add_entry(&l, &ix.entries[i], &ix.entries[i], 0, e) < 0)
			return err_wrap(e, "index.json: entry %zu", i);
	return 1;
}
