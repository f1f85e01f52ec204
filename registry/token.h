/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are held, shared by threads: one fetches, the others wait for it. Time is given by the caller. */
#ifndef REGISTRY_TOKEN_H
#define REGISTRY_TOKEN_H

#include "base/task.h"
#include "registry/scope.h"

#define TOKEN_USUAL_S 60	/* the life of one that does not say: distribution, "Token Response Fields" */

struct tokens;
struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);	/* nobody may be waiting */

/*
 * A token for key (registry, realm, service, account) that allows all of want and is good at now (monotonic ns).
 *
 * 1: *ret is a copy. 0: there is none, and the caller must fetch one and then call token_put() or token_fail(): until
 * then others who want no more than that wait. -1: the fetch that was waited for failed, *e is its error; ERR_CANCELLED.
 */
NODISCARD int token_take(struct job *j, struct tokens *t, const char *key, const struct scopes *want, int64_t now,
			 char **ret, struct err *e);
/* life_s: "expires_in", 0 if absent. It counts from now, when the request began, less a tenth of it. */
void token_put(struct tokens *t, const char *key, const struct scopes *want, const char *text, uint64_t life_s, int64_t now);
void token_fail(struct tokens *t, const char *key, const struct scopes *want, const struct err *e);
/* The registry refused this token: nobody shall use it again. */
void token_drop(struct tokens *t, const char *text);

#endif
