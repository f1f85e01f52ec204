/* SPDX-License-Identifier: Apache-2.0 */
/* tare start, stop, restart, kill, wait, attach, pause, unpause, rename: what is done to containers that exist. */
#include "cli/cmd.h"
#include "cli/run_opts.h"
#include "cli/session.h"
#include "engine/container.h"
#include "engine/control.h"
#include "engine/wait.h"
#include "parser/flags.h"

typedef int each_fn(struct session *ss, const char *ref, const void *args, FILE *out, struct err *e);

/* Each is tried, whatever became of those before it; the name is printed of those that went well. */
static int for_each(struct cli *c, const void *args, int argc, char **argv, each_fn *fn, bool echo, struct err *e)
{
	struct notes notes = notes_to(c->err);
	struct session ss;
	int status = 0;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	ss.job.sink = &notes.sink;
	for (int i = 0; i < argc; i++) {
		auto_err struct err one = { 0 };

		if (fn(&ss, argv[i], args, c->out, &one) < 0) {
			print_failure(c->err, &one);
			status = 1;
		} else if (echo) {
			fprintf(c->out, "%s\n", argv[i]);
			fflush(c->out);
		}
	}
	session_close(&ss);
	return status;
}

/* ---- start ---- */

struct start_args {
	const char *detach_keys;
	bool attach, boot, interactive, sig_proxy;
};

static const struct opt start_opts[] = {
	{ 'a', "attach", NULL, OPT_BOOL, offsetof(struct start_args, attach), "attach to its output, pass signals on" },
	{ 0, "boot", NULL, OPT_BOOL, offsetof(struct start_args, boot),
	  "what is to be up once the host is: policy always, or unless-stopped and not stopped (unit tare-boot.service)" },
	{ 0, "detach-keys", "KEYS", OPT_STR, offsetof(struct start_args, detach_keys), "keys to detach (default ctrl-p,ctrl-q)" },
	{ 'i', "interactive", NULL, OPT_BOOL, offsetof(struct start_args, interactive), "attach to its input, too" },
	{ 0, "sig-proxy", NULL, OPT_BOOL, offsetof(struct start_args, sig_proxy), "pass our signals on to it (default true)" },
	{ 0 },
};

static void start_defaults(void *p)
{
	((struct start_args *)p)->sig_proxy = true;
}

static int start_one(struct session *ss, const char *ref, const void *args UNUSED, FILE *out UNUSED, struct err *e)
{
	return engine_start(&ss->job, ss->store, ref, e);
}

static int start_boot(struct cli *c, const struct start_args *a, struct err *e)
{
	auto_strv struct strv names = { 0 };
	struct session ss;
	int r;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_boot_list(ss.store, &names, e);
	session_close(&ss);
	return r < 0 ? -1 : for_each(c, a, (int)names.n, names.v, start_one, true, e);
}

static int start_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	const struct start_args *a = p;
	struct notes notes = notes_to(c->err);
	struct attach_args at = { .detach_keys = a->detach_keys, .sig_proxy = a->sig_proxy };
	struct session ss;
	int status, r;

	if (a->boot && (argc || a->attach || a->interactive))
		return err_set(e, ERR_USAGE, "--boot takes no containers, and attaches to none");
	if (!a->boot && !argc)
		return err_set(e, ERR_USAGE, "start [options] CONTAINER...: takes at least 1 operand, got 0");
	if (a->boot)
		return start_boot(c, a, e);
	if (!a->attach && !a->interactive)
		return for_each(c, a, argc, argv, start_one, true, e);
	if (argc > 1)
		return err_set(e, ERR_USAGE, "you cannot start and attach multiple containers at once");
	at.streams = CONTROL_OUT | CONTROL_ERR | (a->interactive ? CONTROL_IN : 0);
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	ss.job.sink = &notes.sink;
	r = engine_start_attached(&ss.job, ss.store, argv[0], &at, &status, e);
	session_close(&ss);
	if (r < 0 && status == 0)
		status = 1;
	if (r < 0)
		print_failure(c->err, e);
	return status;
}

const struct cmd cmd_start = {
	.name = "start", .synopsis = "[options] CONTAINER...", .about = "Start stopped containers.", .opts = start_opts,
	.args_size = sizeof(struct start_args), .max = -1, .run = start_run, .defaults = start_defaults,
};

/* ---- stop, restart ---- */

struct stop_args {
	const char *signal;
	int64_t time;
	int sig;
};

static const struct opt stop_opts[] = {
	{ 's', "signal", "SIGNAL", OPT_STR, offsetof(struct stop_args, signal), "send this first, not its stop signal" },
	{ 't', "time", "SECONDS", OPT_NUM, offsetof(struct stop_args, time), "wait so long before it is killed; -1: for ever" },
	{ 0, "timeout", "SECONDS", OPT_NUM, offsetof(struct stop_args, time), "the same" },
	{ 0 },
};

static void stop_defaults(void *p)
{
	((struct stop_args *)p)->time = STOP_TIMEOUT_UNSET;
}

static int stop_check(struct stop_args *a, struct err *e)
{
	if (a->time > INT32_MAX || a->time < STOP_TIMEOUT_UNSET)
		return err_set(e, ERR_USAGE, "--time is too large");
	if (a->time < 0 && a->time != STOP_TIMEOUT_UNSET)
		a->time = -1;
	return a->signal ? signal_parse(str_of(a->signal), &a->sig, e) : 0;
}

static int stop_one(struct session *ss, const char *ref, const void *args, FILE *out UNUSED, struct err *e)
{
	const struct stop_args *a = args;

	return engine_stop(&ss->job, ss->store, ref, a->sig, (int)a->time, e);
}

static int stop_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	return stop_check(p, e) < 0 ? -1 : for_each(c, p, argc, argv, stop_one, true, e);
}

const struct cmd cmd_stop = {
	.name = "stop", .synopsis = "[options] CONTAINER...", .about = "Stop containers: a signal, then patience, then SIGKILL.",
	.opts = stop_opts, .args_size = sizeof(struct stop_args), .min = 1, .max = -1, .run = stop_run,
	.defaults = stop_defaults,
};

static int restart_one(struct session *ss, const char *ref, const void *args, FILE *out UNUSED, struct err *e)
{
	const struct stop_args *a = args;

	return engine_restart(&ss->job, ss->store, ref, a->sig, (int)a->time, e);
}

static int restart_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	return stop_check(p, e) < 0 ? -1 : for_each(c, p, argc, argv, restart_one, true, e);
}

const struct cmd cmd_restart = {
	.name = "restart", .synopsis = "[options] CONTAINER...", .about = "Stop containers and start them again.",
	.opts = stop_opts, .args_size = sizeof(struct stop_args), .min = 1, .max = -1, .run = restart_run,
	.defaults = stop_defaults,
};

/* ---- kill ---- */

struct kill_args {
	const char *signal;
	int sig;
};

static const struct opt kill_opts[] = {
	{ 's', "signal", "SIGNAL", OPT_STR, offsetof(struct kill_args, signal), "a name or number (default KILL)" },
	{ 0 },
};

static int kill_one(struct session *ss, const char *ref, const void *args, FILE *out UNUSED, struct err *e)
{
	return engine_kill(&ss->job, ss->store, ref, ((const struct kill_args *)args)->sig, e);
}

static int kill_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	struct kill_args *a = p;

	a->sig = SIGKILL;
	if (a->signal && signal_parse(str_of(a->signal), &a->sig, e) < 0)
		return -1;
	return for_each(c, a, argc, argv, kill_one, true, e);
}

const struct cmd cmd_kill = {
	.name = "kill", .synopsis = "[options] CONTAINER...", .about = "Send a signal to containers' first process.",
	.opts = kill_opts, .args_size = sizeof(struct kill_args), .min = 1, .max = -1, .run = kill_run,
};

/* ---- wait ---- */

struct wait_args { const char *condition; };

static const struct opt wait_opts[] = {
	{ 0, "condition", "STATE", OPT_STR, offsetof(struct wait_args, condition),
	  "not-running (default), next-exit, removed or healthy" },
	{ 0 },
};

static int wait_one(struct session *ss, const char *ref, const void *args, FILE *out, struct err *e)
{
	const char *condition = ((const struct wait_args *)args)->condition;
	int code;

	if (engine_wait_for(&ss->job, ss->store, ref, condition ? condition : "not-running", &code, e) < 0)
		return -1;
	if (condition && strcmp(condition, "healthy") == 0)
		fprintf(out, "healthy\n");
	else
		fprintf(out, "%d\n", code);
	fflush(out);
	return 0;
}

static int wait_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	return for_each(c, p, argc, argv, wait_one, false, e);
}

const struct cmd cmd_wait = {
	.name = "wait", .synopsis = "[options] CONTAINER...",
	.about = "Wait until containers stop, and print their exit codes.",
	.opts = wait_opts, .args_size = sizeof(struct wait_args), .min = 1, .max = -1, .run = wait_run,
};

/* ---- attach ---- */

struct attach_opts {
	const char *detach_keys;
	bool no_stdin, sig_proxy;
};

static const struct opt attach_opts[] = {
	{ 0, "detach-keys", "KEYS", OPT_STR, offsetof(struct attach_opts, detach_keys), "keys to detach (default ctrl-p,ctrl-q)" },
	{ 0, "no-stdin", NULL, OPT_BOOL, offsetof(struct attach_opts, no_stdin), "do not attach to its input" },
	{ 0, "sig-proxy", NULL, OPT_BOOL, offsetof(struct attach_opts, sig_proxy), "pass our signals on to it (default true)" },
	{ 0 },
};

static void attach_defaults(void *p)
{
	((struct attach_opts *)p)->sig_proxy = true;
}

static int attach_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct attach_opts *a = p;
	struct notes notes = notes_to(c->err);
	struct attach_args at = { .detach_keys = a->detach_keys, .sig_proxy = a->sig_proxy };
	struct session ss;
	int status = 0, r;

	at.streams = CONTROL_OUT | CONTROL_ERR | (a->no_stdin ? 0 : CONTROL_IN);
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	ss.job.sink = &notes.sink;
	r = engine_attach(&ss.job, ss.store, argv[0], &at, &status, e);
	session_close(&ss);
	return r < 0 ? -1 : status;
}

const struct cmd cmd_attach = {
	.name = "attach", .synopsis = "[options] CONTAINER", .about = "Connect to a running container: input, output, signals.",
	.opts = attach_opts, .args_size = sizeof(struct attach_opts), .min = 1, .max = 1, .run = attach_run,
	.defaults = attach_defaults,
};

/* ---- rename ---- */

static int rename_run(struct cli *c, void *p UNUSED, int argc UNUSED, char **argv, struct err *e)
{
	struct session ss;
	int r;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_rename(&ss.job, ss.store, argv[0], argv[1], e);
	session_close(&ss);
	return r;
}

const struct cmd cmd_rename = {
	.name = "rename", .synopsis = "CONTAINER NEW-NAME", .about = "Rename a container.", .min = 2, .max = 2,
	.run = rename_run,
};

/* ---- pause, unpause ---- */

static int pause_one(struct session *ss, const char *ref, const void *args UNUSED, FILE *out UNUSED, struct err *e)
{
	return engine_pause(&ss->job, ss->store, ref, true, e);
}

static int pause_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	return for_each(c, p, argc, argv, pause_one, true, e);
}

const struct cmd cmd_pause = {
	.name = "pause", .synopsis = "CONTAINER...", .about = "Freeze all processes of containers.", .min = 1, .max = -1,
	.run = pause_run,
};

static int unpause_one(struct session *ss, const char *ref, const void *args UNUSED, FILE *out UNUSED, struct err *e)
{
	return engine_pause(&ss->job, ss->store, ref, false, e);
}

static int unpause_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	return for_each(c, p, argc, argv, unpause_one, true, e);
}

const struct cmd cmd_unpause = {
	.name = "unpause", .synopsis = "CONTAINER...", .about = "Let frozen containers go on.", .min = 1, .max = -1,
	.run = unpause_run,
};
