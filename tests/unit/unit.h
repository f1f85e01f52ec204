/* SPDX-License-Identifier: Apache-2.0 */
/* What every suite includes: cmocka, table-friendly checks, and the list of suites. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"

/* Fails the running test, with the row's text, when cond is false. */
#define check(cond, ...) \
	do { if (!(cond)) { print_error("%s:%d: %s: ", __FILE__, __LINE__, #cond); \
		print_error(__VA_ARGS__); print_error("\n"); fail(); } } while (0)
/* For tests that enter a user namespace: the thread sanitizer's own thread makes the kernel refuse that. */
#ifdef __SANITIZE_THREAD__
#define skip_with_threads() skip()
#else
#define skip_with_threads() ((void)0)
#endif
#define check_str(got, want) assert_string_equal((got), (want))

/* Each suite_<module>() lives in tests/unit/<module>.c and returns the number of failures (keep sorted). */
int suite_template(void);
int suite_manifest(void);
int suite_config(void);
int suite_passwd(void);
int suite_ref(void);
int suite_layer(void);
int suite_tar(void);
int suite_copy(void);
int suite_treehash(void);
int suite_arena(void);
int suite_cdi(void);
int suite_clock(void);
int suite_digest(void);
int suite_erofs(void);
int suite_erofs_mount(void);
int suite_fs(void);
int suite_str(void);
int suite_dockerfile(void);
int suite_expand(void);
int suite_flags(void);
int suite_ignore(void);
int suite_words(void);
int suite_zip(void);
int suite_task(void);
int suite_db(void);
int suite_store(void);
int suite_caps(void);
int suite_cgroup(void);
int suite_seccomp(void);
int suite_blob(void);
int suite_lease(void);
int suite_images(void);
int suite_keys(void);
int suite_userns(void);
int suite_gc(void);
int suite_why(void);
int suite_net(void);
int suite_netpure(void);
int suite_container(void);
int suite_run_args(void);
int suite_lifecycle(void);
int suite_sandbox(void);
int suite_url(void);
int suite_http_text(void);
int suite_token(void);
int suite_toml(void);
int suite_hosts(void);

#endif
