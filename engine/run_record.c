/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments and image to config.json: Docker's names, rules of precedence, and words for what is wrong. */
#include "engine/run_record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fs.h"
#include "engine/run_device.h"
#include "engine/run_env.h"
#include "engine/run_health.h"
#include "engine/run_limits.h"
#include "parser/flags.h"
#include "runtime/container/container.h"
#include "runtime/container/jsontext.h"
#include "runtime/container/logfile.h"
#include "runtime/container/restart.h"

#define PROFILE_MAX ((size_t)4 << 20)	/* bytes of a seccomp profile */

/* ---- variables ---- */

static bool env_names(const struct strv *env, const char *kv)
{
	size_t n = strcspn(kv, "=");

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], kv, n) == 0 && (env->v[i][n] == '=' || env->v[i][n] == '\0'))
			return true;
	return false;
}

/* The user's, then what he has not said of the image's. */
static int env_json(const struct run_args *a, const struct config *image, json_t *config, struct err *e)
{
	auto_strv struct strv env = { 0 }, from_image = { 0 };
	size_t own;

	if (run_read_env(&a->env_files, &a->env, &env, e) < 0)
		return -1;
	own = env.n;
	config_list(image, CONFIG_ENV, &from_image);
	for (size_t i = 0; i < from_image.n; i++) {
		const struct strv mine = { env.v, own };

		if (!env_names(&mine, from_image.v[i]))
			strv_add(&env, from_image.v[i]);
	}
	json_object_set_new(config, "Env", jsontext_list(&env, 0));
	return 0;
}

/* ---- Config ---- */

static json_t *pairs_json(const struct strv *l)
{
	json_t *o = json_object();

	for (size_t i = 0; i < l->n; i++) {
		struct str value = str_of(l->v[i]), k = str_cut(&value, '=');
		auto_free char *key = str_dup(k);

		json_object_set_new(o, key, jsontext(value.p ? value.p : ""));
	}
	return o;
}

static json_t *labels_json(const struct run_args *a, const struct config *image)
{
	auto_strv struct strv from_image = { 0 };
	json_t *o = json_object(), *own = pairs_json(&a->labels);

	config_labels(image, &from_image);
	for (size_t i = 0; i + 1 < from_image.n; i += 2)
		json_object_set_new(o, from_image.v[i], json_string(from_image.v[i + 1]));
	json_object_update(o, own);
	json_decref(own);
	return o;
}

static int argv_json(const struct run_args *a, const struct config *image, json_t *o, json_t *config, struct err *e)
{
	auto_strv struct strv entrypoint = { 0 }, cmd = { 0 }, argv = { 0 };

	if (a->entrypoint && *a->entrypoint)
		strv_add(&entrypoint, a->entrypoint);
	else if (!a->entrypoint)
		config_list(image, CONFIG_ENTRYPOINT, &entrypoint);
	if (a->command.n)
		strv_copy(&cmd, &a->command);
	else if (!a->entrypoint)
		config_list(image, CONFIG_CMD, &cmd);
	strv_copy(&argv, &entrypoint);
	strv_copy(&argv, &cmd);
	if (argv.n == 0) {
		err_set(e, ERR_USAGE, "no command specified");
		return err_hint(e, "the image has neither ENTRYPOINT nor CMD: say after its name what to run");
	}
	json_object_set_new(o, "Path", jsontext(argv.v[0]));
	json_object_set_new(o, "Args", jsontext_list(&argv, 1));
	json_object_set_new(config, "Entrypoint", entrypoint.n ? jsontext_list(&entrypoint, 0) : json_null());
	json_object_set_new(config, "Cmd", cmd.n ? jsontext_list(&cmd, 0) : json_null());
	return 0;
}

static int hostname_json(const struct run_args *a, const char *id, const char *network, json_t *config, struct err *e)
{
	char own[65] = "";
	auto_free char *name = NULL;

	if (a->hostname)
		name = xstrdup(a->hostname);
	else if (strcmp(network, "host") == 0 && gethostname(own, sizeof(own) - 1) == 0 && *own)
		name = xstrdup(own);
	else
		name = xstrndup(id, CONTAINER_SHORT);
	if (!*name || strlen(name) > 64 || strpbrk(name, " \t\n/"))
		return err_set(e, ERR_USAGE, "invalid hostname \"%s\"", name);
	json_object_set_new(config, "Hostname", jsontext(name));
	json_object_set_new(config, "Domainname", jsontext(a->domainname ? a->domainname : ""));
	return 0;
}

static int cwd_json(const struct run_args *a, const struct config *image, json_t *config, struct err *e)
{
	const char *cwd = a->workdir ? a->workdir : config_str(image, CONFIG_WORKDIR);
	auto_free char *clean = NULL;

	if (*cwd && *cwd != '/')
		return err_set(e, ERR_USAGE, "the working directory '%s' is invalid, it needs to be an absolute path", cwd);
	clean = *cwd ? str_path_clean(cwd) : xstrdup("");
	json_object_set_new(config, "WorkingDir", jsontext(clean));
	return 0;
}

static int stop_json(const struct run_args *a, const struct config *image, json_t *config, struct err *e)
{
	const char *text = a->stop_signal ? a->stop_signal : config_str(image, CONFIG_STOP_SIGNAL);
	bool negative = a->stop_timeout && *a->stop_timeout == '-';
	uint64_t n;
	int sig;

	if (a->stop_signal && signal_parse(str_of(text), &sig, e) < 0)
		return -1;
	if (*text)
		json_object_set_new(config, "StopSignal", json_string(text));
	if (!a->stop_timeout)
		return 0;
	if (!str_to_u64(str_of(a->stop_timeout + negative), 10, &n) || n > INT32_MAX)
		return err_set(e, ERR_USAGE, "--stop-timeout takes a number of seconds, not \"%s\"", a->stop_timeout);
	json_object_set_new(config, "StopTimeout", json_integer(negative ? -1 : (json_int_t)n));
	return 0;
}

static json_t *names_json(const struct config *image, enum config_set which)
{
	auto_strv struct strv names = { 0 };
	json_t *o = json_object();

	config_set(image, which, &names);
	for (size_t i = 0; i < names.n; i++)
		json_object_set_new(o, names.v[i], json_object());
	return o;
}

static bool attaches(const struct run_args *a, const char *stream)
{
	return a->attach.n ? strv_has(&a->attach, stream) :
	       !a->detach && (a->interactive || strcmp(stream, "stdin") != 0);
}

static int config_json_make(const struct run_args *a, const struct image *img, const char *network, const char *id,
			    json_t *o, struct err *e)
{
	const char *user = a->user ? a->user : config_str(img->config, CONFIG_USER);
	bool in = a->interactive && attaches(a, "stdin");
	json_t *config = json_pack("{s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:b}", "Image", jsontext(a->image), "User",
				   jsontext(user), "AttachStdin", in, "AttachStdout", attaches(a, "stdout"),
				   "AttachStderr", attaches(a, "stderr"), "Tty", a->tty, "OpenStdin", a->interactive,
				   "StdinOnce", in);
	json_t *health = json_object_get(json_object_get(config_json(img->config), "config"), "Healthcheck");
	auto_strv struct strv shell = { 0 };

	json_object_set_new(o, "Config", config);
	json_object_set_new(config, "Labels", labels_json(a, img->config));
	json_object_set_new(config, "ExposedPorts", names_json(img->config, CONFIG_PORTS));
	json_object_set_new(config, "Volumes", names_json(img->config, CONFIG_VOLUMES));
	if (run_health_json(&a->health, health, &health, e) < 0)
		return -1;
	if (health)
		json_object_set_new(config, "Healthcheck", health);
	if (config_list(img->config, CONFIG_SHELL, &shell))
		json_object_set_new(config, "Shell", jsontext_list(&shell, 0));
	if (env_json(a, img->config, config, e) < 0 || argv_json(a, img->config, o, config, e) < 0 ||
	    hostname_json(a, id, network, config, e) < 0 || cwd_json(a, img->config, config, e) < 0)
		return -1;
	return stop_json(a, img->config, config, e);
}

/* ---- HostConfig ---- */

int run_parse_cpus(const char *text, int64_t *nano, struct err *e)
{
	struct str fraction = str_of(text), whole = str_cut(&fraction, '.');
	uint64_t n = 0, f = 0, unit = 1000000000;

	if (whole.n + fraction.n == 0 || fraction.n > 9 || (whole.n && !str_to_u64(whole, 10, &n)) || n > 1000000 ||
	    (fraction.n && !str_to_u64(fraction, 10, &f)))
		return err_set(e, ERR_USAGE, "invalid number of processors: \"%s\"", text);
	for (size_t i = 0; i < fraction.n; i++)
		unit /= 10;
	*nano = (int64_t)(n * 1000000000 + f * unit);
	return 0;
}

static int limits_json(const struct run_args *a, json_t *o, struct err *e)
{
	uint64_t swap = 0;
	int64_t nano = 0;

	if (a->cpus && run_parse_cpus(a->cpus, &nano, e) < 0)
		return -1;
	if (a->memory_swap && strcmp(a->memory_swap, "-1") != 0 && !str_to_bytes(str_of(a->memory_swap), &swap))
		return err_set(e, ERR_USAGE, "--memory-swap takes a size such as 64m, or -1, not \"%s\"", a->memory_swap);
	json_object_set_new(o, "Memory", json_integer((json_int_t)MIN(a->memory, (uint64_t)INT64_MAX)));
	json_object_set_new(o, "MemorySwap", json_integer(a->memory_swap && !swap ? -1 :
							  (json_int_t)MIN(swap, (uint64_t)INT64_MAX)));
	json_object_set_new(o, "NanoCpus", json_integer(nano));
	json_object_set_new(o, "CpusetCpus", json_string(a->cpuset ? a->cpuset : ""));
	json_object_set_new(o, "PidsLimit", json_integer(a->pids > 0 ? a->pids : 0));
	json_object_set_new(o, "ShmSize", json_integer((json_int_t)(a->shm_size ? a->shm_size : SPEC_SHM_SIZE)));
	return 0;
}

static const struct { const char *name; int resource; } ulimits[] = {
	{ "as", RLIMIT_AS }, { "core", RLIMIT_CORE }, { "cpu", RLIMIT_CPU }, { "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE }, { "locks", RLIMIT_LOCKS }, { "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE }, { "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC }, { "rss", RLIMIT_RSS }, { "rtprio", RLIMIT_RTPRIO }, { "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING }, { "stack", RLIMIT_STACK },
};

static bool ulimit_value(struct str s, uint64_t *ret)
{
	if (str_is(s, "-1") || str_is(s, "unlimited")) {
		*ret = UINT64_MAX;
		return true;
	}
	return str_to_u64(s, 10, ret);
}

int run_parse_ulimit(const char *text, struct spec_rlimit *ret, struct err *e)
{
	struct str value = str_of(text), name = str_cut(&value, '='), hard = value, soft = str_cut(&hard, ':');
	const char *known = NULL;

	for (size_t i = 0; i < countof(ulimits); i++)
		if (str_is(name, ulimits[i].name)) {
			ret->resource = ulimits[i].resource;
			known = ulimits[i].name;
		}
	if (!value.p || !ulimit_value(soft, &ret->soft) || (hard.p && !ulimit_value(hard, &ret->hard)))
		return err_set(e, ERR_USAGE, "invalid ulimit argument: %s", text);
	if (!known)
		return err_set(e, ERR_USAGE, "invalid ulimit type: " STR_FMT, STR_ARG(name));
	if (!hard.p)
		ret->hard = ret->soft;
	if (ret->soft > ret->hard)
		return err_set(e, ERR_USAGE, "ulimit soft limit must be less than or equal to hard limit: %s", text);
	ret->name = known;
	return 0;
}

static int ulimits_json(const struct run_args *a, json_t *o, struct err *e)
{
	json_t *list = json_array();

	json_object_set_new(o, "Ulimits", list);
	for (size_t i = 0; i < a->ulimits.n; i++) {
		struct spec_rlimit r;

		if (run_parse_ulimit(a->ulimits.v[i], &r, e) < 0)
			return -1;
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "Name", r.name, "Soft", (json_int_t)r.soft, "Hard",
						      (json_int_t)r.hard));	/* unlimited: -1 */
	}
	return 0;
}

/* A profile's text goes into the record: its file need not be there at the next start. */
static int security_json(const struct run_args *a, json_t *o, struct err *e)
{
	json_t *list = json_array();

	json_object_set_new(o, "SecurityOpt", list);
	for (size_t i = 0; i < a->security.n; i++) {
		const char *s = a->security.v[i];
		bool seccomp = strncmp(s, "seccomp=", 8) == 0 || strncmp(s, "seccomp:", 8) == 0;
		auto_buf struct buf b = { 0 };
		auto_free char *text = NULL;

		if (seccomp && strcmp(s + 8, "unconfined") != 0) {
			if (fs_read(AT_FDCWD, s + 8, PROFILE_MAX, &b, e) < 0)
				return err_wrap(e, "opening seccomp profile (%s) failed", s + 8);
			text = xasprintf("seccomp=%s", b.p ? b.p : "");
		}
		json_array_append_new(list, jsontext(text ? text : s));
	}
	return 0;
}

static int restart_json(const struct run_args *a, json_t *o, struct err *e)
{
	struct restart_policy p = { 0 };

	if (a->restart && restart_parse(a->restart, &p, e) < 0)
		return -1;
	if (a->rm && p.when != RESTART_NO)
		return err_set(e, ERR_USAGE, "conflicting options: cannot specify both --restart and --rm");
	json_object_set_new(o, "RestartPolicy", json_pack("{s:s, s:i}", "Name", restart_name(p.when), "MaximumRetryCount",
							  (int)p.max));
	return 0;
}

static int log_json(const struct run_args *a, json_t *o, struct err *e)
{
	struct logfile_options opt;
	json_t *log = json_pack("{s:s, s:o}", "Type", a->log_driver ? a->log_driver : "json-file", "Config",
				pairs_json(&a->log_opts));

	json_object_set_new(o, "LogConfig", log);
	return logfile_options(log, &opt, e);
}

static json_t *tmpfs_json(const struct strv *l)
{
	json_t *o = json_object();

	for (size_t i = 0; i < l->n; i++) {
		struct str options = str_of(l->v[i]), dst = str_cut(&options, ':');
		auto_free char *key = str_dup(dst);

		json_object_set_new(o, key, jsontext(options.p ? options.p : ""));
	}
	return o;
}

static int host_json(const struct run_args *a, const char *network, json_t *record, struct err *e)
{
	json_t *o = json_pack("{s:s, s:b, s:b, s:b, s:s, s:b}", "ContainerIDFile", a->cidfile ? a->cidfile : "", "AutoRemove",
			      a->rm, "Privileged", a->privileged, "ReadonlyRootfs", a->read_only, "NetworkMode", network,
			      "Init", a->init);

	json_object_set_new(record, "HostConfig", o);
	json_object_set_new(o, "Binds", jsontext_list(&a->volumes, 0));
	json_object_set_new(o, "Tmpfs", tmpfs_json(&a->tmpfs));
	json_object_set_new(o, "CapAdd", jsontext_list(&a->cap_add, 0));
	json_object_set_new(o, "CapDrop", jsontext_list(&a->cap_drop, 0));
	json_object_set_new(o, "GroupAdd", jsontext_list(&a->groups, 0));
	json_object_set_new(o, "ExtraHosts", jsontext_list(&a->add_hosts, 0));
	json_object_set_new(o, "Dns", jsontext_list(&a->dns, 0));
	json_object_set_new(o, "DnsSearch", jsontext_list(&a->dns_search, 0));
	json_object_set_new(o, "DnsOptions", jsontext_list(&a->dns_options, 0));
	if (run_device_record(a, o, e) < 0 || limits_json(a, o, e) < 0 || run_limits_json(&a->limits, o, e) < 0 ||
	    ulimits_json(a, o, e) < 0 || security_json(a, o, e) < 0 || restart_json(a, o, e) < 0)
		return -1;
	return log_json(a, o, e);
}

/* ---- the whole ---- */

int run_record_make(const struct run_args *a, const struct image *img, json_t *mounts, const char *network, const char *id,
		    json_t **ret, struct err *e)
{
	char created[CLOCK_TEXT_MAX], image_id[DIGEST_TEXT_MAX];
	json_t *o = json_pack("{s:s, s:s}", "Created", clock_rfc3339(clock_now_ns(), created), "Image",
			      digest_text(&img->row.config, image_id));

	json_object_set_new(o, "Mounts", mounts);
	if (config_json_make(a, img, network, id, o, e) < 0 || host_json(a, network, o, e) < 0) {
		json_decref(o);
		return -1;
	}
	*ret = o;
	return 0;
}
