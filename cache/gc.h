/* SPDX-License-Identifier: Apache-2.0 */
/* Garbage collection: what nothing refers to goes; on request, the build cache, too. */
#ifndef CACHE_GC_H
#define CACHE_GC_H

#include <stdbool.h>

#include "cache/store.h"

struct gc_opts {
	bool all;		/* also untagged images, cache mounts, and build keys whose layer no image has */
	bool has_keep;		/* evict such keys, least recently used first, until the build cache is keep bytes */
	uint64_t keep;		/* bytes on disk */
	int64_t until_ns;	/* evict only what was not used for that long; 0: whatever its age */
	bool dry_run;		/* count, change nothing */
};

struct gc_count {
	uint64_t n, bytes;	/* bytes: allocated on disk */
};

struct gc_result {
	struct gc_count images;	/* rows; their bytes are in blobs and layers */
	struct gc_count keys;	/* rows */
	struct gc_count layers, blobs, mounts, leases, temps, logs;
	struct gc_count trees;	/* rows; bytes of listings */
	uint64_t bytes;		/* all of them */
};

/* Safe at any time, beside any number of other processes; what a live one has pinned or leased
 * stays. */
NODISCARD int gc_run(struct store *s, const struct gc_opts *o, struct gc_result *ret,
		     struct err *e);

#endif
