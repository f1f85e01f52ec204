/* SPDX-License-Identifier: Apache-2.0 */
/* Arena of growing blocks; a large object gets a block of its own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#define BLOCK_SIZE ((size_t)8 << 10)

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(16) char data[];
};

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b = xcalloc(1, sizeof(*b) + size);

	b->size = size;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	void *p;

	n = (n + 15) & ~(size_t)15;
	if (!b || b->size - b->used < n) {
		b = block_new(MAX(n, BLOCK_SIZE));
		b->next = a->head;
		a->head = b;
	}
	p = b->data + b->used;
	b->used += n;
	return p;
}

char *arena_strndup(struct arena *a, const char *p, size_t n)
{
	char *s = arena_alloc(a, n + 1);

	if (n)
		memcpy(s, p, n);
	return s;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

struct str arena_str(struct arena *a, struct str s)
{
	return (struct str){ arena_strndup(a, s.p, s.n), s.n };
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	s = arena_alloc(a, (size_t)MAX(n, 0) + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)MAX(n, 0) + 1, fmt, ap);
	va_end(ap);
	return s;
}

void arena_done(struct arena *a)
{
	while (a->head) {
		struct arena_block *b = a->head;

		a->head = b->next;
		free(b);
	}
}
