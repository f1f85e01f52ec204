/* SPDX-License-Identifier: Apache-2.0 */
/* For engine/run: what the arguments and the image's config say, as the sandbox's spec. */
#ifndef ENGINE_RUN_SPEC_H
#define ENGINE_RUN_SPEC_H

#include "engine/run.h"
#include "image/config.h"
#include "image/passwd.h"
#include "runtime/sandbox/spec.h"

struct run_spec {		/* { 0 } is a valid empty one; what sp borrows */
	struct spec sp;
	struct strv env;		/* the user's: -e and --env-file, "K=V", or "K" to be removed */
	char *cwd, *host_name;		/* owned */
	struct passwd_user user;
	struct strv groups;		/* --group-add */
	gid_t *gids;
	struct spec_rlimit *rlimits;
	struct buf profile;
};

/* All that needs no root file system: argv, env, directory, limits, capabilities, security. The name for hosts and uts
 * is --hostname or, without, short_id. Errors: ERR_USAGE, ERR_NOT_FOUND (files), ERR_DENIED (capabilities). */
NODISCARD int run_spec_make(struct run_spec *r, const struct run_args *a, const struct config *image,
			    const char *short_id, struct err *e);
/* What needs the root: user, groups, HOME. Errors: passwd_lookup()'s. */
NODISCARD int run_spec_user(struct run_spec *r, int root, const char *user, struct err *e);
void run_spec_done(struct run_spec *r);

/* Pure pieces, for tests. */
NODISCARD int run_parse_cpus(const char *text, int64_t *nano, struct err *e);		/* "1.5" */
NODISCARD int run_parse_ulimit(const char *text, struct spec_rlimit *ret, struct err *e);	/* "nofile=1024:2048" */
/* -e: "K=V" is appended or replaces, "K" takes our value or becomes "K" without "=". */
NODISCARD int run_parse_env(const char *text, struct strv *env, struct err *e);
/* All of --env-file (first) and -e so. Errors: ERR_USAGE, ERR_NOT_FOUND. */
NODISCARD int run_read_env(const struct strv *files, const struct strv *env, struct strv *ret, struct err *e);
/* Such a list over another: "K" without "=" removes. */
void run_env_merge(struct strv *env, const struct strv *more);

#endif
