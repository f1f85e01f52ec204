/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/network: pure parts by tables; the rest in namespaces of its own, so that the machine's
 * network is not touched:
 *
 *   world 192.0.2.1 ──veth── host 192.0.2.2 ──tarerN── what net_open() makes
 */
#include "runtime/network/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "runtime/network/ipam.h"
#include "runtime/network/link.h"
#include "runtime/network/resolv.h"
#include "runtime/sandbox/ns.h"
#include "tests/unit/unit.h"

static void test_ipam(void **state)
{
	static const struct { struct link_prefix used[3]; size_t n; const char *want; } rows[] = {
		{ { { 0 } }, 0, "10.200.0.0" },
		{ { { 0x0ac80000, 24 } }, 1, "10.200.1.0" },
		{ { { 0x0ac80105, 32 }, { 0x0ac80000, 24 } }, 2, "10.200.2.0" },
		{ { { 0x0ac80000, 16 } }, 1, "10.201.0.0" },
		{ { { 0x0ac80000, 13 } }, 1, NULL },
		{ { { 0x0a000000, 8 } }, 1, NULL },
		{ { { 0, 0 } }, 1, NULL },
		{ { { 0xc0a80000, 16 }, { 0x0ac90000, 16 } }, 2, "10.200.0.0" },
		{ { { 0x0ac80000, 14 }, { 0x0acc0000, 15 }, { 0x0ace0000, 16 } }, 3, "10.207.0.0" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct in_addr a;
		bool ok = ipam_subnet(rows[i].used, rows[i].n, &a);

		check(ok == (rows[i].want != NULL), "row %zu", i);
		if (ok)
			check_str(inet_ntoa(a), rows[i].want);
	}
	check_str(inet_ntoa(ipam_addr((struct in_addr){ htonl(0x0ac80100) }, 254)), "10.200.1.254");
}

static void test_resolv(void **state)
{
	static const struct {
		const char *host;
		bool own;
		const char *dns, *search, *options, *want;
		size_t n;
	} rows[] = {
		{ "", false, "", "", "", "", 0 },
		{ "nameserver 10.0.0.1\n", true, "", "", "", "nameserver 10.0.0.1\n", 1 },
		{ "# x\n;y\nnameserver\t10.0.0.1 # c\nsearch a b\noptions ndots:2\nfoo\n", true, "",
		  "", "", "nameserver 10.0.0.1\nsearch a b\noptions ndots:2\n", 1 },
		{ "nameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver 9.9.9.9",
		  true, "", "", "", "nameserver 9.9.9.9\n", 1 },
		{ "nameserver 127.0.0.53\nnameserver fe80::1%eth0\n", false, "", "", "",
		  "nameserver 127.0.0.53\nnameserver fe80::1%eth0\n", 2 },
		{ "nameserver 127.0.0.1\n", true, "", "", "", "", 0 },
		{ "nameserver nonsense\nnameserver\nnameserver 300.1.1.1\n", false, "", "", "", "",
		  0 },
		{ "nameserver 10.0.0.1\nsearch a\noptions b\ndomain c\n", true, "127.0.0.1",
		  "mydomain", "ndots:9", "nameserver 127.0.0.1\nsearch mydomain\noptions ndots:9\n",
		  1 },
		{ "search a\n", true, "1.1.1.1 2.2.2.2", ".", "",
		  "nameserver 1.1.1.1\nnameserver 2.2.2.2\n", 2 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct resolv r = { 0 };
		struct strv *to[] = { &r.dns, &r.search, &r.options };
		const char *from[] = { rows[i].dns, rows[i].search, rows[i].options };
		auto_buf struct buf b = { 0 };
		size_t n;

		for (size_t k = 0; k < 3; k++)
			for (struct str rest = str_of(from[k]); rest.n;)
				strv_add_n(to[k], str_cut(&rest, ' '));
		n = resolv_text(str_of(rows[i].host), rows[i].own, i % 2 || r.dns.n ? &r : NULL,
				&b);
		check(n == rows[i].n, "row %zu: %zu servers", i, n);
		check(strcmp(b.p ? b.p : "", rows[i].want) == 0, "row %zu: %s", i, b.p);
		for (size_t k = 0; k < 3; k++)
			strv_done(to[k]);
	}
	check_str(
		inet_ntoa(resolv_loopback(STR_LIT("nameserver 8.8.8.8\nnameserver 127.0.0.53\n"))),
		"127.0.0.53");
	check_str(inet_ntoa(resolv_loopback(
			  STR_LIT("nameserver 8.8.8.8\nnameserver ::1\nnameserver\n"))),
		  "0.0.0.0");
}

static void test_hosts(void **state)
{
	static const struct { const char *extra, *want; } rows[] = {
		{ "extra:86.75.30.9", "86.75.30.9\textra\n" },
		{ "x=::1", "::1\tx\n" },
		{ "x:fd00::5", "fd00::5\tx\n" },
		{ "x:[fd00::5]", "fd00::5\tx\n" },
		{ "x", NULL },
		{ "x:", NULL },
		{ ":1.2.3.4", NULL },
		{ "x:1.2.3", NULL },
		{ "x:1.2.3.4 y", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_strv struct strv l = { 0 };
		auto_err struct err e = { 0 };
		auto_buf struct buf b = { 0 };
		int r;

		strv_add(&l, rows[i].extra);
		r = hosts_text((struct in_addr){ htonl(0x0ac80002) }, "me me.lan", &l, &b, &e);
		check((r == 0) == (rows[i].want != NULL), "row %zu: %s", i, err_text(&e));
		check(r == 0 || e.kind == ERR_USAGE, "row %zu", i);
		check(r < 0 ||
			      (strstr(b.p, rows[i].want) && strstr(b.p, "127.0.0.1\tlocalhost\n") &&
			       str_ends(buf_view(&b), "10.200.0.2\tme me.lan\n")),
		      "row %zu: %s", i, b.p);
	}
}

/* ---- a world of our own ---- */

#define want(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, \
				errno); \
			return 1; \
		} \
	} while (0)
#define want_ok(call) \
	do { \
		struct err e_ = { 0 }; \
		struct err *e = &e_; \
		if ((call) < 0) { \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, \
				err_text(e)); \
			return 1; \
		} \
	} while (0)

#define WORLD_DIR "/tmp/tare-unit-net-%d"

struct world {
	int world, host;		/* namespaces */
	int server;			/* listens in the world */
	uint16_t port;
	char dir[64];
};

static struct in_addr ip_of(const char *s)
{
	struct in_addr a = { 0 };

	inet_pton(AF_INET, s, &a);
	return a;
}

static int world_make(struct world *w)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t n = sizeof(sa);
	struct nl s;
	int index;

	want(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	w->world = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	want_ok(ns_net_new(NULL, NULL, &w->host, e));
	want_ok(nl_open(NETLINK_ROUTE, &s, e));
	want_ok(link_add_veth(&s, "out", "up", w->host, 1400, e));
	want_ok(link_index(&s, "out", &index, e));
	want_ok(link_add_addr(&s, index, ip_of("192.0.2.1"), ip_of("192.0.2.2"), e));
	nl_close(&s);
	w->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	want(bind(w->server, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	     listen(w->server, 8) == 0 && getsockname(w->server, (struct sockaddr *)&sa, &n) == 0);
	w->port = sa.sin_port;
	want(setns(w->host, CLONE_NEWNET) == 0);
	want_ok(nl_open(NETLINK_ROUTE, &s, e));
	want_ok(link_up(&s, LINK_LOOPBACK, e));
	want_ok(link_index(&s, "up", &index, e));
	want_ok(link_add_addr(&s, index, ip_of("192.0.2.2"), ip_of("192.0.2.1"), e));
	want_ok(link_add_default(&s, index, ip_of("192.0.2.1"), e));
	nl_close(&s);
	snprintf(w->dir, sizeof(w->dir), WORLD_DIR, getpid());
	want(mkdir(w->dir, 0700) == 0);
	return 0;
}

/* From inside n to the world's server; returns who the server thinks we are, 0.0.0.0 if we did not
 * get there. */
static struct in_addr call_world(const struct world *w, const struct net *n)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = w->port,
				  .sin_addr = ip_of("192.0.2.1") };
	struct timeval patience = { .tv_sec = 2 };
	socklen_t len = sizeof(sa);
	auto_fd int fd = -1, got = -1;

	if (setns(net_fd(n), CLONE_NEWNET) < 0)
		return ip_of("0.0.0.0");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)!setns(w->host, CLONE_NEWNET);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return ip_of("0.0.0.0");
	got = accept4(w->server, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
	return got < 0 ? ip_of("0.0.0.0") : sa.sin_addr;
}

/* The output of "nft list ruleset" or "ip -o link" in the host's namespace. */
static void ask(char *const argv[], struct buf *ret)
{
	auto_err struct err e = { 0 };
	int p[2];
	pid_t pid;

	buf_reset(ret);
	buf_puts(ret, "");
	if (pipe2(p, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(p[1]);
	(void)!fs_read_fd(p[0], BUF_MAX / 2, ret, &e);
	close(p[0]);
	waitpid(pid, NULL, 0);
}

static int nft(const char *text)
{
	int p[2], status;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(p[0], 0);
		execlp("nft", "nft", "-f", "-", (char *)NULL);
		_exit(127);
	}
	close(p[0]);
	(void)!write(p[1], text, strlen(text));
	close(p[1]);
	waitpid(pid, &status, 0);
	return status;
}

/* Links go with their namespaces and tables with their sockets, in the kernel's own time. */
static bool all_gone(void)
{
	char *const rules[] = { "nft", "list", "ruleset", NULL };
	char *const links[] = { "ip", "-o", "link", NULL };
	auto_buf struct buf b = { 0 };

	for (int i = 0; i < 200; i++) {
		ask(rules, &b);
		if (!strstr(b.p, "tare")) {
			ask(links, &b);
			if (strstr(b.p, "up@") && !strstr(b.p, "tare"))
				return true;
		}
		poll(NULL, 0, 20);
	}
	fprintf(stderr, "left: %s\n", b.p);
	return false;
}

static int way_out(struct world *w)
{
	struct net *a, *b, *c, *none;
	struct net_host *h;

	net_host_new(w->dir, &h);
	want_ok(net_open(h, NET_BRIDGE, &a, e));
	want_ok(net_open(h, NET_BRIDGE, &b, e));
	want_ok(net_open(h, NET_NONE, &none, e));
	want(net_addr(a).s_addr == ip_of("10.200.0.2").s_addr &&
	     net_addr(b).s_addr == ip_of("10.200.0.3").s_addr);
	want(net_gateway(a).s_addr == ip_of("10.200.0.1").s_addr && net_addr(none).s_addr == 0);
	want(call_world(w, a).s_addr == ip_of("192.0.2.2").s_addr);	/* masqueraded */
	want(call_world(w, b).s_addr == ip_of("192.0.2.2").s_addr);
	want(call_world(w, none).s_addr == 0);
	net_close(a, true);
	net_close(none, true);
	want_ok(net_open(h, NET_BRIDGE, &c, e));
	want(c == a);				/* the idle one, of the same kind */
	want(call_world(w, c).s_addr == ip_of("192.0.2.2").s_addr);
	net_close(b, false);
	net_close(c, true);
	net_host_free(h);
	return 0;
}

/* From one namespace to another, and from the world to a namespace that did not ask. */
static int neighbours(struct world *w)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct timeval patience = { .tv_usec = 300000 };
	socklen_t len = sizeof(sa);
	auto_fd int server = -1, fd = -1;
	struct net *a, *b;
	struct net_host *h;
	struct nl s;
	int index;

	net_host_new(w->dir, &h);
	want_ok(net_open(h, NET_BRIDGE, &a, e));
	want_ok(net_open(h, NET_BRIDGE, &b, e));
	want(setns(net_fd(b), CLONE_NEWNET) == 0);
	server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	want(bind(server, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(server, 8) == 0 &&
	     getsockname(server, (struct sockaddr *)&sa, &len) == 0);
	sa.sin_addr = net_addr(b);
	want(setns(net_fd(a), CLONE_NEWNET) == 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	want(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	close(fd);
	want(setns(w->world, CLONE_NEWNET) == 0);
	want_ok(nl_open(NETLINK_ROUTE, &s, e));
	want_ok(link_index(&s, "out", &index, e));
	want_ok(link_add_default(&s, index, ip_of("192.0.2.2"), e));
	nl_close(&s);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	want(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0);
	want(setns(w->host, CLONE_NEWNET) == 0);
	net_close(a, false);
	net_close(b, false);
	net_host_free(h);
	return 0;
}

/* Two processes on one host; one is killed, the other goes on. */
static int killed(struct world *w)
{
	struct net_host *h;
	struct net *n;
	int p[2];
	char c;
	pid_t pid;

	want(pipe2(p, O_CLOEXEC) == 0);
	net_host_new(w->dir, &h);
	pid = fork();
	if (pid == 0) {
		struct err e = { 0 };

		c = net_open(h, NET_BRIDGE, &n, &e) == 0 && call_world(w, n).s_addr ? 'y' : 'n';
		_exit(write(p[1], &c, 1) == 1 ? pause() : 1);
	}
	want(read(p[0], &c, 1) == 1 && c == 'y');
	want_ok(net_open(h, NET_BRIDGE, &n, e));
	want(net_addr(n).s_addr == ip_of("10.200.0.3").s_addr);
	want(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	want(call_world(w, n).s_addr == ip_of("192.0.2.2").s_addr);
	net_close(n, false);
	net_host_free(h);
	return 0;
}

/* A host whose firewall drops all that it does not know, with rules of a killed process. */
static int firewall(struct world *w)
{
	char *const rules[] = { "nft", "list", "ruleset", NULL };
	auto_buf struct buf b = { 0 };
	struct net_host *h, *h2;
	struct net *n, *n2;
	pid_t pid;

	want(nft("table inet fw {\n chain f { type filter hook forward priority 0; policy drop;\n }\n"
		 " chain i { type filter hook input priority 0; policy drop;\n }\n}\n") == 0);
	pid = fork();
	if (pid == 0) {
		struct err e = { 0 };

		net_host_new(w->dir, &h);
		_exit(net_open(h, NET_BRIDGE, &n, &e) == 0 ? 0 : 1); /* without net_host_free() */
	}
	waitpid(pid, NULL, 0);
	ask(rules, &b);
	want(strstr(b.p, "comment \"tare\""));
	net_host_new(w->dir, &h);
	net_host_new(w->dir, &h2);
	want_ok(net_open(h, NET_BRIDGE, &n, e));
	want_ok(net_open(h2, NET_BRIDGE, &n2, e));
	want(call_world(w, n).s_addr == ip_of("192.0.2.2").s_addr);
	net_close(n, false);
	net_host_free(h);
	/* the other still has its accepts */
	want(call_world(w, n2).s_addr == ip_of("192.0.2.2").s_addr);
	net_close(n2, false);
	net_host_free(h2);
	want(all_gone());
	ask(rules, &b);
	want(strstr(b.p, "policy drop"));
	return 0;
}

/* The only name server is on the host's loopback, behind a firewall: RESOLV_REDIRECT leads there,
 * nothing else does. */
static int loopback_dns(struct world *w)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(53),
				  .sin_addr = ip_of("127.0.0.7") };
	struct timeval patience = { .tv_sec = 2 };
	auto_free char *file = xasprintf("%s/resolv.conf", w->dir);
	auto_buf struct buf text = { 0 };
	auto_fd int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd = -1;
	socklen_t len = sizeof(sa);
	struct net_host *h;
	struct net *n;
	char got[8];

	want(bind(server, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	want_ok(fs_replace(AT_FDCWD, file, "nameserver 127.0.0.7\n", 21, 0644, false, e));
	want(mount(file, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0);
	want(nft("table inet fw {\n chain i { type filter hook input priority 0; policy drop;\n }\n}\n") ==
	     0);
	want_ok(resolv_host_text(true, NULL, &text, e));
	want(strcmp(text.p, "nameserver " RESOLV_REDIRECT "\n") == 0);
	net_host_new(w->dir, &h);
	want_ok(net_open(h, NET_BRIDGE, &n, e));
	want(setns(net_fd(n), CLONE_NEWNET) == 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	want(setns(w->host, CLONE_NEWNET) == 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	sa.sin_addr = ip_of(RESOLV_REDIRECT);
	want(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && send(fd, "name?", 5, 0) == 5);
	want(recvfrom(server, got, sizeof(got), 0, (struct sockaddr *)&sa, &len) == 5);
	want(sendto(server, "here", 4, 0, (struct sockaddr *)&sa, len) == 4 &&
	     recv(fd, got, sizeof(got), 0) == 4);
	net_close(n, false);
	net_host_free(h);
	want(umount("/etc/resolv.conf") == 0);
	return 0;
}

static int no_root(struct world *w UNUSED)
{
	struct err e = { 0 };
	struct net_host *h;
	struct net *n;

	want(setresuid(54321, 54321, 54321) == 0);
	want(!net_can_bridge(&e) && e.kind == ERR_DENIED && e.hint);
	net_host_new(w->dir, &h);
	want(net_open(h, NET_BRIDGE, &n, &e) < 0 && e.kind == ERR_DENIED);
	net_host_free(h);
	return 0;
}

static void in_world(int (*fn)(struct world *), bool check_gone)
{
	auto_err struct err e = { 0 };
	char dir[64];
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct world w = { 0 };

		_exit(world_make(&w) || fn(&w) || (check_gone && !all_gone()));
	}
	waitpid(pid, &status, 0);
	snprintf(dir, sizeof(dir), WORLD_DIR, pid);
	check(fs_remove(AT_FDCWD, dir, &e) == 0, "%s", err_text(&e));
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

static void test_net_way_out(void **state) { (void)state; in_world(way_out, true); }
static void test_net_neighbours(void **state) { (void)state; in_world(neighbours, true); }
static void test_net_killed(void **state) { (void)state; in_world(killed, true); }
static void test_net_firewall(void **state) { (void)state; in_world(firewall, true); }
static void test_net_loopback_dns(void **state) { (void)state; in_world(loopback_dns, true); }
static void test_net_no_root(void **state) { (void)state; in_world(no_root, false); }

int suite_net(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipam),           cmocka_unit_test(test_resolv),
		cmocka_unit_test(test_hosts),          cmocka_unit_test(test_net_way_out),
		cmocka_unit_test(test_net_neighbours), cmocka_unit_test(test_net_killed),
		cmocka_unit_test(test_net_firewall),   cmocka_unit_test(test_net_loopback_dns),
		cmocka_unit_test(test_net_no_root),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
