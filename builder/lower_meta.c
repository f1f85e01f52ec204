/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering of the instructions that only change the image's config. History texts are BuildKit's. */
#include <stdio.h>

#include "builder/stage.h"
#include "parser/dockerfile.h"
#include "parser/flags.h"
#include "parser/instr.h"

void stage_argv(struct stage *st, const struct node *n, struct str text, struct strv *ret)
{
	if (n->json) {
		for (size_t i = 0; i < n->nwords; i++)
			strv_add_n(ret, n->words[i].text);
		return;
	}
	if (config_list(st->config, CONFIG_SHELL, ret) == 0) {
		strv_add(ret, "/bin/sh");
		strv_add(ret, "-c");
	}
	strv_add_n(ret, text);
}

/* Go's %v of a list of strings: [a b c]. */
static void put_list(struct buf *b, const struct strv *l)
{
	buf_putc(b, '[');
	for (size_t i = 0; i < l->n; i++)
		buf_printf(b, "%s%s", i ? " " : "", l->v[i]);
	buf_putc(b, ']');
}

/* Go's %q of a list of strings: ["a" "b"]. */
static void put_quoted(struct buf *b, const struct strv *l)
{
	buf_putc(b, '[');
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			buf_putc(b, ' ');
		buf_go_quote(b, str_of(l->v[i]));
	}
	buf_putc(b, ']');
}

static int lower_env(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	auto_strv struct strv pairs = { 0 };
	auto_buf struct buf text = { 0 };

	/* All words see the environment as it was before: ENV a=1 b=$a uses the old a. */
	for (size_t i = 0; i < n->nwords; i++) {
		char *word;

		if (stage_expand(l, st, &n->words[i], &word, e) < 0)
			return -1;
		strv_take(&pairs, word);
	}
	for (size_t i = 0; i + 1 < pairs.n; i += 2) {
		if (!*pairs.v[i])
			return err_set(e, ERR_USAGE, "%s names can not be blank", n->def->name);
		buf_printf(&text, " %s=%s", pairs.v[i], pairs.v[i + 1]);
		if (n->id == I_LABEL) {
			config_label_set(st->config, pairs.v[i], pairs.v[i + 1]);
			continue;
		}
		config_env_set(st->config, pairs.v[i], pairs.v[i + 1]);
		scope_set(&st->scope, pairs.v[i], pairs.v[i + 1]);
	}
	stage_history(l, st, NULL, "%s%s", n->def->name, text.p ? text.p : "");
	return 0;
}

/* build-arg > own default > global value > unset; a default that is overridden is never evaluated. */
static int arg_value(struct lowering *l, struct stage *st, const char *name, const struct word *w, struct str def,
		     char **ret, struct err *e)
{
	struct build_arg *a = build_arg_find(l->o, str_of(name));
	const char *global = scope_get(&l->globals, name);

	*ret = NULL;
	if (a && a->value)
		*ret = xstrdup(a->value);
	else if (def.p)
		return scope_expand(&st->scope, def, l->escape, ret, e) < 0 ? err_at(e, w->at) : 0;
	else if (global)
		*ret = xstrdup(global);
	return 0;
}

static int lower_arg(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	auto_buf struct buf text = { 0 };

	for (size_t i = 0; i < n->nwords; i++) {
		struct str def = n->words[i].text;
		struct word key = { .text = str_cut(&def, '='), .at = n->words[i].at };
		auto_free char *name = NULL, *value = NULL;

		if (stage_expand(l, st, &key, &name, e) < 0 ||
		    arg_value(l, st, name, &n->words[i], def, &value, e) < 0)
			return -1;
		if (!*name)
			return err_set(e, ERR_USAGE, "ARG names can not be blank");
		scope_declare_arg(&st->scope, name, value);
		buf_printf(&text, " %s%s%s", name, value ? "=" : "", value ? value : "");
	}
	stage_history(l, st, NULL, "ARG%s", text.p ? text.p : "");
	return 0;
}

static int lower_cmd(struct lowering *l, struct stage *st, const struct node *n, struct err *e UNUSED)
{
	auto_strv struct strv argv = { 0 };
	auto_buf struct buf text = { 0 };

	stage_argv(st, n, n->nwords ? n->words[0].text : STR_LIT(""), &argv);
	if (n->id == I_CMD) {
		config_set_list(st->config, CONFIG_CMD, &argv);
		config_set_args_escaped(st->config, true);
		st->cmd_set = true;
	} else {
		config_set_list(st->config, CONFIG_ENTRYPOINT, &argv);
		if (!st->cmd_set)
			config_set_list(st->config, CONFIG_CMD, NULL);
	}
	put_quoted(&text, &argv);
	stage_history(l, st, NULL, "%s %s", n->def->name, text.p);
	return 0;
}

static int lower_shell(struct lowering *l, struct stage *st, const struct node *n, struct err *e UNUSED)
{
	auto_strv struct strv argv = { 0 };
	auto_buf struct buf text = { 0 };

	for (size_t i = 0; i < n->nwords; i++)
		strv_add_n(&argv, n->words[i].text);
	config_set_list(st->config, CONFIG_SHELL, &argv);
	put_list(&text, &argv);
	stage_history(l, st, NULL, "SHELL %s", text.p);
	return 0;
}

static int word_order(const void *a, const void *b)
{
	return str_cmp((*(const struct word *const *)a)->text, (*(const struct word *const *)b)->text);
}

/* BuildKit sorts the words before it expands them; history shows the sorted result. */
static int lower_expose(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	auto_free const struct word **words = xcalloc(n->nwords + 1, sizeof(*words));
	auto_strv struct strv raw = { 0 }, ports = { 0 };
	auto_buf struct buf text = { 0 };

	for (size_t i = 0; i < n->nwords; i++)
		words[i] = &n->words[i];
	qsort(words, n->nwords, sizeof(*words), word_order);
	for (size_t i = 0; i < n->nwords; i++)
		if (scope_expand_words(&st->scope, words[i]->text, l->escape, &raw, e) < 0)
			return err_at(e, words[i]->at);
	for (size_t i = 0; i < raw.n; i++)
		if (port_parse(str_of(raw.v[i]), &ports, NULL, e) < 0)
			return -1;
	for (size_t i = 0; i < ports.n; i++)
		config_set_add(st->config, CONFIG_PORTS, ports.v[i]);
	put_list(&text, &ports);
	stage_history(l, st, NULL, "EXPOSE %s", text.p);
	return 0;
}

static int lower_volume(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	auto_strv struct strv paths = { 0 };
	auto_buf struct buf text = { 0 };

	for (size_t i = 0; i < n->nwords; i++) {
		char *path;

		if (stage_expand(l, st, &n->words[i], &path, e) < 0)
			return -1;
		strv_take(&paths, path);
		if (str_trim(str_of(path)).n == 0)
			return err_set(e, ERR_USAGE, "VOLUME specified can not be an empty string");
		config_set_add(st->config, CONFIG_VOLUMES, path);
	}
	put_list(&text, &paths);
	stage_history(l, st, NULL, "VOLUME %s", text.p);
	return 0;
}

static int lower_text(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	auto_free char *text = NULL;
	int sig;

	if (n->id == I_MAINTAINER)
		text = str_dup(n->words[0].text);
	else if (stage_expand(l, st, &n->words[0], &text, e) < 0)
		return -1;
	if (n->id == I_USER)
		config_set_str(st->config, CONFIG_USER, text);
	else if (n->id == I_MAINTAINER)
		config_set_str(st->config, CONFIG_AUTHOR, text);
	else if (signal_parse(str_of(text), &sig, e) < 0)
		return -1;
	else
		config_set_str(st->config, CONFIG_STOP_SIGNAL, text);
	stage_history(l, st, NULL, "%s %s", n->def->name, text);
	return 0;
}

/* Go's Duration.String() in quotes, as %q of the struct prints it. */
static void put_duration(struct buf *b, int64_t ns)
{
	int64_t s = ns / 1000000000;

	if (ns == 0)
		buf_puts(b, " \"0s\"");
	else if (ns < 1000000000)
		buf_printf(b, " \"%gms\"", (double)ns / 1e6);
	else if (s >= 3600)
		buf_printf(b, " \"%lldh%lldm%gs\"", (long long)(s / 3600), (long long)(s / 60 % 60),
			   (double)(ns % 60000000000) / 1e9);
	else if (s >= 60)
		buf_printf(b, " \"%lldm%gs\"", (long long)(s / 60), (double)(ns % 60000000000) / 1e9);
	else
		buf_printf(b, " \"%gs\"", (double)ns / 1e9);
}

static void health_history(struct lowering *l, struct stage *st, const struct healthcheck *h)
{
	auto_buf struct buf b = { 0 };

	put_quoted(&b, &h->test);
	put_duration(&b, h->interval);
	put_duration(&b, h->timeout);
	put_duration(&b, h->start_period);
	put_duration(&b, h->start_interval);
	if (h->retries >= 0x20 && h->retries < 0x7f)
		buf_printf(&b, " '%c'", (char)h->retries);
	else
		buf_printf(&b, " '\\x%02x'", (unsigned)h->retries);
	stage_history(l, st, NULL, "HEALTHCHECK &{%s}", b.p);
}

static int health_flags(const struct node *n, struct healthcheck *h, struct err *e)
{
	const struct { const char *name; int64_t *slot; } times[] = {
		{ "interval", &h->interval }, { "timeout", &h->timeout },
		{ "start-period", &h->start_period }, { "start-interval", &h->start_interval },
	};
	struct str v;
	int retries = 0;

	for (size_t i = 0; i < countof(times); i++)
		if (node_flag(n, times[i].name, &v) && duration_parse(times[i].name, v, times[i].slot, e) < 0)
			return -1;
	if (node_flag(n, "retries", &v) && retries_parse(v, &retries, e) < 0)
		return -1;
	h->retries = retries;
	return 0;
}

static int lower_health(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	struct healthcheck h = { 0 };
	int r = 0;

	if (str_is_nocase(n->words[0].text, "NONE")) {
		strv_add(&h.test, "NONE");
	} else {
		strv_add(&h.test, n->json ? "CMD" : "CMD-SHELL");
		for (size_t i = 1; i < n->nwords; i++)
			strv_add_n(&h.test, n->words[i].text);
		r = health_flags(n, &h, e);
	}
	if (r == 0) {
		config_set_healthcheck(st->config, &h);
		health_history(l, st, &h);
	}
	healthcheck_done(&h);
	return r;
}

static int lower_onbuild(struct lowering *l UNUSED, struct stage *st, const struct node *n, struct err *e UNUSED)
{
	auto_strv struct strv list = { 0 };

	config_list(st->config, CONFIG_ONBUILD, &list);
	strv_add_n(&list, n->onbuild->original);
	config_set_list(st->config, CONFIG_ONBUILD, &list);
	return 0;
}

int lower_meta(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	static int (*const fns[])(struct lowering *, struct stage *, const struct node *, struct err *) = {
		[I_ARG] = lower_arg, [I_CMD] = lower_cmd, [I_ENTRYPOINT] = lower_cmd, [I_ENV] = lower_env,
		[I_EXPOSE] = lower_expose, [I_HEALTHCHECK] = lower_health, [I_LABEL] = lower_env,
		[I_MAINTAINER] = lower_text, [I_ONBUILD] = lower_onbuild, [I_SHELL] = lower_shell,
		[I_STOPSIGNAL] = lower_text, [I_USER] = lower_text, [I_VOLUME] = lower_volume,
		[I_WORKDIR] = NULL,
	};

	return fns[n->id](l, st, n, e);
}
