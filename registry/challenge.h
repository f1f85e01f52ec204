/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate: how a registry wants to be asked. Pure. */
#ifndef REGISTRY_CHALLENGE_H
#define REGISTRY_CHALLENGE_H

#include "base/str.h"

enum challenge_scheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER, CHALLENGE_OTHER };

struct challenge {		/* { 0 } is a valid empty one; texts owned, NULL if absent */
	enum challenge_scheme scheme;
	char *realm, *service, *scope, *error;
};
void challenge_done(struct challenge *c);
#define auto_challenge __attribute__((cleanup(challenge_done)))

struct challenges {
	struct challenge *v;
	size_t n;
};
#define CHALLENGES_MAX 32	/* further ones are ignored */
/* Add all challenges of one header's value: several, separated by commas, are possible. What is malformed is passed over.
 * Spec: RFC 9110, 11.6.1. */
void challenges_add(struct challenges *l, struct str value);
void challenges_done(struct challenges *l);
#define auto_challenges __attribute__((cleanup(challenges_done)))
/* The one to answer: the first bearer with a realm, else basic, else any bearer; NULL if there is none. */
const struct challenge *challenges_pick(const struct challenges *l);

#endif
