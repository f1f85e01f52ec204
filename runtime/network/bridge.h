/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bridge of a network on this host: it exists while some endpoint is on the network, made by the first, removed by
 * the last. What killed processes leave (a bridge without ports) the next command's sweep removes.
 */
#ifndef RUNTIME_NETWORK_BRIDGE_H
#define RUNTIME_NETWORK_BRIDGE_H

#include <net/if.h>

#include "runtime/network/endpoint.h"
#include "runtime/network/netdef.h"
#include "runtime/network/netlink.h"

struct bridge {
	char name[IF_NAMESIZE];
	int index;
	uint32_t mtu;			/* of its links; 0: the default */
	struct ipam_pool four, six;	/* no family: none. aux is the definition's */
};

/* Its link's name: "tare0" for the default network, "tare-" and ten digits of the ID, or the driver's option. */
void bridge_name(const struct netdef *d, char ret[static IF_NAMESIZE]);
/* The addresses of the default network are chosen when it comes up, and stay until the host restarts. dir: its
 * endpoints' (endpoint_dir()); false: not known yet. */
bool bridge_default_pool(int dir, struct ipam_pool *ret);

/* The address that was given last on this network: so that one that was just freed is not given again at once. */
void bridge_last(int dir, uint8_t family, struct addr *ret);
void bridge_set_last(int dir, const struct addr *a);

/* Make it, if it is not there. top's lock is held. Errors: ERR_CONFLICT (its addresses are routed elsewhere; none is
 * left), ERR_DENIED, ERR_SYS. */
NODISCARD int bridge_up(struct nl *links, int top, int dir, const struct netdef *d, struct bridge *ret, struct err *e);
/* Remove it unless it has endpoints; the lock is held. */
void bridge_down(struct nl *links, int top, const char *network, const char *name);

/* Remove what nobody uses any more; cheap if there is nothing. If somebody is going to, it is left to him. */
void network_sweep(const char *run_dir);
/* The right to be that one: a fd, to be closed before network_sweep(); -1: there is one already. */
int network_reaper(const char *run_dir);
/* One network's bridge, now. */
void network_sweep_one(const char *run_dir, const char *network);

/* A setting of one link; a kernel without that protocol has no such file, and needs none. */
NODISCARD int sysctl_link(const char *family, const char *link, const char *key, const char *value, struct err *e);
NODISCARD int sysctl_write(const char *path, const char *value, struct err *e);
bool sysctl_is(const char *path, char value);

#endif
