/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet filter rules of this process's networks: one nftables table that the kernel ties to
 * our socket (NFT_TABLE_F_OWNER): however this process ends, the table goes with it.
 *
 *   forward      from our links: accept; to our links: only answers
 *   postrouting  from our subnet out by other links: masquerade
 *   prerouting   a name server on the host's loopback: what is sent to `asked`, port 53, goes there
 * (if there is a resolver)
 */
#ifndef RUNTIME_NETWORK_NFT_H
#define RUNTIME_NETWORK_NFT_H

#include <netinet/in.h>
#include <stdbool.h>

#include "runtime/network/netlink.h"

struct nft_table {
	const char *link;	/* what our links' names begin with */
	struct in_addr subnet;	/* a /24 */
	struct in_addr asked;	/* RESOLV_REDIRECT */
	struct in_addr resolver;	/* in 127.0.0.0/8, or 0.0.0.0: none */
};

/*
 * Make the table; it lives as long as *s. Errors: ERR_DENIED, ERR_NOT_FOUND (a kernel without the
 * needed parts), ERR_SYS.
 */
NODISCARD int nft_open(const struct nft_table *t, struct nl *s, struct err *e);

/*
 * Where the host's own firewall may drop what we forward (a base chain of another table on the
 * forward hook, with policy drop or with rules; likewise on the input hook for the resolver),
 * nft_guard() puts an accept for our links in front, and returns a lock: a fd, shared by all processes
 * that need it; -1: there is no such chain. nft_unguard() takes these rules out again, also those that a
 * killed process left, if nobody else holds the lock; then close the fd. s: a netfilter socket that is open
 * anyway, since the kernel takes long to close one. Both are best effort: what
 * cannot be changed stays.
 */
int nft_guard(const char *run_dir, struct in_addr resolver, struct nl *s);
void nft_unguard(int guard);
void nft_guard_sweep(const char *run_dir);	/* those of killed processes alone */

#endif
