/* SPDX-License-Identifier: Apache-2.0 */
/* Links, addresses and routes by rtnetlink, in the namespace that the socket was opened in. */
#ifndef RUNTIME_NETWORK_LINK_H
#define RUNTIME_NETWORK_LINK_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "runtime/network/netlink.h"

#define LINK_LOOPBACK 1			/* index of "lo" in every namespace */

struct link_prefix { uint32_t addr; uint8_t len; };	/* host byte order; 10.1.0.0/16 */

NODISCARD int link_up(struct nl *s, int index, struct err *e);
/* A veth pair, both ends down: `name` here, `peer` in the namespace netns. mtu 0: the default.
 * sys EEXIST: the name is taken. */
NODISCARD int link_add_veth(struct nl *s, const char *name, const char *peer, int netns,
			    uint32_t mtu, struct err *e);
NODISCARD int link_index(struct nl *s, const char *name, int *ret, struct err *e);
/* A point-to-point address: a route to the other end comes with it. Then sets the link up. */
NODISCARD int link_add_addr(struct nl *s, int index, struct in_addr own, struct in_addr other,
			    struct err *e);
NODISCARD int link_add_default(struct nl *s, int index, struct in_addr gateway, struct err *e);
bool link_permitted(struct nl *s);	/* may we change links in this namespace? */

/* Pure: is there an address in both? */
bool link_overlap(struct link_prefix a, struct link_prefix b);

/* What is routed here and overlaps within, except everything ("default"), and except by links whose
 * name begins with skip. *ret: owned. *mtu: of the link that the default route uses, 0 if there is
 * none. */
NODISCARD int link_routes(struct nl *s, struct link_prefix within, const char *skip,
			  struct link_prefix **ret, size_t *n, uint32_t *mtu, struct err *e);

#endif
