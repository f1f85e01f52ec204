/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/sandbox/caps: names, --cap-add and --cap-drop. */
#include "runtime/sandbox/caps.h"

#include <linux/capability.h>

#include "tests/unit/unit.h"

static void words_of(const char *text, struct strv *ret)
{
	struct str rest = str_of(text);

	while (rest.p && rest.n)
		strv_add_n(ret, str_cut(&rest, ' '));
}

static void test_caps_names(void **state)
{
	static const struct { const char *in; int cap; } rows[] = {
		{ "CHOWN", CAP_CHOWN },
		{ "cap_chown", CAP_CHOWN },
		{ "Cap_Sys_Admin", CAP_SYS_ADMIN },
		{ "checkpoint_restore", CAP_CHECKPOINT_RESTORE },
		{ "CHPASS", -1 },
		{ "", -1 },
		{ "CAP_", -1 },
		{ "CAP_CAP_CHOWN", -1 },
		{ "ALL", -1 },
		{ "CHOWN ", -1 },
	};
	unsigned cap;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		bool ok = caps_find(str_of(rows[i].in), &cap);

		check(ok == (rows[i].cap >= 0), "%s", rows[i].in);
		check(!ok || (int)cap == rows[i].cap, "%s", rows[i].in);
	}
	for (unsigned i = 0; caps_name(i); i++)
		check(caps_find(str_of(caps_name(i)), &cap) && cap == i, "%s", caps_name(i));
	assert_null(caps_name(CAP_LAST_CAP + 1));
}

#define HOST (CAPS_BIT(CAP_LAST_CAP + 1) - 1 - CAPS_BIT(CAP_SYS_RESOURCE))

static void test_caps_parse(void **state)
{
	static const struct { const char *add, *drop; uint64_t want; } rows[] = {
		{ "", "", 0x00000000a80425fb }, /* what Docker's containers show as CapEff */
		{ "sys_admin", "", 0x00000000a80425fb | CAPS_BIT(CAP_SYS_ADMIN) },
		{ "", "MKNOD cap_chown",
		  0x00000000a80425fb & ~CAPS_BIT(CAP_MKNOD) & ~CAPS_BIT(CAP_CHOWN) },
		{ "", "all", 0 },
		{ "chown", "ALL", CAPS_BIT(CAP_CHOWN) },
		{ "CHOWN", "CHOWN", 0x00000000a80425fb },
		{ "ALL", "", HOST },
		{ "All", "kill", HOST & ~CAPS_BIT(CAP_KILL) },
		{ "ALL", "ALL", HOST },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_strv struct strv add = { 0 }, drop = { 0 };
		auto_err struct err e = { 0 };
		uint64_t got = 1;

		words_of(rows[i].add, &add);
		words_of(rows[i].drop, &drop);
		check(caps_parse(&add, &drop, caps_default, HOST, &got, &e) == 0, "row %zu: %s", i,
		      err_text(&e));
		check(got == rows[i].want, "row %zu: %llx, not %llx", i, (unsigned long long)got,
		      (unsigned long long)rows[i].want);
	}
}

static void test_caps_refused(void **state)
{
	static const struct { const char *add, *drop; enum err_kind kind; } rows[] = {
		{ "CHPASS", "", ERR_USAGE },           { "", "CHPASS", ERR_USAGE },
		{ "ALL CHPASS", "", ERR_USAGE },       { "SYS_RESOURCE", "", ERR_DENIED },
		{ "SYS_RESOURCE", "ALL", ERR_DENIED },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_strv struct strv add = { 0 }, drop = { 0 };
		auto_err struct err e = { 0 };
		uint64_t got;

		words_of(rows[i].add, &add);
		words_of(rows[i].drop, &drop);
		check(caps_parse(&add, &drop, caps_default, HOST, &got, &e) < 0 &&
			      e.kind == rows[i].kind,
		      "row %zu", i);
		assert_non_null(e.hint);
	}
}

static void test_caps_text(void **state)
{
	auto_buf struct buf b = { 0 };

	(void)state;
	caps_text(0, &b);
	check(b.n == 0, "empty set");
	caps_text(CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_CHOWN), &b);
	check_str(b.p, "CAP_CHOWN CAP_KILL");
}

int suite_caps(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_caps_names), cmocka_unit_test(test_caps_parse),
		cmocka_unit_test(test_caps_refused), cmocka_unit_test(test_caps_text),
	};

	return cmocka_run_group_tests_name("caps", tests, NULL, NULL);
}
