/* SPDX-License-Identifier: Apache-2.0 */
/* Restart policies: what follows the end of process 1. Pure. */
#ifndef RUNTIME_CONTAINER_RESTART_H
#define RUNTIME_CONTAINER_RESTART_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum restart_when { RESTART_NO, RESTART_ALWAYS, RESTART_UNLESS_STOPPED, RESTART_ON_FAILURE };

struct restart_policy {
	enum restart_when when;
	unsigned max;			/* ON_FAILURE: so many times; 0: no limit */
};

struct restart_state {			/* { 0 } at the start */
	int64_t delay_ns;		/* the last one */
	unsigned failures;		/* in a row */
};

/* "no", "always", "unless-stopped", "on-failure[:n]". Errors: ERR_USAGE. */
NODISCARD int restart_parse(const char *text, struct restart_policy *ret, struct err *e);
const char *restart_name(enum restart_when when);
/* HostConfig.RestartPolicy: {"Name": "always", "MaximumRetryCount": 0}; anything else is RESTART_NO. */
struct restart_policy restart_load(const json_t *policy);

/*
 * Process 1 ended with code after it ran for ran_ns. wanted: somebody stopped it. True: start it again after *delay_ns,
 * 100 ms at first, twice as long each time, 60 s at most, from 100 ms again after a run of 10 s.
 */
bool restart_again(const struct restart_policy *p, struct restart_state *s, int code, bool wanted, int64_t ran_ns,
		   int64_t *delay_ns);

#endif
