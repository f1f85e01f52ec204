/* SPDX-License-Identifier: Apache-2.0 */
/* For base/zip alone: ISA-L, loaded when gzip is first met, because no distribution has it as a static library. */
#ifndef BASE_ISAL_H
#define BASE_ISAL_H

#include <isa-l/igzip_lib.h>

#include "base/err.h"

struct isal {
	void *lib;
	void (*deflate_init)(struct isal_zstream *z);
	int (*deflate)(struct isal_zstream *z);
	uint32_t (*crc32)(uint32_t init, const unsigned char *p, uint64_t n);
	void (*inflate_init)(struct inflate_state *s);
	void (*inflate_reset)(struct inflate_state *s);
	int (*inflate)(struct inflate_state *s);
};

/* Errors: ERR_NOT_FOUND, with a hint. */
NODISCARD int isal_load(struct isal *ret, struct err *e);
void isal_unload(struct isal *l);

#endif
