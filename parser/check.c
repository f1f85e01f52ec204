/* SPDX-License-Identifier: Apache-2.0 */
/* What each instruction demands of its flags and words, as far as no variable is involved. */
#include "parser/expand.h"
#include "parser/flags.h"
#include "parser/parse.h"

struct check {
	struct diag *d;
	const struct source *src;
	char escape;
	const struct node *n;
};

static void complain(const struct check *c, struct span at, const char *what)
{
	diag_error(c->d, at, NULL, "%s %s", c->n->def->name, what);
}

/* The word's value without quotes, if it uses no variable. */
static bool literal(const struct check *c, struct str raw, struct buf *ret)
{
	struct err e = { 0 };
	bool ok = !expand_has_variable(raw, c->escape) &&
		  expand_word(raw, c->escape, (struct env){ 0 }, ret, &e) == 0;

	err_clear(&e);
	return ok;
}

/* ---- flags ---- */

static struct span flag_name_span(const struct flag *f)
{
	return (struct span){ f->at.src, f->at.off, MIN(f->at.len, (uint32_t)f->name.n + 2) };
}

static void check_flag(const struct check *c, const struct flag *f)
{
	const struct node *n = c->n;
	const struct flag_def *def = instr_flag(n->def, f->name);
	const char *guess = def ? NULL : instr_flag_guess(n->def, f->name);
	auto_free char *dashed = guess ? xasprintf("--%s", guess) : NULL;

	if (!def) {
		diag_error(c->d, flag_name_span(f), dashed, "%s has no flag --" STR_FMT,
			   n->def->name,
			   STR_ARG(f->name));
		return;
	}
	for (const struct flag *other = n->flags; other < f && def->kind != FLAG_LIST; other++)
		if (str_eq(other->name, f->name)) {
			diag_error(c->d, f->at, NULL, "duplicate flag specified: --%s", def->name);
			return;
		}
	if (def->kind != FLAG_BOOL && !f->has_value)
		diag_error(c->d, f->at, NULL, "missing a value on flag: --%s", def->name);
	else if (def->kind == FLAG_BOOL && f->has_value && !str_is_nocase(f->value, "true") &&
		 !str_is_nocase(f->value, "false"))
		diag_error(c->d, f->at, NULL,
			   "expecting boolean value for flag --%s, not: " STR_FMT, def->name,
			   STR_ARG(f->value));
}

static void check_flags(const struct check *c)
{
	size_t known = 0;

	for (size_t i = 0; i < c->n->nflags; i++) {
		const struct flag_def *def = instr_flag(c->n->def, c->n->flags[i].name);

		if (def && def->kind != FLAG_LIST && ++known > 64)	/* duplicates were told */
			continue;
		check_flag(c, &c->n->flags[i]);
	}
}

/* ---- by instruction ---- */

static bool is_bare(const struct node *n)	/* nothing but its name */
{
	return n->nwords == 0 && n->text.n == strlen(n->def->name);
}

/* Words in error were reported by the grammar, so that only an empty text is told of. */
static bool at_least_one(const struct check *c)
{
	if (c->n->nwords == 0 && (is_bare(c->n) || c->n->nflags || c->n->json))
		complain(c, c->n->name_at, "requires at least one argument");
	return c->n->nwords > 0;
}

static bool exactly_one(const struct check *c)
{
	if (c->n->nwords != 1)
		complain(c, c->n->name_at, "requires exactly one argument");
	return c->n->nwords == 1;
}

static void check_nul(const struct check *c)
{
	for (size_t i = 0; i < c->n->nwords; i++)
		if (str_find(c->n->words[i].text, '\0') >= 0)
			complain(c, c->n->words[i].at, "takes no NUL byte");
}

/* A heredoc that becomes a file named by its word. */
static void check_file_name(const struct check *c, const struct heredoc *h)
{
	if (str_find(h->name, '/') >= 0 || str_is(h->name, ".") || str_is(h->name, ".."))
		diag_error(c->d, h->at, NULL,
			   "a heredoc's name becomes a file name: " STR_FMT " can be none",
			   STR_ARG(h->name));
}

static void check_chmod(const struct check *c)
{
	struct chmod_spec spec;

	for (size_t i = 0; i < c->n->nflags; i++) {
		const struct flag *f = &c->n->flags[i];
		auto_buf struct buf value = { 0 };
		struct err e = { 0 };

		if (str_is(f->name, "chmod") && f->has_value && literal(c, f->value, &value) &&
		    chmod_parse(buf_view(&value), &spec, &e) < 0)
			diag_err(c->d, f->at, &e);
	}
}

static void check_from_flag(const struct check *c)
{
	for (size_t i = 0; i < c->n->nflags; i++) {
		const struct flag *f = &c->n->flags[i];

		if (str_is(f->name, "from") && expand_has_variable(f->value, c->escape))
			diag_error(c->d, f->at, NULL,
				   "'--from' doesn't support variable expansion, define alias stage instead");
		else if (str_is(f->name, "from") && f->has_value && f->value.n == 0)
			diag_error(c->d, f->at, NULL,
				   "--from needs the name of a stage or an image");
	}
}

static void check_copy_source(const struct check *c, const struct word *w)
{
	auto_buf struct buf text = { 0 };
	enum copy_source kind;

	if (w->heredoc) {
		check_file_name(c, w->heredoc);
		return;
	}
	if (c->n->id != I_COPY || !literal(c, w->text, &text))
		return;
	kind = copy_source_kind(buf_view(&text));
	if (kind != SOURCE_LOCAL)
		diag_error(c->d, w->at, NULL, "source can't be a %s for COPY; use ADD",
			   kind == SOURCE_HTTP ? "URL" : "git ref");
}

static void check_copy(const struct check *c)
{
	const struct node *n = c->n;

	if (n->nwords < 2) {
		complain(c, n->name_at,
			 n->nwords ? "requires at least two arguments, but only one was provided. "
			 "Destination could not be determined" : "requires at least two arguments");
		return;
	}
	for (size_t i = 0; i + 1 < n->nwords; i++)
		check_copy_source(c, &n->words[i]);
	if (n->words[n->nwords - 1].heredoc)
		complain(c, n->words[n->nwords - 1].at, "cannot accept a heredoc as a destination");
	check_chmod(c);
	check_from_flag(c);
}

static void check_mount(const struct check *c, const struct flag *f)
{
	auto_arena struct arena a = { 0 };
	struct err e = { 0 };
	struct run_mount m;
	const char *target;
	struct str rest = f->value;

	if (!expand_has_variable(f->value, c->escape)) {
		if (mount_parse(f->value, NULL, NULL, &a, &m, &e) < 0 ||
		    (*m.target == '/' && mount_target(&m, "/", 0, &a, &target, &e) < 0))
			diag_err(c->d, f->at, &e);
		return;
	}
	while (rest.p) {	/* the others wait until their variables are known */
		struct str value = str_cut(&rest, ','), key = str_cut(&value, '=');

		if (str_is_nocase(key, "from") && value.p && expand_has_variable(value, c->escape))
			diag_error(c->d, f->at, NULL,
				   "'from' doesn't support variable expansion, define alias stage instead");
	}
}

static void check_run_flags(const struct check *c)
{
	for (size_t i = 0; i < c->n->nflags; i++) {
		const struct flag *f = &c->n->flags[i];
		struct str v = f->value;

		if (!f->has_value)
			continue;
		if (str_is(f->name, "mount"))
			check_mount(c, f);
		else if (str_is(f->name, "network") && !str_is(v, "default") &&
			 !str_is(v, "none") &&
			 !str_is(v, "host"))
			diag_error(c->d, f->at, NULL, "invalid network mode \"" STR_FMT
				   "\"; it must be default, none or host", STR_ARG(v));
		else if (str_is(f->name, "security") && !str_is(v, "sandbox") &&
			 !str_is(v, "insecure"))
			diag_error(c->d, f->at, NULL, "security \"" STR_FMT
				   "\" is not valid; it must be sandbox or insecure", STR_ARG(v));
	}
}

static void check_run(const struct check *c)
{
	const struct node *n = c->n;

	check_run_flags(c);
	if (n->json && n->nwords == 0)
		complain(c, n->at, "[] has no command to run");
	if (n->nheredocs == 1 && n->nwords == 1 && n->words[0].text.n == n->heredocs[0].word.n &&
	    str_starts(n->heredocs[0].body, "#!"))
		check_file_name(c, &n->heredocs[0]);
}

static void check_names(const struct check *c)	/* ENV, LABEL */
{
	if (!at_least_one(c))
		return;
	for (size_t i = 0; i + 1 < c->n->nwords; i += 2)
		if (c->n->words[i].text.n == 0)
			complain(c, c->n->words[i + 1].at, "names can not be blank");
}

static void check_arg(const struct check *c)
{
	if (!at_least_one(c))
		return;
	for (size_t i = 0; i < c->n->nwords; i++)
		if (str_starts(c->n->words[i].text, "="))
			complain(c, c->n->words[i].at, "names can not be blank");
}

static void check_from(const struct check *c)
{
	const struct node *n = c->n;
	auto_buf struct buf base = { 0 };

	if (n->nwords != 1 && !(n->nwords == 3 && str_is_nocase(n->words[1].text, "as"))) {
		complain(c, n->nwords > 1 ? n->words[1].at : n->name_at,
			 "requires either one or three arguments: FROM image [AS name]");
		return;
	}
	if (literal(c, n->words[0].text, &base) && base.n == 0)
		diag_error(c->d, n->words[0].at, NULL,
			   "base name (" STR_FMT ") should not be blank",
			   STR_ARG(n->words[0].text));
	if (n->nwords == 3 && !stage_name_valid(n->words[2].text))
		diag_error(c->d, n->words[2].at, NULL, "invalid name for build stage: \"" STR_FMT
			   "\", name can't start with a number or contain symbols",
				   STR_ARG(n->words[2].text));
}

static void check_expose(const struct check *c)
{
	if (!at_least_one(c))
		return;
	for (size_t i = 0; i < c->n->nwords; i++) {
		const struct word *w = &c->n->words[i];
		auto_buf struct buf text = { 0 };
		auto_strv struct strv ports = { 0 };
		struct err e = { 0 };

		if (literal(c, w->text, &text) && text.n &&
		    port_parse(buf_view(&text), &ports, NULL, &e) < 0)
			diag_err(c->d, w->at, &e);
	}
}

static void check_health_flags(const struct check *c)
{
	for (size_t i = 0; i < c->n->nflags; i++) {
		const struct flag *f = &c->n->flags[i];
		const struct flag_def *def = instr_flag(c->n->def, f->name);
		struct err e = { 0 };
		int64_t ns;
		int r;

		if (!def || f->value.n == 0)
			continue;
		if (str_is(f->name, "retries"))
			r = retries_parse(f->value, &(int){ 0 }, &e);
		else
			r = duration_parse(def->name, f->value, &ns, &e);
		if (r < 0)
			diag_err(c->d, f->at, &e);
	}
}

static void check_health(const struct check *c)
{
	const struct node *n = c->n;
	struct str type;

	if (n->nwords == 0) {
		complain(c, n->name_at, "requires at least one argument");
		return;
	}
	type = n->words[0].text;
	if (str_is_nocase(type, "NONE")) {
		if (n->nwords > 1)
			complain(c, n->words[1].at, "NONE takes no arguments");
		return;		/* its flags are never looked at */
	}
	check_flags(c);
	check_health_flags(c);
	if (!str_is_nocase(type, "CMD"))
		diag_error(c->d, n->words[0].at, NULL,
			   "Unknown type \"" STR_FMT "\" in HEALTHCHECK (try CMD)",
			   STR_ARG(type));
	else if (n->nwords == 1)
		diag_error(c->d, n->words[0].at, NULL, "Missing command after HEALTHCHECK CMD");
}

static void check_onbuild(const struct check *c)
{
	const struct node *n = c->n, *child = n->onbuild;

	if (!child) {
		if (is_bare(n) || n->nflags)
			complain(c, n->name_at, "requires at least one argument");
	} else if (child->id == I_ONBUILD) {
		diag_error(c->d, child->name_at, NULL,
			   "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	} else if (!child->def->onbuild) {
		diag_error(c->d, child->name_at, NULL, "%s isn't allowed as an ONBUILD trigger",
			   child->def->name);
	} else {
		check_node(c->d, c->src, c->escape, child);
	}
}

static void check_shell(const struct check *c)
{
	if (c->n->nwords == 0)
		complain(c, c->n->name_at, "requires at least one argument");
	else if (!c->n->json)
		complain(c, c->n->words[0].at,
			 "requires the arguments to be in JSON form, as in [\"/bin/sh\", \"-c\"]");
}

static void check_stopsignal(const struct check *c)
{
	auto_buf struct buf text = { 0 };
	struct err e = { 0 };
	int number;

	if (!exactly_one(c) || !literal(c, c->n->words[0].text, &text))
		return;
	if (signal_parse(buf_view(&text), &number, &e) < 0)
		diag_error(c->d, c->n->words[0].at, signal_guess(buf_view(&text)), "%s",
			   err_text(&e));
	err_clear(&e);
}

static void check_volume(const struct check *c)
{
	if (!at_least_one(c))
		return;
	for (size_t i = 0; i < c->n->nwords; i++)
		if (str_trim(c->n->words[i].text).n == 0)
			complain(c, c->n->words[i].at, "specified can not be an empty string");
}

void check_node(struct diag *d, const struct source *src, char escape, const struct node *n)
{
	const struct check c = { d, src, escape, n };

	if (!n->def->any_flag && n->id != I_HEALTHCHECK)
		check_flags(&c);
	check_nul(&c);
	switch (n->id) {
	case I_ADD:
	case I_COPY:        check_copy(&c); break;
	case I_ARG:         check_arg(&c); break;
	case I_ENV:
	case I_LABEL:       check_names(&c); break;
	case I_EXPOSE:      check_expose(&c); break;
	case I_FROM:        check_from(&c); break;
	case I_HEALTHCHECK: check_health(&c); break;
	case I_MAINTAINER:
	case I_USER:
	case I_WORKDIR:     exactly_one(&c); break;
	case I_ONBUILD:     check_onbuild(&c); break;
	case I_RUN:         check_run(&c); break;
	case I_SHELL:       check_shell(&c); break;
	case I_STOPSIGNAL:  check_stopsignal(&c); break;
	case I_VOLUME:      check_volume(&c); break;
	case I_CMD:
	case I_ENTRYPOINT:  break;
	}
}

void check_file(struct diag *d, const struct source *src, const struct dockerfile *f,
		bool from_guessed)
{
	bool told = from_guessed;
	size_t stages = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct node *n = f->nodes[i];

		stages += n->id == I_FROM;
		if (stages == 0 && n->id != I_ARG && !told) {
			diag_error(d, n->name_at, NULL,
				   "%s before the first FROM: no build stage in current context",
				   n->def->name);
			told = true;	/* the same for all that follow */
		}
		check_node(d, src, f->escape, n);
	}
	if (stages == 0 && !told)
		diag_error(d, source_span(src, 0, 0), NULL,
			   "dockerfile contains no stages to build");
}
