/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to registries: where a host's requests go (mirrors, http or https, certificates), credentials and
 * tokens, waiting when a host asks for it, retries. Callers see no token and no mirror.
 */
#ifndef REGISTRY_CLIENT_H
#define REGISTRY_CLIENT_H

#include "registry/http.h"

struct client_options {
	const char *authfile;	/* --authfile; NULL: the usual places */
	bool insecure;		/* --tls-verify=false: any certificate, and plain http where there is no TLS */
	const char *cert_dir;	/* --cert-dir: *.crt, *.cert, *.key for every host; NULL: the usual places */
	const char *trace;	/* --trace-http: a file of JSON lines, appended to; NULL: none */
	uint64_t wait_max_s;	/* longest Retry-After that is waited for; 0: 300 */
};

struct client;			/* for any number of threads */
NODISCARD int client_new(const struct client_options *o, struct client **ret, struct err *e);
void client_free(struct client *c);
static inline void client_cleanup(struct client **c) { client_free(*c); }
#define auto_client __attribute__((cleanup(client_cleanup)))

enum client_access {		/* what the token must allow on the repository; bits */
	CLIENT_PULL = 1, CLIENT_PUSH = 2, CLIENT_DELETE = 4,
};

struct client_request {
	const char *host, *repo;	/* of struct ref: "docker.io", "library/alpine"; repo NULL: the registry itself */
	int access;		/* bits; 0 means CLIENT_PULL. More than CLIENT_PULL never goes to a mirror */
	const char *mount_from;	/* one more repository of the host that must be readable, or NULL */
	const char *method;
	const char *path;	/* below /v2/<repo>/, "manifests/latest", with its query; or below /v2/ without repo */
	const char *url;	/* instead of path: what client_location() or client_next() gave */
	bool by_digest;		/* path names its content by digest: what any mirror has is as good */
	bool upstream;		/* never ask a mirror */
	const struct strv *headers;	/* "Name: value"; may be NULL */
	struct http_body body;
	struct http_sink sink;
	size_t body_max;	/* of a gathered body; 0: HTTP_ERROR_MAX */
	bool again;		/* may be repeated although the server may have acted on it. GET and HEAD always are. What the
				 * server cannot have acted on (401, 429, no connection) is repeated whatever this says */
};

/**
 * Send a request until there is a final answer: any status. ERR_NET means that retries did not help.
 *
 * Repeated with pauses: 408, 429, 500, 502, 503, 504, refused and broken connections; only while no byte went into
 * the sink: resuming is the caller's, who knows ranges. A 4xx or 5xx answer has its body gathered in *ret.
 * Owner:  *ret ({ 0 } before) is the caller's also after errors, http_answer_done().
 * Errors: ERR_NET, ERR_DENIED (policy, blocked registry), ERR_LIMIT (also: told to wait longer than wait_max_s),
 *         ERR_CANCELLED, ERR_USAGE (configuration files), the callbacks' own.
 */
NODISCARD int client_do(struct job *j, struct client *c, const struct client_request *r, struct http_answer *ret,
			struct err *e);

/* What an unwelcome answer means: "GET host/repo/path: 404 MANIFEST_UNKNOWN: manifest unknown". Kind by status: 404
 * ERR_NOT_FOUND, 401 403 ERR_DENIED, 413 ERR_LIMIT, else ERR_NET. Returns -1. */
int client_refused(const struct client_request *r, const struct http_answer *a, struct err *e);
/* Is this, as "BLOB_UNKNOWN", one of the codes in an error body? *detail (may be NULL) gets its detail as JSON, owned. */
bool client_error_is(const struct http_answer *a, const char *code, char **detail);

/* Where an upload goes on: the answer's Location, resolved; for the next request's url. A server behind a proxy
 * that says http instead of https on its own host is corrected. Errors: ERR_NET (none, bad), ERR_DENIED (policy). */
NODISCARD int client_location(struct client *c, const struct http_answer *a, char **ret, struct err *e);
/* The next page by Link rel="next": 1 there is, 0 none, -1. Errors: ERR_DENIED (another origin). */
NODISCARD int client_next(const struct http_answer *a, char **ret, struct err *e);

struct cred;
/**
 * Ask a registry (its own place, no mirror) whether it takes these credentials; no others are used.
 *
 * 1 it does, 0 it does not even ask for any. *refresh (NULL before) gets a refresh token if the token server gives one:
 * that is what should be kept then, instead of the password. No other request may run.
 * Errors: ERR_DENIED (not accepted), and those of client_do().
 */
NODISCARD int client_login(struct job *j, struct client *c, const char *host, const struct cred *cred, char **refresh,
			   struct err *e);

struct candidate {		/* one place that may be asked for a reference */
	bool mirror, asked;	/* asked: this reference would be asked for there */
	bool resolve, pull, push;	/* what it may be asked for */
	char *url;		/* "https://h:5000/v2/a/b", "http[s]://..." where both are tried */
	char *source;		/* the file that configures it, or NULL */
	char *tls;		/* how its certificate is checked: "system", "CA of DIR", "not checked", "none (plain http)" */
	char *cred;		/* where its credentials come from, or NULL: none */
};
struct candidates {		/* { 0 } is a valid empty one */
	struct candidate *v;
	size_t n;
	char *blocked;		/* the file that forbids the repository */
};
void candidates_done(struct candidates *l);
struct ref;
/* The decision for a reference, in the order of asking. Nothing is sent; credential helpers are run. */
NODISCARD int client_explain(struct job *j, struct client *c, const struct ref *r, struct candidates *ret, struct err *e);
/* Full names a short name may mean, by registries.conf (aliases, unqualified-search-registries); none: as Docker has it. */
void client_short_names(const struct client *c, const char *name, struct strv *ret);

#endif
