/* SPDX-License-Identifier: Apache-2.0 */
/* An image's config: getters never fail on what was taken, and its text is a fixed point. */
#include "image/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_all(const struct config *c)
{
	static const enum config_list lists[] = { CONFIG_ENV, CONFIG_CMD, CONFIG_ENTRYPOINT, CONFIG_ONBUILD, CONFIG_SHELL };
	auto_strv struct strv v = { 0 };
	struct healthcheck h;
	int64_t ns;

	for (size_t i = 0; i < countof(lists); i++)
		config_list(c, lists[i], &v);
	config_set(c, CONFIG_PORTS, &v);
	config_set(c, CONFIG_VOLUMES, &v);
	config_labels(c, &v);
	(void)config_env_get(c, "PATH");
	(void)config_created(c, &ns);
	(void)config_platform(c);
	for (size_t i = 0; i < config_histories(c); i++)
		(void)config_history(c, i);
	for (size_t i = 0; i < config_diff_ids(c); i++)
		(void)config_diff_id(c, i);
	if (config_healthcheck(c, &h))
		healthcheck_done(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_buf struct buf first = { 0 }, second = { 0 };
	auto_err struct err e = { 0 };
	struct config *c, *again;

	if (config_parse((struct str){ (const char *)data, n }, &c, &e) < 0)
		return 0;
	read_all(c);
	config_env_set(c, "FUZZ", "1");
	config_text(c, &first);
	if (config_parse(buf_view(&first), &again, &e) < 0)
		abort();
	config_text(again, &second);
	if (!str_eq(buf_view(&first), buf_view(&second)))
		abort();
	config_free(c);
	config_free(again);
	return 0;
}
