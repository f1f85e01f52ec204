/* SPDX-License-Identifier: Apache-2.0 */
/* config.json to spec. */
#include "engine/run_spec.h"

#include "base/task.h"
#include "builder/users.h"
#include "engine/run_env.h"
#include "engine/run_record.h"
#include "runtime/container/jsontext.h"
#include "runtime/sandbox/caps.h"
#include "runtime/sandbox/userns.h"

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool is_on(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static char *text(const json_t *o, const char *key)
{
	return jsontext_bytes(json_object_get(o, key));
}

/* Docker's order: PATH, HOSTNAME, TERM, then the record's, where "K" removes. HOME comes last, with the user. */
static void load_env(struct run_spec *r, const json_t *config)
{
	struct strv *env = &r->sp.env;
	auto_strv struct strv own = { 0 };

	strv_env_set(env, "PATH", SPEC_PATH);
	strv_env_set(env, "HOSTNAME", r->host_name);
	if (is_on(config, "Tty"))
		strv_env_set(env, "TERM", "xterm");
	jsontext_strv(json_object_get(config, "Env"), &own);
	run_env_merge(env, &own);
}

static int load_limits(struct run_spec *r, const json_t *host, struct err *e)
{
	struct cgroup_limits *l = &r->sp.limits;

	l->memory = (uint64_t)number(host, "Memory");
	l->memory_swap = number(host, "MemorySwap");
	l->nano_cpus = number(host, "NanoCpus");
	l->pids = number(host, "PidsLimit");
	if (run_limits_load(&r->extras, host, &r->sp, e) < 0)
		return -1;
	r->cpuset = text(host, "CpusetCpus");
	l->cpuset = *r->cpuset ? r->cpuset : NULL;
	if (l->nano_cpus > (int64_t)cpu_count() * 1000000000)
		return err_set(e, ERR_USAGE, "range of CPUs is from 0.01 to %zu.00, as there are only %zu CPUs available",
			       cpu_count(), cpu_count());
	return cgroup_check(l, e);
}

static int load_ulimits(struct run_spec *r, const json_t *host, struct err *e)
{
	const json_t *list = json_object_get(host, "Ulimits");
	size_t n = json_array_size(list);

	r->rlimits = xcalloc(n + 1, sizeof(*r->rlimits));
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		auto_free char *name = text(o, "Name");
		auto_free char *line = xasprintf("%s=%lld:%lld", name, (long long)number(o, "Soft"), (long long)number(o, "Hard"));

		if (run_parse_ulimit(line, &r->rlimits[i], e) < 0)
			return -1;
	}
	r->sp.rlimits = r->rlimits;
	r->sp.nrlimits = n;
	return 0;
}

/* "x", "x=true", "x:true"; false if it is another option or no truth value. */
static bool is_switch(const char *opt, const char *name, bool *ret)
{
	size_t n = strlen(name);
	const char *v = opt + n;

	if (strncmp(opt, name, n) != 0)
		return false;
	*ret = *v == '\0' || strcmp(v + 1, "true") == 0;
	return *v == '\0' || ((*v == '=' || *v == ':') && (*ret || strcmp(v + 1, "false") == 0));
}

/* The text of a profile, or "unconfined". */
static void load_seccomp(struct run_spec *r, const char *value)
{
	free(r->profile);
	r->profile = NULL;
	r->sp.seccomp_off = strcmp(value, "unconfined") == 0;
	if (!r->sp.seccomp_off)
		r->profile = xstrdup(value);
	r->sp.seccomp_profile = r->profile;
}

/* What no security module enforces here may be switched off, not on. */
static int load_label(const char *opt, struct err *e)
{
	static const char *const off[] = { "apparmor=unconfined", "label=disable", "apparmor:unconfined", "label:disable" };

	for (size_t i = 0; i < countof(off); i++)
		if (strcmp(opt, off[i]) == 0)
			return 0;
	err_set(e, ERR_USAGE, "--security-opt %s: labels and profiles of security modules cannot be set yet", opt);
	return err_hint(e, "leave the option out: the sandbox does not depend on a security module");
}

static int load_security(struct run_spec *r, const json_t *host, struct err *e)
{
	auto_strv struct strv opts = { 0 }, add = { 0 }, drop = { 0 };

	r->sp.privileged = is_on(host, "Privileged");
	r->sp.seccomp_off = r->sp.privileged;
	jsontext_strv(json_object_get(host, "SecurityOpt"), &opts);
	for (size_t i = 0; i < opts.n; i++) {
		const char *o = opts.v[i];

		if (is_switch(o, "no-new-privileges", &r->sp.no_new_privs))
			continue;
		if (strncmp(o, "seccomp=", 8) == 0 || strncmp(o, "seccomp:", 8) == 0) {
			load_seccomp(r, o + 8);
		} else if (is_switch(o, "writable-cgroups", &r->sp.writable_cgroups)) {
			continue;
		} else if (strcmp(o, "systempaths=unconfined") == 0) {
			r->sp.unmask = true;
		} else if (strncmp(o, "apparmor", 8) == 0 || strncmp(o, "label", 5) == 0) {
			if (load_label(o, e) < 0)
				return -1;
		} else {
			return err_set(e, ERR_USAGE, "invalid --security-opt: \"%s\"", o);
		}
	}
	jsontext_strv(json_object_get(host, "CapAdd"), &add);
	jsontext_strv(json_object_get(host, "CapDrop"), &drop);
	return caps_parse(&add, &drop, r->sp.privileged ? caps_host() : caps_default, caps_host(), &r->sp.caps, e);
}

static void load_config(struct run_spec *r, const json_t *record, const json_t *config)
{
	strv_take(&r->sp.argv, text(record, "Path"));
	jsontext_strv(json_object_get(record, "Args"), &r->sp.argv);
	r->host_name = text(config, "Hostname");
	r->domain_name = text(config, "Domainname");
	r->sp.hostname = r->host_name;
	r->sp.domainname = *r->domain_name ? r->domain_name : NULL;
	r->cwd = text(config, "WorkingDir");
	if (!*r->cwd) {
		free(r->cwd);
		r->cwd = xstrdup("/");
	}
	r->sp.cwd = r->cwd;
	r->sp.mkdir_cwd = true;
	r->user = text(config, "User");
	load_env(r, config);
}

int run_spec_load(struct run_spec *r, const json_t *record, struct err *e)
{
	const json_t *config = json_object_get(record, "Config"), *host = json_object_get(record, "HostConfig");

	spec_init(&r->sp);
	r->sp.keep_stubs = true;
	r->sp.readonly_root = is_on(host, "ReadonlyRootfs");
	r->sp.init = is_on(host, "Init");
	if (number(host, "ShmSize") > 0)
		r->sp.shm_size = (uint64_t)number(host, "ShmSize");
	load_config(r, record, config);
	jsontext_strv(json_object_get(host, "GroupAdd"), &r->groups);
	if (load_limits(r, host, e) < 0 || load_ulimits(r, host, e) < 0)
		return -1;
	return load_security(r, host, e);
}

/* What an image says of groups is no loss where only one ID exists; what is asked for is. */
static int check_groups(const struct run_spec *r, struct err *e)
{
	struct userns u;

	if (!r->groups.n)
		return 0;
	if (userns_info(&u, e) < 0)
		return -1;
	if (!u.setgroups_denied)
		return 0;
	err_set(e, ERR_DENIED, "--group-add: this user has no subordinate group IDs");
	return err_hint(e, "ask for ranges in /etc/subuid and /etc/subgid, and for the program newuidmap");
}

int run_spec_user(struct run_spec *r, int root, const char *user, struct err *e)
{
	size_t n;

	if (users_lookup(root, user ? user : r->user, &r->found, e) < 0 ||
	    users_check(r->found.uid, r->found.gid, e) < 0)
		return -1;
	n = users_gids(&r->found, r->groups.n, &r->gids);
	for (size_t i = 0; i < r->groups.n; i++)
		if (users_group(root, r->groups.v[i], &r->gids[n++], e) < 0)
			return -1;
	if (check_groups(r, e) < 0)
		return -1;
	r->sp.uid = r->found.uid;
	r->sp.gid = r->found.gid;
	r->sp.groups = r->gids;
	r->sp.ngroups = n;
	if (!strv_env_get(&r->sp.env, "HOME"))
		strv_env_set(&r->sp.env, "HOME", r->found.home);
	return 0;
}

void run_spec_done(struct run_spec *r)
{
	spec_done(&r->sp);
	strv_done(&r->groups);
	passwd_user_done(&r->found);
	free(r->user);
	free(r->profile);
	free(r->cwd);
	free(r->host_name);
	free(r->domain_name);
	free(r->cpuset);
	run_extras_done(&r->extras);
	free(r->gids);
	free(r->rlimits);
	*r = (struct run_spec){ 0 };
}
