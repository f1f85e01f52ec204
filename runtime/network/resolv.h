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

/*
 * The container's resolv.conf from the host's. With its own network (own_net) the host's loopback servers cannot be
 * reached: they are left out. Returns how many name servers are in it.
 */
size_t resolv_text(struct str host, bool own_net, const struct resolv *r, struct buf *ret);

/* The same from this machine's files: /etc/resolv.conf or, where that names only systemd-resolved's loopback address,
 * the list that systemd-resolved keeps of the real ones. A missing file is an empty one. */
NODISCARD int resolv_host_text(bool own_net, const struct resolv *r, struct buf *ret, struct err *e);

/*
 * /etc/hosts: localhost, then "addr hostname" (addr 0: 127.0.1.1-style line is left out), then each of extra
 * ("name:address", as --add-host has it). Errors: ERR_USAGE (an extra that is not such a pair).
 */
NODISCARD int hosts_text(struct in_addr addr, const char *hostname, const struct strv *extra, struct buf *ret,
			 struct err *e);

#endif
