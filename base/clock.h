/* SPDX-License-Identifier: Apache-2.0 */
/* Time: now, RFC 3339 text, durations as people write them. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define CLOCK_TEXT_MAX 40

int64_t clock_now_ns(void);		/* since 1970, real time */
int64_t clock_mono_ns(void);
const char *clock_rfc3339(int64_t ns, char ret[static CLOCK_TEXT_MAX]);	/* UTC, nanoseconds, zeros cut as Go does */
/* ns since 1970; a time before 1678 or after 2262 becomes the first or last that 64 bits hold (Go's zero time does). */
NODISCARD bool clock_parse_rfc3339(struct str s, int64_t *ret);
NODISCARD bool clock_parse_duration(struct str s, int64_t *ret);	/* Go form "1h2m3.5s", "500ms"; ns */
const char *clock_ago(int64_t ns, char ret[static CLOCK_TEXT_MAX]);	/* "3 minutes ago", in Docker's words; ns: how long */
/* SOURCE_DATE_EPOCH of text (seconds); false if it is not a whole number. */
NODISCARD bool clock_parse_epoch(struct str s, int64_t *ret);

#endif
