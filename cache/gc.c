/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection beside live processes.
 *
 *   user of layer D                        gc
 *   ---------------                        --
 *                                          BEGIN IMMEDIATE            nobody else writes rows now
 *                                          evict keys, images (by request)
 *   pin(D)  shared lock, kept              candidates: no image, no key has them
 *   look for D's row ─► miss or use        claim(D) exclusive, no waiting ─► pinned: leave it
 *   ... mount, copy ...                    containers/<id>/layers names it ─► leave it
 *   rows that refer to D (key, image)      DELETE rows, COMMIT        D is gone for everybody
 *   end of process: pin goes               move files into work/<gc's lease>/, unclaim(D)
 *                                          remove them there
 *
 * 1. Nothing with a row, a pin or a container's word is removed. A user pins first and looks
 *    afterwards: had gc claimed D before the pin, the pin waited until D was gone and the look-up
 *    misses; if the pin was first, gc's claim fails.
 * 2. Whoever refers to D (key, image, container) has pinned it until the reference is written. So
 *    D's claim succeeds only when the reference is already there to be seen: containers are read
 *    after the claims, rows in the same transaction.
 * 3. Row gone before file (invariant 2 of the store). Killed in between, files without a row stay;
 *    they are candidates of the next gc like the files of a publisher killed before its row.
 * 4. layers/<hex> is whole or absent: it leaves by one rename, before its side files <hex>.*, and
 *    is taken apart only in work/. So a publisher that finds layers/<hex> without a row may give it
 *    one.
 * 5. gc claims inside its transaction only and never waits for a claim, hence a pin inside
 *    somebody's transaction cannot deadlock with it.
 * 6. A directory work/<id>/, a file work/blob-<id> and builds/<id>/ without a row are garbage if
 *    and only if their flock(2) can be taken: their makers hold it as long as they live. Files part-* and push-*
 *    there must be old besides (or all is asked for): the next pull or push goes on with them.
 * 7. gc itself, killed anywhere, leaves nothing but such garbage.
 */
#include "cache/gc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "cache/db.h"
#include "cache/gc_rows.h"
#include "cache/lease.h"
#include "cache/mounted.h"
#include "cache/pin.h"
#include "cache/scan.h"
#include "cache/usage.h"

struct gc {
	struct store *store;
	const struct gc_opts *o;
	int pins;			/* holds the claims */
	struct lease *trash;		/* NULL: dry run */
	struct scan_layers layers;	/* the claimed ones, to be removed */
	struct scan_blobs blobs;
	struct set seen;		/* files counted */
	struct gc_result r;
	struct err first;		/* first failure to remove something: the rest is tried all the same */
};

static void gc_failed(struct gc *g, struct err *e)
{
	if (g->first.kind == ERR_NONE)
		err_move(&g->first, e);
	err_clear(e);
}

/* --- inside the transaction --- */

/* Move the layers that stay in the list to its front: v[i] becomes v[*n], or is dropped. */
static void keep(struct scan_layers *l, size_t i, size_t *n, bool stays)
{
	struct scan_layer y = l->v[i];

	l->v[i].names = (struct strv){ 0 };
	if (stays)
		l->v[(*n)++] = y;
	else
		strv_done(&y.names);
}

static int keep_unreferenced(struct gc *g, struct err *e)
{
	struct scan_layers *l = &g->layers;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		int r = l->v[i].images || l->v[i].key ? 0 : pin_claim(g->pins, &l->v[i].diff_id, e);

		if (r < 0)
			return -1;	/* all names are still owned: the kept in front, the rest behind */
		keep(l, i, &n, r > 0);
	}
	l->n = n;
	return 0;
}

static void keep_containerless(struct gc *g)
{
	struct scan_layers *l = &g->layers;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].container)
			pin_release(g->pins, &l->v[i].diff_id);
		keep(l, i, &n, !l->v[i].container);
	}
	l->n = n;
}

static int claim_layers(struct gc *g, struct err *e)
{
	if (scan_layers(g->store, &g->layers, e) < 0 || keep_unreferenced(g, e) < 0)
		return -1;
	fault_point("gc.claimed");
	if (scan_containers(g->store, &g->layers, e) < 0)
		return -1;
	keep_containerless(g);
	for (size_t i = 0; i < g->layers.n; i++)
		if (g->layers.v[i].row &&
		    db_run(store_db(g->store), "DELETE FROM layers WHERE diff_id = ?",
			   BIND(db_digest(&g->layers.v[i].diff_id)), e) < 0)
			return -1;
	return 0;
}

static int claim_blobs(struct gc *g, struct err *e)
{
	struct scan_blobs *b = &g->blobs;
	size_t n = 0;

	if (scan_blobs(g->store, b, e) < 0)
		return -1;
	for (size_t i = 0; i < b->n; i++) {
		int r = b->v[i].images ? 0 : pin_claim(g->pins, &b->v[i].digest, e);

		if (r < 0)
			return -1;
		if (r > 0)
			b->v[n++] = b->v[i];
	}
	b->n = n;
	return 0;
}

static int collect(struct gc *g, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	if (db_begin(store_db(g->store), &tx, e) < 0 ||
	    mounted_sweep(g->store, e) < 0 || gc_evict(g->store, g->o, g->pins, &g->r, e) < 0 ||
	    gc_sweep_rows(g->store, &g->r, e) < 0 || claim_layers(g, e) < 0 ||
	    claim_blobs(g, e) < 0)
		return -1;
	if (g->o->dry_run)
		return 0;	/* rolled back */
	return db_commit(&tx, e);
}

/* --- afterwards: files --- */

/* Count name, and remove it unless this is a dry run. */
static int dispose(struct gc *g, int dir, const char *name, struct gc_count *c, struct err *e)
{
	uint64_t bytes = 0;

	if (usage_add(dir, name, &g->seen, &bytes, e) < 0 ||
	    (!g->o->dry_run && fs_remove(dir, name, e) < 0))
		return -1;
	c->bytes += bytes;
	g->r.bytes += bytes;
	return 0;
}

static int dispose_layer(struct gc *g, int layers, struct scan_layer *l, struct err *e)
{
	int to = g->trash ? lease_dirfd(g->trash) : layers;

	for (size_t i = 0; g->trash && i < l->names.n; i++) {	/* <hex> itself first: invariant 4 */
		if (renameat(layers, l->names.v[i], to, l->names.v[i]) < 0)
			return err_sys(e, "remove layer %s", l->names.v[i]);
		fault_point("gc.moved");
	}
	pin_release(g->pins, &l->diff_id);
	for (size_t i = 0; i < l->names.n; i++)
		if (dispose(g, to, l->names.v[i], &g->r.layers, e) < 0)
			return err_wrap(e, "remove layer %s", l->names.v[i]);
	fault_point("gc.layer_gone");
	g->r.layers.n++;
	return 0;
}

static void dispose_layers(struct gc *g)
{
	auto_err struct err e = { 0 };
	int dir = store_dir(g->store, STORE_LAYERS, &e);

	for (size_t i = 0; dir >= 0 && i < g->layers.n; i++)
		if (dispose_layer(g, dir, &g->layers.v[i], &e) < 0)
			gc_failed(g, &e);
}

static void dispose_blobs(struct gc *g)
{
	auto_err struct err e = { 0 };
	int dir = store_dir(g->store, STORE_BLOBS, &e);

	for (size_t i = 0; dir >= 0 && i < g->blobs.n; i++) {
		char hex[DIGEST_TEXT_MAX];

		digest_hex(&g->blobs.v[i].digest, hex);
		if (dispose(g, dir, hex, &g->r.blobs, &e) < 0)
			gc_failed(g, &e);
		else
			g->r.blobs.n++;
		fault_point("gc.blob_gone");
		pin_release(g->pins, &g->blobs.v[i].digest);
	}
}

/* What a dead process left in a directory of the store: its lock can be taken. */
static int dispose_dead(struct gc *g, int dir, const char *name, struct gc_count *c, struct err *e)
{
	auto_fd int lock = -1;
	int r = name_claim(dir, name, &lock, e);

	if (r <= 0)
		return r;
	if (dispose(g, dir, name, c, e) < 0)
		return err_wrap(e, "remove %s", name);
	c->n++;
	fault_point("gc.dead_gone");
	return 0;
}

/* Another process may go on with it, for some days. */
static bool still_wanted(const struct gc *g, int dir, const char *name)
{
	struct stat st;

	return scan_work_partial(name) && !g->o->all && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mtim.tv_sec > clock_now_ns() / 1000000000 - STORE_PART_AGE_S;
}

static void dispose_work(struct gc *g)
{
	auto_err struct err e = { 0 };
	auto_strv struct strv names = { 0 };
	int dir = store_dir(g->store, STORE_WORK, &e);

	if (dir < 0 || scan_names(g->store, STORE_WORK, &names, &e) < 0)
		gc_failed(g, &e);
	for (size_t i = 0; dir >= 0 && i < names.n; i++) {
		bool temp = str_starts(str_of(names.v[i]), "blob-") || scan_work_partial(names.v[i]);

		if (!scan_work_file(names.v[i]) && !still_wanted(g, dir, names.v[i]) &&
		    dispose_dead(g, dir, names.v[i], temp ? &g->r.temps : &g->r.leases, &e) < 0)
			gc_failed(g, &e);
	}
}

/* The row is looked for under the lock: a build writes its row before it gives its directory up. */
static int dispose_log(struct gc *g, int dir, const char *id, struct err *e)
{
	auto_fd int lock = -1;
	int r = name_claim(dir, id, &lock, e);

	if (r <= 0)
		return r;
	r = scan_build(g->store, id, e);
	if (r != 0)
		return r < 0 ? -1 : 0;
	if (dispose(g, dir, id, &g->r.logs, e) < 0)
		return err_wrap(e, "remove the logs of build %s", id);
	g->r.logs.n++;
	return 0;
}

static void dispose_logs(struct gc *g)
{
	auto_err struct err e = { 0 };
	auto_strv struct strv names = { 0 };
	int dir = store_dir(g->store, STORE_BUILDS, &e);

	if (dir < 0 || scan_names(g->store, STORE_BUILDS, &names, &e) < 0)
		gc_failed(g, &e);
	for (size_t i = 0; dir >= 0 && i < names.n; i++)
		if (dispose_log(g, dir, names.v[i], &e) < 0)
			gc_failed(g, &e);
}

/* Does gc want this cache mount? Its use is not recorded: its directory's time must do. */
static bool mount_wanted(const struct gc *g, int dir, const char *name)
{
	struct stat st;

	if (scan_mount_new(name))
		return true;
	return g->o->all && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (!g->o->until_ns ||
		st.st_mtim.tv_sec < (clock_now_ns() - g->o->until_ns) / 1000000000);
}

/* The lock file stays: two users of one cache must never lock two files. */
static int dispose_mount(struct gc *g, int dir, const char *name, struct err *e)
{
	struct gc_count *c = scan_mount_new(name) ? &g->r.temps : &g->r.mounts;
	int r, from = g->trash ? lease_dirfd(g->trash) : dir;
	auto_fd int lock = -1;

	if (!mount_wanted(g, dir, name))
		return 0;
	r = scan_mount_claim(dir, name, &lock, e);
	if (r <= 0)
		return r;
	if (g->trash && renameat(dir, name, from, name) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove cache mount %s", name);
	if (dispose(g, from, name, c, e) < 0)
		return err_wrap(e, "remove cache mount %s", name);
	c->n++;
	return 0;
}

static void dispose_mounts(struct gc *g)
{
	auto_err struct err e = { 0 };
	auto_strv struct strv names = { 0 };
	int dir = store_dir(g->store, STORE_MOUNTS, &e);

	if (dir < 0 || scan_names(g->store, STORE_MOUNTS, &names, &e) < 0)
		gc_failed(g, &e);
	for (size_t i = 0; dir >= 0 && i < names.n; i++)
		if (!scan_mount_lock(names.v[i]) && dispose_mount(g, dir, names.v[i], &e) < 0)
			gc_failed(g, &e);
}

static int gc_all(struct gc *g, struct err *e)
{
	if (pin_open(g->store, PIN_KEEP, &g->pins, e) < 0)
		return -1;
	if (!g->o->dry_run && lease_new(g->store, &g->trash, e) < 0)
		return -1;
	if (collect(g, e) < 0)
		return -1;
	fault_point("gc.committed");
	dispose_layers(g);
	dispose_blobs(g);
	dispose_work(g);
	dispose_logs(g);
	dispose_mounts(g);
	if (!g->o->dry_run && g->r.keys.n + g->r.trees.n &&
	    db_script(store_db(g->store),
		      "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(PASSIVE)", e) < 0)
		gc_failed(g, e);
	if (g->first.kind == ERR_NONE)
		return 0;
	err_move(e, &g->first);
	return -1;
}

int gc_run(struct store *s, const struct gc_opts *o, struct gc_result *ret, struct err *e)
{
	struct gc g = { .store = s, .o = o, .pins = -1 };
	int r = gc_all(&g, e);

	lease_free(g.trash);
	cleanup_fd(&g.pins);
	scan_layers_done(&g.layers);
	scan_blobs_done(&g.blobs);
	set_done(&g.seen);
	err_clear(&g.first);
	if (r < 0)
		return err_wrap(e, "collect garbage");
	*ret = g.r;
	return 0;
}
