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

bool ipam_pick(const struct subnet *used, size_t n, uint32_t start, struct subnet *ret)
{
	const uint32_t count = (UINT32_C(1) << (24 - IPAM_POOL_LEN)) - 1;

	for (uint32_t k = 0; k < count; k++) {
		uint32_t at = htonl(IPAM_POOL + ((1 + (start + k) % count) << 8));
		struct subnet s = { { .family = AF_INET }, 24 };
		bool free = true;

		memcpy(s.base.b, &at, 4);
		for (size_t i = 0; free && i < n; i++)
			free = !subnet_overlap(&s, &used[i]);
		if (free) {
			*ret = s;
			return true;
		}
	}
	return false;
}

struct subnet ipam_local6(const uint8_t seed[13])
{
	struct subnet s = { { .family = AF_INET6, .b = { 0xfd } }, 64 };

	memcpy(s.base.b + 1, seed, 7);
	return s;
}

/* ---- addresses of one network ---- */

int ipam_check(struct ipam_pool *p, bool want_gateway, struct err *e)
{
	char text[ADDR_TEXT_MAX], other[ADDR_TEXT_MAX];

	if (p->range.base.family && !(subnet_has(&p->subnet, &p->range.base) && p->range.len >= p->subnet.len))
		return err_set(e, ERR_USAGE, "invalid ip-range %s: it is not within subnet %s", subnet_text(&p->range, text),
			       subnet_text(&p->subnet, other));
	if (p->gateway.family && !subnet_has(&p->subnet, &p->gateway))
		return err_set(e, ERR_USAGE, "invalid gateway %s: it is not within subnet %s", addr_text(&p->gateway, text),
			       subnet_text(&p->subnet, other));
	for (size_t i = 0; i < p->naux; i++)
		if (!subnet_has(&p->subnet, &p->aux[i]))
			return err_set(e, ERR_USAGE, "invalid aux-address %s: it is not within subnet %s",
				       addr_text(&p->aux[i], text), subnet_text(&p->subnet, other));
	/* RFC 3021: a /31 has two addresses and no broadcast; a /32 has one, for the container */
	if (!p->gateway.family && want_gateway && subnet_size(&p->subnet) > 1)
		p->gateway = subnet_addr(&p->subnet, subnet_size(&p->subnet) > 2);
	return 0;
}

static bool has(const struct addr *v, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (addr_eq(&v[i], a))
			return true;
	return false;
}

/* Network and broadcast address, gateway, and what the user keeps for himself. */
static bool reserved(const struct ipam_pool *p, const struct addr *a)
{
	uint32_t i = subnet_index(&p->subnet, a), size = subnet_size(&p->subnet);

	if (size > 2 && (i == 0 || (a->family == AF_INET && i == size - 1)))
		return true;
	return addr_eq(&p->gateway, a) || has(p->aux, p->naux, a);
}

bool ipam_next(const struct ipam_pool *p, const struct addr *used, size_t nused, const struct addr *last,
	       struct addr *ret)
{
	const struct subnet *from = p->range.base.family ? &p->range : &p->subnet;
	uint32_t size = subnet_size(from), tries = (uint32_t)MIN((uint64_t)size, nused + p->naux + 4);
	uint32_t i = subnet_has(from, last) ? subnet_index(from, last) + 1 : 0;

	for (uint32_t k = 0; k < tries; k++, i++) {
		struct addr a = subnet_addr(from, size == UINT32_MAX ? i : i % size);

		if (!reserved(p, &a) && !has(used, nused, &a)) {
			*ret = a;
			return true;
		}
	}
	return false;
}

int ipam_take(const struct ipam_pool *p, const struct addr *used, size_t nused, const struct addr *want, struct err *e)
{
	char text[ADDR_TEXT_MAX], other[ADDR_TEXT_MAX];

	if (!subnet_has(&p->subnet, want))
		return err_set(e, ERR_USAGE, "no configured subnet contains IP address %s", addr_text(want, text));
	if (addr_eq(&p->gateway, want) || has(used, nused, want))
		return err_set(e, ERR_CONFLICT, "Address already in use: %s", addr_text(want, text));
	if (reserved(p, want) && !has(p->aux, p->naux, want))
		return err_set(e, ERR_USAGE, "address %s is the network's own in %s", addr_text(want, text),
			       subnet_text(&p->subnet, other));
	return 0;
}
