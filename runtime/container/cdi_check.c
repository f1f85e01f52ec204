/* SPDX-License-Identifier: Apache-2.0 */
/* Is a CDI file sound? Tables of the objects' fields, and the version each needs (SPEC.md "Version history"). */
#include <stdio.h>

#include "runtime/container/cdi.h"
#include "runtime/container/cdi_fields.h"

enum { V03, V04, V05, V06, V07, V08, V10, V11 };

static const char *const versions[] = { "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0" };

struct check {
	int needs;		/* the newest version that a field in use asks for */
	struct err *e;
};

struct field {
	const char *name;
	int since;
	bool must;		/* present, and not "" */
	/* checks the value; NULL: any */
	int (*check)(struct check *c, const char *where, const json_t *v);
};

static int need(struct check *c, int version)
{
	c->needs = MAX(c->needs, version);
	return 0;
}

static int check_text(struct check *c, const char *where, const json_t *v)
{
	return json_is_string(v) ? 0 : err_set(c->e, ERR_USAGE, "%s: not a text", where);
}

static int check_number(struct check *c, const char *where, const json_t *v)
{
	if (!json_is_integer(v) || json_integer_value(v) < -1 || json_integer_value(v) > UINT32_MAX)
		return err_set(c->e, ERR_USAGE, "%s: not a number in range", where);
	return 0;
}

static int check_bool(struct check *c, const char *where, const json_t *v)
{
	return json_is_boolean(v) ? 0 : err_set(c->e, ERR_USAGE, "%s: not true or false", where);
}

static int check_texts(struct check *c, const char *where, const json_t *v)
{
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return err_set(c->e, ERR_USAGE, "%s: not a list of texts", where);
	return json_is_array(v) || json_is_null(v) ? 0 : err_set(c->e, ERR_USAGE, "%s: not a list", where);
}

/* "K=V" each, with a name. */
static int check_env(struct check *c, const char *where, const json_t *v)
{
	if (check_texts(c, where, v) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *s = json_string_value(json_array_get(v, i)), *eq = strchr(s, '=');

		if (!eq || eq == s)
			return err_set(c->e, ERR_USAGE, "%s: invalid environment variable \"%s\"", where, s);
	}
	return 0;
}

static int check_gids(struct check *c, const char *where, const json_t *v)
{
	if (!json_is_array(v))
		return err_set(c->e, ERR_USAGE, "%s: not a list", where);
	for (size_t i = 0; i < json_array_size(v); i++)
		if (check_number(c, where, json_array_get(v, i)) < 0)
			return -1;
	return 0;
}

static int check_annotations(struct check *c, const char *where, const json_t *v)
{
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return err_set(c->e, ERR_USAGE, "%s: not an object", where);
	json_object_foreach((json_t *)v, key, value)
		if (!json_is_string(value))
			return err_set(c->e, ERR_USAGE, "%s: %s is not a text", where, key);
	return 0;
}

/* Every field known, of its type, and none missing. */
static int check_object(struct check *c, const char *where, const json_t *v, const struct field *fields, size_t n)
{
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return err_set(c->e, ERR_USAGE, "%s: not an object", where);
	json_object_foreach((json_t *)v, key, value) {
		auto_free char *at = *where ? xasprintf("%s.%s", where, key) : xstrdup(key);
		const struct field *f = NULL;

		for (size_t i = 0; i < n && !f; i++)
			f = strcmp(fields[i].name, key) == 0 ? &fields[i] : NULL;
		if (!f)
			return err_set(c->e, ERR_USAGE, "unknown field %s", at);
		need(c, f->since);
		if (f->check && f->check(c, at, value) < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *got = json_object_get(v, fields[i].name);

		if (fields[i].must && (!got || (json_is_string(got) && !*json_string_value(got))))
			return err_set(c->e, ERR_USAGE, "%s%s%s is missing", where, *where ? "." : "", fields[i].name);
	}
	return 0;
}

static int check_list(struct check *c, const char *where, const json_t *v, const struct field *fields, size_t n)
{
	if (!json_is_array(v) && !json_is_null(v))
		return err_set(c->e, ERR_USAGE, "%s: not a list", where);
	for (size_t i = 0; i < json_array_size(v); i++) {
		auto_free char *at = xasprintf("%s[%zu]", where, i);

		if (check_object(c, at, json_array_get(v, i), fields, n) < 0)
			return -1;
	}
	return 0;
}

static int check_node_type(struct check *c, const char *where, const json_t *v)
{
	const char *s = json_string_value(v);

	if (!s || (*s && (s[1] || !strchr("bcup", *s))))
		return err_set(c->e, ERR_USAGE, "%s: invalid type of a device node", where);
	return 0;
}

static int check_permissions(struct check *c, const char *where, const json_t *v)
{
	const char *s = json_string_value(v);

	if (!s || (strcmp(s, "none") != 0 && s[strspn(s, "rwm")]))
		return err_set(c->e, ERR_USAGE, "%s: invalid permissions", where);
	return 0;
}

static int check_hook_name(struct check *c, const char *where, const json_t *v)
{
	const char *s = json_string_value(v);

	for (size_t i = 0; s && i < countof(cdi_hooks); i++)
		if (strcmp(s, cdi_hooks[i].name) == 0)
			return 0;
	return err_set(c->e, ERR_USAGE, "%s: invalid hook name \"%s\"", where, s ? s : "");
}

static int check_nodes(struct check *c, const char *where, const json_t *v)
{
	static const struct field f[] = {
		{ "path", V03, true, check_text }, { "hostPath", V05, false, check_text },
		{ "type", V03, false, check_node_type }, { "major", V03, false, check_number },
		{ "minor", V03, false, check_number }, { "fileMode", V03, false, check_number },
		{ "permissions", V03, false, check_permissions }, { "uid", V03, false, check_number },
		{ "gid", V03, false, check_number },
	};

	return check_list(c, where, v, f, countof(f));
}

static int check_mounts(struct check *c, const char *where, const json_t *v)
{
	static const struct field f[] = {
		{ "hostPath", V03, true, check_text }, { "containerPath", V03, true, check_text },
		{ "options", V03, false, check_texts }, { "type", V04, false, check_text },
	};

	return check_list(c, where, v, f, countof(f));
}

static int check_hooks(struct check *c, const char *where, const json_t *v)
{
	static const struct field f[] = {
		{ "hookName", V03, true, check_hook_name }, { "path", V03, true, check_text },
		{ "args", V03, false, check_texts }, { "env", V03, false, check_env },
		{ "timeout", V03, false, check_number },
	};

	return check_list(c, where, v, f, countof(f));
}

static int check_netdevs(struct check *c, const char *where, const json_t *v)
{
	static const struct field f[] = {
		{ "hostInterfaceName", V11, true, check_text }, { "name", V11, true, check_text },
	};

	return check_list(c, where, v, f, countof(f));
}

static int check_rdt(struct check *c, const char *where, const json_t *v)
{
	static const struct field f[] = {
		{ "closID", V07, false, check_text }, { "l3CacheSchema", V07, false, check_text },
		{ "memBwSchema", V07, false, check_text }, { "enableCMT", V07, false, check_bool },
		{ "enableMBM", V07, false, check_bool }, { "schemata", V11, false, check_texts },
		{ "enableMonitoring", V11, false, check_bool },
	};

	return check_object(c, where, v, f, countof(f));
}

static int check_edits(struct check *c, const char *where, const json_t *v)
{
	static const struct field f[] = {
		{ "env", V03, false, check_env }, { "deviceNodes", V03, false, check_nodes },
		{ "mounts", V03, false, check_mounts }, { "hooks", V03, false, check_hooks },
		{ "additionalGIDs", V07, false, check_gids }, { "intelRdt", V07, false, check_rdt },
		{ "netDevices", V11, false, check_netdevs },
	};

	return check_object(c, where, v, f, countof(f));
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters and digits, within it also the characters of inner. */
static bool name_ok(struct str s, const char *inner)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && (i == 0 || i == s.n - 1 || !strchr(inner, s.p[i])))
			return false;
	return s.n > 0;
}

static bool kind_ok(struct str kind)
{
	struct str vendor = str_cut(&kind, '/');

	return kind.p && name_ok(vendor, "_-.") && name_ok(kind, "_-.") && !str_starts(vendor, "0") &&
	       (vendor.p[0] < '0' || vendor.p[0] > '9') && (kind.p[0] < '0' || kind.p[0] > '9');
}

bool cdi_is_name(const char *text)
{
	struct str name = str_of(text), kind = str_cut(&name, '=');

	return name.p && kind_ok(kind) && name_ok(name, "_-.:");
}

static int check_kind(struct check *c, const char *where UNUSED, const json_t *v)
{
	const char *kind = json_string_value(v);

	if (!kind || !kind_ok(str_of(kind)))
		return err_set(c->e, ERR_USAGE, "invalid kind \"%s\": not vendor/class", kind ? kind : "");
	return strchr(strchr(kind, '/'), '.') ? need(c, V06) : 0;
}

static int check_version(struct check *c, const char *where UNUSED, const json_t *v)
{
	const char *s = json_string_value(v);

	for (size_t i = 0; s && i < countof(versions); i++)
		if (strcmp(s + (*s == 'v'), versions[i]) == 0)
			return 0;
	return err_set(c->e, ERR_USAGE, "invalid cdiVersion \"%s\"", s ? s : "");
}

static int check_device_name(struct check *c, const char *where, const json_t *v)
{
	const char *s = json_string_value(v);

	if (!s || !name_ok(str_of(s), "_-.:"))
		return err_set(c->e, ERR_USAGE, "%s: invalid device name \"%s\"", where, s ? s : "");
	return *s >= '0' && *s <= '9' ? need(c, V05) : 0;
}

static int check_devices(struct check *c, const char *where, const json_t *v)
{
	static const struct field f[] = {
		{ "name", V03, true, check_device_name }, { "annotations", V06, false, check_annotations },
		{ "containerEdits", V03, true, check_edits },
	};

	if (check_list(c, where, v, f, countof(f)) < 0)
		return -1;
	if (!json_array_size(v))
		return err_set(c->e, ERR_USAGE, "no devices");
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *d = json_array_get(v, i), *name = json_object_get(d, "name");

		if (!json_object_size(json_object_get(d, "containerEdits")))
			return err_set(c->e, ERR_USAGE, "device %s: empty containerEdits", json_string_value(name));
		for (size_t k = 0; k < i; k++)
			if (json_equal(json_object_get(json_array_get(v, k), "name"), name))
				return err_set(c->e, ERR_USAGE, "device %s is there twice", json_string_value(name));
	}
	return 0;
}

static int version_of(const json_t *spec)
{
	const char *s = json_string_value(json_object_get(spec, "cdiVersion"));
	int i = 0;

	while (strcmp(s + (*s == 'v'), versions[i]) != 0)
		i++;
	return i;
}

int cdi_check(const json_t *spec, struct err *e)
{
	static const struct field f[] = {
		{ "cdiVersion", V03, true, check_version }, { "kind", V03, true, check_kind },
		{ "annotations", V06, false, check_annotations }, { "devices", V03, true, check_devices },
		{ "containerEdits", V03, false, check_edits },
	};
	struct check c = { .e = e };

	if (check_object(&c, "", spec, f, countof(f)) < 0)
		return -1;
	if (version_of(spec) < c.needs)
		return err_set(e, ERR_USAGE, "cdiVersion %s is too old for the fields in use: they need %s",
			       json_string_value(json_object_get(spec, "cdiVersion")), versions[c.needs]);
	return 0;
}
