/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering: stages, FROM, global ARGs, ONBUILD triggers. */
#include "builder/lower.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/clock.h"

#include "base/event.h"
#include "builder/op_image.h"
#include "builder/stage.h"
#include "image/ref.h"
#include "parser/dockerfile.h"
#include "parser/flags.h"
#include "parser/instr.h"

static char *lower_case(struct str s)
{
	char *p = str_dup(s);

	for (char *c = p; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return p;
}

struct strv graph_list(struct graph *g, const struct strv *l)
{
	struct strv r = { arena_array(&g->arena, char *, l->n + 1), l->n };

	for (size_t i = 0; i < l->n; i++)
		r.v[i] = arena_strdup(&g->arena, l->v[i]);
	return r;
}

struct build_arg *build_arg_find(const struct lower_opts *o, struct str name)
{
	for (size_t i = o->nargs; i-- > 0; )
		if (str_is(name, o->args[i].name)) {
			o->args[i].used = true;
			return &o->args[i];
		}
	return NULL;
}

int stage_expand(struct lowering *l, struct stage *st, const struct word *w, char **ret, struct err *e)
{
	if (scope_expand(&st->scope, w->text, l->escape, ret, e) == 0)
		return 0;
	return err_at(e, w->at);
}

void stage_history(struct lowering *l, struct stage *st, struct vertex *v, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	st->history = xrealloc(st->history, (st->nhistory + 1) * sizeof(*st->history));
	st->history[st->nhistory++] = (struct history_entry){
		.text = arena_strdup(&l->g->arena, text), .vertex = v };
}

/* "[build 2/5] RUN make": one line, however the instruction was written. */
static const char *step_name(struct lowering *l, struct stage *st, struct str text, const char *prefix)
{
	auto_buf struct buf b = { 0 };
	bool blank = false;

	buf_printf(&b, "[%s%s%d/%d] %s", st->label, *st->label ? " " : "", st->step, st->steps, prefix);
	for (size_t i = 0; i < text.n && b.n < 240; i++) {
		if (isspace((unsigned char)text.p[i])) {
			blank = true;
			continue;
		}
		if (blank)
			buf_putc(&b, ' ');
		blank = false;
		buf_putc(&b, text.p[i]);
	}
	return arena_strdup(&l->g->arena, b.p);
}

struct vertex *stage_step(struct lowering *l, struct stage *st, const struct node *n, const struct op_type *op,
			  void *data, struct vertex *const *in, size_t nin)
{
	auto_free struct vertex **all = xcalloc(nin + 1, sizeof(*all));
	struct vertex *v;

	all[0] = st->root;
	for (size_t i = 0; i < nin; i++)
		all[i + 1] = in[i];
	v = graph_add(l->g, op, data, all, nin + 1);
	st->step++;
	v->name = step_name(l, st, n->text, "");
	v->node = n;
	v->stage = arena_strdup(&l->g->arena, st->name ? st->name : st->label);
	v->index = st->step;
	v->nocache = st->nocache;
	v->vars = graph_list(l->g, &st->used);
	st->root = v;
	return v;
}

/* ---- global scope ---- */

static const char *target_label(const struct lower_opts *o, const struct lowering *l)
{
	if (o->target)
		return o->target;
	return l->nstages && l->stages[l->nstages - 1].name ? l->stages[l->nstages - 1].name : "default";
}

static void set_automatic(struct lowering *l, const char *prefix, const struct platform *p)
{
	char text[PLATFORM_TEXT_MAX];
	const struct { const char *name, *value; } vars[] = {
		{ "PLATFORM", platform_text(p, text) }, { "OS", p->os }, { "ARCH", p->arch },
		{ "VARIANT", p->variant }, { "OSVERSION", "" },
	};

	for (size_t i = 0; i < countof(vars); i++) {
		auto_free char *name = xasprintf("%s%s", prefix, vars[i].name);
		struct build_arg *a = build_arg_find(l->o, str_of(name));

		scope_set(&l->globals, name, a && a->value ? a->value : vars[i].value);
	}
}

static bool is_proxy(const char *name)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy" };

	for (size_t i = 0; i < countof(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Proxies need no ARG: both cases are set for RUN; the lower-case one wins where both are given. */
static void set_proxies(struct lowering *l)
{
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < l->o->nargs; i++) {
			struct build_arg *a = &l->o->args[i];
			bool lower_first = islower((unsigned char)a->name[0]);

			if (!is_proxy(a->name) || !a->value || lower_first != (pass == 1))
				continue;
			auto_free char *low = lower_case(str_of(a->name)), *up = xstrdup(low);

			for (char *c = up; *c; c++)
				*c = (char)toupper((unsigned char)*c);
			a->used = true;
			strv_env_set(&l->proxies, up, a->value);
			strv_env_set(&l->proxies, low, a->value);
		}
}

static int declare_global(struct lowering *l, const struct node *n, struct err *e)
{
	for (size_t i = 0; i < n->nwords; i++) {
		struct str value = n->words[i].text, key = str_cut(&value, '=');
		auto_free char *name = NULL, *text = NULL;
		struct build_arg *a;

		if (scope_expand(&l->globals, key, l->escape, &name, e) < 0)
			return err_at(e, n->words[i].at);
		a = build_arg_find(l->o, str_of(name));
		if (a && a->value) {
			scope_set(&l->globals, name, a->value);
			continue;
		}
		if (!value.p)
			continue;
		if (scope_expand(&l->globals, value, l->escape, &text, e) < 0)
			return err_at(e, n->words[i].at);
		scope_set(&l->globals, name, text);
	}
	return 0;
}

static int set_epoch(struct lowering *l, struct err *e)
{
	const char *text = scope_get(&l->globals, "SOURCE_DATE_EPOCH");
	struct build_arg *a = build_arg_find(l->o, STR_LIT("SOURCE_DATE_EPOCH"));

	if (a && a->value)
		text = a->value;
	l->epoch = -1;
	if (!text || !*text || clock_parse_epoch(str_of(text), &l->epoch))
		return 0;
	return err_set(e, ERR_USAGE, "SOURCE_DATE_EPOCH is not a whole number of seconds: \"%s\"", text);
}

/* ---- stages of the file ---- */

static void count_stages(struct lowering *l)
{
	const struct dockerfile *f = l->o->file;

	l->stages = xcalloc(f->n + 1, sizeof(*l->stages));
	for (size_t i = 0; i < f->n; i++) {
		struct stage *st = &l->stages[l->nstages];

		if (f->nodes[i]->id != I_FROM) {
			if (l->nstages)
				st[-1].n++;
			continue;
		}
		st->from = f->nodes[i];
		st->nodes = (const struct node *const *)&f->nodes[i + 1];
		st->index = (int)l->nstages++;
		if (st->from->nwords == 3)
			st->name = lower_case(st->from->words[2].text);
	}
	for (size_t i = 0; i < l->nstages; i++) {
		struct stage *st = &l->stages[i];

		st->label = l->nstages == 1 ? xstrdup("") : st->name ? xstrdup(st->name) :
			    xasprintf("stage-%d", st->index);
		st->nocache = l->o->no_cache && st->name && strv_has(l->o->no_cache, st->name);
	}
}

/* FROM's own look-up: the nearest earlier stage, by its text as it is. */
static struct stage *stage_before(struct lowering *l, const struct stage *st, const char *name)
{
	for (int i = st->index - 1; i >= 0; i--)
		if (l->stages[i].name && strcmp(l->stages[i].name, name) == 0)
			return &l->stages[i];
	return NULL;
}

/* --from's and --target's look-up: the last of that name in the file, case folded, else by number. */
static struct stage *stage_named(struct lowering *l, const char *name)
{
	uint64_t n;

	for (size_t i = l->nstages; i-- > 0; )
		if (l->stages[i].name && strcasecmp(l->stages[i].name, name) == 0)
			return &l->stages[i];
	if (str_to_u64(str_of(name), 10, &n) && n < l->nstages)
		return &l->stages[n];
	return NULL;
}

static int stage_find_target(struct lowering *l, struct stage **ret, struct err *e)
{
	const char *names[257] = { NULL }, *guess;
	size_t n = 0;

	if (!l->nstages)
		return err_set(e, ERR_USAGE, "dockerfile contains no stages to build");
	*ret = l->o->target ? stage_named(l, l->o->target) : &l->stages[l->nstages - 1];
	if (*ret)
		return 0;
	for (size_t i = 0; i < l->nstages && n + 1 < countof(names); i++)
		if (l->stages[i].name)
			names[n++] = l->stages[i].name;
	guess = str_nearest(str_of(l->o->target), names);
	return err_set(e, ERR_USAGE, "target stage \"%s\" could not be found%s%s%s", l->o->target,
		       guess ? " (did you mean " : "", guess ? guess : "", guess ? "?)" : "");
}

/* ---- images ---- */

static int use_image(struct lowering *l, const char *ref, const struct platform *want, struct image_use **ret,
		     struct err *e)
{
	struct base_image bi = { 0 };
	struct image_use *use;

	for (size_t i = 0; i < l->nimages; i++)
		if (strcmp(l->images[i].ref, ref) == 0) {
			*ret = &l->images[i];
			return 0;
		}
	if (l->o->resolve(l->o->arg, ref, want, &bi, e) < 0)
		return -1;
	l->images = xrealloc(l->images, (l->nimages + 1) * sizeof(*l->images));
	use = &l->images[l->nimages++];
	*use = (struct image_use){ xstrdup(ref), NULL, bi.config };
	use->v = op_image_add(l->g, bi.config, bi.name, &bi.manifest);
	*ret = use;
	return 0;
}

int stage_source(struct lowering *l, struct stage *st, const char *name, struct span at, struct vertex **ret,
		 struct err *e)
{
	struct stage *from = stage_named(l, name);
	struct image_use *use;

	if (!from) {
		if (use_image(l, name, &l->o->platform, &use, e) < 0)
			return err_at(e, at);
		*ret = use->v;
		return 0;
	}
	if (from->busy && from != st) {
		err_set(e, ERR_USAGE, "circular dependency detected on stage: %s", from->label);
		return err_at(e, at);
	}
	if (from->index >= st->index) {
		err_set(e, ERR_USAGE, "cannot copy from stage \"%s\", it needs to be defined before current stage \"%s\"",
			name, st->label);
		return err_at(e, at);
	}
	if (stage_lower(l, from, e) < 0)
		return -1;
	*ret = from->root;
	return 0;
}

static int from_platform(struct lowering *l, const struct node *from, struct platform *ret, struct err *e)
{
	struct str raw;
	auto_free char *text = NULL;
	const char *guess;

	*ret = l->o->platform;
	if (!node_flag(from, "platform", &raw))
		return 0;
	if (scope_expand(&l->globals, raw, l->escape, &text, e) < 0)
		return -1;
	if (*text)
		return platform_parse(str_of(text), ret, e);
	guess = str_nearest(str_sub(raw, 1, raw.n), (const char *const[]){ "BUILDPLATFORM", "TARGETPLATFORM", NULL });
	return err_set(e, ERR_USAGE, "empty platform value from expression " STR_FMT "%s%s%s", STR_ARG(raw),
		       guess ? " (did you mean " : "", guess ? guess : "", guess ? "?)" : "");
}

/* The config's Env in the scope: over ARGs that a parent stage set later, as BuildKit has it. */
static void apply_env(struct stage *st)
{
	auto_strv struct strv env = { 0 };
	auto_strv struct strv seen = { 0 };

	config_list(st->config, CONFIG_ENV, &env);
	for (size_t i = 0; i < env.n; i++) {
		struct str value = str_of(env.v[i]), key = str_cut(&value, '=');
		auto_free char *name = str_dup(key);

		if (!value.p || strv_has(&seen, name))
			continue;
		strv_add(&seen, name);
		scope_set(&st->scope, name, value.p);
	}
}

static void inherit_stage(struct stage *st, const struct stage *base)
{
	config_free(st->config);
	st->config = config_clone(base->config);
	scope_copy(&st->scope, &base->scope);
	apply_env(st);
	st->root = base->root;
	st->history = xcalloc(base->nhistory + 1, sizeof(*st->history));
	if (base->nhistory)
		memcpy(st->history, base->history, base->nhistory * sizeof(*st->history));
	st->nhistory = base->nhistory;
}

static int inherit_image(struct lowering *l, struct stage *st, const char *ref, struct err *e)
{
	struct platform want;
	struct image_use *use;

	if (from_platform(l, st->from, &want, e) < 0 || use_image(l, ref, &want, &use, e) < 0)
		return -1;
	config_free(st->config);
	st->config = config_clone(use->config);
	apply_env(st);
	st->root = use->v;
	return 0;
}

static void default_path(struct stage *st)
{
	static const char path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

	if (!config_env_get(st->config, "PATH"))
		config_env_set(st->config, "PATH", path);
	if (!scope_get(&st->scope, "PATH"))
		scope_set(&st->scope, "PATH", path);
}

static int stage_from(struct lowering *l, struct stage *st, struct err *e)
{
	auto_free char *name = NULL;
	struct stage *base;

	if (scope_expand(&l->globals, st->from->words[0].text, l->escape, &name, e) < 0)
		return -1;
	if (!*name)
		return err_set(e, ERR_USAGE, "base name (" STR_FMT ") should not be blank",
			       STR_ARG(st->from->words[0].text));
	base = stage_before(l, st, name);
	if (base) {
		if (stage_lower(l, base, e) < 0)
			return -1;
		inherit_stage(st, base);
		return 0;
	}
	if (strcmp(name, REF_SCRATCH) == 0) {
		struct platform want;

		if (from_platform(l, st->from, &want, e) < 0)
			return -1;
		st->config = config_new(&want);
	} else if (inherit_image(l, st, name, e) < 0) {
		return -1;
	}
	default_path(st);
	return 0;
}

/* FROM (of an image), RUN, COPY, ADD and WORKDIR count; triggers of the base do, too. */
static void count_steps(struct stage *st, const struct strv *triggers, bool image)
{
	st->steps = image;
	st->step = image;
	for (size_t i = 0; i < triggers->n; i++)
		st->steps += strncasecmp(triggers->v[i], "RUN", 3) == 0 || strncasecmp(triggers->v[i], "COPY", 4) == 0 ||
			     strncasecmp(triggers->v[i], "ADD", 3) == 0 || strncasecmp(triggers->v[i], "WORKDIR", 7) == 0;
	for (size_t i = 0; i < st->n; i++)
		st->steps += st->nodes[i]->id == I_RUN || st->nodes[i]->id == I_COPY || st->nodes[i]->id == I_ADD ||
			     st->nodes[i]->id == I_WORKDIR;
}

static int lower_node(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	int r;

	strv_done(&st->used);
	st->scope.used = &st->used;
	switch (n->id) {
	case I_RUN:
		r = lower_run(l, st, n, e);
		break;
	case I_COPY:
	case I_ADD:
		r = lower_copy(l, st, n, e);
		break;
	case I_WORKDIR:
		r = lower_workdir(l, st, n, e);
		break;
	default:
		r = lower_meta(l, st, n, e);
	}
	return r < 0 && !e->at.src ? err_at(e, n->at) : r;
}

/* A base's ONBUILD instructions fire first, once: the child's own config forgets them. */
static int run_trigger(struct lowering *l, struct stage *st, const char *text, struct err *e)
{
	struct source *src = arena_new(&l->g->arena, struct source);
	struct diag d = { 0 };
	struct node *n;
	int r;

	if (source_init(src, "ONBUILD of the base image", str_of(arena_strdup(&l->g->arena, text)), e) < 0)
		return -1;
	r = dockerfile_parse_trigger(src, &d, &l->g->arena, &n, e);
	diag_done(&d);
	if (r < 0)
		err_wrap(e, "ONBUILD trigger \"%s\"", text);
	else if ((r = lower_node(l, st, n, e)) == 0 && st->root && st->root->node == n)
		st->root->name = step_name(l, st, n->text, "ONBUILD ");
	/* Its text has no place in the user's file: errors point at FROM. */
	if (st->root && st->root->node == n)
		st->root->node = st->from;
	source_done(src);
	return r < 0 ? err_at(e, st->from->at) : 0;
}

int stage_lower(struct lowering *l, struct stage *st, struct err *e)
{
	auto_strv struct strv triggers = { 0 };
	bool image;

	if (st->lowered)
		return 0;
	st->busy = true;
	if (stage_from(l, st, e) < 0)
		return e->at.src ? -1 : err_at(e, st->from->at);
	config_list(st->config, CONFIG_ONBUILD, &triggers);
	config_set_list(st->config, CONFIG_ONBUILD, NULL);
	image = st->root && !st->root->op->run;
	count_steps(st, &triggers, image);
	if (image && !st->root->name) {
		st->root->node = st->from;
		st->root->name = step_name(l, st, st->from->text, "");
	}
	for (size_t i = 0; i < triggers.n; i++)
		if (run_trigger(l, st, triggers.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < st->n; i++)
		if (lower_node(l, st, st->nodes[i], e) < 0)
			return -1;
	st->lowered = true;
	st->busy = false;
	return 0;
}

/* ---- the whole ---- */

static int lower_globals(struct lowering *l, struct err *e)
{
	const struct dockerfile *f = l->o->file;
	struct platform host = platform_host();

	set_automatic(l, "BUILD", &host);
	set_automatic(l, "TARGET", &l->o->platform);
	scope_set(&l->globals, "TARGETSTAGE", target_label(l->o, l));
	for (size_t i = 0; i < f->n && f->nodes[i]->id != I_FROM; i++)
		if (f->nodes[i]->id == I_ARG && declare_global(l, f->nodes[i], e) < 0)
			return -1;
	set_proxies(l);
	return set_epoch(l, e);
}

static void apply_labels(struct stage *st, const struct strv *labels)
{
	for (size_t i = 0; labels && i < labels->n; i++) {
		struct str value = str_of(labels->v[i]), key = str_cut(&value, '=');
		auto_free char *name = str_dup(key);

		config_label_set(st->config, name, value.p ? value.p : "");
	}
}

static void warn_unused(const struct lower_opts *o)
{
	for (size_t i = 0; i < o->nargs; i++)
		if (!o->args[i].used && !str_starts(str_of(o->args[i].name), "BUILDKIT_"))
			event_warn(o->sink, "--build-arg %s: no ARG of the stages built takes it", o->args[i].name);
}

static void lowering_done(struct lowering *l)
{
	for (size_t i = 0; i < l->nstages; i++) {
		free(l->stages[i].name);
		free(l->stages[i].label);
		free(l->stages[i].history);
		config_free(l->stages[i].config);
		scope_done(&l->stages[i].scope);
		strv_done(&l->stages[i].used);
	}
	for (size_t i = 0; i < l->nimages; i++) {
		free(l->images[i].ref);
		config_free(l->images[i].config);
	}
	free(l->stages);
	free(l->images);
	scope_done(&l->globals);
	strv_done(&l->proxies);
}

static void take_target(struct lowering *l, struct stage *st, struct lowered *ret)
{
	apply_labels(st, l->o->labels);
	*ret = (struct lowered){
		.config = take_ptr(&st->config), .root = st->root, .nhistory = st->nhistory,
		.history = arena_array(&l->g->arena, struct history_entry, st->nhistory + 1),
		.stage = arena_strdup(&l->g->arena, st->label), .epoch = l->epoch,
	};
	if (st->nhistory)
		memcpy(ret->history, st->history, st->nhistory * sizeof(*st->history));
}

int lower(const struct lower_opts *o, struct lowered *ret, struct err *e)
{
	struct lowering l = { .o = o, .g = o->graph, .escape = o->file->escape };
	struct stage *target = NULL;
	int r;

	count_stages(&l);
	r = lower_globals(&l, e);
	if (r == 0)
		r = stage_find_target(&l, &target, e);
	if (r == 0)
		r = stage_lower(&l, target, e);
	if (r == 0) {
		take_target(&l, target, ret);
		warn_unused(o);
	}
	lowering_done(&l);
	return r;
}

void lowered_done(struct lowered *l)
{
	config_free(l->config);
	*l = (struct lowered){ 0 };
}
