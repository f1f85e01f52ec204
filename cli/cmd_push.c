/* SPDX-License-Identifier: Apache-2.0 */
/* tare push: images into registries. */
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/push_opts.h"
#include "cli/session.h"
#include "engine/push.h"

struct args {
	struct push_args p;
	struct push_cli c;
	const char *progress;
	bool quiet;
	struct registry_opts r;
};

static const struct opt opts[] = {
	{ 'a', "all-tags", NULL, OPT_BOOL, offsetof(struct args, p.all_tags), "push every tag of the repository" },
	PUSH_OPTS(offsetof(struct args, c)),
	{ 0, "progress", "MODE", OPT_STR, offsetof(struct args, progress), "auto, tty, plain, json or quiet" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct args, quiet), "print only the names" },
	REGISTRY_OPTS(offsetof(struct args, r)),
	{ 0 },
};

static void defaults(void *p)
{
	struct args *a = p;

	a->progress = "auto";
	a->r.tls_verify = true;
}

static void print_result(FILE *out, const struct args *a, const struct pushed_list *l)
{
	char text[DIGEST_TEXT_MAX];

	for (size_t i = 0; i < l->n; i++)
		if (a->quiet)
			fprintf(out, "%s:%s\n", l->v[i].repo, l->v[i].tag);
		else
			fprintf(out, "%s: digest: %s size: %zu\n", l->v[i].tag, digest_text(&l->v[i].digest, text), l->v[i].size);
}

static void print_begin(FILE *out, const char *name)
{
	auto_err struct err e = { 0 };
	char text[REF_TEXT_MAX];
	struct ref r;

	if (ref_parse(str_of(name), &r, &e) == 0)
		fprintf(out, "The push refers to repository [%s]\n", ref_repository(&r, text));
	fflush(out);
}

static int push_names(struct cli *c, struct session *ss, struct args *a, struct err *e)
{
	struct client_options co = registry_options(&a->r);
	auto_client struct client *client = NULL;
	struct pushed_list done = { 0 };
	int r;

	if (push_cli_options(&a->c, &a->p.o, &a->p.chunk, e) < 0 || client_new(&co, &client, e) < 0)
		return -1;
	a->p.client = client;
	if (!a->quiet)
		print_begin(c->out, a->p.names.v[0]);
	r = engine_push(&ss->job, ss->store, &a->p, &done, e);
	print_result(c->out, a, &done);
	pushed_done(&done);
	return r;
}

static int push_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct args *a = p;
	struct progress *pr = NULL;
	struct session ss;
	int r;

	if (a->p.all_tags && argc > 1)
		return err_set(e, ERR_USAGE, "--all-tags wants one repository");
	a->p.names = (struct strv){ argv, (size_t)argc };	/* borrowed: argv outlives us */
	if (progress_new(a->quiet ? "quiet" : a->progress, c->err, &pr, e) < 0)
		return -1;
	if (session_open(&ss, c, progress_sink(pr), e) < 0) {
		progress_free(pr);
		return -1;
	}
	r = push_names(c, &ss, a, e);
	progress_free(pr);
	session_close(&ss);
	return r;
}

const struct cmd cmd_push = {
	.name = "push", .synopsis = "[options] NAME[:TAG]...", .about = "Send images to a registry.",
	.opts = opts, .args_size = sizeof(struct args), .min = 1, .max = -1, .defaults = defaults, .run = push_run,
};
