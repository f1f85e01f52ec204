/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering of the instructions that change the tree: RUN, COPY, ADD, WORKDIR. */
#include <stdio.h>

#include "builder/op_copy.h"
#include "builder/op_run.h"
#include "builder/stage.h"
#include "image/ref.h"
#include "parser/dockerfile.h"
#include "parser/expand.h"
#include "parser/instr.h"

static const char *or_root(const char *s)
{
	return *s ? s : "/";
}

char *stage_path(struct stage *st, const char *path)
{
	auto_free char *joined = NULL;

	if (path[0] == '/')
		return xstrdup(path);
	joined = xasprintf("%s/%s", config_str(st->config, CONFIG_WORKDIR), path);
	return str_path_clean(joined);
}

int lower_workdir(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	struct workdir_op *op = arena_new(&l->g->arena, struct workdir_op);
	auto_free char *word = NULL, *path = NULL;
	struct vertex *v = NULL;

	if (stage_expand(l, st, &n->words[0], &word, e) < 0)
		return -1;
	path = stage_path(st, word);
	config_set_str(st->config, CONFIG_WORKDIR, path);
	if (strcmp(path, "/") != 0) {
		op->path = arena_strdup(&l->g->arena, path);
		op->user = arena_strdup(&l->g->arena, config_str(st->config, CONFIG_USER));
		v = stage_step(l, st, n, &workdir_type, op, NULL, 0);
	} else {
		st->step++;
	}
	stage_history(l, st, v, "WORKDIR %s", path);
	return 0;
}

/* ---- COPY and ADD ---- */

static int copy_sources(struct lowering *l, struct stage *st, const struct node *n, struct copy_op *op,
			struct strv *shown, struct err *e)
{
	auto_strv struct strv src = { 0 };

	op->files = arena_array(&l->g->arena, struct copy_file, n->nwords + 1);
	for (size_t i = 0; i + 1 < n->nwords; i++) {
		const struct word *w = &n->words[i];
		auto_free char *text = NULL;

		if (w->heredoc) {
			struct copy_file *f = &op->files[op->nfiles++];

			f->name = arena_strndup(&l->g->arena, w->heredoc->name.p, w->heredoc->name.n);
			if (w->heredoc->expand && scope_expand_body(&st->scope, w->heredoc->body, &text, e) < 0)
				return err_at(e, w->at);
			f->body = arena_str(&l->g->arena, text ? str_of(text) : w->heredoc->body);
			strv_take(shown, xasprintf("<<%s", f->name));
			continue;
		}
		if (stage_expand(l, st, w, &text, e) < 0)
			return -1;
		if (copy_source_kind(str_of(text)) != SOURCE_LOCAL) {
			if (n->id == I_ADD)
				err_set(e, ERR_USAGE, "ADD of a URL is not supported yet: %s", text);
			else
				err_set(e, ERR_USAGE, "source can't be a %s for COPY",
					copy_source_kind(str_of(text)) == SOURCE_GIT ? "git ref" : "URL");
			return err_at(e, w->at);
		}
		strv_add(&src, text);
		strv_add(shown, text);
	}
	op->src = graph_list(l->g, &src);
	return 0;
}

static int copy_dest(struct lowering *l, struct stage *st, const struct node *n, struct copy_op *op,
		     struct strv *shown, struct err *e)
{
	const struct word *w = &n->words[n->nwords - 1];
	auto_free char *text = NULL, *path = NULL;
	bool dir;

	if (stage_expand(l, st, w, &text, e) < 0)
		return -1;
	strv_add(shown, text);
	dir = !*text || strcmp(text, ".") == 0 || str_ends(str_of(text), "/") || str_ends(str_of(text), "/.");
	path = text[0] == '/' ? str_path_clean(text) : stage_path(st, text);
	if (path[0] != '/')
		return err_set(e, ERR_USAGE, "destination is not absolute: %s", path);
	op->dest = arena_printf(&l->g->arena, "%s%s", path, dir && strcmp(path, "/") != 0 ? "/" : "");
	return 0;
}

static int expand_flag(struct lowering *l, struct stage *st, const struct node *n, const char *name,
		       const char **ret, struct err *e)
{
	auto_free char *text = NULL;
	struct str v;

	if (!node_flag(n, name, &v))
		return 0;
	if (scope_expand(&st->scope, v, l->escape, &text, e) < 0)
		return -1;
	*ret = arena_strdup(&l->g->arena, text);
	return 0;
}

static int copy_flags(struct lowering *l, struct stage *st, const struct node *n, struct copy_op *op,
		      struct err *e)
{
	auto_strv struct strv exclude = { 0 };
	struct chmod_spec cs;
	struct str v;
	bool unpack;

	if (expand_flag(l, st, n, "chown", &op->chown, e) < 0 || expand_flag(l, st, n, "chmod", &op->chmod, e) < 0)
		return -1;
	if (op->chmod && chmod_parse(str_of(op->chmod), &cs, e) < 0)
		return -1;
	if (n->id == I_ADD && (node_flag(n, "checksum", &v) || node_flag_on(n, "keep-git-dir")))
		return err_set(e, ERR_USAGE, "--checksum and --keep-git-dir are for remote sources of ADD only");
	op->parents = node_flag_on(n, "parents");
	op->add = n->id == I_ADD;
	op->no_unpack = op->add && node_flag(n, "unpack", &v) && bool_parse(v, &unpack) && !unpack;
	for (size_t i = 0; i < n->nflags; i++)
		if (str_is(n->flags[i].name, "exclude"))
			strv_add_n(&exclude, n->flags[i].value);
	op->exclude = graph_list(l->g, &exclude);
	return 0;
}

/* BuildKit's text: --parents, --chown, --chmod; never --from, --link, --exclude. */
static void copy_history(struct lowering *l, struct stage *st, struct vertex *v, const struct node *n,
			 const struct copy_op *op, const struct strv *shown)
{
	auto_buf struct buf b = { 0 };

	buf_puts(&b, n->def->name);
	if (op->parents)
		buf_puts(&b, " --parents");
	if (op->chown)
		buf_printf(&b, " --chown=%s", op->chown);
	if (op->chmod)
		buf_printf(&b, " --chmod=%s", op->chmod);
	for (size_t i = 0; i < shown->n; i++)
		buf_printf(&b, " %s", shown->v[i]);
	stage_history(l, st, v, "%s # buildkit", b.p);
}

static int copy_from(struct lowering *l, struct stage *st, const struct node *n, struct vertex **ret, struct err *e)
{
	auto_free char *name = NULL;
	struct str v;

	*ret = NULL;
	if (!node_flag(n, "from", &v))
		return 0;
	if (expand_has_variable(v, l->escape))
		return err_set(e, ERR_USAGE, "variable expansion is not supported for --from, define a new stage with "
			       "FROM using ARG from global scope as a workaround");
	name = str_dup(v);
	return stage_source(l, st, name, n->at, ret, e) < 0 ? -1 : 1;
}

int lower_copy(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	struct copy_op *op = arena_new(&l->g->arena, struct copy_op);
	auto_strv struct strv shown = { 0 };
	struct vertex *from, *v;
	int r = copy_from(l, st, n, &from, e);

	if (r < 0)
		return -1;
	op->from = r > 0;
	if (copy_flags(l, st, n, op, e) < 0 || copy_sources(l, st, n, op, &shown, e) < 0 ||
	    copy_dest(l, st, n, op, &shown, e) < 0)
		return -1;
	v = stage_step(l, st, n, &copy_type, op, &from, op->from);
	v->context = !op->from;
	v->detached = node_flag_on(n, "link") && !op->chmod;
	copy_history(l, st, v, n, op, &shown);
	return 0;
}

/* ---- RUN ---- */

struct mount_scope {
	struct lowering *l;
	struct stage *st;
};

static int mount_expand(void *arg, struct str raw, struct arena *a, const char **ret, struct err *e)
{
	struct mount_scope *ms = arg;
	auto_free char *text = NULL;

	if (scope_expand(&ms->st->scope, raw, ms->l->escape, &text, e) < 0)
		return -1;
	*ret = arena_strdup(a, text);
	return 0;
}

/* A mount's tree is one more input of the step. */
static int mount_source(struct lowering *l, struct stage *st, const struct node *n, struct run_step_mount *m,
			struct vertex **in, size_t *nin, struct err *e)
{
	m->in = -1;
	if (!*m->m.from)
		return 0;
	if (stage_source(l, st, m->m.from, n->at, &in[*nin], e) < 0)
		return -1;
	m->in = (int)++*nin;
	return 0;
}

static int run_mounts(struct lowering *l, struct stage *st, const struct node *n, struct run_op *op,
		      struct vertex **in, size_t *nin, bool *context, struct err *e)
{
	struct mount_scope ms = { l, st };
	const char *cwd = or_root(config_str(st->config, CONFIG_WORKDIR));
	unsigned ssh = 0;

	op->mounts = arena_array(&l->g->arena, struct run_step_mount, n->nflags + 1);
	for (size_t i = 0; i < n->nflags; i++) {
		struct run_step_mount *m = &op->mounts[op->nmounts];

		if (!str_is(n->flags[i].name, "mount"))
			continue;
		if (mount_parse(n->flags[i].value, mount_expand, &ms, &l->g->arena, &m->m, e) < 0 ||
		    mount_target(&m->m, cwd, ssh, &l->g->arena, &m->target, e) < 0 ||
		    mount_source(l, st, n, m, in, nin, e) < 0)
			return err_at(e, n->flags[i].at);
		ssh += m->m.type == MOUNT_SSH;
		*context |= m->m.type == MOUNT_BIND && m->in < 0;
		op->nmounts++;
	}
	return 0;
}

static void run_words(struct lowering *l, struct stage *st, const struct node *n, struct run_op *op,
		      struct strv *argv)
{
	auto_buf struct buf text = { 0 };

	if (run_form(n) == HEREDOC_FILE) {
		const struct heredoc *h = &n->heredocs[0];

		op->script_name = arena_strndup(&l->g->arena, h->name.p, h->name.n);
		op->script = h->body;
		buf_printf(&text, "/dev/pipes/%s", op->script_name);
	} else if (!n->json) {
		run_text(n, &text);
	}
	stage_argv(st, n, buf_view(&text), argv);
}

static int run_network(struct lowering *l, const struct node *n, struct run_op *op, struct err *e)
{
	struct str v;

	op->network = l->o->network ? l->o->network : "default";
	if (!node_flag(n, "network", &v))
		return 0;
	op->network = arena_strndup(&l->g->arena, v.p, v.n);
	if (strcmp(op->network, "host") == 0 && strcmp(l->o->network ? l->o->network : "", "host") != 0 &&
	    !(l->o->allow && strv_has(l->o->allow, "network.host"))) {
		err_set(e, ERR_DENIED, "entitlement network.host is not allowed: RUN --network=host");
		return err_hint(e, "\"tare build --network host\" or \"--allow network.host\" grants it");
	}
	return 0;
}

static int run_refused(const struct node *n, struct err *e)
{
	struct str v;

	if (node_flag(n, "security", &v) && str_is(v, "insecure"))
		return err_set(e, ERR_DENIED, "entitlement security.insecure is not allowed: RUN --security=insecure");
	return 0;
}

static bool device_allowed(const struct strv *allow, const char *name)
{
	auto_free char *one = xasprintf("device=%s", name);

	return allow && (strv_has(allow, "device") || strv_has(allow, one));
}

/* A device is more of this machine than a step has by itself: the one who builds says yes to it. */
static int run_devices(struct lowering *l, const struct node *n, struct run_op *op, struct err *e)
{
	op->devices = arena_array(&l->g->arena, struct run_device, n->nflags + 1);
	for (size_t i = 0; i < n->nflags; i++) {
		struct run_device *d = &op->devices[op->ndevices];

		if (!str_is(n->flags[i].name, "device"))
			continue;
		if (device_parse(n->flags[i].value, &l->g->arena, d, e) < 0)
			return err_at(e, n->flags[i].at);
		if (!device_allowed(l->o->allow, d->name)) {
			err_set(e, ERR_DENIED, "entitlement device is not allowed: RUN --device=%s", d->name);
			err_at(e, n->flags[i].at);
			return err_hint(e, "\"tare build --allow device\" grants it");
		}
		op->ndevices++;
	}
	return 0;
}

int lower_run(struct lowering *l, struct stage *st, const struct node *n, struct err *e)
{
	struct run_op *op = arena_new(&l->g->arena, struct run_op);
	auto_free struct vertex **in = xcalloc(n->nflags + 1, sizeof(*in));
	auto_strv struct strv argv = { 0 };
	auto_buf struct buf text = { 0 };
	struct build_arg *host;
	size_t nin = 0;
	bool context = false;
	struct vertex *v;

	if (run_refused(n, e) < 0 || run_network(l, n, op, e) < 0 || run_devices(l, n, op, e) < 0 ||
	    run_mounts(l, st, n, op, in, &nin, &context, e) < 0)
		return -1;
	run_words(l, st, n, op, &argv);
	op->argv = graph_list(l->g, &argv);
	op->env = graph_list(l->g, &st->scope.vars);
	op->proxies = graph_list(l->g, &l->proxies);
	op->cwd = arena_strdup(&l->g->arena, or_root(config_str(st->config, CONFIG_WORKDIR)));
	op->user = arena_strdup(&l->g->arena, config_str(st->config, CONFIG_USER));
	host = build_arg_find(l->o, STR_LIT("BUILDKIT_SANDBOX_HOSTNAME"));
	op->hostname = host && host->value ? arena_strdup(&l->g->arena, host->value) : "buildkitsandbox";
	v = stage_step(l, st, n, &run_type, op, in, nin);
	v->context = context;
	scope_history_args(&st->scope, &text);
	for (size_t i = 0; i < argv.n; i++)
		buf_printf(&text, "%s%s", i ? " " : "", argv.v[i]);
	stage_history(l, st, v, "RUN %s # buildkit", text.p ? text.p : "");
	return 0;
}
