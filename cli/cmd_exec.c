/* SPDX-License-Identifier: Apache-2.0 */
/* tare exec: the command line of engine/exec. */
#include "cli/cmd.h"
#include "cli/session.h"
#include "engine/exec.h"

#define AT(field) offsetof(struct exec_args, field)

static const struct opt opts[] = {
	{ 'd', "detach", NULL, OPT_BOOL, AT(detach), "do not wait for its end" },
	{ 'e', "env", "K[=V]", OPT_LIST, AT(env), "set a variable; without =V from the environment" },
	{ 0, "env-file", "FILE", OPT_LIST, AT(env_files), "read variables from a file" },
	{ 'i', "interactive", NULL, OPT_BOOL, AT(interactive), "connect standard input" },
	{ 0, "privileged", NULL, OPT_BOOL, AT(privileged), "with all capabilities, and no system call filter" },
	{ 't', "tty", NULL, OPT_BOOL, AT(tty), "give it a terminal" },
	{ 'u', "user", "USER[:GROUP]", OPT_STR, AT(user), "run as this user" },
	{ 'w', "workdir", "DIR", OPT_STR, AT(workdir), "start in this directory" },
	{ 0 },
};

static int exec_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct exec_args *a = p;
	struct session ss;
	int status, r;

	a->container = argv[0];
	a->command = (struct strv){ argv + 1, (size_t)argc - 1 };	/* borrowed: argv outlives us */
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_exec(&ss.job, ss.store, a, &status, e);
	session_close(&ss);
	if (r < 0 && e->kind != ERR_CANCELLED) {
		session_print_err(c, e);
		r = status;
	}
	return r < 0 ? -1 : status;
}

const struct cmd cmd_exec = {
	.name = "exec", .synopsis = "[options] CONTAINER COMMAND [ARG...]",
	.about = "Run a command in a running container.",
	.opts = opts, .args_size = sizeof(struct exec_args), .min = 2, .max = -1, .stop = true, .run = exec_run,
};
