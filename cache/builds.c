/* SPDX-License-Identifier: Apache-2.0 */
/* Records of builds, kept in memory until the end, and their logs. */
#include "cache/builds.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/task.h"
#include "cache/db.h"
#include "cache/pin.h"

#define TOUCH_NS (60 * 1000000000LL)

struct build_record {
	struct store *store;
	char id[STORE_ID_MAX];
	int64_t started;
	pthread_mutex_t lock;		/* guards what follows */
	struct arena arena;		/* all text */
	const char *context, *dockerfile, *target;
	struct build_step *steps;
	size_t nsteps;
	int dir;			/* builds/<id>, flock'ed; -1: not made */
};

static const char *copy(struct build_record *b, const char *s)
{
	return s ? arena_strdup(&b->arena, s) : NULL;
}

int build_begin(struct store *s, const char *context, const char *dockerfile, const char *target,
		struct build_record **ret, struct err *e UNUSED)
{
	struct build_record *b = xcalloc(1, sizeof(*b));

	b->store = s;
	b->dir = -1;
	b->started = clock_now_ns();
	pthread_mutex_init(&b->lock, NULL);
	store_id(b->id);
	b->context = copy(b, context);
	b->dockerfile = copy(b, dockerfile);
	b->target = copy(b, target);
	*ret = b;
	return 0;
}

const char *build_id(const struct build_record *b)
{
	return b->id;
}

/* --- logs --- */

static int make_dir(struct build_record *b, struct err *e)	/* b->lock held */
{
	int builds = store_dir(b->store, STORE_BUILDS, e), r = 0;

	/* gc may take the directory before it is locked: then once more */
	while (builds >= 0 && r == 0) {
		if (mkdirat(builds, b->id, 0700) < 0 && errno != EEXIST)
			return err_sys(e, "make %s/builds/%s", store_path(b->store), b->id);
		fault_point("builds.made");
		r = name_claim(builds, b->id, &b->dir, e);
	}
	return r > 0 ? 0 : -1;
}

int build_dir(struct build_record *b, int *ret, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&b->lock);

	if (b->dir < 0 && make_dir(b, e) < 0)
		return err_wrap(e, "keep the build's logs");
	*ret = b->dir;
	return 0;
}

int build_log(struct build_record *b, unsigned index, int *ret, struct err *e)
{
	char name[32];
	int dir;

	if (build_dir(b, &dir, e) < 0)
		return -1;
	snprintf(name, sizeof(name), "%u.log", index);
	*ret = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	return *ret < 0 ? err_sys(e, "make the log %s/builds/%s/%s", store_path(b->store), b->id,
				  name)
			: 0;
}

/* --- steps --- */

void build_step(struct build_record *b, const struct build_step *st)
{
	auto_lock pthread_mutex_t *held = lock_hold(&b->lock);
	struct key_input *in = arena_array(&b->arena, struct key_input, st->ninputs + 1);
	struct build_step c = *st;

	for (size_t i = 0; i < st->ninputs; i++)
		in[i] = (struct key_input){ copy(b, st->inputs[i].name),
					    copy(b, st->inputs[i].value) };
	c.name = copy(b, st->name);
	c.slot = copy(b, st->slot);
	c.note = copy(b, st->note);
	c.inputs = in;
	b->steps = xrealloc(b->steps, (b->nsteps + 1) * sizeof(*b->steps));
	b->steps[b->nsteps++] = c;
}

/* --- the end --- */

static int write_step(struct build_record *b, const struct build_step *st, int64_t now,
		      struct err *e)
{
	struct db *db = store_db(b->store);
	const struct digest *diff_id = st->has_layer ? &st->diff_id : NULL;

	if (db_run(db,
		   "INSERT OR REPLACE INTO build_steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		   BIND(db_text(b->id), db_int(st->index), db_text(st->name), db_text(st->slot),
			db_int(st->line), db_int(st->line_end), db_int(st->state),
			db_text(st->note), db_digest(&st->key), db_digest(diff_id),
			db_real(st->seconds)),
		   e) < 0)
		return -1;
	if (st->ninputs && keys_put_inputs(b->store, &st->key, st->inputs, st->ninputs, e) < 0)
		return -1;
	return db_run(db, "UPDATE keys SET used = ?1 WHERE key = ?2 AND used < ?3",
		      BIND(db_int(now), db_digest(&st->key), db_int(now - TOUCH_NS)), e);
}

/* Rows of the context's builds beyond the last BUILDS_KEPT; their ids go to `old`. */
static int prune_rows(struct build_record *b, struct strv *old, struct err *e)
{
	struct db *db = store_db(b->store);
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(db, "SELECT id FROM builds WHERE context = ? ORDER BY started DESC LIMIT -1 OFFSET ?",
		    BIND(db_text(b->context), db_int(BUILDS_KEPT)), &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0)
		strv_add(old, stmt_text(&st, 0));
	if (r < 0)
		return -1;
	for (size_t i = 0; i < old->n; i++)
		if (db_run(db, "DELETE FROM builds WHERE id = ?", BIND(db_text(old->v[i])), e) < 0 ||
		    db_run(db, "DELETE FROM build_steps WHERE build = ?", BIND(db_text(old->v[i])),
			   e) < 0)
			return -1;
	return 0;
}

/* May be lost by a power cut, as only `why` reads it: hence not synced. */
static int write_record(struct build_record *b, const char *status, const struct digest *manifest,
			struct strv *old, struct err *e)
{
	struct db *db = store_db(b->store);
	int64_t now = clock_now_ns();
	auto_tx struct tx tx = { 0 };

	if (db_begin_lazy(db, &tx, e) < 0 ||
	    db_run(db, "INSERT INTO builds VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		   BIND(db_text(b->id), db_text(b->context), db_text(b->dockerfile),
			db_text(b->target), db_int(b->started), db_int(now), db_text(status),
			db_digest(manifest)),
		   e) < 0)
		return -1;
	for (size_t i = 0; i < b->nsteps; i++)
		if (write_step(b, &b->steps[i], now, e) < 0)
			return -1;
	if (prune_rows(b, old, e) < 0)
		return -1;
	fault_point("builds.written");
	return db_commit(&tx, e);
}

static void remove_logs(struct store *s, const struct strv *ids)
{
	auto_err struct err ignored = { 0 };	/* what cannot be removed is left to gc */
	int dir = ids->n ? store_dir(s, STORE_BUILDS, &ignored) : -1;

	for (size_t i = 0; dir >= 0 && i < ids->n; i++)
		if (fs_remove(dir, ids->v[i], &ignored) < 0)
			err_clear(&ignored);
}

static void record_free(struct build_record *b)
{
	cleanup_fd(&b->dir);
	arena_done(&b->arena);
	pthread_mutex_destroy(&b->lock);
	free(b->steps);
	free(b);
}

int build_end(struct build_record *b, const char *status, const struct digest *manifest,
	      struct err *e)
{
	auto_strv struct strv old = { 0 };
	int r = write_record(b, status, manifest, &old, e);

	if (r == 0)
		remove_logs(b->store, &old);
	else
		err_wrap(e, "record the build");
	record_free(b);
	return r;
}

void build_drop(struct build_record *b)
{
	auto_strv struct strv id = { 0 };

	if (!b)
		return;
	if (b->dir >= 0)
		strv_add(&id, b->id);
	remove_logs(b->store, &id);
	record_free(b);
}

/* --- reading --- */

static char *dup_col(const struct stmt *st, int col)
{
	return stmt_null(st, col) ? NULL : xstrdup(stmt_text(st, col));
}

static int row_query(struct store *s, const char *sql, struct db_args args, struct build_row *ret,
		     struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s), sql, args, &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r <= 0)
		return r;
	build_row_done(ret);
	*ret = (struct build_row){
		.id = dup_col(&st, 0),
		.context = dup_col(&st, 1),
		.dockerfile = dup_col(&st, 2),
		.target = dup_col(&st, 3),
		.started_ns = stmt_int(&st, 4),
		.ended_ns = stmt_int(&st, 5),
		.status = dup_col(&st, 6),
	};
	r = db_row(&st, e);
	if (r > 0) {
		build_row_done(ret);
		err_set(e, ERR_CONFLICT, "several builds have an ID that starts like this");
		return err_hint(e, "give more digits of the ID");
	}
	return r < 0 ? -1 : 1;
}

#define COLUMNS "id, context, dockerfile, target, started, ended, status"

int build_find(struct store *s, const char *id, struct build_row *ret, struct err *e)
{
	auto_free char *end = NULL;

	if (!id)
		return row_query(s, "SELECT " COLUMNS " FROM builds ORDER BY started DESC LIMIT 1",
				 BIND_NONE, ret, e);
	end = xasprintf("%sg", id);	/* beyond every hex digit */
	return row_query(s, "SELECT " COLUMNS " FROM builds WHERE id BETWEEN ? AND ? LIMIT 2",
			 BIND(db_text(id), db_text(end)), ret, e);
}

int build_earlier(struct store *s, const struct build_row *b, const char *slot,
		  struct build_row *ret, struct err *e)
{
	return row_query(s,
			 "SELECT " COLUMNS " FROM builds b JOIN build_steps st ON st.build = b.id "
			 "WHERE context = ? AND started < ? AND id <> ? AND slot = ? "
			 "ORDER BY state > ?, started DESC LIMIT 1",
			 BIND(db_text(b->context), db_int(b->started_ns), db_text(b->id),
			      db_text(slot), db_int(BUILD_MISS)),
			 ret, e);
}

int build_steps(struct store *s, const char *id, struct build_steps *ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	if (db_query(store_db(s),
		     "SELECT idx, name, slot, line, line_end, state, note, key, diff_id, seconds "
		     "FROM build_steps WHERE build = ? ORDER BY idx",
		     BIND(db_text(id)), &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		struct build_step_row row = {
			.index = (unsigned)stmt_int(&st, 0),
			.line = (unsigned)stmt_int(&st, 3),
			.line_end = (unsigned)stmt_int(&st, 4),
			.state = (enum build_state)stmt_int(&st, 5),
			.has_layer = !stmt_null(&st, 8),
			.seconds = stmt_real(&st, 9),
		};

		if (!stmt_digest(&st, 7, &row.key) ||
		    (row.has_layer && !stmt_digest(&st, 8, &row.diff_id)))
			return err_set(e, ERR_CORRUPT,
				       "the record of build %s holds something that is no digest",
				       id);
		row.name = dup_col(&st, 1);
		row.slot = dup_col(&st, 2);
		row.note = dup_col(&st, 6);
		ret->v = xrealloc(ret->v, (ret->n + 1) * sizeof(*ret->v));
		ret->v[ret->n++] = row;
	}
	return r;
}

void build_row_done(struct build_row *r)
{
	free(r->id);
	free(r->context);
	free(r->dockerfile);
	free(r->target);
	free(r->status);
	*r = (struct build_row){ 0 };
}

void build_steps_done(struct build_steps *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].slot);
		free(l->v[i].note);
	}
	free(l->v);
	*l = (struct build_steps){ 0 };
}
