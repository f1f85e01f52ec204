/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes as verbs: create, list, show, remove, prune. */
#ifndef ENGINE_VOLUME_H
#define ENGINE_VOLUME_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct store;

struct volume_args {
	const char *name;		/* NULL or "": a random one, anonymous */
	struct strv labels, options;	/* "K=V" */
};

/* *ret is its name, the caller's. Errors: volume_create()'s. */
NODISCARD int engine_volume_create(struct store *s, const struct volume_args *a, char **ret, struct err *e);
/* As Docker's inspect has it; the caller's. Errors: ERR_NOT_FOUND. */
NODISCARD int engine_volume_inspect(struct store *s, const char *name, json_t **ret, struct err *e);
/* Those that match (dangling, driver, label, name), by name: an array of such objects. Errors: ERR_USAGE. */
NODISCARD int engine_volume_list(struct store *s, const struct strv *filters, json_t **ret, struct err *e);
/* Errors: ERR_NOT_FOUND, ERR_CONFLICT "volume is in use", ERR_SYS. */
NODISCARD int engine_volume_rm(struct store *s, const char *name, struct err *e);
/*
 * Remove what no container has: anonymous ones, with all every one. filters: label, label!=. *removed gets names,
 * *bytes what they took. Errors: ERR_USAGE, ERR_SYS.
 */
NODISCARD int engine_volume_prune(struct store *s, bool all, const struct strv *filters, struct strv *removed,
				  uint64_t *bytes, struct err *e);

#endif
