/* SPDX-License-Identifier: Apache-2.0 */
/* Pulling, on request and on need. */
#include "engine/pull.h"

#include "cache/lease.h"
#include "cache/packed.h"
#include "engine/image.h"
#include "registry/copy.h"
#include "registry/pull.h"

static void lease_cleanup(struct lease **l)
{
	lease_free(*l);
}

/* The image that the store has under the name, if the registry last said that it means digest. 1, 0, -1. */
static int is_same(struct store *s, const struct remote *r, const char *name, const struct digest *digest,
		   struct image_row *ret, struct err *e)
{
	auto_received struct received_list l = { 0 };
	int got = r->ref.has_digest ? local_find(s, name, ret, e) : images_by_name(s, name, ret, e);

	if (r->ref.has_digest && got < 0 && e->kind == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	if (got < 0 || (got == 0 && !r->ref.has_digest) || received_of(s, &ret->manifest, &l, e) < 0)
		return got < 0 ? -1 : 0;
	for (size_t i = 0; i < l.n; i++)
		if (strcmp(l.v[i].repo, r->repo) == 0 && digest_eq(&l.v[i].digest, digest))
			return 1;
	return 0;
}

/* Is it the very platform? If not, the registry may have a better one under the same digest. */
static int suits(struct store *s, const struct image_row *row, const struct platform *want, struct err *e)
{
	auto_image struct image img = { 0 };
	struct platform have, host = platform_host();

	if (local_open(s, row, &img, e) < 0)
		return -1;
	have = config_platform(img.config);
	return platform_eq(want ? want : &host, &have);
}

/* 1 nothing is to be done, 0, -1. */
static int is_current(struct job *j, struct store *s, struct remote *r, const struct pull_args *a, struct pulled *ret,
		      struct err *e)
{
	int got;

	if (a->keep_blobs || a->unnamed)
		return 0;
	got = remote_digest(j, r, &ret->digest, e);
	if (got == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such image in the registry");
	if (got > 0)
		got = is_same(s, r, ret->name, &ret->digest, &ret->row, e);
	return got > 0 ? suits(s, &ret->row, a->want, e) : got;
}

static int find_offer(struct store *s, const struct offer *o, struct image_row *ret, struct err *e)
{
	auto_buf struct buf text = { 0 };
	struct digest manifest;
	int r;

	offer_manifest(o, &text);
	manifest = digest_of(text.p, text.n);
	r = images_by_manifest(s, &manifest, ret, e);
	return r > 0 ? 0 : r < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "the image was removed while it was pulled");
}

static int pull_new(struct job *j, struct store *s, struct remote *r, const struct pull_args *a, struct pulled *ret,
		    struct err *e)
{
	__attribute__((cleanup(lease_cleanup))) struct lease *lease = NULL;
	struct pull_opts o = { a->want, a->keep_blobs, a->unnamed };
	auto_origin struct origin *from = NULL;
	auto_target struct target *to = NULL;
	auto_offers struct offers done = { 0 };
	struct image_row before;
	struct digest id;
	int had = r->ref.has_digest ? 0 : images_by_name(s, ret->name, &before, e);

	if (had < 0 || lease_new(s, &lease, e) < 0)
		return -1;
	from = pull_origin(r, s, lease, &o);
	to = local_target(s, lease);
	if (copy_images(j, from, to, &done, e) < 0)
		return -1;
	ret->digest = done.v[0].top;
	id = offer_id(&done.v[0]);
	ret->newer = !had || !digest_eq(&before.config, &id);
	return find_offer(s, &done.v[0], &ret->row, e);
}

static int pull_one(struct job *j, struct store *s, const struct pull_args *a, const char *name, struct pulled *ret,
		    struct err *e)
{
	struct remote_opts o = { .store = s };
	auto_wire struct wire *w = NULL;
	struct remote *r;
	struct ref ref;
	int got;

	if (ref_parse(str_of(name), &ref, e) < 0)
		return -1;
	if (ref.has_digest)
		*ref.tag = '\0';	/* it is the digest that was asked for, whatever the tag means by now */
	*ret = (struct pulled){ 0 };
	ref_canonical(&ref, ret->name);
	r = remote_new(a->client, &ref, &o);
	w = &r->w;
	got = is_current(j, s, r, a, ret, e);
	if (got == 0)
		got = pull_new(j, s, r, a, ret, e);
	return got < 0 ? err_wrap(e, "pull %s", ret->name) : 0;
}

/* What a name may mean: itself, or what registries.conf makes of a short one, in the order of trying. */
static void full_names(const struct client *c, const char *name, struct strv *ret)
{
	if (ref_is_short(str_of(name)))
		client_short_names(c, name, ret);
	if (ret->n == 0)
		strv_add(ret, name);
}

int engine_pull(struct job *j, struct store *s, const struct pull_args *a, struct pulled *ret, struct err *e)
{
	auto_strv struct strv names = { 0 };
	int r = -1;

	full_names(a->client, a->name, &names);
	for (size_t i = 0; i < names.n; i++) {
		err_clear(e);
		r = pull_one(j, s, a, names.v[i], ret, e);
		/* Some registries deny what they don't have. */
		if (r == 0 || (e->kind != ERR_NOT_FOUND && e->kind != ERR_DENIED))
			break;
	}
	return r;
}

int pull_policy_parse(const char *s, enum pull_policy *ret, struct err *e)
{
	static const char *const names[] = { [PULL_MISSING] = "missing", [PULL_ALWAYS] = "always", [PULL_NEVER] = "never" };

	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(s, names[i]) == 0) {
			*ret = (enum pull_policy)i;
			return 0;
		}
	return err_set(e, ERR_USAGE, "invalid pull policy \"%s\": take always, missing or never", s);
}

/* Could it be in a registry? "sha256:..." is the store's own word for an image. */
static bool is_name(const char *name)
{
	auto_err struct err e = { 0 };
	struct ref ref;

	return !str_starts(str_of(name), "sha256:") && ref_parse(str_of(name), &ref, &e) == 0;
}

/* A short name was pulled under what registries.conf makes of it. */
static bool find_full(struct store *s, const struct client *c, const char *name, struct image_row *ret)
{
	auto_strv struct strv names = { 0 };
	auto_err struct err ignored = { 0 };

	full_names(c, name, &names);
	for (size_t i = 0; i < names.n; i++)
		if (strcmp(names.v[i], name) != 0 && image_resolve(s, names.v[i], ret, &ignored) == 0)
			return true;
	return false;
}

int pull_obtain(struct job *j, struct store *s, const struct client_options *o, const char *name,
		const struct platform *want, enum pull_policy policy, struct image_row *ret,
		void (*told)(void *arg), void *arg, struct err *e)
{
	auto_client struct client *c = NULL;
	struct pull_args a = { .name = name, .want = want };
	struct pulled p;
	if (policy != PULL_ALWAYS || !is_name(name)) {
		if (image_resolve(s, name, ret, e) == 0)
			return 0;
		if (e->kind != ERR_NOT_FOUND || policy == PULL_NEVER || !is_name(name))
			return -1;
		err_clear(e);
	}
	if (client_new(o, &c, e) < 0)
		return -1;
	if (policy == PULL_MISSING && find_full(s, c, name, ret))
		return 0;
	if (told)
		told(arg);
	a.client = c;
	if (engine_pull(j, s, &a, &p, e) < 0)
		return -1;
	*ret = p.row;
	return 0;
}
