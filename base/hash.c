/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-2 by OpenSSL's direct functions. They run the same SHA-NI code as EVP does, without
 * the provider look-up that costs a start of the program more than a millisecond.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= 240 && sizeof(SHA512_CTX) <= 240, "hasher.state is too small");

void hasher_init(struct hasher *h, enum hash_alg alg)
{
	h->alg = alg;
	if (alg == HASH_SHA256)
		SHA256_Init((SHA256_CTX *)h->state);
	else
		SHA512_Init((SHA512_CTX *)h->state);
}

void hasher_update(struct hasher *h, const void *p, size_t n)
{
	if (h->alg == HASH_SHA256)
		SHA256_Update((SHA256_CTX *)h->state, p, n);
	else
		SHA512_Update((SHA512_CTX *)h->state, p, n);
}

void hasher_final(struct hasher *h, uint8_t *ret)
{
	if (h->alg == HASH_SHA256)
		SHA256_Final(ret, (SHA256_CTX *)h->state);
	else
		SHA512_Final(ret, (SHA512_CTX *)h->state);
}

void hasher_u64(struct hasher *h, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	hasher_update(h, b, sizeof(b));
}

void hasher_str(struct hasher *h, struct str s)
{
	hasher_u64(h, s.n);
	if (s.n)
		hasher_update(h, s.p, s.n);
}

void hasher_cstr(struct hasher *h, const char *s)
{
	hasher_str(h, str_of(s));
}

void hash_sha256(const void *p, size_t n, uint8_t ret[32])
{
	struct hasher h;

	hasher_init(&h, HASH_SHA256);
	hasher_update(&h, p, n);
	hasher_final(&h, ret);
}
