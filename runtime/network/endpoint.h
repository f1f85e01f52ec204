/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is on which network now: run_dir/net/<namespace>/<network ID>/<container ID>, a file per endpoint.
 *
 * The file's owner holds flock(2) on it: a file without that lock is what a killed process left, and whoever holds the
 * lock of the directory may remove it. A change is a new file, locked, then renamed over the old one, so that readers
 * see one or the other, and it is always locked. <namespace> is the inode of the network namespace, since links are
 * its own: two "hosts" that share a run_dir do not meet.
 */
#ifndef RUNTIME_NETWORK_ENDPOINT_H
#define RUNTIME_NETWORK_ENDPOINT_H

#include <time.h>

#include "base/err.h"
#include "runtime/network/addr.h"

struct endpoint {
	char *id;			/* of the container */
	char *name;			/* its own; "" if it has none */
	struct strv names;		/* aliases and host name: by these it is found, too */
	struct addr a4, a6;
	uint8_t len4, len6;		/* of the subnets */
	struct mac mac;
	bool alive;			/* its owner is */
};

struct endpoints { struct endpoint *v; size_t n; };

/* run_dir/net/<namespace>, made if missing; locked by flock if lock. A fd, or -1. Closing it unlocks. */
int endpoint_top(const char *run_dir, bool lock, struct err *e);
/* The directory of one network, beneath that; a fd, or -1 with errno in e->sys. */
int endpoint_dir(int top, const char *network, bool make, struct err *e);

/* Files that cannot be read are left out. check: find out who is alive (else all are). sweep: remove those that are
 * not (the lock is held). */
void endpoint_list_read(int dir, bool check, bool sweep, struct endpoints *ret);
void endpoint_list_done(struct endpoints *l);
#define auto_endpoints __attribute__((cleanup(endpoint_list_done)))
bool endpoint_alive(int dir, const char *id);

/* *lock: -1, or the fd from before. */
NODISCARD int endpoint_put(int dir, const struct endpoint *p, int *lock, struct err *e);
void endpoint_drop(int dir, const char *id, int *lock);

/* Pure, for tests: one file's text. */
void endpoint_print(const struct endpoint *p, struct buf *ret);
bool endpoint_parse(struct str text, struct endpoint *ret);
void endpoint_done(struct endpoint *p);

#endif
