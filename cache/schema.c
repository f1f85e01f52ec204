/* SPDX-License-Identifier: Apache-2.0 */
/* The tables: one text per version, applied in order to whatever is older. */
#include "cache/schema.h"

#include <stdio.h>

/*
 * A digest is a BLOB of its bytes (32: sha256). Times are nanoseconds since 1970 unless a column
 * says otherwise. Never change a text that was released: append one.
 */
static const char *const migrations[] = {
	/* 1: images, layers, build cache, records of builds */
	"CREATE TABLE images (manifest BLOB PRIMARY KEY, config BLOB NOT NULL, size INT NOT NULL,"
	"  created INT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX images_config ON images (config);"
	"CREATE TABLE image_layers (manifest BLOB NOT NULL, idx INT NOT NULL, diff_id BLOB NOT NULL,"
	"  PRIMARY KEY (manifest, idx)) WITHOUT ROWID;"
	"CREATE INDEX image_layers_diff_id ON image_layers (diff_id);"
	"CREATE TABLE tags (name TEXT PRIMARY KEY, manifest BLOB NOT NULL, updated INT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX tags_manifest ON tags (manifest);"
	/* layers: form 'tree' or 'tar'; tar_size: bytes of the canonical tar; disk_size:
	 * allocated */
	"CREATE TABLE layers (diff_id BLOB PRIMARY KEY, form TEXT NOT NULL, tar_size INT NOT NULL,"
	"  disk_size INT NOT NULL, entries INT NOT NULL, created INT NOT NULL) WITHOUT ROWID;"
	/* keys: diff_id NULL: a result without a layer */
	"CREATE TABLE keys (key BLOB PRIMARY KEY, op BLOB NOT NULL, slot TEXT NOT NULL, diff_id BLOB, extra TEXT,"
	"  created INT NOT NULL, used INT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX keys_op ON keys (op);"
	"CREATE INDEX keys_diff_id ON keys (diff_id);"
	/* key_inputs: name NUL value NUL ... ; also of keys that got no result (a failed step's) */
	"CREATE TABLE key_inputs (key BLOB PRIMARY KEY, inputs BLOB NOT NULL);"
	"CREATE TABLE trees (digest BLOB PRIMARY KEY, listing BLOB NOT NULL);"
	/* statcache: one row is one directory; used: seconds since 1970 */
	"CREATE TABLE statcache (dev INT NOT NULL, ino INT NOT NULL, data BLOB NOT NULL, used INT NOT NULL,"
	"  PRIMARY KEY (dev, ino));"
	"CREATE TABLE builds (id TEXT PRIMARY KEY, context TEXT NOT NULL, dockerfile TEXT NOT NULL, target TEXT,"
	"  started INT NOT NULL, ended INT NOT NULL, status TEXT NOT NULL, manifest BLOB) WITHOUT ROWID;"
	"CREATE INDEX builds_context ON builds (context, started);"
	"CREATE TABLE build_steps (build TEXT NOT NULL, idx INT NOT NULL, name TEXT NOT NULL, slot TEXT NOT NULL,"
	"  line INT NOT NULL, line_end INT NOT NULL, state INT NOT NULL, note TEXT, key BLOB NOT NULL, diff_id BLOB,"
	"  seconds REAL NOT NULL, PRIMARY KEY (build, idx)) WITHOUT ROWID;",
	/* 2: what is remembered of registries. packed: digest of a compressed form; level -1: made elsewhere */
	"CREATE TABLE packed (digest BLOB PRIMARY KEY, diff_id BLOB NOT NULL, size INT NOT NULL, kind INT NOT NULL,"
	"  level INT NOT NULL, used INT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX packed_diff_id ON packed (diff_id);"
	"CREATE TABLE packed_sources (digest BLOB NOT NULL, repo TEXT NOT NULL, used INT NOT NULL,"
	"  PRIMARY KEY (digest, repo)) WITHOUT ROWID;"
	/* received: image is images.manifest; digest: what a name means there; manifest: a blob */
	"CREATE TABLE received (image BLOB NOT NULL, repo TEXT NOT NULL, digest BLOB NOT NULL, manifest BLOB NOT NULL,"
	"  used INT NOT NULL, PRIMARY KEY (image, repo, digest)) WITHOUT ROWID;"
	"CREATE INDEX received_digest ON received (digest);"
	"CREATE INDEX received_manifest ON received (manifest);",

	/* 3: images mounted for a user; boot: the kernel's boot_id, mount: statx(2)'s mnt_id */
	"CREATE TABLE mounted (path TEXT NOT NULL, diff_id BLOB NOT NULL, boot TEXT NOT NULL, mount INT NOT NULL,"
	"  PRIMARY KEY (path, diff_id)) WITHOUT ROWID;",
};

int64_t schema_latest(void)
{
	return countof(migrations);
}

int schema_version(struct db *db, int64_t *ret, struct err *e)
{
	return db_get_int(db, "PRAGMA user_version", BIND_NONE, ret, e) < 0 ? -1 : 0;
}

int schema_migrate(struct db *db, struct err *e)
{
	auto_tx struct tx tx = { 0 };
	int64_t have;

	if (db_begin(db, &tx, e) < 0 || schema_version(db, &have, e) < 0)
		return -1;
	for (; have < (int64_t)countof(migrations); have++) {
		char set[64];

		snprintf(set, sizeof(set), "PRAGMA user_version=%d", (int)have + 1);
		if (db_script(db, migrations[have], e) < 0 || db_script(db, set, e) < 0)
			return err_wrap(e, "bring the store's database to version %d",
					(int)have + 1);
	}
	return db_commit(&tx, e);
}
