/* SPDX-License-Identifier: Apache-2.0 */
/* Names of ends; the store as a source of bytes. */
#include "registry/ends.h"

#include "cache/blob.h"
#include "cache/images.h"
#include "cache/layer.h"
#include "image/ref.h"
#include "registry/local.h"

void end_done(struct end *e)
{
	free(e->what);
	free(e->tag);
	*e = (struct end){ 0 };
}

/* "PATH[:TAG]": the part behind the last colon, if it could be a tag. */
static int split_path(struct str rest, struct end *ret, struct err *e)
{
	size_t at = rest.n;

	while (at > 0 && rest.p[at - 1] != ':' && rest.p[at - 1] != '/')
		at--;
	if (at > 0 && rest.p[at - 1] == ':') {
		ret->tag = str_dup(str_sub(rest, at, rest.n));
		rest.n = at - 1;
		if (!*ret->tag)
			free(take_ptr(&ret->tag));
	}
	if (rest.n == 0)
		return err_set(e, ERR_USAGE, "a path is missing");
	ret->what = str_dup(rest);
	return 0;
}

int end_parse(const char *s, struct end *ret, struct err *e)
{
	static const struct { const char *prefix; enum end_kind kind; } kinds[] = {
		{ "docker://", END_REGISTRY }, { "store:", END_STORE }, { "oci:", END_LAYOUT },
		{ "oci-archive:", END_OCI_ARCHIVE }, { "docker-archive:", END_DOCKER_ARCHIVE },
	};
	struct end end = { .kind = END_REGISTRY };
	struct str rest = str_of(s);
	struct ref ref;

	for (size_t i = 0; i < countof(kinds); i++)
		if (str_starts(str_of(s), kinds[i].prefix)) {
			end.kind = kinds[i].kind;
			rest = str_sub(rest, strlen(kinds[i].prefix), rest.n);
			break;
		}
	if (end.kind >= END_LAYOUT) {
		if (split_path(rest, &end, e) < 0)
			return err_wrap(e, "%s", s);
	} else if (end.kind == END_REGISTRY && ref_parse(rest, &ref, e) < 0) {
		return -1;
	} else {
		end.what = str_dup(rest);
	}
	*ret = end;
	return 0;
}

struct store_wire {
	struct wire w;
	struct store *s;
	struct digest image;
};

static int store_manifest(struct job *j UNUSED, struct wire *w, const struct digest *d, struct wire_doc *ret, struct err *e)
{
	struct store_wire *sw = container_of(w, struct store_wire, w);
	auto_buf struct buf text = { 0 };

	if (blob_read(sw->s, d ? d : &sw->image, MANIFEST_MAX, &text, e) < 0)
		return e->kind == ERR_NOT_FOUND ? (err_clear(e), 0) : -1;
	return wire_doc_take(&text, NULL, NULL, ret, e) < 0 ? -1 : 1;
}

static int store_blob(struct job *j, struct wire *w, const struct descriptor *b, bytes_put put, void *arg, struct err *e)
{
	struct store_wire *sw = container_of(w, struct store_wire, w);
	auto_buf struct buf text = { 0 };

	if (b->media->kind == MEDIA_LAYER)
		return layer_read(j, sw->s, &b->digest, put, arg, e);
	return blob_read(sw->s, &b->digest, CONFIG_MAX, &text, e) < 0 ? -1 : put(arg, text.p, text.n, e);
}

static void store_free(struct wire *w)
{
	free(container_of(w, struct store_wire, w));
}

struct wire *store_source(struct store *s, const struct image_row *row)
{
	static const struct wire_type type = {
		.name = "store", .manifest = store_manifest, .blob = store_blob, .free = store_free,
	};
	struct store_wire *sw = xcalloc(1, sizeof(*sw));

	*sw = (struct store_wire){ { &type, NULL, NULL }, s, row->manifest };
	return &sw->w;
}
