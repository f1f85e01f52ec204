/* SPDX-License-Identifier: Apache-2.0 */
/* TOML as a JSON tree: what registries.conf and hosts.toml are written in. */
#ifndef PARSER_TOML_H
#define PARSER_TOML_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"

#define TOML_DEPTH_MAX 64

/**
 * Read a whole document. Tables become objects, dates and times strings, floats reals.
 *
 * Stricter rules on opening a table twice are not checked; a key twice is an error.
 * Owner:  json_decref(*ret).
 * Errors: ERR_USAGE "line 3: a value is missing".
 * Spec:   TOML 1.0.0
 */
NODISCARD int toml_parse(struct str text, json_t **ret, struct err *e);

#endif
