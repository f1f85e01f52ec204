/* SPDX-License-Identifier: Apache-2.0 */
/* A set of 32-byte values by open addressing. */
#include "cache/set.h"

#include <string.h>

static bool item_free(const struct set_item *it)
{
	static const struct set_item zero;

	return memcmp(it, &zero, sizeof(zero)) == 0;
}

/* Where it is, or where it would go; cap is a power of two and never full. */
static size_t place(const struct set *s, const struct set_item *it)
{
	uint64_t w[4], h = 0;
	size_t at;

	memcpy(w, it, sizeof(w));
	for (size_t i = 0; i < 4; i++)
		h = (h ^ w[i]) * 0x9e3779b97f4a7c15u;
	at = (size_t)(h >> 20) & (s->cap - 1);
	while (!item_free(&s->v[at]) && memcmp(&s->v[at], it, sizeof(*it)) != 0)
		at = (at + 1) & (s->cap - 1);
	return at;
}

static void grow(struct set *s)
{
	struct set big = { .n = s->n, .cap = s->cap ? 2 * s->cap : 64 };

	big.v = xcalloc(big.cap, sizeof(*big.v));
	for (size_t i = 0; i < s->cap; i++)
		if (!item_free(&s->v[i]))
			big.v[place(&big, &s->v[i])] = s->v[i];
	free(s->v);
	*s = big;
}

bool set_add(struct set *s, const struct set_item *it)
{
	size_t at;

	if (4 * (s->n + 1) > 3 * s->cap)
		grow(s);
	at = place(s, it);
	if (!item_free(&s->v[at]))
		return false;
	s->v[at] = *it;
	s->n++;
	return true;
}

bool set_has(const struct set *s, const struct set_item *it)
{
	return s->cap && !item_free(&s->v[place(s, it)]);
}

void set_done(struct set *s)
{
	free(s->v);
	*s = (struct set){ 0 };
}

struct set_item set_digest(const struct digest *d)
{
	struct set_item it;

	memcpy(it.b, d->b, sizeof(it.b));
	return it;
}

struct set_item set_pair(uint64_t a, uint64_t b)
{
	struct set_item it = { .b = { [31] = 1 } };	/* never all zero */

	memcpy(it.b, &a, sizeof(a));
	memcpy(it.b + sizeof(a), &b, sizeof(b));
	return it;
}
