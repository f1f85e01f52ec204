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

/**
 * A zeroed stream to compress with, at an address that has no influence on what comes out.
 *
 * With AVX2, ISA-L's levels 1 and 2 put a block's third byte into the hash table by the CRC-32C of the bits from 16 up
 * of the stream's own address (it takes a wrong register; seen in 2.30). For one address in some hundreds that makes
 * or hides a match. These streams are at addresses whose CRC is the same in the bits that any table size uses.
 */
struct isal_zstream *isal_stream_new(void);
void isal_stream_free(struct isal_zstream *z);		/* NULL is fine */

#endif
