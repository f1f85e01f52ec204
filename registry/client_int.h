/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the registry client share. */
#ifndef REGISTRY_CLIENT_INT_H
#define REGISTRY_CLIENT_INT_H

#include <pthread.h>

#include "registry/client.h"
#include "registry/retry.h"

struct origin_state {		/* what is known of one scheme, host and port; lives as long as the client */
	struct origin_state *next;
	char *name;		/* "https://host:port" */
	struct gate gate;
	_Atomic int zone;	/* enum http_zone, -1: not yet known */
};

struct host_state {		/* which scheme a host speaks, where both are possible */
	struct host_state *next;
	char *host;		/* "localhost:5000" */
	pthread_mutex_t lock;	/* held while it is found out */
	int scheme;		/* 0 unknown, 1 https, 2 http; lock */
};

struct client {
	struct http *http;
	char *authfile, *cert_dir;
	bool insecure;
	uint64_t wait_max_s;
	pthread_mutex_t lock;
	struct origin_state *origins;	/* lock; entries stay */
	struct host_state *hosts;	/* lock; entries stay */
	struct strv warned;		/* lock */
};

struct origin_state *client_origin(struct client *c, const struct url *u);

/* "GET host/repo/path", for messages. */
void request_name(const struct client_request *r, struct buf *b);
/* The registry's own words, or the start of a body that is no HTML. */
void answer_errors(const struct http_answer *a, struct buf *ret);

#endif
