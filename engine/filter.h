/* SPDX-License-Identifier: Apache-2.0 */
/* --filter KEY=VALUE as Docker takes it: of different keys all must match, of one key any, but every label. */
#ifndef ENGINE_FILTER_H
#define ENGINE_FILTER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* Each must be KEY=VALUE with a key of the list (NULL-terminated; "label!" is written label!=X). Errors: ERR_USAGE. */
NODISCARD int filter_check(const struct strv *filters, const char *const *keys, struct err *e);
/* The values of key must be true, false, 1 or 0. */
NODISCARD int filter_check_bool(const struct strv *filters, const char *key, struct err *e);
/* match: does the thing match this one? */
bool filter_match(const struct strv *filters, bool (*match)(void *arg, struct str key, struct str value), void *arg);

#endif
