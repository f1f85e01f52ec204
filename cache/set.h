/* SPDX-License-Identifier: Apache-2.0 */
/* For cache/ alone: a set of 32-byte values (digests; device and inode). */
#ifndef CACHE_SET_H
#define CACHE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "image/digest.h"

struct set_item {
	uint8_t b[32];
};

struct set {			/* { 0 } is a valid empty one */
	struct set_item *v;	/* open addressing; all-zero: free */
	size_t n, cap;
};

bool set_add(struct set *s, const struct set_item *it);	/* false: it was in the set */
bool set_has(const struct set *s, const struct set_item *it);
void set_done(struct set *s);
#define auto_set __attribute__((cleanup(set_done)))

struct set_item set_digest(const struct digest *d);
struct set_item set_pair(uint64_t a, uint64_t b);

#endif
