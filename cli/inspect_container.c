/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of `inspect` for containers: the record, the state, and what Docker shows besides. */
#include "cli/inspect_container.h"

#include "base/clock.h"
#include "cache/store.h"
#include "engine/container.h"
#include "engine/image.h"
#include "engine/network.h"
#include "runtime/container/health.h"
#include "runtime/container/logfile.h"

#define NEVER "0001-01-01T00:00:00Z"	/* Go's zero time */

/* What a template may ask for although nobody has set it. */
static const char defaults_top[] =
	"{\"ResolvConfPath\":\"\",\"HostnamePath\":\"\",\"HostsPath\":\"\",\"Driver\":\"overlay\",\"Platform\":\"linux\","
	"\"MountLabel\":\"\",\"ProcessLabel\":\"\",\"AppArmorProfile\":\"\",\"ExecIDs\":null,"
	"\"GraphDriver\":{\"Data\":null,\"Name\":\"overlay\"}}";
static const char defaults_host[] =
	"{\"VolumeDriver\":\"\",\"VolumesFrom\":null,\"ConsoleSize\":[0,0],\"CgroupnsMode\":\"private\",\"IpcMode\":\"private\","
	"\"Cgroup\":\"\",\"Links\":null,\"OomScoreAdj\":0,\"PidMode\":\"\",\"PublishAllPorts\":false,\"UTSMode\":\"\","
	"\"UsernsMode\":\"\",\"Runtime\":\"tare\",\"Isolation\":\"\",\"CpuShares\":0,\"CgroupParent\":\"\",\"BlkioWeight\":0,"
	"\"CpuPeriod\":0,\"CpuQuota\":0,\"CpusetMems\":\"\",\"Devices\":[],\"DeviceCgroupRules\":null,\"DeviceRequests\":null,"
	"\"MemoryReservation\":0,\"MemorySwappiness\":null,\"OomKillDisable\":false,\"PortBindings\":{}}";
static const char defaults_network[] =
	"{\"Bridge\":\"\",\"SandboxID\":\"\",\"SandboxKey\":\"\",\"Ports\":{},\"Networks\":{}}";

static void fill(json_t *o, const char *text)
{
	json_t *defaults = json_loads(text, 0, NULL);

	json_object_update_missing(o, defaults);
	json_decref(defaults);
}

static void set_str(json_t *o, const char *key, const char *value)
{
	json_t *v = json_string(value);

	json_object_set_new(o, key, v ? v : json_string(""));
}

static void set_time(json_t *o, const char *key, int64_t ns)
{
	char text[CLOCK_TEXT_MAX];

	set_str(o, key, ns ? clock_rfc3339(ns, text) : NEVER);
}

static json_t *state_json(const struct container *c)
{
	const struct container_state *s = &c->state;
	json_t *st = json_object(), *health = container_health(c);

	set_str(st, "Status", container_status_word(s->status));
	json_object_set_new(st, "Running", json_boolean(container_is_live(c)));
	json_object_set_new(st, "Paused", json_boolean(s->status == CONTAINER_PAUSED));
	json_object_set_new(st, "Restarting", json_boolean(s->status == CONTAINER_RESTARTING));
	json_object_set_new(st, "OOMKilled", json_boolean(s->oom));
	json_object_set_new(st, "Dead", json_false());
	json_object_set_new(st, "Pid", json_integer(s->pid));
	json_object_set_new(st, "ExitCode", json_integer(s->exit_code));
	set_str(st, "Error", s->error ? s->error : "");
	set_time(st, "StartedAt", s->started_ns);
	set_time(st, "FinishedAt", s->finished_ns);
	if (health)
		json_object_set_new(st, "Health", health);
	return st;
}

/* --tmpfs is told by HostConfig.Tmpfs alone; "Anonymous" is for us. */
static json_t *mounts_json(const json_t *mounts, const json_t *tmpfs)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const json_t *m = json_array_get(mounts, i);
		const char *dst = json_string_value(json_object_get(m, "Destination"));
		json_t *own;

		if (dst && json_object_get(tmpfs, dst))
			continue;
		own = json_deep_copy(m);
		json_object_del(own, "Anonymous");
		json_array_append_new(list, own);
	}
	return list;
}

static void host_json(json_t *host)
{
	json_int_t memory = json_integer_value(json_object_get(host, "Memory"));

	if (memory && json_integer_value(json_object_get(host, "MemorySwap")) == 0)
		json_object_set_new(host, "MemorySwap", json_integer(2 * memory));
	fill(host, defaults_host);
}

static void sizes_json(struct store *s, const struct container *c, json_t *o)
{
	auto_err struct err gone = { 0 };
	uint64_t own = container_size(c);
	struct image_row row = { 0 };

	if (image_resolve(s, container_text(c, "Image", NULL), &row, &gone) < 0)
		row.size = 0;
	json_object_set_new(o, "SizeRw", json_integer((json_int_t)own));
	json_object_set_new(o, "SizeRootFs", json_integer((json_int_t)(own + row.size)));
}

json_t *container_json(struct store *s, const struct container *c, bool size)
{
	json_t *o = json_deep_copy(c->config), *host = json_object_get(o, "HostConfig");
	auto_free char *name = xasprintf("/%s", c->name), *log = logfile_name(c->id, 0);
	auto_free char *path = xasprintf("%s/%s/%s/%s", store_path(s), store_dir_name(STORE_CONTAINERS), c->id, log);

	if (strcmp(container_text(c, "HostConfig", "LogConfig", "Type", NULL), "json-file") != 0)
		*path = '\0';
	set_str(o, "Id", c->id);
	set_str(o, "Name", name);
	set_str(o, "LogPath", path);
	json_object_del(o, "Transient");
	json_object_set_new(o, "State", state_json(c));
	json_object_set_new(o, "RestartCount", json_integer(c->state.restarts));
	json_object_set_new(o, "Mounts", mounts_json(json_object_get(c->config, "Mounts"), json_object_get(host, "Tmpfs")));
	json_object_set_new(o, "NetworkSettings", engine_network_settings(c));
	fill(json_object_get(o, "NetworkSettings"), defaults_network);
	fill(o, defaults_top);
	host_json(host);
	if (size)
		sizes_json(s, c, o);
	return o;
}
