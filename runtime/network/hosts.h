/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/hosts and /etc/resolv.conf of containers with networks of their own: pure. */
#ifndef RUNTIME_NETWORK_HOSTS_H
#define RUNTIME_NETWORK_HOSTS_H

#include "base/err.h"
#include "runtime/network/addr.h"
#include "runtime/network/resolv.h"

struct hosts {
	bool six;			/* there is IPv6 besides loopback */
	struct addr gateway;		/* "host-gateway" of extra hosts, and host.docker.internal; none: unknown */
	const struct strv *extra;	/* "name:address" or "name=address", as --add-host has it */
	const struct strv *own;		/* whole lines: "10.1.2.3\tname short" */
};

/* Errors: ERR_USAGE (an extra that is not such a pair). */
NODISCARD int hosts_print(const struct hosts *h, struct buf *ret, struct err *e);
/* The lines that come and go with networks are exchanged; all else, also what users wrote, stays. */
void hosts_change(struct str text, const struct strv *old, const struct strv *new, struct buf *ret);
/* One pair is well-formed; "host-gateway" is, too. */
NODISCARD int hosts_check(const char *pair, struct err *e);

/* resolv.conf with our own name server in front; host: the host's text. Comments tell where the rest comes from, in
 * Docker's words, which people and tests look for. */
void resolv_internal(struct str host, const struct resolv *asked, const char *server, struct buf *ret);

#endif
