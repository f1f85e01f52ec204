/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip and zstd as streams. Compression works on blocks of fixed size, side by side on as many threads as there are
 * processors; the bytes that come out depend on the bytes, the kind and the level alone, neither on the
 * number of threads nor on how the input was cut. (Another release of a library, or another kind of processor, may give
 * other bytes: whoever needs the same ones again keeps their digest.)
 *
 * gzip: one member of deflate blocks that are independent of each other (RFC 1952). zstd: one frame per block (RFC 8878).
 */
#ifndef BASE_ZIP_H
#define BASE_ZIP_H

#include "base/stream.h"

enum zip_kind { ZIP_NONE, ZIP_GZIP, ZIP_ZSTD };

#define ZIP_BLOCK ((size_t)1 << 20)	/* bytes of input that are compressed by themselves */
#define ZIP_LEVEL_MAX 22		/* zstd; gzip's end at 9 */

/* "gzip", "zstd", "none". Errors: ERR_USAGE. */
NODISCARD int zip_kind_parse(const char *s, enum zip_kind *ret, struct err *e);
const char *zip_kind_name(enum zip_kind k);

struct zip;

/**
 * A compressor that gives its output to put(arg), always from the thread that calls zip_put() or zip_end().
 *
 * level 0: the default (gzip 1, zstd 3); workers 0: one per processor, at most 8. ZIP_NONE passes bytes through.
 * Errors: ERR_USAGE (level), ERR_NOT_FOUND (gzip: the library libisal.so.2 is not installed), put's.
 */
NODISCARD int zip_new(enum zip_kind kind, int level, size_t workers, bytes_put put, void *arg, struct zip **ret,
		      struct err *e);
NODISCARD int zip_put(void *zip, const void *p, size_t n, struct err *e);	/* bytes_put; arg: struct zip * */
NODISCARD int zip_end(struct zip *z, struct err *e);	/* all is put out; nothing may follow */
void zip_free(struct zip *z);				/* NULL is fine */
static inline void zip_cleanup(struct zip **z) { zip_free(*z); }
#define auto_zip __attribute__((cleanup(zip_cleanup)))

/* What may come out of so many bytes: UNZIP_RATIO times as many, but always UNZIP_FREE. */
#define UNZIP_RATIO 1000u
#define UNZIP_FREE ((uint64_t)4 << 30)
#define UNZIP_WINDOW_LOG 27	/* zstd windows above 128 MiB are refused */

/* What a stream that begins with these bytes is; 6 are enough. *known is false for kinds that unzip_new() does
 * not undo (bzip2, xz). */
enum zip_kind zip_sniff(const void *p, size_t n, bool *known);

struct unzip;

/**
 * Undo gzip (all members), zstd (all frames, skippable ones passed over) or nothing, told apart by the first bytes.
 * Zero bytes behind the last gzip member are padding; anything else there is an error.
 *
 * What it does not undo (bzip2, xz; gzip where there is no libisal.so.2) passes as it is: unzip_foreign() then.
 *
 * Owner:  *ret is the caller's, unzip_free(); get(arg) must stay valid until then.
 * Errors: get's; unzip_get() also ERR_CORRUPT, ERR_LIMIT (a bomb; a window).
 */
NODISCARD int unzip_new(bytes_get get, void *arg, struct unzip **ret, struct err *e);
ssize_t unzip_get(void *unzip, void *p, size_t n, struct err *e);	/* bytes_get; arg: struct unzip * */
enum zip_kind unzip_kind(const struct unzip *u);
bool unzip_foreign(const struct unzip *u);
void unzip_free(struct unzip *u);	/* NULL is fine */
static inline void unzip_cleanup(struct unzip **u) { unzip_free(*u); }
#define auto_unzip __attribute__((cleanup(unzip_cleanup)))

#endif
