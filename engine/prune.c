/* SPDX-License-Identifier: Apache-2.0 */
/* Removing at once whatever nothing uses. */
#include "engine/prune.h"

#include "base/clock.h"
#include "cache/gc.h"
#include "engine/container.h"
#include "engine/filter.h"
#include "engine/image.h"
#include "engine/logs.h"
#include "engine/network.h"
#include "engine/volume.h"
#include "runtime/container/container.h"

static const char *const prune_keys[] = { "until", "label", "label!", NULL };

static bool has_filter(const struct strv *filters, const char *key)
{
	for (size_t i = 0; i < filters->n; i++)
		if (strncmp(filters->v[i], key, strlen(key)) == 0)
			return true;
	return false;
}

/* The time that until= names; 0: it is not given. */
static int until_of(const struct strv *filters, int64_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < filters->n; i++)
		if (strncmp(filters->v[i], "until=", 6) == 0 && !logs_time(filters->v[i] + 6, clock_now_ns(), ret))
			return err_set(e, ERR_USAGE, "invalid filter '%s': it takes a time or a duration", filters->v[i]);
	return 0;
}

/* ---- images ---- */

struct candidate {
	const struct config *config;
	int64_t until_ns;
};

static bool image_match(void *arg, struct str key, struct str value)
{
	const struct candidate *c = arg;
	struct str want = value, name = str_cut(&want, '=');
	auto_free char *label = str_dup(name);
	const char *have = config_label(c->config, label);
	int64_t made;

	if (str_is(key, "until"))
		return config_created(c->config, &made) && made < c->until_ns;
	return (have && (!want.p || str_is(want, have))) == str_is(key, "label");
}

static bool is_used(const struct container_list *l, const struct image_row *row)
{
	char id[DIGEST_TEXT_MAX];

	digest_text(&row->config, id);
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(container_text(l->v[i], "Image", NULL), id) == 0)
			return true;
	return false;
}

/* Returns 1 if the filters want it, 0, or -1. */
static int is_wanted(struct store *s, const struct image_row *row, const struct strv *filters, int64_t until_ns, struct err *e)
{
	struct image img = { 0 };
	struct candidate c;
	bool wanted;

	if (filters->n == 0)
		return 1;
	if (local_open(s, row, &img, e) < 0)
		return -1;
	c = (struct candidate){ img.config, until_ns };
	wanted = filter_match(filters, image_match, &c);
	image_done(&img);
	return wanted;
}

/* One that a container was made of meanwhile, or that is gone, is left out. */
static int remove_one(struct store *s, const struct image_row *row, struct strv *ret, struct err *e)
{
	auto_err struct err one = { 0 };
	struct image_removal gone = { 0 };

	if (image_remove_unused(s, row, &gone, &one) < 0 && one.kind != ERR_CONFLICT && one.kind != ERR_NOT_FOUND) {
		image_removal_done(&gone);
		err_move(e, &one);
		return -1;
	}
	for (size_t i = 0; i < gone.untagged.n; i++)
		strv_take(ret, xasprintf("untagged: %s", gone.untagged.v[i]));
	for (size_t i = 0; i < gone.deleted.n; i++)
		strv_take(ret, xasprintf("deleted: %s", gone.deleted.v[i]));
	image_removal_done(&gone);
	return 0;
}

static int remove_images(struct store *s, bool all, const struct strv *filters, struct strv *ret, struct err *e)
{
	auto_containers struct container_list containers = { 0 };
	auto_image_list struct image_list images = { 0 };
	int64_t until_ns;

	if (filter_check(filters, prune_keys, e) < 0 || until_of(filters, &until_ns, e) < 0 ||
	    container_list(s, &containers, e) < 0 || images_list(s, &images, e) < 0)
		return -1;
	for (size_t i = 0; i < images.n; i++) {
		const struct image_entry *im = &images.v[i];
		int wanted = (im->names.n && !all) || is_used(&containers, &im->row) ? 0 :
			is_wanted(s, &im->row, filters, until_ns, e);

		if (wanted < 0 || (wanted && remove_one(s, &im->row, ret, e) < 0))
			return -1;
	}
	return 0;
}

int engine_image_prune(struct store *s, bool all, const struct strv *filters, struct strv *ret, uint64_t *bytes,
		       struct err *e)
{
	const struct gc_opts garbage = { 0 };
	struct gc_result r;

	if (remove_images(s, all, filters, ret, e) < 0 || gc_run(s, &garbage, &r, e) < 0)
		return -1;
	*bytes = r.bytes;
	return 0;
}

/* ---- all ---- */

void system_prune_done(struct system_prune *r)
{
	strv_done(&r->containers);
	strv_done(&r->networks);
	strv_done(&r->volumes);
	strv_done(&r->images);
}

/* The build cache bears no labels: with such a filter only garbage goes. */
static int collect(struct store *s, bool all, const struct strv *filters, uint64_t *bytes, struct err *e)
{
	struct gc_opts o = { .all = all && !has_filter(filters, "label") };
	struct gc_result r;
	int64_t until_ns;

	if (until_of(filters, &until_ns, e) < 0)
		return -1;
	if (until_ns)
		o.until_ns = MAX(clock_now_ns() - until_ns, (int64_t)1);
	if (gc_run(s, &o, &r, e) < 0)
		return -1;
	*bytes += r.bytes;
	return 0;
}

int engine_system_prune(struct job *j, struct store *s, bool all, bool volumes, const struct strv *filters,
			struct system_prune *ret, struct err *e)
{
	uint64_t bytes = 0;

	if (filter_check(filters, prune_keys, e) < 0)
		return -1;
	if (volumes && has_filter(filters, "until"))
		return err_set(e, ERR_USAGE, "the \"until\" filter is not supported with \"--volumes\"");
	if (engine_container_prune(j, s, filters, &ret->containers, &ret->bytes, e) < 0 ||
	    engine_network_prune(s, filters, &ret->networks, e) < 0)
		return -1;
	if (volumes && engine_volume_prune(s, false, filters, &ret->volumes, &bytes, e) < 0)
		return -1;
	ret->bytes += bytes;
	if (remove_images(s, all, filters, &ret->images, e) < 0)
		return -1;
	return collect(s, all, filters, &ret->bytes, e);
}
