/* SPDX-License-Identifier: Apache-2.0 */
/* For engine/create: arguments and image as config.json, the one description of a container that starts read. */
#ifndef ENGINE_RUN_RECORD_H
#define ENGINE_RUN_RECORD_H

#include <jansson.h>

#include "engine/run.h"
#include "registry/local.h"
#include "runtime/sandbox/spec.h"

/*
 * In the shape of Docker's inspect. Reads --env-file and seccomp profiles. mounts: run_mounts_json(), taken; network: the mode
 * chosen. Only what must be understood to be written down is checked here:
 * run_spec_load() judges the rest. Errors: ERR_USAGE, ERR_NOT_FOUND, in Docker's words.
 */
NODISCARD int run_record_make(const struct run_args *a, const struct image *img, json_t *mounts, const char *network,
			      const char *id, json_t **ret, struct err *e);

/* Pure pieces, for tests. */
NODISCARD int run_parse_cpus(const char *text, int64_t *nano, struct err *e);		/* "1.5" */
NODISCARD int run_parse_ulimit(const char *text, struct spec_rlimit *ret, struct err *e);	/* "nofile=1024:2048" */

#endif
