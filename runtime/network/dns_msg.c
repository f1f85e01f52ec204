/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages: a question read, an answer written. */
#include "runtime/network/dns_msg.h"

#include <arpa/inet.h>
#include <ctype.h>

#define FLAG_ANSWER 0x8000
#define FLAG_CUT 0x0200
#define FLAG_ASKED_RECURSION 0x0100
#define FLAG_RECURSION 0x0080
#define OPCODE 0x7800
#define CODE 0x000f
#define CLASS_IN 1
#define LABEL_MAX 63
#define OWNER 0xc00c			/* a pointer to the question's name */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(struct buf *b, unsigned v)
{
	buf_putc(b, (char)(v >> 8));
	buf_putc(b, (char)v);
}

/* The name at *at, which moves behind it. A question's name is the first of its message: nothing can be pointed at. */
static bool read_name(const uint8_t *p, size_t n, size_t *at, char ret[static DNS_NAME_MAX])
{
	size_t len = 0, i = *at;

	for (;;) {
		size_t label;

		if (i >= n)
			return false;
		label = p[i++];
		if (label == 0)
			break;
		if (label > LABEL_MAX || i + label > n || len + label + 2 > DNS_NAME_MAX)
			return false;
		if (len)
			ret[len++] = '.';
		for (size_t k = 0; k < label; k++) {
			uint8_t c = p[i + k];

			ret[len++] = c > ' ' && c < 0x7f && c != '.' ? (char)tolower(c) : '?';
		}
		i += label;
	}
	ret[len] = '\0';
	*at = i;
	return true;
}

bool dns_is_query(const void *p, size_t n)
{
	return n >= DNS_HEADER && !(get16((const uint8_t *)p + 2) & FLAG_ANSWER);
}

bool dns_query_parse(const void *msg, size_t n, struct dns_query *ret)
{
	const uint8_t *p = msg;
	struct dns_query q = { .end = DNS_HEADER };

	if (!dns_is_query(p, n) || (get16(p + 2) & OPCODE) || get16(p + 4) != 1)
		return false;
	q.id = get16(p);
	q.flags = get16(p + 2);
	if (!read_name(p, n, &q.end, q.name) || q.end + 4 > n)
		return false;
	q.type = get16(p + q.end);
	q.class = get16(p + q.end + 2);
	q.end += 4;
	*ret = q;
	return true;
}

static void put_header(struct buf *b, uint16_t id, uint16_t flags, unsigned questions)
{
	put16(b, id);
	put16(b, flags);
	put16(b, questions);
	put16(b, 0);
	put16(b, 0);
	put16(b, 0);
}

static void put_name(struct buf *b, const char *name)
{
	struct str rest = str_of(name);

	while (rest.p && rest.n) {
		struct str label = str_cut(&rest, '.');

		label.n = MIN(label.n, (size_t)LABEL_MAX);
		buf_putc(b, (char)label.n);
		buf_str(b, label);
	}
	buf_putc(b, '\0');
}

static void put_record(struct buf *b, const struct dns_record *r, uint32_t ttl)
{
	auto_buf struct buf name = { 0 };

	put16(b, OWNER);
	put16(b, r->type);
	put16(b, CLASS_IN);
	put16(b, ttl >> 16);
	put16(b, ttl & 0xffff);
	if (r->type == DNS_PTR) {
		put_name(&name, r->name);
		put16(b, (unsigned)name.n);
		buf_str(b, buf_view(&name));
	} else {
		put16(b, (unsigned)addr_size(&r->addr));
		buf_add(b, r->addr.b, addr_size(&r->addr));
	}
}

static void set16(struct buf *b, size_t at, unsigned v)
{
	b->p[at] = (char)(v >> 8);
	b->p[at + 1] = (char)v;
}

void dns_answer(const void *p, const struct dns_query *q, enum dns_code code, const struct dns_record *v, size_t n,
		uint32_t ttl, size_t max, struct buf *ret)
{
	uint16_t flags = (uint16_t)(FLAG_ANSWER | (q->flags & FLAG_ASKED_RECURSION) | FLAG_RECURSION | code);
	unsigned count = 0;

	put_header(ret, q->id, flags, 1);
	buf_add(ret, (const uint8_t *)p + DNS_HEADER, q->end - DNS_HEADER);
	for (size_t i = 0; i < n; i++) {
		size_t before = ret->n;

		put_record(ret, &v[i], ttl);
		if (ret->n > max) {
			ret->n = before;
			set16(ret, 2, flags | FLAG_CUT);
			break;
		}
		count++;
	}
	set16(ret, 6, count);
}

void dns_refuse(const void *p, enum dns_code code, struct buf *ret)
{
	uint16_t flags = get16((const uint8_t *)p + 2);

	put_header(ret, get16(p), (uint16_t)(FLAG_ANSWER | (flags & (OPCODE | FLAG_ASKED_RECURSION)) | code), 0);
}

bool dns_answers(const void *q, size_t nq, const void *a, size_t na)
{
	const uint8_t *x = q, *y = a;
	struct dns_query asked;

	if (na < DNS_HEADER || !dns_query_parse(q, nq, &asked) || get16(x) != get16(y) || !(get16(y + 2) & FLAG_ANSWER))
		return false;
	/* an error may come without the question */
	if (get16(y + 4) == 0)
		return (get16(y + 2) & CODE) != DNS_OK;
	if (get16(y + 4) != 1 || na < asked.end)
		return false;
	for (size_t i = DNS_HEADER; i < asked.end; i++)
		if (tolower(x[i]) != tolower(y[i]))
			return false;
	return true;
}

enum dns_code dns_code_of(const void *a, size_t na)
{
	return na < DNS_HEADER ? DNS_FAILED : (enum dns_code)(get16((const uint8_t *)a + 2) & CODE);
}

void dns_set_id(void *p, uint16_t id)
{
	((uint8_t *)p)[0] = (uint8_t)(id >> 8);
	((uint8_t *)p)[1] = (uint8_t)id;
}

/* ---- addresses as names ---- */

bool dns_reverse_parse(const char *name, struct addr *ret)
{
	struct str s = str_of(name);
	struct addr a = { .family = str_ends(s, ".in-addr.arpa") ? AF_INET : AF_INET6 };
	size_t parts = a.family == AF_INET ? 4 : 32;

	if (a.family == AF_INET6 && !str_ends(s, ".ip6.arpa"))
		return false;
	for (size_t i = 0; i < parts; i++) {
		struct str part = str_cut(&s, '.');
		size_t at = parts - 1 - i;
		uint64_t v;

		if (!str_to_u64(part, a.family == AF_INET ? 10 : 16, &v) || v > (a.family == AF_INET ? 255u : 15u) ||
		    part.n > (a.family == AF_INET ? 3u : 1u))
			return false;
		if (a.family == AF_INET)
			a.b[at] = (uint8_t)v;
		else
			a.b[at / 2] |= (uint8_t)(at % 2 ? v : v << 4);
	}
	if (!str_is(s, a.family == AF_INET ? "in-addr.arpa" : "ip6.arpa"))
		return false;
	*ret = a;
	return true;
}
