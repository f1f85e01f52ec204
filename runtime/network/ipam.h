/* SPDX-License-Identifier: Apache-2.0 */
/* Which private addresses to use: pure. */
#ifndef RUNTIME_NETWORK_IPAM_H
#define RUNTIME_NETWORK_IPAM_H

#include <netinet/in.h>
#include <stdbool.h>

#include "runtime/network/link.h"

/* Ours: 2048 networks of 254 addresses each; the first is the host's end of every link. */
#define IPAM_POOL UINT32_C(0x0ac80000)	/* 10.200.0.0/13 */
#define IPAM_POOL_LEN 13
#define IPAM_FIRST 2 /* last byte of the first and last address for a namespace */
#define IPAM_LAST 254

/* The first /24 of the pool that overlaps no prefix of used; false if there is none. */
NODISCARD bool ipam_subnet(const struct link_prefix *used, size_t n, struct in_addr *ret);
/* Address number n (1..254) of a subnet. */
struct in_addr ipam_addr(struct in_addr subnet, unsigned n);

#endif
