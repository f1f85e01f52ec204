/* SPDX-License-Identifier: Apache-2.0 */
/* RUN --mount: keys in the order written, since type gates others (spec/dockerfile.md 1.6). */
#include <strings.h>

#include "parser/flags.h"
#include "parser/words.h"

static const char *const type_names[] = { "bind", "cache", "tmpfs", "secret", "ssh", NULL };
static const char *const sharing_names[] = { "shared", "private", "locked", NULL };

enum key {
	K_TYPE, K_FROM, K_SOURCE, K_TARGET, K_RO, K_RW, K_REQUIRED, K_SIZE, K_ID, K_SHARING, K_MODE,
	K_UID, K_GID, K_ENV,
};

static const struct { const char *name; enum key key; } keys[] = {
	{ "type", K_TYPE }, { "from", K_FROM }, { "source", K_SOURCE }, { "src", K_SOURCE },
	{ "target", K_TARGET }, { "dst", K_TARGET }, { "destination", K_TARGET },
	{ "readonly", K_RO },
	{ "ro", K_RO }, { "readwrite", K_RW }, { "rw", K_RW }, { "required", K_REQUIRED },
	{ "size", K_SIZE },
	{ "id", K_ID }, { "sharing", K_SHARING }, { "mode", K_MODE }, { "uid", K_UID },
	{ "gid", K_GID },
	{ "env", K_ENV },
};

struct mount_reader {
	struct run_mount m;
	bool ro_given, sharing_given;
	struct str key, field;	/* being read */
};

const char *mount_type_name(enum mount_type t)
{
	return type_names[t];
}

const char *mount_sharing_name(enum mount_sharing s)
{
	return sharing_names[s];
}

static int unexpected(struct mount_reader *r, struct err *e)
{
	return err_set(e, ERR_USAGE, "unexpected key '" STR_FMT "' for mount type '%s'",
		       STR_ARG(r->key),
		       type_names[r->m.type]);
}

static int invalid(struct mount_reader *r, const char *value, struct err *e)
{
	return err_set(e, ERR_USAGE, "invalid value for " STR_FMT ": %s", STR_ARG(r->key), value);
}

static int did_you_mean(struct err *e, const char *guess)
{
	return guess ? err_set(e, ERR_USAGE, "%s (did you mean %s?)", err_text(e), guess) : -1;
}

static int find_name(const char *what, const char *const *names, const char *value, struct err *e)
{
	for (int i = 0; names[i]; i++)
		if (strcasecmp(names[i], value) == 0)
			return i;
	err_set(e, ERR_USAGE, "unsupported %s \"%s\"", what, value);
	return did_you_mean(e, str_nearest(str_of(value), names));
}

static int find_key(struct mount_reader *r, enum key *ret, struct err *e)
{
	const char *names[countof(keys) + 1] = { NULL };

	for (size_t i = 0; i < countof(keys); i++) {
		names[i] = keys[i].name;
		if (str_is_nocase(r->key, names[i])) {
			*ret = keys[i].key;
			return 0;
		}
	}
	err_set(e, ERR_USAGE, "unexpected key '" STR_FMT "' in '" STR_FMT "'", STR_ARG(r->key),
		STR_ARG(r->field));
	return did_you_mean(e, str_nearest(r->key, names));
}

static bool number(const char *value, unsigned base, uint64_t max, uint64_t *ret)
{
	return str_to_u64(str_of(value), base, ret) && *ret <= max;
}

/* The keys whose value is a boolean; they may stand without one. */
static int take_switch(struct mount_reader *r, enum key key, const char *value, struct err *e)
{
	bool on = true;

	if (key == K_REQUIRED && r->m.type != MOUNT_SECRET && r->m.type != MOUNT_SSH)
		return unexpected(r, e);
	if (value && !bool_parse(str_of(value), &on))
		return invalid(r, value, e);
	if (key == K_REQUIRED) {
		r->m.required = on;
	} else {
		r->m.readonly = key == K_RO ? on : !on;
		r->ro_given = true;
	}
	return 0;
}

static int take_number(struct mount_reader *r, enum key key, const char *value, struct err *e)
{
	uint64_t v;

	if (key == K_SIZE) {
		if (r->m.type != MOUNT_TMPFS)
			return unexpected(r, e);
		return str_to_bytes(str_of(value), &r->m.size) ? 0 : invalid(r, value, e);
	}
	if (!number(value, key == K_MODE ? 8 : 10, key == K_MODE ? 07777 : UINT32_MAX - 1, &v))
		return err_set(e, ERR_USAGE, "invalid value %s for " STR_FMT, value,
			       STR_ARG(r->key));
	if (key == K_MODE)
		r->m.mode = (mode_t)v, r->m.has_mode = true;
	else if (key == K_UID)
		r->m.uid = (uid_t)v, r->m.has_uid = true;
	else
		r->m.gid = (gid_t)v, r->m.has_gid = true;
	return 0;
}

static int take_value(struct mount_reader *r, enum key key, const char *value, struct err *e)
{
	int i;

	switch (key) {
	case K_TYPE:
		i = find_name("mount type", type_names, value, e);
		r->m.type = i >= 0 ? (enum mount_type)i : MOUNT_BIND;
		return MIN(i, 0);
	case K_SHARING:
		i = find_name("sharing value", sharing_names, value, e);
		r->m.sharing = i >= 0 ? (enum mount_sharing)i : SHARING_SHARED;
		r->sharing_given = true;
		return MIN(i, 0);
	case K_FROM:   r->m.from = value; return 0;
	case K_SOURCE: r->m.source = value; return 0;
	case K_TARGET: r->m.target = value; return 0;
	case K_ID:     r->m.id = value; return 0;
	case K_ENV:    r->m.env = value; r->m.has_env = true; return 0;
	case K_RO: case K_RW: case K_REQUIRED: return take_switch(r, key, value, e);
	case K_SIZE: case K_MODE: case K_UID: case K_GID: return take_number(r, key, value, e);
	}
	return 0;
}

static int take_field(struct mount_reader *r, value_expand expand, void *arg, struct arena *a,
		      struct err *e)
{
	struct str value = r->field;
	const char *text;
	ptrdiff_t dollar;
	enum key key = K_TYPE;

	r->key = str_cut(&value, '=');
	if (find_key(r, &key, e) < 0)
		return -1;
	if (!value.p) {
		if (key == K_RO || key == K_RW || key == K_REQUIRED)
			return take_switch(r, key, NULL, e);
		return err_set(e, ERR_USAGE, "invalid field '" STR_FMT "' must be a key=value pair",
			       STR_ARG(r->field));
	}
	dollar = str_find(value, '$');
	if (key == K_FROM && dollar >= 0 && (size_t)dollar + 1 < value.n)
		return err_set(e, ERR_USAGE,
			       "'from' doesn't support variable expansion, define alias stage instead");
	if (!expand)
		text = arena_strndup(a, value.p, value.n);
	else if (expand(arg, value, a, &text, e) < 0)
		return -1;
	return take_value(r, key, text, e);
}

static int check_secret(const struct run_mount *m, struct err *e)
{
	if (*m->from)
		return err_set(e, ERR_USAGE, "secret mount should not have a from");
	if (!*m->source && !*m->target && !*m->id)
		return err_set(e, ERR_USAGE,
			       "invalid secret mount. one of source, target required");
	if (*m->source && *m->id)
		return err_set(e, ERR_USAGE, "both source and id can't be set");
	return 0;
}

static int check_mount(struct mount_reader *r, struct err *e)
{
	struct run_mount *m = &r->m;
	bool owner = m->type != MOUNT_BIND && m->type != MOUNT_TMPFS;

	if (!owner && (m->has_mode || m->has_uid || m->has_gid))
		return err_set(e, ERR_USAGE, "%s not allowed for \"%s\" type mounts",
			       m->has_mode ? "mode" : m->has_uid ? "uid" : "gid",
				       type_names[m->type]);
	if (m->has_env && m->type != MOUNT_SECRET)
		return err_set(e, ERR_USAGE, "env not allowed for \"%s\" type mounts",
			       type_names[m->type]);
	if (r->sharing_given && m->type != MOUNT_CACHE)
		return err_set(e, ERR_USAGE, "invalid cache sharing set for %s mount",
			       type_names[m->type]);
	if (m->type == MOUNT_TMPFS && !*m->target)
		return err_set(e, ERR_USAGE, "invalid tmpfs mount. target required");
	if (m->type == MOUNT_SSH && *m->source)
		return err_set(e, ERR_USAGE, "ssh does not support source");
	if (m->type == MOUNT_SECRET && check_secret(m, e) < 0)
		return -1;
	if (!r->ro_given)
		m->readonly = m->type == MOUNT_BIND;
	return 0;
}

int mount_parse(struct str text, value_expand expand, void *arg, struct arena *a,
		struct run_mount *ret,
		struct err *e)
{
	struct mount_reader r = { .m = { .from = "", .source = "", .target = "", .id = "",
					 .env = "" } };
	auto_words struct strs fields = { 0 };

	if (!words_csv(text, a, &fields))
		return err_set(e, ERR_USAGE, "--mount: a stray quote in \"" STR_FMT "\"",
			       STR_ARG(text));
	for (size_t i = 0; i < fields.n; i++) {
		r.field = fields.v[i];
		if (take_field(&r, expand, arg, a, e) < 0)
			return -1;
	}
	if (check_mount(&r, e) < 0)
		return -1;
	*ret = r.m;
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash;

	while ((slash = strchr(path, '/')) && slash[1])
		path = slash + 1;
	return path;
}

static const char *clean_join(const char *cwd, const char *path, struct arena *a)
{
	auto_buf struct buf raw = { 0 };
	auto_buf struct buf clean = { 0 };

	if (*path != '/')
		buf_printf(&raw, "/%s/", cwd);
	buf_puts(&raw, path);
	clean_path(buf_view(&raw), &clean);
	return arena_strndup(a, clean.p, clean.n);
}

int mount_target(const struct run_mount *m, const char *cwd, unsigned index, struct arena *a,
		 const char **ret,
		 struct err *e)
{
	const char *target = m->target;

	if (!*target && m->type == MOUNT_SECRET) {
		if (m->has_env) {
			*ret = "";
			return 0;
		}
		target = arena_printf(a, "/run/secrets/%s", base_name(mount_id(m, "", a)));
	} else if (!*target && m->type == MOUNT_SSH) {
		target = arena_printf(a, "/run/buildkit/ssh_agent.%u", index);
	}
	target = clean_join(cwd, target, a);
	if (strcmp(target, "/") == 0)
		return err_set(e, ERR_USAGE, "invalid mount target \"%s\"",
			       *m->target ? m->target : "/");
	*ret = target;
	return 0;
}

const char *mount_id(const struct run_mount *m, const char *target, struct arena *a)
{
	if (*m->id)
		return m->id;
	switch (m->type) {
	case MOUNT_CACHE:
		return target;
	case MOUNT_SECRET:
		return *m->source ? m->source : base_name(clean_join("/", m->target, a));
	case MOUNT_SSH:
		return "default";
	case MOUNT_BIND:
	case MOUNT_TMPFS:
		break;
	}
	return "";
}

/* A CDI name has a "=" of its own: only the first field may be one, every other is a key. */
static int device_field(struct str field, bool first, struct arena *a, struct run_device *d, struct err *e)
{
	struct str value = field, key = str_cut(&value, '=');

	if (str_is(key, "name") && value.p) {
		d->name = arena_str(a, value).p;
	} else if (str_is(key, "required")) {
		if (value.p && !str_is(value, "true") && !str_is(value, "false"))
			return err_set(e, ERR_USAGE, "--device: invalid value for required: \"" STR_FMT "\"", STR_ARG(value));
		d->required = !value.p || str_is(value, "true");
	} else if (first && field.n) {
		d->name = arena_str(a, field).p;
	} else {
		return err_set(e, ERR_USAGE, "--device: unexpected key \"" STR_FMT "\"", STR_ARG(key));
	}
	return 0;
}

int device_parse(struct str text, struct arena *a, struct run_device *ret, struct err *e)
{
	struct run_device d = { 0 };
	auto_words struct strs fields = { 0 };

	if (!words_csv(text, a, &fields))
		return err_set(e, ERR_USAGE, "--device: a stray quote in \"" STR_FMT "\"", STR_ARG(text));
	for (size_t i = 0; i < fields.n; i++)
		if (device_field(fields.v[i], i == 0, a, &d, e) < 0)
			return -1;
	if (!d.name || !*d.name)
		return err_set(e, ERR_USAGE, "--device: the name of a device is missing");
	*ret = d;
	return 0;
}
