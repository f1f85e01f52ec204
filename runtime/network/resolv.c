/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of a container's /etc/resolv.conf and /etc/hosts. */
#include "runtime/network/resolv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"

#define FILE_MAX ((size_t)1 << 20)
#define STUB "127.0.0.53" /* systemd-resolved's own address; its file has what is behind it */
#define STUB_FILE "/run/systemd/resolve/resolv.conf"

static const struct resolv nothing;	/* asked for */

/* The next word of a line, blanks skipped; empty at its end. */
static struct str word_next(struct str *line)
{
	struct str w = { 0 };

	while (line->p && w.n == 0) {
		size_t n = 0;

		while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t' && line->p[n] != '\r')
			n++;
		w = str_sub(*line, 0, n);
		*line = n < line->n ? str_sub(*line, n + 1, line->n) : (struct str){ 0 };
	}
	return w;
}

static bool is_address(struct str s, bool *loopback)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr a6;
	struct in_addr a4;
	struct str rest = s, host = str_cut(&rest, '%');	/* link-local: the link's name behind */

	if (host.n == 0 || host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (inet_pton(AF_INET, text, &a4) == 1) {
		*loopback = ntohl(a4.s_addr) >> 24 == 127;
		return true;
	}
	*loopback = inet_pton(AF_INET6, text, &a6) == 1 && IN6_IS_ADDR_LOOPBACK(&a6);
	return *loopback || inet_pton(AF_INET6, text, &a6) == 1;
}

/* A line of the host's file, if it stays; returns whether it names a server. */
static size_t copy_line(struct str line, bool own_net, const struct resolv *r, struct buf *ret)
{
	struct str rest = line, key = word_next(&rest), value;
	bool loopback, v4_only = own_net;

	if (str_is(key, "nameserver")) {
		value = word_next(&rest);
		if (r->dns.n || !is_address(value, &loopback) || (own_net && loopback) ||
		    (v4_only && memchr(value.p, ':', value.n)))	/* our own networks have no IPv6 */
			return 0;
		buf_printf(ret, "nameserver " STR_FMT "\n", STR_ARG(value));
		return 1;
	}
	if (((str_is(key, "search") || str_is(key, "domain")) && !r->search.n) ||
	    ((str_is(key, "options") || str_is(key, "sortlist")) && !r->options.n))
		buf_printf(ret, STR_FMT "\n", STR_ARG(str_trim(line)));
	return 0;
}

static void put_list(const char *key, const struct strv *l, struct buf *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], ".") != 0)
			buf_printf(ret, "%s%s", n++ ? " " : key, l->v[i]);
	if (n)
		buf_putc(ret, '\n');
}

size_t resolv_text(struct str host, bool own_net, const struct resolv *asked, struct buf *ret)
{
	const struct resolv *r = asked ? asked : &nothing;
	size_t n = r->dns.n;

	for (size_t i = 0; i < r->dns.n; i++)
		buf_printf(ret, "nameserver %s\n", r->dns.v[i]);
	while (host.p)
		n += copy_line(str_cut(&host, '\n'), own_net, r, ret);
	put_list("search ", &r->search, ret);
	put_list("options ", &r->options, ret);
	return n;
}

struct in_addr resolv_loopback(struct str host)
{
	struct in_addr a = { 0 };
	char text[INET_ADDRSTRLEN];

	while (host.p) {
		struct str line = str_cut(&host, '\n');

		if (str_is(word_next(&line), "nameserver")) {
			struct str value = word_next(&line);

			if (value.n >= sizeof(text))
				continue;
			memcpy(text, value.p ? value.p : "", value.n);
			text[value.n] = '\0';
			if (inet_pton(AF_INET, text, &a) == 1 && ntohl(a.s_addr) >> 24 == 127)
				return a;
		}
	}
	return (struct in_addr){ 0 };
}

/* A host without the file uses the server at 127.0.0.1, as resolv.conf(5) says: there is nothing to
 * copy. */
int resolv_host_read(struct buf *ret, struct err *e)
{
	auto_err struct err why = { 0 };
	auto_buf struct buf real = { 0 };

	if (fs_read(AT_FDCWD, "/etc/resolv.conf", FILE_MAX, ret, &why) < 0) {
		if (why.kind == ERR_SYS && why.sys == ENOENT)
			return 0;
		err_move(e, &why);
		return err_wrap(e, "name servers");
	}
	if (ret->p && strstr(ret->p, "nameserver " STUB) &&
	    fs_read(AT_FDCWD, STUB_FILE, FILE_MAX, &real, &why) == 0) {
		buf_reset(ret);
		buf_str(ret, buf_view(&real));
	}
	return 0;
}

int resolv_host_text(bool own_net, const struct resolv *r, struct buf *ret, struct err *e)
{
	auto_buf struct buf host = { 0 };

	if (resolv_host_read(&host, e) < 0)
		return -1;
	if (resolv_text(buf_view(&host), own_net, r, ret) == 0 && own_net &&
	    resolv_loopback(buf_view(&host)).s_addr)
		buf_puts(ret, "nameserver " RESOLV_REDIRECT "\n");
	return 0;
}

/* ---- /etc/hosts ---- */

static int put_extra(const char *pair, struct buf *ret, struct err *e)
{
	struct str addr = str_of(pair), name = str_cut(&addr, strchr(pair, '=') ? '=' : ':');
	bool loopback;

	if (addr.n > 2 && addr.p[0] == '[' && addr.p[addr.n - 1] == ']')
		addr = str_sub(addr, 1, addr.n - 2);
	if (name.n == 0 || !is_address(addr, &loopback) || strpbrk(pair, " \t\n")) {
		err_set(e, ERR_USAGE, "bad extra host \"%s\"", pair);
		return err_hint(e, "write it as NAME:ADDRESS");
	}
	buf_printf(ret, STR_FMT "\t" STR_FMT "\n", STR_ARG(addr), STR_ARG(name));
	return 0;
}

int hosts_text(struct in_addr addr, const char *hostname, const struct strv *extra, struct buf *ret,
	       struct err *e)
{
	char text[INET_ADDRSTRLEN];

	buf_puts(ret, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
		"fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	for (size_t i = 0; extra && i < extra->n; i++)
		if (put_extra(extra->v[i], ret, e) < 0)
			return -1;
	if (hostname && *hostname && addr.s_addr)
		buf_printf(ret, "%s\t%s\n", inet_ntop(AF_INET, &addr, text, sizeof(text)),
			   hostname);
	return 0;
}
