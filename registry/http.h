/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP exchange at a time on connections that are kept: methods, headers, bodies streamed both ways, redirects.
 * Knows nothing of registries; registry/client.h adds credentials, mirrors and retries.
 *
 * libcurl does the work. It is loaded at the first use, so that no other command pays for it.
 */
#ifndef REGISTRY_HTTP_H
#define REGISTRY_HTTP_H

#include "base/task.h"
#include "cache/tar.h"
#include "registry/url.h"

#define HTTP_ERROR_MAX ((size_t)1 << 20)	/* bytes of an error's body that are taken */
#define HTTP_HEADERS_MAX ((size_t)256 << 10)	/* bytes of all headers of one answer */
#define HTTP_REDIRECTS_MAX 10

struct http_body {		/* what is sent; { 0 }: none */
	uint64_t size;		/* exactly so many bytes */
	const void *p;		/* all of them, or */
	bytes_get get;		/* where they come from, in pieces; called from the thread that waits */
	int (*rewind)(void *arg, struct err *e);	/* start again; NULL: the body can be sent only once */
	void *arg;		/* of get and rewind */
};

enum http_broken {		/* how an exchange failed, for whoever may repeat it */
	HTTP_WHOLE,		/* it did not, or not by the network */
	HTTP_DNS, HTTP_CONNECT,
	HTTP_TLS,		/* no TLS could be spoken: perhaps the peer has none */
	HTTP_TLS_PEER,		/* the peer's certificate is not good */
	HTTP_TIMEOUT, HTTP_RESET,
	HTTP_SHORT,		/* fewer bytes than promised */
};

enum http_zone {		/* how near an address is; what a peer names may not be nearer than the peer */
	ZONE_PUBLIC, ZONE_PRIVATE, ZONE_LINK, ZONE_LOOPBACK,
	ZONE_ANY,		/* as a limit: no limit, for what the user named */
};

struct http_answer {		/* { 0 } is a valid empty one */
	int status;		/* 0: none came */
	struct strv headers;	/* "name: value" of the last hop, names in lower case, in order */
	int64_t length;		/* Content-Length, or -1 */
	struct buf body;	/* what no sink took */
	uint64_t received;	/* bytes of the body that came, or went into the sink */
	char *url;		/* the one that answered, after redirects: Location and Link are relative to it */
	enum http_zone zone;	/* where the first hop's peer is */
	enum http_broken broken;
	bool sent;		/* the request was (in part) sent: the peer may have acted on it */
	bool authorized;	/* set by client_do(): credentials or a token went along */
	char *why;		/* for status 401 and 403: one line on which credentials were used or missing; may be NULL */
};
void http_answer_done(struct http_answer *a);
#define auto_answer __attribute__((cleanup(http_answer_done)))
const char *http_header(const struct http_answer *a, const char *name);	/* the first of that name, or NULL */
const char *http_header_nth(const struct http_answer *a, const char *name, size_t nth);

struct http_sink {		/* takes a successful (2xx) answer's body as it comes; back-pressure: put() may block */
	bytes_put put;		/* NULL: the body is gathered in the answer */
	/* Called before the first byte, may be NULL: 0 go on, 1 don't read the body (a success), -1 with *e. */
	int (*head)(void *arg, const struct http_answer *a, struct err *e);
	void *arg;
};

struct http_tls {		/* of one origin; borrowed during the request */
	bool insecure;		/* certificates are not checked */
	const char *ca;		/* PEM text that is trusted besides the system's; NULL: none */
	const char *cert, *key;	/* PEM files of the client's own; NULL: none */
	const char *source;	/* where that was configured, for messages; NULL */
};

struct http_request {
	const char *method;	/* GET HEAD POST PUT PATCH DELETE */
	const struct url *url;
	const struct strv *headers;	/* "Name: value"; may be NULL */
	const struct strv *secret;	/* the same, but only ever sent to url's own origin */
	const struct http_tls *tls;	/* for url's origin; NULL: default. Others are asked for by http_options.tls_of */
	struct http_body body;
	struct http_sink sink;
	size_t body_max;	/* bytes of a body that is gathered; 0: HTTP_ERROR_MAX. More: ERR_LIMIT */
	enum http_zone zone;	/* what may be reached beside public addresses; redirects of a ZONE_ANY: as near as its peer */
	bool no_redirect;	/* 3xx is the answer */
	bool bound;		/* the body is a secret: a redirect to another origin is an error */
};

struct http_trace;
struct http_options {
	int connect_ms, stall_ms, answer_ms;	/* 0: from the environment or default; see http_new() */
	/* TLS settings of an origin that a redirect leads to; may be NULL, may return NULL. */
	const struct http_tls *(*tls_of)(void *arg, const struct url *u);
	void *tls_arg;
	struct http_trace *trace;	/* borrowed; NULL: none */
};

struct http;
/**
 * A pool of connections, for any number of threads.
 *
 * A dead peer is given up after: connect_ms for a connection (TARE_HTTP_CONNECT, "30s"), stall_ms without a byte
 * in a running transfer (TARE_HTTP_STALL, "60s"), answer_ms from the end of the request to the answer
 * (TARE_HTTP_ANSWER, "300s"). There is no limit in total.
 * Errors: ERR_SYS (libcurl is missing), ERR_USAGE (environment).
 */
NODISCARD int http_new(const struct http_options *o, struct http **ret, struct err *e);
void http_free(struct http *h);		/* no request may be running */

/**
 * Send one request, follow redirects, get the answer: any status is a success here.
 *
 * Owner:  *ret ({ 0 } before) is the caller's also after errors, http_answer_done(); it then holds what had come.
 * Errors: ERR_NET (no connection, TLS, reset, timeout, too few bytes: see ret->broken), ERR_DENIED (address or
 *         scheme that a redirect may not lead to), ERR_LIMIT, ERR_CANCELLED (within 100 ms), the callbacks' own.
 * Spec:   RFC 9110; distribution-spec, "API" (redirects).
 */
NODISCARD int http_do(struct job *j, struct http *h, const struct http_request *r, struct http_answer *ret,
		      struct err *e);

#endif
