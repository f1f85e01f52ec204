/* SPDX-License-Identifier: Apache-2.0 */
/* Images from registries into the store. */
#ifndef ENGINE_PULL_H
#define ENGINE_PULL_H

#include "image/platform.h"
#include "registry/client.h"
#include "registry/local.h"

struct pull_args {
	const char *name;		/* a reference */
	const struct platform *want;	/* NULL: the host's, or the only one there is */
	struct client *client;		/* borrowed */
	bool keep_blobs;		/* compressed layers stay in the store, too */
	bool unnamed;			/* the image gets no name here */
};

struct pulled {
	char name[REF_TEXT_MAX];	/* canonical */
	struct digest digest;		/* what the name means in the registry */
	struct image_row row;
	bool newer;			/* the store did not have it under that name */
};

/**
 * Pull one image. Nothing is visible before all of it is. What was downloaded before an error or a kill is not
 * downloaded again. If the registry still means what the store has, one HEAD is all.
 *
 * Errors: ERR_USAGE (name), ERR_NOT_FOUND (image, platform), ERR_DENIED, ERR_NET, ERR_CORRUPT, ERR_LIMIT, ERR_SYS, ERR_CANCELLED.
 */
NODISCARD int engine_pull(struct job *j, struct store *s, const struct pull_args *a, struct pulled *ret, struct err *e);

enum pull_policy { PULL_MISSING, PULL_ALWAYS, PULL_NEVER };
NODISCARD int pull_policy_parse(const char *s, enum pull_policy *ret, struct err *e);	/* Errors: ERR_USAGE */

/* The image called name (or its ID) for somebody who wants to use it: from the store, or by the policy from its registry.
 * o: for a client, which is made only if it is needed; told (may be NULL) is called before anything is fetched.
 * Errors: engine_pull()'s, image_resolve()'s. */
NODISCARD int pull_obtain(struct job *j, struct store *s, const struct client_options *o, const char *name,
			  const struct platform *want, enum pull_policy policy, struct image_row *ret,
			  void (*told)(void *arg), void *arg, struct err *e);

#endif
