/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs: what --gpus asks for, and what a host without CDI files has. */
#ifndef RUNTIME_CONTAINER_GPU_H
#define RUNTIME_CONTAINER_GPU_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"

struct cdi;

/**
 * Look for NVIDIA's nodes and driver libraries, and for render nodes of AMD and Intel; append one CDI file's text (JSON)
 * for each vendor that is there.
 *
 * root: "" for this host, or a directory that looks like one. libdir: where libraries go in the container
 * ("/usr/lib64"); NULL: where they are on the host.
 */
void gpu_discover(const char *root, const char *libdir, struct strv *ret);

/**
 * --gpus: "all", "2", "device=0,driver=nvidia", as CSV; *ret is an object of HostConfig.DeviceRequests, the caller's.
 * Errors: ERR_USAGE in Docker's words. Spec: docker/cli opts/gpus.go as spec/runtime.md 4.1 tells it.
 */
NODISCARD int gpu_request_parse(const char *text, json_t **ret, struct err *e);
/* The names of CDI devices that a device request stands for. Errors: ERR_NOT_FOUND "could not select device driver ...". */
NODISCARD int gpu_request_names(const struct cdi *c, const json_t *request, struct strv *ret, struct err *e);

#endif
