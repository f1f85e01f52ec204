/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a Dockerfile: a node for each instruction, its flags, words, heredocs and places. */
#ifndef PARSER_AST_H
#define PARSER_AST_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

enum instr {			/* in the order of the table in instr.c */
	I_ADD, I_ARG, I_CMD, I_COPY, I_ENTRYPOINT, I_ENV, I_EXPOSE, I_FROM, I_HEALTHCHECK, I_LABEL,
	I_MAINTAINER, I_ONBUILD, I_RUN, I_SHELL, I_STOPSIGNAL, I_USER, I_VOLUME, I_WORKDIR,
};

struct instr_def;

struct flag {
	struct str name;	/* without "--" */
	struct str value;	/* quotes removed, variables not expanded; empty if there is none */
	bool has_value;		/* there was a "=" */
	struct span at;		/* the whole word */
};

struct heredoc {
	struct str name;	/* quotes removed: the terminator, and the file's name */
	int fd;			/* the number before "<<", 0 if there was none */
	bool chomp;		/* "<<-": leading TABs are dropped */
	bool expand;		/* no part of the word was quoted */
	struct str body;	/* chomp applied; without the terminator's line */
	struct str raw;		/* as in the file, a slice of it */
	struct str word;	/* the word as written, a slice of the instruction's text */
	struct span at;		/* the word */
};

struct word {
	struct str text;
	struct span at;
	const struct heredoc *heredoc;	/* COPY, ADD: the source is this document; else NULL */
};

struct node {			/* one instruction */
	enum instr id;
	const struct instr_def *def;	/* parser/instr.h; def->name is the upper-case name */
	struct span at, name_at;	/* the whole (with bodies of here-documents); its name */
	unsigned line, line_end;	/* from 1, inclusive, with bodies and terminators */
	struct flag *flags;
	size_t nflags;
	bool json;		/* exec form */
	/*
	 * JSON form: the decoded strings (may hold NUL). Shell form of RUN CMD ENTRYPOINT SHELL:
	 * one word, the raw text, or none if there is no text. ENV LABEL: key, value, key,
	 * value..., raw. ARG: "k" or "k=v" each, raw. HEALTHCHECK: the type, then the command (JSON
	 * strings or one raw text). ONBUILD: none. USER WORKDIR STOPSIGNAL MAINTAINER: one word,
	 * all the text. Others: raw words split at blanks.
	 */
	struct word *words;
	size_t nwords;
	bool legacy;		/* ENV or LABEL in the "key value" form */
	struct heredoc *heredocs;
	size_t nheredocs;
	struct node *onbuild;	/* the instruction behind ONBUILD, NULL if there is none */
	struct str text;	/* the instruction, continuations joined, without heredoc bodies */
	struct str original;	/* the same with them; onbuild->original is what OnBuild stores */
	struct str comment;	/* the comment lines right above, "# " dropped, joined by '\n' */
};

struct dockerfile {		/* all in the arena given to dockerfile_parse() */
	const struct source *src;
	char escape;		/* '\\' or '`' */
	struct str syntax;	/* image of the syntax directive, empty if there is none */
	struct span syntax_at;
	struct str check;	/* text of the check directive, empty if there is none */
	struct span check_at;
	struct node **nodes;
	size_t n;
};

/* The last value of a flag; false if it was not given. */
bool node_flag(const struct node *n, const char *name, struct str *ret);
/* A boolean flag as dockerfile_parse() accepted it: "--x" or "--x=true"; false if not given. */
bool node_flag_on(const struct node *n, const char *name);

/* The S-expression form of parser tests: one line an instruction. Appends to ret. */
void ast_dump(const struct dockerfile *f, struct buf *ret);

#endif
