/* SPDX-License-Identifier: Apache-2.0 */
/* The record of what was asked for: only what ps, rm and a later inspect need. */
#include "engine/run_record.h"

#include "base/clock.h"

/* JSON holds UTF-8 only; what is none is shown with '?', the container itself gets the bytes. */
static json_t *text_json(const char *s)
{
	json_t *t = json_string(s);
	auto_free char *ascii = t ? NULL : xstrdup(s);

	for (char *c = ascii; c && *c; c++)
		if (*c & 0x80)
			*c = '?';
	return t ? t : json_string(ascii);
}

static json_t *list_json(const struct strv *l, size_t from)
{
	json_t *a = json_array();

	for (size_t i = from; i < l->n; i++)
		json_array_append_new(a, text_json(l->v[i]));
	return a;
}

static json_t *labels_json(const struct run_args *a, const struct config *image)
{
	json_t *o = json_object();
	auto_strv struct strv from_image = { 0 };

	config_labels(image, &from_image);
	for (size_t i = 0; i + 1 < from_image.n; i += 2)
		json_object_set_new(o, from_image.v[i], json_string(from_image.v[i + 1]));
	for (size_t i = 0; i < a->labels.n; i++) {
		struct str value = str_of(a->labels.v[i]), k = str_cut(&value, '=');
		auto_free char *key = str_dup(k);

		json_object_set_new(o, key, text_json(value.p ? value.p : ""));
	}
	return o;
}

static json_t *mount_json(const struct run_mount *m, const char *volumes_dir)
{
	static const char *const types[] = { "bind", "volume", "tmpfs" };
	static const char *const propagation[] = { "rprivate", "rslave", "rshared" };
	auto_free char *data = m->type == RUN_MOUNT_VOLUME ? xasprintf("%s/%s/_data", volumes_dir, m->src) : NULL;
	json_t *o = json_pack("{s:s, s:o, s:o, s:b}", "Type", types[m->type], "Destination", text_json(m->dst), "Mode",
			      text_json(m->mode), "RW", !(m->flags & SPEC_RO));

	json_object_set_new(o, "Source", text_json(data ? data : m->type == RUN_MOUNT_BIND ? m->src : ""));
	json_object_set_new(o, "Propagation", json_string(m->type == RUN_MOUNT_BIND ? propagation[m->propagation] : ""));
	if (m->type == RUN_MOUNT_VOLUME) {
		json_object_set_new(o, "Name", json_string(m->src));
		json_object_set_new(o, "Driver", json_string("local"));
		json_object_set_new(o, "Anonymous", json_boolean(m->anonymous));
	}
	return o;
}

static json_t *ulimits_json(const struct run_spec *r)
{
	json_t *l = json_array();

	for (size_t i = 0; i < r->sp.nrlimits; i++)
		json_array_append_new(l, json_pack("{s:s, s:I, s:I}", "Name", r->sp.rlimits[i].name, "Hard",
						   (json_int_t)r->sp.rlimits[i].hard, "Soft",
						   (json_int_t)r->sp.rlimits[i].soft));
	return l;
}

static json_t *host_json(const struct run_args *a, const struct run_spec *r, const char *network)
{
	const struct cgroup_limits *l = &r->sp.limits;
	json_t *o = json_pack("{s:b, s:b, s:b, s:s, s:I, s:I, s:I, s:I, s:I}", "AutoRemove", a->rm, "Privileged",
			      a->privileged, "ReadonlyRootfs", a->read_only, "NetworkMode", network, "Memory",
			      (json_int_t)l->memory, "MemorySwap", (json_int_t)l->memory_swap, "NanoCpus",
			      (json_int_t)l->nano_cpus, "PidsLimit", (json_int_t)l->pids, "ShmSize",
			      (json_int_t)r->sp.shm_size);

	json_object_set_new(o, "Init", json_boolean(a->init));
	json_object_set_new(o, "Binds", list_json(&a->volumes, 0));
	json_object_set_new(o, "Tmpfs", list_json(&a->tmpfs, 0));
	json_object_set_new(o, "CapAdd", list_json(&a->cap_add, 0));
	json_object_set_new(o, "CapDrop", list_json(&a->cap_drop, 0));
	json_object_set_new(o, "SecurityOpt", list_json(&a->security, 0));
	json_object_set_new(o, "ExtraHosts", list_json(&a->add_hosts, 0));
	json_object_set_new(o, "Dns", list_json(&a->dns, 0));
	json_object_set_new(o, "GroupAdd", list_json(&a->groups, 0));
	json_object_set_new(o, "Ulimits", ulimits_json(r));
	return o;
}

static json_t *config_json_make(const struct run_args *a, const struct run_spec *r, const struct image *img)
{
	const char *user = a->user ? a->user : config_str(img->config, CONFIG_USER);
	json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:b, s:b}", "Image", text_json(a->image), "Hostname",
			      text_json(r->host_name), "WorkingDir", text_json(r->cwd), "User", text_json(user), "Tty",
			      a->tty, "OpenStdin", a->interactive);
	auto_strv struct strv entrypoint = { 0 }, cmd = { 0 };

	json_object_set_new(o, "Domainname", text_json(a->domainname ? a->domainname : ""));
	json_object_set_new(o, "Env", list_json(&r->sp.env, 0));
	json_object_set_new(o, "Labels", labels_json(a, img->config));
	if (a->entrypoint && *a->entrypoint)
		strv_add(&entrypoint, a->entrypoint);
	else if (!a->entrypoint)
		config_list(img->config, CONFIG_ENTRYPOINT, &entrypoint);
	if (a->command.n)
		strv_copy(&cmd, &a->command);
	else if (!a->entrypoint)
		config_list(img->config, CONFIG_CMD, &cmd);
	json_object_set_new(o, "Entrypoint", entrypoint.n ? list_json(&entrypoint, 0) : json_null());
	json_object_set_new(o, "Cmd", cmd.n ? list_json(&cmd, 0) : json_null());
	return o;
}

json_t *run_record_make(const struct run_args *a, const struct run_spec *r, const struct image *img,
			const struct run_mounts *mounts, const char *volumes_dir, const char *network)
{
	char created[CLOCK_TEXT_MAX], id[DIGEST_TEXT_MAX];
	json_t *list = json_array();

	for (size_t i = 0; i < mounts->n; i++)
		json_array_append_new(list, mount_json(&mounts->v[i], volumes_dir));
	return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "Created", clock_rfc3339(clock_now_ns(), created), "Path",
			 text_json(r->sp.argv.v[0]), "Image", digest_text(&img->row.config, id), "Args",
			 list_json(&r->sp.argv, 1), "Config", config_json_make(a, r, img), "HostConfig",
			 host_json(a, r, network), "Mounts", list);
}
