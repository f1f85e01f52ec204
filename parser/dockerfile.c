/* SPDX-License-Identifier: Apache-2.0 */
/* A file's nodes, its directives, and what RUN makes of its here-documents. */
#include "parser/dockerfile.h"

#include "parser/parse.h"
#include "parser/words.h"

static void node_add(struct parser *p, struct node *n)
{
	struct dockerfile *f = p->file;

	if (f->n == p->cap) {	/* grows on the heap, moves to the arena at the end */
		p->cap = p->cap ? 2 * p->cap : 32;
		f->nodes = xrealloc(f->nodes, p->cap * sizeof(struct node *));
	}
	f->nodes[f->n++] = n;
}

static void nodes_settle(struct parser *p)
{
	struct dockerfile *f = p->file;
	struct node **heap = f->nodes;

	f->nodes = arena_array(p->arena, struct node *, f->n + 1);
	if (f->n)
		memcpy(f->nodes, heap, f->n * sizeof(*heap));
	free(heap);
}

static int result(const struct source *src, const struct diag *d, struct err *e)
{
	const struct diag_item *first = diag_first(d);

	if (d->errors == 0)
		return 0;
	if (d->errors == 1)
		err_set(e, ERR_USAGE, "%s", first->msg);
	else
		err_set(e, ERR_USAGE, "%s has %zu errors, the first: %s", src->name, d->errors,
			first->msg);
	return err_at(e, first->at);
}

static int parse(const struct source *src, struct diag *d, struct arena *a, bool check,
		 struct dockerfile *ret,
		 struct err *e)
{
	struct dockerfile f = { .src = src };
	struct parser p = { .src = src, .diag = d, .arena = a, .file = &f };
	struct line line;

	lex_init(&p.lexer, src, d, a, &f);
	while (lex_line(&p.lexer, &line)) {
		struct node *n = parse_instr(&p, &line, line.text, 0);

		if (n && f.n == PARSE_NODES_MAX) {
			diag_error(d, n->at, NULL, "more than %d instructions", PARSE_NODES_MAX);
			break;
		}
		if (n)
			node_add(&p, n);
	}
	lex_done(&p.lexer);
	nodes_settle(&p);
	if (f.n == 0 && d->errors == 0)
		diag_error(d, source_span(src, 0, 0), NULL, "file with no instructions");
	if (check && f.n)
		check_file(d, src, &f, p.from_guessed);
	if (result(src, d, e) < 0)
		return -1;
	*ret = f;
	return 0;
}

int dockerfile_parse(const struct source *src, struct diag *d, struct arena *a,
		     struct dockerfile *ret, struct err *e)
{
	return parse(src, d, a, true, ret, e);
}

int dockerfile_parse_grammar(const struct source *src, struct diag *d, struct arena *a,
			     struct dockerfile *ret,
			     struct err *e)
{
	return parse(src, d, a, false, ret, e);
}

int dockerfile_parse_trigger(const struct source *src, struct diag *d, struct arena *a,
			     struct node **ret,
			     struct err *e)
{
	struct dockerfile f;
	const struct node *n;

	if (parse(src, d, a, false, &f, e) < 0)
		return -1;
	n = f.nodes[0];
	if (f.n > 1)
		diag_error(d, f.nodes[1]->at, NULL, "an ONBUILD trigger is one instruction");
	if (!n->def->onbuild)
		diag_error(d, n->name_at, NULL, "%s isn't allowed as an ONBUILD trigger",
			   n->def->name);
	else
		check_node(d, src, f.escape, n);
	if (result(src, d, e) < 0)
		return -1;
	*ret = f.nodes[0];
	return 0;
}

bool node_flag(const struct node *n, const char *name, struct str *ret)
{
	for (size_t i = n->nflags; i-- > 0; )
		if (str_is(n->flags[i].name, name)) {
			*ret = n->flags[i].value;
			return true;
		}
	return false;
}

bool node_flag_on(const struct node *n, const char *name)
{
	for (size_t i = n->nflags; i-- > 0; )
		if (str_is(n->flags[i].name, name))
			return !n->flags[i].has_value || str_is_nocase(n->flags[i].value, "true");
	return false;
}

enum run_form run_form(const struct node *n)
{
	if (n->json)
		return RUN_EXEC;
	if (n->nheredocs == 0)
		return RUN_TEXT;
	if (n->nheredocs > 1 || n->nwords != 1 || n->words[0].text.n != n->heredocs[0].word.n)
		return HEREDOC_SHELL;
	return str_starts(n->heredocs[0].body, "#!") ? HEREDOC_FILE : HEREDOC_SCRIPT;
}

void run_text(const struct node *n, struct buf *ret)
{
	enum run_form form = run_form(n);

	if (form == HEREDOC_SCRIPT || form == HEREDOC_FILE) {
		buf_str(ret, n->heredocs[0].body);
		return;
	}
	if (n->nwords)
		buf_str(ret, n->words[0].text);
	for (size_t i = 0; form == HEREDOC_SHELL && i < n->nheredocs; i++) {
		buf_putc(ret, '\n');
		buf_str(ret, n->heredocs[i].raw);
		buf_str(ret, n->heredocs[i].name);
	}
}
