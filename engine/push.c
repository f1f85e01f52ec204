/* SPDX-License-Identifier: Apache-2.0 */
/* Pushing by name. */
#include "engine/push.h"

#include "registry/local.h"

void pushed_done(struct pushed_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].repo);
		free(l->v[i].tag);
	}
	free(l->v);
	*l = (struct pushed_list){ 0 };
}

struct named {			/* a name and what it means here */
	struct ref ref;
	struct image_row row;
	bool done;
};

static int find(struct store *s, const char *name, struct named *ret, struct err *e)
{
	char text[REF_TEXT_MAX];
	int r;

	if (ref_parse(str_of(name), &ret->ref, e) < 0)
		return -1;
	if (ret->ref.has_digest)
		return err_set(e, ERR_USAGE, "cannot push %s: a digest is no name to push to", name);
	r = images_by_name(s, ref_canonical(&ret->ref, text), &ret->row, e);
	if (r < 0)
		return -1;
	return r > 0 ? 0 : err_set(e, ERR_NOT_FOUND, "An image does not exist locally with the tag: %s",
				   ref_familiar(&ret->ref, text));
}

/* All names of the repository that the store has. */
static int list_tags(struct store *s, const char *name, struct strv *ret, struct err *e)
{
	auto_image_list struct image_list l = { 0 };
	char want[REF_TEXT_MAX], have[REF_TEXT_MAX];
	struct ref ref;

	if (ref_parse(str_of(name), &ref, e) < 0)
		return -1;
	ref_repository(&ref, want);
	if (images_list(s, &l, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++)
		for (size_t k = 0; k < l.v[i].names.n; k++)
			if (ref_parse(str_of(l.v[i].names.v[k]), &ref, e) == 0 && strcmp(ref_repository(&ref, have), want) == 0)
				strv_add(ret, l.v[i].names.v[k]);
	return ret->n ? 0 : err_set(e, ERR_NOT_FOUND, "An image does not exist locally with the name: %s", name);
}

static void add_result(struct pushed_list *l, const struct remote *r, const char *tag, const struct digest *d, size_t size)
{
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = (struct pushed){ xstrdup(r->repo), xstrdup(tag), *d, size };
}

/* v[i] and all further names of the same image in the same repository. */
static int push_one(struct job *j, struct store *s, const struct push_args *a, struct named *v, size_t n, size_t i,
		    struct pushed_list *ret, struct err *e)
{
	struct remote_opts o = { .store = s, .chunk = a->chunk };
	auto_strv struct strv tags = { 0 };
	auto_wire struct wire *w = NULL;
	struct remote *r = remote_new(a->client, &v[i].ref, &o);
	struct digest d;
	size_t size;

	w = &r->w;
	for (size_t k = i; k < n; k++)
		if (digest_eq(&v[k].row.manifest, &v[i].row.manifest) && strcmp(v[k].ref.host, v[i].ref.host) == 0 &&
		    strcmp(v[k].ref.path, v[i].ref.path) == 0) {
			strv_add(&tags, v[k].ref.tag);
			v[k].done = true;
		}
	if (push_image(j, s, &v[i].row, r, &tags, &a->o, &d, &size, e) < 0)
		return err_wrap(e, "push %s:%s", r->repo, tags.v[0]);
	for (size_t k = 0; k < tags.n; k++)
		add_result(ret, r, tags.v[k], &d, size);
	return 0;
}

int engine_push(struct job *j, struct store *s, const struct push_args *a, struct pushed_list *ret, struct err *e)
{
	auto_strv struct strv all = { 0 };
	auto_free struct named *v = NULL;
	const struct strv *names = &a->names;

	if (a->all_tags) {
		if (list_tags(s, a->names.v[0], &all, e) < 0)
			return -1;
		names = &all;
	}
	v = xcalloc(names->n + 1, sizeof(*v));
	for (size_t i = 0; i < names->n; i++)
		if (find(s, names->v[i], &v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < names->n; i++)
		if (!v[i].done && push_one(j, s, a, v, names->n, i, ret, e) < 0)
			return -1;
	return 0;
}
