/* SPDX-License-Identifier: Apache-2.0 */
/* http and https URLs: parsing, resolving, origins, and the text that may be shown. */
#ifndef REGISTRY_URL_H
#define REGISTRY_URL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#define URL_MAX 16384		/* bytes of a URL; signed ones reach some thousand */

struct url {			/* { 0 } is a valid empty one */
	char *text;		/* "https://host:port/path?query": bytes of path and query as they came, no fragment */
	char *host;		/* lower case; an IPv6 address without its brackets */
	unsigned port;		/* the scheme's own if none was written */
	bool tls;		/* https */
	size_t path;		/* where in text the path starts: text[path] is '/' */
};
void url_done(struct url *u);
#define auto_url __attribute__((cleanup(url_done)))

/**
 * An absolute http or https URL. A user name in it, blanks, control characters are refused.
 * Errors: ERR_USAGE, with what is wrong; the text is shown without its query.
 */
NODISCARD int url_parse(struct str s, struct url *ret, struct err *e);
/* Resolve what a Location, Link or realm says against base. Spec: RFC 3986, 5.2. Errors: as url_parse(). */
NODISCARD int url_join(const struct url *base, struct str ref, struct url *ret, struct err *e);
bool url_same_origin(const struct url *a, const struct url *b);	/* scheme, host and port */
void url_origin(const struct url *u, struct buf *ret);		/* appends "https://host:port", the port if not the scheme's */
/* Append "?key=value" or "&key=value", the value percent-encoded. */
void url_query(struct buf *url, const char *key, struct str value);
void url_encode(struct buf *b, struct str s);			/* all but unreserved characters */
/* Append the URL as logs may have it: values of the query, but for harmless keys, become "***". */
void url_redact(struct buf *b, struct str url);

#endif
