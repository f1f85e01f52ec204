/* SPDX-License-Identifier: Apache-2.0 */
/* Images from anywhere to anywhere. */
#ifndef ENGINE_IMAGE_COPY_H
#define ENGINE_IMAGE_COPY_H

#include "registry/ends.h"
#include "registry/push.h"

struct image_copy_args {
	const char *from, *to;		/* ends.h */
	struct wire_opts w;		/* what of an index is copied */
	struct push_opts p;		/* of the store into a registry */
	size_t chunk;
	struct client *client;		/* borrowed */
};

/**
 * Copy an image. Between registries, layouts and OCI archives nothing changes: manifests and blobs are the same bytes,
 * and none of them touches the store.
 *
 * Errors: ERR_USAGE (ends that don't go together), wire_copy()'s, engine_pull()'s, push_image()'s, transfer_load()'s.
 */
NODISCARD int engine_image_copy(struct job *j, struct store *s, const struct image_copy_args *a, struct digest *ret, struct err *e);

#endif
