/* SPDX-License-Identifier: Apache-2.0 */
/* Request heads and ranges: pure parsing of what strangers send. */
#include "registry/serve_int.h"

void serve_request_done(struct serve_request *r)
{
	free(r->method);
	free(r->target);
	free(r->query);
	free(r->range);
	*r = (struct serve_request){ 0 };
}

/* A line without its CRLF; false at the end. */
static bool next_line(struct str *rest, struct str *ret)
{
	if (!rest->p)
		return false;
	*ret = str_cut(rest, '\n');
	if (ret->n && ret->p[ret->n - 1] == '\r')
		ret->n--;
	return true;
}

static void take_header(struct str line, struct serve_request *r)
{
	struct str value = line, name = str_cut(&value, ':');

	value = str_trim(value);
	if (str_is_nocase(name, "range") && !r->range)
		r->range = str_dup(value);
	else if (str_is_nocase(name, "connection"))
		r->close |= str_is_nocase(value, "close");
	else if (str_is_nocase(name, "transfer-encoding"))
		r->body = true;
	else if (str_is_nocase(name, "content-length"))
		r->body |= !str_is(value, "0");
}

static bool is_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

bool serve_request_parse(struct str head, struct serve_request *ret)
{
	struct str rest = head, line, method, target, version;
	struct serve_request r = { 0 };

	if (!next_line(&rest, &line))
		return false;
	method = str_cut(&line, ' ');
	target = str_cut(&line, ' ');
	version = line;
	if (!is_clean(method) || !is_clean(target) || target.p[0] != '/' ||
	    (!str_is(version, "HTTP/1.1") && !str_is(version, "HTTP/1.0")))
		return false;
	r.close = str_is(version, "HTTP/1.0");
	r.method = str_dup(method);
	r.query = NULL;
	version = target;
	r.target = str_dup(str_cut(&version, '?'));
	r.query = str_dup(version.p ? version : STR_LIT(""));
	while (next_line(&rest, &line))
		take_header(line, &r);
	*ret = r;
	return true;
}

int serve_range(const char *text, uint64_t size, uint64_t *from, uint64_t *to)
{
	struct str rest = str_of(text), first;
	uint64_t a, b = size ? size - 1 : 0;

	if (!text || !str_starts(rest, "bytes=") || str_find(rest, ',') >= 0)
		return 0;
	rest = str_sub(rest, 6, rest.n);
	first = str_cut(&rest, '-');
	if (!rest.p)
		return 0;
	if (first.n == 0) {		/* the last b bytes */
		if (!str_to_u64(rest, 10, &b))
			return 0;
		if (b == 0 || size == 0)
			return -1;
		a = b < size ? size - b : 0;
		b = size - 1;
	} else if (!str_to_u64(first, 10, &a) || (rest.n && !str_to_u64(rest, 10, &b)) || (rest.n && b < a)) {
		return 0;
	}
	if (a >= size)
		return -1;
	*from = a;
	*to = MIN(b, size - 1) + 1;
	return 1;
}
