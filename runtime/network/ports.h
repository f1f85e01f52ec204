/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports: what users write, and the host's ports that stand for it.
 *
 * Each host port is a socket that we keep open, so that no other program takes it and that a collision is noticed. It
 * also listens: what no rule leads to the container (IPv6 where the container has none, ::1) it forwards itself.
 */
#ifndef RUNTIME_NETWORK_PORTS_H
#define RUNTIME_NETWORK_PORTS_H

#include "base/err.h"
#include "runtime/network/addr.h"

struct net_loop;
struct proxy;

struct port_spec {		/* one container port, and where it shall be on the host */
	uint8_t protocol;	/* IPPROTO_x */
	uint16_t port;
	struct addr host;	/* none: every address */
	uint16_t first, last;	/* of the host; 0: any that is free */
};

struct port_specs { struct port_spec *v; size_t n; };

/*
 * Pure. "[ip:][host[-end]:]port[-end][/tcp|udp|sctp]", IPv6 in brackets, or "published=,target=,protocol=,host_ip=".
 * Appends one for each container port. Errors: ERR_USAGE, worded as Docker's.
 */
NODISCARD int port_specs_parse(const char *text, struct port_specs *ret, struct err *e);
/* "80", "80-90/udp": as in EXPOSE and --expose; the host's part is any. */
NODISCARD int port_specs_expose(const char *text, struct port_specs *ret, struct err *e);
void port_specs_add(struct port_specs *l, struct port_spec p);
static inline void port_specs_done(struct port_specs *l) { free(l->v); *l = (struct port_specs){ 0 }; }
#define auto_port_specs __attribute__((cleanup(port_specs_done)))
const char *port_protocol_name(uint8_t protocol);	/* "tcp" */
bool port_protocol_parse(struct str s, uint8_t *ret);

struct port {			/* one that is had: on one address of the host, or on all of one family */
	uint8_t protocol;
	uint16_t port, host_port;
	struct addr host;	/* 0.0.0.0, ::, or one address */
	int fd;			/* -1: SCTP, which is only a rule */
	struct proxy *proxy;	/* NULL: not served */
};

struct ports { struct port *v; size_t n; };

/* Take the host's ports; six: also on all IPv6 addresses where every address is asked for. Errors: ERR_CONFLICT
 * ("Bind for 0.0.0.0:80 failed: port is already allocated"), ERR_SYS; then none is held. */
NODISCARD int ports_take(const struct port_specs *want, bool six, struct ports *ret, struct err *e);
/* Forward what comes to the sockets themselves to this address, while the loop works; or no longer, with none. */
NODISCARD int ports_serve(struct ports *p, struct net_loop *l, const struct addr *to, struct err *e);
void ports_done(struct ports *p);

#endif
