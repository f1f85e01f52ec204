/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes: a text is one of the two or none, and what is written is read back. */
#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try_manifest(struct str s, struct arena *a)
{
	auto_buf struct buf text = { 0 };
	auto_err struct err e = { 0 };
	struct manifest m, again;

	if (manifest_parse(s, a, &m, &e) < 0)
		return;
	manifest_text(&m.config, m.layers, m.nlayers, &text);
	if (text.n > MANIFEST_MAX)
		return;
	if (manifest_parse(buf_view(&text), a, &again, &e) < 0 || again.nlayers != m.nlayers)
		abort();
}

static void try_index(struct str s, struct arena *a)
{
	struct platform p = { .os = "linux", .arch = "amd64" };
	auto_err struct err e = { 0 };
	const struct descriptor *d;
	struct index ix;

	if (index_parse(s, a, &ix, &e) < 0)
		return;
	d = index_choose(&ix, &p);
	if (d && d->attestation)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str s = { (const char *)data, n };
	auto_arena struct arena a = { 0 };
	auto_err struct err e = { 0 };
	enum media_kind kind;

	if (manifest_kind(s, &kind, &e) == 0 && kind != MEDIA_MANIFEST && kind != MEDIA_INDEX)
		abort();
	try_manifest(s, &a);
	try_index(s, &a);
	return 0;
}
