/* SPDX-License-Identifier: Apache-2.0 */
/* Named and anonymous volumes: volumes/<name>/_data in the store. */
#ifndef RUNTIME_CONTAINER_VOLUME_H
#define RUNTIME_CONTAINER_VOLUME_H

#include <stdbool.h>

#include "base/err.h"

struct store;

struct volume {
	int dir;		/* volumes/<name>; an exclusive flock as long as it is open */
	int data;		/* its _data; -1 once taken */
	char *path;		/* of _data, absolute; owned */
};

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+, at most 255 bytes */
bool volume_name_ok(const char *name);
/* Open, made if missing, with the lock: whoever fills it on first use does so alone. Errors: ERR_USAGE, ERR_SYS. */
NODISCARD int volume_open(struct store *s, const char *name, struct volume *ret, struct err *e);
bool volume_is_empty(const struct volume *v);
void volume_close(struct volume *v);
/* With all its files; a missing one is no error. */
NODISCARD int volume_remove(struct store *s, const char *name, struct err *e);

#endif
