/* SPDX-License-Identifier: Apache-2.0 */
/* tare __complete WORD...: candidates for the last word, one a line; the shells' stubs call it. */
#include "cli/cmd.h"

static void put_commands(struct cli *c, const char *first, const char *prefix)
{
	for (size_t i = 0; i < c->ncmds; i++) {
		struct str rest = str_of(c->cmds[i]->name), head = str_cut(&rest, ' ');

		if (c->cmds[i]->hidden)
			continue;
		if (first && !(rest.p && str_is(head, first)))
			continue;
		if (str_starts(first ? rest : head, prefix))
			fprintf(c->out, STR_FMT "\n", STR_ARG(first ? rest : head));
	}
}

static void put_options(struct cli *c, const struct cmd *cmd, const char *prefix)
{
	for (const struct opt *o = cmd->opts; o && o->help; o++) {
		auto_free char *word = xasprintf("--%s", o->name ? o->name : "");

		if (o->name && str_starts(str_of(word), prefix))
			fprintf(c->out, "%s%s\n", word, o->kind == OPT_BOOL ? "" : "=");
	}
}

static const struct cmd *find(struct cli *c, int argc, char **argv)
{
	for (size_t i = 0; argc > 0 && i < c->ncmds; i++) {
		struct str rest = str_of(c->cmds[i]->name), head = str_cut(&rest, ' ');

		if (str_is(head, argv[0]) && (!rest.p || (argc > 1 && str_is(rest, argv[1]))))
			return c->cmds[i];
	}
	return NULL;
}

static int complete_run(struct cli *c, void *args UNUSED, int argc, char **argv, struct err *e UNUSED)
{
	const char *word = argc ? argv[argc - 1] : "";
	const struct cmd *cmd = find(c, argc - 1, argv);

	if (cmd && word[0] == '-')
		put_options(c, cmd, word);
	else if (argc <= 1)
		put_commands(c, NULL, word);
	else if (argc == 2 && !cmd)
		put_commands(c, argv[0], word);
	return 0;
}

const struct cmd cmd_complete = {
	.name = "__complete", .synopsis = "WORD...", .about = "Print what may complete the last word.",
	.max = -1, .stop = true, .hidden = true, .bare = true, .run = complete_run,
};

/* ---- tare __man: the manual page, from the same tables ---- */

static void put_roff(FILE *out, const char *s)
{
	for (; *s; s++)
		fprintf(out, *s == '-' || *s == '\\' ? "\\%c" : "%c", *s);
}

static void man_command(struct cli *c, const struct cmd *cmd)
{
	fputs(".SS tare ", c->out);
	put_roff(c->out, cmd->name);
	fputc(' ', c->out);
	put_roff(c->out, cmd->synopsis);
	fputc('\n', c->out);
	put_roff(c->out, cmd->about);
	fputc('\n', c->out);
	for (const struct opt *o = cmd->opts; o && o->help; o++) {
		fputs(".TP\n.B ", c->out);
		if (o->letter)
			fprintf(c->out, "\\-%c%s", o->letter, o->name ? ", " : "");
		if (o->name) {
			fputs("\\-\\-", c->out);
			put_roff(c->out, o->name);
		}
		fprintf(c->out, " %s\n", o->arg ? o->arg : "");
		put_roff(c->out, o->help);
		fputc('\n', c->out);
	}
}

static int man_run(struct cli *c, void *args UNUSED, int argc UNUSED, char **argv UNUSED, struct err *e UNUSED)
{
	fputs(".TH TARE 1 \"\" \"tare " VERSION "\"\n.SH NAME\ntare \\- build, keep and run container images\n"
	      ".SH SYNOPSIS\n.B tare\n[\\-\\-root DIR] COMMAND [options] ...\n.SH DESCRIPTION\n"
	      "One program, no daemon: it builds Dockerfiles into images, keeps them in one store, and runs them.\n"
	      ".SH COMMANDS\n", c->out);
	for (size_t i = 0; i < c->ncmds; i++)
		if (!c->cmds[i]->hidden)
			man_command(c, c->cmds[i]);
	fputs(".SH ENVIRONMENT\n.TP\n.B TARE_ROOT\nthe store's directory; by default /var/lib/tare, for an ordinary "
	      "user $XDG_DATA_HOME/tare\n.TP\n.B NO_COLOR\nthe live tree is drawn without colours\n"
	      ".TP\n.B TARE_HTTP_CONNECT, TARE_HTTP_STALL, TARE_HTTP_ANSWER\nhow long a registry may take to be reached "
	      "(30s), to move a byte (60s), to answer (300s)\n"
	      ".TP\n.B TARE_HELPER_TIMEOUT\nhow long a credential helper may take (30s)\n"
	      ".TP\n.B TARE_CERTS_D\ndirectories of certificates and hosts.toml for registries, separated by colons, instead "
	      "of the usual certs.d directories\n"
	      ".TP\n.B CONTAINERS_REGISTRIES_CONF, TARE_DAEMON_JSON\nfiles to read instead of the usual registries.conf and "
	      "Docker's daemon.json\n"
	      ".TP\n.B DOCKER_CONFIG, REGISTRY_AUTH_FILE, DOCKER_AUTH_CONFIG\nwhere credentials are: a directory with "
	      "config.json, a file, the text of one\n"
	      ".TP\n.B HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY\nproxies for registries; loopback hosts have none\n", c->out);
	return 0;
}

const struct cmd cmd_man = {
	.name = "__man", .synopsis = "", .about = "Print the manual page.", .hidden = true, .bare = true, .run = man_run,
};
