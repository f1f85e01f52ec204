/* SPDX-License-Identifier: Apache-2.0 */
/* Listing with Docker's filters. */
#include "engine/container.h"

#include "base/clock.h"
#include "cache/images.h"
#include "cache/set.h"
#include "cache/store.h"
#include "cache/usage.h"
#include "engine/control.h"
#include "engine/filter.h"
#include "engine/image.h"
#include "engine/logs.h"
#include "engine/sweep.h"
#include "runtime/container/health.h"
#include "runtime/container/restart.h"

struct filter {
	struct str key, value;
	int64_t ns;		/* before, since: that container's creation */
	uint64_t code;		/* exited */
	char id[DIGEST_TEXT_MAX];	/* ancestor: the image's ID */
};

static const char *const keys[] = {
	"id", "name", "label", "status", "health", "exited", "ancestor", "before", "since", "volume", NULL,
};

static int check_status(struct str v, struct err *e)
{
	static const char *const words[] = { "created", "running", "exited", "paused", "restarting", "removing", "dead" };

	for (size_t i = 0; i < countof(words); i++)
		if (str_is(v, words[i]))
			return 0;
	return err_set(e, ERR_USAGE, "invalid filter 'status=" STR_FMT "'", STR_ARG(v));
}

static int filter_resolve(struct store *s, struct filter *f, struct err *e)
{
	auto_free char *value = str_dup(f->value);
	struct container *c;
	struct image_row row;

	if (str_is(f->key, "status"))
		return check_status(f->value, e);
	if (str_is(f->key, "exited") && !str_to_u64(f->value, 10, &f->code))
		return err_set(e, ERR_USAGE, "invalid filter 'exited=%s'", value);
	if (str_is(f->key, "before") || str_is(f->key, "since")) {
		if (container_open(s, value, &c, e) < 0)
			return -1;
		f->ns = container_created_ns(c);
		container_free(c);
	}
	if (str_is(f->key, "ancestor")) {
		auto_err struct err unknown = { 0 };

		if (image_resolve(s, value, &row, &unknown) == 0)
			digest_text(&row.config, f->id);	/* an unknown one has no containers */
	}
	return 0;
}

static int filter_parse(struct store *s, const char *text, struct filter *ret, struct err *e)
{
	struct str value = str_of(text), key = str_cut(&value, '=');

	for (size_t i = 0; keys[i]; i++)
		if (str_is(key, keys[i]) && value.p) {
			*ret = (struct filter){ .key = key, .value = value };
			return filter_resolve(s, ret, e);
		}
	err_set(e, ERR_USAGE, "invalid filter '%s'", text);
	return err_hint(e, "filters are KEY=VALUE with id, name, label, status, exited, ancestor, before, since or volume");
}

static bool match_label(const struct container *c, struct str want)
{
	const json_t *labels = json_object_get(json_object_get(c->config, "Config"), "Labels");
	struct str value = want, k = str_cut(&value, '=');
	auto_free char *key = str_dup(k);
	const char *have = json_string_value(json_object_get(labels, key));

	return have && (!value.p || str_is(value, have));
}

static bool match_volume(const struct container *c, struct str want)
{
	const json_t *mounts = json_object_get(c->config, "Mounts");

	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const json_t *m = json_array_get(mounts, i);
		const char *name = json_string_value(json_object_get(m, "Name"));
		const char *dst = json_string_value(json_object_get(m, "Destination"));

		if ((name && str_is(want, name)) || (dst && str_is(want, dst)))
			return true;
	}
	return false;
}

static bool match(const struct container *c, const struct filter *f)
{
	auto_free char *value = str_dup(f->value);

	if (str_is(f->key, "id"))
		return strncmp(c->id, value, strlen(value)) == 0;
	if (str_is(f->key, "name"))
		return strstr(c->name, value + (*value == '/')) != NULL;
	if (str_is(f->key, "label"))
		return match_label(c, f->value);
	if (str_is(f->key, "status"))
		return str_is(f->value, container_status_word(c->state.status));
	if (str_is(f->key, "health"))
		return str_is(f->value, container_health_word(c));
	if (str_is(f->key, "exited"))
		return c->state.status == CONTAINER_EXITED && (uint64_t)c->state.exit_code == f->code;
	if (str_is(f->key, "ancestor"))
		return strcmp(container_text(c, "Image", NULL), f->id) == 0;
	if (str_is(f->key, "volume"))
		return match_volume(c, f->value);
	return str_is(f->key, "before") ? container_created_ns(c) < f->ns : container_created_ns(c) > f->ns;
}

/* Any of a key's filters, but every label. */
static bool match_all(const struct container *c, const struct filter *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool any = match(c, &f[i]);

		for (size_t k = 0; k < n && !any && !str_is(f[i].key, "label"); k++)
			any = str_eq(f[k].key, f[i].key) && match(c, &f[k]);
		if (!any)
			return false;
	}
	return true;
}

/* Stopped ones are shown, too, when they are asked for in so many words. */
static bool shows_all(const struct ps_args *a)
{
	for (size_t i = 0; i < a->filters.n; i++)
		if (strncmp(a->filters.v[i], "status=", 7) == 0 || strncmp(a->filters.v[i], "exited=", 7) == 0)
			return true;
	return a->all || a->last > 0;
}

static void select_matching(struct container_list *l, const struct ps_args *a, const struct filter *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		bool keep = (shows_all(a) || container_is_live(l->v[i])) &&
			    match_all(l->v[i], f, a->filters.n) && (a->last <= 0 || kept < (size_t)a->last);

		if (keep)
			l->v[kept++] = l->v[i];
		else
			container_free(l->v[i]);
	}
	l->n = kept;
}

int engine_ps(struct store *s, const struct ps_args *a, struct container_list *ret, struct err *e)
{
	auto_free struct filter *f = xcalloc(a->filters.n + 1, sizeof(*f));

	for (size_t i = 0; i < a->filters.n; i++)
		if (filter_parse(s, a->filters.v[i], &f[i], e) < 0)
			return -1;
	if (container_list(s, ret, e) < 0)
		return -1;
	engine_sweep();
	select_matching(ret, a, f);
	return 0;
}

/* Docker's daemon does the same when it starts: what was never started is not its business. */
static bool starts_at_boot(const struct container *c)
{
	struct restart_policy p = restart_load(json_object_get(json_object_get(c->config, "HostConfig"), "RestartPolicy"));

	return c->state.status == CONTAINER_EXITED &&
	       (p.when == RESTART_ALWAYS || (p.when == RESTART_UNLESS_STOPPED && !c->state.stopped));
}

int engine_boot_list(struct store *s, struct strv *ret, struct err *e)
{
	auto_containers struct container_list l = { 0 };

	if (container_list(s, &l, e) < 0)
		return -1;
	engine_sweep();
	for (size_t i = l.n; i-- > 0;)
		if (starts_at_boot(l.v[i]))
			strv_add(ret, l.v[i]->name);
	return 0;
}

/* ---- prune ---- */

uint64_t container_size(const struct container *c)
{
	auto_free char *upper = xasprintf("%s/upper", c->id);
	auto_err struct err ignored = { 0 };
	int top = store_dir(c->store, STORE_CONTAINERS, &ignored);
	struct set seen = { 0 };
	uint64_t n = 0;

	if (top >= 0)
		(void)!usage_add(top, upper, &seen, &n, &ignored);
	set_done(&seen);
	return n;
}

struct prune {
	const struct container *c;
	int64_t until_ns;
};

static bool prune_match(void *arg, struct str key, struct str value)
{
	const struct prune *p = arg;

	if (str_is(key, "until"))
		return container_created_ns(p->c) < p->until_ns;
	return match_label(p->c, value) == str_is(key, "label");
}

static int prune_until(const struct strv *filters, int64_t *ret, struct err *e)
{
	for (size_t i = 0; i < filters->n; i++)
		if (strncmp(filters->v[i], "until=", 6) == 0 && !logs_time(filters->v[i] + 6, clock_now_ns(), ret))
			return err_set(e, ERR_USAGE, "invalid filter '%s': it takes a time or a duration", filters->v[i]);
	return 0;
}

int engine_container_prune(struct job *j, struct store *s, const struct strv *filters, struct strv *ret, uint64_t *bytes,
			   struct err *e)
{
	static const char *const prune_keys[] = { "until", "label", "label!", NULL };
	auto_containers struct container_list l = { 0 };
	struct prune p = { 0 };

	*bytes = 0;
	if (filter_check(filters, prune_keys, e) < 0 || prune_until(filters, &p.until_ns, e) < 0 ||
	    container_list(s, &l, e) < 0)
		return -1;
	engine_sweep();
	for (size_t i = 0; i < l.n; i++) {
		auto_err struct err one = { 0 };
		uint64_t size = container_size(l.v[i]);

		p.c = l.v[i];
		if (container_is_live(p.c) || !filter_match(filters, prune_match, &p))
			continue;
		if (engine_rm(j, s, p.c->id, false, true, &one) == 0) {
			strv_add(ret, p.c->id);
			*bytes += size;
		} else if (one.kind != ERR_NOT_FOUND && one.kind != ERR_CONFLICT) {	/* gone, or started meanwhile */
			err_move(e, &one);
			return -1;
		}
	}
	return 0;
}
