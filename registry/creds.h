/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials of registries: Docker's config.json and containers' auth.json, and the helper programs that they name.
 *
 * Files in this order, the first with an entry wins: --authfile, $REGISTRY_AUTH_FILE,
 * $XDG_RUNTIME_DIR/containers/auth.json, $XDG_CONFIG_HOME/containers/auth.json (~/.config/...),
 * $DOCKER_CONFIG/config.json, ~/.docker/config.json, the text of $DOCKER_AUTH_CONFIG. In a file the most specific key wins:
 * host/namespace/name, host/namespace, host.
 */
#ifndef REGISTRY_CREDS_H
#define REGISTRY_CREDS_H

#include "base/task.h"

struct cred {			/* { 0 }: none */
	char *user, *secret;	/* owned */
	bool identity;		/* secret is a refresh token (OAuth2), no password */
	char *source;		/* "FILE (key h/ns)", "docker-credential-x in FILE"; for messages */
};
void cred_done(struct cred *c);		/* the secret is wiped */
#define auto_cred __attribute__((cleanup(cred_done)))

struct creds;			/* what the files hold; not changed once read */
/* Read them all. Errors: ERR_USAGE (one is no JSON: named), ERR_SYS. */
NODISCARD int creds_open(const char *authfile, struct creds **ret, struct err *e);
void creds_free(struct creds *c);
void creds_places(const struct creds *c, struct buf *ret);	/* "a, b (not there), c" */

/**
 * The credentials for host/repo ("docker.io", "h:5000"; repo may be NULL or ""). 1 found, 0 none, -1.
 * Errors: ERR_USAGE (an entry is malformed, a helper is missing), those of helpers: ERR_LIMIT (time, size), ERR_CORRUPT.
 */
NODISCARD int creds_find(struct job *j, const struct creds *c, const char *host, const char *repo, struct cred *ret,
			 struct err *e);

/**
 * Keep credentials for key ("docker.io", "h:5000", "h/ns"), in the helper that the file names, else in the file:
 * authfile, else $REGISTRY_AUTH_FILE, else Docker's config.json. Unknown fields stay; the file is replaced atomically,
 * mode 0600. *where gets where they are. Errors: ERR_SYS, ERR_USAGE, those of helpers.
 */
NODISCARD int creds_store(struct job *j, const char *authfile, const char *key, const struct cred *cred, char **where,
			  struct err *e);
/* Forget them, in the same place. 1 there were some, 0 none, -1. */
NODISCARD int creds_erase(struct job *j, const char *authfile, const char *key, struct err *e);
/* Does credentials' key k (as in a file: with scheme, /v1/, aliases of docker.io) mean name ("h:5000", "h/ns")? */
bool creds_key_is(const char *k, const char *name);
/* "auth" of a file: base64 of "user:password". Errors: ERR_USAGE. */
NODISCARD int creds_decode(const char *auth, struct cred *ret, struct err *e);

#endif
