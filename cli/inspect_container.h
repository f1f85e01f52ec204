/* SPDX-License-Identifier: Apache-2.0 */
/* A container as the JSON object that Docker's inspect shows. */
#ifndef CLI_INSPECT_CONTAINER_H
#define CLI_INSPECT_CONTAINER_H

#include <jansson.h>
#include <stdbool.h>

#include "runtime/container/container.h"

/* size: also what its own files and its image's take. The caller owns the result. */
json_t *container_json(struct store *s, const struct container *c, bool size);

#endif
