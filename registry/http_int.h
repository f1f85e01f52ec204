/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of HTTP share: the pool and one hop of an exchange. */
#ifndef REGISTRY_HTTP_INT_H
#define REGISTRY_HTTP_INT_H

#include <pthread.h>

#include "registry/curl.h"
#include "registry/http.h"
#include "registry/proxy.h"

struct slot {			/* a handle and its one connection, used by one thread at a time */
	struct slot *next;
	char *key;		/* origin it last spoke to */
	CURL *easy;
	CURLM *multi;
	int number;		/* for traces */
};

struct http {
	struct curl_api api;
	struct http_options o;
	struct proxy_rules proxy;
	const char *ca_file, *ca_dir;	/* SSL_CERT_FILE, SSL_CERT_DIR; or the library's own */
	pthread_mutex_t lock;
	struct slot *idle;	/* last used first; lock */
	size_t nidle;		/* lock */
	int made;		/* lock */
};

struct hop {			/* one request to one origin */
	struct http *h;
	struct job *j;
	const struct http_request *r;
	const char *method;
	const struct url *url;
	const struct http_tls *tls;
	enum http_zone limit;
	bool secret;		/* r->secret goes along */
	bool body;		/* r->body goes along */
	bool follow;		/* a redirect's body is of no interest */

	struct http_answer *a;
	struct err *e;		/* set by callbacks */
	struct slot *slot;
	uint64_t sent;		/* bytes of the body */
	size_t header_bytes;
	int64_t last;		/* monotonic ns of the last sign of life */
	bool connected, head, stopped, failed, denied;
	enum http_zone reached;
	const char *proxy;
	char why[CURL_ERROR_SIZE];
};

/* Send it and wait. 0: an answer; -1 with *e and a->broken. */
int hop_do(struct hop *x, struct err *e);
bool hop_redirects(const struct hop *x);	/* the answer is a redirect that is to be followed */
/* The TLS part of a handle's options. */
void hop_tls(struct hop *x);

#endif
