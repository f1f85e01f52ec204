/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: parsing and help. */
#include "cli/opt.h"

#include <stdint.h>

static const struct opt *opt_by_name(const struct cmd *cmd, struct str name)
{
	for (const struct opt *o = cmd->opts; o && o->help; o++)
		if (o->name && str_is(name, o->name))
			return o;
	return NULL;
}

static const struct opt *opt_by_letter(const struct cmd *cmd, char c)
{
	for (const struct opt *o = cmd->opts; o && o->help; o++)
		if (o->letter == c)
			return o;
	return NULL;
}

static int set_bool(const struct opt *o, bool *slot, const char *v, struct err *e)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; i < countof(yes); i++) {
		if (strcmp(v, yes[i]) == 0 || strcmp(v, no[i]) == 0) {
			*slot = strcmp(v, yes[i]) == 0;
			return 0;
		}
	}
	return err_set(e, ERR_USAGE, "--%s takes true or false, not \"%s\"", o->name, v);
}

static int set_num(const struct opt *o, int64_t *slot, const char *v, struct err *e)
{
	bool negative = v[0] == '-';
	uint64_t u;

	if (!str_to_u64(str_of(v + negative), 10, &u) || u > INT64_MAX)
		return err_set(e, ERR_USAGE, "--%s takes a whole number, not \"%s\"", o->name, v);
	*slot = negative ? -(int64_t)u : (int64_t)u;
	return 0;
}

static int opt_set(const struct opt *o, void *args, const char *v, struct err *e)
{
	void *slot = (char *)args + o->offset;

	switch (o->kind) {
	case OPT_BOOL:
		return set_bool(o, slot, v, e);
	case OPT_STR:
		*(const char **)slot = v;
		return 0;
	case OPT_LIST:
		strv_add(slot, v);
		return 0;
	case OPT_NUM:
		return set_num(o, slot, v, e);
	case OPT_BYTES:
		if (str_to_bytes(str_of(v), slot))
			return 0;
		return err_set(e, ERR_USAGE, "--%s takes a size such as 64m, not \"%s\"", o->name, v);
	}
	return 0;
}

static int unknown(const struct cmd *cmd, const char *word, struct err *e)
{
	const char *names[128], *guess;
	size_t n = 0;

	for (const struct opt *o = cmd->opts; o && o->help && n + 1 < countof(names); o++)
		if (o->name)
			names[n++] = o->name;
	names[n] = NULL;
	guess = str_nearest(str_of(word + strspn(word, "-")), names);
	if (guess)
		return err_set(e, ERR_USAGE, "%s has no option %s; did you mean --%s?", cmd->name, word, guess);
	err_set(e, ERR_USAGE, "%s has no option %s", cmd->name, word);
	return err_hint(e, "--help lists the options");
}

static int parse_long(const struct cmd *cmd, void *args, char **argv, int argc, int *i, struct err *e)
{
	struct str rest = str_of(argv[*i] + 2), name = str_cut(&rest, '=');
	const struct opt *o = opt_by_name(cmd, name);

	if (!o) {
		auto_free char *word = xasprintf("--" STR_FMT, STR_ARG(name));

		return unknown(cmd, word, e);
	}
	if (rest.p)
		return opt_set(o, args, rest.p, e);
	if (o->kind == OPT_BOOL)
		return opt_set(o, args, "true", e);
	if (*i + 1 >= argc)
		return err_set(e, ERR_USAGE, "--%s needs an argument", o->name);
	return opt_set(o, args, argv[++*i], e);
}

/* A cluster of letters: -it, -fDockerfile, -f Dockerfile, -f=Dockerfile. */
static int parse_short(const struct cmd *cmd, void *args, char **argv, int argc, int *i, struct err *e)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct opt *o = opt_by_letter(cmd, *p);

		if (!o) {
			char word[3] = { '-', *p, '\0' };

			return unknown(cmd, word, e);
		}
		if (o->kind == OPT_BOOL && p[1] == '=')
			return opt_set(o, args, p + 2, e);
		if (o->kind == OPT_BOOL) {
			if (opt_set(o, args, "true", e) < 0)
				return -1;
			continue;
		}
		if (p[1])
			return opt_set(o, args, p + 1 + (p[1] == '='), e);
		if (*i + 1 >= argc)
			return err_set(e, ERR_USAGE, "-%c needs an argument", *p);
		return opt_set(o, args, argv[++*i], e);
	}
	return 0;
}

static int check_operands(const struct cmd *cmd, int n, struct err *e)
{
	if (n >= cmd->min && (cmd->max < 0 || n <= cmd->max))
		return 0;
	err_set(e, ERR_USAGE, "%s %s: %s %d operand%s, got %d", cmd->name, cmd->synopsis,
		cmd->min == cmd->max ? "takes" : n < cmd->min ? "takes at least" : "takes at most",
		n < cmd->min ? cmd->min : cmd->max, (n < cmd->min ? cmd->min : cmd->max) == 1 ? "" : "s", n);
	return err_hint(e, "--help shows how to call it");
}

int opt_parse(const struct cmd *cmd, void *args, int argc, char **argv, int *nret, struct err *e)
{
	int n = 0;
	bool ended = false;

	for (int i = 0; i < argc; i++) {
		char *a = argv[i];
		int r;

		if (ended || a[0] != '-' || a[1] == '\0') {
			argv[n++] = a;
			ended = ended || cmd->stop;
			continue;
		}
		if (strcmp(a, "--") == 0) {
			ended = true;
			continue;
		}
		if (strcmp(a, "--help") == 0 || (strcmp(a, "-h") == 0 && !opt_by_letter(cmd, 'h')))
			return 1;
		r = a[1] == '-' ? parse_long(cmd, args, argv, argc, &i, e)
				: parse_short(cmd, args, argv, argc, &i, e);
		if (r < 0)
			return -1;
	}
	argv[n] = NULL;
	*nret = n;
	return check_operands(cmd, n, e);
}

void opt_free(const struct cmd *cmd, void *args)
{
	for (const struct opt *o = cmd->opts; o && o->help; o++)
		if (o->kind == OPT_LIST)
			strv_done((struct strv *)((char *)args + o->offset));
}

void opt_help(const struct cmd *cmd, FILE *out)
{
	fprintf(out, "Usage: tare %s %s\n\n%s\n", cmd->name, cmd->synopsis, cmd->about);
	if (!cmd->opts)
		return;
	fputs("\nOptions:\n", out);
	for (const struct opt *o = cmd->opts; o->help; o++) {
		auto_free char *left = xasprintf("%s%s%s %s", o->letter ? (char[]){ '-', o->letter, 0 } : "  ",
						 o->letter && o->name ? ", --" : o->name ? "  --" : "",
						 o->name ? o->name : "", o->arg ? o->arg : "");

		fprintf(out, "  %-28s %s\n", left, o->help);
	}
}

int cmd_status(const struct cmd *cmd, const struct err *e)
{
	if (e->kind == ERR_CANCELLED)
		return 130;
	return cmd->fail_status ? cmd->fail_status : 1;
}
