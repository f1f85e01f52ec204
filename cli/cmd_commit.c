/* SPDX-License-Identifier: Apache-2.0 */
/* tare commit: an image of a container. */
#include "cli/cmd.h"
#include "cli/session.h"
#include "engine/commit.h"

static const struct opt opts[] = {
	{ 'a', "author", "NAME", OPT_STR, offsetof(struct commit_args, author), "name an author" },
	{ 'c', "change", "INSTRUCTION", OPT_LIST, offsetof(struct commit_args, changes), "apply a Dockerfile instruction" },
	{ 'm', "message", "TEXT", OPT_STR, offsetof(struct commit_args, message), "say why, for the history" },
	{ 'p', "pause", NULL, OPT_BOOL, offsetof(struct commit_args, pause), "pause it meanwhile (default true)" },
	{ 0 },
};

static void commit_defaults(void *p)
{
	((struct commit_args *)p)->pause = true;
}

static int commit_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct commit_args *a = p;
	char id[DIGEST_TEXT_MAX];
	struct image_row row;
	struct session ss;
	int r;

	a->container = argv[0];
	a->name = argc > 1 ? argv[1] : NULL;
	if (session_open(&ss, c, NULL, e) < 0)
		return -1;
	r = engine_commit(&ss.job, ss.store, a, &row, e);
	session_close(&ss);
	if (r == 0)
		fprintf(c->out, "%s\n", digest_text(&row.config, id));
	return r;
}

const struct cmd cmd_commit = {
	.name = "commit", .synopsis = "[options] CONTAINER [REPOSITORY[:TAG]]", .about = "Make an image of a container.",
	.opts = opts, .args_size = sizeof(struct commit_args), .min = 1, .max = 2, .defaults = commit_defaults,
	.run = commit_run,
};
