/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/network's pure parts: addresses, pools, published ports, DNS messages, hosts and resolv.conf. */
#include "runtime/network/dns_msg.h"
#include "runtime/network/endpoint.h"
#include "runtime/network/hosts.h"
#include "runtime/network/ipam.h"
#include "runtime/network/ports.h"
#include "tests/unit/unit.h"

static struct addr addr(const char *s)
{
	struct addr a = { 0 };

	if (s && *s)
		check(addr_parse(str_of(s), &a), "%s", s);
	return a;
}

static struct subnet subnet(const char *s)
{
	struct subnet n = { 0 };

	if (s && *s)
		check(subnet_parse(str_of(s), false, &n), "%s", s);
	return n;
}

static void test_addr(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "10.1.2.3", "10.1.2.3" }, { "[fd00::1]", "fd00::1" }, { "FD00:0::1", "fd00::1" }, { "::", "::" },
		{ "", NULL }, { "10.1.2", NULL }, { "10.1.2.256", NULL }, { "fd00::1::2", NULL }, { "[1.2.3.4", NULL },
		{ "1.2.3.4 ", NULL }, { "fe80::1%eth0", NULL },
	};
	static const struct { const char *a, *b; bool overlap; } pairs[] = {
		{ "10.0.0.0/8", "10.200.1.0/24", true }, { "10.200.1.0/24", "10.0.0.0/8", true },
		{ "10.200.1.0/24", "10.200.2.0/24", false }, { "0.0.0.0/0", "1.2.3.4/32", true },
		{ "fd00::/64", "fd00:0:0:1::/64", false }, { "10.0.0.0/8", "fd00::/8", false },
	};
	char text[ADDR_TEXT_MAX];
	struct subnet n;
	struct addr a;
	struct mac m;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		bool ok = addr_parse(str_of(rows[i].in), &a);

		check(ok == (rows[i].out != NULL), "%s", rows[i].in);
		if (ok && rows[i].out)
			check_str(addr_text(&a, text), rows[i].out);
	}
	for (size_t i = 0; i < countof(pairs); i++) {
		struct subnet x = subnet(pairs[i].a), y = subnet(pairs[i].b);

		check(subnet_overlap(&x, &y) == pairs[i].overlap, "%s %s", pairs[i].a, pairs[i].b);
	}
	check(subnet_parse(STR_LIT("10.1.2.3/16"), false, &n), "cut");
	check_str(subnet_text(&n, text), "10.1.0.0/16");
	check(!subnet_parse(STR_LIT("10.1.2.3/33"), false, &n) && !subnet_parse(STR_LIT("10.1.2.3"), false, &n) &&
	      subnet_parse(STR_LIT("10.1.2.3"), true, &n) && n.len == 32, "prefixes");
	n = subnet("fd00::/64");
	a = subnet_addr(&n, 258);
	check_str(addr_text(&a, text), "fd00::102");
	check(subnet_index(&n, &a) == 258 && subnet_size(&n) == UINT32_MAX, "index");
	check(mac_parse(STR_LIT("02:42:AC-11:00:02"), &m) && m.b[2] == 0xac, "mac");
	check(!mac_parse(STR_LIT("02:42:ac:11:00"), &m) && !mac_parse(STR_LIT("02:42:ac:11:00:0g"), &m), "bad macs");
}

static void test_pools(void **state)
{
	static const struct { const char *subnet, *range, *gateway, *aux, *used, *last, *want; } rows[] = {
		{ "10.0.0.0/24", "", "", "", "", "", "10.0.0.2" },
		{ "10.0.0.0/24", "", "", "", "10.0.0.2", "", "10.0.0.3" },
		{ "10.0.0.0/24", "", "", "", "", "10.0.0.2", "10.0.0.3" },
		{ "10.0.0.0/24", "", "", "", "10.0.0.3", "10.0.0.2", "10.0.0.4" },
		{ "10.0.0.0/24", "", "", "", "", "10.0.0.254", "10.0.0.2" },
		{ "10.0.0.0/24", "", "10.0.0.2", "", "", "", "10.0.0.1" },
		{ "10.0.0.0/24", "", "", "10.0.0.2", "", "", "10.0.0.3" },
		{ "10.0.0.0/16", "10.0.5.0/24", "10.0.5.254", "", "", "", "10.0.5.0" },
		{ "10.0.0.0/30", "", "", "", "", "", "10.0.0.2" },
		{ "10.0.0.0/30", "", "", "", "10.0.0.2", "", "" },
		{ "10.0.0.0/31", "", "", "", "", "", "10.0.0.1" },
		{ "fd00::/64", "", "", "", "fd00::2", "", "fd00::3" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct addr aux = addr(rows[i].aux), used = addr(rows[i].used), last = addr(rows[i].last), got = { 0 };
		struct ipam_pool p = { .subnet = subnet(rows[i].subnet), .range = subnet(rows[i].range),
				       .gateway = addr(rows[i].gateway), .aux = &aux, .naux = aux.family != 0 };
		struct err e = { 0 };
		char text[ADDR_TEXT_MAX];

		check(ipam_check(&p, true, &e) == 0, "row %zu: %s", i, err_text(&e));
		check(ipam_next(&p, &used, used.family != 0, &last, &got) == (*rows[i].want != 0), "row %zu", i);
		check_str(addr_text(&got, text), rows[i].want);
		err_clear(&e);
	}
}

static void test_takes(void **state)
{
	static const struct { const char *gateway, *range, *want; enum err_kind kind; } rows[] = {
		{ "", "", "10.42.1.3", ERR_NONE }, { "", "10.42.128.0/24", "10.42.1.3", ERR_NONE },	/* net-039 */
		{ "", "", "10.43.1.3", ERR_USAGE }, { "", "", "10.42.0.1", ERR_CONFLICT }, { "", "", "10.42.0.9", ERR_CONFLICT },
		{ "", "", "10.42.255.255", ERR_USAGE }, { "10.42.0.7", "", "10.42.0.1", ERR_NONE },
	};
	struct ipam_pool bad[] = {
		{ .subnet = subnet("10.0.0.0/24"), .range = subnet("10.0.1.0/25") },
		{ .subnet = subnet("10.0.0.0/24"), .range = subnet("10.0.0.0/16") },
		{ .subnet = subnet("10.0.0.0/24"), .gateway = addr("10.0.1.1") },
	};
	struct subnet used[2] = { subnet("10.200.1.0/24"), subnet("10.200.2.0/23") }, got;
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct ipam_pool p = { .subnet = subnet("10.42.0.0/16"), .range = subnet(rows[i].range),
				       .gateway = addr(rows[i].gateway) };
		struct addr there = addr("10.42.0.9"), want = addr(rows[i].want);
		struct err e = { 0 };

		check(ipam_check(&p, true, &e) == 0, "%zu", i);
		check((ipam_take(&p, &there, 1, &want, &e) == 0) == (rows[i].kind == ERR_NONE) && e.kind == rows[i].kind,
		      "%s: %s", rows[i].want, err_text(&e));
		err_clear(&e);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		struct err e = { 0 };

		check(ipam_check(&bad[i], true, &e) < 0 && e.kind == ERR_USAGE, "bad %zu", i);
		err_clear(&e);
	}
	check(ipam_pick(used, 2, 0, &got), "pick");
	check_str(subnet_text(&got, text), "10.200.4.0/24");
	used[0] = subnet("10.200.0.0/13");
	check(!ipam_pick(used, 1, 5, &got), "none left");
}

static void test_publish(void **state)
{
	static const struct { const char *in, *want; } rows[] = {	/* net-022 */
		{ "80", "80/tcp<-:0-0" }, { "8080:80", "80/tcp<-:8080-8080" }, { "8080:80/UDP", "80/udp<-:8080-8080" },
		{ "127.0.0.1:8080:80", "80/tcp<-127.0.0.1:8080-8080" }, { "127.0.0.1::80", "80/tcp<-127.0.0.1:0-0" },
		{ "[::1]:8080:80", "80/tcp<-::1:8080-8080" }, { "9090-9092:80", "80/tcp<-:9090-9092" },
		{ "9800-9801:80-81", "80/tcp<-:9800-9800 81/tcp<-:9801-9801" }, { "80-81", "80/tcp<-:0-0 81/tcp<-:0-0" },
		{ "published=8080,target=80,protocol=sctp", "80/sctp<-:8080-8080" }, { "target=80", "80/tcp<-:0-0" },
		{ "9090-9089:80", NULL }, { "9090-:80", NULL }, { "", NULL }, { "8080:", NULL }, { "80/foo", NULL },
		{ "1.2.3:80:80", NULL }, { "::1:80:80", NULL }, { "70000:80", NULL }, { "80:0", NULL }, { ":80:80", NULL },
		{ "9090-9092:80-81", NULL }, { "target=80,x=1", NULL }, { "a:80", NULL }, { "-1:80", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_port_specs struct port_specs l = { 0 };
		auto_buf struct buf b = { 0 };
		struct err e = { 0 };
		char text[ADDR_TEXT_MAX];
		int r = port_specs_parse(rows[i].in, &l, &e);

		check((r == 0) == (rows[i].want != NULL) && (r == 0 || e.kind == ERR_USAGE), "%s: %s", rows[i].in,
		      err_text(&e));
		err_clear(&e);
		if (r < 0)
			continue;
		for (size_t k = 0; k < l.n; k++)
			buf_printf(&b, "%s%u/%s<-%s:%u-%u", k ? " " : "", l.v[k].port, port_protocol_name(l.v[k].protocol),
				   addr_text(&l.v[k].host, text), l.v[k].first, l.v[k].last);
		check_str(b.p, rows[i].want);
	}
}

/* A question as a resolver sends it. */
static size_t ask(const char *name, uint16_t type, uint8_t ret[static 300])
{
	size_t n = 12;

	memcpy(ret, "\x12\x34\x01\0\0\x01\0\0\0\0\0\0", 12);
	while (*name) {
		size_t len = strcspn(name, ".");

		ret[n++] = (uint8_t)len;
		memcpy(ret + n, name, len);
		n += len;
		name += len + (name[len] == '.');
	}
	ret[n++] = 0;
	ret[n++] = (uint8_t)(type >> 8);
	ret[n++] = (uint8_t)type;
	ret[n++] = 0;
	ret[n++] = 1;
	return n;
}

static void test_dns(void **state)
{
	static const struct { const char *name, *want; } reverse[] = {
		{ "4.3.2.1.in-addr.arpa", "1.2.3.4" }, { "3.2.1.in-addr.arpa", NULL }, { "256.3.2.1.in-addr.arpa", NULL },
		{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", "fd00::1" },
		{ "1.0.ip6.arpa", NULL }, { "x.in-addr.arpa", NULL }, { "5.4.3.2.1.in-addr.arpa", NULL },
	};
	struct dns_record many[40];
	auto_buf struct buf b = { 0 };
	struct dns_query q;
	char text[ADDR_TEXT_MAX];
	uint8_t p[300];
	size_t n = ask("Web.Example", DNS_A, p);

	(void)state;
	check(dns_query_parse(p, n, &q) && q.type == DNS_A && q.class == 1 && q.id == 0x1234, "query");
	check_str(q.name, "web.example");
	for (size_t k = 0; k < n; k++)		/* every cut-off form is refused, none is read past its end */
		check(!dns_query_parse(p, k, &q), "cut at %zu", k);
	check(dns_query_parse(p, n, &q), "again");
	for (size_t i = 0; i < countof(many); i++)
		many[i] = (struct dns_record){ .type = DNS_A, .addr = addr("10.0.0.1") };
	dns_answer(p, &q, DNS_OK, many, 2, 600, DNS_UDP_MAX, &b);
	check(b.n == n + 32 && (uint8_t)b.p[2] == 0x81 && (uint8_t)b.p[3] == 0x80 && b.p[7] == 2, "answer of %zu", b.n);
	check(dns_answers(p, n, b.p, b.n) && dns_code_of(b.p, b.n) == DNS_OK, "is its answer");
	b.p[0]++;
	check(!dns_answers(p, n, b.p, b.n), "another ID");
	buf_reset(&b);
	dns_answer(p, &q, DNS_OK, many, countof(many), 600, DNS_UDP_MAX, &b);
	check(b.n <= DNS_UDP_MAX && (b.p[2] & 2), "too long: %zu", b.n);
	p[12] = 0xc0;				/* a pointer in a question */
	check(!dns_query_parse(p, n, &q), "pointer");
	for (size_t i = 0; i < countof(reverse); i++) {
		struct addr a = { 0 };

		check(dns_reverse_parse(reverse[i].name, &a) == (reverse[i].want != NULL), "%s", reverse[i].name);
		if (reverse[i].want)
			check_str(addr_text(&a, text), reverse[i].want);
	}
}

static void test_files(void **state)
{
	struct strv extra = { 0 }, old = { 0 }, new = { 0 };
	struct hosts h = { .gateway = addr("10.0.0.1"), .extra = &extra, .own = &old };
	struct resolv none = { 0 }, asked = { 0 };
	auto_buf struct buf b = { 0 };
	struct endpoint p = { 0 };
	struct err e = { 0 };

	(void)state;
	strv_add(&extra, "a:host-gateway");
	strv_add(&extra, "b=[fd00::1]");
	strv_add(&old, "10.0.0.2\tme");
	strv_add(&new, "10.0.0.9\tme");
	check(hosts_print(&h, &b, &e) == 0, "%s", err_text(&e));
	check_str(b.p, "127.0.0.1\tlocalhost\n10.0.0.1\ta\nfd00::1\tb\n10.0.0.2\tme\n");
	strv_add(&extra, "nonsense");
	check(hosts_print(&h, &b, &e) < 0 && e.kind == ERR_USAGE, "bad pair");
	err_clear(&e);
	buf_reset(&b);
	hosts_change(STR_LIT("1.1.1.1\tx\n10.0.0.2\tme\n# mine"), &old, &new, &b);	/* net-037 */
	check_str(b.p, "1.1.1.1\tx\n# mine\n10.0.0.9\tme\n");
	buf_reset(&b);
	resolv_internal(STR_LIT("nameserver 127.0.0.53\noptions edns0\nsearch a b\n"), &none, "127.0.0.11", &b);	/* net-032 */
	check(strstr(b.p, "nameserver 127.0.0.11\nsearch a b\noptions edns0 ndots:0\n") && strstr(b.p,
	      "# ExtServers: [host(127.0.0.53)]\n# Overrides: []\n# Option ndots from: internal\n"), "%s", b.p);
	buf_reset(&b);
	strv_add(&asked.dns, "9.9.9.9");
	strv_add(&asked.search, ".");
	strv_add(&asked.options, "ndots:9");
	resolv_internal(STR_LIT("nameserver 127.0.0.53\nsearch a b\n"), &asked, "127.0.0.11", &b);
	check(strstr(b.p, "nameserver 127.0.0.11\noptions ndots:9\n") && strstr(b.p,
	      "# ExtServers: [9.9.9.9]\n# Overrides: [nameservers search options]\n# Option ndots from: override\n"), "%s", b.p);
	buf_reset(&b);
	check(endpoint_parse(STR_LIT("name web\nmac 02:42:0a:00:00:02\nip 10.0.0.2/24\nip fd00::2/64\nalias w\n"), &p), "parse");
	endpoint_print(&p, &b);
	check_str(b.p, "name web\nmac 02:42:0a:00:00:02\nip 10.0.0.2/24\nip fd00::2/64\nalias w\n");
	endpoint_done(&p);
	check(!endpoint_parse(STR_LIT("ip 10.0.0.2\n"), &p) && !endpoint_parse(STR_LIT("mac x\n"), &p), "damaged");
	strv_done(&extra);
	strv_done(&old);
	strv_done(&new);
	strv_done(&asked.dns);
	strv_done(&asked.search);
	strv_done(&asked.options);
}

int suite_netpure(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr), cmocka_unit_test(test_pools), cmocka_unit_test(test_takes),
		cmocka_unit_test(test_publish), cmocka_unit_test(test_dns), cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests_name("netpure", tests, NULL, NULL);
}
