/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors from and to JSON. */
#include "image/descriptor.h"

#define ANNOTATION_REF "org.opencontainers.image.ref.name"
#define ANNOTATION_NAME "io.containerd.image.name"
#define ANNOTATION_ATTESTATION "vnd.docker.reference.type"

/* A member that must be a string if it is there and not null. */
static int get_string(const json_t *o, const char *key, const char **ret, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	*ret = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return err_set(e, ERR_CORRUPT, "%s is not a string", key);
	*ret = json_string_value(v);
	return 0;
}

static int parse_platform(const json_t *j, struct arena *a, struct descriptor *d, struct err *e)
{
	const json_t *o = json_object_get(j, "platform");
	const char *os, *arch, *variant;
	struct platform *p;

	if (!o || json_is_null(o))
		return 0;
	if (!json_is_object(o))
		return err_set(e, ERR_CORRUPT, "platform is not an object");
	if (get_string(o, "os", &os, e) < 0 || get_string(o, "architecture", &arch, e) < 0 ||
	    get_string(o, "variant", &variant, e) < 0)
		return err_wrap(e, "platform");
	p = arena_new(a, struct platform);
	if (!platform_of(os, arch, variant, p))
		return err_set(e, ERR_CORRUPT, "platform has a word that is too long");
	d->platform = p;
	return 0;
}

static int parse_annotations(const json_t *j, struct arena *a, struct descriptor *d, struct err *e)
{
	const json_t *o = json_object_get(j, "annotations");
	const char *ref, *name, *att;

	if (!o || json_is_null(o))
		return 0;
	if (!json_is_object(o))
		return err_set(e, ERR_CORRUPT, "annotations is not an object");
	if (get_string(o, ANNOTATION_REF, &ref, e) < 0 || get_string(o, ANNOTATION_NAME, &name, e) < 0 ||
	    get_string(o, ANNOTATION_ATTESTATION, &att, e) < 0)
		return err_wrap(e, "annotations");
	d->ref_name = ref ? arena_strdup(a, ref) : NULL;
	d->image_name = name ? arena_strdup(a, name) : NULL;
	d->attestation = att != NULL;
	return 0;
}

static int parse_urls(const json_t *j, struct arena *a, struct descriptor *d, struct err *e)
{
	const json_t *v = json_object_get(j, "urls");
	const char *first;

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_array(v))
		return err_set(e, ERR_CORRUPT, "urls is not a list");
	first = json_string_value(json_array_get(v, 0));
	d->url = first ? arena_strdup(a, first) : NULL;
	return 0;
}

/* OCI image-spec, descriptor.md "Embedded Content" */
static int parse_data(const json_t *j, struct arena *a, struct descriptor *d, struct err *e)
{
	auto_buf struct buf bytes = { 0 };
	const char *text;
	struct hasher h;
	struct digest got;

	if (get_string(j, "data", &text, e) < 0)
		return -1;
	if (!text)
		return 0;
	if (!buf_base64_decode(&bytes, str_of(text)))
		return err_set(e, ERR_CORRUPT, "data is not base64");
	hasher_init(&h, d->digest.alg);
	hasher_update(&h, bytes.p, bytes.n);
	got = digest_final(&h);
	if (bytes.n != d->size || !digest_eq(&got, &d->digest))
		return err_set(e, ERR_CORRUPT, "data is not what digest and size say");
	d->has_data = true;
	d->data = (struct str){ arena_strndup(a, bytes.p ? bytes.p : "", bytes.n), bytes.n };
	return 0;
}

int descriptor_parse(const json_t *j, struct arena *a, struct descriptor *ret, struct err *e)
{
	const json_t *size = json_object_get(j, "size");
	struct descriptor d = { 0 };
	const char *type, *digest;

	if (!json_is_object(j))
		return err_set(e, ERR_CORRUPT, "descriptor is not an object");
	if (get_string(j, "mediaType", &type, e) < 0 || get_string(j, "digest", &digest, e) < 0)
		return -1;
	if (!digest)
		return err_set(e, ERR_CORRUPT, "digest is missing");
	if (digest_parse(str_of(digest), &d.digest, e) < 0) {
		e->kind = ERR_CORRUPT;
		return -1;
	}
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return err_set(e, ERR_CORRUPT, "size is not a whole number from 0 on");
	d.size = (uint64_t)json_integer_value(size);
	d.media = media_find(str_of(type));
	if (parse_platform(j, a, &d, e) < 0 || parse_annotations(j, a, &d, e) < 0 ||
	    parse_urls(j, a, &d, e) < 0 || parse_data(j, a, &d, e) < 0)
		return -1;
	*ret = d;
	return 0;
}

static void annotation_text(const char *key, const char *value, bool *first, struct buf *ret)
{
	if (!value)
		return;
	buf_printf(ret, "%s\"%s\":", *first ? ",\"annotations\":{" : ",", key);
	buf_json_str(ret, str_of(value));
	*first = false;
}

void descriptor_text(const struct descriptor *d, struct buf *ret)
{
	char digest[DIGEST_TEXT_MAX];
	bool first = true;

	buf_puts(ret, "{\"mediaType\":");
	buf_json_str(ret, str_of(d->media ? d->media->type : MEDIA_OCI_LAYER));
	buf_printf(ret, ",\"digest\":\"%s\",\"size\":%llu", digest_text(&d->digest, digest),
		   (unsigned long long)d->size);
	annotation_text(ANNOTATION_NAME, d->image_name, &first, ret);
	annotation_text(ANNOTATION_REF, d->ref_name, &first, ret);
	if (!first)
		buf_putc(ret, '}');
	if (d->platform) {
		buf_puts(ret, ",\"platform\":{\"architecture\":");
		buf_json_str(ret, str_of(d->platform->arch));
		buf_puts(ret, ",\"os\":");
		buf_json_str(ret, str_of(d->platform->os));
		if (*d->platform->variant) {
			buf_puts(ret, ",\"variant\":");
			buf_json_str(ret, str_of(d->platform->variant));
		}
		buf_putc(ret, '}');
	}
	buf_putc(ret, '}');
}
