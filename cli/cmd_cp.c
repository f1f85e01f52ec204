/* SPDX-License-Identifier: Apache-2.0 */
/* tare cp, export: files of containers. */
#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"
#include "engine/copy.h"

struct cp_args {
	struct copy_args c;
	bool quiet;
};

static const struct opt cp_opts[] = {
	{ 'a', "archive", NULL, OPT_BOOL, offsetof(struct cp_args, c.archive),
	  "to a container: owned by its user; from one: owners are kept" },
	{ 'L', "follow-link", NULL, OPT_BOOL, offsetof(struct cp_args, c.follow), "copy what a link points to" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct cp_args, quiet), "do not tell how much it was" },
	{ 0 },
};

static int cp_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	struct cp_args *a = p;
	char size[FORMAT_SIZE_MAX];
	struct session ss;
	uint64_t bytes;
	int r;

	a->c.from = argv[0];
	a->c.to = argv[1];
	if (session_open(&ss, c, NULL, e) < 0)
		return -1;
	r = engine_copy(&ss.job, ss.store, &a->c, &bytes, e);
	session_close(&ss);
	if (r == 0 && bytes && !a->quiet && isatty(2))
		fprintf(c->err, "Successfully copied %s to %s\n", format_size(bytes, 3, size), argv[1]);
	return r;
}

const struct cmd cmd_cp = {
	.name = "cp", .synopsis = "[options] CONTAINER:PATH PATH|-, or PATH|- CONTAINER:PATH",
	.about = "Copy files into or out of a container.",
	.opts = cp_opts, .args_size = sizeof(struct cp_args), .min = 2, .max = 2, .run = cp_run,
};

struct export_args { const char *output; };

static const struct opt export_opts[] = {
	{ 'o', "output", "FILE", OPT_STR, offsetof(struct export_args, output), "write to FILE, not to standard output" },
	{ 0 },
};

static int export_to(struct session *ss, const char *name, const char *file, struct err *e)
{
	auto_fd int fd = file ? open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : dup(1);

	if (fd < 0)
		return err_sys(e, "open %s", file ? file : "standard output");
	return engine_export(&ss->job, ss->store, name, fd, e);
}

static int export_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct export_args *a = p;
	struct session ss;
	int r;

	if (!a->output && isatty(1))
		return err_set(e, ERR_USAGE, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
	if (session_open(&ss, c, NULL, e) < 0)
		return -1;
	r = export_to(&ss, argv[0], a->output, e);
	session_close(&ss);
	if (r < 0 && a->output && e->kind == ERR_NOT_FOUND)
		(void)unlink(a->output);
	return r;
}

const struct cmd cmd_export = {
	.name = "export", .synopsis = "[options] CONTAINER", .about = "Write a container's file system as a tar.",
	.opts = export_opts, .args_size = sizeof(struct export_args), .min = 1, .max = 1, .run = export_run,
};
