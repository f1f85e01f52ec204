/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is a path, the rest an ignore file: a walk must agree with single questions. */
#include "parser/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_err struct err e = { 0 };
	struct str rest = { (const char *)data, n }, path = str_cut(&rest, '\n');
	auto_free char *p = str_dup(path);
	uint64_t above[64] = { 0 }, here[64] = { 0 };
	struct ignore *ig;
	bool excluded = false;

	if (!rest.p || ignore_parse("f", rest, &ig, &e) < 0)
		return 0;
	for (size_t i = 1; ignore_state_words(ig) <= 64 && i <= strlen(p); i++) {
		char c = p[i];

		if (c && c != '/')
			continue;
		p[i] = '\0';
		excluded = ignore_match_in(ig, above, p, here);
		if (excluded != ignore_match(ig, p))
			abort();
		memcpy(above, here, sizeof(above));
		p[i] = c;
	}
	if (!excluded && !ignore_may_match_below(ig, p) && ignore_match(ig, p))
		abort();
	ignore_free(ig);
	return 0;
}
