/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and subnets of both families as values: pure. */
#ifndef RUNTIME_NETWORK_ADDR_H
#define RUNTIME_NETWORK_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/str.h"

#define ADDR_TEXT_MAX 52	/* an IPv6 address, "/128" and NUL */

struct addr {			/* { 0 } is none */
	uint8_t family;		/* AF_INET, AF_INET6, or 0 */
	uint8_t b[16];		/* network order; IPv4 has the first four */
};

struct subnet {
	struct addr base;	/* its host bits are zero */
	uint8_t len;		/* of the prefix, bits */
};

#define MAC_TEXT_MAX 18
struct mac { uint8_t b[6]; };	/* all zero: none */

static inline size_t addr_size(const struct addr *a) { return a->family == AF_INET6 ? 16 : 4; }
bool addr_parse(struct str s, struct addr *ret);	/* no scope, no prefix; brackets around IPv6 are fine */
const char *addr_text(const struct addr *a, char ret[static ADDR_TEXT_MAX]);	/* "" for none */
int addr_cmp(const struct addr *a, const struct addr *b);
static inline bool addr_eq(const struct addr *a, const struct addr *b) { return addr_cmp(a, b) == 0; }
bool addr_is_any(const struct addr *a);			/* 0.0.0.0, :: */
bool addr_is_loopback(const struct addr *a);
/* Returns the length of what it fills. */
socklen_t addr_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret);
struct addr addr_of_sockaddr(const struct sockaddr_storage *ss);

/* "10.1.2.3/16": host bits are cut off. bare: an address without a prefix is a subnet of one. */
bool subnet_parse(struct str s, bool bare, struct subnet *ret);
const char *subnet_text(const struct subnet *n, char ret[static ADDR_TEXT_MAX]);
bool subnet_has(const struct subnet *n, const struct addr *a);
bool subnet_overlap(const struct subnet *a, const struct subnet *b);
/* How many addresses, at most UINT32_MAX; the last one: IPv4's broadcast. */
uint32_t subnet_size(const struct subnet *n);
struct addr subnet_addr(const struct subnet *n, uint32_t i);	/* the i-th address */
uint32_t subnet_index(const struct subnet *n, const struct addr *a);	/* inverse; a is within, low 32 bits */

bool mac_parse(struct str s, struct mac *ret);		/* "02:42:ac:11:00:02", or with '-' */
const char *mac_text(const struct mac *m, char ret[static MAC_TEXT_MAX]);	/* "" for none */
bool mac_is_none(const struct mac *m);

#endif
