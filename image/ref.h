/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images: the grammar of references, its defaults, full and familiar forms. */
#ifndef IMAGE_REF_H
#define IMAGE_REF_H

#include "image/digest.h"

#define REF_NAME_MAX 255	/* bytes of host + "/" + path */
#define REF_TAG_MAX 128
#define REF_TEXT_MAX (REF_NAME_MAX + 1 + REF_TAG_MAX + 1 + DIGEST_TEXT_MAX)
#define REF_HUB "docker.io"
#define REF_SCRATCH "scratch"

struct ref {			/* caller's storage; nothing to free */
	char host[REF_NAME_MAX + 1];	/* "docker.io", "localhost:5000"; never empty */
	char path[REF_NAME_MAX + 1];	/* "library/alpine" */
	char tag[REF_TAG_MAX + 1];	/* "latest" if neither tag nor digest was given; "" with a digest alone */
	bool has_digest;		/* then it decides what is fetched; the tag is for display */
	struct digest digest;
};

/**
 * Parse what a user or a file calls an image.
 *
 * The first part is a host if it holds "." or ":" or an upper-case letter, or is "localhost"; else
 * the host is docker.io, and a single name gets "library/". 64 hex digits alone are refused.
 * Errors: ERR_USAGE, with the text and what is wrong with it.
 * Spec:   distribution reference grammar; distribution-spec, "Pulling manifests".
 */
NODISCARD int ref_parse(struct str s, struct ref *ret, struct err *e);

/* "docker.io/library/alpine:latest"; with a digest and no tag "host/path@sha256:...". Returns ret.
 * What the store files an image under. */
const char *ref_canonical(const struct ref *r, char ret[static REF_TEXT_MAX]);
/* "docker.io/library/alpine" */
const char *ref_repository(const struct ref *r, char ret[static REF_TEXT_MAX]);
/* The short forms a user sees: "alpine:latest", "ghcr.io/o/app:v1"; and without the tag "alpine". */
const char *ref_familiar(const struct ref *r, char ret[static REF_TEXT_MAX]);
const char *ref_familiar_repository(const struct ref *r, char ret[static REF_TEXT_MAX]);

/* Is it a tag by the grammar? */
bool ref_is_tag(struct str s);
/* Does s name no host, so that docker.io is meant by default? */
bool ref_is_short(struct str s);
/* Can s only be an image ID or the start of one: "sha256:" or nothing, then 1 to 64 hex digits? */
bool ref_maybe_id(struct str s);

#endif
