/* SPDX-License-Identifier: Apache-2.0 */
/* What is told when a step failed: its lines in the Dockerfile, the end of its log. */
#ifndef ENGINE_BUILD_REPORT_H
#define ENGINE_BUILD_REPORT_H

#include "engine/build.h"

struct source;
struct vertex;

#define REPORT_LOG_LINES 40

/* Fill in r for the failed step v (NULL: only an error of no step). */
void build_report_fill(struct build_report *r, const struct source *src, const struct vertex *v, struct store *s,
		       const char *build_id);

#endif
