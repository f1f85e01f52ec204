/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that end an attachment but not the container: "ctrl-p,ctrl-q". Pure. */
#ifndef RUNTIME_CONTAINER_DETACH_H
#define RUNTIME_CONTAINER_DETACH_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#define DETACH_KEYS 32

struct detach {			/* { 0 }: no keys, everything passes */
	char keys[DETACH_KEYS];
	size_t n, at;		/* at: so many of them were typed, and held back */
};

/* Single letters, or "ctrl-" and one of a-z @ [ \ ] ^ _, with commas between. NULL: Docker's default, "": none.
 * Errors: ERR_USAGE. */
NODISCARD int detach_parse(const char *text, struct detach *ret, struct err *e);
/* Append to ret what of the bytes typed is for the container: a beginning of the keys is held back until it is clear
 * that it is none. True: the keys are complete. */
bool detach_feed(struct detach *d, struct str typed, struct buf *ret);

#endif
