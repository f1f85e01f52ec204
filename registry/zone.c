/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of IPv4 and IPv6 addresses (IANA special-purpose registries), and the policy on them. */
#include "registry/zone.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static enum http_zone zone_of_v4(uint32_t a)
{
	static const struct {
		uint32_t net;
		int bits;
		enum http_zone zone;
	} nets[] = {
		{ 0x00000000, 8, ZONE_LOOPBACK },	/* "this host": the kernel connects it to itself */
		{ 0x7f000000, 8, ZONE_LOOPBACK },
		{ 0x0a000000, 8, ZONE_PRIVATE },
		{ 0x64400000, 10, ZONE_PRIVATE },	/* carrier-grade NAT */
		{ 0xac100000, 12, ZONE_PRIVATE },
		{ 0xc0000000, 24, ZONE_PRIVATE },
		{ 0xc0a80000, 16, ZONE_PRIVATE },
		{ 0xc6120000, 15, ZONE_PRIVATE },	/* benchmarks */
		{ 0xa9fe0000, 16, ZONE_LINK },		/* also where clouds keep their secrets */
		{ 0xe0000000, 3, ZONE_LINK },		/* multicast, reserved, broadcast */
	};

	for (size_t i = 0; i < countof(nets); i++)
		if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0)
			return nets[i].zone;
	return ZONE_PUBLIC;
}

static enum http_zone zone_of_v6(const uint8_t *a)
{
	static const uint8_t zero[16], nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	uint32_t v4 = (uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 | a[15];

	if (memcmp(a, zero, 15) == 0 && a[15] <= 1)
		return ZONE_LOOPBACK;
	if (memcmp(a, zero, 10) == 0 && a[10] == a[11] && (a[10] == 0xff || a[10] == 0))
		return zone_of_v4(v4);		/* mapped, compatible */
	if (memcmp(a, nat64, 12) == 0)
		return zone_of_v4(v4);
	if (a[0] == 0x20 && a[1] == 0x02)	/* 6to4 */
		return zone_of_v4((uint32_t)a[2] << 24 | (uint32_t)a[3] << 16 | (uint32_t)a[4] << 8 | a[5]);
	if ((a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0))
		return ZONE_PRIVATE;
	if ((a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || a[0] == 0xff)
		return ZONE_LINK;
	return ZONE_PUBLIC;
}

enum http_zone zone_of_address(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return zone_of_v4(ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr));
	if (a->sa_family == AF_INET6)
		return zone_of_v6(((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr);
	return ZONE_LOOPBACK;
}

static bool zone_literal(const char *host, enum http_zone *ret)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_aton(host, &four))		/* all that the resolver takes for an address: "127.1", "2130706433" */
		*ret = zone_of_v4(ntohl(four.s_addr));
	else if (inet_pton(AF_INET6, host, &six) == 1)
		*ret = zone_of_v6(six.s6_addr);
	else
		return false;
	return true;
}

bool zone_is_literal(const char *host)
{
	enum http_zone z;

	return zone_literal(host, &z);
}

enum http_zone zone_of_host(const char *host)
{
	struct str h = str_of(host);
	enum http_zone z;

	if (zone_literal(host, &z))
		return z;
	if (str_ends(h, "."))
		h.n--;
	return str_is_nocase(h, "localhost") || (h.n > 10 && str_is_nocase(str_sub(h, h.n - 10, 10), ".localhost"))
		? ZONE_LOOPBACK : ZONE_PUBLIC;
}

bool zone_allows(enum http_zone limit, enum http_zone target)
{
	return target == ZONE_PUBLIC || limit == ZONE_ANY || target == limit ||
		(limit == ZONE_LOOPBACK && target == ZONE_PRIVATE);
}

const char *zone_name(enum http_zone z)
{
	static const char *const names[] = { "a public", "a private", "a link-local", "a loopback", "any" };

	return names[z];
}
