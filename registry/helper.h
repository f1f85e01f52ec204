/* SPDX-License-Identifier: Apache-2.0 */
/* docker-credential-NAME: programs that keep secrets. */
#ifndef REGISTRY_HELPER_H
#define REGISTRY_HELPER_H

#include "registry/creds.h"

#define HELPER_MAX ((size_t)1 << 20)	/* bytes of an answer */

/* Ask for server's credentials: 1 found, 0 it has none, -1. Time limit: TARE_HELPER_TIMEOUT ("30s").
 * Errors: ERR_USAGE (name, no such program), ERR_LIMIT, ERR_CORRUPT (no JSON), ERR_SYS (it failed). */
NODISCARD int helper_get(struct job *j, const char *name, const char *server, struct cred *ret, struct err *e);
NODISCARD int helper_store(struct job *j, const char *name, const char *server, const struct cred *cred, struct err *e);
/* 1 erased, 0 there were none, -1. */
NODISCARD int helper_erase(struct job *j, const char *name, const char *server, struct err *e);

#endif
