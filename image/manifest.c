/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes: strict reading, deterministic writing. */
#include "image/manifest.h"

static void json_release(json_t **j)
{
	json_decref(*j);
}
#define auto_json __attribute__((cleanup(json_release)))

int json_text_parse(struct str text, size_t max, const char *what, json_t **ret, struct err *e)
{
	json_error_t je;
	json_t *j;

	if (text.n > max)
		return err_set(e, ERR_LIMIT, "%s is larger than %zu KiB", what, max >> 10);
	j = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &je);
	if (!j)
		return err_set(e, ERR_CORRUPT, "%s: %s at byte %d", what, je.text, je.position);
	*ret = j;
	return 0;
}

/* A present, non-null member. */
static const json_t *member(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_null(v) ? NULL : v;
}

/* The kind of a document by its mediaType, checked against the fields it has (CVE-2021-41190). */
static int document_kind(const json_t *j, enum media_kind *ret, const struct media **media, struct err *e)
{
	bool image = member(j, "layers") || member(j, "config"), index = member(j, "manifests");
	const json_t *type = member(j, "mediaType"), *version = member(j, "schemaVersion");
	const struct media *m = NULL;

	if (!json_is_object(j))
		return err_set(e, ERR_CORRUPT, "not a JSON object");
	if (type && !json_is_string(type))
		return err_set(e, ERR_CORRUPT, "mediaType is not a string");
	m = type ? media_find(str_of(json_string_value(type))) : NULL;
	if ((m && m->kind == MEDIA_SCHEMA1) || json_integer_value(version) == 1)
		return err_set(e, ERR_CORRUPT, "manifests of schema version 1 are not supported");
	if (image && index)
		return err_set(e, ERR_CORRUPT, "it has fields of a manifest and of an index");
	if (!image && !index)
		return err_set(e, ERR_CORRUPT, "it is neither a manifest nor an index");
	if (m && m->kind != (image ? MEDIA_MANIFEST : MEDIA_INDEX))
		return err_set(e, ERR_CORRUPT, "its mediaType \"%.100s\" is not that of its fields",
			       json_string_value(type));
	if (!m)
		m = media_find(image ? STR_LIT(MEDIA_OCI_MANIFEST) : STR_LIT(MEDIA_OCI_INDEX));
	*ret = m->kind;
	*media = m;
	return 0;
}

int manifest_kind(struct str text, enum media_kind *ret, struct err *e)
{
	auto_json json_t *j = NULL;
	const struct media *m;

	if (json_text_parse(text, MANIFEST_MAX, "manifest", &j, e) < 0)
		return -1;
	return document_kind(j, ret, &m, e) < 0 ? err_wrap(e, "manifest") : 0;
}

/* The array o[key] as descriptors in the arena. */
static int parse_list(const json_t *o, const char *key, size_t max, struct arena *a,
		      struct descriptor **ret, size_t *n, struct err *e)
{
	const json_t *list = json_object_get(o, key);
	size_t count = json_array_size(list);
	struct descriptor *v;

	if (list && !json_is_array(list) && !json_is_null(list))
		return err_set(e, ERR_CORRUPT, "%s is not a list", key);
	if (count > max)
		return err_set(e, ERR_LIMIT, "%s has more than %zu entries", key, max);
	v = arena_array(a, struct descriptor, count + 1);
	for (size_t i = 0; i < count; i++)
		if (descriptor_parse(json_array_get(list, i), a, &v[i], e) < 0)
			return err_wrap(e, "%s[%zu]", key, i);
	*ret = v;
	*n = count;
	return 0;
}

int manifest_parse(struct str text, struct arena *a, struct manifest *ret, struct err *e)
{
	auto_json json_t *j = NULL;
	struct manifest m = { 0 };
	enum media_kind kind;

	if (json_text_parse(text, MANIFEST_MAX, "manifest", &j, e) < 0)
		return -1;
	if (document_kind(j, &kind, &m.media, e) < 0)
		return err_wrap(e, "manifest");
	if (kind != MEDIA_MANIFEST)
		return err_set(e, ERR_CORRUPT, "manifest: it is an index");
	if (descriptor_parse(json_object_get(j, "config"), a, &m.config, e) < 0)
		return err_wrap(e, "manifest: config");
	if (parse_list(j, "layers", MANIFEST_LAYERS_MAX, a, &m.layers, &m.nlayers, e) < 0)
		return err_wrap(e, "manifest");
	*ret = m;
	return 0;
}

int index_parse(struct str text, struct arena *a, struct index *ret, struct err *e)
{
	auto_json json_t *j = NULL;
	struct index ix = { 0 };
	enum media_kind kind;

	if (json_text_parse(text, MANIFEST_MAX, "index", &j, e) < 0)
		return -1;
	/* umoci once wrote "manifests": null for an empty layout */
	if (json_is_object(j) && json_is_null(json_object_get(j, "manifests")) &&
	    json_object_get(j, "manifests"))
		json_object_set_new(j, "manifests", json_array());
	if (document_kind(j, &kind, &ix.media, e) < 0)
		return err_wrap(e, "index");
	if (kind != MEDIA_INDEX)
		return err_set(e, ERR_CORRUPT, "index: it is a manifest");
	if (parse_list(j, "manifests", INDEX_ENTRIES_MAX, a, &ix.entries, &ix.n, e) < 0)
		return err_wrap(e, "index");
	*ret = ix;
	return 0;
}

static void list_text(const struct descriptor *v, size_t n, struct buf *ret)
{
	buf_putc(ret, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(ret, ',');
		descriptor_text(&v[i], ret);
	}
	buf_putc(ret, ']');
}

void manifest_text(const struct descriptor *config, const struct descriptor *layers, size_t n,
		   struct buf *ret)
{
	manifest_text_as(MEDIA_OCI_MANIFEST, config, layers, n, ret);
}

void manifest_text_as(const char *type, const struct descriptor *config, const struct descriptor *layers, size_t n,
		      struct buf *ret)
{
	buf_printf(ret, "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":", type);
	descriptor_text(config, ret);
	buf_puts(ret, ",\"layers\":");
	list_text(layers, n, ret);
	buf_putc(ret, '}');
}

void index_text(const struct descriptor *entries, size_t n, struct buf *ret)
{
	buf_puts(ret, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":");
	list_text(entries, n, ret);
	buf_putc(ret, '}');
}

const struct descriptor *index_choose(const struct index *ix, const struct platform *want)
{
	const struct descriptor *best = NULL;
	int score = 0;

	for (size_t i = 0; i < ix->n; i++) {
		const struct descriptor *d = &ix->entries[i];
		int s = d->platform && !d->attestation ? platform_match(want, d->platform) : 0;

		if (s > score) {
			score = s;
			best = d;
		}
	}
	return best;
}
