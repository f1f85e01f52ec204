/* SPDX-License-Identifier: Apache-2.0 */
/* One SQLite connection behind a mutex: cached statements, bound lists, nested transactions. */
#include "cache/db.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/fault.h"

#define DB_BUSY_MS 60000
/*
 * The WAL is copied back when it has so many pages: passively, by a process that goes on, or with
 * the WAL emptied, by one that ends. The second keeps it small: whoever opens the database first
 * reads the whole WAL (1 MiB takes 0.5 ms), and cannot know what of it was copied back already.
 */
#define DB_WAL_PAGES 1000
#define DB_WAL_PAGES_LEFT 256

struct slot {			/* a prepared statement, found by its text */
	const char *sql;
	sqlite3_stmt *s;
	bool busy;
};

struct db {
	pthread_mutex_t lock;	/* recursive: a statement and a transaction hold it */
	sqlite3 *c;
	char *path;
	struct slot *slots;
	size_t nslots;
	unsigned depth;		/* nested transactions of the thread that holds the lock */
	bool doomed;		/* an inner one was rolled back */
	bool lazy;		/* commits are not synced now */
	int wal_pages;		/* of the WAL at our last commit */
};

/* --- errors --- */

static int db_error(struct db *db, int rc, const char *what, struct err *e)
{
	int sys = sqlite3_system_errno(db->c);
	const char *text = sqlite3_errmsg(db->c);

	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		err_set(e, ERR_CORRUPT, "the store's database %s is damaged: %s", db->path, text);
		return err_hint(e, "restore tare.db from a backup, or move the store away and build again");
	case SQLITE_FULL:
		sys = ENOSPC;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		err_set(e, ERR_CONFLICT, "%s: another process keeps the store's database %s locked",
			what, db->path);
		return err_hint(e, "wait for the other tare command, or end it");
	case SQLITE_CONSTRAINT:
		return err_set(e, ERR_CONFLICT, "%s: %s", what, text);
	case SQLITE_READONLY:
	case SQLITE_PERM:
		err_set(e, ERR_DENIED, "%s: the store's database %s is not writable", what,
			db->path);
		return err_hint(e, "check the owner and the mount of the store's directory");
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		break;
	default:
		return err_set(e, ERR_SYS, "%s: %s: %s", what, db->path, text);
	}
	if (!sys)
		return err_set(e, ERR_SYS, "%s: %s: %s", what, db->path, text);
	errno = sys;
	err_sys(e, "%s: the store's database %s", what, db->path);
	if (sys == ENOSPC || sys == EDQUOT)
		err_hint(e, "make room on the disk, for instance with tare gc");
	return -1;
}

/* --- opening --- */

static int after_commit(void *arg, sqlite3 *c, const char *name, int pages)
{
	struct db *db = arg;

	db->wal_pages = pages;
	if (pages >= DB_WAL_PAGES)	/* busy or no room: the next commit tries again */
		sqlite3_wal_checkpoint_v2(c, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return SQLITE_OK;
}

static int db_setup(struct db *db, struct err *e)
{
	int on = 1;

	sqlite3_extended_result_codes(db->c, 1);
	sqlite3_busy_timeout(db->c, DB_BUSY_MS);
	sqlite3_wal_hook(db->c, after_commit, db);
	/* The last process to leave would copy the WAL back and sync: every short command would pay
	 * for that. */
	sqlite3_db_config(db->c, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_file_control(db->c, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
	return db_script(db, "PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=1048576", e);
}

int db_open(const char *path, bool create, struct db **ret, struct err *e)
{
	struct db *db = xcalloc(1, sizeof(*db));
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		    (create ? SQLITE_OPEN_CREATE : 0);
	pthread_mutexattr_t attr;
	int rc;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&db->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	db->path = xstrdup(path);
	rc = sqlite3_open_v2(path, &db->c, flags, NULL);
	if (rc != SQLITE_OK)
		db_error(db, rc, "open", e);
	if (rc != SQLITE_OK || db_setup(db, e) < 0) {
		db_close(db);
		return -1;
	}
	*ret = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < db->nslots; i++)
		sqlite3_finalize(db->slots[i].s);
	if (db->wal_pages >= DB_WAL_PAGES_LEFT) {
		sqlite3_busy_timeout(db->c, 0);	/* not while others read: they will do it */
		sqlite3_wal_checkpoint_v2(db->c, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	}
	sqlite3_close(db->c);
	pthread_mutex_destroy(&db->lock);
	free(db->slots);
	free(db->path);
	free(db);
}

/* --- statements --- */

static int slot_prepare(struct db *db, const char *sql, unsigned flags, sqlite3_stmt **ret,
			struct err *e)
{
	int rc = sqlite3_prepare_v3(db->c, sql, -1, flags, ret, NULL);

	return rc == SQLITE_OK ? 0 : db_error(db, rc, "prepare", e);
}

/* A statement for sql: the cached one, or one of its own while that is in use. db->lock held. */
static int stmt_get(struct db *db, const char *sql, struct stmt *ret, struct err *e)
{
	sqlite3_stmt *s;

	for (size_t i = 0; i < db->nslots; i++) {
		struct slot *sl = &db->slots[i];

		if (sl->sql != sql && strcmp(sl->sql, sql) != 0)
			continue;
		if (sl->busy) {
			if (slot_prepare(db, sql, 0, &s, e) < 0)
				return -1;
			*ret = (struct stmt){ db, s, false };
			return 0;
		}
		sl->busy = true;
		*ret = (struct stmt){ db, sl->s, true };
		return 0;
	}
	if (slot_prepare(db, sql, SQLITE_PREPARE_PERSISTENT, &s, e) < 0)
		return -1;
	db->slots = xrealloc(db->slots, (db->nslots + 1) * sizeof(*db->slots));
	db->slots[db->nslots++] = (struct slot){ sql, s, true };
	*ret = (struct stmt){ db, s, true };
	return 0;
}

static int bind_one(sqlite3_stmt *s, int i, const struct db_val *v)
{
	switch (v->type) {
	case DB_INT:
		return sqlite3_bind_int64(s, i, v->i);
	case DB_REAL:
		return sqlite3_bind_double(s, i, v->f);
	case DB_TEXT:
		return sqlite3_bind_text64(s, i, v->p, v->n, SQLITE_STATIC, SQLITE_UTF8);
	case DB_BLOB:
		return v->n ? sqlite3_bind_blob64(s, i, v->p, v->n, SQLITE_STATIC)
			    : sqlite3_bind_zeroblob(s, i, 0);
	case DB_NULL:
		break;
	}
	return sqlite3_bind_null(s, i);
}

int db_query(struct db *db, const char *sql, struct db_args args, struct stmt *ret, struct err *e)
{
	struct stmt st;

	pthread_mutex_lock(&db->lock);
	if (stmt_get(db, sql, &st, e) < 0) {
		pthread_mutex_unlock(&db->lock);
		return -1;
	}
	for (size_t i = 0; i < args.n; i++) {
		int rc = bind_one(st.s, (int)i + 1, &args.v[i]);

		if (rc == SQLITE_OK)
			continue;
		db_error(db, rc, "bind", e);
		stmt_done(&st);
		return -1;
	}
	*ret = st;
	return 0;
}

int db_row(struct stmt *st, struct err *e)
{
	int rc = sqlite3_step(st->s);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : db_error(st->db, rc, "database", e);
}

void stmt_done(struct stmt *st)
{
	struct db *db = st->db;

	if (!db)
		return;
	sqlite3_reset(st->s);
	sqlite3_clear_bindings(st->s);
	if (!st->cached)
		sqlite3_finalize(st->s);
	for (size_t i = 0; st->cached && i < db->nslots; i++)
		if (db->slots[i].s == st->s)
			db->slots[i].busy = false;
	*st = (struct stmt){ 0 };
	pthread_mutex_unlock(&db->lock);
}

bool stmt_null(const struct stmt *st, int col)
{
	return sqlite3_column_type(st->s, col) == SQLITE_NULL;
}

int64_t stmt_int(const struct stmt *st, int col)
{
	return sqlite3_column_int64(st->s, col);
}

double stmt_real(const struct stmt *st, int col)
{
	return sqlite3_column_double(st->s, col);
}

const char *stmt_text(const struct stmt *st, int col)
{
	return (const char *)sqlite3_column_text(st->s, col);
}

struct str stmt_bytes(const struct stmt *st, int col)
{
	const char *p = sqlite3_column_blob(st->s, col);
	int n = sqlite3_column_bytes(st->s, col);

	return (struct str){ p ? p : "", (size_t)n };
}

bool stmt_digest(const struct stmt *st, int col, struct digest *ret)
{
	struct str b = stmt_bytes(st, col);
	struct digest d = { .alg = b.n == 64 ? HASH_SHA512 : HASH_SHA256 };

	if (b.n != hash_size(d.alg))
		return false;
	memcpy(d.b, b.p, b.n);
	*ret = d;
	return true;
}

int db_run_count(struct db *db, const char *sql, struct db_args args, int64_t *changed,
		 struct err *e)
{
	auto_stmt struct stmt st = { 0 };

	if (db_query(db, sql, args, &st, e) < 0)
		return -1;
	while (true) {
		int r = db_row(&st, e);

		if (r < 0)
			return -1;
		if (r == 0)
			break;
	}
	if (changed)
		*changed = sqlite3_changes64(db->c);
	return 0;
}

int db_run(struct db *db, const char *sql, struct db_args args, struct err *e)
{
	return db_run_count(db, sql, args, NULL, e);
}

int db_get_int(struct db *db, const char *sql, struct db_args args, int64_t *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(db, sql, args, &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r > 0)
		*ret = stmt_int(&st, 0);
	return r;
}

int db_script(struct db *db, const char *sql, struct err *e)
{
	int rc;

	pthread_mutex_lock(&db->lock);
	rc = sqlite3_exec(db->c, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		db_error(db, rc, "database", e);
	pthread_mutex_unlock(&db->lock);
	return rc == SQLITE_OK ? 0 : -1;
}

/* --- transactions --- */

/* SQLite takes this pragma between transactions only, and at once. */
static int set_lazy(struct db *db, bool lazy, struct err *e)
{
	if (db->lazy == lazy)
		return 0;
	if (db_script(db, lazy ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL", e) < 0)
		return -1;
	db->lazy = lazy;
	return 0;
}

static int tx_begin(struct db *db, bool lazy, struct tx *ret, struct err *e)
{
	pthread_mutex_lock(&db->lock);
	if (db->depth == 0 &&
	    (set_lazy(db, lazy, e) < 0 || db_run(db, "BEGIN IMMEDIATE", BIND_NONE, e) < 0)) {
		pthread_mutex_unlock(&db->lock);
		return -1;
	}
	db->depth++;
	ret->db = db;
	return 0;
}

int db_begin(struct db *db, struct tx *ret, struct err *e)
{
	return tx_begin(db, false, ret, e);
}

int db_begin_lazy(struct db *db, struct tx *ret, struct err *e)
{
	return tx_begin(db, true, ret, e);
}

/* Leave one level. At the outermost, undo it all if it was doomed. db->lock held, given up here. */
static void tx_leave(struct db *db)
{
	auto_err struct err ignored = { 0 };

	if (--db->depth == 0) {
		/* After some failures (disk full) SQLite has rolled back on its own. */
		if (!sqlite3_get_autocommit(db->c) &&
		    db_run(db, "ROLLBACK", BIND_NONE, &ignored) < 0)
			err_clear(&ignored);
		db->doomed = false;
	}
	pthread_mutex_unlock(&db->lock);
}

int db_commit(struct tx *tx, struct err *e)
{
	struct db *db = tx->db;
	int r = 0;

	*tx = (struct tx){ 0 };
	if (db->depth == 1) {
		fault_point("db.before_commit");
		if (db->doomed || sqlite3_get_autocommit(db->c))
			r = err_set(e, ERR_CONFLICT, "a part of the transaction failed: nothing is stored");
		else
			r = db_run(db, "COMMIT", BIND_NONE, e);
		fault_point("db.after_commit");
	}
	tx_leave(db);
	return r;
}

void db_rollback(struct tx *tx)
{
	struct db *db = tx->db;

	if (!db)
		return;
	*tx = (struct tx){ 0 };
	db->doomed = true;
	tx_leave(db);
}
