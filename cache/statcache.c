/* SPDX-License-Identifier: Apache-2.0 */
/* Packing and unpacking rows of the stat cache. */
#include "cache/statcache.h"

#include "base/clock.h"
#include "cache/db.h"
#include "cache/store.h"

struct packed {			/* followed by the name; the host's byte order: a row never leaves it */
	uint64_t ino, size;
	int64_t mtime_ns, ctime_ns;
	uint8_t digest[32];
	uint16_t name_len;
} __attribute__((packed));

static int64_t ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int statcache_get(struct store *s, const struct stat *dir, struct buf *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s), "SELECT data FROM statcache WHERE dev = ? AND ino = ?",
		     BIND(db_int((int64_t)dir->st_dev), db_int((int64_t)dir->st_ino)), &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r > 0)
		buf_str(ret, stmt_bytes(&st, 0));
	return MIN(r, 0);
}

bool statcache_next(struct str *rest, struct stat_entry *ret)
{
	struct packed p;

	if (rest->n < sizeof(p))
		return false;
	memcpy(&p, rest->p, sizeof(p));
	if (rest->n - sizeof(p) < p.name_len)
		return false;
	*ret = (struct stat_entry){
		.name = { rest->p + sizeof(p), p.name_len },
		.ino = p.ino, .size = p.size, .mtime_ns = p.mtime_ns, .ctime_ns = p.ctime_ns,
		.digest = (const uint8_t *)rest->p + offsetof(struct packed, digest),
		.bytes = { rest->p, sizeof(p) + p.name_len },
	};
	*rest = str_sub(*rest, ret->bytes.n, rest->n);
	return true;
}

bool statcache_fits(const struct stat_entry *c, const struct stat *st)
{
	return c->ino == st->st_ino && c->size == (uint64_t)st->st_size && c->mtime_ns == ns_of(st->st_mtim) &&
	       c->ctime_ns == ns_of(st->st_ctim);
}

bool statcache_settled(const struct stat *st, int64_t now_ns)
{
	bool coarse = st->st_mtim.tv_nsec == 0 && st->st_ctim.tv_nsec == 0;

	return ns_of(st->st_ctim) < now_ns - (coarse ? STATCACHE_COARSE_NS : STATCACHE_RACY_NS);
}

void statcache_add(struct buf *row, struct str name, const struct stat *st, const uint8_t digest[32])
{
	struct packed p = { .ino = st->st_ino, .size = (uint64_t)st->st_size, .mtime_ns = ns_of(st->st_mtim),
			    .ctime_ns = ns_of(st->st_ctim), .name_len = (uint16_t)name.n };

	memcpy(p.digest, digest, sizeof(p.digest));
	buf_add(row, &p, sizeof(p));
	buf_str(row, name);
}

int statcache_put(struct store *s, dev_t dev, ino_t ino, struct str row, struct err *e)
{
	return db_run(store_db(s), "INSERT OR REPLACE INTO statcache (dev, ino, data, used) VALUES (?, ?, ?, ?)",
		      BIND(db_int((int64_t)dev), db_int((int64_t)ino), db_blob(row.p, row.n),
			   db_int(clock_now_ns() / 1000000000)), e);
}
