/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/container/cdi*, gpu*: files, names, edits, requests; GPUs found in a made-up driver tree. */
#include "runtime/container/cdi.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fs.h"
#include "runtime/container/gpu.h"
#include "tests/unit/unit.h"

#define HEAD "cdiVersion: '0.7.0'\nkind: v.com/c\n"
#define DEV "devices: [{name: d, containerEdits: {env: [A=b]}}]\n"

/* cdi-007 */
static void test_cdi_check(void **state)
{
	static const struct { const char *text, *says; } rows[] = {
		{ HEAD DEV, NULL },
		{ "{\"cdiVersion\":\"0.3.0\",\"kind\":\"v.com/c\",\"devices\":[{\"name\":\"d\",\"containerEdits\":{\"env\":[\"A=\"]}}]}", NULL },
		{ HEAD "a: &x {env: [A=b]}\n" DEV, "unknown field a" },
		{ HEAD "devices: [{name: d, containerEdits: &x {env: [A=b]}}, {name: e, containerEdits: *x}]\n", NULL },
		{ HEAD "devices: [{name: d, containerEdits: *x}]\n", "alias" },
		{ "[", "line 2, column 1" },
		{ "kind: v.com/c\n" DEV, "cdiVersion is missing" },
		{ "cdiVersion: 0.9.9\nkind: v.com/c\n" DEV, "invalid cdiVersion" },
		{ "cdiVersion: 7\nkind: v.com/c\n" DEV, "invalid cdiVersion" },
		{ "cdiVersion: 0.7.0\n" DEV, "kind is missing" },
		{ "cdiVersion: 0.7.0\nkind: c\n" DEV, "invalid kind" },
		{ "cdiVersion: 0.7.0\nkind: 1v/c\n" DEV, "invalid kind" },
		{ "cdiVersion: 0.7.0\nkind: v/c_\n" DEV, "invalid kind" },
		{ "cdiVersion: 0.5.0\nkind: v/c.d\n" DEV, "need 0.6.0" },
		{ "cdiVersion: 0.6.0\nkind: v/c.d\n" DEV, NULL },
		{ "cdiVersion: 0.4.0\nkind: v/c\ndevices: [{name: '0', containerEdits: {env: [A=b]}}]\n", "need 0.5.0" },
		{ "cdiVersion: 0.5.0\nkind: v/c\nannotations: {a: b}\n" DEV, "need 0.6.0" },
		{ "cdiVersion: 0.6.0\nkind: v/c\ncontainerEdits: {additionalGIDs: [5]}\n" DEV, "need 0.7.0" },
		{ "cdiVersion: 1.0.0\nkind: v/c\ncontainerEdits: {netDevices: [{hostInterfaceName: a, name: b}]}\n" DEV, "need 1.1.0" },
		{ HEAD "devices: []\n", "no devices" },
		{ HEAD "devices: [{name: d, containerEdits: {}}]\n", "empty containerEdits" },
		{ HEAD "devices: [{name: -d, containerEdits: {env: [A=b]}}]\n", "invalid device name" },
		{ HEAD "devices: [{name: d, containerEdits: {env: [A]}}]\n", "invalid environment variable" },
		{ HEAD "devices: [{name: d, containerEdits: {env: [A=b]}}, {name: d, containerEdits: {env: [A=b]}}]\n", "twice" },
		{ HEAD "devices: [{name: d, containerEdits: {deviceNodes: [{path: ''}]}}]\n", "path is missing" },
		{ HEAD "devices: [{name: d, containerEdits: {deviceNodes: [{path: /dev/x, type: q}]}}]\n", "invalid type" },
		{ HEAD "devices: [{name: d, containerEdits: {deviceNodes: [{path: /dev/x, permissions: rx}]}}]\n", "invalid permissions" },
		{ HEAD "devices: [{name: d, containerEdits: {mounts: [{hostPath: /x}]}}]\n", "containerPath is missing" },
		{ HEAD "devices: [{name: d, containerEdits: {hooks: [{hookName: x, path: /x}]}}]\n", "invalid hook name" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		json_t *spec = NULL;
		int r = cdi_parse(str_of(rows[i].text), &spec, &e);

		if (r == 0)
			r = cdi_check(spec, &e);
		json_decref(spec);
		check((r == 0) == !rows[i].says, "row %zu: %s", i, err_text(&e));
		check(!rows[i].says || strstr(err_text(&e), rows[i].says), "row %zu: %s", i, err_text(&e));
	}
}

static void test_cdi_bomb(void **state)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	json_t *spec = NULL;

	(void)state;
	buf_puts(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 9; i++) {
		buf_printf(&b, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_printf(&b, "*a%d, ", i - 1);
		buf_puts(&b, "]\n");
	}
	check(cdi_parse(buf_view(&b), &spec, &e) < 0 && e.kind == ERR_LIMIT, "%s", err_text(&e));
}

static void put(int dir, const char *path, const char *text)
{
	auto_free char *copy = xstrdup(path);
	char *slash = strrchr(copy, '/');
	auto_err struct err e = { 0 };

	if (slash) {
		*slash = '\0';
		close(fs_mkdirs_in(dir, copy, 0755, (uid_t)-1, (gid_t)-1));
	}
	check(fs_replace(dir, path, text, strlen(text), 0644, false, &e) == 0, "%s: %s", path, err_text(&e));
}

struct place {
	char path[64];
	int dir;
};

static void place_new(struct place *p)
{
	snprintf(p->path, sizeof(p->path), "/tmp/tare-cdi-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->dir >= 0);
}

static void place_done(struct place *p)
{
	auto_err struct err e = { 0 };

	close(p->dir);
	check(fs_remove(AT_FDCWD, p->path, &e) == 0, "%s", err_text(&e));
}

static void load(const struct place *p, struct cdi **ret)
{
	auto_strv struct strv dirs = { 0 };

	strv_take(&dirs, xasprintf("%s/low", p->path));
	strv_take(&dirs, xasprintf("%s/high", p->path));
	strv_take(&dirs, xasprintf("%s/none", p->path));
	cdi_load(&dirs, ret);
}

static void test_cdi_priority(void **state)
{
	struct place p;
	struct cdi *c;

	(void)state;
	place_new(&p);
	put(p.dir, "low/a.yaml", HEAD "devices: [{name: d, containerEdits: {env: [A=low]}}, {name: e, containerEdits: {env: [A=low]}}]\n");
	put(p.dir, "low/b.yaml", HEAD "devices: [{name: e, containerEdits: {env: [A=b]}}]\n");
	put(p.dir, "low/bad.json", "{");
	put(p.dir, "low/other.txt", "{");
	put(p.dir, "high/a.yaml", HEAD "devices: [{name: d, containerEdits: {env: [A=high]}}]\n");
	load(&p, &c);
	assert_int_equal(cdi_count(c), 2);
	check(strstr(cdi_find(c, "v.com/c=d")->file, "/high/"), "shadowed");
	check(!cdi_find(c, "v.com/c=e"), "in conflict");
	check(!cdi_find(c, "v.com/c") && !cdi_find(c, "v.com/c=x"), "not there");
	check(cdi_problems(c)->n == 2, "%zu problems", cdi_problems(c)->n);
	cdi_free(c);
	place_done(&p);
}

static void test_cdi_inject(void **state)
{
	auto_strv struct strv names = { 0 };
	auto_err struct err e = { 0 };
	struct cdi_edits x = { 0 };
	struct place p;
	struct cdi *c;

	(void)state;
	place_new(&p);
	put(p.dir, "low/a.yaml", HEAD "containerEdits: {env: [A=all, B=all], additionalGIDs: [0, 7, 7]}\n"
	    "devices:\n"
	    "- {name: d, containerEdits: {env: [A=d], mounts: [{hostPath: /tmp, containerPath: /a/b/c, options: [ro, rbind, rslave]}]}}\n"
	    "- {name: e, containerEdits: {mounts: [{hostPath: /etc, containerPath: /a}], deviceNodes: [{path: /dev/q, type: c, major: 1, minor: 3, fileMode: 0o640}, {path: /dev/z, hostPath: /dev/zero, uid: 5}],\n"
	    "    hooks: [{hookName: poststop, path: /bin/true}]}}\n");
	load(&p, &c);
	strv_add(&names, "v.com/c=d");
	strv_add(&names, "v.com/c=e");
	check(cdi_inject(c, &names, 9, 8, &x, &e) == 0, "%s", err_text(&e));
	check_str(strv_env_get(&x.env, "A"), "d");
	check_str(strv_env_get(&x.env, "B"), "all");
	check(x.ngids == 1 && x.gids[0] == 7, "groups");
	check(x.nmounts == 2 && strcmp(x.mounts[0].dst, "/a") == 0 && x.mounts[1].flags == (SPEC_RO | SPEC_REC) &&
	      x.mounts[1].propagation == SPEC_SLAVE, "mounts");
	check(x.ndevices == 2 && x.devices[0].mode == (S_IFCHR | 0640) && x.devices[0].rdev == makedev(1, 3) &&
	      x.devices[0].uid == 9 && x.devices[0].gid == 8, "nodes");
	check(x.devices[1].rdev == makedev(1, 5) && x.devices[1].uid == 5 && strcmp(x.devices[1].path, "z") == 0, "a host's node");
	check(x.nhooks == 1 && x.hooks[0].when == SPEC_HOOK_POSTSTOP && strcmp(x.hooks[0].args.v[0], "/bin/true") == 0, "hooks");
	strv_add(&names, "v.com/c=x");
	strv_add(&names, "w.com/c=x");
	check(cdi_inject(c, &names, 0, 0, &x, &e) < 0 &&
	      strstr(err_text(&e), "unresolvable CDI devices v.com/c=x, w.com/c=x"), "%s", err_text(&e));	/* cdi-004 */
	cdi_edits_done(&x);
	cdi_free(c);
	place_done(&p);
}

static void test_gpu_request(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "all", "{\"Driver\":\"\",\"Count\":-1,\"DeviceIDs\":null,\"Capabilities\":[[\"gpu\"]],\"Options\":{}}" },
		{ "2", "{\"Driver\":\"\",\"Count\":2,\"DeviceIDs\":null,\"Capabilities\":[[\"gpu\"]],\"Options\":{}}" },
		{ "driver=nvidia", "{\"Driver\":\"nvidia\",\"Count\":1,\"DeviceIDs\":null,\"Capabilities\":[[\"gpu\"]],\"Options\":{}}" },
		{ "\"device=0,1\",\"capabilities=compute,utility\"",
		  "{\"Driver\":\"\",\"Count\":0,\"DeviceIDs\":[\"0\",\"1\"],\"Capabilities\":[[\"gpu\",\"compute\",\"utility\"]],\"Options\":{}}" },
		{ "\"options=a=1,b\"", "{\"Driver\":\"\",\"Count\":1,\"DeviceIDs\":null,\"Capabilities\":[[\"gpu\"]],\"Options\":{\"a\":\"1\",\"b\":\"\"}}" },
		{ "count=2,device=0", "!cannot set both Count and DeviceIDs" },
		{ "count=1,count=2", "!only once" }, { "x", "!invalid count (x)" }, { "-2", "!invalid count" },
		{ "color=red", "!unexpected key 'color'" }, { "count=1,all", "!must be a key=value pair" }, { "\"a", "!comma-separated" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_err struct err e = { 0 };
		json_t *o = NULL;

		if (gpu_request_parse(rows[i].in, &o, &e) == 0) {
			auto_free char *text = json_dumps(o, JSON_COMPACT);

			check_str(text, rows[i].out);
			json_decref(o);
		} else {
			check(*rows[i].out == '!' && strstr(err_text(&e), rows[i].out + 1), "%s: %s", rows[i].in, err_text(&e));
		}
	}
}

static void link_in(int dir, const char *target, const char *path)
{
	check(symlinkat(target, dir, path) == 0, "%s", path);
}

/* A driver as its installer leaves it, with plain files for nodes. */
static void driver_tree(int dir)
{
	put(dir, "dev/nvidia0", "");
	put(dir, "dev/nvidia1", "");
	put(dir, "dev/nvidiactl", "");
	put(dir, "dev/dri/renderD128", "");
	put(dir, "dev/dri/card0", "");
	put(dir, "dev/kfd", "");
	put(dir, "sys/class/drm/renderD128/device/vendor", "0x1002\n");
	put(dir, "sys/class/drm/renderD128/device/drm/card0/x", "");
	put(dir, "sys/class/drm/renderD129/device/vendor", "0x8086\n");	/* without a node */
	put(dir, "proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.1.05  Sat\n");
	put(dir, "proc/driver/nvidia/gpus/0000:01/information", "Model: T4\nGPU UUID: GPU-ab-12\nDevice Minor: 1\n");
	put(dir, "usr/lib/x86_64-linux-gnu/libcuda.so.535.1.05", "cuda");
	put(dir, "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.1.05", "ml");
	put(dir, "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1.0.0", "old");
	put(dir, "usr/lib/x86_64-linux-gnu/libother.so.535.1.05", "other");
	put(dir, "usr/bin/nvidia-smi", "");
	link_in(dir, "libcuda.so.535.1.05", "usr/lib/x86_64-linux-gnu/libcuda.so.1");
	link_in(dir, "libcuda.so.1", "usr/lib/x86_64-linux-gnu/libcuda.so");
}

static void test_gpu_discover(void **state)
{
	auto_strv struct strv found = { 0 }, names = { 0 }, dirs = { 0 };
	auto_err struct err e = { 0 };
	struct place p;
	struct cdi *c;
	json_t *all = NULL;

	(void)state;
	place_new(&p);
	gpu_discover(p.path, "/usr/lib64", &found);
	check(found.n == 0, "nothing there");
	driver_tree(p.dir);
	gpu_discover(p.path, "/usr/lib64", &found);
	assert_int_equal(found.n, 2);
	check(strstr(found.v[0], "\"/usr/lib64/libcuda.so.1\"") && strstr(found.v[0], "\"/usr/lib64/libcuda.so\"") &&
	      strstr(found.v[0], "\"/usr/lib64/libnvidia-ml.so.535.1.05\""), "%s", found.v[0]);
	check(!strstr(found.v[0], "libother") && !strstr(found.v[0], "1.0.0") && strstr(found.v[0], "nvidia-smi"), "%s", found.v[0]);
	check(strstr(found.v[1], "\"amd.com/gpu\"") && strstr(found.v[1], "card0") && strstr(found.v[1], "/dev/kfd"), "%s", found.v[1]);
	cdi_load(&dirs, &c);
	for (size_t i = 0; i < found.n; i++)
		check(cdi_add(c, "found", found.v[i], &e) == 0, "%s", err_text(&e));
	check(cdi_find(c, "nvidia.com/gpu=GPU-ab-12") && cdi_find(c, "nvidia.com/gpu=all") && cdi_find(c, "amd.com/gpu=0"), "names");
	check(gpu_request_parse("all", &all, &e) == 0 && gpu_request_names(c, all, &names, &e) == 0, "%s", err_text(&e));
	check(names.n == 1 && strcmp(names.v[0], "nvidia.com/gpu=all") == 0, "all");
	json_decref(all);
	check(gpu_request_parse("2,driver=amd", &all, &e) == 0 && gpu_request_names(c, all, &names, &e) == 0, "%s", err_text(&e));
	check(names.n == 3 && strcmp(names.v[2], "amd.com/gpu=1") == 0, "by number");
	json_decref(all);
	check(gpu_request_parse("all,driver=intel", &all, &e) == 0 && gpu_request_names(c, all, &names, &e) < 0, "none");
	check(strstr(err_text(&e), "could not select device driver \"intel\" with capabilities: [[gpu]]"), "%s", err_text(&e));
	json_decref(all);
	cdi_free(c);
	place_done(&p);
}

int suite_cdi(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cdi_check), cmocka_unit_test(test_cdi_bomb), cmocka_unit_test(test_cdi_priority),
		cmocka_unit_test(test_cdi_inject), cmocka_unit_test(test_gpu_request), cmocka_unit_test(test_gpu_discover),
	};

	return cmocka_run_group_tests_name("cdi", tests, NULL, NULL);
}
