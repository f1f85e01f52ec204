/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: what work in flight needs. A lease is a directory work/<id>/, locked by flock(2) on the
 * directory itself, and pins: shared locks on single bytes of work/pins. Both are the kernel's,
 * hence a killed process leaves a directory that gc knows to be garbage, and no pin.
 */
#ifndef CACHE_LEASE_H
#define CACHE_LEASE_H

#include "cache/store.h"

struct job;
struct lease;

/* A new empty directory work/<id>/ (0700). *ret is the caller's: lease_free() removes it with all
 * below. */
NODISCARD int lease_new(struct store *s, struct lease **ret, struct err *e);
void lease_free(struct lease *l);
int lease_dirfd(const struct lease *l);		/* the lease's */
const char *lease_id(const struct lease *l);
/* Pin a layer or a blob for the life of the lease: as store_pin(), pin first and look
 * afterwards. */
NODISCARD int lease_pin(struct lease *l, const struct digest *d, struct err *e);

/*
 * So that two processes (or threads) do the same step once: waits until nobody else holds the key,
 * *ret is then an fd whose closing gives it up. Waiting ends with ERR_CANCELLED when the job does.
 */
NODISCARD int key_lock(struct store *s, const struct digest *key, struct job *j, int *ret,
		       struct err *e);
/* The same without waiting: 1 taken, 0 somebody holds it, -1. */
NODISCARD int key_trylock(struct store *s, const struct digest *key, int *ret, struct err *e);

#endif
