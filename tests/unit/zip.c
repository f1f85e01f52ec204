/* SPDX-License-Identifier: Apache-2.0 */
/* gzip and zstd: the same bytes however the work is cut, and what damaged or unusual streams give. */
#include "base/zip.h"

#include <zlib.h>
#include <zstd.h>

#include "base/isal.h"
#include "tests/unit/unit.h"

static int to_buf(void *arg, const void *p, size_t n, struct err *e UNUSED)
{
	buf_add(arg, p, n);
	return 0;
}

struct input {			/* gives at most step bytes at a time */
	struct str left;
	size_t step;
};

static ssize_t from_input(void *arg, void *p, size_t n, struct err *e UNUSED)
{
	struct input *in = arg;

	n = MIN(MIN(n, in->step), in->left.n);
	memcpy(p, in->left.p, n);
	in->left = str_sub(in->left, n, in->left.n);
	return (ssize_t)n;
}

/* Neither all alike nor noise. */
static void fill(struct buf *b, size_t n)
{
	uint32_t x = 1;

	buf_reserve(b, n + 16);
	while (b->n < n) {
		x = x * 1664525 + 1013904223;
		buf_printf(b, "%x %s ", x >> 24, x & 0x10000 ? "the quick brown fox" : "layer");
	}
	b->n = n;
}

static void pack(enum zip_kind kind, int level, size_t workers, size_t step, struct str in, struct buf *out)
{
	auto_err struct err e = { 0 };
	auto_zip struct zip *z = NULL;

	buf_reset(out);
	check(zip_new(kind, level, workers, to_buf, out, &z, &e) == 0, "%s", err_text(&e));
	while (in.n) {
		size_t n = MIN(step, in.n);

		check(zip_put(z, in.p, n, &e) == 0, "%s", err_text(&e));
		in = str_sub(in, n, in.n);
	}
	check(zip_end(z, &e) == 0, "%s", err_text(&e));
}

/* All that comes out, or -1 with *e. */
static int unpack(struct str in, size_t step, size_t want, struct buf *out, struct err *e)
{
	struct input src = { in, step };
	auto_unzip struct unzip *u = NULL;
	auto_free char *p = xmalloc(want);
	ssize_t n;

	buf_reset(out);
	if (unzip_new(from_input, &src, &u, e) < 0)
		return -1;
	while ((n = unzip_get(u, p, want, e)) > 0)
		buf_add(out, p, (size_t)n);
	return (int)n;
}

static void test_same_bytes(void **state UNUSED)
{
	static const struct { enum zip_kind kind; int level; } rows[] = {
		{ ZIP_GZIP, 0 }, { ZIP_GZIP, 5 }, { ZIP_GZIP, 9 }, { ZIP_ZSTD, 0 }, { ZIP_ZSTD, 7 }, { ZIP_NONE, 0 },
	};
	static const size_t sizes[] = { 0, 1, 100, ZIP_BLOCK - 1, ZIP_BLOCK, ZIP_BLOCK + 1, 5 * ZIP_BLOCK + 777 };
	auto_buf struct buf text = { 0 }, one = { 0 }, other = { 0 }, back = { 0 };

	fill(&text, sizes[countof(sizes) - 1]);
	for (size_t i = 0; i < countof(rows); i++)
		for (size_t k = 0; k < countof(sizes); k++) {
			struct str in = { text.p, sizes[k] };
			struct err e = { 0 };

			pack(rows[i].kind, rows[i].level, 1, sizes[k] + 1, in, &one);
			pack(rows[i].kind, rows[i].level, 3, 70001, in, &other);
			check(str_eq(buf_view(&one), buf_view(&other)), "kind %d size %zu", rows[i].kind, sizes[k]);
			check(unpack(buf_view(&one), 4093, 65536, &back, &e) == 0, "%s", err_text(&e));
			check(str_eq(buf_view(&back), in), "kind %d size %zu: %zu back", rows[i].kind, sizes[k], back.n);
			if (rows[i].kind != ZIP_NONE && sizes[k] > 1000)
				check(one.n < in.n / 2, "kind %d: %zu of %zu", rows[i].kind, one.n, in.n);
		}
}

/* Every compressor has memory elsewhere and other things on its stacks: where they are must not show. */
static void test_same_anywhere(void **state UNUSED)
{
	static const int levels[] = { 1, 4, 7 };
	auto_buf struct buf text = { 0 }, one = { 0 }, other = { 0 };
	struct zip *held[64] = { NULL };
	auto_err struct err e = { 0 };

	fill(&text, 777);
	for (size_t l = 0; l < countof(levels); l++) {
		pack(ZIP_GZIP, levels[l], 1, text.n, buf_view(&text), &one);
		for (size_t i = 0; i < countof(held); i++) {	/* each holds on to its memory: the next gets other */
			buf_reset(&other);
			check(zip_new(ZIP_GZIP, levels[l], 1, to_buf, &other, &held[i], &e) == 0, "%s", err_text(&e));
			check(zip_put(held[i], text.p, text.n, &e) == 0, "%s", err_text(&e));
			check(zip_end(held[i], &e) == 0, "%s", err_text(&e));
			check(str_eq(buf_view(&one), buf_view(&other)), "level %d, compressor %zu", levels[l], i);
		}
		for (size_t i = 0; i < countof(held); i++)
			zip_free(held[i]);
	}
}

/* ISA-L hashes bits of the stream's address: of these, none may count. */
static void test_stream_addresses(void **state UNUSED)
{
	struct isal_zstream *z[100];
	uint32_t first = 0;

	for (size_t i = 0; i < countof(z); i++) {
		uint32_t crc = (uint32_t)((uintptr_t)(z[i] = isal_stream_new()) >> 16);

		for (int bit = 0; bit < 32; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
		first = i ? first : crc;
		check((crc & 0x7fff) == (first & 0x7fff), "stream %zu at %p", i, (void *)z[i]);
	}
	for (size_t i = 0; i < countof(z); i++)
		isal_stream_free(z[i]);
}

/* What others read: one gzip member for zlib, whose size and CRC fit. */
static void test_zlib_reads(void **state UNUSED)
{
	auto_buf struct buf text = { 0 }, zip = { 0 }, back = { 0 };
	z_stream z = { 0 };

	fill(&text, 3 * ZIP_BLOCK + 5);
	pack(ZIP_GZIP, 1, 2, 1 << 20, buf_view(&text), &zip);
	buf_reserve(&back, text.n + 1);
	assert_int_equal(inflateInit2(&z, 31), Z_OK);
	z.next_in = (Bytef *)zip.p;
	z.avail_in = (uInt)zip.n;
	z.next_out = (Bytef *)back.p;
	z.avail_out = (uInt)text.n + 1;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	back.n = z.total_out;
	inflateEnd(&z);
	check(str_eq(buf_view(&back), buf_view(&text)), "%zu", back.n);
}

static void gzip_member(struct buf *out, struct str s)
{
	unsigned char p[4096];
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)s.p;
	z.avail_in = (uInt)s.n;
	z.next_out = p;
	z.avail_out = sizeof(p);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_add(out, p, z.total_out);
	deflateEnd(&z);
}

static void zstd_frame(struct buf *out, struct str s)
{
	unsigned char p[4096];

	buf_add(out, p, ZSTD_compress(p, sizeof(p), s.p, s.n, 1));
}

/* MAN-25: several members and frames, frames to be skipped, padding */
static void test_joined(void **state UNUSED)
{
	static const char skip[] = "\x5a\x2a\x4d\x18\x03\0\0\0abc";
	auto_buf struct buf gz = { 0 }, zs = { 0 }, out = { 0 };

	gzip_member(&gz, STR_LIT("one "));
	gzip_member(&gz, STR_LIT(""));
	gzip_member(&gz, STR_LIT("two"));
	buf_add(&zs, skip, sizeof(skip) - 1);
	zstd_frame(&zs, STR_LIT("one "));
	buf_add(&zs, skip, sizeof(skip) - 1);
	zstd_frame(&zs, STR_LIT("two"));
	buf_add(&zs, skip, sizeof(skip) - 1);
	for (size_t step = 1; step < 70; step += 3)
		for (size_t want = 1; want < 9; want += 3) {
			struct err e = { 0 };

			check(unpack(buf_view(&gz), step, want, &out, &e) == 0, "gzip: %s", err_text(&e));
			check_str(out.p, "one two");
			check(unpack(buf_view(&zs), step, want, &out, &e) == 0, "zstd: %s", err_text(&e));
			check_str(out.p, "one two");
		}
	buf_add(&gz, "\0\0\0\0", 4);
	{
		auto_err struct err e = { 0 };

		check(unpack(buf_view(&gz), 5, 100, &out, &e) == 0, "padding: %s", err_text(&e));
		check_str(out.p, "one two");
		buf_add(&gz, "x", 1);
		check(unpack(buf_view(&gz), 5, 100, &out, &e) < 0 && e.kind == ERR_CORRUPT, "garbage");
	}
}

/* Every cut is an error, and no flipped bit changes what comes out unnoticed. */
static void test_damaged(void **state UNUSED)
{
	auto_buf struct buf text = { 0 }, zip = { 0 }, out = { 0 };

	fill(&text, 3000);
	for (enum zip_kind kind = ZIP_GZIP; kind <= ZIP_ZSTD; kind++) {
		pack(kind, 0, 1, 3000, buf_view(&text), &zip);
		for (size_t n = 6; n < zip.n; n++) {
			auto_err struct err e = { 0 };

			check(unpack((struct str){ zip.p, n }, 100, 5000, &out, &e) < 0 && e.kind == ERR_CORRUPT,
			      "kind %d cut to %zu of %zu", kind, n, zip.n);
		}
		for (size_t n = 10; n < zip.n && kind == ZIP_GZIP; n++) {
			auto_err struct err e = { 0 };

			zip.p[n] ^= 0x40;
			/* padding between two blocks may be anything */
			check(unpack(buf_view(&zip), 100, 5000, &out, &e) < 0 || str_eq(buf_view(&out), buf_view(&text)),
			      "byte %zu of %zu", n, zip.n);
			zip.p[n] ^= 0x40;
		}
	}
}

/* BLOB-31: a window of 2 GiB; far more out than in */
static void test_bombs(void **state UNUSED)
{
	static const char window[] = "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00";
	auto_buf struct buf zip = { 0 }, out = { .max = (size_t)1 << 20 };
	auto_free char *zeros = xcalloc(1, ZIP_BLOCK), *p = xmalloc(ZIP_BLOCK);
	auto_err struct err e = { 0 };
	auto_unzip struct unzip *u = NULL;
	auto_zip struct zip *z = NULL;
	struct input src;
	ssize_t n;

	check(unpack((struct str){ window, sizeof(window) - 1 }, 100, 100, &out, &e) < 0 && e.kind == ERR_LIMIT, "%s", err_text(&e));
	err_clear(&e);
	check(zip_new(ZIP_ZSTD, 1, 0, to_buf, &zip, &z, &e) == 0, "%s", err_text(&e));
	for (uint64_t at = 0; at < UNZIP_FREE + 8 * ZIP_BLOCK; at += ZIP_BLOCK)
		check(zip_put(z, zeros, ZIP_BLOCK, &e) == 0, "%s", err_text(&e));
	check(zip_end(z, &e) == 0, "%s", err_text(&e));
	src = (struct input){ buf_view(&zip), 65536 };
	check(unzip_new(from_input, &src, &u, &e) == 0, "%s", err_text(&e));
	while ((n = unzip_get(u, p, ZIP_BLOCK, &e)) > 0)
		;
	check(n < 0 && e.kind == ERR_LIMIT, "%s", err_text(&e));
}

static void test_ahead(void **state UNUSED)
{
	auto_buf struct buf text = { 0 }, out = { 0 };
	auto_err struct err e = { 0 };
	struct input src;
	struct ahead *a;
	char p[1000];
	ssize_t n;

	fill(&text, 5 * AHEAD_SLOT + 3);
	src = (struct input){ buf_view(&text), 4097 };
	check(ahead_new(from_input, &src, &a, &e) == 0, "%s", err_text(&e));
	while ((n = ahead_get(a, p, sizeof(p), &e)) > 0)
		buf_add(&out, p, (size_t)n);
	assert_int_equal(ahead_get(a, p, sizeof(p), &e), 0);
	ahead_free(a);
	check(n == 0 && str_eq(buf_view(&out), buf_view(&text)), "%zu", out.n);
	src = (struct input){ buf_view(&text), 4097 };
	check(ahead_new(from_input, &src, &a, &e) == 0, "%s", err_text(&e));
	check(ahead_get(a, p, 5, &e) == 5, "early end");
	ahead_free(a);		/* with most of it unread */
}

int suite_zip(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_same_anywhere),
		cmocka_unit_test(test_stream_addresses), cmocka_unit_test(test_zlib_reads), cmocka_unit_test(test_joined),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_bombs), cmocka_unit_test(test_ahead),
	};

	return cmocka_run_group_tests_name("zip", tests, NULL, NULL);
}
