/* SPDX-License-Identifier: Apache-2.0 */
/* For registry/serve alone: one request and what is answered, apart from where the bytes come from. */
#ifndef REGISTRY_SERVE_INT_H
#define REGISTRY_SERVE_INT_H

#include "base/stream.h"
#include "base/task.h"
#include "image/digest.h"

struct store;

struct serve_request {
	char *method, *target;	/* owned; the target without its query */
	char *query;		/* "" if none */
	char *range;		/* Range, or NULL */
	bool close;		/* the connection ends with this answer */
	bool body;		/* it has one, which is not read */
};
void serve_request_done(struct serve_request *r);
/* Parse a head, up to and without the empty line. False: not HTTP/1. */
bool serve_request_parse(struct str head, struct serve_request *ret);
/* "bytes=a-b", "a-", "-n" of a whole of size bytes: 1 and the half-open range, 0 there is none that is understood, -1 it
 * can't be satisfied. Spec: RFC 9110, 14. */
int serve_range(const char *text, uint64_t size, uint64_t *from, uint64_t *to);

struct serve_client {
	struct job *j;
	struct store *s;
	int fd;
	struct serve_request r;
	int status;		/* of the answer, for the log */
};

/* Send all, waiting for the client within SERVE_SEND_MS. */
NODISCARD int serve_send(struct serve_client *c, const void *p, size_t n, struct err *e);
/* A whole answer of text. headers: lines that each end in CRLF. */
NODISCARD int serve_text(struct serve_client *c, int status, const char *headers, struct str body, struct err *e);
NODISCARD int serve_refuse(struct serve_client *c, int status, const char *code, const char *message, struct err *e);
/* What the request's target asks for. */
NODISCARD int serve_answer(struct serve_client *c, struct err *e);

#endif
