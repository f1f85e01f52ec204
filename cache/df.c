/* SPDX-License-Identifier: Apache-2.0 */
/* Disk use: every file of the store is walked once and charged to one kind. */
#include "cache/df.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "cache/db.h"
#include "cache/pin.h"
#include "cache/scan.h"
#include "cache/usage.h"

struct counting {
	struct store *store;
	struct df *df;
	int pins;			/* an fd of work/pins without locks */
	struct set seen;
	struct scan_layers layers;
	struct scan_blobs blobs;
};

static void charge(struct df *d, struct df_kind *k, uint64_t n, uint64_t bytes, bool reclaimable)
{
	k->n += n;
	k->bytes += bytes;
	k->reclaimable += reclaimable ? bytes : 0;
	d->total += bytes;
}

/* --- layers and blobs --- */

static void charge_layer(struct counting *c, const struct scan_layer *l, uint64_t bytes)
{
	struct df *d = c->df;

	if (l->images)
		charge(d, &d->images, 0, bytes, l->tagged == 0 && !l->container);
	else if (l->key)
		charge(d, &d->cache, 1, bytes, !l->container && !pin_held(c->pins, &l->diff_id));
	else if (l->container)
		charge(d, &d->containers, 0, bytes, false);
	else if (pin_held(c->pins, &l->diff_id))
		charge(d, &d->work, 1, bytes, false);
	else
		charge(d, &d->garbage, 1, bytes, true);
}

static int cmp_layers(const void *a, const void *b)	/* largest first */
{
	const struct df_layer *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return digest_cmp(&x->diff_id, &y->diff_id);
}

static int count_layers(struct counting *c, struct err *e)
{
	int dir = store_dir(c->store, STORE_LAYERS, e);
	struct df *d = c->df;

	if (dir < 0)
		return -1;
	d->layers = xcalloc(c->layers.n, sizeof(*d->layers));
	for (size_t i = 0; i < c->layers.n; i++) {
		const struct scan_layer *l = &c->layers.v[i];
		struct df_layer *y = &d->layers[d->nlayers++];

		*y = (struct df_layer){ .diff_id = l->diff_id, .images = l->images, .key = l->key,
					.container = l->container };
		for (size_t k = 0; k < l->names.n; k++)
			if (usage_add(dir, l->names.v[k], &c->seen, &y->bytes, e) < 0)
				return -1;
		charge_layer(c, l, y->bytes);
	}
	return 0;
}

static int count_blobs(struct counting *c, struct err *e)
{
	int dir = store_dir(c->store, STORE_BLOBS, e);
	struct df *d = c->df;

	for (size_t i = 0; dir >= 0 && i < c->blobs.n; i++) {
		const struct scan_blob *b = &c->blobs.v[i];
		char hex[DIGEST_TEXT_MAX];
		uint64_t bytes = 0;

		if (usage_add(dir, digest_hex(&b->digest, hex), &c->seen, &bytes, e) < 0)
			return -1;
		if (b->images)
			charge(d, &d->images, 0, bytes, b->tagged == 0);
		else if (pin_held(c->pins, &b->digest))
			charge(d, &d->work, 0, bytes, false);
		else
			charge(d, &d->garbage, 1, bytes, true);
	}
	return dir < 0 ? -1 : 0;
}

/* --- images --- */

static const struct df_layer *layer_of(const struct df *d, const struct digest *diff_id)
{
	for (size_t i = 0; i < d->nlayers; i++)
		if (digest_eq(&d->layers[i].diff_id, diff_id))
			return &d->layers[i];
	return NULL;
}

static int count_image(struct counting *c, struct df_image *im, struct err *e)
{
	auto_free struct digest *diff_ids = NULL;
	size_t n;

	if (images_layers(c->store, &im->image.row.manifest, &diff_ids, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct df_layer *l = layer_of(c->df, &diff_ids[i]);
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= digest_eq(&diff_ids[k], &diff_ids[i]);
		if (!l || again)
			continue;
		im->bytes += l->bytes;
		*(l->images > 1 ? &im->shared : &im->unique) += l->bytes;
	}
	return 0;
}

static int count_images(struct counting *c, struct err *e)
{
	auto_image_list struct image_list l = { 0 };
	struct df *d = c->df;

	if (images_list(c->store, &l, e) < 0)
		return -1;
	d->image = xcalloc(l.n, sizeof(*d->image));
	for (size_t i = 0; i < l.n; i++) {
		struct df_image *im = &d->image[d->nimages++];

		im->image = l.v[i];
		l.v[i].names = (struct strv){ 0 };
		if (count_image(c, im, e) < 0)
			return -1;
	}
	d->images.n = d->nimages;
	return 0;
}

/* --- the rest --- */

/* Entries of a directory whose makers lock them: alive or garbage. */
static int count_locked(struct counting *c, enum store_dir which, const char *name,
			struct df_kind *alive, struct err *e)
{
	int dir = store_dir(c->store, which, e), r;
	auto_fd int lock = -1;
	uint64_t bytes = 0;

	if (dir < 0 || usage_add(dir, name, &c->seen, &bytes, e) < 0)
		return -1;
	r = name_claim(dir, name, &lock, e);
	if (r > 0)
		charge(c->df, &c->df->garbage, 1, bytes, true);
	else if (r == 0)
		charge(c->df, alive, 1, bytes, false);
	return r < 0 ? -1 : 0;
}

static int count_plain(struct counting *c, int dir, const char *name, struct df_kind *k, uint64_t n,
		       struct err *e)
{
	uint64_t bytes = 0;

	if (usage_add(dir, name, &c->seen, &bytes, e) < 0)
		return -1;
	charge(c->df, k, n, bytes, false);
	return 0;
}

/* A cache mount is lent to one step after another: what nobody has now, gc --all may take. */
static int count_mount(struct counting *c, int dir, const char *name, struct err *e)
{
	bool unfinished = scan_mount_new(name);
	struct df *d = c->df;
	auto_fd int lock = -1;
	uint64_t bytes = 0;
	int r;

	if (usage_add(dir, name, &c->seen, &bytes, e) < 0)
		return -1;
	r = scan_mount_lock(name) ? 0 : scan_mount_claim(dir, name, &lock, e);
	if (scan_mount_lock(name))
		charge(d, &d->database, 0, bytes, false);
	else if (unfinished)
		charge(d, r ? &d->garbage : &d->work, 1, bytes, r);
	else
		charge(d, &d->mounts, 1, bytes, r);
	return r < 0 ? -1 : 0;
}

static int count_entry(struct counting *c, enum store_dir which, const char *name, struct err *e)
{
	struct df *d = c->df;
	int dir = store_dir(c->store, which, e), row;

	if (dir < 0)
		return -1;
	switch (which) {
	case STORE_WORK:
		return scan_work_file(name) ? count_plain(c, dir, name, &d->database, 0, e)
					    : count_locked(c, which, name, &d->work, e);
	case STORE_BUILDS:
		row = scan_build(c->store, name, e);
		if (row < 0)
			return -1;
		return row ? count_plain(c, dir, name, &d->logs, 1, e)
			   : count_locked(c, which, name, &d->logs, e);
	case STORE_MOUNTS:
		return count_mount(c, dir, name, e);
	case STORE_VOLUMES:
		return count_plain(c, dir, name, &d->volumes, 1, e);
	default:
		return count_plain(c, dir, name, &d->containers, strcmp(name, "names") != 0, e);
	}
}

static int count_dir(struct counting *c, enum store_dir which, struct err *e)
{
	auto_strv struct strv names = { 0 };

	if (scan_names(c->store, which, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (count_entry(c, which, names.v[i], e) < 0)
			return -1;
	return 0;
}

/* The directories themselves, and the database's files. */
static int count_frame(struct counting *c, struct err *e)
{
	static const char *const files[] = { "tare.db", "tare.db-wal", "tare.db-shm", "lock" };
	static const char *const dirs[] = { ".",      "blobs",      "blobs/sha256", "layers", "work",
					    "builds", "containers", "volumes",      "mounts" };
	struct df *d = c->df;
	int root = store_dirfd(c->store);

	for (size_t i = 0; i < countof(files); i++)
		if (count_plain(c, root, files[i], &d->database, 0, e) < 0)
			return -1;
	for (size_t i = 0; i < countof(dirs); i++) {
		struct stat st;

		if (fstatat(root, dirs[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			charge(d, &d->database, 0, (uint64_t)st.st_blocks * 512, false);
	}
	return 0;
}

static int count_all(struct counting *c, struct err *e)
{
	static const enum store_dir rest[] = { STORE_WORK, STORE_BUILDS, STORE_CONTAINERS,
					       STORE_VOLUMES, STORE_MOUNTS };

	if (pin_open(c->store, PIN_KEEP, &c->pins, e) < 0 ||
	    scan_layers(c->store, &c->layers, e) < 0 ||
	    scan_containers(c->store, &c->layers, e) < 0 ||
	    scan_blobs(c->store, &c->blobs, e) < 0 || count_layers(c, e) < 0 ||
	    count_blobs(c, e) < 0 || count_images(c, e) < 0)
		return -1;
	for (size_t i = 0; i < countof(rest); i++)
		if (count_dir(c, rest[i], e) < 0)
			return -1;
	return count_frame(c, e);
}

int df_get(struct store *s, struct df *ret, struct err *e)
{
	struct df d = { 0 };
	struct counting c = { .store = s, .df = &d, .pins = -1 };
	int r = count_all(&c, e);

	cleanup_fd(&c.pins);
	set_done(&c.seen);
	scan_layers_done(&c.layers);
	scan_blobs_done(&c.blobs);
	if (r < 0) {
		df_done(&d);
		return err_wrap(e, "count disk use");
	}
	if (d.nlayers)
		qsort(d.layers, d.nlayers, sizeof(*d.layers), cmp_layers);
	df_done(ret);
	*ret = d;
	return 0;
}

void df_done(struct df *d)
{
	for (size_t i = 0; i < d->nimages; i++)
		strv_done(&d->image[i].image.names);
	free(d->image);
	free(d->layers);
	*d = (struct df){ 0 };
}
