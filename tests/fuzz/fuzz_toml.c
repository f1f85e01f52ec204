/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as TOML, and what it holds as registries.conf and hosts.toml. */
#include "parser/toml.h"
#include "registry/hosts_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_endpoints struct endpoints l = { 0 };
	auto_err struct err e = { 0 };
	struct rules r = { 0 };
	const char *rest;
	json_t *root;
	bool server = false;

	if (toml_parse((struct str){ (const char *)data, n }, &root, &e) < 0)
		return 0;
	if (rules_parse(&r, root, "f", &e) == 0)
		(void)rules_find(&r, "r.io/a/b", &rest);
	if (!json_object_get(root, "ca") && !json_object_get(root, "host"))	/* those name files to read */
		(void)!hosts_toml_parse(root, "/nowhere", "f", "r.io", "a", &l, &server, &e);
	rules_done(&r);
	json_decref(root);
	return 0;
}
