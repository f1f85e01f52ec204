/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments to spec: Docker's rules of precedence and its words for what is wrong. */
#include "engine/run_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "base/fs.h"
#include "builder/users.h"
#include "engine/run_mount.h"
#include "parser/dotenv.h"
#include "runtime/sandbox/caps.h"
#include "runtime/sandbox/userns.h"

#define PROFILE_MAX ((size_t)4 << 20)	/* bytes of a seccomp profile */
#define ENV_FILE_MAX ((size_t)16 << 20)

static void env_unset(struct strv *l, const char *key)
{
	size_t n = strlen(key), kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (strncmp(l->v[i], key, n) == 0 && (l->v[i][n] == '=' || l->v[i][n] == '\0'))
			free(l->v[i]);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
	if (l->v)
		l->v[kept] = NULL;
}

int run_parse_env(const char *text, struct strv *env, struct err *e)
{
	struct str value = str_of(text), k = str_cut(&value, '=');
	auto_free char *key = str_dup(k);
	const char *v = value.p ? value.p : getenv(key);

	if (k.n == 0)
		return err_set(e, ERR_USAGE, "invalid environment variable: %s", text);
	env_unset(env, key);
	if (v)
		strv_env_set(env, key, v);
	else
		strv_add(env, key);	/* unset here: it shall not be there either */
	return 0;
}

static const char *host_env(void *arg UNUSED, const char *name)
{
	return getenv(name);
}

int run_read_env(const struct strv *files, const struct strv *env, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < files->n; i++) {
		auto_strv struct strv lines = { 0 };
		auto_buf struct buf b = { 0 };

		if (fs_read(AT_FDCWD, files->v[i], ENV_FILE_MAX, &b, e) < 0)
			return -1;
		if (dotenv_parse(files->v[i], buf_view(&b), host_env, NULL, &lines, e) < 0)
			return -1;
		for (size_t k = 0; k < lines.n; k++)
			if (run_parse_env(lines.v[k], ret, e) < 0)
				return -1;
	}
	for (size_t i = 0; i < env->n; i++)
		if (run_parse_env(env->v[i], ret, e) < 0)
			return -1;
	return 0;
}

void run_env_merge(struct strv *env, const struct strv *more)
{
	for (size_t i = 0; i < more->n; i++) {
		struct str value = str_of(more->v[i]), k = str_cut(&value, '=');
		auto_free char *key = str_dup(k);

		if (value.p)
			strv_env_set(env, key, value.p);
		else
			env_unset(env, key);
	}
}

/* Docker's order: PATH, HOSTNAME, TERM; the image's; the user's. HOME comes last, with the user (run_spec_user). */
static void set_env(struct run_spec *r, const struct run_args *a, const struct config *image)
{
	struct strv *env = &r->sp.env;
	auto_strv struct strv from_image = { 0 };

	strv_env_set(env, "PATH", SPEC_PATH);
	strv_env_set(env, "HOSTNAME", r->host_name);
	if (a->tty)
		strv_env_set(env, "TERM", "xterm");
	config_list(image, CONFIG_ENV, &from_image);
	run_env_merge(env, &from_image);
	run_env_merge(env, &r->env);
}

static int set_argv(struct run_spec *r, const struct run_args *a, const struct config *image, struct err *e)
{
	struct strv *argv = &r->sp.argv;

	if (a->entrypoint && *a->entrypoint)
		strv_add(argv, a->entrypoint);
	else if (!a->entrypoint)
		config_list(image, CONFIG_ENTRYPOINT, argv);
	if (a->command.n)
		strv_copy(argv, &a->command);
	else if (!a->entrypoint)
		config_list(image, CONFIG_CMD, argv);
	if (argv->n == 0) {
		err_set(e, ERR_USAGE, "no command specified");
		return err_hint(e, "the image has neither ENTRYPOINT nor CMD: say after its name what to run");
	}
	return 0;
}

static int set_names(struct run_spec *r, const struct run_args *a, const char *short_id, struct err *e)
{
	char own[65] = "";

	if (a->hostname)
		r->host_name = xstrdup(a->hostname);
	else if (a->network && strcmp(a->network, "host") == 0 && gethostname(own, sizeof(own) - 1) == 0 && *own)
		r->host_name = xstrdup(own);
	else
		r->host_name = xstrdup(short_id);
	if (!*r->host_name || strlen(r->host_name) > 64 || strpbrk(r->host_name, " \t\n/"))
		return err_set(e, ERR_USAGE, "invalid hostname \"%s\"", r->host_name);
	r->sp.hostname = r->host_name;
	r->sp.domainname = a->domainname;
	return 0;
}

static int set_cwd(struct run_spec *r, const struct run_args *a, const struct config *image, struct err *e)
{
	const char *cwd = a->workdir ? a->workdir : config_str(image, CONFIG_WORKDIR);

	if (*cwd && *cwd != '/')
		return err_set(e, ERR_USAGE, "the working directory '%s' is invalid, it needs to be an absolute path", cwd);
	r->cwd = str_path_clean(cwd);
	r->sp.cwd = r->cwd;
	r->sp.mkdir_cwd = true;
	return 0;
}

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

static int set_limits(struct run_spec *r, const struct run_args *a, struct err *e)
{
	struct cgroup_limits *l = &r->sp.limits;
	uint64_t swap;

	l->memory = a->memory;
	l->pids = a->pids > 0 ? a->pids : 0;
	l->cpuset = a->cpuset;
	if (a->cpus && run_parse_cpus(a->cpus, &l->nano_cpus, e) < 0)
		return -1;
	if (l->nano_cpus > (int64_t)cpu_count() * 1000000000)
		return err_set(e, ERR_USAGE, "range of CPUs is from 0.01 to %zu.00, as there are only %zu CPUs available",
			       cpu_count(), cpu_count());
	if (a->memory_swap && strcmp(a->memory_swap, "-1") == 0)
		l->memory_swap = -1;
	else if (a->memory_swap && !str_to_bytes(str_of(a->memory_swap), &swap))
		return err_set(e, ERR_USAGE, "--memory-swap takes a size such as 64m, or -1, not \"%s\"", a->memory_swap);
	else if (a->memory_swap)
		l->memory_swap = (int64_t)MIN(swap, (uint64_t)INT64_MAX);
	return cgroup_check(l, e);
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

static int set_ulimits(struct run_spec *r, const struct run_args *a, struct err *e)
{
	r->rlimits = xcalloc(a->ulimits.n + 1, sizeof(*r->rlimits));
	for (size_t i = 0; i < a->ulimits.n; i++)
		if (run_parse_ulimit(a->ulimits.v[i], &r->rlimits[i], e) < 0)
			return -1;
	r->sp.rlimits = r->rlimits;
	r->sp.nrlimits = a->ulimits.n;
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

static int set_seccomp(struct run_spec *r, const char *value, struct err *e)
{
	if (strcmp(value, "unconfined") == 0) {
		r->sp.seccomp_off = true;
		r->sp.seccomp_profile = NULL;
		return 0;
	}
	buf_reset(&r->profile);
	if (fs_read(AT_FDCWD, value, PROFILE_MAX, &r->profile, e) < 0)
		return err_wrap(e, "opening seccomp profile (%s) failed", value);
	r->sp.seccomp_off = false;
	r->sp.seccomp_profile = r->profile.p;
	return 0;
}

/* What no security module enforces here may be switched off, not on. */
static int set_label(const char *opt, struct err *e)
{
	static const char *const off[] = { "apparmor=unconfined", "label=disable", "apparmor:unconfined", "label:disable" };

	for (size_t i = 0; i < countof(off); i++)
		if (strcmp(opt, off[i]) == 0)
			return 0;
	err_set(e, ERR_USAGE, "--security-opt %s: labels and profiles of security modules cannot be set yet", opt);
	return err_hint(e, "leave the option out: the sandbox does not depend on a security module");
}

static int set_security(struct run_spec *r, const struct run_args *a, struct err *e)
{
	r->sp.privileged = a->privileged;
	r->sp.seccomp_off = a->privileged;
	for (size_t i = 0; i < a->security.n; i++) {
		const char *o = a->security.v[i];

		if (is_switch(o, "no-new-privileges", &r->sp.no_new_privs))
			continue;
		if (strncmp(o, "seccomp=", 8) == 0 || strncmp(o, "seccomp:", 8) == 0) {
			if (set_seccomp(r, o + 8, e) < 0)
				return -1;
		} else if (strcmp(o, "systempaths=unconfined") == 0) {
			r->sp.unmask = true;
		} else if (strncmp(o, "apparmor", 8) == 0 || strncmp(o, "label", 5) == 0) {
			if (set_label(o, e) < 0)
				return -1;
		} else {
			return err_set(e, ERR_USAGE, "invalid --security-opt: \"%s\"", o);
		}
	}
	return caps_parse(&a->cap_add, &a->cap_drop, a->privileged ? caps_host() : caps_default, caps_host(),
			  &r->sp.caps, e);
}

int run_spec_make(struct run_spec *r, const struct run_args *a, const struct config *image, const char *short_id,
		  struct err *e)
{
	spec_init(&r->sp);
	r->sp.readonly_root = a->read_only;
	r->sp.init = a->init;
	r->sp.keep_stubs = true;
	if (a->shm_size)
		r->sp.shm_size = a->shm_size;
	if (run_read_env(&a->env_files, &a->env, &r->env, e) < 0 || set_names(r, a, short_id, e) < 0 ||
	    set_argv(r, a, image, e) < 0 || set_cwd(r, a, image, e) < 0 || set_limits(r, a, e) < 0 ||
	    set_ulimits(r, a, e) < 0 || set_security(r, a, e) < 0)
		return -1;
	set_env(r, a, image);
	strv_copy(&r->groups, &a->groups);
	return 0;
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

	if (users_lookup(root, user, &r->user, e) < 0 || users_check(r->user.uid, r->user.gid, e) < 0)
		return -1;
	n = users_gids(&r->user, r->groups.n, &r->gids);
	for (size_t i = 0; i < r->groups.n; i++)
		if (users_group(root, r->groups.v[i], &r->gids[n++], e) < 0)
			return -1;
	if (check_groups(r, e) < 0)
		return -1;
	r->sp.uid = r->user.uid;
	r->sp.gid = r->user.gid;
	r->sp.groups = r->gids;
	r->sp.ngroups = n;
	if (!strv_env_get(&r->sp.env, "HOME"))
		strv_env_set(&r->sp.env, "HOME", r->user.home);
	return 0;
}

void run_spec_done(struct run_spec *r)
{
	spec_done(&r->sp);
	strv_done(&r->env);
	strv_done(&r->groups);
	passwd_user_done(&r->user);
	buf_done(&r->profile);
	free(r->cwd);
	free(r->host_name);
	free(r->gids);
	free(r->rlimits);
}
