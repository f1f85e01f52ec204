/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and SHA-512 as a stream; helpers that make a hash over fields unambiguous. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/str.h"

enum hash_alg { HASH_SHA256, HASH_SHA512 };

#define HASH_MAX 64

struct hasher {			/* caller's storage; nothing to free */
	enum hash_alg alg;
	_Alignas(16) unsigned char state[240];
};

static inline size_t hash_size(enum hash_alg alg) { return alg == HASH_SHA256 ? 32 : 64; }

void hasher_init(struct hasher *h, enum hash_alg alg);
void hasher_update(struct hasher *h, const void *p, size_t n);
void hasher_final(struct hasher *h, uint8_t *ret);	/* hash_size() bytes */

/* Length first, then the bytes: two lists of fields never hash alike by accident. */
void hasher_str(struct hasher *h, struct str s);
void hasher_cstr(struct hasher *h, const char *s);
void hasher_u64(struct hasher *h, uint64_t v);

void hash_sha256(const void *p, size_t n, uint8_t ret[32]);

#endif
