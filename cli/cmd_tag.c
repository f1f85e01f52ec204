/* SPDX-License-Identifier: Apache-2.0 */
/* tare tag, tare rmi: the names of images. */
#include "cli/cmd.h"
#include "cli/registry_opts.h"
#include "cli/session.h"
#include "engine/image.h"
#include "registry/remote.h"

static int tag_run(struct cli *c, void *p UNUSED, int argc UNUSED, char **argv, struct err *e)
{
	struct session ss;
	int r;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = image_tag(ss.store, argv[0], argv[1], e);
	session_close(&ss);
	return r;
}

const struct cmd cmd_tag = {
	.name = "tag", .synopsis = "IMAGE NAME[:TAG]", .about = "Give an image one more name.",
	.min = 2, .max = 2, .run = tag_run,
};

struct rmi_args {
	bool force, remote;
	struct registry_opts r;
};

static void rmi_defaults(void *p)
{
	struct rmi_args *a = p;

	a->r.tls_verify = true;
}

static const struct opt rmi_opts[] = {
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct rmi_args, force),
	  "also if it has several names, or a stopped container uses it" },
	{ 0, "remote", NULL, OPT_BOOL, offsetof(struct rmi_args, remote),
	  "delete the tag (or name@DIGEST: the manifest) in its registry, and nothing here" },
	REGISTRY_OPTS(offsetof(struct rmi_args, r)),
	{ 0 },
};

static int rmi_one(struct cli *c, struct store *s, const char *name, bool force)
{
	struct image_removal done = { 0 };
	auto_err struct err e = { 0 };
	int r = image_remove(s, name, force, &done, &e);

	for (size_t i = 0; r == 0 && i < done.untagged.n; i++)
		fprintf(c->out, "Untagged: %s\n", done.untagged.v[i]);
	for (size_t i = 0; r == 0 && i < done.deleted.n; i++)
		fprintf(c->out, "Deleted: %s\n", done.deleted.v[i]);
	image_removal_done(&done);
	if (r == 0)
		return 0;
	fprintf(c->err, "tare: %s\n", err_text(&e));
	if (e.hint)
		fprintf(c->err, "  hint: %s\n", e.hint);
	return 1;
}

static int untag_one(struct cli *c, struct job *j, struct client *client, const char *name, struct err *e)
{
	auto_wire struct wire *w = NULL;
	struct remote *r;
	struct ref ref;

	if (ref_parse(str_of(name), &ref, e) < 0)
		return -1;
	r = remote_new(client, &ref, &(struct remote_opts){ 0 });
	w = &r->w;
	if (remote_untag(j, r, e) < 0)
		return err_wrap(e, "%s", name);
	fprintf(c->out, "Deleted: %s\n", name);
	return 0;
}

static int rmi_remote(struct cli *c, struct job *j, const struct rmi_args *a, char **argv, struct err *e)
{
	struct client_options co = registry_options(&a->r);
	auto_client struct client *client = NULL;

	if (client_new(&co, &client, e) < 0)
		return -1;
	for (; *argv; argv++)
		if (untag_one(c, j, client, *argv, e) < 0)
			return -1;
	return 0;
}

/* One that cannot be removed does not keep the others. */
static int rmi_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct rmi_args *a = p;
	struct session ss;
	int status = 0;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	if (a->remote)
		status = rmi_remote(c, &ss.job, a, argv, e);
	for (; !a->remote && *argv; argv++)
		status |= rmi_one(c, ss.store, *argv, a->force);
	session_close(&ss);
	return status;
}

const struct cmd cmd_rmi = {
	.name = "rmi", .synopsis = "[options] IMAGE...", .about = "Remove images.",
	.opts = rmi_opts, .args_size = sizeof(struct rmi_args), .min = 1, .max = -1, .defaults = rmi_defaults,
	.run = rmi_run,
};
