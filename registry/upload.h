/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs into a registry: in parts, each acknowledged, going on after whatever breaks and, by a record in the store
 * (work/push-<hex>: session URL and what was acknowledged), after the process died.
 *
 *   HEAD ─► there │ POST ?mount= ─► 201 there │ 202 session ─► PATCH part ... ─► PUT ?digest=
 *
 * Spec: distribution-spec, "Pushing blobs".
 * A blob that fits in one part goes by POST and PUT. Where parts are refused (405, 501), the whole is
 * spooled and goes by one PUT.
 */
#ifndef REGISTRY_UPLOAD_H
#define REGISTRY_UPLOAD_H

#include "registry/remote.h"

struct upload_from {
	/* Put out all bytes from the first one. Called again if the upload has to begin anew: then the same bytes. */
	int (*feed)(struct job *j, void *arg, bytes_put put, void *put_arg, struct err *e);
	void *arg;
	const struct digest *known;	/* what they must be; NULL: not known yet, they are hashed on the way */
	uint64_t total;			/* for progress; 0: not known */
	struct str key;			/* names the bytes in the record of the session; empty: no record is kept */
	const char *session;		/* a session that a mount gave (owned by the caller), or NULL */
	int step;			/* for progress events; 0: none */
};

/* *ret and *size are what was sent. Errors: ERR_NET, ERR_DENIED, ERR_LIMIT, ERR_CORRUPT (not what is known),
 * ERR_CANCELLED, feed's. */
NODISCARD int upload_blob(struct job *j, struct remote *r, const struct upload_from *from, struct digest *ret,
			  uint64_t *size, struct err *e);

/* Have the blob mounted from another repository of the host. 1 done, 0 not: *session may then be one to use (owned); -1. */
NODISCARD int upload_mount(struct job *j, struct remote *r, const struct digest *d, const char *repo, char **session,
			   struct err *e);

/* All of it for one blob of another end: look, mount, else stream. */
NODISCARD int upload_copy(struct job *j, struct remote *r, const struct descriptor *b, struct wire *from, struct err *e);

#endif
