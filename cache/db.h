/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thin layer on SQLite: one connection behind a recursive mutex, prepared statements cached by
 * their text, values bound as a list. Safe to use from any thread.
 *
 *	auto_stmt struct stmt st = { 0 };
 *	int r;
 *
 *	if (db_query(db, "SELECT form, tar_size FROM layers WHERE diff_id = ?", BIND(db_digest(d)), &st, e) < 0)
 *		return -1;
 *	while ((r = db_row(&st, e)) > 0)
 *		use(stmt_text(&st, 0), stmt_int(&st, 1));
 *	return r;
 *
 * Transactions: db_begin() ... db_commit(), with auto_tx rolling back whatever was not committed.
 * The thread that began one holds the connection until its end: keep them short, and never wait for
 * another thread or process inside. They nest: an inner db_begin() of the same thread joins the
 * outer transaction, its db_commit() only ends the joining, and an inner rollback dooms the whole
 * (the outer db_commit() then fails with ERR_CONFLICT and nothing is written). So a function that
 * needs a transaction just begins one, and its caller may put several such calls into one.
 *
 * Errors of all functions: ERR_CORRUPT (damaged database), ERR_SYS (sys ENOSPC: disk full),
 * ERR_CONFLICT (another process held the lock for a minute, or a constraint), ERR_DENIED.
 */
#ifndef CACHE_DB_H
#define CACHE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "image/digest.h"

struct db;
struct sqlite3_stmt;

/* A value to bind; pointers are borrowed until the statement is done. */
struct db_val {
	enum { DB_NULL, DB_INT, DB_REAL, DB_TEXT, DB_BLOB } type;
	int64_t i;
	double f;
	const void *p;
	size_t n;
};

static inline struct db_val db_int(int64_t i) { return (struct db_val){ .type = DB_INT, .i = i }; }
static inline struct db_val db_real(double f) { return (struct db_val){ .type = DB_REAL, .f = f }; }
static inline struct db_val db_null(void) { return (struct db_val){ .type = DB_NULL }; }
static inline struct db_val db_blob(const void *p, size_t n)
{
	return (struct db_val){ .type = DB_BLOB, .p = p, .n = n };
}
static inline struct db_val db_str(struct str s)
{
	return (struct db_val){ .type = DB_TEXT, .p = s.p ? s.p : "", .n = s.n };
}
static inline struct db_val db_text(const char *s)	/* NULL: SQL NULL */
{
	return s ? db_str(str_of(s)) : db_null();
}
/* A digest is stored as its bytes alone: 32 are sha256, 64 are sha512. NULL: SQL NULL. */
static inline struct db_val db_digest(const struct digest *d)
{
	return d ? db_blob(d->b, hash_size(d->alg)) : db_null();
}

struct db_args {
	const struct db_val *v;
	size_t n;
};
/* BIND(db_int(1), db_text("x")) is the list of values for the statement's ? in order. */
#define BIND(...) ((struct db_args){ (const struct db_val[]){ __VA_ARGS__ }, \
		   sizeof((const struct db_val[]){ __VA_ARGS__ }) / sizeof(struct db_val) })
#define BIND_NONE ((struct db_args){ NULL, 0 })

struct stmt {			/* { 0 } is a valid idle one; holds the connection while in use */
	struct db *db;
	struct sqlite3_stmt *s;
	bool cached;
};

/* sql must be static text: it is the key of the cache. A statement in use may not be asked for row
 * data that outlives the next db_row(). */
NODISCARD int db_query(struct db *db, const char *sql, struct db_args args, struct stmt *ret,
		       struct err *e);
NODISCARD int db_row(struct stmt *st, struct err *e);	/* 1: a row, 0: the end, -1 */
void stmt_done(struct stmt *st);			/* may be repeated */
#define auto_stmt __attribute__((cleanup(stmt_done)))

bool stmt_null(const struct stmt *st, int col);
int64_t stmt_int(const struct stmt *st, int col);
double stmt_real(const struct stmt *st, int col);
const char *stmt_text(const struct stmt *st, int col);	/* borrowed until the next db_row(); NULL if NULL */
struct str stmt_bytes(const struct stmt *st, int col);	/* text or blob; borrowed likewise */
bool stmt_digest(const struct stmt *st, int col, struct digest *ret);	/* false: not a digest */

/* Run a statement that gives no rows. */
NODISCARD int db_run(struct db *db, const char *sql, struct db_args args, struct err *e);
/* The same; *changed is how many rows were inserted, changed or deleted. */
NODISCARD int db_run_count(struct db *db, const char *sql, struct db_args args, int64_t *changed,
			   struct err *e);
/* The first column of the first row as a number: 1 found, 0 no row, -1. */
NODISCARD int db_get_int(struct db *db, const char *sql, struct db_args args, int64_t *ret,
			 struct err *e);

struct tx {			/* { 0 } is a valid idle one */
	struct db *db;
};

/* BEGIN IMMEDIATE. A committed transaction survives a power cut. */
NODISCARD int db_begin(struct db *db, struct tx *ret, struct err *e);
/* The same for rows that may be lost by a power cut, though never torn: no sync of the disk. (Inside
 * another transaction, that one's durability counts.) */
NODISCARD int db_begin_lazy(struct db *db, struct tx *ret, struct err *e);
NODISCARD int db_commit(struct tx *tx, struct err *e);	/* *tx is idle afterwards, whatever happens */
void db_rollback(struct tx *tx);			/* may be repeated */
#define auto_tx __attribute__((cleanup(db_rollback)))

/* For cache/store alone. path names the file, which must exist if create is not set. */
NODISCARD int db_open(const char *path, bool create, struct db **ret, struct err *e);
void db_close(struct db *db);
/* Several statements in one text that binds nothing. */
NODISCARD int db_script(struct db *db, const char *sql, struct err *e);

#endif
