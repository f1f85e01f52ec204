/* SPDX-License-Identifier: Apache-2.0 */
/* Forwards what arrives at a published port's own socket: TCP connections by splice(2), UDP by client. */
#ifndef RUNTIME_NETWORK_PROXY_H
#define RUNTIME_NETWORK_PROXY_H

#include "runtime/network/addr.h"
#include "runtime/network/loop.h"

struct proxy;

/* fd: listening (TCP) or bound (UDP), not blocking; stays the caller's, open for longer than *ret. */
NODISCARD int proxy_new(struct net_loop *l, int fd, uint8_t protocol, const struct addr *to, uint16_t port,
			struct proxy **ret, struct err *e);
void proxy_free(struct proxy *p);		/* with all its connections; NULL is fine */

#endif
