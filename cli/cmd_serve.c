/* SPDX-License-Identifier: Apache-2.0 */
/* tare serve-registry: the store for others to pull from. */
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "registry/serve.h"

struct args {
	const char *listen;
	bool quiet;
};

static const struct opt opts[] = {
	{ 0, "listen", "ADDR:PORT", OPT_STR, offsetof(struct args, listen),
	  "where to listen (default 127.0.0.1:5000); port 0 takes a free one" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct args, quiet), "no line per request" },
	{ 0 },
};

static int serve(struct cli *c, struct session *ss, const struct args *a, struct err *e)
{
	char name[SERVE_NAME_MAX];
	auto_fd int fd = -1;

	if (serve_listen(a->listen ? a->listen : "127.0.0.1:5000", &fd, name, e) < 0)
		return -1;
	fprintf(c->out, "listening on %s\n", name);
	fflush(c->out);
	return serve_run(&ss->job, ss->store, fd, e);
}

static int serve_cli(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct args *a = p;
	struct progress *pr = NULL;
	struct session ss;
	int r;

	if (progress_new(a->quiet ? "quiet" : "plain", c->err, &pr, e) < 0)
		return -1;
	if (session_open(&ss, c, progress_sink(pr), e) < 0) {
		progress_free(pr);
		return -1;
	}
	r = serve(c, &ss, a, e);
	progress_free(pr);
	session_close(&ss);
	return r;
}

const struct cmd cmd_serve_registry = {
	.name = "serve-registry", .synopsis = "[options]", .about = "Let others pull the store's images, as from a registry.",
	.opts = opts, .args_size = sizeof(struct args), .run = serve_cli,
};
