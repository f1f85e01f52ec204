/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON side of image/config: reading strictly, writing as Docker and BuildKit do. For config.c alone. */
#ifndef IMAGE_CONFIG_JSON_H
#define IMAGE_CONFIG_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* Parse and check the types of all fields that config.c reads. Errors: ERR_CORRUPT, ERR_LIMIT. */
NODISCARD int config_json_parse(struct str text, json_t **ret, struct err *e);
void config_json_text(const json_t *root, struct buf *ret);

/* s as UTF-8, each byte that is not replaced by U+FFFD, as Go's encoder has it. Owned. */
char *config_json_clean(const char *s);
json_t *config_json_str(const char *s);		/* a new JSON string of it */
/* An RFC 3339 time as ns since 1970; false if v is none, or of a year that ns cannot hold (Go's zero time). */
bool config_json_time(const json_t *v, int64_t *ret);

#endif
