/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health checks: what a probe's result means and when the next one is due. Pure but for the file health.json of the
 * container, which has the shape of "State.Health" in Docker's inspect. Who runs the probes is engine/health.
 *
 * Docker's counting: failures count only at its own times (every interval, in the start period every start interval),
 * and in the start period not at all. Until the first success we look more often, after 50 ms, 100 ms ... 1 s, so that a
 * container is healthy as soon as it is; failures in between are logged and do not count. `exact` leaves them out.
 */
#ifndef RUNTIME_CONTAINER_HEALTH_H
#define RUNTIME_CONTAINER_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct container;

#define HEALTH_OUTPUT_MAX 4096	/* bytes of a probe's output that are kept */
#define HEALTH_LOG_MAX 5

enum health_status { HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

struct health {			/* times in ns */
	struct strv argv;		/* of the probe */
	int64_t interval, timeout, start_period, start_interval;
	int64_t retries;
	bool exact;			/* at Docker's times only */
	char *on_failure;		/* "", "none", "kill", "stop", "restart"; owned */
	enum health_status status;
	int64_t streak;			/* failures that count, in a row */
	json_t *log;
	int64_t started, due;		/* since 1970: of process 1; from then on a failure counts */
	int64_t backoff;
	bool passed;			/* it was healthy once */
};

/* From config.json; false: it has no check. started: of process 1, since 1970. */
bool health_load(const json_t *config, int64_t started, struct health *ret);
void health_done(struct health *h);
int64_t health_first(struct health *h);			/* how long to wait before the first probe */
/* exit code of a probe that ran from start to end, -1: it took too long. Whether the status changed. */
bool health_result(struct health *h, int64_t start, int64_t end, int code, struct str output);
int64_t health_next(struct health *h, int64_t now);	/* how long to wait before the next one */
const char *health_word(enum health_status s);		/* "starting", "healthy", "unhealthy" */
NODISCARD int health_write(const struct health *h, int dir, struct err *e);	/* health.json; dir: the container's */

/* State.Health of inspect, the caller's; NULL: it has no check. */
json_t *container_health(const struct container *c);
/* "healthy", "unhealthy", "starting"; "none" without a check. */
const char *container_health_word(const struct container *c);

#endif
