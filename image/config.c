/* SPDX-License-Identifier: Apache-2.0 */
/* Image configs: getters and setters on the JSON tree. */
#include "image/config.h"

#include "base/clock.h"
#include "image/config_json.h"

struct config {
	json_t *root;		/* an object; checked by config_check() */
};

static const char *const str_keys[] = {
	[CONFIG_USER] = "User", [CONFIG_WORKDIR] = "WorkingDir", [CONFIG_STOP_SIGNAL] = "StopSignal",
	[CONFIG_AUTHOR] = "author",
};
static const char *const list_keys[] = {
	[CONFIG_ENV] = "Env", [CONFIG_CMD] = "Cmd", [CONFIG_ENTRYPOINT] = "Entrypoint",
	[CONFIG_ONBUILD] = "OnBuild", [CONFIG_SHELL] = "Shell",
};
static const char *const set_keys[] = { [CONFIG_PORTS] = "ExposedPorts", [CONFIG_VOLUMES] = "Volumes" };

struct config *config_new(const struct platform *p)
{
	struct config *c = xcalloc(1, sizeof(*c));
	json_t *rootfs = json_object();

	c->root = json_object();
	json_object_set_new(c->root, "architecture", config_json_str(p->arch));
	json_object_set_new(c->root, "os", config_json_str(p->os));
	if (*p->variant)
		json_object_set_new(c->root, "variant", config_json_str(p->variant));
	json_object_set_new(rootfs, "type", json_string("layers"));
	json_object_set_new(rootfs, "diff_ids", json_array());
	json_object_set_new(c->root, "rootfs", rootfs);
	return c;
}

int config_parse(struct str text, struct config **ret, struct err *e)
{
	struct config *c;
	json_t *root;

	if (config_json_parse(text, &root, e) < 0)
		return -1;
	c = xcalloc(1, sizeof(*c));
	c->root = root;
	*ret = c;
	return 0;
}

struct config *config_clone(const struct config *c)
{
	struct config *r = xcalloc(1, sizeof(*r));

	r->root = json_deep_copy(c->root);
	return r;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	json_decref(c->root);
	free(c);
}

void config_text(const struct config *c, struct buf *ret)
{
	config_json_text(c->root, ret);
}

const json_t *config_json(const struct config *c)
{
	return c->root;
}

/* The object "config", or NULL; json functions take NULL. */
static json_t *inner(const struct config *c)
{
	return json_object_get(c->root, "config");
}

static json_t *get(const struct config *c, const char *key)
{
	return json_object_get(inner(c), key);
}

/* o[key], made as an empty object or array if it is missing or null. */
static json_t *need(json_t *o, const char *key, json_t *(*make)(void))
{
	json_t *v = json_object_get(o, key);

	if (v && !json_is_null(v))
		return v;
	json_object_set_new(o, key, make());
	return json_object_get(o, key);
}

static json_t *inner_need(struct config *c)
{
	return need(c->root, "config", json_object);
}

static json_t *str_home(const struct config *c, enum config_str f)
{
	return f == CONFIG_AUTHOR ? c->root : inner(c);
}

const char *config_str(const struct config *c, enum config_str f)
{
	const char *v = json_string_value(json_object_get(str_home(c, f), str_keys[f]));

	return v ? v : "";
}

void config_set_str(struct config *c, enum config_str f, const char *value)
{
	if (!value || !*value)
		json_object_del(str_home(c, f), str_keys[f]);
	else
		json_object_set_new(f == CONFIG_AUTHOR ? c->root : inner_need(c), str_keys[f],
				    config_json_str(value));
}

size_t config_list(const struct config *c, enum config_list f, struct strv *ret)
{
	const json_t *list = get(c, list_keys[f]);
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n; i++)
		strv_add(ret, json_string_value(json_array_get(list, i)));
	return n;
}

void config_set_list(struct config *c, enum config_list f, const struct strv *value)
{
	json_t *list;

	if (!value || value->n == 0) {
		json_object_del(inner(c), list_keys[f]);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < value->n; i++)
		json_array_append_new(list, config_json_str(value->v[i]));
	json_object_set_new(inner_need(c), list_keys[f], list);
}

/* Index of KEY=... in Env; its length if there is none. */
static size_t env_find(const json_t *env, const char *key)
{
	size_t n = json_array_size(env), len = strlen(key);

	for (size_t i = 0; i < n; i++) {
		const char *v = json_string_value(json_array_get(env, i));

		if (strncmp(v, key, len) == 0 && (v[len] == '=' || v[len] == '\0'))
			return i;
	}
	return n;
}

const char *config_env_get(const struct config *c, const char *key)
{
	const json_t *env = get(c, "Env");
	size_t i = env_find(env, key), len = strlen(key);
	const char *v;

	if (i == json_array_size(env))
		return NULL;
	v = json_string_value(json_array_get(env, i));
	return v[len] ? v + len + 1 : v + len;
}

void config_env_set(struct config *c, const char *key, const char *value)
{
	json_t *env = need(inner_need(c), "Env", json_array);
	auto_free char *text = xasprintf("%s=%s", key, value);
	size_t i = env_find(env, key);

	if (i == json_array_size(env))
		json_array_append_new(env, config_json_str(text));
	else
		json_array_set_new(env, i, config_json_str(text));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keys of an object, sorted; borrowed. The caller frees the array. */
static const char **sorted_keys(const json_t *o, size_t *n)
{
	const char **v = xcalloc(json_object_size(o) + 1, sizeof(*v)), *key;
	json_t *value;

	*n = 0;
	json_object_foreach((json_t *)o, key, value)
		v[(*n)++] = key;
	qsort(v, *n, sizeof(*v), by_name);
	return v;
}

size_t config_set(const struct config *c, enum config_set f, struct strv *ret)
{
	size_t n;
	auto_free const char **keys = sorted_keys(get(c, set_keys[f]), &n);

	for (size_t i = 0; i < n; i++)
		strv_add(ret, keys[i]);
	return n;
}

void config_set_add(struct config *c, enum config_set f, const char *name)
{
	auto_free char *key = config_json_clean(name);

	json_object_set_new(need(inner_need(c), set_keys[f], json_object), key, json_object());
}

const char *config_label(const struct config *c, const char *key)
{
	return json_string_value(json_object_get(get(c, "Labels"), key));
}

void config_label_set(struct config *c, const char *key, const char *value)
{
	auto_free char *clean = config_json_clean(key);

	json_object_set_new(need(inner_need(c), "Labels", json_object), clean, config_json_str(value));
}

size_t config_labels(const struct config *c, struct strv *ret)
{
	const json_t *labels = get(c, "Labels");
	size_t n;
	auto_free const char **keys = sorted_keys(labels, &n);

	for (size_t i = 0; i < n; i++) {
		strv_add(ret, keys[i]);
		strv_add(ret, json_string_value(json_object_get(labels, keys[i])));
	}
	return n;
}

bool config_args_escaped(const struct config *c)
{
	return json_is_true(get(c, "ArgsEscaped"));
}

void config_set_args_escaped(struct config *c, bool on)
{
	if (on)
		json_object_set_new(inner_need(c), "ArgsEscaped", json_true());
	else
		json_object_del(inner(c), "ArgsEscaped");
}

void healthcheck_done(struct healthcheck *h)
{
	strv_done(&h->test);
	*h = (struct healthcheck){ 0 };
}

bool config_healthcheck(const struct config *c, struct healthcheck *ret)
{
	const json_t *o = get(c, "Healthcheck"), *test = json_object_get(o, "Test");
	struct healthcheck h = { 0 };

	if (!json_is_object(o))
		return false;
	for (size_t i = 0; i < json_array_size(test); i++)
		strv_add(&h.test, json_string_value(json_array_get(test, i)));
	h.interval = json_integer_value(json_object_get(o, "Interval"));
	h.timeout = json_integer_value(json_object_get(o, "Timeout"));
	h.start_period = json_integer_value(json_object_get(o, "StartPeriod"));
	h.start_interval = json_integer_value(json_object_get(o, "StartInterval"));
	h.retries = json_integer_value(json_object_get(o, "Retries"));
	*ret = h;
	return true;
}

static void set_number(json_t *o, const char *key, int64_t v)
{
	if (v)
		json_object_set_new(o, key, json_integer(v));
}

void config_set_healthcheck(struct config *c, const struct healthcheck *h)
{
	json_t *o, *test;

	if (!h) {
		json_object_del(inner(c), "Healthcheck");
		return;
	}
	o = json_object();
	test = json_array();
	for (size_t i = 0; i < h->test.n; i++)
		json_array_append_new(test, config_json_str(h->test.v[i]));
	if (h->test.n)
		json_object_set(o, "Test", test);
	json_decref(test);
	set_number(o, "Interval", h->interval);
	set_number(o, "Timeout", h->timeout);
	set_number(o, "StartPeriod", h->start_period);
	set_number(o, "StartInterval", h->start_interval);
	set_number(o, "Retries", h->retries);
	json_object_set_new(inner_need(c), "Healthcheck", o);
}

bool config_created(const struct config *c, int64_t *ret)
{
	return config_json_time(json_object_get(c->root, "created"), ret);
}

void config_set_created(struct config *c, int64_t ns)
{
	char text[CLOCK_TEXT_MAX];

	json_object_set_new(c->root, "created", json_string(clock_rfc3339(ns, text)));
}

struct platform config_platform(const struct config *c)
{
	struct platform p = platform_host();
	const char *os = json_string_value(json_object_get(c->root, "os"));
	const char *arch = json_string_value(json_object_get(c->root, "architecture"));
	const char *variant = json_string_value(json_object_get(c->root, "variant"));

	/* config_check() has seen that the words fit; one that is missing is taken for the host's */
	(void)!platform_of(os && *os ? os : p.os, arch && *arch ? arch : p.arch, variant, &p);
	return p;
}

static json_t *diff_ids(const struct config *c)
{
	return json_object_get(json_object_get(c->root, "rootfs"), "diff_ids");
}

size_t config_diff_ids(const struct config *c)
{
	return json_array_size(diff_ids(c));
}

struct digest config_diff_id(const struct config *c, size_t i)
{
	const char *text = json_string_value(json_array_get(diff_ids(c), i));
	auto_err struct err e = { 0 };
	struct digest d = { 0 };

	if (digest_parse(str_of(text), &d, &e) < 0)
		return (struct digest){ 0 };
	return d;
}

void config_add_diff_id(struct config *c, const struct digest *d)
{
	json_t *rootfs = need(c->root, "rootfs", json_object);
	char text[DIGEST_TEXT_MAX];

	json_array_append_new(need(rootfs, "diff_ids", json_array), json_string(digest_text(d, text)));
}

size_t config_histories(const struct config *c)
{
	return json_array_size(json_object_get(c->root, "history"));
}

struct config_history config_history(const struct config *c, size_t i)
{
	const json_t *o = json_array_get(json_object_get(c->root, "history"), i);
	struct config_history h = { 0 };

	h.has_created = config_json_time(json_object_get(o, "created"), &h.created_ns);
	h.created_by = json_string_value(json_object_get(o, "created_by"));
	h.comment = json_string_value(json_object_get(o, "comment"));
	h.author = json_string_value(json_object_get(o, "author"));
	h.empty_layer = json_is_true(json_object_get(o, "empty_layer"));
	return h;
}

void config_add_history(struct config *c, const struct config_history *h)
{
	char text[CLOCK_TEXT_MAX];
	json_t *o = json_object();

	if (h->has_created)
		json_object_set_new(o, "created", json_string(clock_rfc3339(h->created_ns, text)));
	if (h->created_by && *h->created_by)
		json_object_set_new(o, "created_by", config_json_str(h->created_by));
	if (h->author && *h->author)
		json_object_set_new(o, "author", config_json_str(h->author));
	if (h->comment && *h->comment)
		json_object_set_new(o, "comment", config_json_str(h->comment));
	if (h->empty_layer)
		json_object_set_new(o, "empty_layer", json_true());
	json_array_append_new(need(c->root, "history", json_array), o);
}
