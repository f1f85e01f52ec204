/* SPDX-License-Identifier: Apache-2.0 */
/* Fault points: TARE_FAULT is read once, then counted down at the points that it names. */
#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"

/* The only mutable state outside cli/main.c (tests/lint allows it by name): tests set it, by the
 * environment. */
atomic_int fault_state;
static atomic_long fault_left;

/* Is name the point that spec ("<name>:<n>" or "*:<n>") means? *n is its number. */
static bool fault_match(const char *spec, const char *name, uint64_t *n)
{
	struct str rest = str_of(spec), want = str_cut(&rest, ':');

	return str_to_u64(rest, 10, n) && *n > 0 && (str_is(want, "*") || str_is(want, name));
}

void fault_hit(const char *name)
{
	int saved = errno, unknown = FAULT_UNKNOWN;
	const char *spec = getenv("TARE_FAULT");
	uint64_t n;

	if (!spec || !*spec)
		atomic_store(&fault_state, FAULT_OFF);
	else if (fault_match(spec, name, &n)) {
		if (atomic_compare_exchange_strong(&fault_state, &unknown, FAULT_ARMED))
			atomic_store(&fault_left, (long)n);
		if (atomic_fetch_sub(&fault_left, 1) == 1)
			kill(getpid(), SIGKILL);
	}
	errno = saved;
}
