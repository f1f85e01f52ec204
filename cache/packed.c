/* SPDX-License-Identifier: Apache-2.0 */
/* Rows about compressed layers, their whereabouts, and received manifests. */
#include "cache/packed.h"

#include "base/clock.h"
#include "cache/db.h"

int packed_add(struct store *s, const struct digest *diff_id, const struct packed *p, struct err *e)
{
	/* That it was made here is worth more than that it was met elsewhere, too. */
	return db_run(store_db(s), "INSERT INTO packed (digest, diff_id, size, kind, level, used) VALUES (?, ?, ?, ?, ?, ?)"
		      " ON CONFLICT (digest) DO UPDATE SET diff_id = excluded.diff_id, size = excluded.size,"
		      " level = max(level, excluded.level), used = excluded.used",
		      BIND(db_digest(&p->digest), db_digest(diff_id), db_int((int64_t)p->size), db_int(p->kind),
			   db_int(p->level), db_int(clock_now_ns())), e);
}

int packed_list(struct store *s, const struct digest *diff_id, struct packed **ret, size_t *n, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	auto_free struct packed *v = NULL;
	size_t have = 0;
	int r;

	if (db_query(store_db(s), "SELECT digest, size, kind, level FROM packed WHERE diff_id = ? ORDER BY used DESC",
		     BIND(db_digest(diff_id)), &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		v = xrealloc(v, (have + 1) * sizeof(*v));
		v[have] = (struct packed){ .size = (uint64_t)stmt_int(&st, 1), .kind = (enum zip_kind)stmt_int(&st, 2),
			.level = (int)stmt_int(&st, 3) };
		have += stmt_digest(&st, 0, &v[have].digest);
	}
	if (r < 0)
		return -1;
	*ret = take_ptr(&v);
	*n = have;
	return 0;
}

static int find_digest(struct store *s, const char *sql, const struct digest *d, struct digest *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s), sql, BIND(db_digest(d)), &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	return r > 0 ? stmt_digest(&st, 0, ret) : r;
}

int packed_diff_id(struct store *s, const struct digest *digest, struct digest *ret, struct err *e)
{
	return find_digest(s, "SELECT diff_id FROM packed WHERE digest = ?", digest, ret, e);
}

int packed_source_add(struct store *s, const struct digest *digest, const char *repo, struct err *e)
{
	return db_run(store_db(s), "INSERT OR REPLACE INTO packed_sources (digest, repo, used) VALUES (?, ?, ?)",
		      BIND(db_digest(digest), db_text(repo), db_int(clock_now_ns())), e);
}

int packed_source_drop(struct store *s, const struct digest *digest, const char *repo, struct err *e)
{
	return db_run(store_db(s), "DELETE FROM packed_sources WHERE digest = ? AND repo = ?",
		      BIND(db_digest(digest), db_text(repo)), e);
}

int packed_sources(struct store *s, const struct digest *digest, struct strv *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s), "SELECT repo FROM packed_sources WHERE digest = ? ORDER BY used DESC",
		     BIND(db_digest(digest)), &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0)
		strv_add(ret, stmt_text(&st, 0));
	return r;
}

void received_done(struct received_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].repo);
	free(l->v);
	*l = (struct received_list){ 0 };
}

int received_add(struct store *s, const struct digest *image, const struct received *r, struct err *e)
{
	return db_run(store_db(s), "INSERT OR REPLACE INTO received (image, repo, digest, manifest, used)"
		      " VALUES (?, ?, ?, ?, ?)",
		      BIND(db_digest(image), db_text(r->repo), db_digest(&r->digest), db_digest(&r->manifest),
			   db_int(clock_now_ns())), e);
}

int received_of(struct store *s, const struct digest *image, struct received_list *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s), "SELECT repo, digest, manifest FROM received WHERE image = ? ORDER BY repo, used DESC",
		     BIND(db_digest(image)), &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		struct received v = { 0 };

		if (!stmt_digest(&st, 1, &v.digest) || !stmt_digest(&st, 2, &v.manifest))
			continue;
		v.repo = xstrdup(stmt_text(&st, 0));
		ret->v = xrealloc(ret->v, (ret->n + 1) * sizeof(*ret->v));
		ret->v[ret->n++] = v;
	}
	return r;
}

int received_find(struct store *s, const struct digest *digest, struct digest *ret, struct err *e)
{
	return find_digest(s, "SELECT image FROM received WHERE (digest = ?1 OR manifest = ?1)"
			   " AND image IN (SELECT manifest FROM images) ORDER BY used DESC LIMIT 1", digest, ret, e);
}

int packed_sweep(struct store *s, struct err *e)
{
	if (db_run(store_db(s), "DELETE FROM received WHERE image NOT IN (SELECT manifest FROM images)", BIND_NONE, e) < 0 ||
	    db_run(store_db(s), "DELETE FROM packed WHERE diff_id NOT IN (SELECT diff_id FROM layers)", BIND_NONE, e) < 0)
		return -1;
	return db_run(store_db(s), "DELETE FROM packed_sources WHERE digest NOT IN (SELECT digest FROM packed)", BIND_NONE,
		      e);
}
