/* SPDX-License-Identifier: Apache-2.0 */
/* tare cdi: the devices of this host, and a CDI file for its GPUs. */
#include <errno.h>
#include <stdio.h>

#include "base/fs.h"
#include "cli/cmd.h"
#include "runtime/container/cdi.h"
#include "runtime/container/devices.h"
#include "runtime/container/gpu.h"

struct list_args {
	bool verbose;
};

static const struct opt list_opts[] = {
	{ 'v', "verbose", NULL, OPT_BOOL, offsetof(struct list_args, verbose), "show the file of each device, too" },
	{ 0 },
};

static int list_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e UNUSED)
{
	const struct list_args *a = p;
	struct cdi *cdi = NULL;

	devices_load(-1, &cdi);
	for (size_t i = 0; i < cdi_count(cdi); i++) {
		const struct cdi_device *d = cdi_at(cdi, i);

		if (d->conflict)
			continue;
		fprintf(c->out, a->verbose ? "%s=%s\t%s\n" : "%s=%s\n", d->kind, d->name, d->file);
	}
	for (size_t i = 0; i < cdi_problems(cdi)->n; i++)
		fprintf(c->err, "tare: left out: %s\n", cdi_problems(cdi)->v[i]);
	cdi_free(cdi);
	return 0;
}

const struct cmd cmd_cdi_list = {
	.name = "cdi list", .synopsis = "[options]", .about = "List the devices that --device and --gpus know on this host.",
	.opts = list_opts, .args_size = sizeof(struct list_args), .run = list_run, .bare = true,
};

struct generate_args {
	const char *output, *root, *vendor;
};

static const struct opt generate_opts[] = {
	{ 'o', "output", "FILE", OPT_STR, offsetof(struct generate_args, output),
	  "write to FILE (/etc/cdi/NAME.json makes it known)" },
	{ 0, "driver-root", "DIR", OPT_STR, offsetof(struct generate_args, root), "look beneath DIR instead of /" },
	{ 0, "vendor", "NAME", OPT_STR, offsetof(struct generate_args, vendor), "nvidia, amd or intel, where there are several" },
	{ 0 },
};

static bool is_vendor(const char *spec, const char *vendor)
{
	auto_free char *kind = vendor ? xasprintf("\"%s.com/gpu\"", vendor) : NULL;

	return !kind || strstr(spec, kind);
}

static int write_spec(struct cli *c, const char *path, const char *spec, struct err *e)
{
	auto_free char *text = xasprintf("%s\n", spec);

	if (path)
		return fs_replace(AT_FDCWD, path, text, strlen(text), 0644, false, e);
	fputs(text, c->out);
	return 0;
}

static int generate_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct generate_args *a = p;
	auto_strv struct strv found = { 0 };
	const char *spec = NULL;

	gpu_discover(a->root ? a->root : "", NULL, &found);
	for (size_t i = 0; i < found.n; i++) {
		if (!is_vendor(found.v[i], a->vendor))
			continue;
		if (spec) {
			err_set(e, ERR_USAGE, "there are GPUs of several vendors");
			return err_hint(e, "say which: --vendor nvidia, amd or intel");
		}
		spec = found.v[i];
	}
	if (!spec) {
		err_set(e, ERR_NOT_FOUND, "no GPU found");
		return err_hint(e, "looked for /dev/nvidia0 and for render nodes of AMD and Intel in /dev/dri");
	}
	return write_spec(c, a->output, spec, e);
}

const struct cmd cmd_cdi_generate = {
	.name = "cdi generate", .synopsis = "[options]",
	.about = "Write a CDI file for the GPUs and driver files found on this host.",
	.opts = generate_opts, .args_size = sizeof(struct generate_args), .run = generate_run, .bare = true,
};
