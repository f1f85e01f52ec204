/* SPDX-License-Identifier: Apache-2.0 */
/* Pushing: which bytes a layer becomes, and how they get there with the least work. */
#include "registry/push.h"

#include "base/clock.h"
#include "cache/blob.h"
#include "cache/layer.h"
#include "cache/packed.h"
#include "image/config.h"
#include "registry/local.h"
#include "registry/fetch.h"
#include "registry/upload.h"

#define PUSH_LAYERS 3		/* on the way at the same time */

struct push_layer {
	struct digest diff_id;
	uint64_t tar_size;
	struct descriptor kept;		/* of the manifest that the image came with; media NULL: none */
	struct descriptor d;		/* what was pushed */
	char *session;			/* an upload that a mount became, or NULL */
	int step;
};

struct push {
	struct job *j;
	struct store *s;
	struct remote *to;
	const struct push_opts *o;
	struct image_row row;
	struct arena arena;
	struct buf config;
	struct wire_doc kept;		/* text empty: the image was made here */
	char *kept_repo;
	struct descriptor kept_config;
	struct push_layer *layer;
	size_t n;
	bool distrust;			/* what the registry says to have of this it lacks: */
	struct digest missing;
	pthread_mutex_t lock;
	size_t next;			/* guarded by lock, like: */
	struct err err;
};

/* --- what the bytes may be --- */

struct form {
	struct packed p;
	const struct descriptor *kept;	/* it is the one of the image's own manifest */
};

struct forms {			/* best first */
	struct form v[24];
	size_t n;
};

static bool is_wanted(const struct push *p, enum zip_kind kind)
{
	if (p->o->has_format && p->o->docker && kind == ZIP_ZSTD)
		return false;
	return !p->o->has_kind || p->o->kind == kind;
}

static enum zip_kind kind_of(const struct media *m)
{
	return m->zip == MEDIA_GZIP ? ZIP_GZIP : m->zip == MEDIA_ZSTD ? ZIP_ZSTD : ZIP_NONE;
}

static void add_form(struct forms *f, const struct packed *p, const struct descriptor *kept)
{
	for (size_t i = 0; i < f->n; i++)
		if (digest_eq(&f->v[i].p.digest, &p->digest)) {
			f->v[i].p.level = MAX(f->v[i].p.level, p->level);
			return;
		}
	if (f->n < countof(f->v))
		f->v[f->n++] = (struct form){ *p, kept };
}

static int list_forms(struct push *p, const struct push_layer *l, struct forms *ret, struct err *e)
{
	struct packed plain = { l->diff_id, l->tar_size, ZIP_NONE, -1 };
	auto_free struct packed *known = NULL;
	size_t n;

	if (packed_list(p->s, &l->diff_id, &known, &n, e) < 0)
		return -1;
	if (l->kept.media && is_wanted(p, kind_of(l->kept.media)))
		add_form(ret, &(struct packed){ l->kept.digest, l->kept.size, kind_of(l->kept.media), -1 }, &l->kept);
	if (p->o->has_kind && p->o->kind == ZIP_NONE)
		add_form(ret, &plain, NULL);
	for (size_t i = 0; i < n; i++)
		if (is_wanted(p, known[i].kind) && (!p->o->level || !p->o->has_kind || known[i].level == p->o->level))
			add_form(ret, &known[i], NULL);
	return 0;
}

/* Repositories that have a form: "host/path". */
static int sources_of(struct push *p, const struct form *f, struct strv *ret, struct err *e)
{
	if (f->kept && p->kept_repo)
		strv_add(ret, p->kept_repo);
	return packed_sources(p->s, &f->p.digest, ret, e);
}

/* --- getting them there --- */

struct making {			/* compresses a layer anew */
	struct push *p;
	struct push_layer *l;
	enum zip_kind kind;
	int level;
};

static int feed_layer(struct job *j, void *arg, bytes_put put, void *put_arg, struct err *e)
{
	struct making *m = arg;
	auto_zip struct zip *z = NULL;

	if (zip_new(m->kind, m->level, 0, put, put_arg, &z, e) < 0 ||
	    layer_read(j, m->p->s, &m->l->diff_id, zip_put, z, e) < 0)
		return -1;
	return zip_end(z, e);
}

struct reading {		/* sends a blob of the store */
	struct store *s;
	const struct digest *d;
};

static int feed_blob(struct job *j, void *arg, bytes_put put, void *put_arg, struct err *e)
{
	struct reading *r = arg;
	auto_free char *p = xmalloc((size_t)1 << 18);
	auto_fd int fd = -1;
	ssize_t n;

	if (blob_open(r->s, r->d, &fd, NULL, e) < 0)
		return -1;
	while ((n = bytes_get_fd(&fd, p, (size_t)1 << 18, e)) > 0)
		if (job_check(j, e) < 0 || put(put_arg, p, (size_t)n, e) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

struct streaming {		/* from another repository */
	struct remote *from;
	struct descriptor d;
};

static int feed_stream(struct job *j, void *arg, bytes_put put, void *put_arg, struct err *e)
{
	struct streaming *s = arg;

	return fetch_stream(j, s->from, &s->d, put, put_arg, e);
}

static void take_form(struct push_layer *l, const struct packed *p)
{
	static const char *const types[] = { [ZIP_NONE] = MEDIA_OCI_LAYER, [ZIP_GZIP] = MEDIA_OCI_LAYER "+gzip",
		[ZIP_ZSTD] = MEDIA_OCI_LAYER "+zstd" };

	l->d = (struct descriptor){ .media = media_find(str_of(types[p->kind])), .digest = p->digest, .size = p->size };
}

/* A form that the registry already has: 1, 0, -1. */
static int find_there(struct push *p, struct push_layer *l, const struct forms *f, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		int r = p->distrust && digest_eq(&p->missing, &f->v[i].p.digest) ? 0 :
			remote_has(p->j, p->to, &f->v[i].p.digest, e);

		if (r < 0)
			return -1;
		if (r > 0) {
			take_form(l, &f->v[i].p);
			return 1;
		}
	}
	return 0;
}

/* The path of a repository on our host, or NULL. */
static const char *same_host(const struct push *p, const char *repo)
{
	size_t n = strlen(p->to->ref.host);

	return strncmp(repo, p->to->ref.host, n) == 0 && repo[n] == '/' && strcmp(repo, p->to->repo) != 0 ? repo + n + 1 : NULL;
}

static int mount_one(struct push *p, struct push_layer *l, const struct form *f, struct err *e)
{
	auto_strv struct strv repos = { 0 };

	if (sources_of(p, f, &repos, e) < 0)
		return -1;
	for (size_t i = 0; i < repos.n && !l->session; i++) {
		const char *from = same_host(p, repos.v[i]);
		int r = from ? upload_mount(p->j, p->to, &f->p.digest, from, &l->session, e) : 0;

		if (r < 0)
			return -1;
		if (r > 0) {
			take_form(l, &f->p);
			return 1;
		}
		if (from && packed_source_drop(p->s, &f->p.digest, repos.v[i], e) < 0)
			return -1;
	}
	return 0;
}

static int upload(struct push *p, struct push_layer *l, struct upload_from *u, const struct digest *known,
		  uint64_t total, struct packed *ret, struct err *e)
{
	auto_buf struct buf key = { 0 };
	auto_free char *session = NULL;
	char text[DIGEST_TEXT_MAX];

	buf_puts(&key, digest_text(known ? known : &l->diff_id, text));
	if (!known)
		buf_printf(&key, " %d %d", ret->kind, ret->level);
	u->known = known;
	u->total = total;
	u->key = buf_view(&key);
	u->step = l->step;
	u->session = session = take_ptr(&l->session);
	return upload_blob(p->j, p->to, u, &ret->digest, &ret->size, e);
}

/* Compress with kind and level, and remember what came of it. */
static int make(struct push *p, struct push_layer *l, enum zip_kind kind, int level, struct err *e)
{
	struct making m = { p, l, kind, level };
	struct upload_from u = { .feed = feed_layer, .arg = &m };
	struct packed made = { .kind = kind, .level = level };

	if (kind == ZIP_NONE) {
		if (upload(p, l, &u, &l->diff_id, l->tar_size, &made, e) < 0)
			return -1;
	} else if (upload(p, l, &u, NULL, 0, &made, e) < 0 || packed_add(p->s, &l->diff_id, &made, e) < 0) {
		return -1;
	}
	take_form(l, &made);
	return 0;
}

/* Is it about this one source that something failed, so that another way makes sense? */
static bool may_go_on(const struct err *e)
{
	return e->kind == ERR_NOT_FOUND || e->kind == ERR_NET || e->kind == ERR_DENIED || e->kind == ERR_CORRUPT;
}

static int stream_one(struct push *p, struct push_layer *l, const struct form *f, struct err *e)
{
	auto_strv struct strv repos = { 0 };

	if (sources_of(p, f, &repos, e) < 0)
		return -1;
	for (size_t i = 0; i < repos.n && i < 4; i++) {
		auto_wire struct wire *w = NULL;
		struct streaming st = { .d = { .media = media_find(STR_LIT(MEDIA_OCI_LAYER)), .digest = f->p.digest,
			.size = f->p.size } };
		struct upload_from u = { .feed = feed_stream, .arg = &st };
		struct packed got = f->p;
		struct ref ref;

		if (strcmp(repos.v[i], p->to->repo) == 0 || ref_parse(str_of(repos.v[i]), &ref, e) < 0) {
			err_clear(e);
			continue;
		}
		st.from = remote_new(p->to->c, &ref, &(struct remote_opts){ 0 });
		w = &st.from->w;
		if (remote_has(p->j, st.from, &f->p.digest, e) > 0 && upload(p, l, &u, &f->p.digest, f->p.size, &got, e) == 0) {
			take_form(l, &got);
			return 1;
		}
		if (e->kind != ERR_NONE && !may_go_on(e))
			return -1;
		err_clear(e);
	}
	return 0;
}

/* A form whose bytes can be had: 1 pushed, 0, -1. */
static int bring(struct push *p, struct push_layer *l, const struct form *f, struct err *e)
{
	struct reading rd = { p->s, &f->p.digest };
	struct upload_from u = { .feed = feed_blob, .arg = &rd };
	struct packed got = f->p;
	int r = blob_has(p->s, &f->p.digest, e);

	if (r < 0)
		return -1;
	if (r > 0) {
		if (upload(p, l, &u, &f->p.digest, f->p.size, &got, e) < 0)
			return -1;
		take_form(l, &got);
		return 1;
	}
	if (f->p.kind == ZIP_NONE && digest_eq(&f->p.digest, &l->diff_id))
		return make(p, l, ZIP_NONE, 0, e) < 0 ? -1 : 1;
	if (f->p.level >= 0 && f->p.kind != ZIP_NONE)
		return make(p, l, f->p.kind, f->p.level, e) < 0 ? -1 : 1;
	return stream_one(p, l, f, e);
}

/* 1 it was there, 0 it is now, -1. */
static int push_layer(struct push *p, struct push_layer *l, struct err *e)
{
	enum zip_kind kind = p->o->has_kind ? p->o->kind : ZIP_GZIP;
	struct forms f = { .n = 0 };
	int r;

	if (l->kept.media && l->kept.media->foreign && !p->o->foreign) {
		l->d = l->kept;		/* its urls stay in the manifest */
		return 1;
	}
	if (list_forms(p, l, &f, e) < 0)
		return -1;
	r = find_there(p, l, &f, e);
	if (r != 0)
		return r;
	for (size_t i = 0; i < f.n && r == 0; i++)
		r = mount_one(p, l, &f.v[i], e);
	for (size_t i = 0; i < f.n && r == 0; i++)
		r = bring(p, l, &f.v[i], e);
	if (r == 0)
		return make(p, l, kind, kind == ZIP_NONE ? 0 : p->o->level, e);
	return MIN(r, 0);
}

static void layer_told(struct push *p, struct push_layer *l)
{
	static const struct err none = { 0 };
	struct job *j = p->j;
	char hex[DIGEST_TEXT_MAX];
	auto_free char *name = xasprintf("layer %.12s", digest_hex(&l->diff_id, hex));
	int64_t since = clock_mono_ns();
	struct err e = none;
	int r;

	event_send(j->sink, &(struct event){ .kind = EV_STEP_START, .step = l->step, .name = name });
	r = job_check(j, &e) < 0 ? -1 : push_layer(p, l, &e);
	if (r >= 0 && packed_source_add(p->s, &l->d.digest, p->to->repo, &e) < 0)
		r = -1;
	event_send(j->sink, &(struct event){ .kind = EV_STEP_DONE, .step = l->step,
		.state = r > 0 ? STEP_CACHED : r == 0 ? STEP_DONE : e.kind == ERR_CANCELLED ? STEP_CANCELLED : STEP_FAILED,
		.text = r < 0 ? str_of(err_text(&e)) : (struct str){ 0 }, .seconds = (double)(clock_mono_ns() - since) / 1e9 });
	if (r < 0) {
		auto_lock pthread_mutex_t *held = lock_hold(&p->lock);

		if (p->err.kind == ERR_NONE)
			err_move(&p->err, &e);
	}
	err_clear(&e);
}

static struct push_layer *next_layer(struct push *p)
{
	auto_lock pthread_mutex_t *held = lock_hold(&p->lock);

	return p->next < p->n && p->err.kind == ERR_NONE ? &p->layer[p->next++] : NULL;
}

static void push_some(void *arg)
{
	struct push *p = arg;
	struct push_layer *l;

	while ((l = next_layer(p)))
		layer_told(p, l);
}

static bool is_repeated(const struct push *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_eq(&p->layer[k].diff_id, &p->layer[i].diff_id))
			return true;
	return false;
}

/* A layer that is in an image twice is pushed twice one after the other: the second time it is there. */
static int push_layers(struct push *p, struct err *e)
{
	bool repeated = false;
	struct pool *pool;
	size_t threads;

	for (size_t i = 1; i < p->n; i++)
		repeated |= is_repeated(p, i);
	threads = repeated ? 1 : MIN(p->n, (size_t)PUSH_LAYERS);
	p->next = 0;
	if (pool_new(threads, &pool, e) < 0)
		return -1;
	for (size_t i = 0; i < threads; i++)
		pool_run(pool, push_some, p);
	pool_free(pool);
	if (p->err.kind == ERR_NONE)
		return 0;
	err_move(e, &p->err);
	return -1;
}

/* --- config and manifest --- */

static int feed_text(struct job *j UNUSED, void *arg, bytes_put put, void *put_arg, struct err *e)
{
	const struct buf *b = arg;

	return put(put_arg, b->p, b->n, e);
}

static int push_config(struct push *p, struct err *e)
{
	struct upload_from u = { .feed = feed_text, .arg = &p->config, .known = &p->row.config, .total = p->config.n };
	int r = p->distrust && digest_eq(&p->missing, &p->row.config) ? 0 : remote_has(p->j, p->to, &p->row.config, e);
	struct digest got;
	uint64_t size;

	if (r != 0)
		return MIN(r, 0);
	return upload_blob(p->j, p->to, &u, &got, &size, e);
}

/* The manifest that goes: the one the image came with if its layers are what went, else a new one. */
static int make_manifest(struct push *p, struct wire_doc *ret, struct err *e)
{
	auto_free struct descriptor *v = xcalloc(p->n + 1, sizeof(*v));
	struct descriptor config = { .digest = p->row.config, .size = p->config.n };
	auto_buf struct buf text = { 0 };
	bool same = p->kept.text.n && (!p->o->has_format || p->o->docker == p->kept.media->docker);

	for (size_t i = 0; i < p->n; i++) {
		same &= p->layer[i].kept.media && digest_eq(&p->layer[i].kept.digest, &p->layer[i].d.digest);
		v[i] = p->layer[i].d;
	}
	if (same) {
		buf_str(&text, buf_view(&p->kept.text));
		return wire_doc_take(&text, NULL, p->kept.media->type, ret, e);
	}
	if (p->kept.text.n && !p->o->has_kind && !p->o->has_format)
		event_warn(p->j->sink, "the image's compressed layers could not be had as they came: "
			   "its manifest in %s gets another digest", p->to->repo);
	for (size_t i = 0; i < p->n && p->o->docker; i++) {
		if (v[i].media->zip == MEDIA_ZSTD)
			return err_set(e, ERR_USAGE, "Docker's format has no zstd layers: take --format oci, or gzip");
		v[i].media = media_find(v[i].media->zip == MEDIA_GZIP ? STR_LIT(MEDIA_DOCKER_LAYER ".gzip") :
					STR_LIT(MEDIA_DOCKER_LAYER));
	}
	config.media = media_find(p->o->docker ? STR_LIT(MEDIA_DOCKER_CONFIG) : STR_LIT(MEDIA_OCI_CONFIG));
	manifest_text_as(p->o->docker ? MEDIA_DOCKER_MANIFEST : MEDIA_OCI_MANIFEST, &config, v, p->n, &text);
	return wire_doc_take(&text, NULL, NULL, ret, e);
}

static int put_tags(struct push *p, const struct strv *tags, const struct wire_doc *doc, struct err *e)
{
	for (size_t i = 0; i < tags->n; i++)
		if (remote_put_manifest(p->j, p->to, tags->v[i], doc, &p->missing, e) < 0)
			return -1;
	return 0;
}

static int push_all(struct push *p, const struct strv *tags, struct wire_doc *doc, struct err *e)
{
	if (push_layers(p, e) < 0 || push_config(p, e) < 0 || make_manifest(p, doc, e) < 0)
		return -1;
	if (put_tags(p, tags, doc, e) == 0)
		return 0;
	if (e->kind != ERR_NOT_FOUND || p->distrust)
		return -1;
	/* It lacks a blob that it said to have: that one is sent, whatever it says. */
	p->distrust = true;
	err_clear(e);
	return push_layers(p, e) < 0 || push_config(p, e) < 0 || make_manifest(p, doc, e) < 0 ? -1 : put_tags(p, tags, doc, e);
}

/* --- what is known of the image --- */

static const struct received *best_received(const struct received_list *l, const char *repo)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].repo, repo) == 0)
			return &l->v[i];
	return l->n ? &l->v[0] : NULL;
}

static int load_kept(struct push *p, struct err *e)
{
	auto_received struct received_list l = { 0 };
	auto_buf struct buf text = { 0 };
	const struct received *r;
	struct manifest m;

	if (received_of(p->s, &p->row.manifest, &l, e) < 0)
		return -1;
	r = best_received(&l, p->to->repo);
	if (!r || blob_read(p->s, &r->manifest, MANIFEST_MAX, &text, e) < 0 ||
	    wire_doc_take(&text, NULL, NULL, &p->kept, e) < 0 || manifest_parse(buf_view(&p->kept.text), &p->arena, &m, e) < 0 ||
	    m.nlayers != p->n || !digest_eq(&m.config.digest, &p->row.config)) {
		err_clear(e);		/* it is only a help */
		wire_doc_done(&p->kept);
		return 0;
	}
	p->kept_repo = xstrdup(r->repo);
	for (size_t i = 0; i < p->n; i++)
		p->layer[i].kept = m.layers[i];
	return 0;
}

static int load(struct push *p, struct err *e)
{
	auto_image struct image img = { 0 };

	if (local_open(p->s, &p->row, &img, e) < 0 || blob_read(p->s, &p->row.config, CONFIG_MAX, &p->config, e) < 0)
		return -1;
	p->n = config_diff_ids(img.config);
	p->layer = xcalloc(p->n + 1, sizeof(*p->layer));
	for (size_t i = 0; i < p->n; i++) {
		p->layer[i].diff_id = config_diff_id(img.config, i);
		p->layer[i].step = (int)i + 1;
		if (local_layer_size(p->s, &p->layer[i].diff_id, &p->layer[i].tar_size, e) < 0)
			return -1;
	}
	return load_kept(p, e);
}

static int remember(struct push *p, const struct wire_doc *doc, struct err *e)
{
	struct received r = { .repo = p->to->repo, .digest = doc->digest };

	if (blob_put(p->s, doc->text.p, doc->text.n, &r.manifest, e) < 0)
		return -1;
	return received_add(p->s, &p->row.manifest, &r, e);
}

int push_image(struct job *j, struct store *s, const struct image_row *row, struct remote *to, const struct strv *tags,
	       const struct push_opts *o, struct digest *ret, size_t *size, struct err *e)
{
	struct push p = { .j = j, .s = s, .to = to, .o = o, .row = *row };
	auto_doc struct wire_doc doc = { 0 };
	int r;

	if (o->has_kind && o->kind == ZIP_ZSTD && o->has_format && o->docker)
		return err_set(e, ERR_USAGE, "Docker's format has no zstd layers: take --format oci, or gzip");
	pthread_mutex_init(&p.lock, NULL);
	r = load(&p, e);
	if (r == 0)
		r = push_all(&p, tags, &doc, e);
	if (r == 0)
		r = remember(&p, &doc, e);
	if (r == 0) {
		*ret = doc.digest;
		*size = doc.text.n;
	}
	wire_doc_done(&p.kept);
	buf_done(&p.config);
	arena_done(&p.arena);
	err_clear(&p.err);
	for (size_t i = 0; i < p.n; i++)
		free(p.layer[i].session);
	free(p.layer);
	free(p.kept_repo);
	pthread_mutex_destroy(&p.lock);
	return r;
}
