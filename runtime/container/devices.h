/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs and other CDI devices for one process: run, RUN --device. */
#ifndef RUNTIME_CONTAINER_DEVICES_H
#define RUNTIME_CONTAINER_DEVICES_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"

struct cdi;
struct devices;
struct spec;

/*
 * All devices that this host has: of the files in $CDI_SPEC_DIRS (colons between; else /etc/cdi, /var/run/cdi and an
 * ordinary user's own), and, for kinds without any, GPUs that are found by looking, beneath $TARE_DRIVER_ROOT if that
 * is set. root: of a container, which decides where libraries go; -1: as on the host.
 */
void devices_load(int root, struct cdi **ret);

/* A flag's words as HostConfig.DeviceRequests: --gpus texts and CDI names of --device. Errors: ERR_USAGE. */
NODISCARD int devices_requests(const struct strv *gpus, const struct strv *names, json_t **ret, struct err *e);

/**
 * What the requests stand for, for a process whose spec has its root and user already. bundle: path of a directory
 * for hooks, made if there are some.
 * Owner:  *ret is the caller's; devices_free() after the sandbox is gone.
 * Errors: ERR_NOT_FOUND (no such device, no GPU), ERR_USAGE, ERR_SYS.
 */
NODISCARD int devices_open(const json_t *requests, const struct spec *sp, const char *bundle, struct devices **ret,
			   struct err *e);
/* The same for names that are known to be there. */
NODISCARD int devices_open_names(const struct cdi *c, const struct strv *names, const struct spec *sp, const char *bundle,
				 struct devices **ret, struct err *e);
/* Add it all to *sp, which then borrows from d: the last change of its mounts, devices and groups. */
void devices_apply(struct devices *d, struct spec *sp);
void devices_free(struct devices *d);		/* also removes the bundle; NULL is fine */

#endif
