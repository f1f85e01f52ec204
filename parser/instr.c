/* SPDX-License-Identifier: Apache-2.0 */
/* One row an instruction; a new one needs a row, a check (check.c), a lowering (builder/). */
#include "parser/instr.h"

#include "parser/words.h"

static const struct flag_def add_flags[] = {
	{ "checksum", FLAG_STRING }, { "chmod", FLAG_STRING }, { "chown", FLAG_STRING },
	{ "exclude", FLAG_LIST },
	{ "keep-git-dir", FLAG_BOOL }, { "link", FLAG_BOOL }, { "unpack", FLAG_BOOL }, { NULL, 0 },
};
static const struct flag_def copy_flags[] = {
	{ "chmod", FLAG_STRING }, { "chown", FLAG_STRING }, { "exclude", FLAG_LIST },
	{ "from", FLAG_STRING },
	{ "link", FLAG_BOOL }, { "parents", FLAG_BOOL }, { NULL, 0 },
};
static const struct flag_def from_flags[] = {
	{ "platform", FLAG_STRING }, { NULL, 0 },
};
static const struct flag_def health_flags[] = {
	{ "interval", FLAG_STRING }, { "retries", FLAG_STRING }, { "start-interval", FLAG_STRING },
	{ "start-period", FLAG_STRING }, { "timeout", FLAG_STRING }, { NULL, 0 },
};
static const struct flag_def run_flags[] = {
	{ "device", FLAG_LIST }, { "mount", FLAG_LIST }, { "network", FLAG_STRING },
	{ "security", FLAG_STRING },
	{ NULL, 0 },
};

static const struct instr_def instrs[] = {	/* sorted by name, in the order of enum instr */
	{ "ADD",         I_ADD,         FORM_WORDS_OR_JSON, true,  true,  false, add_flags },
	{ "ARG",         I_ARG,         FORM_ARGS,          false, true,  true,  NULL },
	{ "CMD",         I_CMD,         FORM_SHELL_OR_JSON, false, true,  false, NULL },
	{ "COPY",        I_COPY,        FORM_WORDS_OR_JSON, true,  true,  false, copy_flags },
	{ "ENTRYPOINT",  I_ENTRYPOINT,  FORM_SHELL_OR_JSON, false, true,  false, NULL },
	{ "ENV",         I_ENV,         FORM_KEY_VALUE,     false, true,  false, NULL },
	{ "EXPOSE",      I_EXPOSE,      FORM_WORDS,         false, true,  false, NULL },
	{ "FROM",        I_FROM,        FORM_WORDS,         false, false, false, from_flags },
	{ "HEALTHCHECK", I_HEALTHCHECK, FORM_HEALTH,        false, true,  false, health_flags },
	{ "LABEL",       I_LABEL,       FORM_KEY_VALUE,     false, true,  false, NULL },
	{ "MAINTAINER",  I_MAINTAINER,  FORM_TEXT,          false, false, false, NULL },
	{ "ONBUILD",     I_ONBUILD,     FORM_ONBUILD,       false, false, false, NULL },
	{ "RUN",         I_RUN,         FORM_SHELL_OR_JSON, true,  true,  false, run_flags },
	{ "SHELL",       I_SHELL,       FORM_SHELL_OR_JSON, false, true,  false, NULL },
	{ "STOPSIGNAL",  I_STOPSIGNAL,  FORM_TEXT,          false, true,  true,  NULL },
	{ "USER",        I_USER,        FORM_TEXT,          false, true,  false, NULL },
	{ "VOLUME",      I_VOLUME,      FORM_WORDS_OR_JSON, false, true,  false, NULL },
	{ "WORKDIR",     I_WORKDIR,     FORM_TEXT,          false, true,  false, NULL },
};

const struct instr_def *instr_find(struct str name)
{
	for (size_t i = 0; i < countof(instrs); i++)
		if (str_is_nocase(name, instrs[i].name))
			return &instrs[i];
	return NULL;
}

const char *instr_guess(struct str name)
{
	const char *names[countof(instrs) + 1] = { NULL };

	for (size_t i = 0; i < countof(instrs); i++)
		names[i] = instrs[i].name;
	return str_nearest(name, names);
}

const struct flag_def *instr_flag(const struct instr_def *def, struct str name)
{
	for (const struct flag_def *f = def->flags; f && f->name; f++)
		if (str_is(name, f->name))
			return f;
	return NULL;
}

const char *instr_flag_guess(const struct instr_def *def, struct str name)
{
	const char *names[16] = { NULL };
	size_t n = 0;

	for (const struct flag_def *f = def->flags; f && f->name && n + 1 < countof(names); f++)
		names[n++] = f->name;
	return str_nearest(name, names);
}
