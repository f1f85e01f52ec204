/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes: strict reading of both dialects, writing of the OCI one. */
#ifndef IMAGE_MANIFEST_H
#define IMAGE_MANIFEST_H

#include "image/descriptor.h"

#define MANIFEST_MAX ((size_t)4 << 20)	/* bytes of a manifest or index; distribution-spec "Pushing Manifests" */
#define MANIFEST_LAYERS_MAX 1000
#define INDEX_ENTRIES_MAX 10000
#define INDEX_DEPTH_MAX 4		/* indexes within indexes */

struct manifest {		/* OCI image-spec, manifest.md; an image's if config.media->kind is MEDIA_CONFIG */
	const struct media *media;
	struct descriptor config;
	struct descriptor *layers;	/* base first */
	size_t nlayers;
};

struct index {			/* OCI image-spec, image-index.md */
	const struct media *media;
	struct descriptor *entries;
	size_t n;
};

/*
 * Parse; what they return lives in the arena. A text that has fields of both kinds, or a mediaType of the
 * other kind, is refused (CVE-2021-41190), so are duplicate keys, and digests that are not such.
 * Errors: ERR_CORRUPT, ERR_LIMIT.
 */
NODISCARD int manifest_parse(struct str text, struct arena *a, struct manifest *ret, struct err *e);
NODISCARD int index_parse(struct str text, struct arena *a, struct index *ret, struct err *e);
/* Which of the two a text is, by its mediaType, else by its fields. Errors: ERR_CORRUPT, ERR_LIMIT. */
NODISCARD int manifest_kind(struct str text, enum media_kind *ret, struct err *e);

/* The OCI manifest of config and layers: fixed key order, so the same input has the same digest. */
void manifest_text(const struct descriptor *config, const struct descriptor *layers, size_t n,
		   struct buf *ret);
/* The same of another media type, "application/..."; config and layers have theirs. */
void manifest_text_as(const char *type, const struct descriptor *config, const struct descriptor *layers, size_t n,
		      struct buf *ret);
/* index.json of n entries, with their annotations. */
void index_text(const struct descriptor *entries, size_t n, struct buf *ret);

/* The entry for a platform: the best match, the first among equals; attestations never. NULL: none. */
const struct descriptor *index_choose(const struct index *ix, const struct platform *want);

/* JSON as everything here reads it: at most max bytes, no duplicate keys, nothing behind the value; `what`
 * names it in errors. Free with json_decref(). Errors: ERR_CORRUPT, ERR_LIMIT. */
NODISCARD int json_text_parse(struct str text, size_t max, const char *what, json_t **ret, struct err *e);

#endif
