/* SPDX-License-Identifier: Apache-2.0 */
/* --gpus as a device request, and a device request as names of CDI devices. */
#include <stdio.h>

#include "parser/words.h"
#include "runtime/container/cdi.h"
#include "runtime/container/gpu.h"

struct parse {
	json_t *o;
	bool count, device, driver, caps, options;
	struct err *e;
};

static json_t *list_of(struct str text)
{
	json_t *a = json_array();

	while (text.n) {
		struct str one = str_cut(&text, ',');

		json_array_append_new(a, json_stringn_nocheck(one.p, one.n));
	}
	return a;
}

static int parse_count(struct parse *p, struct str v)
{
	uint64_t n = 0;

	if (!str_is(v, "all") && !str_is(v, "-1") && (!str_to_u64(v, 10, &n) || n > INT32_MAX))
		return err_set(p->e, ERR_USAGE, "invalid count (" STR_FMT "): value must be either \"all\" or an integer",
			       STR_ARG(v));
	json_object_set_new(p->o, "Count", json_integer(str_is(v, "all") || str_is(v, "-1") ? -1 : (json_int_t)n));
	return 0;
}

static int once(struct parse *p, bool *seen, struct str key)
{
	if (*seen)
		return err_set(p->e, ERR_USAGE, "gpu request key '" STR_FMT "' can be specified only once", STR_ARG(key));
	*seen = true;
	return 0;
}

/* gpu is always among what is asked for. */
static void set_caps(struct parse *p, struct str v)
{
	json_t *caps = list_of(v), *one;
	bool gpu = false;
	size_t i;

	json_array_foreach(caps, i, one)
		gpu = gpu || strcmp(json_string_value(one), "gpu") == 0;
	if (!gpu)
		json_array_insert_new(caps, 0, json_string("gpu"));
	json_object_set_new(p->o, "Capabilities", json_pack("[o]", caps));
}

static int set_options(struct parse *p, struct str v)
{
	json_t *options = json_object_get(p->o, "Options");

	while (v.n) {
		struct str value = str_cut(&v, ','), key = str_cut(&value, '=');
		auto_free char *name = str_dup(key);

		json_object_set_new(options, name, json_stringn_nocheck(value.n ? value.p : "", value.n));
	}
	return 0;
}

static int parse_field(struct parse *p, struct str field, bool first)
{
	struct str value = field, key = str_cut(&value, '=');

	if (!value.p && first)
		return once(p, &p->count, STR_LIT("count")) < 0 ? -1 : parse_count(p, field);
	if (!value.p)
		return err_set(p->e, ERR_USAGE, "invalid field '" STR_FMT "' must be a key=value pair", STR_ARG(field));
	if (str_is(key, "count"))
		return once(p, &p->count, key) < 0 ? -1 : parse_count(p, value);
	if (str_is(key, "driver"))
		json_object_set_new(p->o, "Driver", json_stringn_nocheck(value.p, value.n));
	else if (str_is(key, "device"))
		json_object_set_new(p->o, "DeviceIDs", list_of(value));
	else if (str_is(key, "capabilities"))
		set_caps(p, value);
	else if (str_is(key, "options"))
		set_options(p, value);
	else
		return err_set(p->e, ERR_USAGE, "unexpected key '" STR_FMT "' in '" STR_FMT "'", STR_ARG(key), STR_ARG(field));
	return once(p, str_is(key, "driver") ? &p->driver : str_is(key, "device") ? &p->device :
		       str_is(key, "options") ? &p->options : &p->caps, key);
}

static int parse_fields(struct parse *p, const struct strs *fields)
{
	for (size_t i = 0; i < fields->n; i++)
		if (parse_field(p, fields->v[i], i == 0) < 0)
			return -1;
	if (p->count && p->device)
		return err_set(p->e, ERR_USAGE, "cannot set both Count and DeviceIDs on device request");
	if (!p->count && !p->device)
		json_object_set_new(p->o, "Count", json_integer(1));
	return 0;
}

int gpu_request_parse(const char *text, json_t **ret, struct err *e)
{
	auto_arena struct arena a = { 0 };
	struct strs fields = { 0 };
	struct parse p = { .e = e };

	if (!words_csv(str_of(text), &a, &fields) || !fields.n)
		return err_set(e, ERR_USAGE, "invalid --gpus \"%s\": not comma-separated values", text);
	p.o = json_pack("{ss si sn s[[s]] s{}}", "Driver", "", "Count", 0, "DeviceIDs", "Capabilities", "gpu", "Options");
	if (parse_fields(&p, &fields) < 0) {
		json_decref(p.o);
		return -1;
	}
	*ret = p.o;
	return 0;
}

/* ---- what it stands for ---- */

static const struct { const char *kind, *driver; } kinds[] = {
	{ "nvidia.com/gpu", "nvidia" }, { "amd.com/gpu", "amd" }, { "intel.com/gpu", "intel" },
};

static bool has_kind(const struct cdi *c, const char *kind)
{
	for (size_t i = 0; i < cdi_count(c); i++)
		if (strcmp(cdi_at(c, i)->kind, kind) == 0)
			return true;
	return false;
}

/* Numbers stand for a device by its index; "all" is a device of its own where the file has one. */
static void names_of_kind(const struct cdi *c, const char *kind, const json_t *request, struct strv *ret)
{
	json_int_t count = json_integer_value(json_object_get(request, "Count"));
	auto_free char *all = xasprintf("%s=all", kind);
	const json_t *ids = json_object_get(request, "DeviceIDs"), *id;
	size_t i;

	json_array_foreach(ids, i, id)
		strv_take(ret, xasprintf("%s=%s", kind, json_string_value(id)));
	if (count < 0 && cdi_find(c, all))
		strv_add(ret, all);
	for (i = 0; count < 0 && !cdi_find(c, all) && i < cdi_count(c); i++)
		if (strcmp(cdi_at(c, i)->kind, kind) == 0)
			strv_take(ret, xasprintf("%s=%s", kind, cdi_at(c, i)->name));
	for (json_int_t k = 0; k < count; k++)
		strv_take(ret, xasprintf("%s=%lld", kind, (long long)k));
}

static void caps_text(const json_t *request, struct buf *ret)
{
	const json_t *caps = json_object_get(request, "Capabilities"), *set, *one;
	size_t i, k;

	buf_putc(ret, '[');
	json_array_foreach(caps, i, set) {
		buf_puts(ret, i ? " [" : "[");
		json_array_foreach(set, k, one)
			buf_printf(ret, "%s%s", k ? " " : "", json_string_value(one));
		buf_putc(ret, ']');
	}
	buf_putc(ret, ']');
}

int gpu_request_names(const struct cdi *c, const json_t *request, struct strv *ret, struct err *e)
{
	const char *driver = json_string_value(json_object_get(request, "Driver"));
	auto_buf struct buf caps = { 0 };
	const json_t *id;
	size_t i;

	driver = driver ? driver : "";
	if (strcmp(driver, "cdi") == 0) {
		json_array_foreach(json_object_get(request, "DeviceIDs"), i, id)
			strv_add(ret, json_string_value(id));
		return 0;
	}
	for (i = 0; i < countof(kinds); i++)
		if ((!*driver || strcmp(driver, kinds[i].driver) == 0) && has_kind(c, kinds[i].kind)) {
			names_of_kind(c, kinds[i].kind, request, ret);
			return 0;
		}
	caps_text(request, &caps);
	err_set(e, ERR_NOT_FOUND, "could not select device driver \"%s\" with capabilities: %s", driver, caps.p);
	return err_hint(e, "looked for CDI devices nvidia.com/gpu, amd.com/gpu and intel.com/gpu (`tare cdi list`), for "
			   "/dev/nvidia0 and for render nodes in /dev/dri: there are none");
}
