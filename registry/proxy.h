/* SPDX-License-Identifier: Apache-2.0 */
/* Which proxy a URL goes through, by the usual variables of the environment. */
#ifndef REGISTRY_PROXY_H
#define REGISTRY_PROXY_H

#include "registry/url.h"

struct proxy_rules {		/* values, may be NULL; borrowed */
	const char *http, *https, *all, *no;
};
/* HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY; lower case wins. */
struct proxy_rules proxy_environment(void);
/* The proxy's URL as it was given, or NULL: none. Loopback hosts never have one, as with Docker. */
const char *proxy_of(const struct proxy_rules *r, const struct url *u);

/* Does the rules' NO_PROXY name this host? */
bool proxy_excluded(const struct proxy_rules *r, const struct url *u);

#endif
