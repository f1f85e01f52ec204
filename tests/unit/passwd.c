/* SPDX-License-Identifier: Apache-2.0 */
/* image/passwd. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "image/passwd.h"

static const char passwd[] =
	"root:x:0:0:root:/root:/bin/sh\n"
	"daemon:x:1:2:daemon:/usr/sbin:/usr/sbin/nologin\n"
	"broken line\n"
	"# comment:x:9:9::/:/\n"
	"1000:x:0:0:trap:/trap:/bin/sh\n"
	"big:x:4294967295:0::/:/\n"
	"junk:x:7z:0::/:/\n"
	"app:x:1001:1002::/home/app:/bin/sh\n"
	"short:x:1003:1003\n"
	"bin:x:2:3::";
static const char group[] =
	"root:x:0:\n"
	"adm:x:4:app,daemon\n"
	"staff:x:50: app ,other\n"
	"again:x:4:app\n"
	"nobody:x:99:\n"
	"bad:x:-1:app\n"
	"self:x:1002:app\n";

static void describe(const struct passwd_user *u, struct buf *b)
{
	buf_printf(b, "%u:%u", u->uid, u->gid);
	for (size_t i = 0; i < u->ngroups; i++)
		buf_printf(b, "%s%u", i ? "," : " ", u->groups[i]);
	buf_printf(b, " %s %s", u->home, u->name ? u->name : "-");
}

static void test_lookup(void **state UNUSED)
{
	static const struct { const char *spec, *want; } rows[] = {
		{ "", "0:0 /root root" }, { "root", "0:0 /root root" }, { "0", "0:0 /root root" },
		{ "app", "1001:1002 4,50,1002 /home/app app" }, { "1001", "1001:1002 4,50,1002 /home/app app" },
		{ "app:", "1001:1002 4,50,1002 /home/app app" }, { "app:adm", "1001:4 /home/app app" },
		{ "app:1002", "1001:1002 /home/app app" }, { ":50", "0:50 /root root" }, { ":staff", "0:50 /root root" },
		{ "1000", "1000:0 / -" },		/* not the user of that name */
		{ "7777:", "7777:0 / -" }, { "1042:1043", "1042:1043 / -" }, { "daemon", "1:2 4 /usr/sbin daemon" },
		{ "short", "1003:1003 / short" }, { "bin", "2:3 / bin" }, { "4294967294", "4294967294:0 / -" },
		{ "0001", "1:2 4 /usr/sbin daemon" },
	};
	static const struct { const char *spec; enum err_kind kind; const char *text; } bad[] = {
		{ "nosuch", ERR_NOT_FOUND, "unable to find user nosuch: no matching entries in passwd file" },
		{ "app:nosuch", ERR_NOT_FOUND, "unable to find group nosuch: no matching entries in group file" },
		{ "4294967295", ERR_USAGE, "must be in range" }, { "4294967296", ERR_USAGE, "must be in range" },
		{ "-1", ERR_USAGE, "must be in range" }, { "0:-1", ERR_USAGE, "must be in range" },
		{ "99999999999999999999", ERR_USAGE, "must be in range" }, { "big", ERR_NOT_FOUND, "big" },
		{ "junk", ERR_NOT_FOUND, "junk" }, { "0x0", ERR_NOT_FOUND, "0x0" }, { " ", ERR_NOT_FOUND, "user" },
		{ "# comment", ERR_NOT_FOUND, "comment" }, { "app:bad", ERR_NOT_FOUND, "group bad" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		auto_buf struct buf b = { 0 };
		struct passwd_user u;

		check(passwd_lookup(str_of(passwd), str_of(group), rows[i].spec, &u, &e) == 0, "%s: %s",
		      rows[i].spec, err_text(&e));
		describe(&u, &b);
		check(strcmp(b.p, rows[i].want) == 0, "%s: %s", rows[i].spec, b.p);
		passwd_user_done(&u);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct passwd_user u;

		check(passwd_lookup(str_of(passwd), str_of(group), bad[i].spec, &u, &e) < 0 &&
		      e.kind == bad[i].kind && strstr(err_text(&e), bad[i].text), "%s: %s", bad[i].spec, err_text(&e));
	}
}

static void test_no_files(void **state UNUSED)
{
	static const struct { const char *spec; bool ok; unsigned uid, gid; } rows[] = {
		{ "", true, 0, 0 }, { "root", true, 0, 0 }, { "root:root", true, 0, 0 }, { "5:6", true, 5, 6 },
		{ "5", true, 5, 0 }, { "app", false, 0, 0 }, { "5:app", false, 0, 0 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		struct passwd_user u = { 0 };
		struct str none = { 0 };

		check((passwd_lookup(none, none, rows[i].spec, &u, &e) == 0) == rows[i].ok, "%s", rows[i].spec);
		check(u.uid == rows[i].uid && u.gid == rows[i].gid, "%s", rows[i].spec);
		passwd_user_done(&u);
	}
}

static void test_limits(void **state UNUSED)
{
	auto_buf struct buf b = { 0 };
	struct passwd_user u;

	for (size_t n = PASSWD_LINE_MAX; n <= PASSWD_FILE_MAX; n += PASSWD_FILE_MAX - PASSWD_LINE_MAX) {
		auto_err struct err e = { 0 };

		buf_reset(&b);
		while (b.n <= n) {
			buf_putc(&b, 'x');
			if (n == PASSWD_FILE_MAX && b.n % 100 == 0)
				buf_putc(&b, '\n');
		}
		check(passwd_lookup(buf_view(&b), str_of(group), "0", &u, &e) < 0 && e.kind == ERR_LIMIT, "%zu", n);
		err_clear(&e);
		check(passwd_lookup(str_of(passwd), buf_view(&b), "0", &u, &e) < 0 && e.kind == ERR_LIMIT, "%zu", n);
	}
}

static void test_chown(void **state UNUSED)
{
	static const struct { const char *spec; int64_t uid, gid; const char *unknown; } rows[] = {
		{ "daemon", 1, 2, "" }, { "1000", 1000, 1000, "" }, { "1000:nobody", 1000, 99, "" }, { "app:50", 1001, 50, "" },
		{ "root", 0, 0, "" }, { "nosuch", 0, 0, "nosuch" }, { "app:nosuch", 1001, 0, "nosuch" }, { "app:", 1001, 1002, "" },
		{ "", -1, 0, "" }, { ":", -1, 0, "" }, { ":4", 0, 4, "" }, { ":staff", 0, 50, "" }, { "4294967295", -1, 0, "" }, { "1:4294967296", -1, 0, "" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		struct str unknown = { 0 };
		uid_t uid = 0;
		gid_t gid = 0;
		int r = passwd_chown(str_of(passwd), str_of(group), rows[i].spec, &uid, &gid, &unknown, &e);

		check((r == 0) == (rows[i].uid >= 0), "%s: %s", rows[i].spec, err_text(&e));
		check(r < 0 || (uid == rows[i].uid && gid == rows[i].gid && str_is(unknown, rows[i].unknown)),
		      "%s: %u:%u", rows[i].spec, uid, gid);
	}
}

static void test_group(void **state UNUSED)
{
	auto_err struct err e = { 0 };
	gid_t g;

	assert_int_equal(passwd_group(str_of(group), "staff", &g, &e), 0);
	assert_int_equal(g, 50);
	assert_int_equal(passwd_group(str_of(group), "1234", &g, &e), 0);
	assert_int_equal(g, 1234);
	assert_int_equal(passwd_group(str_of(group), "nosuch", &g, &e), -1);
}

int suite_passwd(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup), cmocka_unit_test(test_no_files), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_chown), cmocka_unit_test(test_group),
	};

	return cmocka_run_group_tests_name("passwd", tests, NULL, NULL);
}
