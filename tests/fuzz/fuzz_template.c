/* SPDX-License-Identifier: Apache-2.0 */
/* --format: any text is a template that runs, or a usage error. */
#include "cli/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void ignore_field(void *arg, struct str name)
{
	(void)arg;
	(void)name;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_free char *text = xstrndup((const char *)data, n);
	auto_arena struct arena a = { 0 };
	auto_err struct err e = { 0 };
	auto_buf struct buf out = { 0 };
	struct template t;
	json_t *j;

	if (template_parse(text, &a, &t, &e) < 0) {
		if (e.kind != ERR_USAGE)
			abort();
		return 0;
	}
	template_fields(&t, ignore_field, NULL);
	j = json_pack("{s:s, s:i, s:[s,s], s:{s:s}, s:n}", "Id", "abc", "N", 3, "L", "x", "y", "Map", "k", "v", "Nil");
	(void)!template_run(&t, j, &out, &e);
	json_decref(j);
	return 0;
}
