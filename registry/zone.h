/* SPDX-License-Identifier: Apache-2.0 */
/* How near an address is, and who may name it: a public registry must not lead us into the user's own network. */
#ifndef REGISTRY_ZONE_H
#define REGISTRY_ZONE_H

#include <sys/socket.h>

#include "registry/http.h"

enum http_zone zone_of_address(const struct sockaddr *a);
/* An address literal's zone, ZONE_LOOPBACK for localhost and *.localhost, else ZONE_PUBLIC: not looked up. */
enum http_zone zone_of_host(const char *host);
bool zone_is_literal(const char *host);
/* May a peer in the zone limit send us to target? */
bool zone_allows(enum http_zone limit, enum http_zone target);
const char *zone_name(enum http_zone z);	/* "a private" */

#endif
