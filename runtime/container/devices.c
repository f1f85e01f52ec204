/* SPDX-License-Identifier: Apache-2.0 */
/* The devices of this host, and those that a process asks for as parts of its spec. */
#include "runtime/container/devices.h"

#include <errno.h>
#include <stdio.h>

#include "base/fs.h"
#include "runtime/container/cdi.h"
#include "runtime/container/gpu.h"

struct devices {
	struct cdi_edits edits;
	struct spec_mount *mounts;
	struct spec_device *nodes;
	gid_t *gids;
	char *bundle;
};

/* ---- which there are ---- */

static void default_dirs(struct strv *ret)
{
	const char *set = getenv("CDI_SPEC_DIRS"), *config = getenv("XDG_CONFIG_HOME"), *run = getenv("XDG_RUNTIME_DIR");
	struct str rest = str_of(set);

	while (rest.n) {
		struct str one = str_cut(&rest, ':');

		if (one.n)
			strv_add_n(ret, one);
	}
	if (set)
		return;
	strv_add(ret, "/etc/cdi");
	strv_add(ret, "/var/run/cdi");
	if (geteuid() == 0 && !config)
		return;
	if (config)
		strv_take(ret, xasprintf("%s/cdi", config));
	if (run)
		strv_take(ret, xasprintf("%s/cdi", run));
}

/* Where the dynamic loader of that root looks without having been told. */
static const char *library_dir(int root)
{
	static const char *const dirs[] = { "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64" };

	if (root < 0)
		return NULL;
	for (size_t i = 0; i < countof(dirs); i++) {
		auto_fd int fd = fs_open_in(root, dirs[i], O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

		if (fd >= 0)
			return dirs[i];
	}
	return "/usr/lib";
}

static bool has_kind_of(const struct cdi *c, const json_t *spec)
{
	const char *kind = json_string_value(json_object_get(spec, "kind"));

	for (size_t i = 0; kind && i < cdi_count(c); i++)
		if (strcmp(cdi_at(c, i)->kind, kind) == 0)
			return true;
	return false;
}

void devices_load(int root, struct cdi **ret)
{
	const char *driver_root = getenv("TARE_DRIVER_ROOT");
	auto_strv struct strv dirs = { 0 }, found = { 0 };
	auto_err struct err ignored = { 0 };

	default_dirs(&dirs);
	cdi_load(&dirs, ret);
	gpu_discover(driver_root ? driver_root : "", library_dir(root), &found);
	for (size_t i = 0; i < found.n; i++) {
		json_t *spec = json_loads(found.v[i], 0, NULL);

		if (!has_kind_of(*ret, spec))
			(void)!cdi_add(*ret, "(found on this host)", found.v[i], &ignored);
		json_decref(spec);
	}
}

int devices_requests(const struct strv *gpus, const struct strv *names, json_t **ret, struct err *e)
{
	json_t *list = json_array(), *ids = json_array(), *one = NULL;

	for (size_t i = 0; i < names->n; i++)
		json_array_append_new(ids, json_string(names->v[i]));
	for (size_t i = 0; i < gpus->n; i++) {
		if (gpu_request_parse(gpus->v[i], &one, e) < 0) {
			json_decref(ids);
			json_decref(list);
			return -1;
		}
		json_array_append_new(list, one);
	}
	if (names->n)
		json_array_append_new(list, json_pack("{ss si sO sn sn}", "Driver", "cdi", "Count", 0, "DeviceIDs", ids,
						      "Capabilities", "Options"));
	json_decref(ids);
	*ret = list;
	return 0;
}

/* ---- for one process ---- */

static int make_bundle(struct devices *d, const char *bundle, struct err *e)
{
	if (!d->edits.nhooks)
		return 0;
	if (mkdir(bundle, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make the hooks' directory %s", bundle);
	d->bundle = xstrdup(bundle);
	return 0;
}

int devices_open_names(const struct cdi *c, const struct strv *names, const struct spec *sp, const char *bundle,
		       struct devices **ret, struct err *e)
{
	struct devices *d = xcalloc(1, sizeof(*d));

	if (cdi_inject(c, names, sp->uid, sp->gid, &d->edits, e) < 0 || make_bundle(d, bundle, e) < 0) {
		devices_free(d);
		return -1;
	}
	*ret = d;
	return 0;
}

int devices_open(const json_t *requests, const struct spec *sp, const char *bundle, struct devices **ret, struct err *e)
{
	auto_strv struct strv names = { 0 };
	struct cdi *c = NULL;
	int r = 0;

	*ret = NULL;
	if (!json_array_size(requests))
		return 0;
	devices_load(sp->root_fd, &c);
	for (size_t i = 0; r == 0 && i < json_array_size(requests); i++)
		r = gpu_request_names(c, json_array_get(requests, i), &names, e);
	if (r == 0)
		r = devices_open_names(c, &names, sp, bundle, ret, e);
	cdi_free(c);
	return r;
}

static void apply_env(const struct strv *env, struct spec *sp)
{
	for (size_t i = 0; i < env->n; i++) {
		struct str value = str_of(env->v[i]), key = str_cut(&value, '=');
		auto_free char *name = str_dup(key);

		strv_env_set(&sp->env, name, value.p);
	}
}

/* One array behind the other, as one of ours. */
static void *join(const void *a, size_t na, const void *b, size_t nb, size_t size)
{
	char *p = xcalloc(na + nb + 1, size);

	if (na)
		memcpy(p, a, na * size);
	if (nb)
		memcpy(p + na * size, b, nb * size);
	return p;
}

void devices_apply(struct devices *d, struct spec *sp)
{
	const struct cdi_edits *x = d ? &d->edits : NULL;

	if (!x)
		return;
	apply_env(&x->env, sp);
	d->mounts = join(sp->mounts, sp->nmounts, x->mounts, x->nmounts, sizeof(*x->mounts));
	d->nodes = join(sp->devices, sp->ndevices, x->devices, x->ndevices, sizeof(*x->devices));
	d->gids = join(sp->groups, sp->ngroups, x->gids, x->ngids, sizeof(*x->gids));
	sp->mounts = d->mounts;
	sp->devices = d->nodes;
	sp->groups = d->gids;
	sp->nmounts += x->nmounts;
	sp->ndevices += x->ndevices;
	sp->ngroups += x->ngids;
	sp->hooks = x->hooks;
	sp->nhooks = x->nhooks;
	sp->bundle = d->bundle;
}

void devices_free(struct devices *d)
{
	auto_err struct err ignored = { 0 };

	if (!d)
		return;
	if (d->bundle)
		(void)!fs_remove(AT_FDCWD, d->bundle, &ignored);
	free(d->bundle);
	free(d->mounts);
	free(d->nodes);
	free(d->gids);
	cdi_edits_done(&d->edits);
	free(d);
}
