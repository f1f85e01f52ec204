/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again: the gate that one 429 closes for all requests to a host, and pauses that grow. */
#ifndef REGISTRY_RETRY_H
#define REGISTRY_RETRY_H

#include "registry/http.h"

#define RETRY_MAX 5		/* tries of one request */

struct gate {			/* of one origin; shared by threads */
	_Atomic int64_t open;	/* monotonic ns before which nothing is sent there */
};
/* Wait until the gate is open. Errors: ERR_CANCELLED. */
NODISCARD int gate_wait(struct job *j, struct gate *g, struct err *e);
void gate_close(struct gate *g, int64_t ns);	/* for so long; never opens it earlier */

/* Does it make sense to send this again? status 0: no answer. Spec: RFC 9110, 15; distribution-spec, "API". */
bool retry_status(int status);
bool retry_broken(enum http_broken b);
/* The pause before try n (1: the first repetition), in ns: doubles from 0.2 s to 10 s, half of it random. */
int64_t retry_pause_ns(int n, uint32_t random);
uint32_t retry_random(void);
/* Pause. Errors: ERR_CANCELLED. */
NODISCARD int retry_sleep(struct job *j, int64_t ns, struct err *e);

#endif
