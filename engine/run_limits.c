/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and modes: grammar, record, spec. */
#include "engine/run_limits.h"

#include "runtime/container/jsontext.h"

/* ---- to the record ---- */

/* Only what is a namespace's own: all else would change the host. */
static bool sysctl_ok(struct str key)
{
	static const char *const names[] = {
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
		"kernel.shmmni", "kernel.shm_rmid_forced",
	};

	for (size_t i = 0; i < countof(names); i++)
		if (str_is(key, names[i]))
			return true;
	return str_starts(key, "net.") || str_starts(key, "fs.mqueue.");
}

static int sysctls_json(const struct run_limits *l, json_t *host, struct err *e)
{
	json_t *o = json_object();

	json_object_set_new(host, "Sysctls", o);
	for (size_t i = 0; i < l->sysctls.n; i++) {
		struct str value = str_of(l->sysctls.v[i]), key = str_cut(&value, '=');
		auto_free char *k = str_dup(key);

		if (!value.p || !sysctl_ok(key) || strstr(k, "..") || strchr(k, '/'))
			return err_set(e, ERR_USAGE, "invalid argument \"%s\" for \"--sysctl\" flag: sysctl '%s' is not allowed",
				       l->sysctls.v[i], l->sysctls.v[i]);
		json_object_set_new(o, k, jsontext(value.p));
	}
	return 0;
}

/* "container:x" is looked up, and made that one's ID, by run_join_record(). */
static bool is_joining(const char *key, const char *text)
{
	return (strcmp(key, "PidMode") == 0 || strcmp(key, "IpcMode") == 0) && strncmp(text, "container:", 10) == 0 && text[10];
}

static int mode_json(json_t *host, const char *key, const char *what, const char *text, const char *const *words,
		     struct err *e)
{
	for (size_t i = 0; text && words[i]; i++)
		if (strcmp(text, words[i]) == 0) {
			json_object_set_new(host, key, json_string(text));
			return 0;
		}
	json_object_set_new(host, key, jsontext(text && is_joining(key, text) ? text : ""));
	if (!text || !*text || is_joining(key, text))
		return 0;
	return err_set(e, ERR_USAGE, "invalid %s mode: %s", what, text);
}

static int modes_json(const struct run_limits *l, json_t *host, struct err *e)
{
	static const char *const ipc[] = { "private", "shareable", "host", "none", NULL }, *const uts[] = { "host", NULL };
	static const char *const cgroup[] = { "private", "host", NULL }, *const pid[] = { "private", "host", NULL };

	if (mode_json(host, "IpcMode", "IPC", l->ipc, ipc, e) < 0 || mode_json(host, "UTSMode", "UTS", l->uts, uts, e) < 0 ||
	    mode_json(host, "CgroupnsMode", "CgroupNS", l->cgroupns, cgroup, e) < 0)
		return -1;
	if (mode_json(host, "PidMode", "PID", l->pid, pid, e) < 0)
		return -1;
	return l->userns && *l->userns && strcmp(l->userns, "host") != 0 ?
		err_set(e, ERR_USAGE, "invalid USER mode: %s: there is only host", l->userns) : 0;
}

static int numbers_json(const struct run_limits *l, json_t *host, struct err *e)
{
	if (l->oom_score < -1000 || l->oom_score > 1000)
		return err_set(e, ERR_USAGE, "Invalid value %lld, range for oom score adj is [-1000, 1000]",
			       (long long)l->oom_score);
	if (l->swappiness < -1 || l->swappiness > 100)
		return err_set(e, ERR_USAGE, "Invalid value: %lld. Valid memory swappiness range is 0-100",
			       (long long)l->swappiness);
	json_object_set_new(host, "OomScoreAdj", json_integer(l->oom_score));
	json_object_set_new(host, "MemorySwappiness", l->swappiness < 0 ? json_null() : json_integer(l->swappiness));
	json_object_set_new(host, "MemoryReservation", json_integer((json_int_t)MIN(l->reservation, (uint64_t)INT64_MAX)));
	json_object_set_new(host, "CpuShares", json_integer(l->cpu_shares));
	json_object_set_new(host, "CpuPeriod", json_integer(l->cpu_period));
	json_object_set_new(host, "CpuQuota", json_integer(l->cpu_quota));
	json_object_set_new(host, "CpusetMems", json_string(l->cpuset_mems ? l->cpuset_mems : ""));
	return 0;
}

int run_limits_json(const struct run_limits *l, json_t *host, struct err *e)
{
	return sysctls_json(l, host, e) < 0 || modes_json(l, host, e) < 0 ? -1 :
		numbers_json(l, host, e);
}

/* ---- from the record ---- */

static int sysctls_load(struct run_extras *x, const json_t *host, const struct spec *sp, struct err *e)
{
	const json_t *o = json_object_get(host, "Sysctls"), *value;
	const char *key, *mode = json_string_value(json_object_get(host, "NetworkMode"));

	x->sysctls = xcalloc(json_object_size(o) + 1, sizeof(*x->sysctls));
	json_object_foreach((json_t *)o, key, value) {
		if (strncmp(key, "net.", 4) == 0 && mode && strcmp(mode, "host") == 0)
			return err_set(e, ERR_USAGE, "sysctl \"%s\" not allowed in host network namespace", key);
		if (strncmp(key, "net.", 4) != 0 && sp->host_ipc)
			return err_set(e, ERR_USAGE, "sysctl \"%s\" not allowed in host IPC namespace", key);
		x->sysctls[x->nsysctls++] = (struct spec_sysctl){ xstrdup(key), jsontext_bytes(value), false };
	}
	return 0;
}

static bool mode_is(const json_t *host, const char *key, const char *word)
{
	const char *mode = json_string_value(json_object_get(host, key));

	return mode && strcmp(mode, word) == 0;
}

static void numbers_load(struct run_extras *x, const json_t *host, struct spec *sp)
{
	struct cgroup_limits *l = &sp->limits;
	const json_t *swappiness = json_object_get(host, "MemorySwappiness");

	x->cpuset_mems = jsontext_bytes(json_object_get(host, "CpusetMems"));
	l->cpuset_mems = *x->cpuset_mems ? x->cpuset_mems : NULL;
	l->reservation = (uint64_t)json_integer_value(json_object_get(host, "MemoryReservation"));
	l->cpu_shares = json_integer_value(json_object_get(host, "CpuShares"));
	l->cpu_period = json_integer_value(json_object_get(host, "CpuPeriod"));
	l->cpu_quota = json_integer_value(json_object_get(host, "CpuQuota"));
	l->has_swappiness = json_is_integer(swappiness);
	l->swappiness = (unsigned)json_integer_value(swappiness);
	sp->oom_score_adj = (int)json_integer_value(json_object_get(host, "OomScoreAdj"));
}

int run_limits_load(struct run_extras *x, const json_t *host, struct spec *sp, struct err *e)
{
	sp->host_uts = mode_is(host, "UTSMode", "host");
	sp->host_ipc = mode_is(host, "IpcMode", "host");
	sp->host_pid = mode_is(host, "PidMode", "host");
	sp->no_shm = mode_is(host, "IpcMode", "none");
	sp->host_cgroups = mode_is(host, "CgroupnsMode", "host");
	numbers_load(x, host, sp);
	if (sysctls_load(x, host, sp, e) < 0)
		return -1;
	sp->sysctls = x->sysctls;
	sp->nsysctls = x->nsysctls;
	return 0;
}

void run_extras_done(struct run_extras *x)
{
	for (size_t i = 0; i < x->nsysctls; i++) {
		free((char *)x->sysctls[i].key);
		free((char *)x->sysctls[i].value);
	}
	free(x->sysctls);
	free(x->cpuset_mems);
	*x = (struct run_extras){ 0 };
}
