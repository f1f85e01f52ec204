/* SPDX-License-Identifier: Apache-2.0 */
/* Copy images from one end to another: pull, push, save and load are this one verb. */
#ifndef REGISTRY_COPY_H
#define REGISTRY_COPY_H

#include "registry/transport.h"

/**
 * Copy all that the origin lists. A layer that several images share travels once.
 *
 * *ret gets what was copied (names, configs), for messages; { 0 } before.
 * Errors: ERR_NOT_FOUND if the origin has no image, those of the ends, ERR_CANCELLED.
 */
NODISCARD int copy_images(struct job *j, struct origin *from, struct target *to, struct offers *ret,
			  struct err *e);

#endif
