/* SPDX-License-Identifier: Apache-2.0 */
/* Pauses and the gate. */
#include "registry/retry.h"

#include <poll.h>
#include <sys/random.h>

#include "base/clock.h"

#define MS 1000000LL

int retry_sleep(struct job *j, int64_t ns, struct err *e)
{
	int64_t until = clock_mono_ns() + ns, left;

	while ((left = until - clock_mono_ns()) > 0) {
		struct pollfd p = { .fd = j->cancel_fd, .events = POLLIN };

		poll(&p, 1, (int)MIN(left / MS + 1, 60000));
		if (job_check(j, e) < 0)
			return -1;
	}
	return job_check(j, e);
}

int gate_wait(struct job *j, struct gate *g, struct err *e)
{
	int64_t left;

	/* Those who waited do not all come at the same moment. */
	while ((left = g->open - clock_mono_ns()) > 0)
		if (retry_sleep(j, left + retry_random() % 100 * MS, e) < 0)
			return -1;
	return 0;
}

void gate_close(struct gate *g, int64_t ns)
{
	int64_t until = clock_mono_ns() + ns, old = g->open;

	while (old < until && !atomic_compare_exchange_weak(&g->open, &old, until))
		;
}

bool retry_status(int status)
{
	return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

bool retry_broken(enum http_broken b)
{
	return b == HTTP_CONNECT || b == HTTP_TIMEOUT || b == HTTP_RESET || b == HTTP_SHORT;
}

int64_t retry_pause_ns(int n, uint32_t random)
{
	int64_t whole = MIN(200 * MS << MIN(n - 1, 6), 10000 * MS);

	return whole / 2 + whole / 2 * (random % 1024) / 1024;
}

uint32_t retry_random(void)
{
	uint32_t r = 0;

	while (getrandom(&r, sizeof(r), 0) != sizeof(r))
		;
	return r;
}
