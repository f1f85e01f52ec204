/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a Dockerfile: both stages, the dump, the messages, directives, triggers. */
#include "parser/dockerfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_arena struct arena a = { 0 };
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	struct str text = { (const char *)data, n }, ref, all;
	struct diag d = { 0 };
	struct source src;
	struct dockerfile f;
	struct node *node;
	unsigned line;

	if (source_init(&src, "Dockerfile", text, &e) < 0)
		return 0;
	if (dockerfile_parse_grammar(&src, &d, &a, &f, &e) == 0)
		ast_dump(&f, &b);
	(void)!dockerfile_parse(&src, &d, &a, &f, &e);
	(void)!dockerfile_parse_trigger(&src, &d, &a, &node, &e);
	diag_render(&d, &b);
	syntax_detect(text, &ref, &all, &line);
	diag_done(&d);
	source_done(&src);
	return 0;
}
