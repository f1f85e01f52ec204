/* SPDX-License-Identifier: Apache-2.0 */
/* Network and mount namespaces by fd: make one, or do something inside one, from any thread. */
#ifndef RUNTIME_SANDBOX_NS_H
#define RUNTIME_SANDBOX_NS_H

#include "base/err.h"

/* Called in a short-lived thread of its own; its error becomes the caller's. May be NULL. */
typedef int ns_fn(void *arg, struct err *e);

/*
 * A new network namespace, its "lo" down; fn runs inside. *ret is the caller's fd: the namespace
 * goes away with the last fd and process. Errors: ERR_DENIED, ERR_SYS, fn's.
 */
NODISCARD int ns_net_new(ns_fn *fn, void *arg, int *ret, struct err *e);
/* Run fn inside the network namespace fd. */
NODISCARD int ns_net_in(int fd, ns_fn *fn, void *arg, struct err *e);
/* The same with mount namespaces. A new one has our mounts, private; its mounts stay as long as *ret is open, and are
 * reached by fds that fn opens. */
NODISCARD int ns_mounts_new(ns_fn *fn, void *arg, int *ret, struct err *e);
NODISCARD int ns_mounts_in(int fd, ns_fn *fn, void *arg, struct err *e);

#endif
