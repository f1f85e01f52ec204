/* SPDX-License-Identifier: Apache-2.0 */
/* The unit tests: one suite a module, each listed here. */
#include "tests/unit/unit.h"

int main(void)
{
	static int (*const suites[])(void) = {
		suite_copy,
		suite_treehash,
		suite_tar,
		suite_layer,
		suite_why,
		suite_template,
		suite_gc,
		suite_keys,
		suite_images,
		suite_lease,
		suite_blob,
		suite_store,
		suite_db,
		suite_task,
		suite_str,
		suite_dockerfile,
		suite_expand,
		suite_flags,
		suite_ignore,
		suite_words,
		suite_zip,
		suite_erofs,
		suite_erofs_mount,
		suite_fs,
		suite_digest,
		suite_cdi,
		suite_clock,
		suite_arena,
		suite_manifest,
		suite_config,
		suite_passwd,
		suite_ref,
		suite_caps,
		suite_cgroup,
		suite_seccomp,
		suite_userns,
		suite_net,
		suite_netpure,
		suite_container,
		suite_run_args,
		suite_lifecycle,
		suite_sandbox,
		suite_url,
		suite_http_text,
		suite_token,
		suite_toml,
		suite_hosts,
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		failed += suites[i]();
	return failed != 0;
}
