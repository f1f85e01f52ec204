/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/sandbox/seccomp, profile, filter: verdicts of the compiled programs, by an interpreter
 * and by the kernel. */
#include "runtime/sandbox/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/sandbox/caps.h"
#include "runtime/sandbox/filter.h"
#include "tests/unit/unit.h"

#define ALLOW SECCOMP_RET_ALLOW
#define FAIL(n) (SECCOMP_RET_ERRNO | (n))

/* cBPF as seccomp(2) has it; only the instructions that filter.c makes. *steps counts. */
static uint32_t interpret(const struct buf *prog, const struct seccomp_data *d, size_t *steps)
{
	const struct sock_filter *v = (const void *)prog->p;
	size_t n = prog->n / sizeof(*v), pc = 0;
	uint32_t a = 0;

	for (*steps = 0; pc < n && *steps < n; ++*steps) {
		const struct sock_filter *i = &v[pc++];
		bool yes = false;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			check(i->k % 4 == 0 && i->k + 4 <= sizeof(*d), "load at %u", i->k);
			memcpy(&a, (const char *)d + i->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K: a &= i->k; continue;
		case BPF_JMP | BPF_JA: pc += i->k; continue;
		case BPF_RET | BPF_K: return i->k;
		case BPF_JMP | BPF_JEQ | BPF_K: yes = a == i->k; break;
		case BPF_JMP | BPF_JGT | BPF_K: yes = a > i->k; break;
		case BPF_JMP | BPF_JGE | BPF_K: yes = a >= i->k; break;
		default: check(false, "instruction %#x", i->code);
		}
		pc += yes ? i->jt : i->jf;
	}
	check(false, "the program does not end");
	return 0;
}

static uint32_t verdict(const struct buf *prog, uint32_t token, const char *name, uint64_t arg0)
{
	int nr = seccomp_syscall_resolve_name_arch(token, name);
	struct seccomp_data d = { .nr = nr,
				  .arch = token == SCMP_ARCH_X32 ? (uint32_t)SCMP_ARCH_X86_64
								 : token,
				  .args = { arg0 } };
	size_t steps;

	check(nr >= 0, "%s has no number", name);
	return interpret(prog, &d, &steps);
}

static void test_seccomp_default(void **state)
{
	const uint64_t admin = caps_default | CAPS_BIT(CAP_SYS_ADMIN);
	const struct { const char *name; uint64_t arg, caps; uint32_t want; } rows[] = {
		{ "read", 0, 0, ALLOW },
		{ "openat2", 0, 0, ALLOW },
		{ "execve", 0, 0, ALLOW },
		{ "statx", 0, 0, ALLOW },
		{ "ptrace", 0, 0, ALLOW },
		{ "io_setup", 0, 0, ALLOW },
		{ "io_uring_setup", 0, admin, FAIL(EPERM) },
		{ "keyctl", 0, admin, FAIL(EPERM) },
		{ "add_key", 0, admin, FAIL(EPERM) },
		{ "kexec_load", 0, admin, FAIL(EPERM) },
		{ "swapon", 0, admin, FAIL(EPERM) },
		{ "userfaultfd", 0, admin, FAIL(EPERM) },
		{ "mount", 0, caps_default, FAIL(EPERM) },
		{ "mount", 0, admin, ALLOW },
		{ "unshare", 0, caps_default, FAIL(EPERM) },
		{ "setns", 0, admin, ALLOW },
		{ "bpf", 0, caps_default, FAIL(EPERM) },
		{ "bpf", 0, CAPS_BIT(CAP_BPF), ALLOW },
		{ "chroot", 0, caps_default, ALLOW },
		{ "chroot", 0, 0, FAIL(EPERM) },
		{ "reboot", 0, CAPS_BIT(CAP_SYS_BOOT), ALLOW },
		{ "reboot", 0, admin, FAIL(EPERM) },
		{ "syslog", 0, CAPS_BIT(CAP_SYSLOG), ALLOW },
		{ "clone3", 0, caps_default, FAIL(ENOSYS) },
		{ "clone3", 0, admin, ALLOW },
		{ "clone", 17, caps_default, ALLOW },
		{ "clone", CLONE_NEWUSER, caps_default, FAIL(EPERM) },
		{ "clone", CLONE_NEWNS | 17, caps_default, FAIL(EPERM) },
		{ "clone", CLONE_NEWCGROUP, caps_default, FAIL(EPERM) },
		{ "clone", CLONE_VM | CLONE_FILES | CLONE_THREAD, caps_default, ALLOW },
		{ "clone", CLONE_NEWNET, admin, ALLOW },
		{ "socket", AF_UNIX, 0, ALLOW },
		{ "socket", AF_INET6, 0, ALLOW },
		{ "socket", 37, 0, ALLOW },
		{ "socket", 38, admin, FAIL(EPERM) },
		{ "socket", 39, 0, ALLOW },
		{ "socket", 40, admin, FAIL(EPERM) },
		{ "socket", 41, 0, ALLOW },
		{ "socket", UINT64_C(38) << 32, 0, ALLOW },
		{ "personality", 0, 0, ALLOW },
		{ "personality", 8, 0, ALLOW },
		{ "personality", 0x20000, 0, ALLOW },
		{ "personality", 0x20008, 0, ALLOW },
		{ "personality", 0xffffffff, 0, ALLOW },
		{ "personality", 1, 0, FAIL(EPERM) },
		{ "personality", UINT64_MAX, 0, FAIL(EPERM) },
		{ "personality", 0x0040000, 0, FAIL(EPERM) },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };
		auto_err struct err e = { 0 };
		uint32_t got;

		check(seccomp_default(rows[i].caps, &b, &e) == 0, "%s", err_text(&e));
		got = verdict(&b, filter_native(), rows[i].name, rows[i].arg);
		check(got == rows[i].want, "row %zu: %s(%#llx): %#x", i, rows[i].name,
		      (unsigned long long)rows[i].arg, got);
	}
}

/* Other architectures, numbers that nobody knows yet, and how deep the search is. */
static void test_seccomp_default_edges(void **state)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	struct seccomp_data d = { .nr = 5000, .arch = filter_native() };
	size_t steps, most = 0;

	(void)state;
	check(seccomp_default(caps_default, &b, &e) == 0, "%s", err_text(&e));
	check(b.n / sizeof(struct sock_filter) < 1000, "%zu bytes", b.n);
	assert_int_equal(interpret(&b, &d, &steps), FAIL(ENOSYS));
	d.nr = 466; /* removexattrat: after libseccomp's tables were made */
	assert_int_equal(interpret(&b, &d, &steps), ALLOW);
	d.nr = -1;
	assert_int_equal(interpret(&b, &d, &steps), FAIL(ENOSYS));
	for (d.nr = 0; d.nr < 600; d.nr++) {
		interpret(&b, &d, &steps);
		most = steps > most ? steps : most;
	}
	check(most < 30, "%zu steps", most);
	d = (struct seccomp_data){ .nr = 0, .arch = AUDIT_ARCH_PARISC };
	assert_int_equal(interpret(&b, &d, &steps), SECCOMP_RET_KILL_PROCESS);
	if (filter_native() != SCMP_ARCH_X86_64)
		return;
	assert_int_equal(verdict(&b, SCMP_ARCH_X86, "socketcall", 1), ALLOW);
	d = (struct seccomp_data){ .nr = 359, .arch = SCMP_ARCH_X86, .args = { 38 } };	/* socket */
	assert_int_equal(interpret(&b, &d, &steps), FAIL(EPERM));
	d.args[0] = AF_UNIX;
	assert_int_equal(interpret(&b, &d, &steps), ALLOW);
	assert_int_equal(verdict(&b, SCMP_ARCH_X86, "umount", 0), FAIL(EPERM));
	assert_int_equal(verdict(&b, SCMP_ARCH_X86, "clock_gettime64", 0), ALLOW);
	assert_int_equal(verdict(&b, SCMP_ARCH_X32, "read", 0), ALLOW);
	assert_int_equal(verdict(&b, SCMP_ARCH_X32, "rt_sigaction", 0), ALLOW);
	assert_int_equal(verdict(&b, SCMP_ARCH_X32, "mount", 0), FAIL(EPERM));
}

/* ---- profiles ---- */

#define RULES(x) \
	"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":13,\"syscalls\":[" x "]}"
#define RULE(op, v, two) \
	RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":" v \
	      ",\"valueTwo\":" two ",\"op\":\"SCMP_CMP_" op "\"}]}")
#define BIG "1311768467463790320"	/* 0x123456789abcdef0 */

static void test_seccomp_profile(void **state)
{
	const struct { const char *json; uint64_t arg; uint32_t want; } rows[] = {
		{ RULES(""), 0, FAIL(13) },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", 0, ALLOW },
		{ "{\"defaultAction\":\"SCMP_ACT_KILL\"}", 0, SECCOMP_RET_KILL_THREAD },
		{ "{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":null,\"architectures\":null}",
		  0, SECCOMP_RET_LOG },
		{ RULES("{\"name\":\"getpid\",\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":7}"), 0,
		  SECCOMP_RET_TRACE | 7 },
		{ RULES("{\"name\":\"getpid\",\"action\":\"SCMP_ACT_ERRNO\"}"), 0, FAIL(EPERM) },
		{ RULES("{\"names\":[\"no_such_call\",\"getpid\"],\"action\":\"SCMP_ACT_TRAP\"}"),
		  0, SECCOMP_RET_TRAP },
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_KILL\"]}}"),
		  0, ALLOW },
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_KILL\",\"CAP_BPF\"]}}"),
		  0, FAIL(13) },
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":[\"CAP_KILL\"]}}"),
		  0, FAIL(13) },
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"none\"]}}"),
		  0, FAIL(13) },
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"4.8\"}}"),
		  0, ALLOW },
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"999.0\"}}"),
		  0, FAIL(13) },
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"minKernel\":\"4.8\"}}"),
		  0, FAIL(13) },
		{ RULE("EQ", BIG, "0"), 0x123456789abcdef0, ALLOW },
		{ RULE("EQ", BIG, "0"), 0x9abcdef0, FAIL(13) },
		{ RULE("EQ", BIG, "0"), 0x123456789abcdef1, FAIL(13) },
		{ RULE("NE", BIG, "0"), 0x123456789abcdef0, FAIL(13) },
		{ RULE("NE", BIG, "0"), 0x123456779abcdef0, ALLOW },
		{ RULE("NE", BIG, "0"), 0x123456789abcdef1, ALLOW },
		{ RULE("LT", BIG, "0"), 0x123456789abcdef0, FAIL(13) },
		{ RULE("LT", BIG, "0"), 0x123456789abcdeef, ALLOW },
		{ RULE("LT", BIG, "0"), 0x12345677ffffffff, ALLOW },
		{ RULE("LT", BIG, "0"), 0x1234567900000000, FAIL(13) },
		{ RULE("LE", BIG, "0"), 0x123456789abcdef0, ALLOW },
		{ RULE("LE", BIG, "0"), 0x123456789abcdef1, FAIL(13) },
		{ RULE("LE", BIG, "0"), 0x12345677ffffffff, ALLOW },
		{ RULE("LE", BIG, "0"), 0x1234567900000000, FAIL(13) },
		{ RULE("GT", BIG, "0"), 0x123456789abcdef0, FAIL(13) },
		{ RULE("GT", BIG, "0"), 0x123456789abcdef1, ALLOW },
		{ RULE("GT", BIG, "0"), 0x12345677ffffffff, FAIL(13) },
		{ RULE("GT", BIG, "0"), 0x1234567900000000, ALLOW },
		{ RULE("GE", BIG, "0"), 0x123456789abcdef0, ALLOW },
		{ RULE("GE", BIG, "0"), 0x123456789abcdeef, FAIL(13) },
		{ RULE("GE", BIG, "0"), 0x1234567900000000, ALLOW },
		{ RULE("GE", BIG, "0"), 0x12345677ffffffff, FAIL(13) },
		{ RULE("MASKED_EQ", "4294967297", "4294967296"), 0x100000000, ALLOW },
		{ RULE("MASKED_EQ", "4294967297", "4294967296"), 0x700000002, ALLOW },
		{ RULE("MASKED_EQ", "4294967297", "4294967296"), 0x100000001, FAIL(13) },
		{ RULE("MASKED_EQ", "4294967297", "4294967296"), 0, FAIL(13) },
		/* the first rule that holds */
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]},"
			"{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5}"),
		  1, ALLOW },
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]},"
			"{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5}"),
		  2, FAIL(5) },
		/* both arguments of one rule */
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_GT\"},"
			"{\"index\":0,\"value\":9,\"op\":\"SCMP_CMP_LT\"}]}"),
		  5, ALLOW },
		{ RULES("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_GT\"},"
			"{\"index\":0,\"value\":9,\"op\":\"SCMP_CMP_LT\"}]}"),
		  9, FAIL(13) },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };
		auto_err struct err e = { 0 };
		uint32_t got;

		check(seccomp_profile(str_of(rows[i].json), caps_default, &b, &e) == 0,
		      "row %zu: %s", i, err_text(&e));
		got = verdict(&b, filter_native(), "getpid", rows[i].arg);
		check(got == rows[i].want, "row %zu: %#x, not %#x", i, got, rows[i].want);
	}
}

static void test_seccomp_profile_bad(void **state)
{
	static const struct { const char *json, *text; } rows[] = {
		{ "", "line" },
		{ "[]", "not an object" },
		{ "{}", "unknown action" },
		{ "{\"defaultAction\":1}", "unknown action" },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "SCMP_ACT_NOTIFY" },
		{ RULES("1"), "rule 1: is not an object" },
		{ RULES("{\"action\":\"SCMP_ACT_ALLOW\"}"), "names no system call" },
		{ RULES("{\"name\":\"getpid\",\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5000}"),
		  "errnoRet" },
		{ RULES("{\"names\":\"getpid\",\"action\":\"SCMP_ACT_ALLOW\"}"),
		  "\"names\" is not a list" },
		{ RULES("{\"names\":[1],\"action\":\"SCMP_ACT_ALLOW\"}"), "a name is not a text" },
		{ RULE("XX", "1", "0"), "SCMP_CMP_XX" },
		{ RULE("EQ", "-1", "0"), "whole number" },
		{ RULES("{\"name\":\"getpid\",\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]}"),
		  "index" },
		{ RULES("{\"name\":\"getpid\",\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_X\"]}}"),
		  "CAP_X" },
		{ RULES("{\"name\":\"getpid\",\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"new\"}}"),
		  "minKernel" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"VAX\"]}", "VAX" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],\"archMap\":[{\"architecture\":"
		  "\"SCMP_ARCH_X86\"}]}",
		  "both" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}",
		  "listenerPath" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"]}",
		  "FLAG_LOG" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };
		auto_err struct err e = { 0 };

		check(seccomp_profile(str_of(rows[i].json), 0, &b, &e) < 0 && e.kind == ERR_USAGE &&
			      b.n == 0,
		      "row %zu", i);
		check(strstr(e.msg, rows[i].text) && str_starts(str_of(e.msg), "seccomp profile: "),
		      "row %zu: %s", i, e.msg);
	}
}

/* Far more rules than fit are refused; nearly as many as fit compile, with jumps beyond 255
 * instructions. */
static void test_seccomp_large(void **state)
{
	for (unsigned n = 10; n <= 2000; n += 1990) {
		auto_buf struct buf json = { 0 }, b = { 0 };
		auto_err struct err e = { 0 };
		int r;

		(void)state;
		buf_puts(&json, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[");
		for (unsigned i = 0; i < n; i++)
			buf_printf(
				&json,
				"%s{\"names\":[\"getpid\",\"read\",\"close\",\"mount\",\"openat2\",\"getppid\",\"bpf\"],"
				"\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"value\":%u,\"op\":\"SCMP_CMP_EQ\"}]}",
				i ? "," : "", i + 1);
		buf_puts(&json, "]}");
		r = seccomp_profile(buf_view(&json), 0, &b, &e);
		check(n < 100 ? r == 0 : r < 0 && e.kind == ERR_LIMIT, "%u: %s", n, err_text(&e));
		for (unsigned i = 0; r == 0 && i < n + 2; i++)
			assert_int_equal(verdict(&b, filter_native(), i % 2 ? "bpf" : "read", i),
					 i > 0 && i <= n ? FAIL(EPERM) : ALLOW);
	}
}

/* ---- the kernel's own opinion ---- */

static int try_calls(const struct buf *b)
{
	struct sock_fprog prog = { (unsigned short)(b->n / sizeof(struct sock_filter)),
				   (void *)b->p };
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return 1;
	if (syscall(SYS_unshare, CLONE_NEWUSER) == 0 || errno != EPERM)
		return 2;
	if (syscall(SYS_clone3, NULL, 0) == 0 || errno != ENOSYS)
		return 3;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || close(fd) < 0)
		return 4;
	if (socket(40, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return 5;
	if (syscall(SYS_getpid) <= 0)
		return 6;
	return 0;
}

static void test_seccomp_kernel(void **state)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	int status;
	pid_t pid;

	(void)state;
	check(seccomp_default(caps_default, &b, &e) == 0, "%s", err_text(&e));
	pid = fork();
	if (pid == 0)
		_exit(try_calls(&b));
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

int suite_seccomp(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seccomp_default),
		cmocka_unit_test(test_seccomp_default_edges),
		cmocka_unit_test(test_seccomp_profile),
		cmocka_unit_test(test_seccomp_profile_bad),
		cmocka_unit_test(test_seccomp_large),
		cmocka_unit_test(test_seccomp_kernel),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
