/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store as a registry that can only be read: distribution-spec, "Pull" and "Listing Tags". Names are what they are
 * in the store: ADDR/alpine is docker.io/library/alpine, ADDR/ghcr.io/o/app is ghcr.io/o/app. Only what belongs to an
 * image is given out, layers uncompressed.
 *
 * One thread for each of at most SERVE_CLIENTS connections. Clients that are slow to ask or to read, or ask for too
 * much at once, are dropped; none of them can make it use more memory.
 */
#ifndef REGISTRY_SERVE_H
#define REGISTRY_SERVE_H

#include "base/task.h"

#define SERVE_CLIENTS 32
#define SERVE_HEAD_MAX ((size_t)16 << 10)	/* bytes of a request's head */
#define SERVE_HEAD_MS 15000			/* until it has come, also on an idle connection */
#define SERVE_SEND_MS 60000			/* without a byte taken */

struct store;

/* A listening socket for "ADDR:PORT", ":PORT", "[::1]:PORT"; port 0 takes a free one. *ret is the caller's; name (may be NULL)
 * gets "ADDR:PORT". Errors: ERR_USAGE, ERR_SYS. */
#define SERVE_NAME_MAX 80
NODISCARD int serve_listen(const char *address, int *ret, char name[SERVE_NAME_MAX], struct err *e);
/* Serve until the job is cancelled, which is no error. Each request is told as an event note. Errors: ERR_SYS. */
NODISCARD int serve_run(struct job *j, struct store *s, int listener, struct err *e);

#endif
