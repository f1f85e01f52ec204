/* SPDX-License-Identifier: Apache-2.0 */
/* Only what lists need of a record: a thousand are looked at in a few milliseconds. Pure. */
#ifndef RUNTIME_CONTAINER_SKIM_H
#define RUNTIME_CONTAINER_SKIM_H

#include <stdbool.h>

#include "base/str.h"

/* Append to ret the object `json` with the members that are wanted and not empty. False: no such text as we write. */
bool skim_record(struct str json, struct buf *ret);

#endif
