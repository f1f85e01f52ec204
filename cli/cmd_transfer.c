/* SPDX-License-Identifier: Apache-2.0 */
/* tare save, tare load, tare import: images in archives. */
#include <fcntl.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "engine/transfer.h"

/* A session whose warnings go to standard error, and nothing else. */
static int quiet_session(struct session *ss, struct cli *c, struct progress **pr, struct err *e)
{
	if (progress_new("quiet", c->err, pr, e) < 0)
		return -1;
	if (session_open(ss, c, progress_sink(*pr), e) == 0)
		return 0;
	progress_free(*pr);
	return -1;
}

static void end_session(struct session *ss, struct progress *pr)
{
	session_close(ss);
	progress_free(pr);
}

struct save_cli {
	struct save_args s;
	const char *format;
};

static const struct opt save_opts[] = {
	{ 'o', "output", "FILE", OPT_STR, offsetof(struct save_cli, s.output), "write to FILE instead of standard output" },
	{ 0, "format", "FORMAT", OPT_STR, offsetof(struct save_cli, format), "docker-archive (default) or oci-archive" },
	{ 0 },
};

static int save_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct save_cli *a = p;
	struct progress *pr;
	struct session ss;
	int r;

	if (archive_format_parse(a->format ? a->format : "docker-archive", &a->s.format, e) < 0)
		return -1;
	a->s.fd = STDOUT_FILENO;
	if (a->s.output && strcmp(a->s.output, "-") == 0)
		a->s.output = NULL;
	if (!a->s.output && isatty(STDOUT_FILENO)) {
		err_set(e, ERR_USAGE, "an archive is not for a terminal");
		return err_hint(e, "use -o FILE, or redirect the output");
	}
	if (quiet_session(&ss, c, &pr, e) < 0)
		return -1;
	a->s.names = (struct strv){ argv, (size_t)argc };	/* borrowed: argv outlives us */
	r = transfer_save(&ss.job, ss.store, &a->s, e);
	end_session(&ss, pr);
	return r;
}

const struct cmd cmd_save = {
	.name = "save", .synopsis = "[options] IMAGE...", .about = "Write images to an archive.",
	.opts = save_opts, .args_size = sizeof(struct save_cli), .min = 1, .max = -1, .run = save_run,
};

/* FILE or "-" (NULL: "-") for reading. */
static int open_input(const char *path, bool *own, int *ret, struct err *e)
{
	int fd;

	*own = path && strcmp(path, "-") != 0;
	if (!*own) {
		if (isatty(STDIN_FILENO)) {
			err_set(e, ERR_USAGE, "an archive does not come from a terminal");
			return err_hint(e, "name a file, or redirect the input");
		}
		*ret = STDIN_FILENO;
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	*ret = fd;
	return 0;
}

struct load_cli {
	const char *input, *platform;
	bool quiet;
};

static const struct opt load_opts[] = {
	{ 'i', "input", "FILE", OPT_STR, offsetof(struct load_cli, input),
	  "read FILE (or an OCI layout's directory) instead of standard input" },
	{ 0, "platform", "OS/ARCH", OPT_STR, offsetof(struct load_cli, platform),
	  "the image for OS/ARCH, where there are several" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct load_cli, quiet), "do not print what was loaded" },
	{ 0 },
};

static void print_loaded(FILE *out, const struct offers *l)
{
	char text[REF_TEXT_MAX], id[DIGEST_TEXT_MAX];

	for (size_t i = 0; i < l->n; i++) {
		struct digest d = offer_id(&l->v[i]);

		if (l->v[i].names.n == 0)
			fprintf(out, "Loaded image ID: %s\n", digest_text(&d, id));
		for (size_t k = 0; k < l->v[i].names.n; k++) {
			auto_err struct err e = { 0 };
			struct ref r;

			if (ref_parse(str_of(l->v[i].names.v[k]), &r, &e) == 0)
				fprintf(out, "Loaded image: %s\n", ref_familiar(&r, text));
		}
	}
}

static int load_fd(struct cli *c, const struct load_cli *a, int fd, struct err *e)
{
	auto_offers struct offers done = { 0 };
	struct platform want;
	struct progress *pr;
	struct session ss;
	int r;

	if (a->platform && platform_parse(str_of(a->platform), &want, e) < 0)
		return -1;
	if (quiet_session(&ss, c, &pr, e) < 0)
		return -1;
	r = transfer_load(&ss.job, ss.store, fd, a->platform ? &want : NULL, &done, e);
	end_session(&ss, pr);
	if (r < 0)
		return err_wrap(e, "load %s", a->input ? a->input : "from standard input");
	if (!a->quiet)
		print_loaded(c->out, &done);
	return 0;
}

static int load_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct load_cli *a = p;
	bool own;
	int fd, r;

	if (open_input(a->input, &own, &fd, e) < 0)
		return -1;
	r = load_fd(c, a, fd, e);
	if (own)
		close(fd);
	return r;
}

const struct cmd cmd_load = {
	.name = "load", .synopsis = "[options]", .about = "Read images from an archive.",
	.opts = load_opts, .args_size = sizeof(struct load_cli), .run = load_run,
};

struct import_cli {
	struct import_args i;
	const char *platform;
};

static const struct opt import_opts[] = {
	{ 'c', "change", "INSTRUCTION", OPT_LIST, offsetof(struct import_cli, i.changes),
	  "apply a Dockerfile instruction to the config; may be repeated" },
	{ 'm', "message", "TEXT", OPT_STR, offsetof(struct import_cli, i.message), "comment in the history" },
	{ 0, "platform", "OS/ARCH", OPT_STR, offsetof(struct import_cli, platform),
	  "what the file system is for (default: this machine)" },
	{ 0 },
};

static int import_fd(struct cli *c, struct import_cli *a, struct err *e)
{
	char id[DIGEST_TEXT_MAX];
	struct image_row row;
	struct progress *pr;
	struct platform p;
	struct session ss;
	int r;

	if (a->platform && platform_parse(str_of(a->platform), &p, e) < 0)
		return -1;
	a->i.platform = a->platform ? &p : NULL;
	if (quiet_session(&ss, c, &pr, e) < 0)
		return -1;
	r = transfer_import(&ss.job, ss.store, &a->i, &row, e);
	end_session(&ss, pr);
	if (r == 0)
		fprintf(c->out, "%s\n", digest_text(&row.config, id));
	return r;
}

static int import_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct import_cli *a = p;
	bool own;
	int r;

	a->i.source = argv[0];
	a->i.name = argc > 1 ? argv[1] : NULL;
	if (open_input(argv[0], &own, &a->i.fd, e) < 0)
		return -1;
	r = import_fd(c, a, e);
	if (own)
		close(a->i.fd);
	return r;
}

const struct cmd cmd_import = {
	.name = "import", .synopsis = "[options] FILE|- [NAME[:TAG]]", .about = "Make an image of a root file system's tar.",
	.opts = import_opts, .args_size = sizeof(struct import_cli), .min = 1, .max = 2, .run = import_run,
};
