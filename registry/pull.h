/* SPDX-License-Identifier: Apache-2.0 */
/* A registry as the origin of a copy into the store. */
#ifndef REGISTRY_PULL_H
#define REGISTRY_PULL_H

#include "registry/remote.h"

struct lease;

struct pull_opts {
	const struct platform *want;	/* NULL: the host's, or the only one there is */
	bool keep_blobs;		/* compressed layers stay in the store as blobs */
	bool unnamed;			/* the image gets no name */
};

/**
 * The image that r's name means. Its layers are pulled several at a time: a download into a file, behind it hashing,
 * inflating, and whatever the target does, each on a thread of its own.
 *
 * Owner:  *ret is the caller's, origin_free(); r, the store, the lease and o->want stay the caller's until then.
 * Errors (of list and pull): wire_image()'s, ERR_CORRUPT (digests, sizes, numbers of layers), ERR_USAGE (no image).
 */
struct origin *pull_origin(struct remote *r, struct store *s, struct lease *l, const struct pull_opts *o);

#endif
