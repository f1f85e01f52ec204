/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: what a manifest or an index says of one blob. */
#ifndef IMAGE_DESCRIPTOR_H
#define IMAGE_DESCRIPTOR_H

#include <jansson.h>

#include "base/arena.h"
#include "image/digest.h"
#include "image/media.h"
#include "image/platform.h"

struct descriptor {		/* OCI image-spec, descriptor.md "Properties" */
	const struct media *media;		/* never NULL once parsed */
	struct digest digest;
	uint64_t size;				/* bytes of the blob as stored (compressed) */
	const struct platform *platform;	/* inside an index only, NULL: not said; borrowed from the arena */
	const char *ref_name;			/* annotation org.opencontainers.image.ref.name, or NULL */
	const char *image_name;			/* annotation io.containerd.image.name, or NULL */
	bool attestation;			/* BuildKit's: vnd.docker.reference.type is set */
	const char *url;			/* the first of its urls, or NULL: where a foreign layer is */
	bool has_data;				/* the blob's bytes stand in the descriptor, checked: */
	struct str data;			/* borrowed from the arena */
};

/* Errors: ERR_CORRUPT, with what is wrong. */
NODISCARD int descriptor_parse(const json_t *j, struct arena *a, struct descriptor *ret, struct err *e);
/* A JSON object; without a row (media NULL) an OCI layer is meant. */
void descriptor_text(const struct descriptor *d, struct buf *ret);

#endif
