/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of a container's /etc/resolv.conf and /etc/hosts. */
#ifndef RUNTIME_NETWORK_RESOLV_H
#define RUNTIME_NETWORK_RESOLV_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct resolv {			/* what a user asked for; all may be empty */
	struct strv dns, search, options;	/* --dns, --dns-search ("." : none), --dns-opt */
};

/* Where a container asks when the host's name servers are all on its loopback: net.c leads it
 * there. */
#define RESOLV_REDIRECT "169.254.53.53"

/*
 * Pure: the container's resolv.conf from the host's text. With its own network (own_net), which has
 * no IPv6, the host's loopback and IPv6 servers cannot be reached: they are left out. asked may be
 * NULL. Returns how many name servers it has.
 */
size_t resolv_text(struct str host, bool own_net, const struct resolv *asked, struct buf *ret);
/* Pure: the first IPv4 loopback name server, or 0.0.0.0. */
struct in_addr resolv_loopback(struct str host);

/* The host's own text: /etc/resolv.conf or, where that names systemd-resolved's stub, the list of
 * the real servers that it keeps. A missing file is an empty one. */
NODISCARD int resolv_host_read(struct buf *ret, struct err *e);
/* resolv_text() of it; RESOLV_REDIRECT where own_net leaves no server but the host has one on its
 * loopback. */
NODISCARD int resolv_host_text(bool own_net, const struct resolv *asked, struct buf *ret,
			       struct err *e);

/*
 * /etc/hosts: localhost, each of extra ("name:address", as --add-host has it; NULL: none), then
 * "addr hostname" unless addr is 0.0.0.0. Errors: ERR_USAGE (an extra that is not such a pair).
 */
NODISCARD int hosts_text(struct in_addr addr, const char *hostname, const struct strv *extra,
			 struct buf *ret, struct err *e);

#endif
