/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in to registries and out again. */
#ifndef ENGINE_LOGIN_H
#define ENGINE_LOGIN_H

#include "base/task.h"
#include "registry/client.h"

struct login_args {
	struct client_options client;
	const char *server;	/* as the user typed it; NULL: docker.io */
	const char *user, *password;	/* both NULL: those that are kept already are tried */
};

struct login {			/* { 0 } before */
	char *key;		/* what the server is called: "docker.io", "h:5000", "h/ns" */
	char *user;
	char *where;		/* file or helper that has the secret now */
	bool plain;		/* it is a file, with the secret readable in it */
	bool asked;		/* the registry looked at the credentials at all */
};
void login_done(struct login *l);
#define auto_login __attribute__((cleanup(login_done)))

/* "https://h:5000/v1/" -> "h:5000", "" and docker.io's aliases -> "docker.io"; a path below a host stays.
 * Errors: ERR_USAGE. */
NODISCARD int login_key(const char *server, char **ret, struct err *e);
/* Check the credentials with the registry, then keep them. Errors: ERR_DENIED; ERR_NOT_FOUND (none given, none kept). */
NODISCARD int login_do(struct job *j, const struct login_args *a, struct login *ret, struct err *e);
/* Forget them: 1 there were some, 0 none, -1. *key gets the server's name. */
NODISCARD int login_forget(struct job *j, const char *authfile, const char *server, char **key, struct err *e);

#endif
