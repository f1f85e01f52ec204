/* SPDX-License-Identifier: Apache-2.0 */
/* Listing images: rows of the store, their configs, filters. */
#include "engine/images.h"

#include <fnmatch.h>

#include "engine/image.h"

struct query {
	struct strv references, labels;
	int dangling;			/* 1: only untagged ones, 0: only tagged ones, -1: all */
	bool has_before, has_since;
	int64_t before_ns, since_ns;	/* bounds, both exclusive */
};

static void query_done(struct query *q)
{
	strv_done(&q->references);
	strv_done(&q->labels);
}

void image_infos_done(struct image_infos *l)
{
	for (size_t i = 0; i < l->n; i++) {
		image_done(&l->v[i].image);
		strv_done(&l->v[i].names);
	}
	free(l->v);
	*l = (struct image_infos){ 0 };
}

static int created_of(struct store *s, const char *name, int64_t *ret, struct err *e)
{
	auto_image struct image img = { 0 };

	if (image_open(s, name, &img, e) < 0)
		return -1;
	if (!config_created(img.config, ret))
		return err_set(e, ERR_USAGE, "image %s does not say when it was made", name);
	return 0;
}

static int add_filter(struct store *s, struct query *q, const char *filter, struct err *e)
{
	struct str value = str_of(filter), key = str_cut(&value, '=');

	if (!value.p || value.n == 0)
		return err_set(e, ERR_USAGE, "--filter wants KEY=VALUE, not \"%s\"", filter);
	if (str_is(key, "reference")) {
		strv_add_n(&q->references, value);
	} else if (str_is(key, "label")) {
		strv_add_n(&q->labels, value);
	} else if (str_is(key, "dangling")) {
		if (!str_is(value, "true") && !str_is(value, "false"))
			return err_set(e, ERR_USAGE, "--filter dangling= wants true or false");
		q->dangling = str_is(value, "true");
	} else if (str_is(key, "before")) {
		q->has_before = true;
		return created_of(s, value.p, &q->before_ns, e);
	} else if (str_is(key, "since")) {
		q->has_since = true;
		return created_of(s, value.p, &q->since_ns, e);
	} else {
		return err_set(e, ERR_USAGE, "no such filter: " STR_FMT
			       " (reference, dangling, label, before, since)", STR_ARG(key));
	}
	return 0;
}

static bool matches_one(const char *pattern, const struct ref *r)
{
	char text[4][REF_TEXT_MAX];

	ref_familiar(r, text[0]);
	ref_familiar_repository(r, text[1]);
	ref_canonical(r, text[2]);
	ref_repository(r, text[3]);
	for (size_t i = 0; i < countof(text); i++)
		if (fnmatch(pattern, text[i], FNM_PATHNAME) == 0)
			return true;
	return false;
}

/* Leave those of names that match a pattern. */
static void filter_names(const struct strv *patterns, struct strv *names)
{
	struct strv left = { 0 };

	for (size_t i = 0; i < names->n; i++) {
		auto_err struct err e = { 0 };
		struct ref r;
		bool hit = false;

		if (ref_parse(str_of(names->v[i]), &r, &e) < 0)
			continue;
		for (size_t k = 0; k < patterns->n && !hit; k++)
			hit = matches_one(patterns->v[k], &r);
		if (hit)
			strv_add(&left, names->v[i]);
	}
	strv_done(names);
	*names = left;
}

static bool has_labels(const struct config *c, const struct strv *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		struct str want = str_of(labels->v[i]), key = str_cut(&want, '=');
		auto_free char *name = str_dup(key);
		const char *value = config_label(c, name);

		if (!value || (want.p && !str_is(want, value)))
			return false;
	}
	return true;
}

static bool matches(const struct query *q, struct image_info *i)
{
	if (q->dangling >= 0 && (i->names.n == 0) != (q->dangling == 1))
		return false;
	if (q->has_before && !(i->has_created && i->created_ns < q->before_ns))
		return false;
	if (q->has_since && !(i->has_created && i->created_ns > q->since_ns))
		return false;
	if (!has_labels(i->image.config, &q->labels))
		return false;
	if (q->references.n == 0)
		return true;
	filter_names(&q->references, &i->names);
	return i->names.n > 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct image_info *x = a, *y = b;
	int64_t s = x->image.row.created_ns, t = y->image.row.created_ns;

	if (x->has_created != y->has_created)
		return x->has_created ? -1 : 1;
	if (x->created_ns != y->created_ns)
		return x->created_ns > y->created_ns ? -1 : 1;
	return s != t ? (s > t ? -1 : 1) : digest_cmp(&x->image.row.config, &y->image.row.config);
}

static int query_rows(struct store *s, const struct query *q, struct image_infos *ret, struct err *e)
{
	auto_image_list struct image_list rows = { 0 };

	if (images_list(s, &rows, e) < 0)
		return -1;
	ret->v = xcalloc(rows.n + 1, sizeof(*ret->v));
	for (size_t i = 0; i < rows.n; i++) {
		struct image_info *info = &ret->v[ret->n];

		if (local_open(s, &rows.v[i].row, &info->image, e) < 0)
			return -1;
		ret->n++;
		strv_copy(&info->names, &rows.v[i].names);
		info->has_created = config_created(info->image.config, &info->created_ns);
		if (!matches(q, info)) {
			image_done(&info->image);
			strv_done(&info->names);
			*info = (struct image_info){ 0 };
			ret->n--;
		}
	}
	qsort(ret->v, ret->n, sizeof(*ret->v), newest_first);
	return 0;
}

int images_query(struct store *s, const struct images_args *a, struct image_infos *ret, struct err *e)
{
	struct query q __attribute__((cleanup(query_done))) = { .dangling = -1 };
	auto_image_infos struct image_infos l = { 0 };

	for (size_t i = 0; i < a->filters.n; i++)
		if (add_filter(s, &q, a->filters.v[i], e) < 0)
			return -1;
	if (a->name)
		strv_add(&q.references, a->name);
	if (query_rows(s, &q, &l, e) < 0)
		return -1;
	*ret = l;
	l = (struct image_infos){ 0 };
	return 0;
}
