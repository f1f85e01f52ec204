/* SPDX-License-Identifier: Apache-2.0 */
/* For gc alone: its row half, called inside gc's transaction. */
#ifndef CACHE_GC_ROWS_H
#define CACHE_GC_ROWS_H

#include "cache/gc.h"

/* Delete what the options evict: untagged images, build keys. `pins` is an fd of work/pins without
 * locks. */
NODISCARD int gc_evict(struct store *s, const struct gc_opts *o, int pins, struct gc_result *ret,
		       struct err *e);
/* Delete inputs of keys that are gone, listings that no input speaks of, stat cache rows long
 * unused. */
NODISCARD int gc_sweep_rows(struct store *s, struct gc_result *ret, struct err *e);

#endif
