/* SPDX-License-Identifier: Apache-2.0 */
/* Images of the store into registries. */
#ifndef ENGINE_PUSH_H
#define ENGINE_PUSH_H

#include "registry/push.h"

struct push_args {
	struct strv names;		/* references; with all_tags one repository */
	bool all_tags;
	struct push_opts o;
	size_t chunk;			/* bytes of an upload's part; 0: the default */
	struct client *client;		/* borrowed */
};

struct pushed {
	char *repo, *tag;		/* "host/path", "v1" */
	struct digest digest;
	size_t size;			/* of the manifest, bytes */
};
struct pushed_list {			/* { 0 } is a valid empty one */
	struct pushed *v;
	size_t n;
};
void pushed_done(struct pushed_list *l);

/* Several names of one image in one repository read its layers once. Errors: ERR_NOT_FOUND (no such image here),
 * push_image()'s. *ret gets what was pushed, also on error. */
NODISCARD int engine_push(struct job *j, struct store *s, const struct push_args *a, struct pushed_list *ret,
			  struct err *e);

#endif
