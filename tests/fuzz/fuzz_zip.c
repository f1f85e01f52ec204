/* SPDX-License-Identifier: Apache-2.0 */
/* Decompressing whatever bytes come, in pieces of any size; and what was compressed comes back. */
#include "base/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct input {
	const uint8_t *p;
	size_t n, step;
};

static ssize_t get(void *arg, void *p, size_t n, struct err *e UNUSED)
{
	struct input *in = arg;

	n = MIN(MIN(n, in->step), in->n);
	memcpy(p, in->p, n);
	in->p += n;
	in->n -= n;
	return (ssize_t)n;
}

static int put(void *arg, const void *p, size_t n, struct err *e UNUSED)
{
	buf_add(arg, p, n);
	return 0;
}

/* At most 16 MiB of what comes out, into ret if it is not NULL. */
static ssize_t drain(struct input in, struct buf *ret)
{
	auto_err struct err e = { 0 };
	auto_unzip struct unzip *u = NULL;
	char p[5000];
	ssize_t n;

	if (unzip_new(get, &in, &u, &e) < 0)
		return -1;
	for (size_t total = 0; (n = unzip_get(u, p, sizeof(p), &e)) > 0 && total < (size_t)16 << 20; total += (size_t)n)
		if (ret)
			buf_add(ret, p, (size_t)n);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_buf struct buf zip = { 0 }, back = { 0 };
	auto_err struct err e = { 0 };
	struct zip *z;

	if (n < 2)
		return 0;
	drain((struct input){ data + 1, n - 1, 1u + data[0] }, NULL);
	if (zip_new(data[0] % 2 ? ZIP_GZIP : ZIP_ZSTD, 1 + data[0] % 9, 1, put, &zip, &z, &e) < 0)
		abort();
	if (zip_put(z, data + 1, n - 1, &e) < 0 || zip_end(z, &e) < 0)
		abort();
	zip_free(z);
	if (drain((struct input){ (uint8_t *)zip.p, zip.n, 1u + data[0] }, &back) != 0 || back.n != n - 1 ||
	    memcmp(back.p, data + 1, n - 1) != 0)
		abort();
	return 0;
}
