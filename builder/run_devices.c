/* SPDX-License-Identifier: Apache-2.0 */
/* From the names of RUN --device to devices of this host. */
#include "builder/run_devices.h"

#include <stdio.h>

#include "cache/lease.h"
#include "cache/store.h"
#include "runtime/container/cdi.h"
#include "runtime/container/devices.h"

#define CLASS "org.mobyproject.buildkit.device.class"

static char *qualified(const struct cdi_device *d)
{
	return xasprintf("%s=%s", d->kind, d->name);
}

static bool has_class(const struct cdi_device *d, const char *word)
{
	const json_t *own = json_object_get(json_object_get(d->device, "annotations"), CLASS);
	const json_t *all = json_object_get(json_object_get(d->spec, "annotations"), CLASS);
	const char *s = json_string_value(own ? own : all);

	return s && strcmp(s, word) == 0;
}

/* "vendor/class": the first; "vendor/class=*": all; "vendor/class=name": that one; else every device of a class. */
static void resolve(const struct cdi *c, const char *name, struct strv *ret)
{
	struct str dev = str_of(name), kind = str_cut(&dev, '=');
	size_t before = ret->n, found;

	for (size_t i = 0; i < cdi_count(c); i++) {
		const struct cdi_device *d = cdi_at(c, i);
		bool first = !dev.n && ret->n == before;

		if (str_is(kind, d->kind) && !d->conflict && (first || str_is(dev, "*") || str_is(dev, d->name)))
			strv_take(ret, qualified(d));
	}
	found = ret->n;
	for (size_t i = 0; found == before && i < cdi_count(c); i++)
		if (has_class(cdi_at(c, i), name) && !cdi_at(c, i)->conflict)
			strv_take(ret, qualified(cdi_at(c, i)));
}

static int resolve_all(const struct cdi *c, const struct run_op *op, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < op->ndevices; i++) {
		size_t before = ret->n;

		resolve(c, op->devices[i].name, ret);
		if (ret->n == before && op->devices[i].required) {
			err_set(e, ERR_NOT_FOUND, "required CDI device \"%s\" is not registered", op->devices[i].name);
			return err_hint(e, "`tare cdi list` shows the devices of this host");
		}
	}
	return 0;
}

int run_devices_open(struct work *w, const struct run_op *op, struct spec *sp, struct devices **ret, struct err *e)
{
	auto_free char *bundle = xasprintf("%s/%s/%s/bundle-%d", store_path(w->store), store_dir_name(STORE_WORK),
					   lease_id(w->lease), sp->root_fd);
	auto_strv struct strv names = { 0 };
	struct cdi *c = NULL;
	int r;

	devices_load(sp->root_fd, &c);
	r = resolve_all(c, op, &names, e);
	if (r == 0 && names.n)
		r = devices_open_names(c, &names, sp, bundle, ret, e);
	cdi_free(c);
	if (r == 0 && names.n)
		devices_apply(*ret, sp);
	return r;
}
