/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of requests that strangers send to serve-registry, and the ranges they ask for. */
#include "registry/serve_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct serve_request r = { 0 };
	uint64_t from, to, size = n ? data[0] * 3u : 0;

	if (!serve_request_parse((struct str){ (const char *)data, n }, &r))
		return 0;
	if (!r.method || !r.target || r.target[0] != '/' || !r.query)
		abort();
	if (serve_range(r.range, size, &from, &to) > 0 && (from >= to || to > size))
		abort();
	serve_request_done(&r);
	return 0;
}
