/* SPDX-License-Identifier: Apache-2.0 */
/* The variables of a stage. */
#include "builder/scope.h"

#include "parser/expand.h"

void scope_copy(struct scope *to, const struct scope *from)
{
	strv_copy(&to->vars, &from->vars);
	strv_copy(&to->args, &from->args);
	strv_copy(&to->arg_text, &from->arg_text);
}

void scope_done(struct scope *s)
{
	strv_done(&s->vars);
	strv_done(&s->args);
	strv_done(&s->arg_text);
}

void scope_set(struct scope *s, const char *name, const char *value)
{
	strv_env_set(&s->vars, name, value);
}

const char *scope_get(const struct scope *s, const char *name)
{
	return strv_env_get(&s->vars, name);
}

void scope_declare_arg(struct scope *s, const char *name, const char *value)
{
	strv_add(&s->args, name);
	strv_add(&s->arg_text, value ? value : "");
	if (value)
		scope_set(s, name, value);
}

static const char *look_up(void *arg, struct str name)
{
	const struct scope *s = arg;

	for (size_t i = 0; i < s->vars.n; i++) {
		const char *v = s->vars.v[i];

		if (strncmp(v, name.p, name.n) != 0 || v[name.n] != '=')
			continue;
		if (s->used && !strv_has(s->used, v))
			strv_add(s->used, v);
		return v + name.n + 1;
	}
	return NULL;
}

static struct env scope_env(const struct scope *s)
{
	return (struct env){ look_up, (void *)s };
}

int scope_expand(const struct scope *s, struct str word, char escape, char **ret, struct err *e)
{
	auto_buf struct buf b = { 0 };

	if (expand_word(word, escape, scope_env(s), &b, e) < 0)
		return -1;
	*ret = buf_take(&b);
	return 0;
}

int scope_expand_words(const struct scope *s, struct str word, char escape, struct strv *ret, struct err *e)
{
	return expand_words(word, escape, scope_env(s), ret, e);
}

int scope_expand_body(const struct scope *s, struct str body, char **ret, struct err *e)
{
	auto_buf struct buf b = { 0 };

	if (expand_body(body, scope_env(s), &b, e) < 0)
		return -1;
	*ret = buf_take(&b);
	return 0;
}

/* BuildKit: each name once, where it was first declared, with the value it has now. */
void scope_history_args(const struct scope *s, struct buf *ret)
{
	auto_strv struct strv seen = { 0 };
	auto_buf struct buf text = { 0 };

	for (size_t i = 0; i < s->args.n; i++) {
		const char *name = s->args.v[i], *value = scope_get(s, name);

		if (strv_has(&seen, name))
			continue;
		strv_add(&seen, name);
		buf_printf(&text, "%s=%s ", name, value ? value : s->arg_text.v[i]);
	}
	if (seen.n)
		buf_printf(ret, "|%zu %s", seen.n, text.p);
}
