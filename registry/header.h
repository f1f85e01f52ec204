/* SPDX-License-Identifier: Apache-2.0 */
/* Values of HTTP headers that registries send: Retry-After, Link, Warning. Pure. */
#ifndef REGISTRY_HEADER_H
#define REGISTRY_HEADER_H

#include "base/err.h"
#include "base/str.h"

/* Seconds to wait from now (seconds since 1970): a number, or a date in one of HTTP's three forms. false if it is neither,
 * or in the past. Spec: RFC 9110, 10.2.3 and 5.6.7. */
NODISCARD bool header_retry_after(struct str value, int64_t now, uint64_t *ret);
/* HTTP's dates as seconds since 1970. */
NODISCARD bool header_date(struct str value, int64_t *ret);
/* The target of the link with rel=next; borrowed from value. Spec: RFC 8288. */
NODISCARD bool header_link_next(struct str value, struct str *ret);
/* The text of a warning with code 299 and agent "-"; owned. Spec: distribution-spec, "Warnings". */
char *header_warning(struct str value);
/* An unquoted copy of a quoted-string at the start of *s, which moves past it; NULL if it is none. Spec: RFC 9110, 5.6.4. */
char *header_quoted(struct str *s);
bool header_token_char(char c);		/* RFC 9110, 5.6.2 */

#endif
