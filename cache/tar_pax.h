/* SPDX-License-Identifier: Apache-2.0 */
/* Pax extended headers: records "LEN key=value\n" that override or add to a ustar header. */
#ifndef CACHE_TAR_PAX_H
#define CACHE_TAR_PAX_H

#include "cache/tar.h"

struct tar_pax {		/* { 0 } is a valid empty one */
	bool set;		/* a header was parsed since the last reset */
	bool has_size, has_uid, has_gid, has_mtime;
	int64_t size, uid, gid, mtime;
	uint32_t mtime_ns;
	struct str path, linkpath;	/* p NULL: not given */
	struct tar_xattr *xattrs;	/* sorted by key */
	size_t nxattrs;
	struct buf text;		/* what the strs point into */
};

void tar_pax_reset(struct tar_pax *p);
void tar_pax_done(struct tar_pax *p);
/* Strict: anything malformed, sparse or of unknown effect is ERR_CORRUPT. */
NODISCARD int tar_pax_parse(struct tar_pax *p, struct str body, struct err *e);
/* A global header may only hold what has no effect on entries (comments). */
NODISCARD int tar_pax_check_global(struct str body, struct err *e);

#endif
