/* SPDX-License-Identifier: Apache-2.0 */
/* Disk use by kind, in bytes allocated: the sum is what du(1) says of the store. */
#ifndef CACHE_DF_H
#define CACHE_DF_H

#include "cache/images.h"

struct df_kind {
	uint64_t n;
	uint64_t bytes;		/* allocated */
	uint64_t reclaimable;	/* of those, what `gc --all` would give back */
};

struct df_layer {
	struct digest diff_id;
	uint64_t bytes;
	unsigned images;	/* how many images have it */
	bool key, container;	/* a build key's result; a container's */
};

struct df_image {
	struct image_entry image;	/* names are moved here from the image list */
	uint64_t bytes, shared, unique;	/* of its layers; shared: with another image */
};

struct df {			/* { 0 } is a valid empty one */
	struct df_kind images;		/* layers that images have, manifests and configs */
	struct df_kind cache;		/* layers that only build keys have */
	struct df_kind containers;	/* their directories, and layers that only they have */
	struct df_kind mounts;		/* cache mounts of RUN steps */
	struct df_kind volumes, logs;
	struct df_kind work;		/* in flight: leased by live processes */
	struct df_kind garbage;		/* what a plain `gc` removes */
	struct df_kind database;
	uint64_t total;
	struct df_layer *layers; size_t nlayers;	/* largest first */
	struct df_image *image; size_t nimages;		/* newest first */
};

NODISCARD int df_get(struct store *s, struct df *ret, struct err *e);
void df_done(struct df *d);

#endif
