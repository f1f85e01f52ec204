/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts in the record: what Docker's inspect shows of them, and beside it ("Asked") what a start needs. */
#include "engine/run_mount.h"
#include "runtime/container/jsontext.h"

static const char *const types[] = { "bind", "volume", "tmpfs" };
static const char *const propagations[] = { "rprivate", "rslave", "rshared" };

static json_t *asked_json(const struct run_mount *m)
{
	json_t *o = json_pack("{s:i, s:b, s:b, s:b}", "Flags", (int)m->flags, "NoCopy", m->no_copy, "Strict", m->strict,
			      "Idmap", m->idmap);

	json_object_set_new(o, "Propagation", json_integer(m->propagation));
	if (m->data)
		json_object_set_new(o, "Data", jsontext(m->data));
	if (m->subpath)
		json_object_set_new(o, "Subpath", jsontext(m->subpath));
	if (m->labels.n)
		json_object_set_new(o, "Labels", jsontext_list(&m->labels, 0));
	if (m->options.n)
		json_object_set_new(o, "Options", jsontext_list(&m->options, 0));
	return o;
}

static json_t *mount_json(const struct run_mount *m, const char *volumes_dir)
{
	auto_free char *data = m->type == RUN_MOUNT_VOLUME ? xasprintf("%s/%s/_data", volumes_dir, m->src) : NULL;
	json_t *o = json_pack("{s:s, s:o, s:o, s:b}", "Type", types[m->type], "Destination", jsontext(m->dst), "Mode",
			      jsontext(m->mode), "RW", !(m->flags & (SPEC_RO | SPEC_RO_TOP)));

	json_object_set_new(o, "Source", jsontext(data ? data : m->type == RUN_MOUNT_BIND ? m->src : ""));
	json_object_set_new(o, "Propagation", json_string(m->type == RUN_MOUNT_BIND ? propagations[m->propagation] : ""));
	if (m->type == RUN_MOUNT_VOLUME) {
		json_object_set_new(o, "Name", json_string(m->src));
		json_object_set_new(o, "Driver", json_string("local"));
		json_object_set_new(o, "Anonymous", json_boolean(m->anonymous));
	}
	json_object_set_new(o, "Asked", asked_json(m));
	return o;
}

json_t *run_mounts_json(const struct run_mounts *l, const char *volumes_dir)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(list, mount_json(&l->v[i], volumes_dir));
	return list;
}

static char *bytes_or_null(const json_t *o, const char *key)
{
	const json_t *t = json_object_get(o, key);

	return t ? jsontext_bytes(t) : NULL;
}

static void load(const json_t *o, struct run_mount *m)
{
	const json_t *asked = json_object_get(o, "Asked");
	const char *type = json_string_value(json_object_get(o, "Type"));

	*m = (struct run_mount){ .type = RUN_MOUNT_VOLUME };
	for (size_t i = 0; type && i < countof(types); i++)
		if (strcmp(type, types[i]) == 0)
			m->type = (enum run_mount_type)i;
	m->src = bytes_or_null(o, m->type == RUN_MOUNT_BIND ? "Source" : "Name");
	m->dst = jsontext_bytes(json_object_get(o, "Destination"));
	m->mode = jsontext_bytes(json_object_get(o, "Mode"));
	m->flags = (unsigned)json_integer_value(json_object_get(asked, "Flags"));
	m->propagation = (enum spec_propagation)(json_integer_value(json_object_get(asked, "Propagation")) % 3);
	m->anonymous = json_is_true(json_object_get(o, "Anonymous"));
	m->no_copy = json_is_true(json_object_get(asked, "NoCopy"));
	m->strict = json_is_true(json_object_get(asked, "Strict"));
	m->idmap = json_is_true(json_object_get(asked, "Idmap"));
	m->data = bytes_or_null(asked, "Data");
	m->subpath = bytes_or_null(asked, "Subpath");
	jsontext_strv(json_object_get(asked, "Labels"), &m->labels);
	jsontext_strv(json_object_get(asked, "Options"), &m->options);
}

int run_mounts_load(struct run_mounts *l, const json_t *o, struct err *e)
{
	struct run_mount m;

	load(o, &m);
	return run_mounts_add(l, &m, e);
}

int run_mounts_from(struct run_mounts *l, const json_t *mounts, bool read_only, struct err *e)
{
	const json_t *o;
	size_t i, own = l->n;

	json_array_foreach(mounts, i, o) {
		struct run_mount m;
		bool taken = false;

		load(o, &m);
		for (size_t k = 0; k < own; k++)
			taken = taken || strcmp(l->v[k].dst, m.dst) == 0;
		if (taken || m.type == RUN_MOUNT_TMPFS) {
			run_mounts_done(&(struct run_mounts){ .v = memcpy(xmalloc(sizeof(m)), &m, sizeof(m)), .n = 1 });
			continue;
		}
		m.anonymous = false;	/* it is the other container's */
		if (read_only)
			m.flags |= SPEC_RO;
		if (run_mounts_add(l, &m, e) < 0)
			return -1;
	}
	return 0;
}
