/* SPDX-License-Identifier: Apache-2.0 */
/* Env files of `run --env-file`: one K=V a line. */
#ifndef PARSER_DOTENV_H
#define PARSER_DOTENV_H

#include "base/err.h"
#include "base/str.h"

/*
 * Appends "K=V" for each line to ret. Leading blanks are dropped, everything behind "=" is the
 * value, quotes and trailing blanks included; '#' begins a comment only as a line's first
 * character. A bare K takes its value from get (may be NULL) and is left out if it is unset there.
 * Errors: ERR_USAGE with "name:line: ..." for a blank or a name without letters, invalid UTF-8,
 * NUL.
 */
NODISCARD int dotenv_parse(const char *name, struct str text,
			   const char *(*get)(void *arg, const char *name),
			   void *arg, struct strv *ret, struct err *e);

#endif
