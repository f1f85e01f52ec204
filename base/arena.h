/* SPDX-License-Identifier: Apache-2.0 */
/* Arena: many small objects with one lifetime (a parse, a manifest, a graph), freed at once. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena_block;

struct arena {			/* { 0 } is a valid empty one; not shared between threads */
	struct arena_block *head;
};

void *arena_alloc(struct arena *a, size_t n);	/* zeroed, aligned for any type */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *p, size_t n);
struct str arena_str(struct arena *a, struct str s);	/* a copy; NUL follows it */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
void arena_done(struct arena *a);

#define arena_new(a, type) ((type *)arena_alloc(a, sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc(a, sizeof(type) * (n)))
#define auto_arena __attribute__((cleanup(arena_done)))

#endif
