/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pulling images. Each layer:
 *
 *   registry ──► file (download.c) ──► SHA-256 ──► inflate ──► the target: SHA-256, disk
 */
#include "registry/pull.h"

#include <stdio.h>

#include "base/clock.h"
#include "cache/hash_pipe.h"
#include "cache/store.h"
#include "registry/download.h"

#define AHEAD_MIN ((uint64_t)1 << 20)	/* compressed bytes for which a thread pays */

struct remote_layer {
	struct descriptor d;
	struct packed packed;
	int step;
	struct download *dl;	/* complete, kept until the target has all; NULL: none */
};

struct pull {
	struct origin o;
	struct remote *r;
	struct store *s;
	struct lease *l;
	struct pull_opts opts;
	struct arena arena;
	struct remote_layer *layer;
	size_t n;
};

static struct pull *of(struct origin *o)
{
	return container_of(o, struct pull, o);
}

static int check_layer(const struct descriptor *d, struct err *e)
{
	char text[DIGEST_TEXT_MAX];

	if (d->media->kind != MEDIA_LAYER)
		return err_set(e, ERR_CORRUPT, "layer %s is of a type that is no image layer", digest_text(&d->digest, text));
	return 0;
}

static int set_layers(struct pull *p, const struct manifest *m, struct offer *o, struct err *e)
{
	if (m->nlayers != config_diff_ids(o->config))
		return err_set(e, ERR_CORRUPT, "the manifest has %zu layers, the config %zu", m->nlayers,
			       config_diff_ids(o->config));
	p->n = o->nlayers = m->nlayers;
	p->layer = xcalloc(p->n + 1, sizeof(*p->layer));
	o->layers = xcalloc(p->n + 1, sizeof(*o->layers));
	for (size_t i = 0; i < p->n; i++) {
		struct remote_layer *l = &p->layer[i];

		if (check_layer(&m->layers[i], e) < 0)
			return -1;
		*l = (struct remote_layer){ .d = m->layers[i], .step = (int)i + 1, .packed = { .digest = m->layers[i].digest,
			.size = m->layers[i].size, .level = -1 } };
		o->layers[i] = (struct offer_layer){ .diff_id = config_diff_id(o->config, i), .own = l,
			.blob = l->d.digest.alg == HASH_SHA256 && !l->d.media->foreign ? &l->packed : NULL };
	}
	return 0;
}

static int not_image(const struct manifest *m, struct err *e)
{
	return err_set(e, ERR_USAGE, "it is no container image: its config is of type \"%s\"",
		       *m->config.media->type ? m->config.media->type : "unknown");
}

static int fill_offer(struct job *j, struct pull *p, struct wire_doc *doc, struct offer *o, struct err *e)
{
	char name[REF_TEXT_MAX];
	struct manifest m;

	if (manifest_parse(buf_view(&doc->text), &p->arena, &m, e) < 0)
		return -1;
	if (m.config.media->kind != MEDIA_CONFIG)
		return not_image(&m, e);
	if (wire_text(j, &p->r->w, &m.config, CONFIG_MAX, &o->text, e) < 0 ||
	    config_parse(buf_view(&o->text), &o->config, e) < 0)
		return err_wrap(e, "config");
	if (m.config.digest.alg != HASH_SHA256)
		return err_set(e, ERR_CORRUPT, "its config is not named by a SHA-256");
	if (!p->r->ref.has_digest && !p->opts.unnamed)
		strv_add(&o->names, ref_canonical(&p->r->ref, name));
	o->repo = xstrdup(p->r->repo);
	o->manifest = doc->text;
	doc->text = (struct buf){ 0 };
	return set_layers(p, &m, o, e);
}

static int check_platform(const struct pull *p, const struct config *c, struct err *e)
{
	char have[PLATFORM_TEXT_MAX], want[PLATFORM_TEXT_MAX];
	struct platform is = config_platform(c);

	if (!p->opts.want || platform_match(p->opts.want, &is))
		return 0;
	return err_set(e, ERR_NOT_FOUND, "the image is for %s, not %s", platform_text(&is, have),
		       platform_text(p->opts.want, want));
}

static int pull_list(struct job *j, struct origin *origin, struct offers *ret, struct err *e)
{
	struct pull *p = of(origin);
	auto_doc struct wire_doc doc = { 0 };
	struct offer *o;
	struct digest top;

	if (wire_image(j, &p->r->w, p->opts.want, &doc, &top, e) < 0)
		return -1;
	o = offers_add(ret);
	o->top = top;
	return fill_offer(j, p, &doc, o, e) < 0 ? -1 : check_platform(p, o->config, e);
}

/* One attempt at a layer. */
struct pulling {
	struct job *j;
	struct download *dl;
	struct hash_pipe *pipe;		/* sha256 */
	struct hasher h;		/* any other */
	struct unzip *zip;
	struct ahead *ahead;
};

static ssize_t hashed_get(void *arg, void *p, size_t n, struct err *e)
{
	struct pulling *u = arg;
	ssize_t r = job_check(u->j, e) < 0 ? -1 : download_get(u->dl, p, n, e);

	if (r > 0 && u->pipe)
		return hash_pipe_put(u->pipe, p, (size_t)r, e) < 0 ? -1 : r;
	if (r > 0)
		hasher_update(&u->h, p, (size_t)r);
	return r;
}

static int take_all(struct pulling *u, struct remote_layer *l, layer_take take, void *arg, struct err *e)
{
	auto_free char *rest = xmalloc(1 << 16);
	ssize_t n;
	int r;

	if (unzip_new(hashed_get, u, &u->zip, e) < 0)
		return -1;
	l->packed.kind = unzip_kind(u->zip);
	if (l->d.size < AHEAD_MIN)
		r = take(arg, unzip_get, u->zip, e);
	else if (ahead_new(unzip_get, u->zip, &u->ahead, e) < 0)
		return -1;
	else
		r = take(arg, ahead_get, u->ahead, e);
	if (r < 0)
		download_stop(u->dl);
	ahead_free(take_ptr(&u->ahead));
	while (r == 0 && (n = hashed_get(u, rest, 1 << 16, e)) != 0)	/* what the target did not want to see */
		r = n < 0 ? -1 : 0;
	return r;
}

static int check_digest(struct pulling *u, const struct remote_layer *l, struct err *e)
{
	struct digest got = u->pipe ? hash_pipe_end(u->pipe) : digest_final(&u->h);
	char text[DIGEST_TEXT_MAX], have[DIGEST_TEXT_MAX];

	if (digest_eq(&got, &l->d.digest))
		return 0;
	return err_set(e, ERR_CORRUPT, "blob %s came with the bytes of %s", digest_text(&l->d.digest, text),
		       digest_text(&got, have));
}

/* 0, -1, or 1: what an earlier process left was damaged, so once more without it. */
static int pull_once(struct job *j, struct pull *p, struct remote_layer *l, layer_take take, void *arg, struct err *e)
{
	struct pulling u = { .j = j };
	char text[DIGEST_TEXT_MAX];
	bool again;
	int r;

	if (download_new(j, p->r, p->s, p->l, &l->d, l->step, &u.dl, e) < 0)
		return -1;
	if (l->d.digest.alg == HASH_SHA256)
		u.pipe = hash_pipe_new();
	else
		hasher_init(&u.h, l->d.digest.alg);
	r = take_all(&u, l, take, arg, e);
	if (r == 0)
		r = check_digest(&u, l, e);
	ahead_free(u.ahead);
	unzip_free(u.zip);
	hash_pipe_free(u.pipe);
	again = r < 0 && e->kind == ERR_CORRUPT && download_resumed(u.dl);
	if (r == 0) {
		l->dl = u.dl;
		return 0;
	}
	if (e->kind == ERR_CORRUPT)
		download_remove(u.dl);
	download_free(u.dl);
	err_wrap(e, "blob %s", digest_text(&l->d.digest, text));
	return again ? 1 : -1;
}

static void step_start(struct job *j, const struct remote_layer *l)
{
	char hex[DIGEST_TEXT_MAX];
	auto_free char *name = xasprintf("layer %.12s", digest_hex(&l->d.digest, hex));

	event_send(j->sink, &(struct event){ .kind = EV_STEP_START, .step = l->step, .name = name });
}

static void step_done(struct job *j, const struct remote_layer *l, int r, int64_t since, const struct err *e)
{
	event_send(j->sink, &(struct event){ .kind = EV_STEP_DONE, .step = l->step,
		.state = r == 0 ? STEP_DONE : e->kind == ERR_CANCELLED ? STEP_CANCELLED : STEP_FAILED,
		.text = r == 0 ? (struct str){ 0 } : str_of(err_text(e)), .seconds = (double)(clock_mono_ns() - since) / 1e9 });
}

static int pull_layer(struct job *j, struct origin *o, const struct offer_layer *ol, layer_take take, void *arg,
		      struct err *e)
{
	struct pull *p = of(o);
	struct remote_layer *l = &p->layer[(const struct remote_layer *)ol->own - p->layer];
	int64_t since = clock_mono_ns();
	int r;

	step_start(j, l);
	r = pull_once(j, p, l, take, arg, e);
	if (r > 0) {
		err_clear(e);
		r = pull_once(j, p, l, take, arg, e);
	}
	step_done(j, l, r, since, e);
	return r < 0 ? -1 : 0;
}

/* The downloads outlive a crash before this point: the next pull finds them whole. */
static int pull_end(struct job *j UNUSED, struct origin *o, struct err *e)
{
	struct pull *p = of(o);

	for (size_t i = 0; i < p->n; i++) {
		struct remote_layer *l = &p->layer[i];

		if (l->dl && p->opts.keep_blobs && l->d.digest.alg == HASH_SHA256 && download_keep(l->dl, e) < 0)
			return -1;
		if (l->dl)
			download_remove(l->dl);
	}
	return 0;
}

static void pull_free(struct origin *o)
{
	struct pull *p = of(o);

	for (size_t i = 0; i < p->n; i++)
		download_free(p->layer[i].dl);
	free(p->layer);
	arena_done(&p->arena);
	free(p);
}

struct origin *pull_origin(struct remote *r, struct store *s, struct lease *l, const struct pull_opts *o)
{
	static const struct origin_type type = {
		.name = "registry", .parallel = REMOTE_BLOBS, .list = pull_list, .pull = pull_layer, .end = pull_end,
		.free = pull_free,
	};
	struct pull *p = xcalloc(1, sizeof(*p));

	*p = (struct pull){ .o.type = &type, .r = r, .s = s, .l = l, .opts = *o };
	return &p->o;
}
