/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of tare.db and how one version becomes the next. */
#ifndef CACHE_SCHEMA_H
#define CACHE_SCHEMA_H

#include "cache/db.h"

int64_t schema_latest(void);	/* the version that this program writes */
/* What the database says; 0: empty. */
NODISCARD int schema_version(struct db *db, int64_t *ret, struct err *e);
/* Bring the database to schema_latest() in one transaction. The caller holds the store's lock. */
NODISCARD int schema_migrate(struct db *db, struct err *e);

#endif
