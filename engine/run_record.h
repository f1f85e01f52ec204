/* SPDX-License-Identifier: Apache-2.0 */
/* For engine/run: a container's config.json, in the shape of Docker's inspect. */
#ifndef ENGINE_RUN_RECORD_H
#define ENGINE_RUN_RECORD_H

#include <jansson.h>

#include "engine/run.h"
#include "engine/run_mount.h"
#include "engine/run_spec.h"
#include "registry/local.h"

/* The caller's. Every volume has its name by now; volumes_dir: absolute. */
json_t *run_record_make(const struct run_args *a, const struct run_spec *r, const struct image *img,
			const struct run_mounts *mounts, const char *volumes_dir, const char *network);

#endif
