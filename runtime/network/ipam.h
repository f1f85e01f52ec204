/* SPDX-License-Identifier: Apache-2.0 */
/* Which private addresses to use: pure. */
#ifndef RUNTIME_NETWORK_IPAM_H
#define RUNTIME_NETWORK_IPAM_H

#include "base/err.h"
#include "runtime/network/addr.h"
#include "runtime/network/link.h"

/* Ours: 2048 networks of 254 addresses each. The first is left to RUN steps (net.h), the others are for bridges. */
#define IPAM_POOL UINT32_C(0x0ac80000)	/* 10.200.0.0/13 */
#define IPAM_POOL_LEN 13
#define IPAM_FIRST 2 /* last byte of the first and last address for a namespace */
#define IPAM_LAST 254

/* The first /24 of the pool that overlaps no prefix of used; false if there is none. */
NODISCARD bool ipam_subnet(const struct link_prefix *used, size_t n, struct in_addr *ret);
/* Address number n (1..254) of a subnet. */
struct in_addr ipam_addr(struct in_addr subnet, unsigned n);

/* The same for bridges, from number `start` on, and around; number 0 is not given. */
NODISCARD bool ipam_pick(const struct subnet *used, size_t n, uint32_t start, struct subnet *ret);
/* An IPv6 subnet of unique local addresses (RFC 4193) out of 13 random bytes; a /64. */
struct subnet ipam_local6(const uint8_t seed[13]);

struct ipam_pool {		/* one subnet of a network */
	struct subnet subnet;
	struct subnet range;	/* where dynamic addresses come from; len 0 and no family: all of it */
	struct addr gateway;	/* none: there is none */
	const struct addr *aux;	/* reserved */
	size_t naux;
};

/* Its own words: gateway and range must lie within. gateway none and want_gateway: the first address. */
NODISCARD int ipam_check(struct ipam_pool *p, bool want_gateway, struct err *e);
/* The next free address after last (none: from the start), around the end; false if there is none. */
NODISCARD bool ipam_next(const struct ipam_pool *p, const struct addr *used, size_t nused, const struct addr *last,
			 struct addr *ret);
/* May somebody who asks for it have this address? ERR_USAGE (outside, reserved), ERR_CONFLICT (in use). */
NODISCARD int ipam_take(const struct ipam_pool *p, const struct addr *used, size_t nused, const struct addr *want,
			struct err *e);

#endif
