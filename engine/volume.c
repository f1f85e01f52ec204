/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes as verbs. A volume is in use when a container's record names it, running or not. */
#include "engine/volume.h"

#include "cache/store.h"
#include "cache/usage.h"
#include "engine/filter.h"
#include "runtime/container/container.h"
#include "runtime/container/volume.h"

static json_t *pairs(const struct strv *l)
{
	json_t *o = json_object();

	for (size_t i = 0; i < l->n; i++) {
		struct str value = str_of(l->v[i]), k = str_cut(&value, '=');
		auto_free char *key = str_dup(k);

		json_object_set_new(o, key, json_string(value.p ? value.p : ""));
	}
	return o;
}

int engine_volume_create(struct store *s, const struct volume_args *a, char **ret, struct err *e)
{
	bool anonymous = !a->name || !*a->name;
	char id[CONTAINER_ID_MAX];
	json_t *labels = pairs(&a->labels), *options = pairs(&a->options);
	int r;

	container_new_id(id);
	r = volume_create(s, anonymous ? id : a->name, &(struct volume_opts){ labels, options, anonymous }, NULL, e);
	json_decref(labels);
	json_decref(options);
	if (r == 0)
		*ret = xstrdup(anonymous ? id : a->name);
	return r;
}

static json_t *or_null(const json_t *o)
{
	return json_object_size(o) ? json_incref((json_t *)o) : json_null();
}

int engine_volume_inspect(struct store *s, const char *name, json_t **ret, struct err *e)
{
	auto_free char *path = volume_path(s, name);
	json_t *meta, *labels;

	if (volume_meta(s, name, &meta, e) < 0)
		return -1;
	labels = json_object_get(meta, "Labels");
	if (json_is_true(json_object_get(meta, "Anonymous")))
		json_object_set_new(labels, "com.docker.volume.anonymous", json_string(""));
	*ret = json_pack("{s:O, s:s, s:o, s:s, s:s, s:o, s:s}", "CreatedAt", json_object_get(meta, "CreatedAt"), "Driver",
			 "local", "Labels", or_null(labels), "Mountpoint", path, "Name", name, "Options",
			 or_null(json_object_get(meta, "Options")), "Scope", "local");
	json_decref(meta);
	return 0;
}

/* ---- who uses what ---- */

static bool names_volume(const struct container *c, const char *name)
{
	const json_t *mounts = json_object_get(c->config, "Mounts"), *m;
	size_t i;

	json_array_foreach(mounts, i, m) {
		const char *one = json_string_value(json_object_get(m, "Name"));

		if (one && strcmp(one, name) == 0)
			return true;
	}
	return false;
}

static bool is_used(const struct container_list *l, const char *name, struct buf *who)
{
	bool used = false;

	for (size_t i = 0; i < l->n; i++)
		if (names_volume(l->v[i], name)) {
			if (who)
				buf_printf(who, "%s%s", used ? ", " : "", l->v[i]->id);
			used = true;
		}
	return used;
}

static bool has_label(const json_t *volume, struct str want)
{
	struct str value = want, k = str_cut(&value, '=');
	auto_free char *key = str_dup(k);
	const char *have = json_string_value(json_object_get(json_object_get(volume, "Labels"), key));

	return have && (!value.p || str_is(value, have));
}

struct volume_match { const struct container_list *containers; const json_t *volume; };

static bool match(void *arg, struct str key, struct str value)
{
	const struct volume_match *m = arg;
	const char *name = json_string_value(json_object_get(m->volume, "Name"));
	auto_free char *text = str_dup(value);

	if (str_is(key, "name"))
		return strstr(name, text) != NULL;
	if (str_is(key, "driver"))
		return str_is(value, "local");
	if (str_is(key, "dangling"))
		return is_used(m->containers, name, NULL) != (str_is(value, "true") || str_is(value, "1"));
	return has_label(m->volume, value) != str_is(key, "label!");
}

int engine_volume_list(struct store *s, const struct strv *filters, json_t **ret, struct err *e)
{
	static const char *const keys[] = { "dangling", "driver", "label", "name", NULL };
	auto_containers struct container_list l = { 0 };
	auto_strv struct strv names = { 0 };

	if (filter_check(filters, keys, e) < 0 || filter_check_bool(filters, "dangling", e) < 0 ||
	    container_list(s, &l, e) < 0 || volume_names(s, &names, e) < 0)
		return -1;
	*ret = json_array();
	for (size_t i = 0; i < names.n; i++) {
		auto_err struct err gone = { 0 };
		json_t *o;

		if (engine_volume_inspect(s, names.v[i], &o, &gone) < 0)
			continue;
		if (filter_match(filters, match, &(struct volume_match){ &l, o }))
			json_array_append(*ret, o);
		json_decref(o);
	}
	return 0;
}

/* ---- removing ---- */

/* The lock comes first: a container that is made meanwhile waits for it, and makes the volume anew. */
int engine_volume_rm(struct store *s, const char *name, struct err *e)
{
	auto_containers struct container_list l = { 0 };
	auto_buf struct buf who = { 0 };
	struct volume v;
	int r;

	if (volume_open(s, name, NULL, &v, e) < 0)
		return -1;
	r = container_list(s, &l, e);
	if (r == 0 && is_used(&l, name, &who))
		r = err_set(e, ERR_CONFLICT, "remove %s: volume is in use - [%s]", name, who.p);
	if (r == 0)
		r = volume_remove_open(s, &v, name, e);
	volume_close(&v);
	return r;
}

static int prune_one(struct store *s, const json_t *o, struct strv *removed, uint64_t *bytes, struct err *e)
{
	const char *name = json_string_value(json_object_get(o, "Name"));
	auto_err struct err busy = { 0 };
	struct set seen = { 0 };
	uint64_t size = 0;
	int top = store_dir(s, STORE_VOLUMES, e), r;

	if (top < 0)
		return -1;
	r = usage_add(top, name, &seen, &size, e);
	set_done(&seen);
	if (r < 0)
		return -1;
	if (engine_volume_rm(s, name, &busy) < 0) {
		if (busy.kind == ERR_CONFLICT || busy.kind == ERR_NOT_FOUND)
			return 0;
		err_move(e, &busy);
		return -1;
	}
	strv_add(removed, name);
	*bytes += size;
	return 0;
}

int engine_volume_prune(struct store *s, bool all, const struct strv *filters, struct strv *removed, uint64_t *bytes,
			struct err *e)
{
	static const char *const keys[] = { "label", "label!", NULL };
	auto_strv struct strv dangling = { 0 };
	json_t *list, *o;
	size_t i;
	int r = 0;

	strv_add(&dangling, "dangling=true");
	if (filter_check(filters, keys, e) < 0 || engine_volume_list(s, &dangling, &list, e) < 0)
		return -1;
	json_array_foreach(list, i, o) {
		bool anonymous = json_object_get(json_object_get(o, "Labels"), "com.docker.volume.anonymous") != NULL;

		if (r == 0 && (all || anonymous) && filter_match(filters, match, &(struct volume_match){ NULL, o }))
			r = prune_one(s, o, removed, bytes, e);
	}
	json_decref(list);
	return r;
}
