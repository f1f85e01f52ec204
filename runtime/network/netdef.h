/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks as users define them: networks/<64 hex digits>.json in the store, in the shape of Docker's inspect,
 * written once and never changed. Three need no file: bridge, host, none.
 *
 * Names are made unique under flock(2) of networks/.lock; whoever dies leaves at most a temporary file.
 */
#ifndef RUNTIME_NETWORK_NETDEF_H
#define RUNTIME_NETWORK_NETDEF_H

#include <jansson.h>

#include "runtime/network/ipam.h"

#define NETDEF_ID_MAX 65
#define NETDEF_POOLS 8			/* subnets of one network */

struct netdef {
	json_t *json;			/* all of it; the texts below are its */
	const char *id, *name, *driver;	/* driver: bridge, overlay, host, null */
	bool internal, ipv6, ipv4, predefined;
	struct ipam_pool pools[NETDEF_POOLS];
	size_t npools;
};

/* Fill in what Docker's inspect has besides: flags that are off, empty maps. */
void netdef_defaults(json_t *json);
/* Takes json; ERR_CORRUPT. */
NODISCARD int netdef_new(json_t *json, struct netdef **ret, struct err *e);
void netdef_free(struct netdef *d);
static inline void netdef_cleanup(struct netdef **d) { netdef_free(*d); }
#define auto_netdef __attribute__((cleanup(netdef_cleanup)))

/* The first pool of this family; NULL: none. */
const struct ipam_pool *netdef_pool(const struct netdef *d, uint8_t family);
/* An option of the driver ("com.docker.network.driver.mtu"), or NULL. */
const char *netdef_option(const struct netdef *d, const char *key);
bool netdef_is_default(const struct netdef *d);		/* the network "bridge" */

/* dir: networks/ of a store. By ID, name, or unique start of an ID, in this order. ERR_NOT_FOUND, ERR_CONFLICT. */
NODISCARD int netdef_find(int dir, const char *ref, struct netdef **ret, struct err *e);
struct netdefs { struct netdef **v; size_t n; };
/* All, the predefined ones too, by name. Damaged files are left out. */
NODISCARD int netdef_list(int dir, struct netdefs *ret, struct err *e);
void netdefs_done(struct netdefs *l);
#define auto_netdefs __attribute__((cleanup(netdefs_done)))

int netdef_lock(int dir, struct err *e);		/* the fd of a lock, or -1; close it */
/* Both under the lock. add: the name must be free (netdef_list()). */
NODISCARD int netdef_add(int dir, const struct netdef *d, struct err *e);
NODISCARD int netdef_remove(int dir, const char *id, struct err *e);

#endif
