/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities as sets of bits: names, the default fourteen, --cap-add and --cap-drop. */
#ifndef RUNTIME_SANDBOX_CAPS_H
#define RUNTIME_SANDBOX_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define CAPS_BIT(cap) (UINT64_C(1) << (cap))

/* What a container has unless told otherwise, as Docker has it: CHOWN DAC_OVERRIDE FOWNER FSETID
 * KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP. */
extern const uint64_t caps_default;

/* What this process could hand on: its permitted and bounding sets, inside a user namespace all the
 * kernel has. */
uint64_t caps_host(void);

const char *caps_name(unsigned cap);		/* "CAP_CHOWN"; NULL for a number we do not know */
/* "chown", "CAP_CHOWN", "cap_Chown"; false for any other word. */
NODISCARD bool caps_find(struct str name, unsigned *ret);

/**
 * The set after --cap-add and --cap-drop words (each as for caps_find(), or ALL), starting from
 * base. ALL means all of host. Drop ALL leaves only what add names; add ALL leaves all that drop
 * does not name; else drops go first. Whatever base has beyond host is left out.
 *
 * Errors: ERR_USAGE (no such capability), ERR_DENIED (named, but host lacks it).
 */
NODISCARD int caps_parse(const struct strv *add, const struct strv *drop, uint64_t base,
			 uint64_t host, uint64_t *ret, struct err *e);

/* "CAP_CHOWN CAP_KILL", sorted by number; empty for the empty set. */
void caps_text(uint64_t set, struct buf *ret);

#endif
