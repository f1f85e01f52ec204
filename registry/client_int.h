/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the registry client share. */
#ifndef REGISTRY_CLIENT_INT_H
#define REGISTRY_CLIENT_INT_H

#include <pthread.h>

#include "registry/challenge.h"
#include "registry/client.h"
#include "registry/creds.h"
#include "registry/hosts.h"
#include "registry/retry.h"
#include "registry/token.h"

struct origin_state {		/* what is known of one scheme, host and port; lives as long as the client */
	struct origin_state *next;
	char *name;		/* "https://host:port" */
	struct gate gate;
	_Atomic int zone;	/* enum http_zone of its address; -1: not yet known */
	atomic_bool down;	/* a mirror that could not be reached: not tried again by this command */
	struct challenge challenge;	/* the last one; client.lock */
};

struct host_state {		/* which scheme a host speaks, where both are possible */
	struct host_state *next;
	char *host;		/* "localhost:5000" */
	pthread_mutex_t lock;	/* held while it is found out */
	int scheme;		/* 0 unknown, 1 https, 2 http; lock */
};

struct known_cred {		/* what was found for host/repo, also that nothing was */
	struct known_cred *next;
	char *name;
	struct cred cred;
	bool found;
};

struct client {
	struct http *http;
	struct hosts *hosts;
	struct http_trace *trace;
	struct tokens *tokens;
	char *authfile;
	uint64_t wait_max_s;
	const struct cred *login;	/* of client_login(): these credentials and no others */
	char *login_refresh;	/* what the token server gave besides */
	pthread_mutex_t lock;
	struct origin_state *origins;	/* lock; entries stay */
	struct host_state *schemes;	/* lock; entries stay */
	struct strv warned;		/* lock */
	pthread_mutex_t creds_lock;
	struct creds *creds;		/* creds_lock; read at the first need */
	struct known_cred *known;	/* creds_lock; entries stay */
};

struct origin_state *client_origin(struct client *c, const struct url *u);

struct wire {			/* one request that is repeated until it has a final answer */
	struct http_request r;
	bool again;		/* repeating it does no harm */
	int tries;		/* at most; 0: RETRY_MAX */
	bool hurry;		/* don't wait for a host that says 429 or 503: there is another one */
	int (*once)(struct job *j, struct client *c, struct wire *w, struct http_answer *ret, struct err *e);
};
/* Gate and retries around w->once. */
NODISCARD int wire_do(struct job *j, struct client *c, struct wire *w, struct http_answer *ret, struct err *e);
/* The simplest once(): the request as it is. */
NODISCARD int wire_once(struct job *j, struct client *c, struct wire *w, struct http_answer *ret, struct err *e);

struct auth_use {		/* how a request was authorized */
	enum challenge_scheme scheme;	/* NONE: it was not */
	char *token;		/* of BEARER */
	bool fresh;		/* it was fetched for this very request */
	struct scopes asked;	/* what the token was asked for */
};
void auth_use_done(struct auth_use *u);
#define auto_auth_use __attribute__((cleanup(auth_use_done)))

/* The Authorization header for the next request to ep, by what its origin asked for last; perhaps none. */
NODISCARD int auth_apply(struct job *j, struct client *c, const struct endpoint *ep, const struct url *u,
			 const struct scopes *want, struct auth_use *use, struct strv *secret, struct err *e);
/* After 401: 1 it may help to send it again, 0 it will not (ret->why says why), -1. want may grow. */
NODISCARD int auth_learn(struct job *j, struct client *c, const struct endpoint *ep, const struct url *u,
			 struct http_answer *ret, const struct auth_use *use, struct scopes *want, struct err *e);
/* Keep what a 401 asks for, so that the next request to this origin has it. */
void auth_remember(struct client *c, const struct url *u, const struct http_answer *a);
/* Credentials for a repository of a place: borrowed, live as long as the client. NULL: none. */
NODISCARD int auth_cred(struct job *j, struct client *c, const struct endpoint *ep, const struct cred **ret, struct err *e);
/* Fetch a token from a realm; refresh (may be NULL) gets a refresh token, if wanted and given. */
struct realm {
	const char *realm, *service;
	const struct scopes *scopes;
	const struct cred *cred;	/* NULL: anonymous */
	const struct url *from;		/* the registry that named it */
	bool offline;			/* ask for a refresh token */
};
struct realm_token {
	char *text, *refresh;
	uint64_t life_s;
};
void realm_token_done(struct realm_token *t);
NODISCARD int realm_fetch(struct job *j, struct client *c, const struct realm *r, struct realm_token *ret, struct err *e);

/* "GET host/repo/path", for messages. */
void request_name(const struct client_request *r, struct buf *b);
/* The registry's own words, or the start of a body that is no HTML. */
void answer_errors(const struct http_answer *a, struct buf *ret);

#endif
