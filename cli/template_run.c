/* SPDX-License-Identifier: Apache-2.0 */
/* Running a template: one walk over its tree. Values are borrowed; what is made on the way is kept to the end. */
#include <stdbool.h>

#include "cli/template_node.h"

struct var {
	struct str name;
	json_t *value;
};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct run {
	json_t *made;		/* an array that owns what functions made */
	struct var *vars;
	size_t nvars;
	struct buf *out;
	enum flow flow;
	struct err *e;
};

static int eval_pipe(struct run *r, const struct pipe_node *pipe, json_t *dot, json_t **ret);

/* v (new, may be NULL) lives until the run ends. */
static json_t *keep(struct run *r, json_t *v)
{
	if (v)
		json_array_append_new(r->made, v);
	return v;
}

static const char *kind_name(const json_t *v)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "a truth value",
		[JSON_FALSE] = "a truth value", [JSON_NULL] = "nil",
	};

	return v ? names[json_typeof(v)] : "no value";
}

static int no_field(struct run *r, const json_t *v, struct str name)
{
	const char **names = xcalloc(json_object_size(v) + 1, sizeof(*names)), *key, *near;
	json_t *value;
	size_t n = 0;

	json_object_foreach((json_t *)v, key, value)
		names[n++] = key;
	near = str_nearest(name, names);
	err_set(r->e, ERR_USAGE, "template: there is no field " STR_FMT "%s%s%s", STR_ARG(name),
		near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	free(names);
	return -1;
}

/*
 * JSON does not tell Go's structs from its maps. A name that begins with an upper-case letter is taken for
 * a struct's field, which must be there; another one for a map's key, which may be missing.
 */
static int get_field(struct run *r, json_t *v, struct str name, json_t **ret)
{
	if (!json_is_object(v))
		return err_set(r->e, ERR_USAGE, "template: ." STR_FMT " of %s", STR_ARG(name), kind_name(v));
	*ret = json_object_getn(v, name.p, name.n);
	if (!*ret && name.p[0] >= 'A' && name.p[0] <= 'Z')
		return no_field(r, v, name);
	return 0;
}

static int get_var(struct run *r, struct str name, struct var **ret)
{
	for (size_t i = r->nvars; i > 0; i--)
		if (str_eq(r->vars[i - 1].name, name)) {
			*ret = &r->vars[i - 1];
			return 0;
		}
	return err_set(r->e, ERR_USAGE, "template: there is no variable " STR_FMT, STR_ARG(name));
}

static void push_var(struct run *r, struct str name, json_t *value)
{
	r->vars = xrealloc(r->vars, (r->nvars + 1) * sizeof(*r->vars));
	r->vars[r->nvars++] = (struct var){ name, value };
}

static int set_var(struct run *r, const struct pipe_node *pipe, size_t i, json_t *value)
{
	struct var *v;

	if (!pipe->assign) {
		push_var(r, pipe->vars[i], value);
		return 0;
	}
	if (get_var(r, pipe->vars[i], &v) < 0)
		return -1;
	v->value = value;
	return 0;
}

static int eval_term(struct run *r, const struct term *t, json_t *dot, json_t **ret)
{
	json_t *v = NULL;
	struct var *var;

	switch (t->kind) {
	case TERM_DOT: v = dot; break;
	case TERM_VAR:
		if (get_var(r, t->name, &var) < 0)
			return -1;
		v = var->value;
		break;
	case TERM_PIPE:
		if (eval_pipe(r, t->pipe, dot, &v) < 0)
			return -1;
		break;
	case TERM_STR: v = keep(r, json_stringn(t->name.p ? t->name.p : "", t->name.n)); break;
	case TERM_INT: v = keep(r, json_integer(t->i)); break;
	case TERM_REAL: v = keep(r, json_real(t->f)); break;
	case TERM_BOOL: v = keep(r, json_boolean(t->i)); break;
	case TERM_NIL: v = keep(r, json_null()); break;
	case TERM_FUNC: return err_set(r->e, ERR_USAGE, "template: " STR_FMT " is a function, put it into ( )",
				       STR_ARG(t->name));
	}
	for (size_t i = 0; i < t->nfields; i++)
		if (get_field(r, v, t->fields[i], &v) < 0)
			return -1;
	*ret = v;
	return 0;
}

/* "and" and "or" stop at the first value that decides. */
static int eval_logic(struct run *r, const struct command *c, bool and, json_t *dot, json_t *last, bool has_last,
		      json_t **ret)
{
	size_t n = c->n + has_last;

	if (n < 2)
		return err_set(r->e, ERR_USAGE, "template: " STR_FMT " wants arguments", STR_ARG(c->terms[0].name));
	for (size_t i = 1; i < n; i++) {
		if (i == c->n)
			*ret = last;
		else if (eval_term(r, &c->terms[i], dot, ret) < 0)
			return -1;
		if (value_truth(*ret) != and)
			return 0;
	}
	return 0;
}

static int eval_func(struct run *r, const struct command *c, json_t *dot, json_t *last, bool has_last, json_t **ret)
{
	struct str name = c->terms[0].name;
	const struct template_func *f = template_func_find(name);
	size_t n = c->n - 1 + has_last;
	auto_free json_t **args = xcalloc(n + 1, sizeof(json_t *));
	json_t *v = NULL;

	if (!f)
		return eval_logic(r, c, str_is(name, "and"), dot, last, has_last, ret);
	for (size_t i = 1; i < c->n; i++)
		if (eval_term(r, &c->terms[i], dot, &args[i - 1]) < 0)
			return -1;
	if (has_last)
		args[n - 1] = last;
	if (n < f->min || n > f->max)
		return err_set(r->e, ERR_USAGE, "template: %s got %zu arguments", f->name, n);
	if (f->call(args, n, &v, r->e) < 0)
		return err_wrap(r->e, "template: %s", f->name);
	*ret = keep(r, v);
	return 0;
}

/* A field with an argument is a method: .Label "key" is the entry of a map; without the entry "". */
static int eval_method(struct run *r, const struct command *c, json_t *dot, json_t **ret)
{
	json_t *map, *key;

	if (c->terms[0].nfields == 0 || c->n != 2)
		return err_set(r->e, ERR_USAGE, "template: a value is followed by an argument it cannot take");
	if (eval_term(r, &c->terms[0], dot, &map) < 0 || eval_term(r, &c->terms[1], dot, &key) < 0)
		return -1;
	if (!json_is_object(map) || !json_is_string(key))
		return err_set(r->e, ERR_USAGE, "template: %s does not take an argument", kind_name(map));
	*ret = json_object_get(map, json_string_value(key));
	if (!*ret)
		*ret = keep(r, json_string(""));
	return 0;
}

static int eval_command(struct run *r, const struct command *c, json_t *dot, json_t *last, bool has_last,
			json_t **ret)
{
	if (c->terms[0].kind == TERM_FUNC)
		return eval_func(r, c, dot, last, has_last, ret);
	if (has_last)
		return err_set(r->e, ERR_USAGE, "template: what follows \"|\" must be a function");
	if (c->n > 1)
		return eval_method(r, c, dot, ret);
	return eval_term(r, &c->terms[0], dot, ret);
}

/* The value of a pipeline, without its variables. */
static int eval_pipe(struct run *r, const struct pipe_node *pipe, json_t *dot, json_t **ret)
{
	json_t *v = NULL;

	for (const struct command *c = pipe->first; c; c = c->next)
		if (eval_command(r, c, dot, v, c != pipe->first, &v) < 0)
			return -1;
	*ret = v;
	return 0;
}

static int run_list(struct run *r, const struct template_node *n, json_t *dot);

/* A block's variables end with it. */
static int run_scope(struct run *r, const struct template_node *n, json_t *dot)
{
	size_t vars = r->nvars;
	int got = run_list(r, n, dot);

	r->nvars = vars;
	return got;
}

/* One round of a range: false in *go ends it. */
static int run_round(struct run *r, const struct template_node *n, json_t *key, json_t *value, bool *go)
{
	const struct pipe_node *p = n->pipe;
	size_t vars = r->nvars;
	int got = 0;

	if (p->nvars == 2 && set_var(r, p, 0, key) < 0)
		return -1;
	if (p->nvars && set_var(r, p, p->nvars - 1, value) < 0)
		return -1;
	got = run_list(r, n->body, value);
	r->nvars = vars;
	*go = got == 0 && r->flow != FLOW_BREAK;
	r->flow = FLOW_ON;
	return got;
}

static int key_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int range_object(struct run *r, const struct template_node *n, json_t *v)
{
	auto_free const char **keys = xcalloc(json_object_size(v) + 1, sizeof(*keys));
	const char *key;
	size_t count = 0;
	bool go = true;
	json_t *value;

	json_object_foreach(v, key, value)
		keys[count++] = key;
	qsort(keys, count, sizeof(*keys), key_order);	/* Go ranges over maps in the order of their keys */
	for (size_t i = 0; i < count && go; i++)
		if (run_round(r, n, keep(r, json_string(keys[i])), json_object_get(v, keys[i]), &go) < 0)
			return -1;
	return 0;
}

static int run_range(struct run *r, const struct template_node *n, json_t *dot)
{
	bool go = true;
	json_t *v;

	if (eval_pipe(r, n->pipe, dot, &v) < 0)
		return -1;
	if (!value_truth(v))
		return run_scope(r, n->orelse, dot);
	if (json_is_object(v))
		return range_object(r, n, v);
	if (!json_is_array(v))
		return err_set(r->e, ERR_USAGE, "template: cannot range over %s", kind_name(v));
	for (size_t i = 0; i < json_array_size(v) && go; i++)
		if (run_round(r, n, keep(r, json_integer((json_int_t)i)), json_array_get(v, i), &go) < 0)
			return -1;
	return 0;
}

static int run_choice(struct run *r, const struct template_node *n, json_t *dot)
{
	size_t vars = r->nvars;
	json_t *v;
	int got;

	if (eval_pipe(r, n->pipe, dot, &v) < 0 || (n->pipe->nvars && set_var(r, n->pipe, 0, v) < 0))
		return -1;
	if (value_truth(v))
		got = run_list(r, n->body, n->kind == NODE_WITH ? v : dot);
	else
		got = run_list(r, n->orelse, dot);
	r->nvars = vars;
	return got;
}

static int run_node(struct run *r, const struct template_node *n, json_t *dot)
{
	json_t *v;

	switch (n->kind) {
	case NODE_TEXT:
		buf_str(r->out, n->text);
		return 0;
	case NODE_ACTION:
		if (eval_pipe(r, n->pipe, dot, &v) < 0)
			return -1;
		if (n->pipe->nvars)
			return set_var(r, n->pipe, 0, v);
		value_text(v, r->out);
		return 0;
	case NODE_RANGE:
		return run_range(r, n, dot);
	case NODE_IF: case NODE_WITH:
		return run_choice(r, n, dot);
	case NODE_BREAK:
		r->flow = FLOW_BREAK;
		return 0;
	case NODE_CONTINUE:
		r->flow = FLOW_CONTINUE;
		return 0;
	}
	return 0;
}

static int run_list(struct run *r, const struct template_node *n, json_t *dot)
{
	for (; n && r->flow == FLOW_ON; n = n->next) {
		if (run_node(r, n, dot) < 0)
			return -1;
		if (r->out->n > TEMPLATE_OUT_MAX / 2)
			return err_set(r->e, ERR_LIMIT, "template: it makes more than 32 MiB of text");
	}
	return 0;
}

int template_run(const struct template *t, const json_t *data, struct buf *ret, struct err *e)
{
	struct run r = { .made = json_array(), .out = ret, .e = e };
	int got;

	push_var(&r, STR_LIT("$"), (json_t *)data);
	got = run_list(&r, t->root, (json_t *)data);
	json_decref(r.made);
	free(r.vars);
	return got;
}
