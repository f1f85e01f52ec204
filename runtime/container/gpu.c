/* SPDX-License-Identifier: Apache-2.0 */
/* A host's GPUs and their driver files, written down as a CDI file. What is there decides; nothing is executed. */
#include "runtime/container/gpu.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "runtime/container/record.h"

#define VERSION_CDI "0.7.0"
#define TEXT_MAX ((size_t)64 << 10)

struct host {
	const char *root, *libdir;
};

static char *host_path(const struct host *h, const char *path)
{
	return xasprintf("%s%s", h->root, path);
}

static bool host_has(const struct host *h, const char *path, struct stat *ret)
{
	auto_free char *full = host_path(h, path);
	struct stat st;

	return stat(full, ret ? ret : &st) == 0;
}

/* A small file of procfs or sysfs, its last newline cut. */
static char *host_text(const struct host *h, const char *path)
{
	auto_free char *full = host_path(h, path);
	auto_buf struct buf b = { 0 };
	auto_err struct err ignored = { 0 };
	auto_fd int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fs_read_fd(fd, TEXT_MAX, &b, &ignored) < 0)
		return xstrdup("");
	return str_dup(str_trim(buf_view(&b)));
}

static void host_names(const struct host *h, const char *path, struct strv *ret)
{
	auto_free char *full = host_path(h, path);
	auto_err struct err ignored = { 0 };
	auto_fd int dir = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir >= 0)
		(void)!record_names(dir, ret, &ignored);
}

static void put_node(const struct host *h, json_t *edits, const char *path)
{
	json_t *nodes = json_object_get(edits, "deviceNodes");

	if (!host_has(h, path, NULL))
		return;
	if (!nodes) {
		nodes = json_array();
		json_object_set_new(edits, "deviceNodes", nodes);
	}
	json_array_append_new(nodes, *h->root ? json_pack("{ss ss+}", "path", path, "hostPath", h->root, path) :
						json_pack("{ss}", "path", path));
}

static void put_mount(const struct host *h, json_t *edits, const char *from, const char *to)
{
	json_t *mounts = json_object_get(edits, "mounts");

	if (!host_has(h, from, NULL))
		return;
	if (!mounts) {
		mounts = json_array();
		json_object_set_new(edits, "mounts", mounts);
	}
	json_array_append_new(mounts, json_pack("{ss+ ss s[sssss]}", "hostPath", h->root, from, "containerPath", to,
						"options", "ro", "nosuid", "nodev", "rbind", "rprivate"));
}

static void put_device(json_t *devices, const char *name, json_t *edits)
{
	json_array_append_new(devices, json_pack("{ss sO}", "name", name, "containerEdits", edits));
}

/* {devices} of a kind with what all of them need; nothing is appended if there are none. */
static void put_spec(const char *kind, json_t *devices, json_t *common, struct strv *ret)
{
	json_t *spec = json_pack("{ss ss so so}", "cdiVersion", VERSION_CDI, "kind", kind, "devices", devices,
				 "containerEdits", common);

	if (json_array_size(devices))
		strv_take(ret, json_dumps(spec, JSON_INDENT(2)));
	json_decref(spec);
}

/* ---- NVIDIA ---- */

/* "535.104.05", from "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat ..." or sysfs. */
static char *driver_version(const struct host *h)
{
	auto_free char *sys = host_text(h, "/sys/module/nvidia/version"), *proc = host_text(h, "/proc/driver/nvidia/version");
	const char *p = strstr(proc, "Kernel Module");

	if (*sys)
		return take_ptr(&sys);
	while (p && *p && !isdigit((unsigned char)*p))
		p++;
	return p ? xstrndup(p, strspn(p, "0123456789.")) : xstrdup("");
}

static bool is_driver_library(const char *name, const char *version)
{
	static const char *const starts[] = { "libcuda.so", "libcudadebugger.so", "libnvcuvid.so", "libnvoptix.so" };
	auto_free char *end = xasprintf(".so.%s", version);
	bool ours = strncmp(name, "lib", 3) == 0 && strstr(name, "nvidia") != NULL;

	for (size_t i = 0; i < countof(starts); i++)
		ours = ours || strncmp(name, starts[i], strlen(starts[i])) == 0;
	return ours && *version && str_ends(str_of(name), end);
}

/* The library by its own name, and by each that a link beside it gives: no cache of names must be made anew then. */
static void put_library(const struct host *h, json_t *edits, const char *dir, const struct strv *names, const char *lib)
{
	const char *to = h->libdir ? h->libdir : dir;
	auto_free char *from = xasprintf("%s/%s", dir, lib), *stem = xstrndup(lib, (size_t)(strstr(lib, ".so") - lib) + 3);
	struct stat own, st;

	if (!host_has(h, from, &own))
		return;
	for (size_t i = 0; i < names->n; i++) {
		auto_free char *path = xasprintf("%s/%s", dir, names->v[i]), *at = xasprintf("%s/%s", to, names->v[i]);

		if (str_starts(str_of(names->v[i]), stem) && host_has(h, path, &st) && st.st_ino == own.st_ino &&
		    st.st_dev == own.st_dev)
			put_mount(h, edits, from, at);
	}
}

static void nvidia_libraries(const struct host *h, const char *version, json_t *edits)
{
	static const char *const dirs[] = { "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib" };

	for (size_t i = 0; i < countof(dirs); i++) {
		auto_strv struct strv names = { 0 };
		bool found = false;

		host_names(h, dirs[i], &names);
		for (size_t k = 0; k < names.n; k++)
			if (is_driver_library(names.v[k], version)) {
				put_library(h, edits, dirs[i], &names, names.v[k]);
				found = true;
			}
		if (found)
			return;	/* the others are for other architectures, or links to these */
	}
}

static json_t *nvidia_common(const struct host *h)
{
	static const char *const nodes[] = { "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset" };
	static const char *const files[] = {
		"/usr/bin/nvidia-smi", "/usr/bin/nvidia-debugdump", "/usr/bin/nvidia-persistenced",
		"/usr/bin/nvidia-cuda-mps-control", "/usr/bin/nvidia-cuda-mps-server", "/run/nvidia-persistenced/socket",
		"/run/nvidia-fabricmanager/socket",
	};
	auto_free char *version = driver_version(h), *firmware = xasprintf("/lib/firmware/nvidia/%s", version);
	json_t *edits = json_pack("{s[s]}", "env", "NVIDIA_VISIBLE_DEVICES=void");

	for (size_t i = 0; i < countof(nodes); i++)
		put_node(h, edits, nodes[i]);
	nvidia_libraries(h, version, edits);
	for (size_t i = 0; i < countof(files); i++)
		put_mount(h, edits, files[i], files[i]);
	if (*version)
		put_mount(h, edits, firmware, firmware);
	return edits;
}

/* "GPU-..." of the device with that minor number; "" if the driver does not say. */
static char *nvidia_uuid(const struct host *h, unsigned minor_)
{
	auto_strv struct strv buses = { 0 };

	host_names(h, "/proc/driver/nvidia/gpus", &buses);
	for (size_t i = 0; i < buses.n; i++) {
		auto_free char *path = xasprintf("/proc/driver/nvidia/gpus/%s/information", buses.v[i]);
		auto_free char *text = host_text(h, path);
		const char *uuid = strstr(text, "GPU-"), *number = strstr(text, "Device Minor:");

		if (uuid && number && (unsigned)strtoul(number + strlen("Device Minor:"), NULL, 10) == minor_)
			return xstrndup(uuid, strspn(uuid, "GPU-0123456789abcdef"));
	}
	return xstrdup("");
}

static void find_nvidia(const struct host *h, struct strv *ret)
{
	json_t *devices = json_array(), *all = json_object();

	for (unsigned i = 0; i < 64; i++) {
		auto_free char *node = xasprintf("/dev/nvidia%u", i), *name = xasprintf("%u", i), *uuid = NULL;
		json_t *edits;

		if (!host_has(h, node, NULL))
			continue;
		edits = json_object();
		put_node(h, edits, node);
		put_node(h, all, node);
		uuid = nvidia_uuid(h, i);
		put_device(devices, name, edits);
		if (*uuid)
			put_device(devices, uuid, edits);
		json_decref(edits);
	}
	if (json_array_size(devices))
		put_device(devices, "all", all);
	json_decref(all);
	put_spec("nvidia.com/gpu", devices, json_array_size(devices) ? nvidia_common(h) : json_object(), ret);
}

/* ---- render nodes ---- */

/* The card of the same device: render128 -> card0. */
static void put_card(const struct host *h, const char *render, json_t *edits)
{
	auto_free char *dir = xasprintf("/sys/class/drm/%s/device/drm", render);
	auto_strv struct strv names = { 0 };

	host_names(h, dir, &names);
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *path = xasprintf("/dev/dri/%s", names.v[i]);

		if (str_starts(str_of(names.v[i]), "card"))
			put_node(h, edits, path);
	}
}

/* Whoever is in the node's group may use it. */
static void put_group(const struct host *h, const char *path, json_t *edits)
{
	json_t *gids = json_object_get(edits, "additionalGIDs"), *one;
	struct stat st;
	size_t i;

	if (!host_has(h, path, &st) || st.st_gid == 0)
		return;
	if (!gids) {
		gids = json_array();
		json_object_set_new(edits, "additionalGIDs", gids);
	}
	json_array_foreach(gids, i, one)
		if (json_integer_value(one) == (json_int_t)st.st_gid)
			return;
	json_array_append_new(gids, json_integer((json_int_t)st.st_gid));
}

static void put_render(const struct host *h, const char *render, json_t *edits)
{
	auto_free char *path = xasprintf("/dev/dri/%s", render);

	put_node(h, edits, path);
	put_group(h, path, edits);
	put_card(h, render, edits);
}

static int by_version(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static void find_render(const struct host *h, const char *kind, const char *vendor, const char *common_node, struct strv *ret)
{
	json_t *devices = json_array(), *all = json_object(), *common = json_object();
	auto_strv struct strv names = { 0 };
	unsigned n = 0;

	host_names(h, "/sys/class/drm", &names);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_version);
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *path = xasprintf("/sys/class/drm/%s/device/vendor", names.v[i]), *id = host_text(h, path);
		auto_free char *node = xasprintf("/dev/dri/%s", names.v[i]), *name = NULL;
		json_t *edits;

		if (!str_starts(str_of(names.v[i]), "renderD") || strcmp(id, vendor) != 0 || !host_has(h, node, NULL))
			continue;
		edits = json_object();
		name = xasprintf("%u", n++);
		put_render(h, names.v[i], edits);
		put_render(h, names.v[i], all);
		put_device(devices, name, edits);
		json_decref(edits);
	}
	if (n)
		put_device(devices, "all", all);
	if (n && common_node) {
		put_node(h, common, common_node);
		put_group(h, common_node, common);
	}
	json_decref(all);
	put_spec(kind, devices, common, ret);
}

void gpu_discover(const char *root, const char *libdir, struct strv *ret)
{
	const struct host h = { root, libdir };

	find_nvidia(&h, ret);
	find_render(&h, "amd.com/gpu", "0x1002", "/dev/kfd", ret);
	find_render(&h, "intel.com/gpu", "0x8086", NULL, ret);
}
