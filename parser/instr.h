/* SPDX-License-Identifier: Apache-2.0 */
/* The instructions of a Dockerfile as a table: form, number of words, flags. */
#ifndef PARSER_INSTR_H
#define PARSER_INSTR_H

#include <stdbool.h>
#include <stdint.h>

#include "parser/ast.h"

enum form {			/* how the text behind name and flags becomes words */
	FORM_SHELL_OR_JSON,	/* strings of an array, or all the text as one word */
	FORM_WORDS_OR_JSON,	/* strings of an array, or words split at blanks */
	FORM_WORDS,
	FORM_TEXT,		/* all the text as one word */
	FORM_KEY_VALUE,		/* k=v ..., or the legacy form: k text */
	FORM_ARGS,		/* k or k=v, shell-like words */
	FORM_HEALTH,		/* a type, then FORM_SHELL_OR_JSON */
	FORM_ONBUILD,		/* another instruction */
};

enum flag_kind { FLAG_STRING, FLAG_LIST, FLAG_BOOL };

struct flag_def {
	const char *name;	/* without "--"; NULL ends a table */
	enum flag_kind kind;
};

struct instr_def {
	const char *name;	/* upper case */
	enum instr id;
	enum form form;
	bool heredoc;		/* may hold here-documents */
	bool onbuild;		/* may follow ONBUILD */
	bool any_flag;		/* flags are never validated (STOPSIGNAL, ARG) */
	const struct flag_def *flags;	/* NULL if it takes none */
};

const struct instr_def *instr_find(struct str name);	/* case folded; NULL if there is none */
const char *instr_guess(struct str name);		/* the nearest name, or NULL */
const struct flag_def *instr_flag(const struct instr_def *def, struct str name);
/* The nearest flag, without "--", or NULL. */
const char *instr_flag_guess(const struct instr_def *def, struct str name);

#endif
