/* SPDX-License-Identifier: Apache-2.0 */
/* tare update. */
#include "cli/cmd.h"
#include "cli/run_opts.h"
#include "cli/session.h"
#include "engine/update.h"

#define AT(field) offsetof(struct update_args, field)
#define PIDS_UNSET INT64_MIN

static const struct opt opts[] = {
	{ 0, "cpu-period", "USECS", OPT_NUM, AT(cpu_period), "period of --cpu-quota" },
	{ 0, "cpu-quota", "USECS", OPT_NUM, AT(cpu_quota), "processor time in each period; -1: no limit" },
	{ 'c', "cpu-shares", "N", OPT_NUM, AT(cpu_shares), "weight against others when processors are busy" },
	{ 0, "cpus", "N", OPT_STR, AT(cpus), "limit processor time: 1.5 is one and a half processors" },
	{ 0, "cpuset-cpus", "LIST", OPT_STR, AT(cpuset), "run only on these processors: 0-2,4" },
	{ 0, "cpuset-mems", "LIST", OPT_STR, AT(cpuset_mems), "use only the memory of these nodes" },
	{ 'm', "memory", "SIZE", OPT_BYTES, AT(memory), "limit memory: 512m" },
	{ 0, "memory-reservation", "SIZE", OPT_BYTES, AT(reservation), "memory that it keeps when others need more" },
	{ 0, "memory-swap", "SIZE", OPT_STR, AT(memory_swap), "limit memory and swap together; -1: no limit of swap" },
	{ 0, "pids-limit", "N", OPT_NUM, AT(pids), "limit the number of processes; -1: no limit" },
	{ 0, "restart", "POLICY", OPT_STR, AT(restart), "no, always, unless-stopped or on-failure[:N]" },
	{ 0 },
};

static void defaults(void *p)
{
	((struct update_args *)p)->pids = PIDS_UNSET;
}

static int update_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct update_args *a = p;
	struct session ss;
	int status = 0;

	a->pids_set = a->pids != PIDS_UNSET;
	if (!a->pids_set && !a->cpus && !a->cpuset && !a->cpuset_mems && !a->memory && !a->memory_swap && !a->reservation &&
	    !a->cpu_shares && !a->cpu_period && !a->cpu_quota && !a->restart)
		return err_set(e, ERR_USAGE, "you must provide one or more flags when using this command");
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	for (int i = 0; i < argc; i++) {
		auto_err struct err one = { 0 };

		if (engine_update(&ss.job, ss.store, argv[i], a, &one) == 0) {
			fprintf(c->out, "%s\n", argv[i]);
			continue;
		}
		print_failure(c->err, &one);
		status = 1;
	}
	session_close(&ss);
	return status;
}

const struct cmd cmd_update = {
	.name = "update", .synopsis = "[options] CONTAINER...", .about = "Change limits and restart policy of containers.",
	.opts = opts, .args_size = sizeof(struct update_args), .min = 1, .max = -1, .run = update_run, .defaults = defaults,
};
