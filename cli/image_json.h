/* SPDX-License-Identifier: Apache-2.0 */
/* Images as the JSON objects that Docker's inspect shows. */
#ifndef CLI_IMAGE_JSON_H
#define CLI_IMAGE_JSON_H

#include <jansson.h>

#include "registry/local.h"

/* names: canonical. full: also the fields that are left out of JSON when they are empty, so that a template can ask
 * for them. The caller owns the result. */
json_t *image_json(const struct image *i, const struct strv *names, bool full);

/* The digest that goes with a name of the image: the repository's, where one is known, else the store's. */
const struct digest *image_repo_digest(const struct image *i, const struct ref *r);

#endif
