/* SPDX-License-Identifier: Apache-2.0 */
/* Restart policies, as Docker's restart manager has them. */
#include "runtime/container/restart.h"

#include "base/str.h"

#define FIRST_NS (100 * INT64_C(1000000))
#define MAX_NS (60 * INT64_C(1000000000))
#define CALM_NS (10 * INT64_C(1000000000))	/* whoever ran so long starts afresh */

static const char *const names[] = {
	[RESTART_NO] = "no", [RESTART_ALWAYS] = "always", [RESTART_UNLESS_STOPPED] = "unless-stopped",
	[RESTART_ON_FAILURE] = "on-failure",
};

const char *restart_name(enum restart_when when)
{
	return names[when];
}

static bool by_name(struct str name, enum restart_when *ret)
{
	for (size_t i = 0; i < countof(names); i++)
		if (str_is(name, names[i])) {
			*ret = (enum restart_when)i;
			return true;
		}
	return false;
}

int restart_parse(const char *text, struct restart_policy *ret, struct err *e)
{
	struct str max = str_of(text), name = str_cut(&max, ':');
	struct restart_policy p = { 0 };
	uint64_t n = 0;

	if (!*text) {
		*ret = p;
		return 0;
	}
	if (!by_name(name, &p.when)) {
		err_set(e, ERR_USAGE, "invalid restart policy: unknown policy '" STR_FMT "'; use one of 'no', 'always', "
			"'on-failure', or 'unless-stopped'", STR_ARG(name));
		return -1;
	}
	if (max.p && p.when != RESTART_ON_FAILURE)
		return err_set(e, ERR_USAGE, "invalid restart policy: maximum retry count can only be used with 'on-failure'");
	if (max.p && (!str_to_u64(max, 10, &n) || n > UINT32_MAX))
		return err_set(e, ERR_USAGE, "maximum retry count must be an integer");
	p.max = (unsigned)n;
	*ret = p;
	return 0;
}

struct restart_policy restart_load(const json_t *policy)
{
	const char *name = json_string_value(json_object_get(policy, "Name"));
	struct restart_policy p = { 0 };

	if (name && by_name(str_of(name), &p.when))
		p.max = (unsigned)json_integer_value(json_object_get(policy, "MaximumRetryCount"));
	return p;
}

bool restart_again(const struct restart_policy *p, struct restart_state *s, int code, bool wanted, int64_t ran_ns,
		   int64_t *delay_ns)
{
	s->failures = code ? s->failures + 1 : 0;
	s->delay_ns = s->delay_ns == 0 || ran_ns >= CALM_NS ? FIRST_NS : MIN(2 * s->delay_ns, MAX_NS);
	*delay_ns = s->delay_ns;
	if (wanted)
		return false;
	return p->when == RESTART_ALWAYS || p->when == RESTART_UNLESS_STOPPED ||
	       (p->when == RESTART_ON_FAILURE && code != 0 && (p->max == 0 || s->failures <= p->max));
}
