/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build: context and Dockerfile -> tree -> graph -> results -> image, with a record of it all
 * for `tare why` and the logs.
 */
#include "engine/build.h"

#include <errno.h>
#include <stdio.h>

#include "builder/export.h"
#include "builder/lower.h"
#include "builder/solve.h"
#include "cache/builds.h"
#include "cache/lease.h"
#include "cache/store.h"
#include "engine/build_context.h"
#include "engine/build_report.h"
#include "engine/pull.h"
#include "image/ref.h"
#include "parser/dockerfile.h"

struct building {
	struct job *job;
	struct store *store;
	const struct build_args *a;
	struct build_report *report;
	struct build_context ctx;
	struct source src;
	struct diag diag;
	struct graph graph;
	struct dockerfile file;
	struct lowered low;
	struct work w;
	struct build_arg *args;
	size_t nargs;
	struct strv names;		/* canonical tags */
	char *slot_prefix;
	struct solve_failure failed;
};

/* Tags are checked before anything is built. */
static int check_tags(struct building *b, struct err *e)
{
	char text[REF_TEXT_MAX];
	struct ref r;

	for (size_t i = 0; i < b->a->tags.n; i++) {
		if (ref_parse(str_of(b->a->tags.v[i]), &r, e) < 0)
			return -1;
		if (r.has_digest)
			return err_set(e, ERR_USAGE, "--tag %s: a name for a new image has no digest", b->a->tags.v[i]);
		strv_add(&b->names, ref_canonical(&r, text));
	}
	return 0;
}

/* "K=V", or "K": then from the environment, and unset if it is not there. */
static int read_args(struct building *b, struct err *e)
{
	b->nargs = b->a->args.n;
	b->args = xcalloc(b->nargs + 1, sizeof(*b->args));
	for (size_t i = 0; i < b->nargs; i++) {
		struct str value = str_of(b->a->args.v[i]), key = str_cut(&value, '=');

		if (key.n == 0)
			return err_set(e, ERR_USAGE, "--build-arg %s has no name", b->a->args.v[i]);
		b->args[i].name = arena_strndup(&b->graph.arena, key.p, key.n);
		b->args[i].value = value.p ? value.p : getenv(b->args[i].name);
	}
	return 0;
}

static int check_allow(const struct build_args *a, struct err *e)
{
	for (size_t i = 0; i < a->allow.n; i++) {
		struct str rest = str_of(a->allow.v[i]), word = str_cut(&rest, '=');

		if (!str_is(word, "device") && !(str_is(word, "network.host") && !rest.p))
			return err_set(e, ERR_USAGE, "invalid entitlement \"%s\": take network.host, device or device=NAME",
				       a->allow.v[i]);
	}
	return 0;
}

static int check_network(const struct build_args *a, struct err *e)
{
	static const char *const modes[] = { "default", "none", "host" };

	for (size_t i = 0; i < countof(modes); i++)
		if (!a->network || strcmp(a->network, modes[i]) == 0)
			return 0;
	return err_set(e, ERR_USAGE, "invalid network mode \"%s\": take default, none or host", a->network);
}

static int parse(struct building *b, struct err *e)
{
	int r;

	if (source_init(&b->src, b->ctx.file, buf_view(&b->ctx.text), e) < 0)
		return -1;
	r = dockerfile_parse(&b->src, &b->diag, &b->graph.arena, &b->file, e);
	if (r < 0)
		err_set(e, ERR_USAGE, "%s: %zu error%s", b->ctx.file, b->diag.errors, b->diag.errors == 1 ? "" : "s");
	return r;
}

static int resolve(void *arg, const char *ref, const struct platform *want, struct base_image *ret, struct err *e)
{
	struct building *b = arg;
	auto_image struct image img = { 0 };
	struct image_row row;
	struct platform have;
	char wanted[PLATFORM_TEXT_MAX], got[PLATFORM_TEXT_MAX];

	if (pull_obtain(b->job, b->store, b->a->registry, ref, want, b->a->pull ? PULL_ALWAYS : PULL_MISSING, &row, NULL,
			NULL, e) < 0 || local_open(b->store, &row, &img, e) < 0)
		return -1;
	have = config_platform(img.config);
	if (!platform_match(want, &have))
		event_warn(b->job->sink, "base image %s is for %s, the build for %s", ref, platform_text(&have, got),
			   platform_text(want, wanted));
	snprintf(ret->name, sizeof(ret->name), "%s", ref);
	ret->manifest = img.row.manifest;
	ret->config = take_ptr(&img.config);
	return 0;
}

static int make_graph(struct building *b, struct err *e)
{
	struct lower_opts o = {
		.file = &b->file, .graph = &b->graph, .target = b->a->target, .args = b->args, .nargs = b->nargs,
		.labels = &b->a->labels, .no_cache = &b->a->no_cache_filter, .network = b->a->network,
		.allow = &b->a->allow,
		.platform = platform_host(), .sink = b->job->sink, .resolve = resolve, .arg = b,
	};

	return lower(&o, &b->low, e);
}

static int start_work(struct building *b, struct err *e)
{
	const struct build_args *a = b->a;
	struct work *w = &b->w;

	b->slot_prefix = xasprintf("%s|%s", b->ctx.path, b->ctx.file_path);
	w->graph = &b->graph;
	w->context_fd = b->ctx.fd;
	w->ignore = b->ctx.ignore;
	w->slot_prefix = b->slot_prefix;
	w->no_cache = a->no_cache;
	w->epoch = b->low.epoch;
	w->workers = a->workers > 0 ? (size_t)a->workers : MIN(MAX(2 * cpu_count(), (size_t)4), (size_t)16);
	return build_begin(b->store, b->ctx.path, b->ctx.file_path, a->target, &w->record, e);
}

static void record_step(struct building *b, struct vertex *v)
{
	auto_free struct key_input *inputs = NULL;
	auto_free char *slot = vertex_slot(&b->w, v);
	struct build_step st = {
		.index = (unsigned)v->step, .name = v->name, .slot = slot, .key = v->def_key,
		.line = v->node ? v->node->line : 0, .line_end = v->node ? v->node->line_end : 0,
		.state = v->state == V_CACHED ? BUILD_HIT : v->state == V_DONE ? BUILD_MISS :
			 v == b->failed.v ? BUILD_FAILED : BUILD_CANCELLED,
		.note = b->w.no_cache ? "--no-cache" : v->nocache ? "--no-cache-filter" : NULL,
		.has_layer = v->result.sealed && v->result.has_layer, .diff_id = v->result.diff_id,
		.seconds = v->seconds,
	};

	st.ninputs = vertex_inputs(v, &inputs);
	st.inputs = inputs;
	build_step(b->w.record, &st);
}

static int end_record(struct building *b, int r, struct err *e)
{
	auto_err struct err late = { 0 };
	const char *status = r == 0 ? "ok" : e->kind == ERR_CANCELLED ? "cancelled" : "failed";

	for (size_t i = 0; i < b->graph.n; i++)
		if (b->graph.v[i]->step)
			record_step(b, b->graph.v[i]);
	/* The record is for explanation only: an image that was made is not lost with it. */
	if (build_end(take_ptr(&b->w.record), status, r == 0 ? &b->report->manifest : NULL, &late) < 0)
		event_warn(b->job->sink, "the record of this build could not be written: %s", err_text(&late));
	return r;
}

static int file_image(struct building *b, struct err *e)
{
	struct image_row row;

	export_config(&b->low);
	if (local_put(b->store, b->low.config, b->names.n ? b->names.v[0] : NULL, &row, e) < 0)
		return -1;
	for (size_t i = 1; i < b->names.n; i++)
		if (images_tag(b->store, b->names.v[i], &row.manifest, e) < 0)
			return -1;
	b->report->config = row.config;
	b->report->manifest = row.manifest;
	return 0;
}

static int solve_target(struct building *b, struct err *e)
{
	if (!b->low.root)
		return 0;	/* FROM scratch and metadata alone */
	return solve(&b->w, b->low.root, &b->failed, e);
}

/* Each layer of a step's tree is an open file, and several steps run at once. Without effect where it is refused. */
static void files_raise(struct rlimit *was)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= l.rlim_max)
		return;
	*was = l;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0)
		*was = (struct rlimit){ 0 };
}

static void files_restore(const struct rlimit *was)
{
	if (was->rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, was);
}

static int build_all(struct building *b, struct err *e)
{
	int r;

	if (check_network(b->a, e) < 0 || check_allow(b->a, e) < 0 || check_tags(b, e) < 0 || read_args(b, e) < 0 ||
	    build_context_open(b->job, b->w.lease, b->a->context, b->a->file, &b->ctx, e) < 0 ||
	    parse(b, e) < 0 || make_graph(b, e) < 0 || start_work(b, e) < 0)
		return -1;
	r = solve_target(b, e);
	if (r == 0)
		r = file_image(b, e);
	if (r < 0)
		build_report_fill(b->report, &b->src, b->failed.v, b->store, build_id(b->w.record));
	return end_record(b, r, e);
}

static void tell_result(struct building *b)
{
	char id[DIGEST_TEXT_MAX];

	event_note(b->job->sink, "image %s%s%s", digest_text(&b->report->config, id),
		   b->a->tags.n ? " named " : "", b->a->tags.n ? b->a->tags.v[0] : "");
	for (size_t i = 1; i < b->a->tags.n; i++)
		event_note(b->job->sink, "  also named %s", b->a->tags.v[i]);
}

static void render_diagnostics(struct building *b, int r, struct err *e)
{
	auto_buf struct buf text = { 0 };

	/* An error of lowering or of a step that has a place in the file is shown like the parser's. */
	if (r < 0 && e->at.src == &b->src && !b->failed.v) {
		auto_free char *msg = xstrdup(err_text(e));

		diag_error(&b->diag, e->at, NULL, "%s", msg);
		err_set(e, e->kind, "%s", msg);
	}
	if (b->diag.n)
		diag_render(&b->diag, &text);
	if (text.n)
		b->report->diagnostics = buf_take(&text);
}

static void building_done(struct building *b)
{
	work_done(&b->w);
	lowered_done(&b->low);
	graph_done(&b->graph);
	diag_done(&b->diag);
	source_done(&b->src);
	build_context_done(&b->ctx);
	strv_done(&b->names);
	free(b->args);
	free(b->slot_prefix);
	lease_free(b->w.lease);
}

int engine_build(struct job *j, struct store *s, const struct build_args *a, struct build_report *report,
		 struct err *e)
{
	struct building b = { .job = j, .store = s, .a = a, .report = report, .ctx.fd = -1,
		.w = { .job = j, .store = s } };
	int r;

	graph_init(&b.graph);
	files_raise(&b.w.files);
	r = lease_new(s, &b.w.lease, e);
	if (r == 0)
		r = build_all(&b, e);
	if (r == 0)
		tell_result(&b);
	render_diagnostics(&b, r, e);
	e->at.src = NULL;
	building_done(&b);
	files_restore(&b.w.files);
	return r;
}
