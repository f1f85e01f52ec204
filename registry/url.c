/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: RFC 3986 for http and https, no more than registries need, bytes of path and query untouched. */
#include "registry/url.h"

#include <ctype.h>

void url_done(struct url *u)
{
	free(u->text);
	free(u->host);
	*u = (struct url){ 0 };
}

static struct str without(struct str s, char from)
{
	ptrdiff_t at = str_find(s, from);

	return at < 0 ? s : str_sub(s, 0, (size_t)at);
}

static int url_bad(struct err *e, struct str s, const char *why)
{
	s = str_find(s, '@') < 0 ? without(s, '?') : STR_LIT("***");	/* before "@" may be a password */
	return err_set(e, ERR_USAGE, "bad URL \"%.*s\": %s", (int)MIN(s.n, 200), s.n ? s.p : "", why);
}

/* Would this text, sent as a request line or a header, be more than one? */
static const char *url_flaw(struct str s)
{
	if (s.n == 0)
		return "it is empty";
	if (s.n > URL_MAX)
		return "it is too long";
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '\\')
			return "it holds a blank, a backslash or a control character";
	return NULL;
}

static bool host_ok(struct str h, bool v6)
{
	for (size_t i = 0; i < h.n; i++)
		if (v6 ? !isxdigit((unsigned char)h.p[i]) && h.p[i] != ':' && h.p[i] != '.'
		       : !isalnum((unsigned char)h.p[i]) && !memchr("-._", h.p[i], 3))
			return false;
	return h.n > 0 && h.n <= 255;
}

/* "host", "host:port", "[v6]:port" into u's host and port. */
static const char *take_authority(struct str a, struct url *u)
{
	bool v6 = a.n > 0 && a.p[0] == '[';
	struct str host, port = { 0 };
	uint64_t n = u->tls ? 443 : 80;
	ptrdiff_t at;

	if (str_find(a, '@') >= 0)
		return "it holds a user name";
	at = str_find(a, v6 ? ']' : ':');
	if (v6 && at < 0)
		return "a bracket is missing";
	host = v6 ? str_sub(a, 1, (size_t)at - 1) : at < 0 ? a : str_sub(a, 0, (size_t)at);
	if (at >= 0)
		port = str_sub(a, (size_t)at + v6, a.n);
	if (!host_ok(host, v6))
		return "its host is not valid";
	if (port.n > 1 && (!str_to_u64(str_sub(port, 1, port.n), 10, &n) || n == 0 || n > 65535))
		return "its port is not valid";
	if (port.n > 0 && port.p[0] != ':')
		return "its host is not valid";
	u->host = str_dup(host);
	for (char *c = u->host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	u->port = (unsigned)n;
	return NULL;
}

void url_origin(const struct url *u, struct buf *ret)
{
	bool v6 = strchr(u->host, ':') != NULL;

	buf_printf(ret, "%s://%s%s%s", u->tls ? "https" : "http", v6 ? "[" : "", u->host, v6 ? "]" : "");
	if (u->port != (u->tls ? 443 : 80))
		buf_printf(ret, ":%u", u->port);
}

static bool take_scheme(struct str *s, bool *tls)
{
	static const struct { const char *text; bool tls; } schemes[] = { { "http://", false }, { "https://", true } };

	for (size_t i = 0; i < countof(schemes); i++) {
		size_t n = strlen(schemes[i].text);

		if (str_is_nocase(str_sub(*s, 0, n), schemes[i].text)) {
			*tls = schemes[i].tls;
			*s = str_sub(*s, n, s->n);
			return true;
		}
	}
	return false;
}

int url_parse(struct str s, struct url *ret, struct err *e)
{
	const char *flaw = url_flaw(s);
	auto_url struct url u = { 0 };
	struct str rest = without(s, '#');
	auto_buf struct buf b = { 0 };
	size_t n = 0;

	if (flaw)
		return url_bad(e, s, flaw);
	if (!take_scheme(&rest, &u.tls))
		return url_bad(e, s, "it is neither http nor https");
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	flaw = take_authority(str_sub(rest, 0, n), &u);
	if (flaw)
		return url_bad(e, s, flaw);
	url_origin(&u, &b);
	u.path = b.n;
	if (n == rest.n || rest.p[n] != '/')
		buf_putc(&b, '/');
	buf_str(&b, str_sub(rest, n, rest.n));
	u.text = buf_take(&b);
	*ret = u;
	u = (struct url){ 0 };
	return 0;
}

/* RFC 3986, 5.2.4: append path to b (whose first floor bytes are no path), "." and ".." resolved. */
static void add_path(struct buf *b, size_t floor, struct str path)
{
	while (path.p && path.n > 0) {
		struct str rest = str_sub(path, 1, path.n), part = str_cut(&rest, '/');
		bool last = !rest.p;

		path = last ? (struct str){ 0 } : (struct str){ rest.p - 1, rest.n + 1 };
		if (str_is(part, "..")) {
			while (b->n > floor && b->p[--b->n] != '/')
				;
			part = (struct str){ 0 };
		} else if (!str_is(part, ".")) {
			buf_putc(b, '/');
			buf_str(b, part);
			continue;
		}
		if (last)
			buf_putc(b, '/');
	}
	if (b->p)
		b->p[b->n] = 0;
}

static bool has_scheme(struct str s)
{
	size_t n = 0;

	while (n < s.n && (isalnum((unsigned char)s.p[n]) || memchr("+-.", s.p[n], 3)))
		n++;
	return n > 0 && n < s.n && s.p[n] == ':' && isalpha((unsigned char)s.p[0]);
}

int url_join(const struct url *base, struct str ref, struct url *ret, struct err *e)
{
	const char *flaw = url_flaw(ref);
	struct str in = without(ref, '#'), path, query, old = str_of(base->text + base->path);
	auto_buf struct buf b = { 0 };
	size_t floor, slash;

	if (flaw)
		return url_bad(e, ref, flaw);
	if (has_scheme(in))
		return url_parse(in, ret, e);
	if (str_starts(in, "//")) {
		buf_printf(&b, "%s:" STR_FMT, base->tls ? "https" : "http", STR_ARG(in));
		return url_parse(buf_view(&b), ret, e);
	}
	url_origin(base, &b);
	floor = b.n;
	path = without(in, '?');
	query = str_sub(in, path.n, in.n);
	if (in.n > 0)
		old = without(old, '?');
	if (path.n == 0) {
		buf_str(&b, old);
	} else if (path.p[0] == '/') {
		add_path(&b, floor, path);
	} else {
		auto_buf struct buf merged = { 0 };

		for (slash = old.n; slash > 1 && old.p[slash - 1] != '/'; slash--)
			;
		buf_str(&merged, str_sub(old, 0, MAX(slash, 1)));
		buf_str(&merged, path);
		add_path(&b, floor, buf_view(&merged));
	}
	buf_str(&b, query);
	return url_parse(buf_view(&b), ret, e);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0;
}

void url_encode(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (isalnum((unsigned char)s.p[i]) || (s.p[i] && memchr("-._~", s.p[i], 4)))
			buf_putc(b, s.p[i]);
		else
			buf_printf(b, "%%%02X", (unsigned char)s.p[i]);
}

void url_query(struct buf *url, const char *key, struct str value)
{
	bool more = str_find(buf_view(url), '?') >= 0;

	/* "...?" and "...&" need no second one. */
	if (!more || !memchr("?&", url->p[url->n - 1], 2))
		buf_putc(url, more ? '&' : '?');
	buf_puts(url, key);
	buf_putc(url, '=');
	url_encode(url, value);
}

void url_redact(struct buf *b, struct str url)
{
	/* What helps to read a journal and is no secret; all else may be a signature or a session's state. */
	static const char *const plain[] = { "n", "last", "mount", "from", "digest", "ns", "service", "scope", "tag",
					     "account", "client_id", "offline_token", "artifactType" };
	struct str rest = url, path = str_cut(&rest, '?');
	bool first = true;

	buf_str(b, path);
	while (rest.p) {
		struct str value = str_cut(&rest, '&'), key = str_cut(&value, '=');
		bool shown = !value.p;

		for (size_t i = 0; i < countof(plain) && !shown; i++)
			shown = str_is(key, plain[i]);
		buf_putc(b, first ? '?' : '&');
		first = false;
		buf_str(b, key);
		if (value.p)
			buf_putc(b, '=');
		if (shown)
			buf_str(b, value);
		else
			buf_puts(b, "***");
	}
}
