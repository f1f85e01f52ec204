/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tare: builds, keeps, ships and runs container images. The map of the project:
 *
 *   cli/       what a user types and sees     builder/   Dockerfile -> graph of steps -> layers -> image
 *   engine/    one verb = one function        runtime/   sandbox, containers, networks
 *   registry/  images in and out              cache/     all that is durable: SQLite, blobs, layers, keys
 *   parser/    Dockerfile and its relatives   image/     digests, names, manifests, configs
 *   base/      knows nothing about containers
 *
 * Includes go down only; docs/ARCHITECTURE.md says why each wall stands where it does.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "runtime/sandbox/userns.h"

static const struct cmd *const cmds[] = {
	&cmd_build, &cmd_run, &cmd_create, &cmd_start, &cmd_stop, &cmd_restart, &cmd_kill, &cmd_wait,
	&cmd_exec, &cmd_logs, &cmd_attach, &cmd_rename, &cmd_pause, &cmd_unpause, &cmd_update,
	&cmd_ps, &cmd_rm, &cmd_container_prune, &cmd_events,
	&cmd_cp, &cmd_export, &cmd_diff, &cmd_commit, &cmd_top, &cmd_stats,
	&cmd_images, &cmd_inspect, &cmd_history, &cmd_tag, &cmd_rmi,
	&cmd_pull, &cmd_push, &cmd_copy, &cmd_tags, &cmd_digest, &cmd_manifest_inspect, &cmd_serve_registry,
	&cmd_image_ls, &cmd_image_cat, &cmd_image_mount, &cmd_image_umount, &cmd_image_prune,
	&cmd_save, &cmd_load, &cmd_import,
	&cmd_login, &cmd_logout, &cmd_mirror_explain,
	&cmd_port, &cmd_network_connect, &cmd_network_create, &cmd_network_disconnect, &cmd_network_inspect, &cmd_network_ls,
	&cmd_network_prune, &cmd_network_rm,
	&cmd_volume_create, &cmd_volume_inspect, &cmd_volume_ls, &cmd_volume_prune, &cmd_volume_rm,
	&cmd_why, &cmd_df, &cmd_gc, &cmd_system_prune,
	&cmd_cdi_list, &cmd_cdi_generate,
	&cmd_info, &cmd_version,
	&cmd_complete,
	&cmd_man,
	&cmd_debug_ast, &cmd_debug_expand, &cmd_debug_ignore, &cmd_debug_words,
};

static int version_run(struct cli *c, void *args UNUSED, int argc UNUSED, char **argv UNUSED,
		       struct err *e UNUSED)
{
	fprintf(c->out, "tare %s\n", VERSION);
	return 0;
}

const struct cmd cmd_version = {
	.name = "version", .synopsis = "", .about = "Print the version.", .bare = true, .run = version_run,
};

static void usage(FILE *out)
{
	fputs("Usage: tare [--root DIR] COMMAND [options] ...\n\nCommands:\n", out);
	for (size_t i = 0; i < countof(cmds); i++)
		if (!cmds[i]->hidden)
			fprintf(out, "  %-20s %s\n", cmds[i]->name, cmds[i]->about);
	fputs("\n\"tare COMMAND --help\" tells more of each.\n", out);
}

static void print_err(const struct err *e)
{
	fprintf(stderr, "tare: %s\n", err_text(e));
	if (e->hint)
		fprintf(stderr, "  hint: %s\n", e->hint);
}

/* The command whose name is argv[0], or argv[0] and argv[1]; *words says which. */
static const struct cmd *cmd_find(int argc, char **argv, int *words)
{
	for (int n = argc > 1 ? 2 : 1; n > 0; n--)
		for (size_t i = 0; i < countof(cmds); i++) {
			struct str rest = str_of(cmds[i]->name), first = str_cut(&rest, ' ');

			*words = n;
			if (str_is(first, argv[0]) && (n == 2 ? rest.p && str_is(rest, argv[1]) : !rest.p))
				return cmds[i];
		}
	return NULL;
}

/* Docker's longer words for what has a short one here. */
static const struct alias { const char *group, *word, *name; } aliases[] = {
	{ "container", "attach", "attach" }, { "container", "commit", "commit" }, { "container", "cp", "cp" },
	{ "container", "create", "create" }, { "container", "diff", "diff" }, { "container", "exec", "exec" },
	{ "container", "export", "export" }, { "container", "inspect", "inspect" }, { "container", "kill", "kill" },
	{ "container", "list", "ps" }, { "container", "logs", "logs" }, { "container", "ls", "ps" },
	{ "container", "pause", "pause" }, { "container", "port", "port" }, { "container", "ps", "ps" },
	{ "container", "rename", "rename" }, { "container", "restart", "restart" }, { "container", "rm", "rm" },
	{ "container", "run", "run" }, { "container", "start", "start" }, { "container", "stats", "stats" },
	{ "container", "stop", "stop" }, { "container", "top", "top" }, { "container", "unpause", "unpause" },
	{ "container", "update", "update" }, { "container", "wait", "wait" },
	{ "image", "build", "build" }, { "image", "history", "history" }, { "image", "import", "import" },
	{ "image", "inspect", "inspect" }, { "image", "list", "images" }, { "image", "load", "load" },
	{ "image", "pull", "pull" }, { "image", "push", "push" }, { "image", "rm", "rmi" },
	{ "image", "save", "save" }, { "image", "tag", "tag" }, { "system", "df", "df" },
};

static const struct cmd *cmd_named(const char *name)
{
	for (size_t i = 0; i < countof(cmds); i++)
		if (strcmp(cmds[i]->name, name) == 0)
			return cmds[i];
	return NULL;
}

static const struct cmd *cmd_by_alias(int argc, char **argv, int *words)
{
	for (size_t i = 0; argc > 1 && i < countof(aliases); i++)
		if (strcmp(aliases[i].group, argv[0]) == 0 && strcmp(aliases[i].word, argv[1]) == 0) {
			*words = 2;
			return cmd_named(aliases[i].name);
		}
	return NULL;
}

static int unknown_command(const char *word)
{
	const char *names[countof(cmds) + 1] = { NULL }, *guess;

	for (size_t i = 0; i < countof(cmds); i++)
		names[i] = cmds[i]->name;
	guess = str_nearest(str_of(word), names);
	fprintf(stderr, "tare: unknown command \"%s\"%s%s%s\n", word, guess ? "; did you mean " : "",
		guess ? guess : "", guess ? "?" : "");
	return 1;
}

/* An ordinary user's process moves into own namespaces here, before any thread exists. */
static int enter_userns(struct err *e)
{
	auto_free char *note = NULL;

	if (userns_enter(&note, e) < 0)
		return -1;
	if (note)
		fprintf(stderr, "warning: %s\n", note);
	return 0;
}

static int run_command(struct cli *c, const struct cmd *cmd, int argc, char **argv)
{
	auto_err struct err e = { 0 };
	auto_free void *args = xcalloc(1, cmd->args_size);
	int n = 0, r;

	if (cmd->defaults)
		cmd->defaults(args);
	r = opt_parse(cmd, args, argc, argv, &n, &e);
	if (r > 0) {
		opt_help(cmd, c->out);
		return 0;
	}
	if (r == 0 && !cmd->bare)
		r = enter_userns(&e);
	if (r == 0)
		r = cmd->run(c, args, n, argv, &e);
	opt_free(cmd, args);
	if (r < 0) {
		print_err(&e);
		r = cmd_status(cmd, &e);
	}
	return r;
}

/* A standard stream that was closed must not become the number of a file of ours (the store's database, say), which
 * a container would then get as its own. Reading finds nothing, writing fails. */
static void streams_hold(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	struct cli c = { .root = getenv("TARE_ROOT"), .out = stdout, .err = stderr,
		.cmds = cmds, .ncmds = countof(cmds) };
	const struct cmd *cmd;
	int words;

	streams_hold();
	signal(SIGPIPE, SIG_IGN);
	for (argc--, argv++; argc > 1 && strcmp(argv[0], "--root") == 0; argc -= 2, argv += 2)
		c.root = argv[1];
	if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
	    strcmp(argv[0], "help") == 0) {
		usage(argc ? stdout : stderr);
		return argc ? 0 : 1;
	}
	if (strcmp(argv[0], "--version") == 0)
		argv[0] = "version";
	cmd = cmd_find(argc, argv, &words);
	if (!cmd)
		cmd = cmd_by_alias(argc, argv, &words);
	if (!cmd)
		return unknown_command(argv[0]);
	words = run_command(&c, cmd, argc - words, argv + words);
	if (fflush(stdout) != 0 && words == 0) {
		fputs("tare: could not write all of the output\n", stderr);
		words = 1;
	}
	return words;
}
