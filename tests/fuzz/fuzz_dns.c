/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram from a container, and one that claims to answer it. */
#include "runtime/network/dns_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct dns_record r = { .type = DNS_A, .addr = { .family = AF_INET, .b = { 10, 0, 0, 1 } } };
	auto_buf struct buf b = { 0 };
	size_t half = n ? MIN((size_t)data[0], n) : 0;
	struct dns_query q, again;
	struct addr a;

	if (dns_query_parse(data, n, &q)) {
		if (q.end > n || strlen(q.name) >= DNS_NAME_MAX)
			abort();
		dns_answer(data, &q, DNS_OK, &r, 1, 600, DNS_UDP_MAX, &b);
		if (!dns_answers(data, n, b.p, b.n) || dns_query_parse(b.p, b.n, &again))
			abort();
		(void)dns_reverse_parse(q.name, &a);
	} else if (dns_is_query(data, n)) {
		dns_refuse(data, DNS_FORMAT, &b);
		if (b.n != DNS_HEADER)
			abort();
	}
	(void)dns_answers(data, half, data + half, n - half);
	return 0;
}
