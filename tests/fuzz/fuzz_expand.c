/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a word, as words, as a heredoc's body, as a mount, a mode, a port. */
#include "parser/expand.h"
#include "parser/flags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *get(void *arg, struct str name)
{
	return name.n % 3 == 0 ? NULL : name.n % 3 == 1 ? arg : "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_arena struct arena a = { 0 };
	auto_strv struct strv words = { 0 };
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	struct str text = { (const char *)data, n };
	struct env env = { get, "/a*b \\c/\xed\x95\x9c" };
	struct chmod_spec mode;
	struct run_mount m;

	(void)!expand_word(text, n % 2 ? '\\' : '`', env, &b, &e);
	(void)!expand_words(text, '\\', env, &words, &e);
	(void)!expand_body(text, env, &b, &e);
	(void)!mount_parse(text, NULL, NULL, &a, &m, &e);
	(void)!port_parse(text, &words, NULL, &e);
	if (chmod_parse(text, &mode, &e) == 0)
		chmod_apply(&mode, 0644, n % 2);
	return 0;
}
