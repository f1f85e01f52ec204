/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks for sandboxes: a network namespace as an fd, with or without a way out.
 *
 *   none     a namespace with "lo"
 *   bridge   besides, eth0 with a private IPv4 address, a default route and masquerading on the
 * host; called as users know it, though the host routes between the links of its namespaces,
 * without a bridge
 *
 * A namespace belongs to nobody but its fd: hand it to sandbox_create() as netns_fd, enter it,
 * reuse it. Whatever is made on the host goes away with the last process that uses it, killed ones
 * included (docs/ARCHITECTURE.md).
 */
#ifndef RUNTIME_NETWORK_NET_H
#define RUNTIME_NETWORK_NET_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/err.h"

enum net_kind { NET_NONE, NET_BRIDGE };

struct net;			/* one namespace */
struct net_host;		/* what the networks of this process share; used by any thread */

/* Cheap: nothing is made before the first network is. run_dir: userns_run_dir(); copied. */
void net_host_new(const char *run_dir, struct net_host **ret);
void net_host_free(struct net_host *h);	/* after the last net_close(); NULL is fine */

/* Can this process make a NET_BRIDGE at all? If not, *why says so in one line (and a hint): use the
 * host's network. */
NODISCARD bool net_can_bridge(struct err *why);

/**
 * A network for one sandbox: below 1 ms, the first NET_BRIDGE of a process some 3 ms. With reuse,
 * net_close() keeps it for the next net_open() of that kind in this process, so that a worker's RUN
 * steps share one.
 *
 * Owner:  *ret is the caller's; net_close() after the sandbox is gone.
 * Errors: ERR_DENIED (not permitted; hint), ERR_LIMIT (no address left), ERR_SYS.
 */
NODISCARD int net_open(struct net_host *h, enum net_kind kind, struct net **ret, struct err *e);
void net_close(struct net *n, bool reuse);	/* NULL is fine */

/* What every namespace of ours begins with; runs inside it (ns_net_new()). inside: a struct nl, opened there. */
NODISCARD int net_prepare(void *inside, struct err *e);

/*
 * Let a helper process, which outlives us, do what takes the kernel long: close the table, take the guard away (nft.h;
 * -1: there is none) and then, with run_dir, after a moment remove bridges that nobody uses (bridge.h). Both fds stay
 * the caller's, who closes them now.
 */
void net_retire(int table, int guard, const char *run_dir);

int net_fd(const struct net *n);		/* the namespace; borrowed */
struct in_addr net_addr(const struct net *n);	/* of eth0, or 0.0.0.0 */
struct in_addr net_gateway(const struct net *n);

#endif
