/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions that the container's name server passes on: to up to three servers in turn, by the transport that the
 * client used, each from a new port and with a new ID.
 */
#ifndef RUNTIME_NETWORK_DNS_FORWARD_H
#define RUNTIME_NETWORK_DNS_FORWARD_H

#include "base/err.h"
#include "base/str.h"

struct dns_forward;
struct dns_ask;
struct net_loop;

NODISCARD int dns_forward_new(struct net_loop *l, int netns, const struct strv *servers, struct dns_forward **ret,
			      struct err *e);
void dns_forward_set(struct dns_forward *f, bool out);	/* may the host's servers be asked? */
void dns_forward_free(struct dns_forward *f);		/* all questions end, as if cancelled */

/* p NULL: it was cancelled. Else the answer, or SERVFAIL; always called once, perhaps before dns_forward_ask() returns:
 * then that returns NULL. */
typedef void dns_done_fn(void *arg, const void *p, size_t n);
struct dns_ask *dns_forward_ask(struct dns_forward *f, bool tcp, const void *p, size_t n, dns_done_fn *fn, void *arg);
void dns_forward_cancel(struct dns_ask *a);		/* NULL is fine */

#endif
