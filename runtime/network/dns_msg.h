/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages: a question read, an answer written. Pure; the bytes are a stranger's. RFC 1035. */
#ifndef RUNTIME_NETWORK_DNS_MSG_H
#define RUNTIME_NETWORK_DNS_MSG_H

#include "runtime/network/addr.h"

#define DNS_HEADER 12
#define DNS_NAME_MAX 256	/* as text, with NUL: at most 253 characters */
#define DNS_UDP_MAX 512		/* bytes of a datagram without EDNS */

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28 };
enum dns_code { DNS_OK = 0, DNS_FORMAT = 1, DNS_FAILED = 2, DNS_NO_NAME = 3, DNS_NOT_DONE = 4, DNS_REFUSED = 5 };

struct dns_query {
	uint16_t id, flags, type, class;
	char name[DNS_NAME_MAX];	/* lower case, without the last dot; bytes that are not [!-~] or are a dot: '?' */
	size_t end;			/* offset behind the question */
};

/* A standard query with one question; anything may follow it. */
bool dns_query_parse(const void *p, size_t n, struct dns_query *ret);
bool dns_is_query(const void *p, size_t n);	/* it has a header that asks: an error can be answered */

struct dns_record { enum dns_type type; struct addr addr; const char *name; };	/* addr, or name for PTR */

/* The answer to the question in p; records that do not fit into max bytes are left out and it is marked as cut off. */
void dns_answer(const void *p, const struct dns_query *q, enum dns_code code, const struct dns_record *v, size_t n,
		uint32_t ttl, size_t max, struct buf *ret);
/* The header alone, for a query that cannot be read. n: at least DNS_HEADER. */
void dns_refuse(const void *p, enum dns_code code, struct buf *ret);

/* Is a (na bytes) an answer to q (nq bytes): same ID, same question, letters in any case? */
bool dns_answers(const void *q, size_t nq, const void *a, size_t na);
enum dns_code dns_code_of(const void *a, size_t na);
void dns_set_id(void *p, uint16_t id);

/* "4.3.2.1.in-addr.arpa" and "....ip6.arpa". */
bool dns_reverse_parse(const char *name, struct addr *ret);

#endif
