/* SPDX-License-Identifier: Apache-2.0 */
/* --mount: Docker's comma-separated keys, and its words for what is wrong with them. */
#include "engine/run_mount.h"
#include "runtime/container/volume.h"

enum kind { K_ALL, K_BIND, K_VOLUME, K_TMPFS, K_IMAGE };

struct given {
	struct run_mount m;
	struct str type;
	struct str source;
	bool read_only, has[K_IMAGE + 1];
	bool recursive, writable, forced, create;
	char *size, *mode;
};

static bool is_true(struct str v, bool *ret)
{
	*ret = !v.p || str_is(v, "true") || str_is(v, "1");
	return *ret || str_is(v, "false") || str_is(v, "0");
}

static int bad_value(struct str key, struct str value, struct err *e)
{
	return err_set(e, ERR_USAGE, "invalid value for " STR_FMT ": " STR_FMT, STR_ARG(key), STR_ARG(value));
}

static int set_bool(struct str key, struct str value, bool *ret, struct err *e)
{
	if (is_true(value, ret))
		return 0;
	return err_set(e, ERR_USAGE, "invalid value for '" STR_FMT "': invalid boolean value (\"" STR_FMT "\"): must be one of "
		       "\"true\", \"1\", \"false\", or \"0\" (default \"true\")", STR_ARG(key), STR_ARG(value));
}

static int set_propagation(struct given *g, struct str key, struct str value, struct err *e)
{
	static const char *const words[] = { "rprivate", "rslave", "rshared" };

	for (size_t i = 0; i < countof(words); i++) {
		bool all = str_is(value, words[i]);

		if (all || str_is(value, words[i] + 1)) {
			g->m.propagation = (enum spec_propagation)i;
			g->recursive = g->recursive && all;
			return 0;
		}
	}
	return bad_value(key, value, e);
}

static int set_recursive(struct given *g, struct str key, struct str value, struct err *e)
{
	g->recursive = !str_is(value, "disabled");
	g->writable = str_is(value, "writable");
	g->forced = str_is(value, "readonly");
	if (!g->recursive || g->writable || g->forced || str_is(value, "enabled"))
		return 0;
	return err_set(e, ERR_USAGE, "invalid value for " STR_FMT ": " STR_FMT " (must be \"enabled\", \"disabled\", "
		       "\"writable\", or \"readonly\")", STR_ARG(key), STR_ARG(value));
}

static int set_bind(struct given *g, struct str key, struct str value, struct err *e)
{
	if (str_is(key, "bind-propagation"))
		return set_propagation(g, key, value, e);
	if (str_is(key, "bind-recursive"))
		return set_recursive(g, key, value, e);
	if (str_is(key, "bind-create-src"))
		return set_bool(key, value, &g->create, e);
	return set_bool(key, value, &g->m.idmap, e);
}

static int set_volume(struct given *g, struct str key, struct str value, struct err *e)
{
	if (str_is(key, "volume-nocopy"))
		return set_bool(key, value, &g->m.no_copy, e);
	if (str_is(key, "volume-label"))
		strv_add_n(&g->m.labels, value);
	else if (str_is(key, "volume-opt"))
		strv_add_n(&g->m.options, value);
	else if (str_is(key, "volume-subpath"))
		g->m.subpath = str_dup(value);
	else if (!str_is(value, "local"))
		return err_set(e, ERR_NOT_FOUND, "volume driver " STR_FMT " not found: there is only local", STR_ARG(value));
	return 0;
}

static int set_tmpfs(struct given *g, struct str key, struct str value, struct err *e)
{
	uint64_t n;

	if (str_is(key, "tmpfs-size") ? !str_to_bytes(value, &n) : !str_to_u64(value, 8, &n))
		return bad_value(key, value, e);
	if (str_is(key, "tmpfs-size"))
		g->size = xasprintf("size=%llu", (unsigned long long)n);
	else
		g->mode = xasprintf("mode=%llo", (unsigned long long)n);
	return 0;
}

static int set_any(struct given *g, struct str key, struct str value, struct err *e)
{
	if (str_is(key, "type"))
		g->type = value;
	else if (str_is(key, "source") || str_is(key, "src"))
		g->source = value;
	else if (str_is(key, "target") || str_is(key, "dst") || str_is(key, "destination"))
		g->m.dst = str_dup(value);
	else if (str_is(key, "readonly") || str_is(key, "ro"))
		return set_bool(key, value, &g->read_only, e);
	return 0;	/* consistency: a hint for other systems */
}

static const struct key {
	const char *name;
	enum kind kind;
	bool bare;		/* may stand without a value */
	int (*set)(struct given *g, struct str key, struct str value, struct err *e);
} keys[] = {
	{ "type", K_ALL, false, set_any }, { "source", K_ALL, false, set_any }, { "src", K_ALL, false, set_any },
	{ "target", K_ALL, false, set_any }, { "dst", K_ALL, false, set_any }, { "destination", K_ALL, false, set_any },
	{ "readonly", K_ALL, true, set_any }, { "ro", K_ALL, true, set_any }, { "consistency", K_ALL, false, set_any },
	{ "bind-propagation", K_BIND, false, set_bind }, { "bind-recursive", K_BIND, false, set_bind },
	{ "bind-create-src", K_BIND, true, set_bind }, { "bind-idmap", K_BIND, true, set_bind },
	{ "volume-nocopy", K_VOLUME, true, set_volume }, { "volume-label", K_VOLUME, false, set_volume },
	{ "volume-opt", K_VOLUME, false, set_volume }, { "volume-subpath", K_VOLUME, false, set_volume },
	{ "volume-driver", K_VOLUME, false, set_volume },
	{ "tmpfs-size", K_TMPFS, false, set_tmpfs }, { "tmpfs-mode", K_TMPFS, false, set_tmpfs },
};

static int check_blanks(struct str field, struct str key, struct str value, struct err *e)
{
	if (str_trim(key).n != key.n)
		return err_set(e, ERR_USAGE, "invalid option '" STR_FMT "' in '" STR_FMT "': option should not have whitespace",
			       STR_ARG(key), STR_ARG(field));
	if (value.p && str_trim(value).n == 0)
		return err_set(e, ERR_USAGE, "invalid value for '" STR_FMT "': value is empty", STR_ARG(key));
	if (value.p && str_trim(value).n != value.n)
		return err_set(e, ERR_USAGE, "invalid value for '" STR_FMT "' in '" STR_FMT "': value should not have whitespace",
			       STR_ARG(key), STR_ARG(field));
	return 0;
}

static int set_field(struct given *g, struct str field, struct err *e)
{
	struct str value = field, key = str_cut(&value, '=');

	if (check_blanks(field, key, value, e) < 0)
		return -1;
	if (str_is_nocase(key, "bind-nonrecursive"))
		return err_set(e, ERR_USAGE, "bind-nonrecursive is deprecated, use bind-recursive=disabled instead");
	for (size_t i = 0; i < countof(keys); i++) {
		struct str name = str_of(keys[i].name);

		if (!str_is_nocase(key, keys[i].name))
			continue;
		if (!value.p && !keys[i].bare)
			return err_set(e, ERR_USAGE, "invalid field '" STR_FMT "' must be a key=value pair", STR_ARG(field));
		g->has[keys[i].kind] = true;
		return keys[i].set(g, name, value, e);
	}
	return err_set(e, ERR_USAGE, "unknown option '" STR_FMT "' in '" STR_FMT "'", STR_ARG(key), STR_ARG(field));
}

/* One field of a line of CSV: "a=1" may be written with quotes, for commas in it. */
static char *cut_field(struct str *rest)
{
	auto_buf struct buf b = { 0 };

	if (!str_starts(*rest, "\"")) {
		struct str f = str_cut(rest, ',');

		return str_dup(f);
	}
	for (*rest = str_sub(*rest, 1, rest->n); rest->n; *rest = str_sub(*rest, 1, rest->n)) {
		bool quote = rest->p[0] == '"';

		if (quote && (rest->n < 2 || rest->p[1] != '"'))
			break;
		buf_putc(&b, rest->p[0]);
		if (quote)
			*rest = str_sub(*rest, 1, rest->n);
	}
	(void)str_cut(rest, ',');
	return buf_take(&b);
}

static int check_prefixes(const struct given *g, enum kind kind, struct err *e)
{
	static const char *const prefix[] = { "", "bind", "volume", "tmpfs" };

	for (int k = K_BIND; k <= K_TMPFS; k++)
		if (g->has[k] && k != (int)kind)
			return err_set(e, ERR_USAGE, "cannot mix '%s-*' options with mount type '" STR_FMT "'", prefix[k],
				       STR_ARG(g->type));
	return 0;
}

static int complete_bind(struct given *g, const char *cwd, struct err *e)
{
	bool relative = str_is(g->source, ".") || str_starts(g->source, "./") || str_starts(g->source, "../");
	auto_free char *text = str_dup(g->source);
	auto_free char *full = relative ? xasprintf("%s/%s", cwd, text) : NULL;

	if (!g->source.n)
		return err_set(e, ERR_USAGE, "invalid mount config for type \"bind\": field Source must not be empty");
	if (!relative && *text != '/')
		return err_set(e, ERR_USAGE, "invalid mount config for type \"bind\": invalid mount path: '%s' mount path must be "
			       "absolute", text);
	if (g->forced && !g->read_only)
		return err_set(e, ERR_USAGE, "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
	if (g->forced && g->m.propagation != SPEC_PRIVATE)
		return err_set(e, ERR_USAGE, "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be "
			       "specified in conjunction");
	if (g->writable && !g->read_only)
		return err_set(e, ERR_USAGE, "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
	g->m.type = RUN_MOUNT_BIND;
	g->m.src = str_path_clean(full ? full : text);
	g->m.strict = !g->create;
	g->m.flags = (g->recursive ? SPEC_REC : 0) | (!g->read_only ? 0 : g->writable ? SPEC_RO_TOP : SPEC_RO);
	return 0;
}

static int complete_volume(struct given *g, struct err *e)
{
	const char *sub = g->m.subpath;

	g->m.type = RUN_MOUNT_VOLUME;
	g->m.src = g->source.n ? str_dup(g->source) : NULL;
	g->m.anonymous = !g->m.src;
	g->m.flags = g->read_only ? SPEC_RO : 0;
	if (g->m.src && !volume_name_ok(g->m.src))
		return err_set(e, ERR_USAGE, "invalid mount config for type \"volume\": invalid volume name \"%s\"", g->m.src);
	if (sub && (*sub == '/' || strcmp(sub, "..") == 0 || strncmp(sub, "../", 3) == 0))
		return err_set(e, ERR_USAGE, "invalid mount config for type \"volume\": subpath must be a relative path within "
			       "the volume");
	return 0;
}

static int complete_tmpfs(struct given *g, struct err *e)
{
	if (g->source.n)
		return err_set(e, ERR_USAGE, "invalid mount config for type \"tmpfs\": field Source must not be specified");
	g->m.type = RUN_MOUNT_TMPFS;
	g->m.flags = SPEC_NOSUID | SPEC_NODEV | SPEC_NOEXEC | (g->read_only ? SPEC_RO : 0);
	if (g->size || g->mode)
		g->m.data = xasprintf("%s%s%s", g->size ? g->size : "", g->size && g->mode ? "," : "", g->mode ? g->mode : "");
	return 0;
}

static int complete(struct given *g, const char *cwd, struct err *e)
{
	bool bind = str_is_nocase(g->type, "bind"), volume = str_is_nocase(g->type, "volume");
	auto_free char *dst = g->m.dst;

	g->m.dst = NULL;
	if (!bind && !volume && !str_is_nocase(g->type, "tmpfs"))
		return err_set(e, ERR_USAGE, "mount type \"" STR_FMT "\" unknown: there are bind, volume and tmpfs",
			       STR_ARG(g->type));
	if (!dst)
		return err_set(e, ERR_USAGE, "target is required");
	if (check_prefixes(g, bind ? K_BIND : volume ? K_VOLUME : K_TMPFS, e) < 0)
		return -1;
	if (*dst != '/')
		return err_set(e, ERR_USAGE, "invalid mount config for type \"" STR_FMT "\": invalid mount path: '%s' mount path "
			       "must be absolute", STR_ARG(g->type), dst);
	g->m.dst = str_path_clean(dst);
	if (strcmp(g->m.dst, "/") == 0)
		return err_set(e, ERR_USAGE, "invalid mount config for type \"" STR_FMT "\": invalid specification: destination "
			       "can't be '/'", STR_ARG(g->type));
	return bind ? complete_bind(g, cwd, e) : volume ? complete_volume(g, e) : complete_tmpfs(g, e);
}

int run_mounts_mount(struct run_mounts *l, const char *text, const char *cwd, struct err *e)
{
	struct given g = { .type = STR_LIT("volume"), .recursive = true };
	struct strv fields = { 0 };
	struct str rest = str_of(text);
	int r = *text ? 0 : err_set(e, ERR_USAGE, "value is empty");

	while (rest.p && rest.n)
		strv_take(&fields, cut_field(&rest));
	for (size_t i = 0; i < fields.n && r == 0; i++)
		r = set_field(&g, str_of(fields.v[i]), e);
	if (r == 0)
		r = complete(&g, cwd, e);
	g.m.mode = xstrdup("");
	free(g.size);
	free(g.mode);
	if (r == 0)
		r = run_mounts_add(l, &g.m, e);
	else
		run_mounts_done(&(struct run_mounts){ .v = memcpy(xmalloc(sizeof(g.m)), &g.m, sizeof(g.m)), .n = 1 });
	strv_done(&fields);
	return r < 0 ? err_wrap(e, "invalid argument \"%s\" for \"--mount\" flag", text) : 0;
}
