/* SPDX-License-Identifier: Apache-2.0 */
/* tare image ls, cat, mount, umount: an image's files. */
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/session.h"
#include "engine/image_tree.h"

struct opened {
	struct session ss;
	struct image_tree *tree;
	char *name;
	const char *path;	/* in the image */
};

/* "NAME" or "NAME:/path": no tag begins with a slash. */
static int open_image(struct cli *c, const char *word, struct opened *ret, struct err *e)
{
	const char *at = strstr(word, ":/");

	*ret = (struct opened){ .name = at ? xstrndup(word, (size_t)(at - word)) : xstrdup(word), .path = at ? at + 1 : "/" };
	if (session_open(&ret->ss, c, NULL, e) < 0) {
		free(ret->name);
		return -1;
	}
	if (image_tree_open(ret->ss.store, ret->name, &ret->tree, e) == 0)
		return 0;
	session_close(&ret->ss);
	free(ret->name);
	return -1;
}

static void close_image(struct opened *o)
{
	image_tree_free(o->tree);
	session_close(&o->ss);
	free(o->name);
}

/* ---- ls ---- */

struct ls_args {
	bool longer, all;
};

static const struct opt ls_opts[] = {
	{ 'l', "long", NULL, OPT_BOOL, offsetof(struct ls_args, longer), "also mode, owner, size, time, targets of links" },
	{ 'R', "recursive", NULL, OPT_BOOL, offsetof(struct ls_args, all), "also what is below directories" },
	{ 0 },
};

struct printer {
	FILE *out;
	bool longer;
};

static void print_mode(FILE *out, mode_t m)
{
	static const char types[16] = "?pc?d?b?-?l?s???";
	char s[11];

	s[0] = types[(m & S_IFMT) >> 12];
	for (int i = 0; i < 9; i++)
		s[1 + i] = m & (0400 >> i) ? "rwx"[i % 3] : '-';
	if (m & S_ISUID)
		s[3] = m & S_IXUSR ? 's' : 'S';
	if (m & S_ISGID)
		s[6] = m & S_IXGRP ? 's' : 'S';
	if (m & S_ISVTX)
		s[9] = m & S_IXOTH ? 't' : 'T';
	s[10] = '\0';
	fputs(s, out);
}

/* Names are an image's: nothing in them may steer a terminal. */
static void print_name(FILE *out, const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 32 || *s == 127 || *s == '\\')
			fprintf(out, "\\%03o", (unsigned char)*s);
		else
			fputc(*s, out);
	}
}

static int print_entry(void *arg, const char *path, const struct stat *st, const char *target, struct err *e)
{
	const struct printer *p = arg;
	char when[32] = "?";
	struct tm tm;

	if (p->longer) {
		print_mode(p->out, st->st_mode);
		if (gmtime_r(&st->st_mtim.tv_sec, &tm))
			strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
		fprintf(p->out, " %u:%u %llu %s ", st->st_uid, st->st_gid,
			S_ISREG(st->st_mode) ? (unsigned long long)st->st_size : 0ull, when);
	}
	print_name(p->out, path);
	if (p->longer && target) {
		fputs(" -> ", p->out);
		print_name(p->out, target);
	}
	fputc('\n', p->out);
	return ferror(p->out) ? err_sys(e, "write the list") : 0;
}

static int ls_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct ls_args *a = p;
	struct printer pr = { c->out, a->longer };
	struct opened o;
	int r;

	if (open_image(c, argv[0], &o, e) < 0)
		return -1;
	r = image_tree_list(&o.ss.job, o.tree, o.path, a->all, print_entry, &pr, e);
	close_image(&o);
	return r;
}

const struct cmd cmd_image_ls = {
	.name = "image ls", .synopsis = "[options] IMAGE[:/PATH]", .about = "List files of an image.",
	.opts = ls_opts, .args_size = sizeof(struct ls_args), .min = 1, .max = 1, .run = ls_run,
};

/* ---- cat ---- */

static int cat_run(struct cli *c, void *p UNUSED, int argc, char **argv, struct err *e)
{
	int r = 0;

	fflush(c->out);
	for (int i = 0; r == 0 && i < argc; i++) {
		struct opened o;

		if (open_image(c, argv[i], &o, e) < 0)
			return -1;
		r = image_tree_cat(&o.ss.job, o.tree, o.path, fileno(c->out), e);
		close_image(&o);
	}
	return r;
}

const struct cmd cmd_image_cat = {
	.name = "image cat", .synopsis = "IMAGE:/PATH...", .about = "Print files of an image.",
	.min = 1, .max = -1, .run = cat_run,
};

/* ---- mount ---- */

static int mount_run(struct cli *c, void *p UNUSED, int argc UNUSED, char **argv, struct err *e)
{
	struct opened o;
	int r;

	if (open_image(c, argv[0], &o, e) < 0)
		return -1;
	r = image_tree_mount(o.ss.store, o.tree, argv[1], e);
	close_image(&o);
	return r;
}

const struct cmd cmd_image_mount = {
	.name = "image mount", .synopsis = "IMAGE DIR", .about = "Mount an image's files at a directory, read-only.",
	.min = 2, .max = 2, .run = mount_run,
};

static int umount_run(struct cli *c, void *p UNUSED, int argc, char **argv, struct err *e)
{
	struct session ss;
	int r;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = image_tree_umount(ss.store, argv[argc - 1], e);
	session_close(&ss);
	return r;
}

const struct cmd cmd_image_umount = {
	.name = "image umount", .synopsis = "[IMAGE] DIR", .about = "End what image mount began.",
	.min = 1, .max = 2, .run = umount_run,
};
