/* SPDX-License-Identifier: Apache-2.0 */
/* Media types of the two dialects, OCI and Docker, as one table. */
#ifndef IMAGE_MEDIA_H
#define IMAGE_MEDIA_H

#include <stdbool.h>

#include "base/str.h"

#define MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"

enum media_kind { MEDIA_OTHER, MEDIA_INDEX, MEDIA_MANIFEST, MEDIA_CONFIG, MEDIA_LAYER, MEDIA_SCHEMA1 };
enum media_zip { MEDIA_PLAIN, MEDIA_GZIP, MEDIA_ZSTD };

struct media {			/* a row of the table in media.c */
	const char *type;
	enum media_kind kind;
	bool docker;		/* Docker's dialect: no annotations */
	enum media_zip zip;	/* layers: how the bytes travel */
	bool foreign;		/* layers: may have to be fetched from its urls */
};

/* The row of a media type (parameters behind ";" and letter case ignored); for a type that
 * nobody here knows a row of kind MEDIA_OTHER and type "". Never NULL. */
const struct media *media_find(struct str type);
/* The type of the same in the other dialect, or NULL. */
const char *media_twin(const struct media *m);

#endif
