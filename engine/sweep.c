/* SPDX-License-Identifier: Apache-2.0 */
/* Garbage of killed monitors, outside of the store and in it. */
#include "engine/sweep.h"

#include "engine/control.h"
#include "runtime/container/container.h"
#include "runtime/container/control.h"
#include "runtime/network/bridge.h"
#include "runtime/network/nft.h"
#include "runtime/sandbox/cgroup.h"

/* A monitor has a run directory before it has anything else: where none is left, no cgroup is looked for. */
static void sweep(bool everywhere)
{
	auto_err struct err ignored = { 0 };
	auto_free char *run_dir = NULL;

	if (engine_run_dir(&run_dir, &ignored) < 0)
		return;
	if (control_sweep(run_dir) || everywhere) {
		cgroup_sweep();
		nft_guard_sweep(run_dir);
	}
	network_sweep(run_dir);
}

void engine_sweep(void)
{
	sweep(false);
}

void engine_sweep_all(struct store *s)
{
	auto_containers struct container_list l = { 0 };
	auto_err struct err ignored = { 0 };

	(void)!container_list(s, &l, &ignored);
	container_names_sweep(s);
	sweep(true);
}
