/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Docker's archives: manifest.json and what it points to, whoever wrote it. */
#include "registry/layout.h"

/* "blobs/<algorithm>/<hex>": the name says what the bytes must be. */
static bool name_digest(const char *name, struct digest *ret)
{
	struct str rest = str_of(name), alg;
	auto_err struct err e = { 0 };
	auto_buf struct buf text = { 0 };

	if (!str_starts(rest, "blobs/"))
		return false;
	rest = str_sub(rest, 6, rest.n);
	alg = str_cut(&rest, '/');
	buf_printf(&text, STR_FMT ":" STR_FMT, STR_ARG(alg), STR_ARG(rest));
	return digest_parse(buf_view(&text), ret, &e) == 0;
}

static int read_config(struct members *m, const char *name, struct buf *ret, struct err *e)
{
	struct digest d;
	int r = name_digest(name, &d) ? members_blob(m, &d, CONFIG_MAX, ret, e) :
		members_text(m, name, CONFIG_MAX, ret, e);

	if (r == 0)
		return err_set(e, ERR_CORRUPT, "config %s is not in the archive", name);
	return r < 0 ? err_wrap(e, "config") : 0;
}

static int set_layer(struct members *m, struct arena *a, const json_t *v, struct offer_layer *ret, struct err *e)
{
	struct stored_layer *own = arena_new(a, struct stored_layer);
	auto_member struct member f = { 0 };
	const char *name = json_string_value(v);
	int r;

	if (!name)
		return err_set(e, ERR_CORRUPT, "Layers is not a list of names");
	r = members_find(m, name, &f, e);
	if (r <= 0)
		return r < 0 ? err_wrap(e, "layer") : err_set(e, ERR_CORRUPT, "layer %s is not in the archive", name);
	own->name = arena_strdup(a, name);
	own->has_digest = name_digest(name, &own->digest);
	ret->own = own;
	return 0;
}

static int set_names(const json_t *tags, struct offer *o, struct err *e)
{
	if (tags && !json_is_null(tags) && !json_is_array(tags))
		return err_set(e, ERR_CORRUPT, "RepoTags is not a list");
	for (size_t i = 0; i < json_array_size(tags); i++) {
		const char *name = json_string_value(json_array_get(tags, i));

		if (!name)
			return err_set(e, ERR_CORRUPT, "RepoTags is not a list of names");
		if (layout_name(o, name, e) < 0)
			return -1;
	}
	return 0;
}

static int add_image(struct members *m, struct arena *a, const json_t *j, struct offers *ret, struct err *e)
{
	const char *config = json_string_value(json_object_get(j, "Config"));
	const json_t *layers = json_object_get(j, "Layers");
	auto_buf struct buf text = { 0 };
	struct offer *o;
	bool is_new;

	if (!config)
		return err_set(e, ERR_CORRUPT, "Config is missing");
	if (layers && !json_is_null(layers) && !json_is_array(layers))
		return err_set(e, ERR_CORRUPT, "Layers is not a list");
	if (read_config(m, config, &text, e) < 0 || layout_offer(ret, &text, &o, &is_new, e) < 0)
		return -1;
	if (json_array_size(layers) != o->nlayers)
		return err_set(e, ERR_CORRUPT, "Layers has %zu entries, the config %zu diff IDs", json_array_size(layers),
			       o->nlayers);
	for (size_t i = 0; is_new && i < o->nlayers; i++)
		if (set_layer(m, a, json_array_get(layers, i), &o->layers[i], e) < 0)
			return -1;
	return set_names(json_object_get(j, "RepoTags"), o, e);
}

static int add_all(struct members *m, struct arena *a, const json_t *list, struct offers *ret, struct err *e)
{
	if (!json_is_array(list))
		return err_set(e, ERR_CORRUPT, "manifest.json: not a list");
	if (json_array_size(list) > LAYOUT_IMAGES_MAX)
		return err_set(e, ERR_LIMIT, "manifest.json: more than %d images", LAYOUT_IMAGES_MAX);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (add_image(m, a, json_array_get(list, i), ret, e) < 0)
			return err_wrap(e, "manifest.json: image %zu", i);
	return 0;
}

int docker_list(struct members *m, struct arena *a, struct offers *ret, struct err *e)
{
	auto_buf struct buf text = { 0 };
	json_t *list;
	int r = members_text(m, "manifest.json", DOCKER_MANIFEST_MAX, &text, e);

	if (r <= 0)
		return r;
	if (json_text_parse(buf_view(&text), DOCKER_MANIFEST_MAX, "manifest.json", &list, e) < 0)
		return -1;
	r = add_all(m, a, list, ret, e);
	json_decref(list);
	return r < 0 ? -1 : 1;
}
