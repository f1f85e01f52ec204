/* SPDX-License-Identifier: Apache-2.0 */
/* Layer handles, opening, sealing, publishing and reading layers. */
#include "cache/layer.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "cache/db.h"
#include "cache/hash_pipe.h"
#include "cache/layer_dir.h"
#include "cache/lease.h"
#include "cache/split.h"
#include "cache/store.h"

struct layer *layer_new(int fd, int home, const char *name)
{
	struct layer *l = xcalloc(1, sizeof(*l));

	atomic_init(&l->refs, 1);
	pthread_mutex_init(&l->lock, NULL);
	l->fd = fd;
	l->home = home;
	l->name = name ? xstrdup(name) : NULL;
	return l;
}

struct layer *layer_ref(struct layer *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

void layer_unref(struct layer *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) > 1)
		return;
	if (l->fd >= 0)
		close(l->fd);
	if (l->home >= 0)
		close(l->home);
	pthread_mutex_destroy(&l->lock);
	free(l->name);
	free(l);
}

int layer_home(struct lease *l, int *ret, struct err *e)
{
	char id[STORE_ID_MAX];

	store_id(id);
	if (mkdirat(lease_dirfd(l), id, 0700) < 0)
		return err_sys(e, "create a directory for a layer");
	*ret = openat(lease_dirfd(l), id, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *ret < 0 ? err_sys(e, "create a directory for a layer") : 0;
}

int layer_mount(struct layer *l, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&l->lock);
	char hex[DIGEST_TEXT_MAX];
	int dir;

	if (l->fd >= 0)
		return 0;
	if (l->home >= 0)
		return layer_tar_mount(l->store, l->home, l->name, &l->fd, e);
	dir = store_dir(l->store, STORE_LAYERS, e);
	return dir < 0 ? -1 : layer_tar_mount(l->store, dir, digest_hex(&l->diff_id, hex), &l->fd, e);
}

int layer_fd(const struct layer *l)
{
	return l->fd;
}

const struct digest *layer_diff_id(const struct layer *l)
{
	return &l->diff_id;
}

uint64_t layer_tar_size(const struct layer *l)
{
	return l->tar_size;
}

static int no_layer(const struct digest *d, enum err_kind kind, const char *why, struct err *e)
{
	char text[DIGEST_TEXT_MAX];

	return err_set(e, kind, "layer %s %s", digest_text(d, text), why);
}

static bool has_tar(int dir, const char *hex)
{
	auto_free char *name = xasprintf("%s.tar", hex);

	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int layer_open(struct store *s, const struct digest *diff_id, struct layer **ret, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	char hex[DIGEST_TEXT_MAX];
	auto_fd int fd = -1;
	int dir, r;

	if (db_query(store_db(s), "SELECT tar_size, disk_size, entries FROM layers WHERE diff_id = ?",
		     BIND(db_digest(diff_id)), &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r <= 0)
		return r < 0 ? -1 : no_layer(diff_id, ERR_NOT_FOUND, "is not in the store", e);
	dir = store_dir(s, STORE_LAYERS, e);
	if (dir < 0)
		return -1;
	fd = openat(dir, digest_hex(diff_id, hex), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !has_tar(dir, hex))
		return err_hint((no_layer(diff_id, ERR_CORRUPT, "has lost its files", e), e),
				"run tare gc; then pull or build the image anew");
	if (fd < 0 && errno != ENOENT)
		return err_sys(e, "open layer %s", hex);
	*ret = layer_new(take_fd(&fd), -1, NULL);
	(*ret)->store = s;
	(*ret)->sealed = (*ret)->stored = true;
	(*ret)->diff_id = *diff_id;
	(*ret)->tar_size = (uint64_t)stmt_int(&st, 0);
	(*ret)->disk_size = (uint64_t)stmt_int(&st, 1);
	(*ret)->entries = (uint64_t)stmt_int(&st, 2);
	(*ret)->empty = (*ret)->entries == 0;
	return 0;
}

int layer_seal(struct job *j, struct store *s UNUSED, struct layer *l, struct err *e)
{
	auto_pipe struct hash_pipe *h = hash_pipe_new();
	struct seal_sum sum;

	if (l->sealed)
		return 0;
	if (seal_emit(j, l->fd, hash_pipe_put, h, &sum, e) < 0)
		return err_wrap(e, "compute a layer's digest");
	l->diff_id = hash_pipe_end(h);
	l->tar_size = sum.tar_size;
	l->disk_size = sum.disk_size;
	l->entries = sum.entries;
	l->sealed = true;
	return 0;
}

static int is_stored(struct store *s, const struct layer *l, struct err *e)
{
	int64_t one;

	return db_get_int(store_db(s), "SELECT 1 FROM layers WHERE diff_id = ?", BIND(db_digest(&l->diff_id)),
			  &one, e);
}

/* Move one of the layer's names into layers/. One that is there already came from a process that died before
 * its row (or is about to write it): complete, because it was synced before it got its name. */
static int rename_part(const struct layer *l, int dir, const char *suffix, const char *hex, struct err *e)
{
	auto_free char *from = xasprintf("%s%s", l->name, suffix);
	auto_free char *to = xasprintf("%s%s", hex, suffix);

	if (renameat(l->home, from, dir, to) == 0 || errno == EEXIST || errno == ENOTEMPTY)
		return 0;
	if (errno == ENOENT && (l->tar ? strcmp(suffix, ".tar") != 0 : *suffix != '\0'))
		return 0;
	return err_sys(e, "store layer %s", hex);
}

/* Sidecars first: whoever sees the tar or the directory sees all. A fresh one may replace an old one: the same bytes. */
static int rename_layer(struct layer *l, int dir, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&l->lock);
	char hex[DIGEST_TEXT_MAX];

	digest_hex(&l->diff_id, hex);
	if (rename_part(l, dir, ".lost", hex, e) < 0 || rename_part(l, dir, ".split", hex, e) < 0 ||
	    rename_part(l, dir, ".erofs", hex, e) < 0)
		return -1;
	fault_point("layer.sidecar");
	if (rename_part(l, dir, ".tar", hex, e) < 0 || rename_part(l, dir, "", hex, e) < 0)
		return -1;
	fault_point("layer.renamed");
	close(take_fd(&l->home));	/* who wants to mount it now looks in layers/ */
	return 0;
}

static int put_rows(struct store *s, struct layer *const *layers, size_t n, struct err *e)
{
	static const char sql[] = "INSERT OR IGNORE INTO layers (diff_id, form, tar_size, disk_size, entries, created)"
				  " VALUES (?, ?, ?, ?, ?, ?)";
	auto_tx struct tx tx = { 0 };

	/* Whatever refers to a layer is stored by a later transaction, whose sync covers this one. */
	if (db_begin_lazy(store_db(s), &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct layer *l = layers[i];

		if (db_run(store_db(s), sql, BIND(db_digest(&l->diff_id), db_text(l->tar ? "tar" : "tree"),
						  db_int((int64_t)l->tar_size),
						  db_int((int64_t)l->disk_size), db_int((int64_t)l->entries),
						  db_int(clock_now_ns())), e) < 0)
			return -1;
	}
	return db_commit(&tx, e);
}

/* The layers that the store doesn't have yet, each digest once; all are pinned. */
static int pick_new(struct store *s, struct layer *const *layers, size_t n, struct layer **ret, size_t *nret,
		    struct err *e)
{
	*nret = 0;
	for (size_t i = 0; i < n; i++) {
		bool again = layers[i]->stored;
		int r;

		if (store_pin(s, &layers[i]->diff_id, e) < 0)
			return -1;
		for (size_t k = 0; k < *nret && !again; k++)
			again = digest_eq(&ret[k]->diff_id, &layers[i]->diff_id);
		r = again ? 1 : is_stored(s, layers[i], e);
		if (r < 0)
			return -1;
		if (r == 0)
			ret[(*nret)++] = layers[i];
	}
	return 0;
}

/* The store has it: where it was made is of no more use. (A build of 500 steps holds 500 handles.) */
static void forget_homes(struct layer *const *layers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_lock pthread_mutex_t *held = lock_hold(&layers[i]->lock);

		if (layers[i]->home >= 0)
			close(take_fd(&layers[i]->home));
	}
}

static int sync_part(const struct layer *l, const char *suffix, struct err *e)
{
	auto_free char *name = xasprintf("%s%s", l->name, suffix);
	auto_fd int fd = openat(l->home, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 || fdatasync(fd) < 0 ? err_sys(e, "sync a layer") : 0;
}

/* The layers' data reach the disk. A tar form is two files, and what else the file system is busy with need not be
 * waited for; many files are better told by one call. */
static int sync_data(struct layer *const *layers, size_t n, int dir, struct err *e)
{
	bool few = n <= 4;

	for (size_t i = 0; i < n; i++)
		few = few && layers[i]->tar && layers[i]->fd < 0;
	if (!few)
		return syncfs(dir) < 0 ? err_sys(e, "sync the store") : 0;
	for (size_t i = 0; i < n; i++)
		if (sync_part(layers[i], ".tar", e) < 0 || sync_part(layers[i], ".erofs", e) < 0)
			return -1;
	return 0;
}

int layer_flush(struct store *s, struct err *e)
{
	int dir = store_dir(s, STORE_LAYERS, e);
	auto_fd int sync = dir < 0 ? -1 : fs_reopen(dir, O_RDONLY | O_DIRECTORY);

	if (dir < 0)
		return -1;
	return sync < 0 || syncfs(sync) < 0 ? err_sys(e, "sync the store") : 0;
}

int layer_publish(struct store *s, struct layer *const *layers, size_t n, struct err *e)
{
	auto_free struct layer **fresh = xcalloc(n + 1, sizeof(*fresh));
	auto_fd int sync = -1;
	size_t nfresh;
	int dir = store_dir(s, STORE_LAYERS, e);

	if (dir < 0 || pick_new(s, layers, n, fresh, &nfresh, e) < 0)
		return -1;
	if (nfresh == 0) {
		forget_homes(layers, n);
		return 0;
	}
	sync = fs_reopen(dir, O_RDONLY | O_DIRECTORY);
	if (sync < 0)
		return err_sys(e, "open the store's layers");
	if (sync_data(fresh, nfresh, sync, e) < 0)
		return -1;
	fault_point("layer.synced");
	for (size_t i = 0; i < nfresh; i++)
		if (rename_layer(fresh[i], dir, e) < 0)
			return -1;
	if (fsync(sync) < 0)
		return err_sys(e, "sync the store's layers");
	fault_point("layer.named");
	if (put_rows(s, fresh, nfresh, e) < 0)
		return -1;
	fault_point("layer.stored");
	for (size_t i = 0; i < nfresh; i++)
		fresh[i]->stored = true;
	forget_homes(layers, n);
	return 0;
}

struct check {			/* bytes pass through and are hashed */
	struct hash_pipe *h;
	bytes_put put;
	void *arg;
};

static int check_put(void *arg, const void *p, size_t n, struct err *e)
{
	struct check *c = arg;

	return hash_pipe_put(c->h, p, n, e) < 0 ? -1 : c->put(c->arg, p, n, e);
}

int layer_read(struct job *j, struct store *s, const struct digest *diff_id, bytes_put put, void *arg,
	       struct err *e)
{
	auto_pipe struct hash_pipe *h = hash_pipe_new();
	struct check c = { h, put, arg };
	auto_layer struct layer *l = NULL;
	char hex[DIGEST_TEXT_MAX];
	struct seal_sum sum;
	struct digest got;
	int dir = store_dir(s, STORE_LAYERS, e);
	bool found;

	if (dir < 0 || layer_open(s, diff_id, &l, e) < 0)
		return -1;
	digest_hex(diff_id, hex);
	if (layer_tar_emit(j, dir, hex, check_put, &c, &found, e) < 0 ||
	    (!found && split_emit(j, dir, hex, l->fd, check_put, &c, &found, e) < 0) ||
	    (!found && seal_emit(j, l->fd, check_put, &c, &sum, e) < 0))
		return err_wrap(e, "read layer %s", hex);
	got = hash_pipe_end(h);
	if (!digest_eq(&got, diff_id))
		return err_hint((no_layer(diff_id, ERR_CORRUPT, "is damaged: its files were changed", e), e),
				"remove the images that use it, then pull or build them anew");
	return 0;
}
