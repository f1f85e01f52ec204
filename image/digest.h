/* SPDX-License-Identifier: Apache-2.0 */
/* A digest as bytes: parsed once at the edge, so that no foreign string ever names a file. */
#ifndef IMAGE_DIGEST_H
#define IMAGE_DIGEST_H

#include <stdbool.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

#define DIGEST_TEXT_MAX (7 + 128 + 1)	/* "sha512:" + hex + NUL */

struct digest {			/* OCI image-spec, descriptor.md "Digests" */
	enum hash_alg alg;
	uint8_t b[HASH_MAX];	/* hash_size(alg) bytes, the rest zero */
};

/* "sha256:<64 lower-case hex>" or "sha512:..."; nothing else. Errors: ERR_USAGE. */
NODISCARD int digest_parse(struct str s, struct digest *ret, struct err *e);
/* 64 hex digits without a prefix. */
NODISCARD bool digest_from_hex(struct str hex, struct digest *ret);
const char *digest_text(const struct digest *d, char ret[static DIGEST_TEXT_MAX]);	/* returns ret */
const char *digest_hex(const struct digest *d, char ret[static DIGEST_TEXT_MAX]);	/* no prefix */
bool digest_eq(const struct digest *a, const struct digest *b);
int digest_cmp(const struct digest *a, const struct digest *b);
struct digest digest_of(const void *p, size_t n);			/* sha256 */
struct digest digest_final(struct hasher *h);

/* OCI image-spec, config.md "Layer ChainID"; parent NULL for the base layer. */
struct digest chain_id(const struct digest *parent, const struct digest *diff_id);

#endif
