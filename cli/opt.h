/* SPDX-License-Identifier: Apache-2.0 */
/* Commands and their options as tables: parsing, --help, completion and the man page come from them. */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

enum opt_kind {
	OPT_BOOL,		/* bool; --x, --x=true, --x=false */
	OPT_STR,		/* const char *, borrowed from argv; the last one wins */
	OPT_LIST,		/* struct strv; may be repeated */
	OPT_BYTES,		/* uint64_t from "64m" */
	OPT_NUM,		/* int64_t, may be negative */
};

struct opt {			/* a table of them ends with { 0 } */
	char letter;		/* 0: none */
	const char *name;
	const char *arg;	/* name of the argument in --help; NULL for OPT_BOOL */
	enum opt_kind kind;
	size_t offset;		/* into the command's argument struct */
	const char *help;	/* one line */
};

struct cmd;

struct cli {			/* what main() gives to every command */
	const char *root;	/* --root or $TARE_ROOT, NULL: default */
	FILE *out, *err;
	const struct cmd *const *cmds;	/* all of them, in the order of --help */
	size_t ncmds;
};

struct cmd {
	const char *name;	/* may be two words: "image ls" */
	const char *synopsis, *about;
	const struct opt *opts;	/* NULL: none */
	size_t args_size;	/* bytes of the argument struct, zeroed before parsing */
	int min, max;		/* operands; max -1: any number */
	bool stop;		/* options end at the first operand (run, exec) */
	bool hidden;		/* not in --help */
	bool bare;		/* touches neither store nor containers: no user namespace is entered */
	void (*defaults)(void *args);	/* called before parsing; may be NULL */
	/* argv: the operands, argc of them, NULL-terminated. Returns the exit status, or -1 with *e set. */
	int (*run)(struct cli *c, void *args, int argc, char **argv, struct err *e);
	int fail_status;	/* exit status for *e and for usage errors; 0 means 1 */
};

/* Parse argv (options and operands of one command) into args. Operands are left in argv[0..*nret).
 * Returns 0, 1 if --help was asked for, or -1 with ERR_USAGE. */
NODISCARD int opt_parse(const struct cmd *cmd, void *args, int argc, char **argv, int *nret, struct err *e);
void opt_free(const struct cmd *cmd, void *args);	/* lists only */
void opt_help(const struct cmd *cmd, FILE *out);

/* The exit status for an error that reached main(): cmd's fail_status, 130 for ERR_CANCELLED. */
int cmd_status(const struct cmd *cmd, const struct err *e);

#endif
