/* SPDX-License-Identifier: Apache-2.0 */
/* parser/flags*, parser/dotenv: mounts, chmod, durations, ports, signals, kinds of sources, env
 * files. */
#include "parser/flags.h"

#include "parser/dotenv.h"
#include "tests/unit/unit.h"

static void test_mount_good(void **state)
{
	auto_arena struct arena a = { 0 };
	auto_err struct err e = { 0 };
	struct run_mount m;
	const char *t;

	(void)state;
	assert_int_equal(mount_parse(STR_LIT("target=/x"), NULL, NULL, &a, &m, &e), 0);
	check(m.type == MOUNT_BIND && m.readonly && strcmp(m.target, "/x") == 0 && !*m.from,
	      "defaults");
	assert_int_equal(mount_parse(STR_LIT("type=bind,rw,source=s,dst=../d,from=st"), NULL, NULL,
				     &a, &m, &e), 0);
	check(!m.readonly && strcmp(m.source, "s") == 0 && strcmp(m.from, "st") == 0, "bind rw");
	assert_int_equal(mount_target(&m, "/a/b", 0, &a, &t, &e), 0);
	check_str(t, "/a/d");
	assert_int_equal(mount_parse(STR_LIT("type=cache,target=/c/../d,sharing=locked,mode=0750,uid=1,gid=2,ro=true"),
				     NULL, NULL, &a, &m, &e), 0);
	check(m.readonly && m.sharing == SHARING_LOCKED && m.mode == 0750 && m.uid == 1 &&
	      m.gid == 2, "cache");
	assert_int_equal(mount_target(&m, "/", 0, &a, &t, &e), 0);
	check_str(mount_id(&m, t, &a), "/d");
	assert_int_equal(mount_parse(STR_LIT("type=tmpfs,target=/t,size=128m"), NULL, NULL, &a, &m,
				     &e), 0);
	check(m.size == 128 << 20 && !m.readonly, "tmpfs");
	assert_int_equal(mount_parse(STR_LIT("type=ssh,required"), NULL, NULL, &a, &m, &e), 0);
	assert_int_equal(mount_target(&m, "/", 2, &a, &t, &e), 0);
	check(m.required && strcmp(t, "/run/buildkit/ssh_agent.2") == 0, "ssh");
	check_str(mount_id(&m, t, &a), "default");
}

static void test_mount_secret(void **state)
{
	static const struct { const char *in, *id, *target; } rows[] = {
		{ "type=secret,id=a/b", "a/b", "/run/secrets/b" },
		{ "type=secret,target=/etc/passwd", "passwd", "/etc/passwd" },
		{ "type=secret,source=s", "s", "/run/secrets/s" },
		{ "type=secret,id=a,env=A", "a", "" },
		{ "type=secret,id=a,env=A,target=x", "a", "/w/x" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_arena struct arena a = { 0 };
		auto_err struct err e = { 0 };
		struct run_mount m;
		const char *t = NULL;

		check(mount_parse(str_of(rows[i].in), NULL, NULL, &a, &m, &e) == 0, "%s: %s",
		      rows[i].in, err_text(&e));
		check(mount_target(&m, "/w", 0, &a, &t, &e) == 0, "%s", rows[i].in);
		check_str(t, rows[i].target);
		check_str(mount_id(&m, t, &a), rows[i].id);
	}
}

static void test_mount_bad(void **state)
{
	static const struct { const char *in, *msg; } rows[] = {
		{ "from=$x,target=/t",
		  "'from' doesn't support variable expansion, define alias stage instead" },
		{ "type=cache,from=${x},target=/t",
		  "'from' doesn't support variable expansion, define alias stage instead" },
		{ "target=/x,size=1m", "unexpected key 'size' for mount type 'bind'" },
		{ "size=1m,type=tmpfs,target=/x", "unexpected key 'size' for mount type 'bind'" },
		{ "required,target=/x", "unexpected key 'required' for mount type 'bind'" },
		{ "type=bind,target=/x,mode=0755", "mode not allowed for \"bind\" type mounts" },
		{ "type=tmpfs,target=/x,uid=0", "uid not allowed for \"tmpfs\" type mounts" },
		{ "type=bind,target=/x,gid=0", "gid not allowed for \"bind\" type mounts" },
		{ "type=secret", "invalid secret mount. one of source, target required" },
		{ "type=secret,source=a,id=b", "both source and id can't be set" },
		{ "type=secret,id=a,from=b", "secret mount should not have a from" },
		{ "type=tmpfs,sharing=locked,target=/x",
		  "invalid cache sharing set for tmpfs mount" },
		{ "type=tmpfs", "invalid tmpfs mount. target required" },
		{ "type=ssh,source=x", "ssh does not support source" },
		{ "type=cach,target=/", "unsupported mount type \"cach\" (did you mean cache?)" },
		{ "type=cache,target=/a,sharing=private1",
		  "unsupported sharing value \"private1\" (did you mean private?)" },
		{ "targt=/", "unexpected key 'targt' in 'targt=/' (did you mean target?)" },
		{ "target", "invalid field 'target' must be a key=value pair" },
		{ "type=cache,target=/a,mode=9", "invalid value 9 for mode" },
		{ "type=cache,target=/a,uid=-1", "invalid value -1 for uid" },
		{ "target=/a,ro=maybe", "invalid value for ro: maybe" },
		{ "type=tmpfs,target=/a,size=x", "invalid value for size: x" },
		{ "target=/a,env=B", "env not allowed for \"bind\" type mounts" },
		{ "target=\"a", "--mount: a stray quote in \"target=\"a\"" },
		{ "", "unexpected key '' in ''" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_arena struct arena a = { 0 };
		auto_err struct err e = { 0 };
		struct run_mount m;

		check(mount_parse(str_of(rows[i].in), NULL, NULL, &a, &m, &e) < 0 &&
		      e.kind == ERR_USAGE, "%s", rows[i].in);
		check_str(e.msg, rows[i].msg);
	}
}

static int expand_upper(void *arg, struct str raw, struct arena *a, const char **ret, struct err *e)
{
	if (str_is(raw, "$TYPE"))
		*ret = "cache";
	else if (str_is(raw, "$BAD"))
		return err_set(e, ERR_USAGE, "no %s", (const char *)arg);
	else
		*ret = arena_strndup(a, raw.p, raw.n);
	return 0;
}

static void test_mount_expand(void **state)
{
	auto_arena struct arena a = { 0 };
	auto_err struct err e = { 0 };
	struct run_mount m;
	const char *t;

	(void)state;
	assert_int_equal(mount_parse(STR_LIT("type=$TYPE,target=/a"), expand_upper, "b", &a, &m,
				     &e), 0);
	assert_int_equal(m.type, MOUNT_CACHE);
	assert_int_equal(mount_parse(STR_LIT("target=$BAD"), expand_upper, "bad", &a, &m, &e), -1);
	check_str(e.msg, "no bad");
	assert_int_equal(mount_parse(STR_LIT("type=cache,target=/a/.."), NULL, NULL, &a, &m, &e),
			 0);
	assert_int_equal(mount_target(&m, "/x", 0, &a, &t, &e), -1);
	check_str(e.msg, "invalid mount target \"/a/..\"");
	assert_int_equal(mount_parse(STR_LIT("type=cache"), NULL, NULL, &a, &m, &e), 0);
	assert_int_equal(mount_target(&m, "/", 0, &a, &t, &e), -1);
	check_str(e.msg, "invalid mount target \"/\"");
}

static void test_chmod(void **state)
{
	static const struct { const char *spec; mode_t mode; bool dir; mode_t want; } rows[] = {
		{ "0644", 0100755, false, 0100644 }, { "777", 0, true, 0777 },
		{ "0", 0755, false, 0 }, { "4755", 0644, false, 04755 },
		{ "7777", 0, false, 07777 }, { "go-w", 0124, true, 0104 },
		{ "u+rw,g+r,o-x,o+w", 0124, true, 0766 },
		{ "a+X", 0124, true, 0135 }, { "a+X", 0644, false, 0644 },
		{ "a+X", 0744, false, 0755 }, { "+x", 0644, false, 0755 },
		{ "=r", 0777, false, 0444 }, { "u=rwX,go=rX", 0600, false, 0644 },
		{ "u=rwX,go=rX", 0700, true, 0755 },
		{ "u+s", 0755, false, 04755 }, { "g+s", 0755, true, 02755 },
		{ "+t", 0755, true, 01755 }, { "o+t", 0755, true, 0755 },
		{ "+xt", 0644, true, 01755 }, { "a-s", 06755, false, 0755 },
		{ "u=", 04755, false, 055 }, { "g=u", 0754, false, 0774 },
		{ "o=u-w", 0750, false, 0755 }, { "g+o", 0705, false, 0755 },
		{ "u-o", 0705, false, 0205 }, { "go=", 0777, false, 0700 },
		{ "u+", 0644, false, 0644 }, { "ug+rw-x", 0111, false, 0661 },
		{ "=", 0777, true, 0 }, { "a-X", 0755, false, 0644 },
		{ "u=g,g=o", 0754, false, 0544 },
	};
	static const char *const bad[] = { "", "64a", "10000", "8", "u", "u+z", "+,", "u+r,",
					   ",u+r", "x", "-1 ", "a+r b" };

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		struct chmod_spec c;
		mode_t got;

		check(chmod_parse(str_of(rows[i].spec), &c, &e) == 0, "%s: %s", rows[i].spec,
		      err_text(&e));
		got = chmod_apply(&c, rows[i].mode, rows[i].dir);
		check(got == rows[i].want, "%s on %o: %o", rows[i].spec, rows[i].mode, got);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		auto_err struct err e = { 0 };
		struct chmod_spec c;

		check(chmod_parse(str_of(bad[i]), &c, &e) < 0, "%s", bad[i]);
		check(strstr(e.msg, "it should be octal string and between 0 and 07777"), "%s",
		      e.msg);
	}
}

static void test_durations(void **state)
{
	static const struct { const char *in; int64_t ns; } rows[] = {
		{ "30s", 30000000000 }, { "0", 0 }, { "0ms", 0 }, { "1ms", 1000000 },
		{ "1m30s", 90000000000 },
		{ "50ns", -1 }, { "-5s", -1 }, { "5", -1 }, { "", -1 }, { "x", -1 },
	};
	auto_err struct err e = { 0 };
	int n = 7;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		int64_t ns = 0;
		int r = duration_parse("interval", str_of(rows[i].in), &ns, &e);

		check(r < 0 ? rows[i].ns < 0 : ns == rows[i].ns, "%s", rows[i].in);
	}
	assert_int_equal(duration_parse("interval", STR_LIT("50ns"), &(int64_t){ 0 }, &e), -1);
	check(strstr(e.msg, "cannot be less than 1ms"), "%s", e.msg);
	assert_int_equal(retries_parse(STR_LIT("-1"), &n, &e), -1);
	check_str(e.msg, "--retries cannot be negative (-1)");
	assert_int_equal(retries_parse(STR_LIT("3"), &n, &e), 0);
	assert_int_equal(n, 3);
	assert_int_equal(retries_parse(STR_LIT("3x"), &n, &e), -1);
}

static void test_ports(void **state)
{
	static const struct { const char *in, *out; bool mapped; } rows[] = {
		{ "80", "80/tcp", false }, { "80/TCP", "80/tcp", false },
		{ "1234/udp", "1234/udp", false }, { "9/sctp", "9/sctp", false },
		{ "1234-1236/tcp", "1234/tcp 1235/tcp 1236/tcp", false },
		{ "80/", "80/tcp", false },
		{ "0.0.0.0:1234-1235:3333-3334/tcp", "3333/tcp 3334/tcp", true },
		{ "5000:5000", "5000/tcp", true },
		{ "[::1]:8080:80", "80/tcp", true }, { "127.0.0.1::80", "80/tcp", true },
		{ "8000-9000:80", "80/tcp", true },
		{ "0.0.0.0:1234-1235:", NULL, false }, { "", NULL, false },
		{ "80/tpc", NULL, false }, { "99999", NULL, false },
		{ "90-80", NULL, false }, { "a", NULL, false }, { "1.2.3:1:2", NULL, false },
		{ "1-2:3-5", NULL, false },
		{ "80-", NULL, false }, { "x:80", NULL, false }, { "-1", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_strv struct strv l = { 0 };
		auto_buf struct buf b = { 0 };
		auto_err struct err e = { 0 };
		bool mapped = false;
		int r = port_parse(str_of(rows[i].in), &l, &mapped, &e);

		check((r < 0) == !rows[i].out, "%s: %s", rows[i].in, err_text(&e));
		for (size_t k = 0; k < l.n; k++)
			buf_printf(&b, "%s%s", k ? " " : "", l.v[k]);
		if (r == 0)
			check(str_is(buf_view(&b), rows[i].out) && mapped == rows[i].mapped,
			      "%s: %s", rows[i].in, b.p);
		else
			check(strncmp(e.msg, "invalid port: ", 14) == 0, "%s", e.msg);
	}
}

static void test_signals(void **state)
{
	static const struct { const char *in; int n; } rows[] = {
		{ "9", 9 }, { "KILL", 9 }, { "SIGKILL", 9 }, { "sigterm", 15 },
		{ "SIGRTMIN+3", 37 }, { "RTMIN", 34 }, { "RTMAX-1", 63 },
		{ "SIGRTMAX", 64 }, { "64", 64 }, { "0", -1 }, { "65", -1 }, { "NOSUCH", -1 },
		{ "", -1 }, { "SIG", -1 },
		{ "RTMIN+16", -1 }, { "RTMIN-1", -1 }, { "RTMINX", -1 }, { "-9", -1 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		int n = -1;

		check(signal_parse(str_of(rows[i].in), &n, &e) == (rows[i].n < 0 ? -1 : 0) &&
		      n == rows[i].n, "%s", rows[i].in);
	}
	check_str(signal_guess(STR_LIT("SIGTREM")), "TERM");
}

static void test_copy_sources(void **state)
{
	static const struct { const char *in; enum copy_source kind; } rows[] = {
		{ "a", SOURCE_LOCAL }, { "http://x/y", SOURCE_HTTP },
		{ "https://x/y.tar.gz", SOURCE_HTTP },
		{ "https://h/r.git", SOURCE_GIT }, { "https://h/r.git#v1:sub", SOURCE_GIT },
		{ "https://h/r.git?ref=x", SOURCE_GIT },
		{ "git@h:r", SOURCE_GIT }, { "git@h", SOURCE_LOCAL }, { "git://h/r", SOURCE_GIT },
		{ "ssh://h/r", SOURCE_GIT },
		{ "./http://x", SOURCE_LOCAL },
	};
	static const char *const good[] = { "a", "Build", "a1-_.x" }, *const bad[] = { "", "1a",
										       "-a", "a b", "a/b", "a@", "A$", "[" };

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		check(copy_source_kind(str_of(rows[i].in)) == rows[i].kind, "%s", rows[i].in);
	for (size_t i = 0; i < countof(good); i++)
		check(stage_name_valid(str_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < countof(bad); i++)
		check(!stage_name_valid(str_of(bad[i])), "%s", bad[i]);
}

static const char *get(void *arg, const char *name)
{
	return strcmp(name, arg) == 0 ? "from outside" : NULL;
}

static void test_dotenv(void **state)
{
	static const char *const bad[] = { "=v", "a b=c", "a\tb", "A=\xff" };
	auto_strv struct strv l = { 0 };
	auto_err struct err e = { 0 };

	(void)state;
	assert_int_equal(dotenv_parse("f",
				      STR_LIT("\xef\xbb\xbf" "FOO=a # b\n  K=v  \r\n#c\n  # d\n\nPATHX\nHOME\nE=\nA=b=c"),
				      get, "HOME", &l, &e), 0);
	assert_int_equal(l.n, 5);
	check_str(l.v[0], "FOO=a # b");
	check_str(l.v[1], "K=v  ");
	check_str(l.v[2], "HOME=from outside");
	check_str(l.v[3], "E=");
	check_str(l.v[4], "A=b=c");
	for (size_t i = 0; i < countof(bad); i++) {
		auto_free char *text = xasprintf("OK=1\n%s\n", bad[i]);

		check(dotenv_parse("f", str_of(text), NULL, NULL, &l, &e) < 0, "%s", bad[i]);
		check(strncmp(e.msg, "f:2: ", 5) == 0, "%s", e.msg);
		assert_int_equal(l.n, 5);
	}
}

int suite_flags(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mount_good), cmocka_unit_test(test_mount_secret), cmocka_unit_test(test_mount_bad),
		cmocka_unit_test(test_mount_expand), cmocka_unit_test(test_chmod), cmocka_unit_test(test_durations),
		cmocka_unit_test(test_ports), cmocka_unit_test(test_signals), cmocka_unit_test(test_copy_sources),
		cmocka_unit_test(test_dotenv),
	};

	return cmocka_run_group_tests_name("flags", tests, NULL, NULL);
}
