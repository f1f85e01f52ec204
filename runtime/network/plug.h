/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of one container: a network namespace, its endpoints on bridges, published ports, name server.
 *
 * Whatever is made belongs to this process by descriptors, so that the kernel takes it away when the process is
 * killed: links (with the namespace), rules (rules.h), host ports, locks of endpoints (endpoint.h). What is then left
 * is a bridge without ports and files without locks, for network_sweep(). Knows no containers: an ID is a text.
 */
#ifndef RUNTIME_NETWORK_PLUG_H
#define RUNTIME_NETWORK_PLUG_H

#include "runtime/network/bridge.h"
#include "runtime/network/ports.h"

#define PLUG_DNS "127.0.0.11"		/* where a container's name server is */

struct plug;

struct plug_wish {		/* one endpoint */
	struct netdef *net;	/* taken */
	struct strv names;	/* aliases and host name; copied */
	struct addr ip, ip6;	/* none: any */
	struct mac mac;		/* none: made from the address */
	int64_t priority;	/* the highest has the default route; of equal ones the first by name */
	const char *ifname;	/* NULL: eth0, eth1... */
};

struct plug_who {		/* all copied */
	const char *run_dir, *id, *name;
	const struct strv *dns;	/* servers asked for; NULL or empty: the host's */
	bool ports_v6;		/* publish on all IPv6 addresses, too */
};

/* The namespace alone, with lo up; add endpoints next. Errors: ERR_DENIED, ERR_SYS. */
NODISCARD int plug_new(const struct plug_who *who, struct plug **ret, struct err *e);
/*
 * Bring endpoints and ports to what is wished: what is there and wished stays as it is. All or nothing for one
 * endpoint: after an error what was there before still is, unless it was not wished any more.
 * Errors: ERR_CONFLICT (address or port in use), ERR_USAGE (address not in the subnet), ERR_LIMIT, ERR_DENIED, ERR_SYS.
 */
NODISCARD int plug_update(struct plug *a, struct plug_wish *wishes, size_t n, const struct port_specs *ports,
			    struct err *e);
NODISCARD int plug_rename(struct plug *a, const char *name, struct err *e);
void plug_free(struct plug *a);	/* NULL is fine */

int plug_netns(const struct plug *a);	/* the namespace; borrowed */
int plug_fd(const struct plug *a);		/* readable: call plug_work(); -1 while nothing is served */
void plug_work(struct plug *a);

struct plug_end {		/* what an endpoint got */
	struct netdef *net;
	struct bridge bridge;
	char host[IF_NAMESIZE], inside[IF_NAMESIZE];	/* the links' names */
	int index;		/* of the inner link */
	struct endpoint ep;	/* addresses */
	struct addr want, want6;	/* as wished */
	int64_t priority;
	int dir, lock;
	bool gateway4, gateway6;	/* has the default route */
};

size_t plug_count(const struct plug *a);
const struct plug_end *plug_get(const struct plug *a, size_t i);
const struct ports *plug_ports(const struct plug *a);
bool plug_has_dns(const struct plug *a);	/* it is on a network with names */

void plug_wish_done(struct plug_wish *w);

#endif
