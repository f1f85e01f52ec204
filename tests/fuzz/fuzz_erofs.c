/* SPDX-License-Identifier: Apache-2.0 */
/* Index writer: whatever entries or tar come in, an index that comes out is well-formed and always the same. */
#include "cache/erofs.h"

/* A fuzz target is linked with the library alone. */
#include "tests/unit/erofs_image.c"

#define TAR_SIZE ((uint64_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct input {
	const uint8_t *p;
	size_t n;
};

static uint8_t byte(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

/* Names from a few that get into each other's way, or of any bytes. */
static void path(struct input *in, struct buf *raw)
{
	static const char *const names[] = { "a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq", "..", "l", "/", "!", "." };

	buf_reset(raw);
	for (unsigned i = 0, count = 1 + byte(in) % 4; i < count; i++) {
		uint8_t k = byte(in);

		if (k < 200)
			buf_puts(raw, names[k % countof(names)]);
		else
			for (unsigned len = byte(in) + k % 2; len > 0; len--)
				buf_putc(raw, (char)(byte(in) | 1));
		if (i + 1 < count)
			buf_putc(raw, '/');
	}
}

static struct tar_xattr xattr(struct input *in, struct buf *value)
{
	static const char *const keys[] = { "user.a", "user.b", "security.capability", "trusted.overlay.opaque", "user." };

	buf_reset(value);
	for (unsigned len = byte(in); len > 0; len--)
		buf_putc(value, (char)len);
	return (struct tar_xattr){ str_of(keys[byte(in) % countof(keys)]), buf_view(value) };
}

static int add_entry(struct erofs *w, struct input *in, struct err *e)
{
	auto_buf struct buf raw = { 0 }, name = { 0 }, link = { 0 }, value = { 0 };
	struct tar_entry t = { .type = (enum tar_type)('0' + byte(in) % 7), .mode = byte(in) };
	uint64_t at = 512 * (uint64_t)byte(in);
	struct tar_xattr x;

	path(in, &raw);
	if (tar_clean_path(buf_view(&raw), &name, e) < 0)
		return -1;
	t.path = name.p;
	t.uid = (uint64_t)byte(in) << 10;
	t.mtime = byte(in) % 4;
	t.major = byte(in) % 2;
	if (t.type == TAR_LINK || t.type == TAR_SYMLINK) {
		path(in, &raw);
		if (t.type == TAR_LINK ? tar_clean_path(buf_view(&raw), &link, e) < 0 : raw.n == 0)
			return 0;
		t.link = t.type == TAR_LINK ? link.p : raw.p;
	} else if (t.type == TAR_FILE) {
		t.size = (uint64_t)byte(in) << byte(in) % 14;
	}
	if (t.type == TAR_FILE || t.type == TAR_DIR) {
		x = xattr(in, &value);
		t.xattrs = &x;
		t.nxattrs = byte(in) % 2;
	}
	return erofs_add(w, &t, at, e);
}

static int add_entries(struct erofs *w, struct input in, struct err *e)
{
	while (in.n)
		if (add_entry(w, &in, e) < 0)
			return -1;
	return 0;
}

static ssize_t get_input(void *arg, void *p, size_t n, struct err *e UNUSED)
{
	struct input *in = arg;
	size_t part = MIN(n, in->n);

	memcpy(p, in->p, part);
	in->p += part;
	in->n -= part;
	return (ssize_t)part;
}

/* Make the checksum of every block that may be a header right: else hardly any change would get past it. */
static void mend(uint8_t *p, size_t n)
{
	for (; n >= 512; p += 512, n -= 512) {
		unsigned sum = 8 * ' ';

		if (memcmp(p + 257, "ustar", 5) != 0)
			continue;
		for (size_t i = 0; i < 512; i++)
			sum += i - 148 < 8 ? 0 : p[i];
		for (int i = 5; i >= 0; i--, sum >>= 3)
			p[148 + i] = (uint8_t)('0' + (sum & 7));
		p[154] = '\0';
		p[155] = ' ';
	}
}

static int put_buf(void *arg, const void *p, size_t n, struct err *e UNUSED)
{
	buf_add(arg, p, n);
	return 0;
}

static bool make(struct input in, bool tar, struct buf *ret)
{
	auto_erofs struct erofs *w = erofs_new(false);
	uint64_t size = tar ? in.n : TAR_SIZE;
	auto_err struct err e = { 0 };

	if ((tar ? erofs_read_tar(w, get_input, &in, &e) : add_entries(w, in, &e)) < 0)
		return false;
	if (erofs_write(w, size, NULL, put_buf, ret, &e) < 0) {
		if (e.kind != ERR_CORRUPT)
			abort();
		return false;
	}
	if (image_check(ret->p, ret->n, size, NULL))
		abort();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_buf struct buf copy = { 0 }, first = { 0 }, second = { 0 };
	bool tar = n >= 512;
	struct input in;

	buf_add(&copy, data, n);
	if (tar)
		mend((uint8_t *)copy.p, n);
	in = (struct input){ (const uint8_t *)buf_view(&copy).p, n };
	if (!make(in, tar, &first))
		return 0;
	if (!make(in, tar, &second) || !str_eq(buf_view(&first), buf_view(&second)))
		abort();
	return 0;
}
