/* SPDX-License-Identifier: Apache-2.0 */
/* A logical line -> a node: name, flags, words by the instruction's form, here-documents. */
#include "parser/parse.h"

#include "parser/words.h"

#define ONBUILD_DEPTH 4

struct instr_text {		/* what is being parsed */
	struct parser *p;
	struct line *line;
	struct str rest;	/* what follows name and flags */
	struct node *n;
};

static struct span span_of(const struct instr_text *t, struct str slice)
{
	return lex_span(&t->p->lexer, t->line, slice);
}

/* ---- flags ---- */

/* The flag word at the start of s: its length; quotes and escapes are removed into ret. */
static size_t flag_word(struct str s, char escape, struct buf *ret)
{
	char quote = 0;
	size_t i = 0;

	for (; i < s.n; i++) {
		char c = s.p[i];

		if (!quote && space_len(s.p + i, s.n - i))
			break;
		if (quote ? c == quote : c == '\'' || c == '"') {
			quote = quote ? 0 : c;
			continue;
		}
		if (c == escape) {
			if (i + 1 == s.n)
				continue;
			c = s.p[++i];
		}
		buf_putc(ret, c);
	}
	return i;
}

static void flag_add(struct instr_text *t, struct str word, struct str raw, size_t *cap)
{
	struct node *n = t->n;
	struct flag *f;
	ptrdiff_t eq = str_find(word, '=');

	if (n->nflags == *cap) {
		struct flag *more = arena_array(t->p->arena, struct flag,
						*cap = *cap ? 2 * *cap : 4);

		if (n->nflags)
			memcpy(more, n->flags, n->nflags * sizeof(*more));
		n->flags = more;
	}
	f = &n->flags[n->nflags++];
	f->at = span_of(t, raw);
	f->has_value = eq >= 0;
	f->name = str_sub(word, 2, eq >= 0 ? (size_t)eq - 2 : word.n);
	f->value = eq >= 0 ? str_sub(word, (size_t)eq + 1, word.n) : (struct str){ "", 0 };
}

/* Flags are the leading words that begin with "--"; "--" alone ends them. */
static void parse_flags(struct instr_text *t)
{
	auto_buf struct buf word = { 0 };
	size_t len, cap = 0;

	for (;;) {
		t->rest = space_trim_left(t->rest);
		if (!str_starts(t->rest, "--"))
			break;
		buf_reset(&word);
		len = flag_word(t->rest, t->p->file->escape, &word);
		if (!str_is(buf_view(&word), "--"))
			flag_add(t, arena_str(t->p->arena, buf_view(&word)),
				 str_sub(t->rest, 0, len), &cap);
		t->rest = str_sub(t->rest, len, t->rest.n);
		if (str_is(buf_view(&word), "--"))
			break;
	}
	t->rest = space_trim(t->rest);
}

/* ---- words ---- */

static void set_words(struct instr_text *t, const struct strs *words, const struct strs *at)
{
	struct node *n = t->n;

	n->nwords = words->n;
	if (words->n)
		n->words = arena_array(t->p->arena, struct word, words->n);
	for (size_t i = 0; i < words->n; i++) {
		n->words[i].text = words->v[i];
		n->words[i].at = span_of(t, at->v[i]);
	}
}

/* True if text is a JSON array: its strings are in words, or it holds something else, which is
 * reported. */
static bool take_json(struct instr_text *t, struct str text, struct strs *words, struct strs *at)
{
	struct str bad;
	size_t n = words->n;

	if (text.n == 0 || text.p[0] != '[')
		return false;
	switch (words_json(text, t->p->arena, words, at, &bad)) {
	case JSON_STRINGS:
		t->n->json = true;
		return true;
	case JSON_OTHER:
		diag_error(t->p->diag, span_of(t, bad), NULL,
			   "%s: when using JSON array syntax, arrays must be comprised of strings only",
			   t->n->def->name);
		words_add(words, bad);	/* so that the number of words is no second complaint */
		words_add(at, bad);
		t->n->json = true;
		return true;
	case JSON_NONE:
		break;
	}
	words->n = at->n = n;
	return false;
}

static void parse_text(struct instr_text *t)
{
	auto_words struct strs words = { 0 };

	if (t->rest.n)
		words_add(&words, t->rest);
	set_words(t, &words, &words);
}

static void parse_shell_or_json(struct instr_text *t)
{
	auto_words struct strs words = { 0 };
	auto_words struct strs at = { 0 };

	if (take_json(t, t->rest, &words, &at))
		set_words(t, &words, &at);
	else
		parse_text(t);
}

static void parse_health(struct instr_text *t)
{
	auto_words struct strs words = { 0 };
	auto_words struct strs at = { 0 };
	size_t n = 0;
	struct str command;

	while (n < t->rest.n && !space_len(t->rest.p + n, t->rest.n - n))
		n++;
	if (n == 0)
		return;
	command = space_trim_left(str_sub(t->rest, n, t->rest.n));
	words_add(&words, str_sub(t->rest, 0, n));
	words_add(&at, words.v[0]);
	if (!take_json(t, command, &words, &at) && command.n) {
		words_add(&words, command);
		words_add(&at, command);
	}
	set_words(t, &words, &at);
}

/* The legacy form: the first token is the key, all that follows the value. */
static void parse_legacy(struct instr_text *t, struct strs *pairs)
{
	struct str key = t->rest, value;
	size_t n = 0;

	while (n < key.n && !strchr(" \t\v\f\r", key.p[n]))
		n++;
	key.n = n;
	for (; n < t->rest.n && strchr(" \t\v\f\r", t->rest.p[n]); n++)
		;
	value = str_sub(t->rest, n, t->rest.n);
	if (value.n == 0) {
		diag_error(t->p->diag, span_of(t, t->rest), NULL, "%s must have two arguments",
			   t->n->def->name);
		return;
	}
	t->n->legacy = true;
	words_add(pairs, key);
	words_add(pairs, value);
}

static void parse_key_value(struct instr_text *t)
{
	auto_words struct strs words = { 0 };
	auto_words struct strs pairs = { 0 };

	words_shell(t->rest, t->p->file->escape, &words);
	if (words.n && str_find(words.v[0], '=') < 0) {
		parse_legacy(t, &pairs);
	} else {
		for (size_t i = 0; i < words.n; i++) {
			struct str w = words.v[i];
			ptrdiff_t eq = str_find(w, '=');

			if (eq < 0) {
				diag_error(t->p->diag, span_of(t, w), NULL,
					   "%s: can't find = in \"" STR_FMT
					   "\"; it must be of the form name=value", t->n->def->name, STR_ARG(w));
				continue;
			}
			words_add(&pairs, str_sub(w, 0, (size_t)eq));
			words_add(&pairs, str_sub(w, (size_t)eq + 1, w.n));
		}
	}
	set_words(t, &pairs, &pairs);
}

static void parse_args(struct instr_text *t)
{
	auto_words struct strs words = { 0 };

	words_shell(t->rest, t->p->file->escape, &words);
	set_words(t, &words, &words);
}

/* Words split at blanks, but a here-document's word is one, whatever it holds. */
static void parse_words(struct instr_text *t)
{
	auto_words struct strs words = { 0 };
	auto_words struct strs at = { 0 };
	struct node *n = t->n;
	size_t pos = 0, next = 0;

	if (n->def->form == FORM_WORDS_OR_JSON && take_json(t, t->rest, &words, &at)) {
		set_words(t, &words, &at);
		return;
	}
	for (size_t i = 0; i < n->nheredocs; i++) {
		struct str w = n->heredocs[i].word;
		size_t off = (size_t)(w.p - t->rest.p);

		words_split(str_sub(t->rest, pos, off - pos), &words);
		words_add(&words, w);
		pos = off + w.n;
	}
	words_split(str_sub(t->rest, pos, t->rest.n), &words);
	set_words(t, &words, &words);
	for (size_t i = 0; i < n->nwords && next < n->nheredocs; i++)
		if (n->words[i].text.p == n->heredocs[next].word.p)
			n->words[i].heredoc = &n->heredocs[next++];
}

/* ---- here-documents ---- */

static void parse_heredocs(struct instr_text *t)
{
	struct parser *p = t->p;
	struct str rest = t->rest;
	struct heredoc *list = NULL, h;
	size_t n = 0, cap = 0;
	int r;

	while ((r = lex_heredoc(&rest, p->arena, &h)) > 0) {
		if (n == cap)
			list = xrealloc(list, (cap = cap ? 2 * cap : 4) * sizeof(*list));
		h.at = span_of(t, h.word);
		list[n++] = h;
	}
	if (r < 0)
		diag_error(p->diag, span_of(t, h.word), NULL,
			   "the quote in this heredoc's name has no end");
	if (n) {
		t->n->heredocs = arena_array(p->arena, struct heredoc, n);
		memcpy(t->n->heredocs, list, n * sizeof(*list));
	}
	t->n->nheredocs = n;
	free(list);
	for (size_t i = 0; i < n; i++)
		lex_body(&p->lexer, t->line, &t->n->heredocs[i]);
}

static bool is_json(struct instr_text *t)
{
	auto_words struct strs words = { 0 };
	auto_words struct strs at = { 0 };
	struct str bad;

	return t->rest.n && t->rest.p[0] == '[' &&
	       words_json(t->rest, t->p->arena, &words, &at, &bad) != JSON_NONE;
}

static struct str original_text(struct arena *a, const struct node *n)
{
	auto_buf struct buf b = { 0 };

	if (n->nheredocs == 0)
		return n->text;
	buf_str(&b, n->text);
	for (size_t i = 0; i < n->nheredocs; i++) {
		buf_putc(&b, '\n');
		buf_str(&b, n->heredocs[i].raw);
		buf_str(&b, n->heredocs[i].name);
	}
	return arena_str(a, buf_view(&b));
}

/* ---- instructions ---- */

static void parse_onbuild(struct instr_text *t, int depth)
{
	struct node *child;

	if (t->rest.n == 0)
		return;
	if (depth >= ONBUILD_DEPTH) {
		diag_error(t->p->diag, t->n->name_at, NULL,
			   "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
		return;
	}
	child = parse_instr(t->p, t->line, t->rest, depth + 1);
	t->n->onbuild = child;
	if (child && child->nheredocs) {	/* bodies belong to the line, hence to both */
		t->n->heredocs = child->heredocs;
		t->n->nheredocs = child->nheredocs;
	}
}

static void parse_form(struct instr_text *t, int depth)
{
	switch (t->n->def->form) {
	case FORM_SHELL_OR_JSON: parse_shell_or_json(t); break;
	case FORM_WORDS_OR_JSON:
	case FORM_WORDS:         parse_words(t); break;
	case FORM_TEXT:          parse_text(t); break;
	case FORM_KEY_VALUE:     parse_key_value(t); break;
	case FORM_ARGS:          parse_args(t); break;
	case FORM_HEALTH:        parse_health(t); break;
	case FORM_ONBUILD:       parse_onbuild(t, depth); break;
	}
}

/* An unknown word: what it may have been decides whether documents are to be skipped. */
static void unknown_instr(struct instr_text *t, struct str name)
{
	struct parser *p = t->p;
	const char *guess = p->diag->errors < DIAG_KEPT ? instr_guess(name) : NULL;
	const struct instr_def *def = guess ? instr_find(str_of(guess)) : NULL;

	diag_error(p->diag, span_of(t, name), guess, "unknown instruction: " STR_FMT,
		   STR_ARG(name));
	if (!def)
		return;
	p->from_guessed |= def->id == I_FROM;
	if (def->heredoc && !is_json(t)) {
		struct node skipped = { .def = def };

		t->n = &skipped;
		parse_heredocs(t);
	}
}

static struct span node_span(struct parser *p, const struct line *line, const struct node *n)
{
	struct span at = lex_span(&p->lexer, line, n->text);
	size_t end;

	if (n->nheredocs) {
		end = line->line_end < p->src->nlines ? p->src->lines[line->line_end] : p->src->text.n;
		at.len = (uint32_t)(end - at.off);
	}
	return at;
}

struct node *parse_instr(struct parser *p, struct line *line, struct str text, int depth)
{
	struct instr_text t = { .p = p, .line = line };
	const struct instr_def *def;
	struct str name;
	size_t n = 0;

	text = space_trim(text);
	while (n < text.n && !strchr(" \t\v\f\r", text.p[n]))
		n++;
	if (n == 0)
		return NULL;
	name = str_sub(text, 0, n);
	t.rest = str_sub(text, n, text.n);
	def = instr_find(name);
	if (!def) {
		unknown_instr(&t, name);
		return NULL;
	}
	t.n = arena_new(p->arena, struct node);
	*t.n = (struct node){ .id = def->id, .def = def, .name_at = span_of(&t, name), .text = text,
			      .line = line->line, .comment = line->comment };
	parse_flags(&t);
	if (def->heredoc && memmem(t.rest.p, t.rest.n, "<<", 2) && !is_json(&t))
		parse_heredocs(&t);
	parse_form(&t, depth);
	t.n->line_end = line->line_end;
	t.n->at = node_span(p, line, t.n);
	t.n->original = original_text(p->arena, t.n);
	return t.n;
}
