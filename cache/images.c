/* SPDX-License-Identifier: Apache-2.0 */
/* Images, their layers and names: rows only. */
#include "cache/images.h"

#include "base/clock.h"
#include "base/fault.h"
#include "cache/db.h"

#define COLUMNS "i.manifest, i.config, i.created, i.size"

static int put_layers(struct db *db, const struct digest *manifest, const struct digest *diff_ids,
		      size_t n, struct err *e)
{
	char hex[DIGEST_TEXT_MAX];
	int64_t one;

	for (size_t i = 0; i < n; i++) {
		int r = db_get_int(db, "SELECT 1 FROM layers WHERE diff_id = ?",
				   BIND(db_digest(&diff_ids[i])), &one, e);

		if (r < 0)
			return -1;
		if (r == 0)
			return err_set(e, ERR_NOT_FOUND, "layer sha256:%s is not in the store",
				       digest_hex(&diff_ids[i], hex));
		if (db_run(db, "INSERT INTO image_layers VALUES (?, ?, ?)",
			   BIND(db_digest(manifest), db_int((int64_t)i), db_digest(&diff_ids[i])),
			   e) < 0)
			return -1;
	}
	return 0;
}

int images_put(struct store *s, const struct image_row *img, const struct digest *diff_ids,
	       size_t n, struct err *e)
{
	struct db *db = store_db(s);
	auto_tx struct tx tx = { 0 };
	int64_t changed = 0;

	if (db_begin(db, &tx, e) < 0 ||
	    db_run_count(db, "UPDATE images SET created = ? WHERE manifest = ?",
			 BIND(db_int(img->created_ns), db_digest(&img->manifest)), &changed, e) < 0)
		return -1;
	if (changed == 0 && (db_run(db, "INSERT INTO images VALUES (?, ?, ?, ?)",
				    BIND(db_digest(&img->manifest), db_digest(&img->config),
					 db_int((int64_t)img->size), db_int(img->created_ns)),
				    e) < 0 ||
			     put_layers(db, &img->manifest, diff_ids, n, e) < 0))
		return err_wrap(e, "store the image");
	fault_point("images.put");
	return db_commit(&tx, e);
}

int images_tag(struct store *s, const char *name, const struct digest *manifest, struct err *e)
{
	struct db *db = store_db(s);
	auto_tx struct tx tx = { 0 };
	char text[DIGEST_TEXT_MAX];
	int64_t one;
	int r;

	if (db_begin(db, &tx, e) < 0)
		return -1;
	r = db_get_int(db, "SELECT 1 FROM images WHERE manifest = ?", BIND(db_digest(manifest)),
		       &one, e);
	if (r <= 0)
		return r < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "no image with manifest %s",
					    digest_text(manifest, text));
	if (db_run(db, "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)",
		   BIND(db_text(name), db_digest(manifest), db_int(clock_now_ns())), e) < 0)
		return err_wrap(e, "tag %s", name);
	fault_point("images.tagged");
	return db_commit(&tx, e);
}

int images_untag(struct store *s, const char *name, struct err *e)
{
	auto_tx struct tx tx = { 0 };
	int64_t n = 0;

	if (db_begin(store_db(s), &tx, e) < 0 ||
	    db_run_count(store_db(s), "DELETE FROM tags WHERE name = ?", BIND(db_text(name)), &n,
			 e) < 0 ||
	    db_commit(&tx, e) < 0)
		return -1;
	return n > 0;
}

int images_remove(struct store *s, const struct digest *manifest, struct err *e)
{
	struct db *db = store_db(s);
	auto_tx struct tx tx = { 0 };
	int64_t n = 0;

	if (db_begin(db, &tx, e) < 0 ||
	    db_run(db, "DELETE FROM tags WHERE manifest = ?", BIND(db_digest(manifest)), e) < 0 ||
	    db_run(db, "DELETE FROM image_layers WHERE manifest = ?", BIND(db_digest(manifest)),
		   e) < 0 ||
	    db_run_count(db, "DELETE FROM images WHERE manifest = ?", BIND(db_digest(manifest)), &n,
			 e) < 0)
		return -1;
	fault_point("images.removed");
	return db_commit(&tx, e) < 0 ? -1 : n > 0;
}

/* --- look-ups --- */

static int row_get(const struct stmt *st, struct image_row *ret, struct err *e)
{
	struct image_row r = { .created_ns = stmt_int(st, 2), .size = (uint64_t)stmt_int(st, 3) };

	if (!stmt_digest(st, 0, &r.manifest) || !stmt_digest(st, 1, &r.config))
		return err_set(e, ERR_CORRUPT,
			       "the store's table of images holds something that is no digest");
	*ret = r;
	return 1;
}

static int find_one(struct store *s, const char *sql, struct db_args args, struct image_row *ret,
		    struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s), sql, args, &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	return r > 0 ? row_get(&st, ret, e) : r;
}

int images_by_name(struct store *s, const char *name, struct image_row *ret, struct err *e)
{
	return find_one(
		s, "SELECT " COLUMNS " FROM tags t JOIN images i USING (manifest) WHERE t.name = ?",
		BIND(db_text(name)), ret, e);
}

int images_by_manifest(struct store *s, const struct digest *manifest, struct image_row *ret,
		       struct err *e)
{
	return find_one(s, "SELECT " COLUMNS " FROM images i WHERE i.manifest = ?",
			BIND(db_digest(manifest)), ret, e);
}

/* The lowest and the highest digest that start with hex. */
static bool prefix_range(struct str hex, struct digest *lo, struct digest *hi)
{
	char text[64];

	if (hex.n < 1 || hex.n > sizeof(text))
		return false;
	memset(text, '0', sizeof(text));
	memcpy(text, hex.p, hex.n);
	if (!digest_from_hex((struct str){ text, sizeof(text) }, lo))
		return false;
	memset(text + hex.n, 'f', sizeof(text) - hex.n);
	return digest_from_hex((struct str){ text, sizeof(text) }, hi);
}

int images_by_id_prefix(struct store *s, struct str hex, struct image_row *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	struct digest lo, hi;
	struct image_row found, other;
	int r;

	if (!prefix_range(hex, &lo, &hi))
		return err_set(e, ERR_USAGE, "not the start of an image ID: \"" STR_FMT "\"",
			       (int)MIN(hex.n, (size_t)80), hex.n ? hex.p : "");
	/* Newest first: one config may have several manifests. */
	if (db_query(store_db(s),
		     "SELECT " COLUMNS " FROM images i WHERE config BETWEEN ?1 AND ?2 "
		     "UNION SELECT " COLUMNS
		     " FROM images i WHERE manifest BETWEEN ?1 AND ?2 ORDER BY 3 DESC",
		     BIND(db_digest(&lo), db_digest(&hi)), &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r <= 0)
		return r;
	if (row_get(&st, &found, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		if (row_get(&st, &other, e) < 0)
			return -1;
		if (!digest_eq(&other.config, &found.config)) {
			err_set(e, ERR_CONFLICT,
				"several images have an ID that starts with " STR_FMT,
				STR_ARG(hex));
			return err_hint(e, "give more digits of the ID");
		}
	}
	if (r < 0)
		return -1;
	*ret = found;
	return 1;
}

int images_layers(struct store *s, const struct digest *manifest, struct digest **ret, size_t *n,
		  struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	auto_free struct digest *v = NULL;
	size_t have = 0;
	int r;

	if (db_query(store_db(s),
		     "SELECT diff_id FROM image_layers WHERE manifest = ? ORDER BY idx",
		     BIND(db_digest(manifest)), &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		v = xrealloc(v, (have + 1) * sizeof(*v));
		if (!stmt_digest(&st, 0, &v[have++]))
			return err_set(e, ERR_CORRUPT,
				       "an image in the store lists a layer without a digest");
	}
	if (r < 0)
		return -1;
	*ret = take_ptr(&v);
	*n = have;
	return 0;
}

int images_names(struct store *s, const struct digest *manifest, struct strv *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s), "SELECT name FROM tags WHERE manifest = ? ORDER BY name",
		     BIND(db_digest(manifest)), &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0)
		strv_add(ret, stmt_text(&st, 0));
	return r;
}

/* One statement, so that images and names are of the same moment. */
int images_list(struct store *s, struct image_list *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	auto_image_list struct image_list l = { 0 };
	int r;

	if (db_query(store_db(s),
		     "SELECT " COLUMNS ", t.name FROM images i LEFT JOIN tags t USING (manifest) "
		     "ORDER BY i.created DESC, i.manifest, t.name",
		     BIND_NONE, &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		struct image_row row;

		if (row_get(&st, &row, e) < 0)
			return -1;
		if (l.n == 0 || !digest_eq(&l.v[l.n - 1].row.manifest, &row.manifest)) {
			l.v = xrealloc(l.v, (l.n + 1) * sizeof(*l.v));
			l.v[l.n++] = (struct image_entry){ .row = row };
		}
		if (!stmt_null(&st, 4))
			strv_add(&l.v[l.n - 1].names, stmt_text(&st, 4));
	}
	if (r < 0)
		return -1;
	images_list_done(ret);
	*ret = l;
	l = (struct image_list){ 0 };
	return 0;
}

void images_list_done(struct image_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		strv_done(&l->v[i].names);
	free(l->v);
	*l = (struct image_list){ 0 };
}
