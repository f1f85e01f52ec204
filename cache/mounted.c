/* SPDX-License-Identifier: Apache-2.0 */
/* Rows about mounts, which the kernel may end without asking us. */
#include "cache/mounted.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "cache/db.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u	/* Linux 6.8: never used again before a reboot */
#endif

/* 0: none, or not known. */
static int64_t mount_id(int dir, const char *path)
{
	struct statx st;

	if (statx(dir, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID_UNIQUE | STATX_MNT_ID, &st) < 0)
		return 0;
	return (int64_t)st.stx_mnt_id;
}

/* Mounts don't outlive the boot that this names. */
static int boot_id(struct buf *ret, struct err *e)
{
	if (fs_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, ret, e) < 0)
		return -1;
	while (ret->n && ret->p[ret->n - 1] == '\n')
		ret->p[--ret->n] = '\0';
	return 0;
}

int mounted_put(struct store *s, const char *path, int fd, const struct digest *layers, size_t n, struct err *e)
{
	static const char sql[] = "INSERT OR REPLACE INTO mounted (path, diff_id, boot, mount) VALUES (?, ?, ?, ?)";
	auto_buf struct buf boot = { 0 };
	auto_tx struct tx tx = { 0 };
	int64_t id = mount_id(fd, "");

	if (boot_id(&boot, e) < 0 || db_begin(store_db(s), &tx, e) < 0 || mounted_forget(s, path, e) < 0)
		return -1;
	for (size_t i = 0; i < MAX(n, (size_t)1); i++)
		if (db_run(store_db(s), sql, BIND(db_text(path), i < n ? db_digest(&layers[i]) : db_blob("", 0),
						  db_text(boot.p), db_int(id)), e) < 0)
			return -1;
	return db_commit(&tx, e);
}

int mounted_is(struct store *s, const char *path, struct err *e)
{
	int64_t one;

	return db_get_int(store_db(s), "SELECT 1 FROM mounted WHERE path = ? LIMIT 1", BIND(db_text(path)), &one, e);
}

int mounted_forget(struct store *s, const char *path, struct err *e)
{
	return db_run(store_db(s), "DELETE FROM mounted WHERE path = ?", BIND(db_text(path)), e);
}

int mounted_sweep(struct store *s, struct err *e)
{
	auto_buf struct buf boot = { 0 };
	auto_strv struct strv gone = { 0 };
	auto_stmt struct stmt st = { 0 };
	int r;

	if (boot_id(&boot, e) < 0 ||
	    db_query(store_db(s), "SELECT DISTINCT path, boot, mount FROM mounted", BIND_NONE, &st, e) < 0)
		return -1;
	while ((r = db_row(&st, e)) > 0)
		if (strcmp(stmt_text(&st, 1), boot.p) != 0 || mount_id(AT_FDCWD, stmt_text(&st, 0)) != stmt_int(&st, 2))
			strv_add(&gone, stmt_text(&st, 0));
	stmt_done(&st);
	for (size_t i = 0; r == 0 && i < gone.n; i++)
		r = mounted_forget(s, gone.v[i], e);
	return r;
}
