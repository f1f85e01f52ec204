/* SPDX-License-Identifier: Apache-2.0 */
/* Device nodes of the host by path; devices by CDI name and GPUs go to runtime/container/devices. */
#include "engine/run_device.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "runtime/container/cdi.h"
#include "runtime/container/devices.h"
#include "runtime/container/jsontext.h"

#define DEPTH_MAX 16

/* ---- into the record ---- */

static bool is_mode(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("rwm", s.p[i]) || memchr(s.p, s.p[i], i))
			return false;
	return s.n > 0;
}

/* "src[:dst][:mode]" */
static int node_json(const char *text, json_t *list, struct err *e)
{
	struct str rest = str_of(text), src = str_cut(&rest, ':'), dst = rest.p ? str_cut(&rest, ':') : src;
	struct str mode = rest.p ? rest : STR_LIT("rwm");

	if (!rest.p && dst.p != src.p && is_mode(dst)) {
		mode = dst;
		dst = src;
	}
	if (!str_starts(src, "/") || !str_starts(dst, "/"))
		return err_set(e, ERR_USAGE, "invalid device \"%s\": " STR_FMT " is not an absolute path", text,
			       STR_ARG(str_starts(src, "/") ? dst : src));
	if (!is_mode(mode))
		return err_set(e, ERR_USAGE, "invalid device \"%s\": bad mode specified: " STR_FMT, text, STR_ARG(mode));
	json_array_append_new(list, json_pack("{ss% ss% ss%}", "PathOnHost", src.p, src.n, "PathInContainer", dst.p, dst.n,
					      "CgroupPermissions", mode.p, mode.n));
	return 0;
}

int run_device_record(const struct run_args *a, json_t *host, struct err *e)
{
	json_t *nodes = json_array(), *requests = NULL;
	auto_strv struct strv names = { 0 };

	json_object_set_new(host, "Devices", nodes);
	for (size_t i = 0; i < a->devices.n; i++) {
		if (cdi_is_name(a->devices.v[i]))
			strv_add(&names, a->devices.v[i]);
		else if (node_json(a->devices.v[i], nodes, e) < 0)
			return -1;
	}
	if (devices_requests(&a->gpus, &names, &requests, e) < 0)
		return -1;
	json_object_set_new(host, "DeviceRequests", requests);
	return 0;
}

/* ---- and out of it ---- */

static int add_node(struct run_device_set *s, const char *src, const char *dst, const struct stat *st, struct err *e)
{
	if (strncmp(dst, "/dev/", 5) != 0)
		return err_set(e, ERR_USAGE, "device %s: its place in the container, %s, is not beneath /dev", src, dst);
	s->nodes = xrealloc(s->nodes, (s->n + 1) * sizeof(*s->nodes));
	strv_add(&s->paths, dst + 5);
	strv_add(&s->paths, src);
	s->nodes[s->n++] = (struct spec_device){ .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid, .rdev = st->st_rdev };
	return 0;
}

/* Every node of a directory; ours and what cannot be read are left out. */
static int add_below(struct run_device_set *s, const char *src, const char *dst, int depth, struct err *e)
{
	DIR *d = opendir(src);
	struct dirent *de;
	int r = 0;

	while (d && r == 0 && (de = readdir(d))) {
		auto_free char *from = xasprintf("%s/%s", src, de->d_name), *to = xasprintf("%s/%s", dst, de->d_name);
		bool skip = strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 || strcmp(de->d_name, "pts") == 0 ||
			    strcmp(de->d_name, "shm") == 0 || strcmp(de->d_name, "fd") == 0 ||
			    strcmp(de->d_name, "mqueue") == 0 || strcmp(de->d_name, "console") == 0;
		struct stat st;

		if (skip || lstat(from, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			r = add_below(s, from, to, depth + 1, e);
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			r = add_node(s, from, to, &st, e);
	}
	if (d)
		closedir(d);
	return r;
}

static int add_device(struct run_device_set *s, const char *src, const char *dst, struct err *e)
{
	size_t before = s->n;
	struct stat st;

	if (stat(src, &st) < 0)
		return err_sys(e, "error gathering device information while adding custom device \"%s\"", src);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return add_node(s, src, dst, &st, e);
	if (S_ISDIR(st.st_mode) && add_below(s, src, dst, 0, e) < 0)
		return -1;
	if (s->n == before)
		return err_set(e, ERR_USAGE,
			       "error gathering device information while adding custom device \"%s\": not a device node", src);
	return 0;
}

static int add_devices(struct run_device_set *s, const json_t *list, struct err *e)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		auto_free char *src = jsontext_bytes(json_object_get(o, "PathOnHost"));
		auto_free char *dst = jsontext_bytes(json_object_get(o, "PathInContainer"));

		if (add_device(s, src, dst, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < s->n; i++) {	/* the list has its final place now */
		s->nodes[i].path = s->paths.v[2 * i];
		s->nodes[i].host = s->paths.v[2 * i + 1];
	}
	return 0;
}

int run_device_open(const json_t *host, const char *bundle, struct spec *sp, struct run_device_set *ret, struct err *e)
{
	if (add_devices(ret, json_object_get(host, "Devices"), e) < 0)
		return -1;
	sp->devices = ret->nodes;
	sp->ndevices = ret->n;
	if (devices_open(json_object_get(host, "DeviceRequests"), sp, bundle, &ret->cdi, e) < 0)
		return -1;
	devices_apply(ret->cdi, sp);
	return 0;
}

void run_device_close(struct run_device_set *s)
{
	devices_free(s->cdi);
	free(s->nodes);
	strv_done(&s->paths);
	*s = (struct run_device_set){ 0 };
}
