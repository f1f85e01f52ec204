/* SPDX-License-Identifier: Apache-2.0 */
/* Joining the files in the store with the rows that speak of them. */
#include "cache/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/fs.h"
#include "cache/db.h"

#define HEX_LEN 64
#define CONTAINER_LAYERS_MAX (1 << 20)	/* bytes of containers/<id>/layers */

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int scan_names(struct store *s, enum store_dir which, struct strv *ret, struct err *e)
{
	int dir = store_dir(s, which, e), fd;
	struct dirent *de;
	DIR *d;

	if (dir < 0)
		return -1;
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		err_sys(e, "read %s/%s", store_path(s), store_dir_name(which));
		cleanup_fd(&fd);
		return -1;
	}
	while ((de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			strv_add(ret, de->d_name);
	closedir(d);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), cmp_names);
	return 0;
}

/* --- layers --- */

static int cmp_layers(const void *a, const void *b)
{
	const struct scan_layer *x = a, *y = b;

	return digest_cmp(&x->diff_id, &y->diff_id);
}

static struct scan_layer *find(struct scan_layers *l, const struct digest *d)
{
	const struct scan_layer key = { .diff_id = *d };

	return l->n ? bsearch(&key, l->v, l->n, sizeof(*l->v), cmp_layers) : NULL;
}

static struct scan_layer *append(struct scan_layers *l, const struct digest *d)
{
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n] = (struct scan_layer){ .diff_id = *d };
	return &l->v[l->n++];
}

static int add_rows(struct store *s, struct scan_layers *l, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	struct digest d;
	int r;

	if (db_query(store_db(s), "SELECT l.diff_id,"
		     " (SELECT count(DISTINCT manifest) FROM image_layers il"
		     "   WHERE il.diff_id = l.diff_id),"
		     " (SELECT count(DISTINCT manifest) FROM image_layers il JOIN tags"
		     "   USING (manifest) WHERE il.diff_id = l.diff_id),"
		     " EXISTS (SELECT 1 FROM keys k WHERE k.diff_id = l.diff_id),"
		     " EXISTS (SELECT 1 FROM mounted m WHERE m.diff_id = l.diff_id) "
		     "FROM layers l ORDER BY 1", BIND_NONE, &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0) {
		struct scan_layer *y;

		if (!stmt_digest(&st, 0, &d))
			return err_set(e, ERR_CORRUPT, "the store's table of layers holds no digest");
		y = append(l, &d);
		y->row = true;
		y->images = (unsigned)stmt_int(&st, 1);
		y->tagged = (unsigned)stmt_int(&st, 2);
		y->key = stmt_int(&st, 3) != 0;
		y->container = stmt_int(&st, 4) != 0;
	}
	return r;
}

/* names is sorted, so "<hex>" comes right before "<hex>.split". */
static void add_files(struct scan_layers *l, const struct strv *names)
{
	size_t rows = l->n;
	struct scan_layers known = { l->v, rows };

	for (size_t i = 0; i < names->n; i++) {
		struct str name = str_of(names->v[i]), stem = str_sub(name, 0, HEX_LEN);
		struct scan_layer *y;
		struct digest d;

		if (!digest_from_hex(stem, &d) || (name.n > HEX_LEN && name.p[HEX_LEN] != '.'))
			continue;
		known.v = l->v;
		y = find(&known, &d);
		if (!y && l->n > rows && digest_eq(&l->v[l->n - 1].diff_id, &d))
			y = &l->v[l->n - 1];
		if (!y)
			y = append(l, &d);
		strv_add(&y->names, names->v[i]);
	}
}

int scan_layers(struct store *s, struct scan_layers *ret, struct err *e)
{
	auto_strv struct strv names = { 0 };
	auto_scan struct scan_layers l = { 0 };

	if (add_rows(s, &l, e) < 0 || scan_names(s, STORE_LAYERS, &names, e) < 0)
		return -1;
	add_files(&l, &names);
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), cmp_layers);
	*ret = l;
	l = (struct scan_layers){ 0 };
	return 0;
}

void scan_layers_done(struct scan_layers *l)
{
	for (size_t i = 0; i < l->n; i++)
		strv_done(&l->v[i].names);
	free(l->v);
	*l = (struct scan_layers){ 0 };
}

static int mark_container(int dir, const char *id, struct scan_layers *l, struct err *e)
{
	auto_free char *path = xasprintf("%s/layers", id);
	auto_buf struct buf b = { 0 };
	struct str rest;

	if (fs_read(dir, path, CONTAINER_LAYERS_MAX, &b, e) < 0) {
		if (e->sys != ENOENT && e->sys != ENOTDIR)
			return err_wrap(e, "containers");
		err_clear(e);	/* being made (its layers are pinned) or removed */
		return 0;
	}
	rest = buf_view(&b);
	while (rest.p && rest.n) {
		struct str line = str_trim(str_cut(&rest, '\n'));
		struct scan_layer *y;
		struct digest d;

		if (!digest_from_hex(line, &d))
			continue;
		y = find(l, &d);
		if (y)
			y->container = true;
	}
	return 0;
}

int scan_containers(struct store *s, struct scan_layers *l, struct err *e)
{
	auto_strv struct strv ids = { 0 };
	int dir = store_dir(s, STORE_CONTAINERS, e);

	if (dir < 0 || scan_names(s, STORE_CONTAINERS, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++)
		if (mark_container(dir, ids.v[i], l, e) < 0)
			return -1;
	return 0;
}

/* --- blobs, logs, work --- */

static int blob_users(struct store *s, struct scan_blob *b, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	/* A received manifest is its image's, a compressed layer that was kept is that of its layer's images. */
	if (db_query(store_db(s), "SELECT count(*), count(name) FROM (SELECT manifest,"
		     " (SELECT min(name) FROM tags t WHERE t.manifest = i.manifest) AS name"
		     " FROM images i WHERE manifest = ?1 OR config = ?1"
		     " OR manifest IN (SELECT image FROM received WHERE manifest = ?1)"
		     " OR manifest IN (SELECT l.manifest FROM packed p JOIN image_layers l USING (diff_id)"
		     "  WHERE p.digest = ?1))", BIND(db_digest(&b->digest)),
		     &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r > 0) {
		b->images = (unsigned)stmt_int(&st, 0);
		b->tagged = (unsigned)stmt_int(&st, 1);
	}
	return r < 0 ? -1 : 0;
}

int scan_blobs(struct store *s, struct scan_blobs *ret, struct err *e)
{
	auto_strv struct strv names = { 0 };
	auto_free struct scan_blob *v = NULL;
	size_t n = 0;

	if (scan_names(s, STORE_BLOBS, &names, e) < 0)
		return -1;
	v = xcalloc(names.n, sizeof(*v));
	for (size_t i = 0; i < names.n; i++) {
		if (!digest_from_hex(str_of(names.v[i]), &v[n].digest))
			continue;
		if (blob_users(s, &v[n++], e) < 0)
			return -1;
	}
	*ret = (struct scan_blobs){ take_ptr(&v), n };
	return 0;
}

void scan_blobs_done(struct scan_blobs *l)
{
	free(l->v);
	*l = (struct scan_blobs){ 0 };
}

int scan_build(struct store *s, const char *id, struct err *e)
{
	int64_t one;

	return db_get_int(store_db(s), "SELECT 1 FROM builds WHERE id = ?", BIND(db_text(id)), &one,
			  e);
}

bool scan_mount_lock(const char *name)
{
	return str_ends(str_of(name), ".lock");
}

bool scan_mount_new(const char *name)
{
	return str_ends(str_of(name), ".new");
}

int scan_mount_claim(int dir, const char *name, int *ret, struct err *e)
{
	size_t n = strlen(name) - (scan_mount_new(name) ? strlen(".new") : 0);
	auto_free char *file = xasprintf("%.*s.lock", (int)n, name);
	auto_fd int fd = openat(dir, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "open mounts/%s", file);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(e, "lock mounts/%s", file);
	*ret = take_fd(&fd);
	return 1;
}

bool scan_work_file(const char *name)
{
	return strcmp(name, "pins") == 0 || strcmp(name, "locks") == 0;
}

bool scan_work_partial(const char *name)
{
	return str_starts(str_of(name), STORE_PART) || str_starts(str_of(name), STORE_SESSION);
}
