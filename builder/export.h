/* SPDX-License-Identifier: Apache-2.0 */
/* From a solved target to an image's config: layers, history, times. */
#ifndef BUILDER_EXPORT_H
#define BUILDER_EXPORT_H

#include "builder/lower.h"

/* Complete l->config: diff IDs and history of what was built, "created". l is solved. */
void export_config(struct lowered *l);

#endif
