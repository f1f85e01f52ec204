/* SPDX-License-Identifier: Apache-2.0 */
/* A container's record and its network: what is wished, read; what was assigned, as Docker's NetworkSettings. */
#ifndef RUNTIME_CONTAINER_NET_RECORD_H
#define RUNTIME_CONTAINER_NET_RECORD_H

#include <jansson.h>

#include "runtime/network/plug.h"

struct net_wishes { struct plug_wish *v; size_t n; };

/* networks: a fd of the store's networks/. mode: HostConfig.NetworkMode. */
NODISCARD int net_record_wishes(int networks, const json_t *config, const char *id, struct net_wishes *ret, struct err *e);
void net_wishes_done(struct net_wishes *w);
#define auto_net_wishes __attribute__((cleanup(net_wishes_done)))

/* PortBindings, and with PublishAllPorts the exposed ones that have none. */
NODISCARD int net_record_ports(const json_t *config, struct port_specs *ret, struct err *e);
/* HostConfig's list of texts; appended. */
void net_record_list(const json_t *config, const char *key, struct strv *ret);
const char *net_record_mode(const json_t *config);		/* never NULL: "bridge" for "default" and none */

/* a NULL: nothing is assigned (not running; host, none). */
json_t *net_record_settings(const json_t *config, const char *id, const struct plug *a);

#endif
