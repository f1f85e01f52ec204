/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name server of one container: at 127.0.0.11 in its namespace, by UDP and TCP. It knows who is on the container's
 * networks (endpoint.h); all else it asks the host's name servers from the host's namespace, or those that were asked
 * for (--dns) from the container's.
 *
 * Port 53 stays free for the container's own use: the packet filter leads 127.0.0.11:53 to ports of ours.
 */
#ifndef RUNTIME_NETWORK_DNS_H
#define RUNTIME_NETWORK_DNS_H

#include "base/err.h"
#include "base/str.h"

struct dns;
struct net_loop;

struct dns_net {
	const char *name;	/* copied */
	int dir;		/* its endpoints' directory; borrowed */
};

/* servers: --dns; empty: the host's. Errors: ERR_SYS. */
NODISCARD int dns_new(struct net_loop *l, int netns, const struct strv *servers, struct dns **ret, struct err *e);
/* The networks it answers for. out false: none leads out, so the host's servers are not asked. */
void dns_set(struct dns *d, const struct dns_net *nets, size_t n, bool out);
void dns_free(struct dns *d);		/* NULL is fine */

#endif
