/* SPDX-License-Identifier: Apache-2.0 */
/* Which private addresses to use: pure. */
#include "runtime/network/ipam.h"

#include <arpa/inet.h>

static bool overlaps(uint32_t a, uint8_t alen, uint32_t b, uint8_t blen)
{
	uint8_t len = MIN(alen, blen);

	return len == 0 || (a ^ b) >> (32 - len) == 0;
}

bool ipam_subnet(const struct link_prefix *used, size_t n, struct in_addr *ret)
{
	for (uint32_t k = 0; k < UINT32_C(1) << (24 - IPAM_POOL_LEN); k++) {
		uint32_t subnet = IPAM_POOL + (k << 8);
		bool free = true;

		for (size_t i = 0; free && i < n; i++)
			free = !overlaps(subnet, 24, used[i].addr, used[i].len);
		if (free) {
			ret->s_addr = htonl(subnet);
			return true;
		}
	}
	return false;
}

struct in_addr ipam_addr(struct in_addr subnet, unsigned n)
{
	return (struct in_addr){ htonl((ntohl(subnet.s_addr) & 0xffffff00u) | n) };
}
