/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink by hand: messages collected in one buffer, sent at once, each answered in order.
 * A socket belongs to the network namespace that its thread was in when it was opened.
 */
#ifndef RUNTIME_NETWORK_NETLINK_H
#define RUNTIME_NETWORK_NETLINK_H

#include <linux/netlink.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct nl {			/* a socket; nl_open() and nl_close() */
	int fd;
	uint32_t seq;
};

struct nl_batch {		/* { 0 } is a valid empty one */
	struct buf b;
	size_t msg;		/* offset of the message being made */
	size_t n;		/* messages that ask for an answer */
};

NODISCARD int nl_open(int protocol, struct nl *ret, struct err *e);
void nl_close(struct nl *s);		/* fd -1 is fine */

/* Begin a message: type, NLM_F_x besides NLM_F_REQUEST, and its fixed part of n bytes. */
void nl_begin(struct nl_batch *b, uint16_t type, uint16_t flags, const void *fixed, size_t n);
void nl_end(struct nl_batch *b);	/* every message ends so */
void nl_attr(struct nl_batch *b, uint16_t type, const void *p, size_t n);
void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v);	/* in host order */
void nl_attr_be32(struct nl_batch *b, uint16_t type, uint32_t v);	/* sent in network order */
void nl_attr_str(struct nl_batch *b, uint16_t type, const char *s);	/* with its NUL */
/* Begin a nested attribute; returns what nl_unnest() needs. */
size_t nl_nest(struct nl_batch *b, uint16_t type);
void nl_unnest(struct nl_batch *b, size_t at);

/*
 * Send what is in *b and wait for every answer that was asked for by NLM_F_ACK. The first refusal
 * is the error: ERR_DENIED (EPERM), ERR_SYS with its errno. *b is empty afterwards.
 */
NODISCARD int nl_send(struct nl *s, struct nl_batch *b, struct err *e);

/* Called for each message of a dump: type, the payload after the header. */
typedef void nl_fn(void *arg, uint16_t type, const void *p, size_t n);
/* Send the one dump request in *b and hand all answers to fn. sys EINTR: what is listed changed
 * meanwhile. */
NODISCARD int nl_dump(struct nl *s, struct nl_batch *b, nl_fn *fn, void *arg, struct err *e);

/* The attribute of this type in the attributes at p; NULL if there is none. */
const struct nlattr *nl_find(const void *p, size_t n, uint16_t type);
static inline const void *nl_data(const struct nlattr *a) { return (const char *)a + NLA_HDRLEN; }
static inline size_t nl_size(const struct nlattr *a) { return a->nla_len - NLA_HDRLEN; }

#endif
