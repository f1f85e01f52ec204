/* SPDX-License-Identifier: Apache-2.0 */
/* Which images and build keys gc evicts, and the rows that are garbage once they are gone. */
#include "cache/gc_rows.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "cache/db.h"
#include "cache/keys.h"
#include "cache/listing.h"
#include "cache/packed.h"
#include "cache/pin.h"
#include "cache/set.h"

#define STATCACHE_KEPT_S (30 * 86400)	/* a row not used for that long goes */

/* --- images --- */

static int evict_image(struct store *s, const struct digest *manifest, struct err *e)
{
	return db_run(store_db(s), "DELETE FROM image_layers WHERE manifest = ?",
		      BIND(db_digest(manifest)), e) < 0
		       ? -1
		       : db_run(store_db(s), "DELETE FROM images WHERE manifest = ?",
				BIND(db_digest(manifest)), e);
}

/* A pinned manifest is of an image that a live process has just stored, perhaps to name it next. */
static int evict_untagged(struct store *s, int64_t before, int pins, struct gc_result *ret,
			  struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	auto_free struct digest *gone = NULL;
	size_t n = 0;
	int r;

	if (db_query(store_db(s),
		     "SELECT manifest FROM images WHERE created < ? AND manifest NOT IN "
		     "(SELECT manifest FROM tags)",
		     BIND(db_int(before)), &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		gone = xrealloc(gone, (n + 1) * sizeof(*gone));
		n += stmt_digest(&st, 0, &gone[n]) && !pin_held(pins, &gone[n]);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = evict_image(s, &gone[i], e);
	ret->images.n += n;
	return r;
}

/* --- build keys --- */

struct cached {			/* a layer that only build keys have */
	struct digest diff_id;
	int64_t used;		/* the latest use of its keys */
	uint64_t bytes;
};

static int cached_layers(struct store *s, struct cached **ret, size_t *n, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	auto_free struct cached *v = NULL;
	size_t have = 0;
	int r;

	if (db_query(store_db(s),
		     "SELECT k.diff_id, max(k.used), l.disk_size "
		     "FROM keys k JOIN layers l USING (diff_id) "
		    "WHERE k.diff_id NOT IN (SELECT diff_id FROM image_layers) "
		    "GROUP BY k.diff_id ORDER BY 2",
		    BIND_NONE, &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		v = xrealloc(v, (have + 1) * sizeof(*v));
		v[have].used = stmt_int(&st, 1);
		v[have].bytes = (uint64_t)stmt_int(&st, 2);
		have += stmt_digest(&st, 0, &v[have].diff_id);
	}
	if (r < 0)
		return -1;
	*ret = take_ptr(&v);
	*n = have;
	return 0;
}

static int evict_keys(struct store *s, const struct gc_opts *o, int64_t before, int pins,
		      struct gc_result *ret, struct err *e)
{
	auto_free struct cached *v = NULL;
	uint64_t total = 0;
	int64_t changed;
	size_t n;

	if (cached_layers(s, &v, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		total += v[i].bytes;
	for (size_t i = 0; i < n && !(o->has_keep && total <= o->keep); i++) {
		if (v[i].used >= before || pin_held(pins, &v[i].diff_id))
			continue;
		if (db_run_count(store_db(s), "DELETE FROM keys WHERE diff_id = ?",
				 BIND(db_digest(&v[i].diff_id)), &changed, e) < 0)
			return -1;
		ret->keys.n += (uint64_t)changed;
		total -= v[i].bytes;
	}
	return 0;
}

/* Keys whose result has no layer take next to no room: a limit on bytes does not ask for them. */
static int evict_bare_keys(struct store *s, int64_t before, struct gc_result *ret, struct err *e)
{
	int64_t changed = 0;

	if (db_run_count(store_db(s), "DELETE FROM keys WHERE diff_id IS NULL AND used < ?",
			 BIND(db_int(before)), &changed, e) < 0)
		return -1;
	ret->keys.n += (uint64_t)changed;
	return 0;
}

int gc_evict(struct store *s, const struct gc_opts *o, int pins, struct gc_result *ret,
	     struct err *e)
{
	int64_t before = o->until_ns ? clock_now_ns() - o->until_ns : INT64_MAX;

	if (o->all && evict_untagged(s, before, pins, ret, e) < 0)
		return -1;
	if ((o->all || o->has_keep || o->until_ns) && evict_keys(s, o, before, pins, ret, e) < 0)
		return -1;
	if ((o->all || o->until_ns) && !o->has_keep && evict_bare_keys(s, before, ret, e) < 0)
		return -1;
	return 0;
}

/* --- listings: those that inputs name, and those that these name, stay --- */

struct marking {
	struct store *store;
	struct set kept;
	struct digest *todo;
	size_t n;
};

static void mark(struct marking *m, const struct digest *d)
{
	struct set_item it = set_digest(d);

	if (!set_add(&m->kept, &it))
		return;
	m->todo = xrealloc(m->todo, (m->n + 1) * sizeof(*m->todo));
	m->todo[m->n++] = *d;
}

static void mark_children(struct marking *m, struct str listing)
{
	struct listing_entry l;

	while (listing_next(&listing, &l)) {
		struct digest d = { .alg = HASH_SHA256 };

		memcpy(d.b, l.digest, sizeof(l.digest));
		if (S_ISDIR(l.type))
			mark(m, &d);
	}
}

static void mark_inputs(struct marking *m, struct str packed)
{
	while (packed.n) {
		struct str value;
		struct digest d;

		str_cut(&packed, '\0');
		value = str_cut(&packed, '\0');
		if (str_starts(value, "tree sha256:") &&
		    digest_from_hex(str_sub(value, 12, value.n), &d))
			mark(m, &d);
		if (!packed.p)
			break;
	}
}

static int mark_all(struct marking *m, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(m->store), "SELECT inputs FROM key_inputs", BIND_NONE, &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0)
		mark_inputs(m, stmt_bytes(&st, 0));
	while (r == 0 && m->n) {
		auto_buf struct buf listing = { .max = (size_t)1 << 30 };
		struct digest d = m->todo[--m->n];

		r = trees_get(m->store, &d, &listing, e);
		if (r < 0)
			return -1;
		mark_children(m, buf_view(&listing));
		r = 0;
	}
	return r;
}

static int sweep_trees(struct marking *m, struct gc_result *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	auto_free struct digest *gone = NULL;
	size_t n = 0;
	int r;

	if (db_query(store_db(m->store), "SELECT digest, length(listing) FROM trees", BIND_NONE,
		     &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		struct set_item it;
		struct digest d;

		if (!stmt_digest(&st, 0, &d))
			continue;
		it = set_digest(&d);
		if (set_has(&m->kept, &it))
			continue;
		gone = xrealloc(gone, (n + 1) * sizeof(*gone));
		gone[n++] = d;
		ret->trees.bytes += (uint64_t)stmt_int(&st, 1);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = db_run(store_db(m->store), "DELETE FROM trees WHERE digest = ?",
			   BIND(db_digest(&gone[i])), e);
	ret->trees.n += n;
	return r;
}

int gc_sweep_rows(struct store *s, struct gc_result *ret, struct err *e)
{
	struct marking m = { .store = s };
	int64_t old = clock_now_ns() / 1000000000 - STATCACHE_KEPT_S;
	int r;

	if (db_run(store_db(s), "DELETE FROM key_inputs WHERE key NOT IN (SELECT key FROM keys) "
		   "AND key NOT IN (SELECT key FROM build_steps)", BIND_NONE, e) < 0 ||
	    db_run(store_db(s), "DELETE FROM statcache WHERE used < ?", BIND(db_int(old)), e) < 0 ||
	    packed_sweep(s, e) < 0)
		return -1;
	r = mark_all(&m, e);
	if (r == 0)
		r = sweep_trees(&m, ret, e);
	set_done(&m.kept);
	free(m.todo);
	return r;
}
