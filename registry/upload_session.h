/* SPDX-License-Identifier: Apache-2.0 */
/* For registry/upload alone: one upload session, its requests, and its record in the store. */
#ifndef REGISTRY_UPLOAD_SESSION_H
#define REGISTRY_UPLOAD_SESSION_H

#include "registry/upload.h"

#define UPLOAD_CHUNK_MIN ((size_t)64 << 10)	/* no registry may press parts below this */
#define UPLOAD_CHUNK_MAX ((size_t)256 << 20)	/* nor above */

enum upload_state {		/* what a request led to */
	UPLOAD_OK,
	UPLOAD_LOST,		/* the session is gone, or can't be trusted: begin anew */
	UPLOAD_WHOLE,		/* the registry takes no parts */
};

struct upload_session {
	struct job *j;
	struct remote *r;
	char *url;		/* where it goes on; NULL: none is open */
	uint64_t acked;		/* bytes the registry has */
	size_t chunk;		/* bytes of a part; the registry may change it both ways */
	size_t chunk_min;	/* OCI-Chunk-Min-Length */
	int dir, record;	/* work/, the locked record; -1: none is kept */
	char name[80];
};

void upload_session_init(struct upload_session *s, struct job *j, struct remote *r);
void upload_session_done(struct upload_session *s);		/* the record stays */
/* Look for a session that another process left for these bytes; *s then has it, asked for what is there. */
NODISCARD int upload_session_resume(struct upload_session *s, struct str key,
				   struct err *e);
/* Take a session that a mount gave, and keep a record of it. */
void upload_session_adopt(struct upload_session *s, struct str key, const char *url);
/* The blob is there, or the session is of no use: no record any more. */
void upload_session_forget(struct upload_session *s);

NODISCARD int upload_session_post(struct upload_session *s, struct err *e);
/* Send n bytes that stand at offset at (>= acked). The answer is one of enum upload_state, or -1. */
NODISCARD int upload_session_send(struct upload_session *s, const char *p, size_t n, uint64_t at, struct err *e);
/* Close with the digest, body (may be NULL) being all of the blob that was not sent. As above. */
NODISCARD int upload_session_close(struct upload_session *s, const struct digest *d, const struct http_body *body,
				  struct err *e);
void upload_session_cancel(struct upload_session *s);		/* DELETE; whatever comes of it */

#endif
