/* SPDX-License-Identifier: Apache-2.0 */
/* The CDI files of this host, as one sorted table of devices. SPEC.md "CDI Spec Files", "Priority". */
#include "runtime/container/cdi.h"

#include <errno.h>
#include <stdio.h>

#include "base/fs.h"
#include "runtime/container/record.h"

#define FILE_MAX ((size_t)8 << 20)

struct cdi_file {
	char *path;
	json_t *spec;
	int priority;
};

struct cdi {
	struct cdi_file *files;
	size_t nfiles;
	struct cdi_device *devices;
	int *priorities;		/* of the devices, same order while they are collected */
	size_t ndevices;
	struct strv problems;
};

/* ---- collecting ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct cdi_device *find_exact(struct cdi *c, const char *kind, const char *name, size_t *at)
{
	for (size_t i = 0; i < c->ndevices; i++)
		if (strcmp(c->devices[i].kind, kind) == 0 && strcmp(c->devices[i].name, name) == 0) {
			*at = i;
			return &c->devices[i];
		}
	return NULL;
}

/* A device shadows its namesakes of lower priority; of two with the same priority none is usable. */
static void add_device(struct cdi *c, const struct cdi_file *f, const char *kind, const json_t *device)
{
	struct cdi_device d = { .kind = kind, .device = device, .spec = f->spec, .file = f->path }, *old;
	size_t at = c->ndevices;

	d.name = json_string_value(json_object_get(device, "name"));
	old = find_exact(c, kind, d.name, &at);
	if (old && c->priorities[at] == f->priority) {
		old->conflict = true;
		strv_take(&c->problems,
			  xasprintf("%s: %s=%s is defined in %s, too", f->path, kind, d.name, old->file));
		return;
	}
	if (old && c->priorities[at] > f->priority)
		return;
	if (!old) {
		c->devices = xrealloc(c->devices, (at + 1) * sizeof(*c->devices));
		c->priorities = xrealloc(c->priorities, (at + 1) * sizeof(*c->priorities));
		c->ndevices++;
	}
	c->devices[at] = d;
	c->priorities[at] = f->priority;
}

/* spec becomes c's. */
static void add_spec(struct cdi *c, const char *path, json_t *spec, int priority)
{
	const json_t *devices = json_object_get(spec, "devices");
	struct cdi_file *f;

	c->files = xrealloc(c->files, (c->nfiles + 1) * sizeof(*c->files));
	f = &c->files[c->nfiles++];
	*f = (struct cdi_file){ xstrdup(path), spec, priority };
	for (size_t i = 0; i < json_array_size(devices); i++)
		add_device(c, f, json_string_value(json_object_get(spec, "kind")), json_array_get(devices, i));
}

static int read_spec(int dir, const char *name, json_t **ret, struct err *e)
{
	auto_buf struct buf text = { 0 };
	json_t *spec = NULL;

	if (fs_read(dir, name, FILE_MAX, &text, e) < 0)
		return -1;
	if (cdi_parse(buf_view(&text), &spec, e) < 0)
		return -1;
	if (cdi_check(spec, e) < 0) {
		json_decref(spec);
		return -1;
	}
	*ret = spec;
	return 0;
}

static void add_dir(struct cdi *c, const char *path, int priority)
{
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strv struct strv names = { 0 };
	auto_err struct err e = { 0 };

	if (dir < 0 && errno != ENOENT)
		err_sys(&e, "open");
	if (dir < 0 || record_names(dir, &names, &e) < 0) {
		if (e.kind)
			strv_take(&c->problems, xasprintf("%s: %s", path, err_text(&e)));
		return;
	}
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *full = xasprintf("%s/%s", path, names.v[i]);
		json_t *spec = NULL;

		if (!str_ends(str_of(full), ".json") && !str_ends(str_of(full), ".yaml"))
			continue;
		err_clear(&e);
		if (read_spec(dir, names.v[i], &spec, &e) < 0)
			strv_take(&c->problems, xasprintf("%s: %s", full, err_text(&e)));
		else
			add_spec(c, full, spec, priority);
	}
}

static int compare_devices(const void *a, const void *b)
{
	const struct cdi_device *x = a, *y = b;
	int r = strcmp(x->kind, y->kind);

	return r ? r : strverscmp(x->name, y->name);
}

static void sort_devices(struct cdi *c)
{
	if (c->ndevices)
		qsort(c->devices, c->ndevices, sizeof(*c->devices), compare_devices);
}

void cdi_load(const struct strv *dirs, struct cdi **ret)
{
	struct cdi *c = xcalloc(1, sizeof(*c));

	for (size_t i = 0; i < dirs->n; i++)
		add_dir(c, dirs->v[i], (int)i);
	sort_devices(c);
	*ret = c;
}

int cdi_add(struct cdi *c, const char *file, const char *text, struct err *e)
{
	json_t *spec = NULL;

	if (cdi_parse(str_of(text), &spec, e) < 0)
		return -1;
	if (cdi_check(spec, e) < 0) {
		json_decref(spec);
		return -1;
	}
	for (size_t i = 0; i < c->ndevices; i++)	/* sorting has mixed them: all that is there comes before */
		c->priorities[i] = 0;
	add_spec(c, file, spec, -1);
	sort_devices(c);
	return 0;
}

void cdi_free(struct cdi *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nfiles; i++) {
		free(c->files[i].path);
		json_decref(c->files[i].spec);
	}
	free(c->files);
	free(c->devices);
	free(c->priorities);
	strv_done(&c->problems);
	free(c);
}

/* ---- asking ---- */

size_t cdi_count(const struct cdi *c)
{
	return c->ndevices;
}

const struct cdi_device *cdi_at(const struct cdi *c, size_t i)
{
	return &c->devices[i];
}

const struct cdi_device *cdi_find(const struct cdi *c, const char *qualified)
{
	struct str name = str_of(qualified), kind = str_cut(&name, '=');

	for (size_t i = 0; name.p && i < c->ndevices; i++) {
		const struct cdi_device *d = &c->devices[i];

		if (str_is(kind, d->kind) && str_is(name, d->name))
			return d->conflict ? NULL : d;
	}
	return NULL;
}

const struct strv *cdi_problems(const struct cdi *c)
{
	return &c->problems;
}
