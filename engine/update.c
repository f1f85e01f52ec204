/* SPDX-License-Identifier: Apache-2.0 */
/* Changing a record's limits and policy; the monitor then does the same to what runs. */
#include "engine/update.h"

#include "engine/control.h"
#include "engine/run_record.h"
#include "engine/run_spec.h"
#include "runtime/container/eventlog.h"
#include "runtime/container/restart.h"

struct change {
	const struct update_args *args;
	json_t *before;			/* HostConfig as it was; owned */
};

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static int set_swap(const struct update_args *a, json_t *host, struct err *e)
{
	json_int_t old = number(host, "MemorySwap") ? number(host, "MemorySwap") : 2 * number(host, "Memory");
	uint64_t swap;

	if (!a->memory_swap) {
		if (a->memory && old > 0 && a->memory > (uint64_t)old)
			return err_set(e, ERR_USAGE, "Memory limit should be smaller than already set memoryswap limit, "
				       "update the memoryswap at the same time");
		return 0;
	}
	if (strcmp(a->memory_swap, "-1") == 0) {
		json_object_set_new(host, "MemorySwap", json_integer(-1));
		return 0;
	}
	if (!str_to_bytes(str_of(a->memory_swap), &swap) || swap > INT64_MAX)
		return err_set(e, ERR_USAGE, "--memory-swap takes a size such as 64m, or -1, not \"%s\"", a->memory_swap);
	json_object_set_new(host, "MemorySwap", json_integer((json_int_t)swap));
	return 0;
}

/* Both say the same of processor time: the second would undo the first unseen. */
static int check_cpu(const struct update_args *a, const json_t *host, struct err *e)
{
	bool nano = number(host, "NanoCpus") > 0;
	const char *set = number(host, "CpuPeriod") > 0 ? "CPU Period" : number(host, "CpuQuota") > 0 ? "CPU Quota" : NULL;

	if (a->cpus && set)
		return err_set(e, ERR_CONFLICT, "Conflicting options: Nano CPUs cannot be updated as %s has already been set", set);
	if ((a->cpu_period || a->cpu_quota) && nano)
		return err_set(e, ERR_CONFLICT, "Conflicting options: %s cannot be updated as NanoCPUs has already been set",
			       a->cpu_period ? "CPU Period" : "CPU Quota");
	return 0;
}

static void set_numbers(const struct update_args *a, json_t *host)
{
	const struct { const char *key; int64_t v; } numbers[] = {
		{ "Memory", (int64_t)MIN(a->memory, (uint64_t)INT64_MAX) },
		{ "MemoryReservation", (int64_t)MIN(a->reservation, (uint64_t)INT64_MAX) },
		{ "CpuShares", a->cpu_shares }, { "CpuPeriod", a->cpu_period }, { "CpuQuota", a->cpu_quota },
	};

	for (size_t i = 0; i < countof(numbers); i++)
		if (numbers[i].v)
			json_object_set_new(host, numbers[i].key, json_integer(numbers[i].v));
}

static int set_limits(const struct update_args *a, json_t *host, struct err *e)
{
	int64_t nano;

	if (check_cpu(a, host, e) < 0 || set_swap(a, host, e) < 0)
		return -1;
	set_numbers(a, host);
	if (a->cpus && run_parse_cpus(a->cpus, &nano, e) < 0)
		return -1;
	if (a->cpus)
		json_object_set_new(host, "NanoCpus", json_integer(nano));
	if (a->cpuset)
		json_object_set_new(host, "CpusetCpus", json_string(a->cpuset));
	if (a->cpuset_mems)
		json_object_set_new(host, "CpusetMems", json_string(a->cpuset_mems));
	if (a->pids_set)
		json_object_set_new(host, "PidsLimit", json_integer(a->pids > 0 ? a->pids : -1));
	return 0;
}

static int set_policy(const struct update_args *a, json_t *host, struct err *e)
{
	struct restart_policy p;

	if (!a->restart)
		return 0;
	if (restart_parse(a->restart, &p, e) < 0)
		return -1;
	if (json_is_true(json_object_get(host, "AutoRemove")))
		return err_set(e, ERR_CONFLICT, "Restart policy cannot be updated because AutoRemove is enabled for the container");
	json_object_set_new(host, "RestartPolicy", json_pack("{s:s, s:i}", "Name", restart_name(p.when), "MaximumRetryCount",
							     (int)p.max));
	return 0;
}

static int change(json_t *config, void *arg, struct err *e)
{
	struct change *c = arg;
	json_t *host = json_object_get(config, "HostConfig");
	struct run_spec check = { 0 };
	int r;

	c->before = json_deep_copy(host);
	if (set_limits(c->args, host, e) < 0 || set_policy(c->args, host, e) < 0)
		return -1;
	r = run_spec_load(&check, config, e);
	run_spec_done(&check);
	return r;
}

static int change_back(json_t *config, void *arg, struct err *e UNUSED)
{
	const struct change *c = arg;

	json_object_set(config, "HostConfig", c->before);
	return 0;
}

int engine_update(struct job *j, struct store *s, const char *ref, const struct update_args *a, struct err *e)
{
	auto_container struct container *c = NULL;
	struct change what = { .args = a };
	int r;

	if (container_open(s, ref, &c, e) < 0)
		return -1;
	r = container_config_change(c, change, &what, e);
	if (r == 0 && engine_reload(j, c, e) < 0) {
		auto_err struct err ignored = { 0 };

		(void)!container_config_change(c, change_back, &what, &ignored);
		(void)!engine_reload(j, c, &ignored);
		r = -1;
	}
	if (r == 0)
		event_log_container(c, "update", NULL);
	json_decref(what.before);
	return r < 0 ? err_wrap(e, "Cannot update container %s", c->id) : 0;
}
