/* SPDX-License-Identifier: Apache-2.0 */
/* Build keys, their inputs, and the listings that inputs speak of. */
#include "cache/keys.h"

#include "base/clock.h"
#include "base/fault.h"
#include "cache/db.h"
#include "cache/lease.h"

#define TOUCH_NS (60 * 1000000000LL)	/* "used" is no more exact than that: most builds then write nothing */

void key_result_done(struct key_result *r)
{
	free(r->extra);
	*r = (struct key_result){ 0 };
}

/* --- look-ups --- */

static int find_row(struct db *db, const struct digest *key, struct key_result *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(db, "SELECT diff_id, extra FROM keys WHERE key = ?", BIND(db_digest(key)), &st,
		     e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r <= 0)
		return r;
	*ret = (struct key_result){ .has_layer = !stmt_null(&st, 0) };
	if (ret->has_layer && !stmt_digest(&st, 0, &ret->diff_id))
		return err_set(e, ERR_CORRUPT, "a build key's result in the store is no digest");
	if (!stmt_null(&st, 1))
		ret->extra = xstrdup(stmt_text(&st, 1));
	return 1;
}

/* Pin first, look afterwards: by a statement of its own, which sees what gc has committed
 * meanwhile. */
static int pin_layer(struct store *s, struct lease *lease, const struct digest *diff_id,
		     struct err *e)
{
	int64_t one;

	if ((lease ? lease_pin(lease, diff_id, e) : store_pin(s, diff_id, e)) < 0)
		return -1;
	return db_get_int(store_db(s), "SELECT 1 FROM layers WHERE diff_id = ?",
			  BIND(db_digest(diff_id)), &one, e);
}

int keys_find(struct store *s, struct lease *lease, const struct digest *key,
	      struct key_result *ret, struct err *e)
{
	struct key_result found;
	int r = find_row(store_db(s), key, &found, e);

	if (r <= 0)
		return r;
	if (found.has_layer)
		r = pin_layer(s, lease, &found.diff_id, e);
	if (r > 0)
		*ret = found;
	else
		key_result_done(&found);
	return r;
}

bool keys_op_seen(struct store *s, const struct digest *op)
{
	auto_err struct err ignored = { 0 };
	int64_t one;

	return db_get_int(store_db(s), "SELECT 1 FROM keys WHERE op = ? LIMIT 1",
			  BIND(db_digest(op)), &one, &ignored) > 0;
}

/* --- inputs: name NUL value NUL ... --- */

static void inputs_pack(const struct key_input *inputs, size_t n, struct buf *ret)
{
	for (size_t i = 0; i < n; i++) {
		buf_add(ret, inputs[i].name, strlen(inputs[i].name) + 1);
		buf_add(ret, inputs[i].value, strlen(inputs[i].value) + 1);
	}
}

static void inputs_unpack(struct str packed, struct key_inputs *ret)
{
	struct str rest;

	buf_str(&ret->storage, packed);
	buf_putc(&ret->storage, '\0');
	rest = (struct str){ ret->storage.p, packed.n };
	while (rest.n) {
		struct str name = str_cut(&rest, '\0'), value = str_cut(&rest, '\0');

		ret->v = xrealloc(ret->v, (ret->n + 1) * sizeof(*ret->v));
		ret->v[ret->n++] = (struct key_input){ name.p, value.p ? value.p : "" };
		if (!rest.p)
			break;
	}
}

int keys_inputs(struct store *s, const struct digest *key, struct key_inputs *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s), "SELECT inputs FROM key_inputs WHERE key = ?",
		     BIND(db_digest(key)), &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r > 0) {
		key_inputs_done(ret);
		inputs_unpack(stmt_bytes(&st, 0), ret);
	}
	return r;
}

void key_inputs_done(struct key_inputs *in)
{
	free(in->v);
	buf_done(&in->storage);
	*in = (struct key_inputs){ 0 };
}

/* --- storing --- */

static int put_one(struct db *db, const struct key_row *k, int64_t now, struct err *e)
{
	const struct digest *diff_id = k->result.has_layer ? &k->result.diff_id : NULL;
	auto_buf struct buf packed = { 0 };
	char hex[DIGEST_TEXT_MAX];
	int64_t one;
	int r = 1;

	if (diff_id)	/* invariant 2: a row never names what is not there */
		r = db_get_int(db, "SELECT 1 FROM layers WHERE diff_id = ?",
			       BIND(db_digest(diff_id)), &one, e);
	if (r <= 0)
		return r < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "layer sha256:%s is not in the store",
					    digest_hex(diff_id, hex));
	inputs_pack(k->inputs, k->ninputs, &packed);
	if (db_run(db, "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)",
		   BIND(db_digest(&k->key), db_digest(&k->op), db_text(k->slot), db_digest(diff_id),
			db_text(k->result.extra), db_int(now), db_int(now)), e) < 0)
		return -1;
	return db_run(db, "INSERT OR REPLACE INTO key_inputs VALUES (?, ?)",
		      BIND(db_digest(&k->key), db_blob(packed.p, packed.n)), e);
}

int keys_put_many(struct store *s, const struct key_row *rows, size_t n, struct err *e)
{
	auto_tx struct tx tx = { 0 };
	int64_t now = clock_now_ns();

	if (n == 0)
		return 0;
	if (db_begin(store_db(s), &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (put_one(store_db(s), &rows[i], now, e) < 0)
			return err_wrap(e, "store a build key");
	fault_point("keys.put");
	return db_commit(&tx, e);
}

int keys_put(struct store *s, const struct digest *key, const struct digest *op, const char *slot,
	     const struct key_result *result, const struct key_input *inputs, size_t n,
	     struct err *e)
{
	struct key_row row = { .key = *key,
			       .op = *op,
			       .slot = slot,
			       .result = *result,
			       .inputs = inputs,
			       .ninputs = n };

	return keys_put_many(s, &row, 1, e);
}

int keys_put_inputs(struct store *s, const struct digest *key, const struct key_input *inputs,
		    size_t n, struct err *e)
{
	auto_buf struct buf packed = { 0 };
	auto_tx struct tx tx = { 0 };

	inputs_pack(inputs, n, &packed);
	if (db_begin_lazy(store_db(s), &tx, e) < 0 ||
	    db_run(store_db(s), "INSERT OR IGNORE INTO key_inputs VALUES (?, ?)",
		   BIND(db_digest(key), db_blob(packed.p, packed.n)), e) < 0)
		return -1;
	return db_commit(&tx, e);
}

int keys_touch(struct store *s, const struct digest *keys, size_t n, struct err *e)
{
	int64_t now = clock_now_ns();
	auto_tx struct tx tx = { 0 };

	if (n == 0)
		return 0;
	if (db_begin_lazy(store_db(s), &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (db_run(store_db(s), "UPDATE keys SET used = ? WHERE key = ? AND used < ?",
			   BIND(db_int(now), db_digest(&keys[i]), db_int(now - TOUCH_NS)), e) < 0)
			return -1;
	return db_commit(&tx, e);
}

/* --- listings --- */

int trees_put(struct store *s, const struct digest *d, struct str listing, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	if (db_begin_lazy(store_db(s), &tx, e) < 0 ||
	    db_run(store_db(s), "INSERT OR IGNORE INTO trees VALUES (?, ?)",
		   BIND(db_digest(d), db_blob(listing.p, listing.n)), e) < 0)
		return -1;
	return db_commit(&tx, e);
}

int trees_get(struct store *s, const struct digest *d, struct buf *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s), "SELECT listing FROM trees WHERE digest = ?", BIND(db_digest(d)),
		     &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r > 0)
		buf_str(ret, stmt_bytes(&st, 0));
	return r;
}
