/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as JSON text and back: arguments, variables and paths need not be UTF-8, JSON must. A byte that is no
 * UTF-8 becomes U+10FE00 plus its value, in a plane for private use.
 */
#ifndef RUNTIME_CONTAINER_JSONTEXT_H
#define RUNTIME_CONTAINER_JSONTEXT_H

#include <jansson.h>

#include "base/str.h"

json_t *jsontext(const char *bytes);
json_t *jsontext_list(const struct strv *l, size_t from);	/* an array of l->v[from...] */
char *jsontext_bytes(const json_t *text);			/* owned; "" if it is no text */
void jsontext_strv(const json_t *array, struct strv *ret);	/* appends */

#endif
