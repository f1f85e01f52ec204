/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of cells separated by tabs, aligned in columns as Docker's tables are. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#include "base/str.h"

#define TABLE_CELL_MIN 10	/* characters of a cell with the gap behind it */
#define TABLE_GAP 3

/* text: lines ended by "\n", cells by "\t" (the last cell of a line is not padded). Widths are counted in
 * characters; control characters are printed as "?", so that no image's label moves the cursor. */
void table_print(struct str text, FILE *out);

#endif
