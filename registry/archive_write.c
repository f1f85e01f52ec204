/* SPDX-License-Identifier: Apache-2.0 */
/* Archives as a target: one sequential write, metadata first. */
#include "base/fs.h"
#include "image/manifest.h"
#include "image/ref.h"
#include "registry/archive.h"
#include "registry/members.h"

#define CHUNK ((size_t)1 << 20)	/* small writes are gathered to this size */

struct archive_target {
	struct target t;
	int fd;
	enum archive_format format;
	struct job *j;		/* of the running call */
	struct tar_writer w;
	struct buf out;
};

int archive_format_parse(const char *s, enum archive_format *ret, struct err *e)
{
	static const char *const names[] = { [ARCHIVE_DOCKER] = "docker-archive", [ARCHIVE_OCI] = "oci-archive" };

	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(s, names[i]) == 0) {
			*ret = (enum archive_format)i;
			return 0;
		}
	return err_set(e, ERR_USAGE, "no such format: %s (docker-archive, oci-archive)", s);
}

static int flush(struct archive_target *a, struct err *e)
{
	if (fs_write_all(a->fd, a->out.p, a->out.n, e) < 0)
		return err_wrap(e, "write the archive");
	buf_reset(&a->out);
	return 0;
}

static int out_put(void *arg, const void *p, size_t n, struct err *e)
{
	struct archive_target *a = arg;

	if (a->out.n + n > CHUNK && (job_check(a->j, e) < 0 || flush(a, e) < 0))
		return -1;
	if (n >= CHUNK)
		return fs_write_all(a->fd, p, n, e) < 0 ? err_wrap(e, "write the archive") : 0;
	buf_add(&a->out, p, n);
	return 0;
}

static int put_dir(struct archive_target *a, const char *path, struct err *e)
{
	return tar_write_entry(&a->w, &(struct tar_entry){ .path = path, .type = TAR_DIR, .mode = 0755 }, e);
}

static int put_header(struct archive_target *a, const char *path, uint64_t size, struct err *e)
{
	return tar_write_entry(&a->w, &(struct tar_entry){ .path = path, .type = TAR_FILE, .mode = 0644, .size = size },
			       e);
}

static int put_text(struct archive_target *a, const char *path, struct str text, struct err *e)
{
	return put_header(a, path, text.n, e) < 0 ? -1 : tar_write_data(&a->w, text.p, text.n, e);
}

static int put_blob(struct archive_target *a, struct str text, struct err *e)
{
	struct digest d = digest_of(text.p, text.n);
	char name[MEMBERS_BLOB_MAX];

	return put_text(a, members_blob_name(&d, name), text, e);
}

/* One entry of index.json per name, or one without. */
static void index_entries(const struct offer *o, struct arena *arena, struct descriptor **v, size_t *n)
{
	auto_buf struct buf manifest = { 0 };
	struct platform *p = arena_new(arena, struct platform);
	struct descriptor d = { .media = media_find(STR_LIT(MEDIA_OCI_MANIFEST)), .platform = p };

	*p = config_platform(o->config);
	offer_manifest(o, &manifest);
	d.digest = digest_of(manifest.p, manifest.n);
	d.size = manifest.n;
	for (size_t i = 0; i < MAX(o->names.n, (size_t)1); i++) {
		auto_err struct err e = { 0 };
		struct ref ref;

		if (i < o->names.n && ref_parse(str_of(o->names.v[i]), &ref, &e) == 0) {
			d.image_name = arena_strdup(arena, o->names.v[i]);
			d.ref_name = arena_strdup(arena, ref.tag);
		}
		*v = xrealloc(*v, (*n + 1) * sizeof(**v));
		(*v)[(*n)++] = d;
	}
}

static int put_index(struct archive_target *a, const struct offers *list, struct err *e)
{
	auto_free struct descriptor *v = NULL;
	auto_arena struct arena arena = { 0 };
	auto_buf struct buf text = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		index_entries(&list->v[i], &arena, &v, &n);
	index_text(v, n, &text);
	return put_text(a, "index.json", buf_view(&text), e);
}

static void familiar(const char *name, bool tag, char ret[static REF_TEXT_MAX], const char **only_tag)
{
	auto_err struct err e = { 0 };
	static const char none[] = "";
	struct ref ref;

	*ret = '\0';
	*only_tag = none;
	if (ref_parse(str_of(name), &ref, &e) < 0)
		return;
	if (tag)
		ref_familiar(&ref, ret);
	else
		ref_familiar_repository(&ref, ret);
	*only_tag = strrchr(name, ':') + 1;
}

/* One image of manifest.json. */
static void image_text(const struct offer *o, struct buf *ret)
{
	struct digest id = offer_id(o);
	char name[MEMBERS_BLOB_MAX], text[REF_TEXT_MAX];
	const char *tag;

	buf_printf(ret, "{\"Config\":\"%s\",\"RepoTags\":%s", members_blob_name(&id, name), o->names.n ? "[" : "null");
	for (size_t i = 0; i < o->names.n; i++) {
		familiar(o->names.v[i], true, text, &tag);
		buf_printf(ret, "%s\"%s\"", i ? "," : "", text);
	}
	buf_printf(ret, "%s,\"Layers\":[", o->names.n ? "]" : "");
	for (size_t i = 0; i < o->nlayers; i++)
		buf_printf(ret, "%s\"%s\"", i ? "," : "", members_blob_name(&o->layers[i].diff_id, name));
	buf_puts(ret, "]}");
}

struct repo_tag {
	char repo[REF_TEXT_MAX];
	const char *tag;	/* borrowed from the offer */
	struct digest top;
};

static int by_repo(const void *a, const void *b)
{
	const struct repo_tag *x = a, *y = b;
	int d = strcmp(x->repo, y->repo);

	return d ? d : strcmp(x->tag, y->tag);
}

/* {"alpine":{"3":"<hex of the top layer>"}}, which only old readers want; empty if there is no name. */
static void repositories_text(const struct offers *list, struct buf *ret)
{
	auto_free struct repo_tag *v = NULL;
	char hex[DIGEST_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		for (size_t k = 0; k < list->v[i].names.n && list->v[i].nlayers; k++) {
			v = xrealloc(v, (n + 1) * sizeof(*v));
			familiar(list->v[i].names.v[k], false, v[n].repo, &v[n].tag);
			v[n++].top = list->v[i].layers[list->v[i].nlayers - 1].diff_id;
		}
	if (n == 0)
		return;
	qsort(v, n, sizeof(*v), by_repo);
	for (size_t i = 0; i < n; i++) {
		bool same = i > 0 && strcmp(v[i].repo, v[i - 1].repo) == 0;

		if (same)
			buf_putc(ret, ',');
		else
			buf_printf(ret, "%s\"%s\":{", i ? "}," : "{", v[i].repo);
		buf_printf(ret, "\"%s\":\"%s\"", v[i].tag, digest_hex(&v[i].top, hex));
	}
	buf_puts(ret, "}}\n");
}

static int put_docker(struct archive_target *a, const struct offers *list, struct err *e)
{
	auto_buf struct buf manifest = { 0 }, repos = { 0 };

	for (size_t i = 0; i < list->n; i++) {
		buf_putc(&manifest, i ? ',' : '[');
		image_text(&list->v[i], &manifest);
	}
	buf_puts(&manifest, "]\n");
	if (put_text(a, "manifest.json", buf_view(&manifest), e) < 0)
		return -1;
	repositories_text(list, &repos);
	return repos.n ? put_text(a, "repositories", buf_view(&repos), e) : 0;
}

static int target_begin(struct job *j, struct target *t, const struct offers *list, struct err *e)
{
	struct archive_target *a = container_of(t, struct archive_target, t);

	a->j = j;
	if (put_text(a, "oci-layout", STR_LIT("{\"imageLayoutVersion\":\"1.0.0\"}"), e) < 0 ||
	    put_index(a, list, e) < 0 || (a->format == ARCHIVE_DOCKER && put_docker(a, list, e) < 0) ||
	    put_dir(a, "blobs", e) < 0 || put_dir(a, "blobs/sha256", e) < 0)
		return -1;
	for (size_t i = 0; i < list->n; i++) {
		auto_buf struct buf manifest = { 0 };

		offer_manifest(&list->v[i], &manifest);
		if (put_blob(a, buf_view(&manifest), e) < 0 || put_blob(a, buf_view(&list->v[i].text), e) < 0)
			return -1;
	}
	return 0;
}

static int layer_put(void *arg, const void *p, size_t n, struct err *e)
{
	struct archive_target *a = arg;

	if (n > a->w.left)
		return err_set(e, ERR_CORRUPT, "the stored layer has become longer");
	return tar_write_data(&a->w, p, n, e);
}

static int target_layer(struct job *j, struct target *t, struct origin *from, const struct offer_layer *l,
			struct err *e)
{
	struct archive_target *a = container_of(t, struct archive_target, t);
	char name[MEMBERS_BLOB_MAX];

	a->j = j;
	if (put_header(a, members_blob_name(&l->diff_id, name), l->tar_size, e) < 0 ||
	    from->type->push(j, from, l, layer_put, a, e) < 0)
		return -1;
	return a->w.left ? err_set(e, ERR_CORRUPT, "the stored layer has become shorter") : 0;
}

static int target_end(struct job *j, struct target *t, const struct offers *list UNUSED, struct err *e)
{
	struct archive_target *a = container_of(t, struct archive_target, t);

	a->j = j;
	return tar_write_end(&a->w, e) < 0 ? -1 : flush(a, e);
}

static void target_done(struct target *t)
{
	struct archive_target *a = container_of(t, struct archive_target, t);

	tar_write_done(&a->w);
	buf_done(&a->out);
	free(a);
}

struct target *archive_target(int fd, enum archive_format format)
{
	static const struct target_type type = {
		.name = "archive", .pushed = true, .begin = target_begin, .layer = target_layer, .end = target_end,
		.free = target_done,
	};
	struct archive_target *a = xcalloc(1, sizeof(*a));

	*a = (struct archive_target){ .t.type = &type, .fd = fd, .format = format };
	tar_write_init(&a->w, out_put, a);
	buf_reserve(&a->out, CHUNK);
	return &a->t;
}
