/* SPDX-License-Identifier: Apache-2.0 */
/* A text that a user wrote: its name, its bytes, where its lines begin. */
#ifndef PARSER_SOURCE_H
#define PARSER_SOURCE_H

#include "base/err.h"
#include "base/str.h"

#define SOURCE_MAX ((size_t)16 << 20)	/* bytes of one file; give it to fs_read() as the limit */

struct source {
	const char *name;	/* as shown in messages; borrowed */
	struct str text;	/* borrowed: must outlive all nodes and spans */
	uint32_t *lines;	/* offset of each line's first byte; owned */
	size_t nlines;
};

struct place {			/* both from 1; col counts characters, not bytes */
	unsigned line, col;
};

/* name and text are borrowed until source_done(). Errors: ERR_LIMIT above SOURCE_MAX bytes. */
NODISCARD int source_init(struct source *s, const char *name, struct str text, struct err *e);
void source_done(struct source *s);

struct span source_span(const struct source *s, size_t off, size_t len);
struct place source_place(struct span at);		/* of its first byte */
/* Without its line end; empty if there is none. */
struct str source_line(const struct source *s, unsigned line);
/* "name:line:col"; appends to ret. */
void source_where(struct span at, struct buf *ret);

#endif
