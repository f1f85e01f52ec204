/* SPDX-License-Identifier: Apache-2.0 */
/* Variables as -e and --env-file give them. */
#ifndef ENGINE_RUN_ENV_H
#define ENGINE_RUN_ENV_H

#include "base/err.h"
#include "base/str.h"

/* -e: "K=V" is appended or replaces, "K" takes our value or becomes "K" without "=". */
NODISCARD int run_parse_env(const char *text, struct strv *env, struct err *e);
/* All of --env-file (first) and -e so. Errors: ERR_USAGE, ERR_NOT_FOUND. */
NODISCARD int run_read_env(const struct strv *files, const struct strv *env, struct strv *ret, struct err *e);
/* Such a list over another: "K" without "=" removes. */
void run_env_merge(struct strv *env, const struct strv *more);

#endif
