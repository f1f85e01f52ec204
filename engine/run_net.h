/* SPDX-License-Identifier: Apache-2.0 */
/* What run and create say about networks and ports: checked, and put into a container's record. */
#ifndef ENGINE_RUN_NET_H
#define ENGINE_RUN_NET_H

#include <jansson.h>

#include "base/err.h"

struct run_args;
struct store;

/* HostConfig.NetworkMode: "default", "host", "none", "container:<ID>", a network's name; owned. Errors: ERR_USAGE,
 * ERR_NOT_FOUND, ERR_CONFLICT. */
NODISCARD int run_net_mode(struct store *s, const struct run_args *a, char **mode, struct err *e);
/* HostConfig.PortBindings, PublishAllPorts; Config.ExposedPorts, MacAddress; NetworkSettings.Networks; mode:
 * run_net_mode()'s. Errors: the same. */
NODISCARD int run_net_record(struct store *s, const struct run_args *a, const char *mode, json_t *config, struct err *e);

#endif
