/* SPDX-License-Identifier: Apache-2.0 */
/* The system call filter: Docker's default profile as a table, Docker's profile JSON, both made
 * into cBPF. */
#ifndef RUNTIME_SANDBOX_SECCOMP_H
#define RUNTIME_SANDBOX_SECCOMP_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Most instructions the kernel takes for one filter (BPF_MAXINSNS). */
#define SECCOMP_MAX 4096

/**
 * The default profile for a process with the capabilities caps (bit n = capability n), as the bytes
 * of struct sock_filter[], appended to *ret. About 0.2 ms; keep it when many sandboxes have the
 * same caps. Cannot fail but by a table of ours that is wrong.
 */
NODISCARD int seccomp_default(uint64_t caps, struct buf *ret, struct err *e);

/**
 * The same from a profile in Docker's JSON form: defaultAction, defaultErrnoRet, archMap or
 * architectures, syscalls (name or names, action, errnoRet, args, includes and excludes: caps,
 * arches, minKernel). Names that this machine's kernel headers do not know are skipped.
 *
 * Errors: ERR_USAGE (not JSON, unknown action, operator, architecture or capability; which one is
 * said), ERR_LIMIT (needs more than SECCOMP_MAX instructions).
 */
NODISCARD int seccomp_profile(struct str json, uint64_t caps, struct buf *ret, struct err *e);

#endif
