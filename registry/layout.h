/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in an image archive or layout directory: OCI's index.json, Docker's manifest.json. */
#ifndef REGISTRY_LAYOUT_H
#define REGISTRY_LAYOUT_H

#include "image/manifest.h"
#include "registry/members.h"
#include "registry/transport.h"

#define DOCKER_MANIFEST_MAX ((size_t)1 << 20)	/* bytes of manifest.json */
#define LAYOUT_IMAGES_MAX 1000			/* images of one archive */

struct stored_layer {		/* offer_layer.own of both lists */
	const char *name;	/* member */
	bool has_digest;	/* then the member's bytes must be these: */
	struct digest digest;
};

/**
 * The images of an OCI layout (oci-layout, index.json, blobs/). 1 listed, 0 it is no layout, -1.
 *
 * tag NULL: all of them; else those with that tag. An index within stands for its entry for *want (NULL: the
 * host's, or the only one there is); entries that the archive has no manifest of are passed over, as are
 * attestations and artifacts. Names come from the
 * annotations of containerd and of the OCI spec; a bare tag is no name.
 * Errors: ERR_CORRUPT (a blob is missing, or is not what its descriptor says...), ERR_LIMIT, ERR_NOT_FOUND (platform).
 * Spec:   OCI image-spec, image-layout.md
 */
NODISCARD int layout_list(struct members *m, const struct platform *want, const char *tag, struct arena *a,
			  struct offers *ret, struct err *e);
/* Does an entry of index.json bear the tag, in either annotation, alone or in a full name? */
bool layout_has_tag(const struct descriptor *d, const char *tag);

/**
 * The images of Docker's manifest.json, in every dialect: 1 listed, 0 there is none, -1. An image that
 * ret has already only gets its names added.
 * Errors: ERR_CORRUPT (a member is missing or leads out of the archive, numbers of layers differ...), ERR_LIMIT.
 */
NODISCARD int docker_list(struct members *m, struct arena *a, struct offers *ret, struct err *e);

/* For both: the offer with this ID, or a new one with text and config; *is_new tells. text is taken. */
NODISCARD int layout_offer(struct offers *list, struct buf *text, struct offer **ret, bool *is_new, struct err *e);
/* Add a name as an archive has it. Errors: ERR_CORRUPT (not a name). */
NODISCARD int layout_name(struct offer *o, const char *name, struct err *e);

#endif
