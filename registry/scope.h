/* SPDX-License-Identifier: Apache-2.0 */
/* What a token allows: "repository:a/b:pull,push". Pure. Spec: distribution, "Token Scope Documentation". */
#ifndef REGISTRY_SCOPE_H
#define REGISTRY_SCOPE_H

#include "base/str.h"

#define SCOPES_MAX 32

struct scopes {			/* { 0 } is a valid empty one; in order, one entry a resource, its actions sorted */
	struct strv v;
};
void scopes_done(struct scopes *s);
#define auto_scopes __attribute__((cleanup(scopes_done)))
/* Add one, or several separated by blanks; actions of a resource that is there are merged. */
void scopes_add(struct scopes *s, struct str text);
void scopes_copy(struct scopes *to, const struct scopes *from);
bool scopes_cover(const struct scopes *have, const struct scopes *want);
void scopes_text(const struct scopes *s, struct buf *ret);	/* joined by blanks */

#endif
