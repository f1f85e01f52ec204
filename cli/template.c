/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: text and actions into a tree. */
#include "cli/template.h"

#include <ctype.h>
#include <math.h>

#include "cli/template_node.h"

enum tok_kind {
	TOK_END,		/* of the action */
	TOK_WORD, TOK_VAR, TOK_FIELD, TOK_DOT, TOK_STR, TOK_NUM, TOK_PUNCT,
};

struct tok {
	enum tok_kind kind;
	struct str text;	/* TOK_FIELD: without "."; TOK_STR: decoded */
	bool blank;		/* blanks stand before it */
};

struct parser {
	struct str all;		/* the arena's copy of the text */
	size_t at;
	bool in_action;
	bool trim;			/* the action that ended had "-}}" */
	struct tok tok;		/* the present one, inside an action */
	struct arena *a;
	int depth;
	struct err *e;
};

static int fail(struct parser *p, const char *what)
{
	return err_set(p->e, ERR_USAGE, "template: column %zu: %s", p->at + 1, what);
}

static struct str rest(const struct parser *p)
{
	return str_sub(p->all, p->at, p->all.n);
}

/* The end of the action stands here? Then pass it. */
static bool end_action(struct parser *p)
{
	struct str r = rest(p);
	bool trim = r.n >= 4 && isspace((unsigned char)r.p[0]) && str_starts(str_sub(r, 1, r.n), "-}}");

	if (!trim && !str_starts(r, "}}"))
		return false;
	p->at += trim ? 4 : 2;
	p->trim = trim;
	p->in_action = false;
	p->tok = (struct tok){ .kind = TOK_END };
	return true;
}

static int lex_escape(struct parser *p, struct buf *b)
{
	static const char from[] = "nrtabfv\\\"'0", to[] = "\n\r\t\a\b\f\v\\\"'";
	const char *hit = strchr(from, p->all.p[p->at]);

	if (!hit || !*hit || *hit == '0')
		return fail(p, "an escape that is not known");
	buf_putc(b, to[hit - from]);
	p->at++;
	return 0;
}

static int lex_string(struct parser *p)
{
	auto_buf struct buf b = { 0 };
	char quote = p->all.p[p->at++];

	while (p->at < p->all.n && p->all.p[p->at] != quote) {
		char c = p->all.p[p->at++];

		if (c == '\\' && quote == '"' && p->at < p->all.n) {
			if (lex_escape(p, &b) < 0)
				return -1;
			continue;
		}
		if (c == '\n' && quote == '"')
			break;
		buf_putc(&b, c);
	}
	if (p->at >= p->all.n || p->all.p[p->at] != quote)
		return fail(p, "a string does not end");
	p->at++;
	p->tok.kind = TOK_STR;
	p->tok.text = arena_str(p->a, buf_view(&b));
	return 0;
}

static bool is_word(char c)
{
	return c == '_' || isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* [start, at) once at has moved past word characters. */
static struct str lex_word(struct parser *p, size_t start)
{
	while (p->at < p->all.n && is_word(p->all.p[p->at]))
		p->at++;
	return str_sub(p->all, start, p->at - start);
}

static int lex(struct parser *p)
{
	static const char *const puncts[] = { ":=", "=", "|", "(", ")", "," };
	size_t start;
	bool blank = false;
	char c;

	for (; !end_action(p); p->at++, blank = true)
		if (p->at >= p->all.n || !isspace((unsigned char)p->all.p[p->at]))
			break;
	p->tok.blank = blank;
	if (!p->in_action)
		return 0;
	if (p->at >= p->all.n)
		return fail(p, "an action does not end: \"}}\" is missing");
	c = p->all.p[p->at];
	start = p->at;
	if (c == '"' || c == '`')
		return lex_string(p);
	if (c == '$') {
		p->at++;
		p->tok.kind = TOK_VAR;
		p->tok.text = lex_word(p, start);
		return 0;
	}
	if (isdigit((unsigned char)c) || ((c == '-' || c == '+') && p->at + 1 < p->all.n &&
					  isdigit((unsigned char)p->all.p[p->at + 1]))) {
		for (p->at++; p->at < p->all.n && (is_word(p->all.p[p->at]) || p->all.p[p->at] == '.'); p->at++)
			;
		p->tok.kind = TOK_NUM;
		p->tok.text = str_sub(p->all, start, p->at - start);
		return 0;
	}
	if (c == '.') {
		p->at++;
		p->tok.text = lex_word(p, start + 1);
		p->tok.kind = p->tok.text.n ? TOK_FIELD : TOK_DOT;
		return 0;
	}
	if (is_word(c)) {
		p->tok.kind = TOK_WORD;
		p->tok.text = lex_word(p, start);
		return 0;
	}
	for (size_t i = 0; i < countof(puncts); i++)
		if (str_starts(rest(p), puncts[i])) {
			p->tok.kind = TOK_PUNCT;
			p->tok.text = str_of(puncts[i]);
			p->at += strlen(puncts[i]);
			return 0;
		}
	return fail(p, "a character that has no place in an action");
}

static bool is_punct(const struct parser *p, const char *s)
{
	return p->tok.kind == TOK_PUNCT && str_is(p->tok.text, s);
}

static bool is_keyword(const struct parser *p, const char *s)
{
	return p->tok.kind == TOK_WORD && str_is(p->tok.text, s);
}

static int parse_pipe(struct parser *p, bool range, struct pipe_node **ret);

static int parse_number(struct parser *p, struct term *t)
{
	struct str s = p->tok.text, digits = s;
	bool negative = s.p[0] == '-';
	uint64_t u;
	char *end;

	if (negative || s.p[0] == '+')
		digits = str_sub(s, 1, s.n);
	if (str_starts(digits, "0x") ? str_to_u64(str_sub(digits, 2, digits.n), 16, &u) : str_to_u64(digits, 10, &u)) {
		if (u > INT64_MAX)
			return fail(p, "a number that is too large");
		t->kind = TERM_INT;
		t->i = negative ? -(int64_t)u : (int64_t)u;
		return 0;
	}
	t->kind = TERM_REAL;
	t->f = strtod(arena_strndup(p->a, s.p, s.n), &end);
	return *end || !isfinite(t->f) ? fail(p, "not a number") : 0;
}

static void add_field(struct parser *p, struct term *t, struct str name)
{
	struct str *v = arena_array(p->a, struct str, t->nfields + 1);

	if (t->nfields)
		memcpy(v, t->fields, t->nfields * sizeof(*v));
	v[t->nfields++] = name;
	t->fields = v;
}

static int parse_word(struct parser *p, struct term *t)
{
	struct str w = p->tok.text;
	const char *near;

	if (str_is(w, "true") || str_is(w, "false")) {
		t->kind = TERM_BOOL;
		t->i = str_is(w, "true");
	} else if (str_is(w, "nil")) {
		t->kind = TERM_NIL;
	} else if (str_is(w, "and") || str_is(w, "or") || template_func_find(w)) {
		t->kind = TERM_FUNC;
		t->name = w;
	} else {
		near = template_func_near(w);
		return err_set(p->e, ERR_USAGE, "template: there is no function " STR_FMT "%s%s%s", STR_ARG(w),
			       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	}
	return 0;
}

/* One term with the fields behind it; the token after it is then the present one. */
static int parse_term(struct parser *p, struct term *t)
{
	*t = (struct term){ 0 };
	switch (p->tok.kind) {
	case TOK_DOT: t->kind = TERM_DOT; break;
	case TOK_FIELD: t->kind = TERM_DOT; add_field(p, t, p->tok.text); break;
	case TOK_VAR: t->kind = TERM_VAR; t->name = p->tok.text; break;
	case TOK_STR: t->kind = TERM_STR; t->name = p->tok.text; break;
	case TOK_NUM:
		if (parse_number(p, t) < 0)
			return -1;
		break;
	case TOK_WORD:
		if (parse_word(p, t) < 0)
			return -1;
		break;
	default:
		if (!is_punct(p, "("))
			return fail(p, "a value is missing");
		t->kind = TERM_PIPE;
		if (lex(p) < 0 || parse_pipe(p, false, &t->pipe) < 0)
			return -1;
		if (!is_punct(p, ")"))
			return fail(p, "\")\" is missing");
	}
	if (lex(p) < 0)
		return -1;
	while (p->tok.kind == TOK_FIELD && !p->tok.blank && t->kind != TERM_FUNC) {
		add_field(p, t, p->tok.text);
		if (lex(p) < 0)
			return -1;
	}
	return 0;
}

static int parse_command(struct parser *p, struct command **ret)
{
	struct command *c = arena_new(p->a, struct command);

	do {
		struct term *v = arena_array(p->a, struct term, c->n + 1);

		if (c->n)
			memcpy(v, c->terms, c->n * sizeof(*v));
		c->terms = v;
		if (parse_term(p, &v[c->n++]) < 0)
			return -1;
	} while (p->tok.kind != TOK_END && !is_punct(p, "|") && !is_punct(p, ")"));
	*ret = c;
	return 0;
}

/* "$x :=", "$i, $x :=" or "$x =" before a pipeline. */
static int parse_vars(struct parser *p, bool range, struct pipe_node *pipe)
{
	size_t at = p->at;
	struct tok first = p->tok;

	if (p->tok.kind != TOK_VAR)
		return 0;
	pipe->vars[0] = p->tok.text;
	pipe->nvars = 1;
	if (lex(p) < 0)
		return -1;
	if (range && is_punct(p, ",")) {
		if (lex(p) < 0)
			return -1;
		if (p->tok.kind != TOK_VAR)
			return fail(p, "a variable is missing behind \",\"");
		pipe->vars[1] = p->tok.text;
		pipe->nvars = 2;
		if (lex(p) < 0)
			return -1;
	}
	if (is_punct(p, ":=") || is_punct(p, "=")) {
		pipe->assign = is_punct(p, "=");
		return lex(p);
	}
	if (pipe->nvars == 2)
		return fail(p, "\":=\" is missing");
	pipe->nvars = 0;	/* just a value: go back */
	p->at = at;
	p->tok = first;
	p->in_action = true;
	return 0;
}

static int parse_pipe(struct parser *p, bool range, struct pipe_node **ret)
{
	struct pipe_node *pipe = arena_new(p->a, struct pipe_node);
	struct command **last = &pipe->first;

	if (++p->depth > TEMPLATE_DEPTH_MAX)
		return fail(p, "too many parentheses or blocks within each other");
	if (parse_vars(p, range, pipe) < 0)
		return -1;
	for (;;) {
		if (parse_command(p, last) < 0)
			return -1;
		if (!is_punct(p, "|"))
			break;
		last = &(*last)->next;
		if (lex(p) < 0)
			return -1;
	}
	p->depth--;
	*ret = pipe;
	return 0;
}

static int parse_list(struct parser *p, bool top, bool in_range, struct template_node **ret, struct str *ended_by);

/* The end of a pipeline's action. */
static int expect_end(struct parser *p)
{
	return p->tok.kind == TOK_END ? 0 : fail(p, "something is left over in the action");
}

/* if, range, with: pipeline, body, else part, end. The keyword has been read. */
static int parse_block(struct parser *p, enum node_kind kind, bool in_range, struct template_node **ret)
{
	struct template_node *n = arena_new(p->a, struct template_node);
	struct str by;

	n->kind = kind;
	if (++p->depth > TEMPLATE_DEPTH_MAX)
		return fail(p, "too many parentheses or blocks within each other");
	if (lex(p) < 0 || parse_pipe(p, kind == NODE_RANGE, &n->pipe) < 0 || expect_end(p) < 0 ||
	    parse_list(p, false, in_range || kind == NODE_RANGE, &n->body, &by) < 0)
		return -1;
	if (str_is(by, "else")) {
		/* "else if" and "else with" are a block in the else part that shares the end */
		if (is_keyword(p, "if") || is_keyword(p, "with")) {
			enum node_kind k = is_keyword(p, "if") ? NODE_IF : NODE_WITH;

			if (parse_block(p, k, in_range, &n->orelse) < 0)
				return -1;
		} else {
			if (expect_end(p) < 0 || parse_list(p, false, in_range, &n->orelse, &by) < 0)
				return -1;
			if (!str_is(by, "end") || expect_end(p) < 0)
				return fail(p, "\"end\" is missing");
		}
	} else if (expect_end(p) < 0) {
		return -1;
	}
	p->depth--;
	*ret = n;
	return 0;
}

static int parse_action(struct parser *p, bool in_range, struct template_node **ret)
{
	static const struct { const char *word; enum node_kind kind; } blocks[] = {
		{ "if", NODE_IF }, { "range", NODE_RANGE }, { "with", NODE_WITH },
	};
	static const char *const unsupported[] = { "define", "template", "block" };

	for (size_t i = 0; i < countof(blocks); i++)
		if (is_keyword(p, blocks[i].word))
			return parse_block(p, blocks[i].kind, in_range, ret);
	for (size_t i = 0; i < countof(unsupported); i++)
		if (is_keyword(p, unsupported[i]))
			return fail(p, "define, template and block are not supported");
	*ret = arena_new(p->a, struct template_node);
	if (is_keyword(p, "break") || is_keyword(p, "continue")) {
		(*ret)->kind = is_keyword(p, "break") ? NODE_BREAK : NODE_CONTINUE;
		if (!in_range)
			return fail(p, "break and continue belong into a range");
		return lex(p) < 0 ? -1 : expect_end(p);
	}
	(*ret)->kind = NODE_ACTION;
	return parse_pipe(p, false, &(*ret)->pipe) < 0 ? -1 : expect_end(p);
}

/* Text up to the next action, which is then begun; false at the end of the template. */
static bool take_text(struct parser *p, struct str *ret)
{
	struct str r = rest(p), text = r;
	size_t i = 0;
	bool trim;

	while (i < r.n && !str_starts(str_sub(r, i, r.n), "{{"))
		i++;
	text.n = i;
	if (p->trim)
		while (text.n && isspace((unsigned char)text.p[0]))
			text = str_sub(text, 1, text.n);
	p->trim = false;
	p->at += i;
	*ret = text;
	if (i == r.n)
		return false;
	p->at += 2;
	r = rest(p);
	trim = r.n >= 2 && r.p[0] == '-' && isspace((unsigned char)r.p[1]);
	if (trim) {
		p->at++;
		while (ret->n && isspace((unsigned char)ret->p[ret->n - 1]))
			ret->n--;
	}
	p->in_action = true;
	return true;
}

/* A comment stands where an action began: pass it. 1, 0, -1. */
static int take_comment(struct parser *p)
{
	struct str r = rest(p);
	size_t skip = 0, i;

	while (skip < r.n && isspace((unsigned char)r.p[skip]))
		skip++;
	if (!str_starts(str_sub(r, skip, r.n), "/*"))
		return 0;
	for (i = skip + 2; i < r.n && !str_starts(str_sub(r, i, r.n), "*/"); i++)
		;
	if (i >= r.n)
		return fail(p, "a comment does not end");
	p->at += i + 2;
	return end_action(p) ? 1 : fail(p, "a comment must be alone in its action");
}

static void add_node(struct template_node ***last, struct template_node *n)
{
	**last = n;
	*last = &n->next;
}

/* Nodes up to the end of the text (top), or to "end" or "else", whose token is passed. */
static int parse_list(struct parser *p, bool top, bool in_range, struct template_node **ret, struct str *ended_by)
{
	struct template_node **last = ret;

	for (;;) {
		struct template_node *n;
		struct str text;
		bool more = take_text(p, &text);
		int comment;

		if (text.n) {
			n = arena_new(p->a, struct template_node);
			*n = (struct template_node){ .kind = NODE_TEXT, .text = text };
			add_node(&last, n);
		}
		if (!more)
			return top ? 0 : fail(p, "\"{{end}}\" is missing");
		comment = take_comment(p);
		if (comment > 0)
			continue;
		if (comment < 0 || lex(p) < 0)
			return -1;
		if (is_keyword(p, "end") || is_keyword(p, "else")) {
			*ended_by = p->tok.text;
			return top ? fail(p, "end or else without a block") : lex(p);
		}
		if (p->tok.kind == TOK_END)
			return fail(p, "an empty action");
		if (parse_action(p, in_range, &n) < 0)
			return -1;
		add_node(&last, n);
	}
}

int template_parse(const char *text, struct arena *a, struct template *ret, struct err *e)
{
	struct parser p = { .all = arena_str(a, str_of(text)), .a = a, .e = e };
	struct template_node *root = NULL;
	struct str by;

	if (parse_list(&p, true, false, &root, &by) < 0)
		return -1;
	ret->root = root;
	return 0;
}

static void pipe_fields(const struct pipe_node *pipe, void (*each)(void *, struct str), void *arg)
{
	for (const struct command *c = pipe ? pipe->first : NULL; c; c = c->next)
		for (size_t i = 0; i < c->n; i++) {
			const struct term *t = &c->terms[i];

			if (t->nfields && (t->kind == TERM_DOT || (t->kind == TERM_VAR && str_is(t->name, "$"))))
				each(arg, t->fields[0]);
			pipe_fields(t->pipe, each, arg);
		}
}

static void list_fields(const struct template_node *n, void (*each)(void *, struct str), void *arg)
{
	for (; n; n = n->next) {
		pipe_fields(n->pipe, each, arg);
		if (n->kind == NODE_IF)	/* range and with move the dot */
			list_fields(n->body, each, arg);
		list_fields(n->orelse, each, arg);
	}
}

void template_fields(const struct template *t, void (*each)(void *arg, struct str name), void *arg)
{
	list_fields(t->root, each, arg);
}
