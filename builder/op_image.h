/* SPDX-License-Identifier: Apache-2.0 */
/* The vertex of an image that is in the store: its layers, by diff ID. */
#ifndef BUILDER_OP_IMAGE_H
#define BUILDER_OP_IMAGE_H

#include "builder/graph.h"
#include "image/config.h"

/* The layers that c lists; name and manifest are for `why`. The result is set at once. */
struct vertex *op_image_add(struct graph *g, const struct config *c, const char *name,
			    const struct digest *manifest);

#endif
