/* SPDX-License-Identifier: Apache-2.0 */
/* --format of commands that list things: a table, a template per row, or one JSON object a line. */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

struct format_field {		/* a table of them ends with { 0 } */
	const char *name;	/* "ID" of {{.ID}} */
	const char *head;	/* "IMAGE ID"; NULL: no heading, and not in `--format json` */
};

struct format;

/**
 * text: NULL or "table" (then the default: `columns`, a template's text such as "{{.ID}}\t{{.Names}}"),
 * "table TEMPLATE" (with headings), "json", or a template that is run for each row.
 * Rows are objects that have all fields of the table `fields`. heads false: no line of headings.
 * Errors: ERR_USAGE (bad template, unknown field: with the nearest one).
 */
NODISCARD int format_new(const char *text, const char *columns, const struct format_field *fields, bool heads,
			 struct format **ret, struct err *e);
/* Does the output use this field? So that what is costly need not be computed. */
bool format_uses(const struct format *f, const char *field);
NODISCARD int format_row(struct format *f, json_t *row, struct err *e);	/* takes row */
void format_print(struct format *f, FILE *out);		/* all at once, at the end */
void format_free(struct format *f);
static inline void format_cleanup(struct format **f) { format_free(*f); }
#define auto_format __attribute__((cleanup(format_cleanup)))

#define FORMAT_SIZE_MAX 24
/* Bytes in powers of 1000 with so many significant digits, as Docker has it: "1.24GB", "512B". Returns ret. */
const char *format_size(uint64_t bytes, int digits, char ret[static FORMAT_SIZE_MAX]);
/* At most n characters; a longer text ends in an ellipsis within them. Appends to ret. */
void format_ellipsis(struct str text, size_t n, struct buf *ret);

#endif
