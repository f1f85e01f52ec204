/* SPDX-License-Identifier: Apache-2.0 */
/* For engine/run_record: --health-* over the image's HEALTHCHECK. */
#ifndef ENGINE_RUN_HEALTH_H
#define ENGINE_RUN_HEALTH_H

#include <jansson.h>

#include "engine/run.h"

/* Config.Healthcheck of the record, the caller's; NULL in *ret: none. image: the image's, or NULL.
 * Errors: ERR_USAGE, in Docker's words. */
NODISCARD int run_health_json(const struct run_health *h, const json_t *image, json_t **ret, struct err *e);

#endif
