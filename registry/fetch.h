/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a blob from a registry: ranges that are checked strictly, going on after whatever breaks. */
#ifndef REGISTRY_FETCH_H
#define REGISTRY_FETCH_H

#include "registry/remote.h"

struct fetch {
	struct remote *r;
	const struct descriptor *b;
	uint64_t pos, to;	/* the bytes from pos on, up to `to`, are wanted; pos moves on */
	bool no_range;		/* the server's ranges are not to be trusted: whole answers, what is there already skipped.
				 * Set on the way; `to` is then the blob's size */
	bytes_put put;		/* from pos on */
	void *arg;
	/* inside */
	uint64_t skip;
	bool touched, refused, put_failed, elsewhere;
};

/**
 * Get them all, by as many requests as it takes. Given up after some attempts that bring next to nothing.
 *
 * Errors: ERR_NET, ERR_NOT_FOUND, ERR_DENIED, ERR_CORRUPT (more or less bytes than the descriptor says), ERR_CANCELLED, put's.
 * Spec:   distribution-spec, "Pulling blobs"; RFC 9110, 14 "Range Requests".
 */
NODISCARD int fetch_range(struct job *j, struct fetch *f, struct err *e);

/* A whole blob in order, checked: the bytes of one that is wrong have gone out, but the end is an error. */
NODISCARD int fetch_stream(struct job *j, struct remote *r, const struct descriptor *b, bytes_put put, void *arg,
			   struct err *e);

#endif
