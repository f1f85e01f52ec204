/* SPDX-License-Identifier: Apache-2.0 */
/* What finding and keeping credentials share. */
#ifndef REGISTRY_CREDS_INT_H
#define REGISTRY_CREDS_INT_H

#include <errno.h>
#include <jansson.h>

#include "registry/creds.h"

#define CREDS_HUB_KEY "https://index.docker.io/v1/"	/* what Docker files docker.io's under */

char *creds_docker_path(void);		/* Docker's config.json; NULL without a home */
json_t *creds_parse(const char *name, struct str text, struct err *e);	/* NULL: *e */
int creds_read(const char *path, json_t **ret, struct err *e);		/* 1 read, 0 there is none, -1 */
const char *creds_server(const char *key);	/* what helpers and files call it */

#endif
