/* SPDX-License-Identifier: Apache-2.0 */
/* For engine/create and engine/start: --device and --gpus, into the record and out of it. */
#ifndef ENGINE_RUN_DEVICE_H
#define ENGINE_RUN_DEVICE_H

#include <jansson.h>

#include "engine/run.h"
#include "runtime/sandbox/spec.h"

struct devices;

/* HostConfig.Devices and DeviceRequests. Errors: ERR_USAGE, in Docker's words. */
NODISCARD int run_device_record(const struct run_args *a, json_t *host, struct err *e);

struct run_device_set {		/* { 0 } is a valid empty one; what a spec borrows */
	struct spec_device *nodes;
	size_t n;
	struct strv paths;		/* theirs, container's and host's in turn */
	struct devices *cdi;
};

/* Look them up on this host and add them to *sp, which has its root, user and mounts. bundle: a path for hooks.
 * Errors: ERR_NOT_FOUND, ERR_USAGE (no device node), devices_open()'s. */
NODISCARD int run_device_open(const json_t *host, const char *bundle, struct spec *sp, struct run_device_set *ret,
			      struct err *e);
void run_device_close(struct run_device_set *s);	/* after the sandbox is gone */

#endif
