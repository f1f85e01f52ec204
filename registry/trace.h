/* SPDX-License-Identifier: Apache-2.0 */
/* --trace-http: what was sent and answered, one JSON object a line, without secrets. */
#ifndef REGISTRY_TRACE_H
#define REGISTRY_TRACE_H

#include "registry/http.h"

struct hop;

/* Append to a file, made with mode 0600. Errors: ERR_SYS. */
NODISCARD int trace_open(const char *path, struct http_trace **ret, struct err *e);
void trace_free(struct http_trace *t);
/* One exchange: time, conn, method, url, headers, bytes_in (sent), status, answer (headers), bytes_out (received),
 * seconds, error. Values of Authorization, cookies, headers from hosts.toml and signed queries are "***". */
void trace_hop(struct http_trace *t, const struct hop *x, int64_t began_ns, const struct err *failed);

#endif
