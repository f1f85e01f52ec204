/* SPDX-License-Identifier: Apache-2.0 */
/* RUN --device: names of CDI devices, or of classes of them, as changes of the step's sandbox. */
#ifndef BUILDER_RUN_DEVICES_H
#define BUILDER_RUN_DEVICES_H

#include "builder/op_run.h"
#include "builder/work.h"

struct devices;
struct spec;

/* sp has root and user; it is changed. *ret: devices_free() after the sandbox is gone; NULL if there is none.
 * Errors: ERR_NOT_FOUND (a required one), devices_open_names()'s. */
NODISCARD int run_devices_open(struct work *w, const struct run_op *op, struct spec *sp, struct devices **ret,
			       struct err *e);

#endif
