/* SPDX-License-Identifier: Apache-2.0 */
/* Which private addresses to use: pure. */
#include "runtime/network/ipam.h"

#include <arpa/inet.h>

bool ipam_subnet(const struct link_prefix *used, size_t n, struct in_addr *ret)
{
	for (uint32_t k = 0; k < UINT32_C(1) << (24 - IPAM_POOL_LEN); k++) {
		struct link_prefix subnet = { IPAM_POOL + (k << 8), 24 };
		bool free = true;

		for (size_t i = 0; free && i < n; i++)
			free = !link_overlap(subnet, used[i]);
		if (free) {
			ret->s_addr = htonl(subnet.addr);
			return true;
		}
	}
	return false;
}

struct in_addr ipam_addr(struct in_addr subnet, unsigned n)
{
	return (struct in_addr){ htonl((ntohl(subnet.s_addr) & 0xffffff00u) | n) };
}
