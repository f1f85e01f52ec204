/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of `inspect`. */
#include "cli/image_json.h"

#include "base/clock.h"
#include "image/media.h"

#define NEVER "0001-01-01T00:00:00Z"	/* Go's zero time */

static void set_str(json_t *o, const char *key, const char *value)
{
	json_t *v = json_string(value);

	json_object_set_new(o, key, v ? v : json_string(""));
}

static void set_time(json_t *o, const char *key, bool has, int64_t ns)
{
	char text[CLOCK_TEXT_MAX];

	set_str(o, key, has ? clock_rfc3339(ns, text) : NEVER);
}

static void set_digest(json_t *o, const char *key, const struct digest *d)
{
	char text[DIGEST_TEXT_MAX];

	set_str(o, key, digest_text(d, text));
}

/* "alpine@sha256:...", once. */
static void add_digest(json_t *list, const struct ref *r, const struct digest *d)
{
	char text[REF_TEXT_MAX], digest[DIGEST_TEXT_MAX];
	auto_free char *by_digest = xasprintf("%s@%s", ref_familiar_repository(r, text), digest_text(d, digest));

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(list, i)), by_digest) == 0)
			return;
	json_array_append_new(list, json_string(by_digest));
}

const struct digest *image_repo_digest(const struct image *i, const struct ref *r)
{
	char repo[REF_TEXT_MAX];

	ref_repository(r, repo);
	for (size_t k = 0; k < i->received.n; k++)
		if (strcmp(i->received.v[k].repo, repo) == 0)
			return &i->received.v[k].digest;
	return &i->row.manifest;
}

/* RepoTags, and RepoDigests: as registries know it, else by the store's manifest, one each per name. */
static void set_names(json_t *o, const struct image *i, const struct strv *names)
{
	json_t *tags = json_array(), *digests = json_array();
	char text[REF_TEXT_MAX];

	for (size_t k = 0; k < i->received.n; k++) {
		auto_err struct err e = { 0 };
		struct ref r;

		if (ref_parse(str_of(i->received.v[k].repo), &r, &e) == 0)
			add_digest(digests, &r, &i->received.v[k].digest);
	}

	for (size_t k = 0; k < names->n; k++) {
		auto_err struct err e = { 0 };
		struct ref r;

		if (ref_parse(str_of(names->v[k]), &r, &e) < 0)
			continue;
		json_array_append_new(tags, json_string(ref_familiar(&r, text)));
		add_digest(digests, &r, image_repo_digest(i, &r));
	}
	json_object_set_new(o, "RepoTags", tags);
	json_object_set_new(o, "RepoDigests", digests);
}

/* What Docker's struct always has, and with `full` what it may have. */
static const struct field {
	const char *key;
	char type;		/* s string, l list, m map, b truth value, o object */
	bool always;
} config_fields[] = {
	{ "Hostname", 's', true }, { "Domainname", 's', true }, { "User", 's', true }, { "AttachStdin", 'b', true },
	{ "AttachStdout", 'b', true }, { "AttachStderr", 'b', true }, { "ExposedPorts", 'm', false }, { "Tty", 'b', true },
	{ "OpenStdin", 'b', true }, { "StdinOnce", 'b', true }, { "Env", 'l', true }, { "Cmd", 'l', true },
	{ "Healthcheck", 'o', false }, { "ArgsEscaped", 'b', false }, { "Image", 's', true }, { "Volumes", 'm', true },
	{ "WorkingDir", 's', true }, { "Entrypoint", 'l', true }, { "OnBuild", 'l', true }, { "Labels", 'm', true },
	{ "StopSignal", 's', false }, { "Shell", 'l', false },
};

static json_t *empty(char type, bool full)
{
	switch (type) {
	case 's': return json_string("");
	case 'b': return json_false();
	case 'l': return full ? json_array() : json_null();
	case 'm': return full ? json_object() : json_null();
	default: return json_null();
	}
}

static json_t *config_object(const json_t *config, bool full)
{
	json_t *o = json_object(), *v;
	const char *key;

	for (size_t i = 0; i < countof(config_fields); i++) {
		const struct field *f = &config_fields[i];

		v = json_object_get(config, f->key);
		if (v && !json_is_null(v))
			json_object_set(o, f->key, v);
		else if (f->always || full)
			json_object_set_new(o, f->key, empty(f->type, full));
	}
	json_object_foreach((json_t *)config, key, v)
		if (!json_object_get(o, key))
			json_object_set(o, key, v);	/* what nobody here knows is shown as it is */
	return o;
}

static const char *last_comment(const struct config *c)
{
	size_t n = config_histories(c);
	const char *text = n ? config_history(c, n - 1).comment : NULL;

	return text ? text : "";
}

static json_t *rootfs(const struct config *c)
{
	json_t *layers = json_array();
	char text[DIGEST_TEXT_MAX];

	for (size_t i = 0; i < config_diff_ids(c); i++) {
		struct digest d = config_diff_id(c, i);

		json_array_append_new(layers, json_string(digest_text(&d, text)));
	}
	return json_pack("{s:s, s:o}", "Type", "layers", "Layers", layers);
}

json_t *image_json(const struct image *i, const struct strv *names, bool full)
{
	struct platform p = config_platform(i->config);
	json_t *o = json_object(), *meta = json_object(), *descriptor = json_object();
	int64_t created = 0;
	bool has = config_created(i->config, &created);

	set_digest(o, "Id", &i->row.config);
	set_names(o, i, names);
	set_str(o, "Comment", last_comment(i->config));
	set_time(o, "Created", has, created);
	set_str(o, "Author", config_str(i->config, CONFIG_AUTHOR));
	json_object_set_new(o, "Config", config_object(json_object_get(config_json(i->config), "config"), full));
	set_str(o, "Architecture", p.arch);
	if (*p.variant || full)
		set_str(o, "Variant", p.variant);
	set_str(o, "Os", p.os);
	json_object_set_new(o, "Size", json_integer((json_int_t)i->row.size));
	json_object_set_new(o, "RootFS", rootfs(i->config));
	set_time(meta, "LastTagTime", true, i->row.created_ns);
	json_object_set_new(o, "Metadata", meta);
	set_str(descriptor, "mediaType", MEDIA_OCI_MANIFEST);
	set_digest(descriptor, "digest", &i->row.manifest);
	json_object_set_new(o, "Descriptor", descriptor);
	return o;
}
