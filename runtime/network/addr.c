/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and subnets of both families as values: pure. */
#include "runtime/network/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

bool addr_parse(struct str s, struct addr *ret)
{
	char text[INET6_ADDRSTRLEN];
	struct addr a = { 0 };

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_sub(s, 1, s.n - 2);
	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	a.family = memchr(s.p, ':', s.n) ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, text, a.b) != 1)
		return false;
	*ret = a;
	return true;
}

const char *addr_text(const struct addr *a, char ret[static ADDR_TEXT_MAX])
{
	if (!a->family || !inet_ntop(a->family, a->b, ret, ADDR_TEXT_MAX))
		ret[0] = '\0';
	return ret;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return a->family ? memcmp(a->b, b->b, addr_size(a)) : 0;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return a->family && memcmp(a->b, zero, addr_size(a)) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == AF_INET ? a->b[0] == 127 : a->family == AF_INET6 && memcmp(a->b, one, 16) == 0;
}

socklen_t addr_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };

	memset(ret, 0, sizeof(*ret));
	if (a->family == AF_INET6) {
		memcpy(&six.sin6_addr, a->b, 16);
		memcpy(ret, &six, sizeof(six));
		return sizeof(six);
	}
	memcpy(&four.sin_addr, a->b, 4);
	memcpy(ret, &four, sizeof(four));
	return sizeof(four);
}

struct addr addr_of_sockaddr(const struct sockaddr_storage *ss)
{
	struct addr a = { .family = (uint8_t)ss->ss_family };

	if (ss->ss_family == AF_INET)
		memcpy(a.b, &((const struct sockaddr_in *)(const void *)ss)->sin_addr, 4);
	else if (ss->ss_family == AF_INET6)
		memcpy(a.b, &((const struct sockaddr_in6 *)(const void *)ss)->sin6_addr, 16);
	else
		a.family = 0;
	return a;
}

/* ---- subnets ---- */

static void cut_bits(struct addr *a, uint8_t len)
{
	for (size_t i = 0; i < addr_size(a); i++) {
		unsigned keep = len > i * 8 ? MIN(8u, len - (unsigned)i * 8) : 0;

		a->b[i] &= (uint8_t)(0xff00u >> keep);
	}
}

bool subnet_parse(struct str s, bool bare, struct subnet *ret)
{
	struct str rest = s, host = str_cut(&rest, '/');
	struct subnet n = { 0 };
	uint64_t len;

	if (!addr_parse(host, &n.base))
		return false;
	len = addr_size(&n.base) * 8;
	if (rest.p ? !str_to_u64(rest, 10, &len) || len > addr_size(&n.base) * 8 : !bare)
		return false;
	n.len = (uint8_t)len;
	cut_bits(&n.base, n.len);
	*ret = n;
	return true;
}

const char *subnet_text(const struct subnet *n, char ret[static ADDR_TEXT_MAX])
{
	addr_text(&n->base, ret);
	if (*ret)
		snprintf(ret + strlen(ret), ADDR_TEXT_MAX - strlen(ret), "/%u", n->len);
	return ret;
}

bool subnet_has(const struct subnet *n, const struct addr *a)
{
	struct addr cut = *a;

	if (!a->family || a->family != n->base.family)
		return false;
	cut_bits(&cut, n->len);
	return addr_eq(&cut, &n->base);
}

bool subnet_overlap(const struct subnet *a, const struct subnet *b)
{
	return a->len <= b->len ? subnet_has(a, &b->base) : subnet_has(b, &a->base);
}

uint32_t subnet_size(const struct subnet *n)
{
	unsigned bits = (unsigned)addr_size(&n->base) * 8 - n->len;

	return bits >= 32 ? UINT32_MAX : UINT32_C(1) << bits;
}

static uint32_t low_bits(const struct addr *a)
{
	uint32_t low;

	memcpy(&low, a->b + addr_size(a) - 4, 4);
	return ntohl(low);
}

struct addr subnet_addr(const struct subnet *n, uint32_t i)
{
	struct addr a = n->base;
	uint32_t low = htonl(low_bits(&a) + i);

	memcpy(a.b + addr_size(&a) - 4, &low, 4);
	return a;
}

uint32_t subnet_index(const struct subnet *n, const struct addr *a)
{
	return low_bits(a) - low_bits(&n->base);
}

/* ---- hardware addresses ---- */

bool mac_parse(struct str s, struct mac *ret)
{
	struct mac m;

	if (s.n != 17)
		return false;
	for (size_t i = 0; i < 6; i++) {
		uint64_t v;

		if (!str_to_u64(str_sub(s, i * 3, 2), 16, &v) || (i < 5 && s.p[i * 3 + 2] != ':' && s.p[i * 3 + 2] != '-'))
			return false;
		m.b[i] = (uint8_t)v;
	}
	*ret = m;
	return true;
}

const char *mac_text(const struct mac *m, char ret[static MAC_TEXT_MAX])
{
	ret[0] = '\0';
	if (!mac_is_none(m))
		snprintf(ret, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1], m->b[2], m->b[3], m->b[4],
			 m->b[5]);
	return ret;
}

bool mac_is_none(const struct mac *m)
{
	static const struct mac none;

	return memcmp(m, &none, sizeof(none)) == 0;
}
