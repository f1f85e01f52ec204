/* SPDX-License-Identifier: Apache-2.0 */
/* copy: which two ends, and what goes between them. */
#include "engine/image_copy.h"

#include <fcntl.h>

#include "cache/lease.h"
#include "cache/store.h"
#include "engine/image.h"
#include "engine/pull.h"
#include "engine/transfer.h"
#include "registry/copy.h"

struct copy {
	struct job *j;
	struct store *s;
	const struct image_copy_args *a;
	struct end from, to;
};

static struct wire *registry_end(struct copy *c, const char *name)
{
	auto_err struct err none = { 0 };
	struct ref ref;

	if (ref_parse(str_of(name), &ref, &none) < 0)
		return NULL;		/* end_parse() has looked at it */
	return &remote_new(c->a->client, &ref, &(struct remote_opts){ c->s, c->a->chunk, c->a->w.foreign })->w;
}

static int open_path(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "open %s", path) : fd;
}

/* fd: kept open for as long as an archive is read. */
static int open_source(struct copy *c, int *fd, struct wire **ret, struct err *e)
{
	struct image_row row;

	switch (c->from.kind) {
	case END_REGISTRY:
		*ret = registry_end(c, c->from.what);
		return 0;
	case END_STORE:
		if (image_resolve(c->s, c->from.what, &row, e) < 0 || store_pin(c->s, &row.manifest, e) < 0)
			return -1;
		*ret = store_source(c->s, &row);
		return 0;
	case END_LAYOUT:
	case END_OCI_ARCHIVE:
		*fd = open_path(c->from.what, e);
		return *fd < 0 ? -1 : layout_source(c->j, *fd, c->from.tag, ret, e);
	case END_DOCKER_ARCHIVE:
		break;
	}
	err_set(e, ERR_USAGE, "a docker-archive holds no manifests: it is copied into the store or a registry");
	return err_hint(e, "\"tare copy docker-archive:FILE store:NAME\", then on from there");
}

static int write_archive(struct copy *c, struct wire *from, int fd, struct digest *ret, struct err *e)
{
	auto_wire struct wire *to = layout_archive(fd, c->to.tag);

	return wire_copy(c->j, from, to, &c->a->w, ret, e);
}

/* A temporary file beside it, then rename. */
static int to_archive(struct copy *c, struct wire *from, struct digest *ret, struct err *e)
{
	auto_free char *temp = NULL;
	char id[STORE_ID_MAX];
	auto_fd int fd = -1;
	int r;

	store_id(id);
	temp = xasprintf("%s.%s", c->to.what, id);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, "write %s", c->to.what);
	r = write_archive(c, from, fd, ret, e);
	if (r == 0 && rename(temp, c->to.what) < 0)
		r = err_sys(e, "rename to %s", c->to.what);
	if (r < 0)
		(void)!unlink(temp);
	return r;
}

static int between_wires(struct copy *c, struct digest *ret, struct err *e)
{
	auto_wire struct wire *from = NULL, *to = NULL;
	auto_fd int fd = -1;

	if (open_source(c, &fd, &from, e) < 0)
		return -1;
	switch (c->to.kind) {
	case END_REGISTRY:
		to = registry_end(c, c->to.what);
		break;
	case END_LAYOUT:
		if (layout_target(c->to.what, c->to.tag, &to, e) < 0)
			return -1;
		break;
	case END_OCI_ARCHIVE:
		return to_archive(c, from, ret, e);
	case END_STORE:
	case END_DOCKER_ARCHIVE:
		return err_set(e, ERR_USAGE, "cannot copy from %s to %s", c->a->from, c->a->to);
	}
	return wire_copy(c->j, from, to, &c->a->w, ret, e);
}

static int give_name(struct copy *c, const char *name, const struct digest *manifest, struct err *e)
{
	char text[REF_TEXT_MAX];
	struct ref ref;

	if (ref_parse(str_of(name), &ref, e) < 0)
		return -1;
	if (ref.has_digest)
		return err_set(e, ERR_USAGE, "%s: a new name cannot hold a digest", name);
	return images_tag(c->s, ref_canonical(&ref, text), manifest, e);
}

static int registry_to_store(struct copy *c, struct digest *ret, struct err *e)
{
	struct pull_args p = { .name = c->from.what, .want = c->a->w.want, .client = c->a->client };
	struct pulled got;

	if (engine_pull(c->j, c->s, &p, &got, e) < 0)
		return -1;
	*ret = got.digest;
	return give_name(c, c->to.what, &got.row.manifest, e);
}

static void lease_cleanup(struct lease **l)
{
	lease_free(*l);
}

/* The one image of an archive or layout into the store, without a name. */
static int load_unnamed(struct copy *c, struct digest *ret, struct err *e)
{
	auto_fd int fd = open_path(c->from.what, e);
	__attribute__((cleanup(lease_cleanup))) struct lease *lease = NULL;
	auto_origin struct origin *from = NULL;
	auto_target struct target *to = NULL;
	auto_offers struct offers done = { 0 };
	auto_buf struct buf manifest = { 0 };

	if (fd < 0 || lease_new(c->s, &lease, e) < 0 || archive_origin(c->j, lease, fd, c->a->w.want, &from, e) < 0)
		return -1;
	archive_select(from, c->from.tag, true);
	to = local_target(c->s, lease);
	if (copy_images(c->j, from, to, &done, e) < 0)
		return -1;
	if (done.n != 1) {
		err_set(e, ERR_USAGE, "%s has %zu images", c->from.what, done.n);
		return err_hint(e, "\"tare load -i\" takes all of them, under their own names");
	}
	offer_manifest(&done.v[0], &manifest);
	*ret = digest_of(manifest.p, manifest.n);
	return 0;
}

static int archive_to_store(struct copy *c, struct digest *ret, struct err *e)
{
	return load_unnamed(c, ret, e) < 0 ? -1 : give_name(c, c->to.what, ret, e);
}

static int push_row(struct copy *c, const struct image_row *row, struct digest *ret, struct err *e)
{
	auto_wire struct wire *w = NULL;
	char *tags[] = { NULL, NULL };
	struct remote *r;
	size_t size;

	w = registry_end(c, c->to.what);
	r = container_of(w, struct remote, w);
	tags[0] = r->ref.tag;
	return push_image(c->j, c->s, row, r, &(struct strv){ tags, 1 }, &c->a->p, ret, &size, e);
}

static int store_to_registry(struct copy *c, struct digest *ret, struct err *e)
{
	struct image_row row;

	return image_resolve(c->s, c->from.what, &row, e) < 0 ? -1 : push_row(c, &row, ret, e);
}

/* A docker-archive holds no manifests: its image goes by way of the store, where it gets no name. */
static int docker_to_registry(struct copy *c, struct digest *ret, struct err *e)
{
	struct image_row row;
	int r;

	if (load_unnamed(c, ret, e) < 0)
		return -1;
	r = images_by_manifest(c->s, ret, &row, e);
	if (r <= 0)
		return r < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "the image was removed meanwhile");
	return push_row(c, &row, ret, e);
}

static int save_docker(struct copy *c, char *name, const struct digest *manifest, struct digest *ret, struct err *e)
{
	struct save_args a = { .names = { &name, 1 }, .output = c->to.what, .format = ARCHIVE_DOCKER };

	*ret = *manifest;
	return transfer_save(c->j, c->s, &a, e);
}

static int to_docker(struct copy *c, struct digest *ret, struct err *e)
{
	struct pull_args p = { .name = c->from.what, .want = c->a->w.want, .client = c->a->client, .unnamed = true };
	char id[DIGEST_TEXT_MAX];
	struct image_row row;
	struct pulled got;

	if (c->from.kind == END_STORE) {
		if (image_resolve(c->s, c->from.what, &row, e) < 0)
			return -1;
		return save_docker(c, c->from.what, &row.manifest, ret, e);
	}
	if (c->from.kind == END_REGISTRY) {
		if (engine_pull(c->j, c->s, &p, &got, e) < 0)
			return -1;
		digest_text(&got.row.config, id);
		return save_docker(c, id, &got.row.manifest, ret, e);
	}
	if (load_unnamed(c, ret, e) < 0 || images_by_manifest(c->s, ret, &row, e) < 0)
		return -1;
	digest_text(&row.config, id);
	return save_docker(c, id, &row.manifest, ret, e);
}

static int copy_any(struct copy *c, struct digest *ret, struct err *e)
{
	if (c->to.kind == END_STORE && c->from.kind == END_STORE) {
		err_set(e, ERR_USAGE, "both ends are the store");
		return err_hint(e, "\"tare tag\" gives an image another name");
	}
	if (c->to.kind == END_STORE)
		return c->from.kind == END_REGISTRY ? registry_to_store(c, ret, e) : archive_to_store(c, ret, e);
	if (c->from.kind == END_STORE && c->to.kind == END_REGISTRY)
		return store_to_registry(c, ret, e);
	if (c->to.kind == END_DOCKER_ARCHIVE)
		return to_docker(c, ret, e);
	if (c->from.kind == END_DOCKER_ARCHIVE && c->to.kind == END_REGISTRY)
		return docker_to_registry(c, ret, e);
	return between_wires(c, ret, e);
}

int engine_image_copy(struct job *j, struct store *s, const struct image_copy_args *a, struct digest *ret, struct err *e)
{
	struct copy c = { .j = j, .s = s, .a = a };
	int r = end_parse(a->from, &c.from, e);

	if (r == 0)
		r = end_parse(a->to, &c.to, e);
	if (r == 0)
		r = copy_any(&c, ret, e);
	end_done(&c.from);
	end_done(&c.to);
	return r < 0 ? err_wrap(e, "copy %s to %s", a->from, a->to) : 0;
}
