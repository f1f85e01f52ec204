/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of gzip and zstd streams, bounded in memory and in what may come out. */
#include "base/zip.h"

#include <stdbool.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/isal.h"

#define IN_CHUNK ((size_t)256 << 10)

struct unzip {
	bytes_get get;
	void *arg;
	enum zip_kind kind;
	bool foreign;		/* compressed in a way that is not undone here */
	bool ended;		/* get has no more */
	bool within;		/* a member or frame is open */
	bool padding;		/* gzip: only zero bytes may still come */
	size_t at, n;		/* what is left of buf */
	uint64_t in, out;	/* bytes, for the check against bombs */
	struct isal isal;
	struct inflate_state *gz;
	ZSTD_DCtx *zstd;
	char buf[IN_CHUNK];
};

enum zip_kind zip_sniff(const void *bytes, size_t n, bool *known)
{
	const unsigned char *p = bytes;

	*known = true;
	if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return ZIP_GZIP;
	if (n >= 4 && p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd)
		return ZIP_ZSTD;
	if (n >= 4 && (p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18)
		return ZIP_ZSTD;	/* a skippable frame comes first */
	*known = !(n >= 3 && memcmp(p, "BZh", 3) == 0) && !(n >= 6 && memcmp(p, "\xfd" "7zXZ\0", 6) == 0);
	return ZIP_NONE;
}

/* More bytes behind those that are left; 0 or -1. */
static int refill(struct unzip *u, struct err *e)
{
	ssize_t got;

	memmove(u->buf, u->buf + u->at, u->n - u->at);
	u->n -= u->at;
	u->at = 0;
	got = u->get(u->arg, u->buf + u->n, IN_CHUNK - u->n, e);
	if (got < 0)
		return -1;
	u->ended = got == 0;
	u->n += (size_t)got;
	u->in += (uint64_t)got;
	return 0;
}

static int set_up(struct unzip *u, struct err *e)
{
	auto_err struct err none = { 0 };
	bool known;

	while (u->n < 6 && !u->ended)
		if (refill(u, e) < 0)
			return -1;
	u->kind = zip_sniff(u->buf, u->n, &known);
	if (!known || (u->kind == ZIP_GZIP && isal_load(&u->isal, &none) < 0)) {
		u->kind = ZIP_NONE;
		u->foreign = true;
	}
	if (u->kind == ZIP_GZIP) {
		u->gz = xcalloc(1, sizeof(*u->gz));
		u->isal.inflate_init(u->gz);
		u->gz->crc_flag = ISAL_GZIP;
	}
	if (u->kind == ZIP_ZSTD) {
		u->zstd = ZSTD_createDCtx();
		if (!u->zstd)
			abort();	/* out of memory, STYLE 4 */
		ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, UNZIP_WINDOW_LOG);
	}
	return 0;
}

int unzip_new(bytes_get get, void *arg, struct unzip **ret, struct err *e)
{
	struct unzip *u = xcalloc(1, sizeof(*u));

	u->get = get;
	u->arg = arg;
	if (set_up(u, e) < 0) {
		unzip_free(u);
		return -1;
	}
	*ret = u;
	return 0;
}

enum zip_kind unzip_kind(const struct unzip *u)
{
	return u->kind;
}

bool unzip_foreign(const struct unzip *u)
{
	return u->foreign;
}

/* Between two gzip members: is the next one there? 1, 0 nothing but padding is, -1. */
static int next_member(struct unzip *u, struct err *e)
{
	while (u->n - u->at < 2 && !u->ended)
		if (refill(u, e) < 0)
			return -1;
	if (!u->padding && u->n - u->at >= 2 && memcmp(u->buf + u->at, "\x1f\x8b", 2) == 0) {
		u->isal.inflate_reset(u->gz);
		u->gz->crc_flag = ISAL_GZIP;
		return 1;
	}
	for (u->padding = true;;) {
		for (; u->at < u->n; u->at++)
			if (u->buf[u->at])
				return err_set(e, ERR_CORRUPT, "garbage behind the end of a gzip stream");
		if (u->ended)
			return 0;
		if (refill(u, e) < 0)
			return -1;
	}
}

/* Some output, or none although there was input: 0 or -1. *made is set. */
static int gzip_some(struct unzip *u, void *p, size_t n, size_t *made, struct err *e)
{
	struct inflate_state *s = u->gz;
	int r;

	s->next_in = (uint8_t *)u->buf + u->at;
	s->avail_in = (uint32_t)(u->n - u->at);
	s->next_out = p;
	s->avail_out = (uint32_t)MIN(n, (size_t)1 << 30);
	*made = s->avail_out;
	r = u->isal.inflate(s);
	*made -= s->avail_out;
	u->at = u->n - s->avail_in;
	if (r < 0)
		return err_set(e, ERR_CORRUPT, r == ISAL_INCORRECT_CHECKSUM ? "damaged gzip data: the checksum is wrong" :
			       "damaged gzip data");
	u->within = s->block_state != ISAL_BLOCK_FINISH;
	return 0;
}

static int zstd_some(struct unzip *u, void *p, size_t n, size_t *made, struct err *e)
{
	ZSTD_inBuffer in = { u->buf, u->n, u->at };
	ZSTD_outBuffer out = { p, n, 0 };
	size_t r = ZSTD_decompressStream(u->zstd, &out, &in);

	if (ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge)
		return err_set(e, ERR_LIMIT, "zstd: it needs a window of more than %u MiB", 1u << (UNZIP_WINDOW_LOG - 20));
	if (ZSTD_isError(r))
		return err_set(e, ERR_CORRUPT, "damaged zstd data: %s", ZSTD_getErrorName(r));
	u->at = in.pos;
	*made = out.pos;
	u->within = r != 0;
	return 0;
}

static ssize_t plain_some(struct unzip *u, void *p, size_t n, struct err *e)
{
	size_t have = MIN(n, u->n - u->at);

	if (have == 0)
		return u->ended ? 0 : u->get(u->arg, p, n, e);
	memcpy(p, u->buf + u->at, have);
	u->at += have;
	return (ssize_t)have;
}

static int count_out(struct unzip *u, size_t n, struct err *e)
{
	u->out += n;
	if (u->out > UNZIP_FREE && u->out / UNZIP_RATIO > u->in)
		return err_set(e, ERR_LIMIT, "it expands to more than %u times its size", UNZIP_RATIO);
	return 0;
}

/* Input is wanted, or the next member. 1 go on, 0 the end, -1. */
static int feed(struct unzip *u, struct err *e)
{
	if (!u->within && u->in > u->n - u->at && u->kind == ZIP_GZIP)	/* not at the very start */
		return next_member(u, e);
	if (u->at == u->n && !u->ended && refill(u, e) < 0)
		return -1;
	if (u->at < u->n || !u->ended)
		return 1;
	return u->within ? 1 : 0;
}

ssize_t unzip_get(void *unzip, void *p, size_t n, struct err *e)
{
	struct unzip *u = unzip;
	size_t made = 0;

	if (u->kind == ZIP_NONE)
		return plain_some(u, p, n, e);
	while (made == 0 && n) {
		int r = feed(u, e);
		size_t before = u->at;

		if (r <= 0)
			return r;
		r = u->kind == ZIP_GZIP ? gzip_some(u, p, n, &made, e) : zstd_some(u, p, n, &made, e);
		if (r < 0)
			return -1;
		if (made == 0 && u->at == before && (u->ended || u->at < u->n) && u->within)
			return err_set(e, ERR_CORRUPT, "damaged %s data: it ends too early", zip_kind_name(u->kind));
	}
	return count_out(u, made, e) < 0 ? -1 : (ssize_t)made;
}

void unzip_free(struct unzip *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->zstd);
	free(u->gz);
	isal_unload(&u->isal);
	free(u);
}
