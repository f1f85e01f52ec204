/* SPDX-License-Identifier: Apache-2.0 */
/* One error value, owned by the caller, handed down as the last argument and never NULL. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct source;			/* parser/source.h */

/* A place in a file that a user wrote. */
struct span {
	const struct source *src;	/* NULL if there is no such place */
	uint32_t off, len;		/* bytes from the start of the file; length */
};

enum err_kind {			/* what a caller may branch on */
	ERR_NONE,
	ERR_USAGE,		/* the user's words or files are wrong */
	ERR_NOT_FOUND,
	ERR_CONFLICT,		/* exists already, or is in use */
	ERR_DENIED,
	ERR_SYS,		/* the system refused: errno in sys */
	ERR_NET,
	ERR_CORRUPT,		/* stored or received bytes are not what they claim */
	ERR_LIMIT,		/* larger than we take */
	ERR_CANCELLED,
	ERR_STEP,		/* a RUN step's command failed */
};

struct err {
	enum err_kind kind;
	int sys;		/* errno, or 0 */
	struct span at;		/* place in a user's file; src is NULL if none */
	const char *hint;	/* what to do about it; static, or NULL */
	char *msg;		/* "outer: inner: cause"; owned, freed by err_clear() */
};

/*
 * Each fills or prefixes *e and returns -1, so that it can stand in a return statement.
 * err_set() and err_sys() replace what was there; err_sys() takes the cause from errno;
 * err_wrap() puts "fmt: " before the message.
 */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);
int err_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);
int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);
int err_hint(struct err *e, const char *hint);	/* keeps the message; hint is static text */
int err_at(struct err *e, struct span at);

void err_clear(struct err *e);			/* *e becomes { 0 } */
void err_move(struct err *to, struct err *from);	/* *to's old value is freed */
const char *err_text(const struct err *e);	/* the message, never NULL */

#define auto_err __attribute__((cleanup(err_clear)))

#endif
