/* SPDX-License-Identifier: Apache-2.0 */
/* config.json as the sandbox's spec: for starts, and for programs that join a container. */
#ifndef ENGINE_RUN_SPEC_H
#define ENGINE_RUN_SPEC_H

#include <jansson.h>

#include "engine/run_limits.h"
#include "image/passwd.h"
#include "runtime/sandbox/spec.h"

struct run_spec {		/* { 0 } is a valid empty one; what sp borrows */
	struct spec sp;
	char *cwd, *host_name, *domain_name, *cpuset;	/* owned */
	char *user;			/* "name:group" as asked for; owned */
	struct passwd_user found;	/* who that is in the root */
	struct strv groups;		/* --group-add */
	gid_t *gids;
	struct spec_rlimit *rlimits;
	struct run_extras extras;
	char *profile;
};

/* All that needs no root file system: argv, env, directory, names, limits, capabilities, security. No mounts, no network,
 * no streams. Errors: ERR_USAGE, ERR_DENIED (capabilities). */
NODISCARD int run_spec_load(struct run_spec *r, const json_t *record, struct err *e);
/* What needs the root: user (NULL: r->user), groups, HOME. Errors: users_lookup()'s. */
NODISCARD int run_spec_user(struct run_spec *r, int root, const char *user, struct err *e);
void run_spec_done(struct run_spec *r);

#endif
