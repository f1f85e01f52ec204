/* SPDX-License-Identifier: Apache-2.0 */
/* Digests: strict text form in, bytes kept, text form out. */
#include "image/digest.h"

#include <string.h>

static const char *const alg_names[] = { [HASH_SHA256] = "sha256", [HASH_SHA512] = "sha512" };

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_bytes(struct str s, uint8_t *ret, size_t n)
{
	if (s.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = nibble(s.p[2 * i]), lo = nibble(s.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		ret[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

int digest_parse(struct str s, struct digest *ret, struct err *e)
{
	struct str rest = s, alg = str_cut(&rest, ':');
	struct digest d = { 0 };

	for (size_t i = 0; i < countof(alg_names); i++) {
		d.alg = (enum hash_alg)i;
		if (!str_is(alg, alg_names[i]) || !hex_bytes(rest, d.b, hash_size(d.alg)))
			continue;
		*ret = d;
		return 0;
	}
	return err_set(e, ERR_USAGE, "not a digest: \"%.*s\"", (int)MIN(s.n, (size_t)160), s.p);
}

bool digest_from_hex(struct str hex, struct digest *ret)
{
	struct digest d = { .alg = HASH_SHA256 };

	if (!hex_bytes(hex, d.b, 32))
		return false;
	*ret = d;
	return true;
}

const char *digest_hex(const struct digest *d, char ret[static DIGEST_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = hash_size(d->alg);

	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = digits[d->b[i] >> 4];
		ret[2 * i + 1] = digits[d->b[i] & 15];
	}
	ret[2 * n] = '\0';
	return ret;
}

const char *digest_text(const struct digest *d, char ret[static DIGEST_TEXT_MAX])
{
	char hex[DIGEST_TEXT_MAX];
	size_t n = strlen(alg_names[d->alg]);

	memcpy(ret, alg_names[d->alg], n);
	ret[n] = ':';
	digest_hex(d, hex);
	memcpy(ret + n + 1, hex, strlen(hex) + 1);
	return ret;
}

int digest_cmp(const struct digest *a, const struct digest *b)
{
	return a->alg != b->alg ? (int)a->alg - (int)b->alg : memcmp(a->b, b->b, hash_size(a->alg));
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
	return digest_cmp(a, b) == 0;
}

struct digest digest_final(struct hasher *h)
{
	struct digest d = { .alg = h->alg };

	hasher_final(h, d.b);
	return d;
}

struct digest digest_of(const void *p, size_t n)
{
	struct digest d = { .alg = HASH_SHA256 };

	hash_sha256(p, n, d.b);
	return d;
}

struct digest chain_id(const struct digest *parent, const struct digest *diff_id)
{
	char text[2 * DIGEST_TEXT_MAX], part[DIGEST_TEXT_MAX];
	size_t n;

	if (!parent)
		return *diff_id;
	digest_text(parent, text);
	n = strlen(text);
	text[n++] = ' ';
	digest_text(diff_id, part);
	memcpy(text + n, part, strlen(part));
	return digest_of(text, n + strlen(part));
}
