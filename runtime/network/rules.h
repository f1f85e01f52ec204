/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet filter rules of one container: a table of its own, which the kernel ties to a socket of its owner
 * (NFT_TABLE_F_OWNER). So nothing is left, however the owner ends, and no other program's flush takes it away.
 *
 *   raw          from its bridges to the host's loopback: drop (route_localnet lets them in)
 *   forward      to its addresses: answers, from the same bridge, by a published port; all else is dropped. From its
 *                address on an internal network: only within that
 *   prerouting, output   published ports: to the container
 *   postrouting  from it by other links: masquerade. What a published port sent back to its own network, or the host's
 *                loopback sent: so, too, or the answers would miss us
 */
#ifndef RUNTIME_NETWORK_RULES_H
#define RUNTIME_NETWORK_RULES_H

#include "runtime/network/addr.h"
#include "runtime/network/netlink.h"

struct rules_end {		/* one address on one bridge */
	const char *bridge;
	struct addr addr;
	struct subnet subnet;
	bool internal, masquerade;
	bool routed;		/* ports are reached at its own address (gateway mode "routed") */
};

struct rules_port {
	uint8_t protocol;	/* IPPROTO_x */
	struct addr host;	/* any, or one of the host's addresses; none: of no host's, for routed */
	uint16_t host_port;
	struct addr to;
	uint16_t port;
};

struct rules {
	const char *name;	/* of the table */
	const struct rules_end *ends;
	size_t nends;
	const struct rules_port *ports;
	size_t nports;
};

/* Make the table or, with replace, put it in place of the old one; both happen as a whole. s: a netfilter socket,
 * the table's life. Errors: ERR_DENIED, ERR_NOT_FOUND (a kernel without the parts), ERR_SYS. */
NODISCARD int rules_apply(struct nl *s, const struct rules *r, bool replace, struct err *e);

/* In a container's namespace: what is sent to 127.0.0.11 port 53 goes to these ports there, for as long as the namespace lives. */
NODISCARD int rules_dns(struct nl *s, const struct addr *asked, uint16_t udp, uint16_t tcp, struct err *e);

#endif
