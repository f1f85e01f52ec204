/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For cache/ alone: locks named by a digest. Each is an open-file-description lock (fcntl(2),
 * F_OFD_SETLK) on one byte of a file, at the offset that the digest's first 62 bits give. It
 * belongs to the fd, needs no disk write, and is gone with the last process that has the fd. Two
 * digests with the same offset would merely share a lock.
 */
#ifndef CACHE_PIN_H
#define CACHE_PIN_H

#include <stdbool.h>

#include "cache/store.h"

enum pin_file {
	PIN_KEEP,		/* work/pins: shared by users of a layer or blob, exclusive by gc */
	PIN_STEP,		/* work/locks: exclusive by whoever does a build key's step */
};

NODISCARD int pin_open(struct store *s, enum pin_file which, int *ret, struct err *e);
/* Shared; waits while gc is removing this very thing. */
NODISCARD int pin_share(int fd, const struct digest *d, struct err *e);
NODISCARD int pin_claim(int fd, const struct digest *d, struct err *e);	/* exclusive: 1 taken, 0 somebody has it, -1 */
void pin_release(int fd, const struct digest *d);
bool pin_held(int fd, const struct digest *d);		/* by anybody but fd */

/* flock(2) the file or directory that name in dir means, exclusively and without waiting, as long as
 * it is there: 1 locked and *ret is it, 0 locked by somebody else or gone, -1. */
NODISCARD int name_claim(int dir, const char *name, int *ret, struct err *e);

#endif
