/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and making the store: its directory, its database at the right version, its pins. */
#include "cache/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/task.h"
#include "cache/db.h"
#include "cache/pin.h"
#include "cache/schema.h"

struct store {
	atomic_int layer_form;	/* cache/layer_form.c */
	char *path;
	int dirfd;
	struct db *db;
	pthread_mutex_t lock;	/* guards what follows */
	int dirs[STORE_DIRS];	/* -1: not opened yet */
	int pins;		/* work/pins, holds the process's pins; -1: none yet */
};

static const char *const dir_names[] = {
	[STORE_BLOBS] = "blobs/sha256", [STORE_LAYERS] = "layers", [STORE_WORK] = "work",
	[STORE_BUILDS] = "builds", [STORE_CONTAINERS] = "containers", [STORE_VOLUMES] = "volumes",
	[STORE_MOUNTS] = "mounts", [STORE_NETWORKS] = "networks",
};

/* --- the directory --- */

/* Root's store, unless it is not ours to write: an ordinary user is root too, in a namespace of his
 * own. */
static bool may_use_var(void)
{
	return geteuid() == 0 && (access("/var/lib/tare", W_OK) == 0 ||
				  (errno == ENOENT && access("/var/lib", W_OK) == 0));
}

static int default_root(char **ret, struct err *e)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (may_use_var())
		*ret = xstrdup("/var/lib/tare");
	else if (data && data[0] == '/')
		*ret = xasprintf("%s/tare", data);
	else if (home && home[0] == '/')
		*ret = xasprintf("%s/.local/share/tare", home);
	else {
		err_set(e, ERR_USAGE,
			"no place for the store: neither XDG_DATA_HOME nor HOME is set");
		return err_hint(e, "name one with --root or $TARE_ROOT");
	}
	return 0;
}

static int refused(const char *path, struct err *e)
{
	int sys = errno;

	err_sys(e, "open the store %s", path);
	if (sys == EACCES || sys == EPERM || sys == EROFS) {
		e->kind = ERR_DENIED;
		err_hint(e, "name a directory of your own with --root or $TARE_ROOT");
	}
	if (sys == ENOSPC || sys == EDQUOT)
		err_hint(e,
			 "make room on the disk, or name another store with --root or $TARE_ROOT");
	return -1;
}

static int open_root(struct store *s, const char *path, struct err *e)
{
	char *real;

	s->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0 && errno == ENOENT) {
		if (fs_mkdirs(path, 0700, e) < 0) {
			errno = e->sys;
			return refused(path, e);
		}
		s->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (s->dirfd < 0)
		return refused(path, e);
	real = realpath(path, NULL);
	if (!real)
		return err_sys(e, "find the store %s", path);
	s->path = real;
	return 0;
}

/* --- the database --- */

static int newer(const struct store *s, int64_t have, struct err *e)
{
	err_set(e, ERR_USAGE,
		"the store %s was made by a newer tare (format %lld; this one knows up to %lld)",
		s->path, (long long)have, (long long)schema_latest());
	return err_hint(e, "use that newer tare, or another store with --root or $TARE_ROOT");
}

/* An empty database beside layers is one that was lost: made anew, gc would take all layers for
 * garbage. */
static int check_not_lost(const struct store *s, struct err *e)
{
	static const enum store_dir kept[] = { STORE_BLOBS, STORE_LAYERS };

	for (size_t i = 0; i < countof(kept); i++) {
		if (faccessat(s->dirfd, dir_names[kept[i]], F_OK, 0) < 0)
			continue;
		err_set(e, ERR_CORRUPT,
			"the store %s has layers or blobs, but its database tare.db is missing or empty",
			s->path);
		return err_hint(e, "restore tare.db from a backup, or move the store away and build again");
	}
	return 0;
}

static int switch_to_wal(struct store *s, struct err *e)
{
	auto_stmt struct stmt st = { 0 };
	int r;

	/* gc can then give pages back; of an empty database only, and before it has a journal
	 * mode */
	if (db_script(s->db, "PRAGMA auto_vacuum=INCREMENTAL", e) < 0)
		return -1;
	if (db_query(s->db, "PRAGMA journal_mode=WAL", BIND_NONE, &st, e) < 0)
		return -1;
	r = db_row(&st, e);
	if (r > 0 && strcmp(stmt_text(&st, 0), "wal") == 0)
		return 0;
	return r < 0 ? -1
		     : err_set(e, ERR_SYS, "the file system of %s cannot hold a shared database",
			       s->path);
}

/* Make or migrate the database; several processes may want to at once. */
static int db_prepare(struct store *s, const char *file, struct err *e)
{
	auto_fd int lock =
		openat(s->dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int64_t have = 0;

	if (lock < 0)
		return refused(s->path, e);
	while (flock(lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "lock the store %s", s->path);
	if (!s->db && db_open(file, true, &s->db, e) < 0)
		return -1;
	if (schema_version(s->db, &have, e) < 0)
		return -1;
	if (have > schema_latest())
		return newer(s, have, e);
	if (have == 0 && (check_not_lost(s, e) < 0 || switch_to_wal(s, e) < 0))
		return -1;
	fault_point("store.empty");
	if (schema_migrate(s->db, e) < 0)
		return -1;
	fault_point("store.migrated");
	return fsync(s->dirfd) < 0 ? err_sys(e, "sync %s", s->path) : 0;
}

static int open_db(struct store *s, struct err *e)
{
	auto_free char *file = xasprintf("%s/tare.db", s->path);
	int64_t have = 0;

	if (faccessat(s->dirfd, "tare.db", F_OK, 0) == 0) {
		if (db_open(file, false, &s->db, e) < 0 || schema_version(s->db, &have, e) < 0)
			return -1;
		if (have > schema_latest() || have < 0)
			return newer(s, have, e);
		if (have == schema_latest())
			return 0;
	}
	return db_prepare(s, file, e);
}

int store_open(const char *root, struct store **ret, struct err *e)
{
	struct store *s = xcalloc(1, sizeof(*s));
	auto_free char *dflt = NULL;

	s->dirfd = s->pins = -1;
	for (size_t i = 0; i < countof(s->dirs); i++)
		s->dirs[i] = -1;
	pthread_mutex_init(&s->lock, NULL);
	if ((!root && default_root(&dflt, e) < 0) || open_root(s, root ? root : dflt, e) < 0 ||
	    open_db(s, e) < 0) {
		store_close(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	db_close(s->db);
	for (size_t i = 0; i < countof(s->dirs); i++)
		cleanup_fd(&s->dirs[i]);
	cleanup_fd(&s->pins);
	cleanup_fd(&s->dirfd);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s);
}

/* SQLite has no way to let go of a database that is open in two processes: its memory stays, its files are closed. */
void store_after_fork(struct store *s)
{
	auto_free char *db = xasprintf("%s/tare.db", s->path);
	DIR *d = opendir("/proc/self/fd");

	for (const struct dirent *de = d ? readdir(d) : NULL; de; de = readdir(d)) {
		char target[PATH_MAX];
		uint64_t fd;
		ssize_t n = readlinkat(dirfd(d), de->d_name, target, sizeof(target) - 1);

		target[MAX(n, 0)] = '\0';
		if (strncmp(target, db, strlen(db)) == 0 && str_to_u64(str_of(de->d_name), 10, &fd))
			close((int)fd);
	}
	if (d)
		closedir(d);
	s->db = NULL;
	cleanup_fd(&s->pins);
	s->pins = -1;
}

int store_dirfd(const struct store *s)
{
	return s->dirfd;
}

const char *store_path(const struct store *s)
{
	return s->path;
}

atomic_int *store_layer_form(struct store *s)
{
	return &s->layer_form;
}

struct db *store_db(struct store *s)
{
	return s->db;
}

/* --- directories and pins --- */

static int make_dir(struct store *s, const char *path, struct err *e)
{
	auto_free char *dir = xstrdup(path);
	char *slash = strchr(dir, '/');
	bool made = false;

	if (slash) {
		*slash = '\0';
		made = mkdirat(s->dirfd, dir, 0700) == 0;
		*slash = '/';
	}
	made |= mkdirat(s->dirfd, dir, 0700) == 0;
	if (!made && errno != EEXIST)
		return err_sys(e, "make %s/%s", s->path, path);
	return made && fsync(s->dirfd) < 0 ? err_sys(e, "sync %s", s->path) : 0;
}

int store_dir(struct store *s, enum store_dir which, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&s->lock);
	const char *path = dir_names[which];
	int fd = s->dirs[which];

	if (fd >= 0)
		return fd;
	fd = openat(s->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (make_dir(s, path, e) < 0)
			return -1;
		fd = openat(s->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(e, "open %s/%s", s->path, path);
	return s->dirs[which] = fd;
}

const char *store_dir_name(enum store_dir which)
{
	return dir_names[which];
}

static int pins_get(struct store *s)
{
	auto_lock pthread_mutex_t *held = lock_hold(&s->lock);

	return s->pins;
}

static int pins_fd(struct store *s, struct err *e)
{
	auto_fd int fd = -1;

	if (pins_get(s) >= 0)
		return pins_get(s);
	if (pin_open(s, PIN_KEEP, &fd, e) < 0)
		return -1;
	auto_lock pthread_mutex_t *held = lock_hold(&s->lock);
	if (s->pins < 0)
		s->pins = take_fd(&fd);
	return s->pins;
}

int store_pin(struct store *s, const struct digest *d, struct err *e)
{
	int fd = pins_fd(s, e);

	return fd < 0 ? -1 : pin_share(fd, d, e);
}

void store_id(char ret[static STORE_ID_MAX])
{
	unsigned char b[(STORE_ID_MAX - 1) / 2];

	while (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		;
	for (size_t i = 0; i < sizeof(b); i++)
		snprintf(ret + 2 * i, 3, "%02x", b[i]);
}
