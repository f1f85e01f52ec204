/* SPDX-License-Identifier: Apache-2.0 */
/* For engine/run_record and engine/run_spec: what a container may use beside the simple limits. */
#ifndef ENGINE_RUN_LIMITS_H
#define ENGINE_RUN_LIMITS_H

#include <jansson.h>

#include "engine/run.h"
#include "runtime/sandbox/spec.h"

/* --sysctl, modes of namespaces, and numbers, into HostConfig. Errors: ERR_USAGE, in Docker's words. */
NODISCARD int run_limits_json(const struct run_limits *l, json_t *host, struct err *e);

struct run_extras {		/* { 0 } is a valid empty one; what the spec borrows */
	struct spec_sysctl *sysctls;
	size_t nsysctls;
	char *cpuset_mems;
};

/* Back from the record into *sp. Errors: ERR_USAGE. */
NODISCARD int run_limits_load(struct run_extras *x, const json_t *host, struct spec *sp, struct err *e);
void run_extras_done(struct run_extras *x);

#endif
