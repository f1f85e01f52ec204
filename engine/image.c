/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, naming and removing one stored image. */
#include "engine/image.h"

#include "cache/db.h"
#include "runtime/container/container.h"

int image_resolve(struct store *s, const char *name, struct image_row *ret, struct err *e)
{
	if (local_find(s, name, ret, e) == 0)
		return 0;
	if (e->kind == ERR_NOT_FOUND)
		err_hint(e, "\"tare images\" lists what is here; \"tare build -t\", \"tare load\" and \"tare import\" add to it");
	return -1;
}

int image_open(struct store *s, const char *name, struct image *ret, struct err *e)
{
	struct image_row row;

	if (image_resolve(s, name, &row, e) < 0)
		return -1;
	return local_open(s, &row, ret, e);
}

int image_tag(struct store *s, const char *src, const char *dst, struct err *e)
{
	char name[REF_TEXT_MAX];
	struct image_row row;
	struct ref ref;

	if (ref_parse(str_of(dst), &ref, e) < 0)
		return -1;
	if (ref.has_digest)
		return err_set(e, ERR_USAGE, "%s: a new name cannot hold a digest", dst);
	if (image_resolve(s, src, &row, e) < 0)
		return -1;
	return images_tag(s, ref_canonical(&ref, name), &row.manifest, e);
}

void image_removal_done(struct image_removal *r)
{
	strv_done(&r->untagged);
	strv_done(&r->deleted);
}

/* ERR_CONFLICT if a container is in the way of removing the image. */
static int check_users(struct store *s, const struct image_row *row, bool force, struct err *e)
{
	auto_containers struct container_list l = { 0 };
	char id[DIGEST_TEXT_MAX];

	if (container_list(s, &l, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++) {
		bool running = container_is_live(l.v[i]);

		if (strcmp(container_text(l.v[i], "Image", NULL), digest_text(&row->config, id)) != 0 ||
		    (force && !running))
			continue;
		err_set(e, ERR_CONFLICT, "image %.12s is used by the %s container %.12s", digest_hex(&row->config, id),
			running ? "running" : "stopped", l.v[i]->id);
		return err_hint(e, running ? "stop and remove the container first" :
				   "remove the container first, or use --force");
	}
	return 0;
}

static void removal_untag(struct image_removal *r, const char *name)
{
	char text[REF_TEXT_MAX];
	auto_err struct err e = { 0 };
	struct ref ref;

	strv_add(&r->untagged, ref_parse(str_of(name), &ref, &e) == 0 ? ref_familiar(&ref, text) : name);
}

static int remove_all(struct store *s, const struct image_row *row, const struct strv *names,
		      struct image_removal *ret, struct err *e)
{
	char id[DIGEST_TEXT_MAX];

	if (images_remove(s, &row->manifest, e) < 0)
		return -1;
	for (size_t i = 0; i < names->n; i++)
		removal_untag(ret, names->v[i]);
	strv_add(&ret->deleted, digest_text(&row->config, id));
	return 0;
}

/* The canonical text of name if it is one of names, else NULL: then the image was found by its ID. */
static const char *as_name(const char *name, const struct strv *names, char text[static REF_TEXT_MAX])
{
	auto_err struct err e = { 0 };
	struct ref ref;

	if (ref_parse(str_of(name), &ref, &e) < 0 || ref.has_digest)
		return NULL;
	return strv_has(names, ref_canonical(&ref, text)) ? text : NULL;
}

int image_remove(struct store *s, const char *name, bool force, struct image_removal *ret, struct err *e)
{
	char text[REF_TEXT_MAX], id[DIGEST_TEXT_MAX];
	auto_strv struct strv names = { 0 };
	auto_tx struct tx tx = { 0 };
	struct image_row row;
	const char *one;

	if (db_begin(store_db(s), &tx, e) < 0 || image_resolve(s, name, &row, e) < 0 ||
	    images_names(s, &row.manifest, &names, e) < 0)
		return -1;
	one = as_name(name, &names, text);
	if (one && names.n > 1) {
		if (images_untag(s, one, e) < 0 || db_commit(&tx, e) < 0)
			return -1;
		removal_untag(ret, one);
		return 0;
	}
	if (!one && names.n > 1 && !force) {
		err_set(e, ERR_CONFLICT, "image %.12s has %zu names", digest_hex(&row.config, id), names.n);
		return err_hint(e, "remove it by one of its names, or all of them with --force");
	}
	if (check_users(s, &row, force, e) < 0)
		return -1;
	if (remove_all(s, &row, &names, ret, e) < 0)
		return -1;
	return db_commit(&tx, e);
}

int image_remove_unused(struct store *s, const struct image_row *row, struct image_removal *ret, struct err *e)
{
	auto_strv struct strv names = { 0 };
	auto_tx struct tx tx = { 0 };

	if (db_begin(store_db(s), &tx, e) < 0 || images_names(s, &row->manifest, &names, e) < 0 ||
	    check_users(s, row, false, e) < 0 || remove_all(s, row, &names, ret, e) < 0)
		return -1;
	return db_commit(&tx, e);
}
