/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a container from its record: bridge, user-defined networks, host, none, another container's.
 * All of it is read from config.json in Docker's shape: HostConfig.NetworkMode, PortBindings, PublishAllPorts, Dns,
 * DnsSearch, DnsOptions, ExtraHosts; Config.Hostname, Domainname, ExposedPorts; NetworkSettings.Networks.
 *
 * What was assigned is told to other processes by run_dir/containers/<id>/network.json: a NetworkSettings object.
 */
#ifndef RUNTIME_CONTAINER_NETWORK_H
#define RUNTIME_CONTAINER_NETWORK_H

#include <jansson.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/event.h"

struct container;
struct container_net;
struct spec;

struct container_net_args {
	const char *store;		/* store_path() */
	const char *run_dir, *id;
	const json_t *config;
	struct sink *sink;		/* warnings; may be NULL */
};

/**
 * Make namespace, links, rules, host ports, name server; before sandbox_create(). Everything belongs to this process,
 * and goes away with it (runtime/network/plug.h). An ordinary user gets pasta or slirp4netns, or the host's network
 * and a warning.
 * Errors: ERR_NOT_FOUND ("network x not found", a container that is not there), ERR_CONFLICT (port, address), ERR_USAGE,
 * ERR_DENIED, ERR_SYS.
 */
NODISCARD int container_net_open(const struct container_net_args *a, struct container_net **ret, struct err *e);
void container_net_close(struct container_net *n);	/* NULL is fine */

/* Sets net, netns_fd, hosts, resolv_conf, which stay n's. */
void container_net_spec(const struct container_net *n, struct spec *sp);
/* Process 1 runs: its /etc/hosts can be kept up to date, and for users the connection is made. */
NODISCARD int container_net_started(struct container_net *n, pid_t pid, struct err *e);

int container_net_fd(const struct container_net *n);	/* readable: call container_net_work(); -1: never */
void container_net_work(struct container_net *n);

/* The record changed: connect, disconnect, rename. On error what was there stays. */
NODISCARD int container_net_reload(struct container_net *n, const json_t *config, struct err *e);

/* NetworkSettings for inspect, owned: as assigned if running, else as wished. */
json_t *container_net_settings(const char *run_dir, const char *id, const json_t *config, bool running);

#endif
