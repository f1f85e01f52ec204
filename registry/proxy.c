/* SPDX-License-Identifier: Apache-2.0 */
/* Proxies by environment variables, read as Go's net/http does: NO_PROXY takes names, suffixes, addresses, networks, ports. */
#include "registry/proxy.h"

#include <arpa/inet.h>

#include "registry/zone.h"

static const char *either(const char *lower, const char *upper)
{
	const char *v = getenv(lower);

	if (!v || !*v)
		v = getenv(upper);
	return v && *v ? v : NULL;
}

struct proxy_rules proxy_environment(void)
{
	return (struct proxy_rules){
		.http = either("http_proxy", "HTTP_PROXY"), .https = either("https_proxy", "HTTPS_PROXY"),
		.all = either("all_proxy", "ALL_PROXY"), .no = either("no_proxy", "NO_PROXY"),
	};
}

/* 4 or 16 bytes of an address literal; 0 if s is none. */
static size_t address(struct str s, uint8_t ret[16])
{
	char text[64];

	if (s.n == 0 || s.n >= sizeof(text))
		return 0;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (inet_pton(AF_INET, text, ret) == 1)
		return 4;
	return inet_pton(AF_INET6, text, ret) == 1 ? 16 : 0;
}

static bool in_network(struct str net, struct str bits_text, const uint8_t *a, size_t n)
{
	uint8_t want[16];
	uint64_t bits;

	if (address(net, want) != n || n == 0 || !str_to_u64(bits_text, 10, &bits) || bits > n * 8)
		return false;
	for (size_t i = 0; i < n && bits > 0; i++) {
		uint64_t here = MIN(bits, 8);

		if ((a[i] ^ want[i]) >> (8 - here))
			return false;
		bits -= here;
	}
	return true;
}

/* "host:port" or "[v6]:port" without its port; *port stays 0 if there is none. */
static struct str without_port(struct str s, uint64_t *port)
{
	ptrdiff_t colon = str_find(s, ':');

	if (s.n > 1 && s.p[0] == '[') {
		ptrdiff_t end = str_find(s, ']');

		if (end < 0)
			return s;
		if ((size_t)end + 2 < s.n && !str_to_u64(str_sub(s, (size_t)end + 2, s.n), 10, port))
			return (struct str){ 0 };
		return str_sub(s, 1, (size_t)end - 1);
	}
	if (colon < 0 || str_find(str_sub(s, (size_t)colon + 1, s.n), ':') >= 0)
		return s;			/* none, or an IPv6 address */
	return str_to_u64(str_sub(s, (size_t)colon + 1, s.n), 10, port) ? str_sub(s, 0, (size_t)colon) : (struct str){ 0 };
}

static bool excludes(struct str rule, const struct url *u, const uint8_t *a, size_t na)
{
	struct str host = str_of(u->host), net = rule, bits;
	uint8_t want[16];
	uint64_t port = 0;
	bool suffix;

	if (str_is(rule, "*"))
		return true;
	bits = net;
	net = str_cut(&bits, '/');
	if (bits.p)
		return in_network(net, bits, a, na);
	rule = without_port(rule, &port);
	if (rule.n == 0 || (port && port != u->port))
		return false;
	if (na > 0)
		return address(rule, want) == na && memcmp(a, want, na) == 0;
	suffix = str_starts(rule, ".") || str_starts(rule, "*.");
	if (str_starts(rule, "*."))
		rule = str_sub(rule, 1, rule.n);
	if (!suffix && str_is_nocase(rule, u->host))
		return true;
	if (rule.p[0] == '.')
		rule = str_sub(rule, 1, rule.n);
	return host.n > rule.n + 1 && host.p[host.n - rule.n - 1] == '.' &&
		strncasecmp(host.p + host.n - rule.n, rule.p, rule.n) == 0;
}

bool proxy_excluded(const struct proxy_rules *r, const struct url *u)
{
	struct str rest = str_of(r->no);
	uint8_t a[16];
	size_t na = address(str_of(u->host), a);

	while (rest.p) {
		struct str rule = str_trim(str_cut(&rest, ','));

		if (rule.n > 0 && excludes(rule, u, a, na))
			return true;
	}
	return false;
}

const char *proxy_of(const struct proxy_rules *r, const struct url *u)
{
	const char *proxy = u->tls ? r->https : r->http;

	if (!proxy)
		proxy = r->all;
	return proxy && zone_of_host(u->host) != ZONE_LOOPBACK && !proxy_excluded(r, u) ? proxy : NULL;
}
