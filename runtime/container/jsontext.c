/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in JSON. */
#include "runtime/container/jsontext.h"

json_t *jsontext(const char *bytes)
{
	json_t *t = json_string(bytes);
	auto_buf struct buf b = { 0 };

	if (t)
		return t;
	for (const unsigned char *p = (const unsigned char *)bytes; *p;) {
		size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
		json_t *one = strnlen((const char *)p, n) == n ? json_stringn((const char *)p, n) : NULL;

		if (one) {
			buf_add(&b, p, n);
			p += n;
			json_decref(one);
			continue;
		}
		/* U+10FE80 to U+10FEFF */
		buf_add(&b, (const char[]){ '\xf4', '\x8f', (char)(0xb8 + (*p >> 6)), (char)(0x80 + (*p & 0x3f)) }, 4);
		p++;
	}
	return json_stringn(b.p, b.n);
}

json_t *jsontext_list(const struct strv *l, size_t from)
{
	json_t *a = json_array();

	for (size_t i = from; i < l->n; i++)
		json_array_append_new(a, jsontext(l->v[i]));
	return a;
}

char *jsontext_bytes(const json_t *text)
{
	const unsigned char *p = (const unsigned char *)(json_is_string(text) ? json_string_value(text) : "");
	auto_buf struct buf b = { 0 };

	while (*p) {
		if (p[0] == 0xf4 && p[1] == 0x8f && (p[2] == 0xba || p[2] == 0xbb)) {
			buf_putc(&b, (char)(((p[2] - 0xb8) << 6) + (p[3] & 0x3f)));
			p += 4;
		} else {
			buf_putc(&b, (char)*p++);
		}
	}
	return buf_take(&b);
}

void jsontext_strv(const json_t *array, struct strv *ret)
{
	for (size_t i = 0; i < json_array_size(array); i++)
		strv_take(ret, jsontext_bytes(json_array_get(array, i)));
}
