/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explaining misses: each step is laid beside its nearest counterpart in an earlier build of the
 * same context and Dockerfile, and the first named input that differs is the reason. The
 * counterpart is the step at the same place (slot) with the same instruction, else the nearest one
 * of the stage with that instruction (lines were added or removed above), else the one at the same
 * place.
 */
#include "builder/why.h"

#include <stdio.h>

#include "cache/treehash.h"

struct earlier {		/* an earlier build, loaded once */
	struct build_row row;
	struct build_steps steps;
};

struct loading {
	struct store *store;
	struct why *why;
	struct earlier *v;
	size_t n;
};

/* --- the counterpart --- */

/* "[build 2/5] RUN make" is "RUN make" wherever it stands. */
static struct str instruction(const char *name)
{
	const char *end = name[0] == '[' ? strstr(name, "] ") : NULL;

	return str_of(end ? end + 2 : name);
}

static struct str stage_of(const char *slot)
{
	const char *bar = strrchr(slot, '|');

	return (struct str){ slot, bar ? (size_t)(bar - slot) : strlen(slot) };
}

static bool same_instruction(const struct build_step_row *a, const struct build_step_row *b)
{
	return str_eq(instruction(a->name), instruction(b->name));
}

static unsigned distance(const struct build_step_row *a, const struct build_step_row *b)
{
	return a->index > b->index ? a->index - b->index : b->index - a->index;
}

static const struct build_step_row *nearest_same(const struct build_step_row *row,
						 const struct build_step_row *v, size_t n,
						 size_t stride)
{
	const struct build_step_row *best = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct build_step_row *r = (const void *)((const char *)v + i * stride);

		if (str_eq(stage_of(r->slot), stage_of(row->slot)) && same_instruction(r, row) &&
		    (!best || distance(r, row) < distance(best, row)))
			best = r;
	}
	return best;
}

static const struct build_step_row *at_slot(const struct build_step_row *row,
					    const struct build_steps *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].slot, row->slot) == 0)
			return &l->v[i];
	return NULL;
}

static const struct build_step_row *counterpart(const struct loading *ld,
						const struct build_step_row *row,
						const struct build_steps *before)
{
	const struct build_step_row *r = at_slot(row, before);

	if (r && same_instruction(r, row))
		return r;
	if (nearest_same(row, before->v, before->n, sizeof(*before->v)))
		return nearest_same(row, before->v, before->n, sizeof(*before->v));
	/* What stood here has only moved: this one is new. */
	if (r && nearest_same(r, &ld->why->v[0].row, ld->why->n, sizeof(*ld->why->v)))
		return NULL;
	return r;
}

static int earlier_load(struct loading *ld, struct build_row *row, const struct earlier **ret,
			struct err *e)
{
	struct earlier *x;

	for (size_t i = 0; i < ld->n; i++)
		if (strcmp(ld->v[i].row.id, row->id) == 0) {
			*ret = &ld->v[i];
			return 0;
		}
	ld->v = xrealloc(ld->v, (ld->n + 1) * sizeof(*ld->v));
	x = &ld->v[ld->n++];
	*x = (struct earlier){ .row = *row };
	*row = (struct build_row){ 0 };
	*ret = x;
	return build_steps(ld->store, x->row.id, &x->steps, e);
}

/* *ret: the step's counterpart, or NULL. */
static int find_counterpart(struct loading *ld, struct why_step *st,
			    const struct build_step_row **ret, struct err *e)
{
	struct build_row row = { 0 };
	const struct earlier *x;
	int r = build_earlier(ld->store, &ld->why->build, st->row.slot, &row, e);

	*ret = NULL;
	if (r > 0)
		r = earlier_load(ld, &row, &x, e);
	else if (r == 0 && ld->n)	/* the stage was shorter then */
		x = &ld->v[0];
	else
		x = NULL;
	build_row_done(&row);
	if (r < 0 || !x)
		return r;
	*ret = counterpart(ld, &st->row, &x->steps);
	if (*ret) {
		memcpy(st->earlier, x->row.id, MIN(strlen(x->row.id), sizeof(st->earlier) - 1));
		st->earlier_ns = x->row.started_ns;
		st->earlier_index = (*ret)->index;
		st->earlier_key = (*ret)->key;
		st->moved = strcmp((*ret)->slot, st->row.slot) != 0;
		st->earlier_done = (*ret)->state == BUILD_HIT || (*ret)->state == BUILD_MISS;
	}
	return 0;
}

/* --- the difference --- */

/* The value of the nth input with in's name, n counted up to in itself: names may repeat. */
static const char *value_of(const struct key_inputs *where, const struct key_inputs *of, size_t at)
{
	size_t nth = 0;

	for (size_t i = 0; i < at; i++)
		nth += strcmp(of->v[i].name, of->v[at].name) == 0;
	for (size_t i = 0; i < where->n; i++)
		if (strcmp(where->v[i].name, of->v[at].name) == 0 && nth-- == 0)
			return where->v[i].value;
	return NULL;
}

static bool tree_value(const char *value, struct digest *ret)
{
	return value && str_starts(str_of(value), "tree sha256:") &&
	       digest_from_hex(str_of(value + 12), ret);
}

static int differs(struct store *s, struct why_step *st, const char *name, const char *before,
		   const char *after, struct err *e)
{
	auto_buf struct buf detail = { 0 };
	struct digest was, is;
	int r;

	st->cause = WHY_INPUT;
	st->name = xstrdup(name);
	st->before = before ? xstrdup(before) : NULL;
	st->after = after ? xstrdup(after) : NULL;
	if (!tree_value(before, &was) || !tree_value(after, &is))
		return 0;
	r = tree_diff(s, &was, &is, &detail, e);
	if (r > 0)
		st->detail = buf_take(&detail);
	return r < 0 ? -1 : 0;
}

/* Find the first input of st that was not so in `before`, or that is no more. */
static int first_difference(struct store *s, struct why_step *st, const struct key_inputs *before,
			    struct err *e)
{
	for (size_t i = 0; i < st->inputs.n; i++) {
		const char *was = value_of(before, &st->inputs, i);

		if (!was || strcmp(was, st->inputs.v[i].value) != 0)
			return differs(s, st, st->inputs.v[i].name, was, st->inputs.v[i].value, e);
	}
	for (size_t i = 0; i < before->n; i++)
		if (!value_of(&st->inputs, before, i))
			return differs(s, st, before->v[i].name, before->v[i].value, NULL, e);
	return 0;
}

static bool changed(const struct why_step *st)
{
	return !st->earlier[0] || !digest_eq(&st->row.key, &st->earlier_key);
}

/* The nearest step above in the stage with a difference of its own; 0 if none has one. */
static unsigned step_above(const struct why *w, const struct why_step *st)
{
	for (const struct why_step *p = st; p-- > w->v; )
		if (str_eq(stage_of(p->row.slot), stage_of(st->row.slot)) && changed(p) &&
		    (p->cause == WHY_INPUT || p->cause == WHY_FIRST))
			return p->row.index;
	return 0;
}

static int explain(struct loading *ld, struct why_step *st, struct err *e)
{
	const struct build_step_row *before;
	struct key_inputs inputs = { 0 };
	int r;

	st->cause = WHY_FIRST;
	if (keys_inputs(ld->store, &st->row.key, &st->inputs, e) < 0 ||
	    find_counterpart(ld, st, &before, e) < 0)
		return -1;
	if (!before)
		return 0;
	if (!changed(st)) {
		st->cause = st->row.note ? WHY_ASKED : st->earlier_done ? WHY_GONE : WHY_UNFINISHED;
		return 0;
	}
	st->cause = WHY_STEP;
	r = keys_inputs(ld->store, &before->key, &inputs, e);
	if (r > 0)
		r = first_difference(ld->store, st, &inputs, e);
	key_inputs_done(&inputs);
	if (r == 0 && st->cause == WHY_STEP)
		st->cause_step = step_above(ld->why, st);
	return r;
}

int why_load(struct store *s, const char *build, struct why *ret, struct err *e)
{
	struct build_steps steps = { 0 };
	struct why w = { 0 };
	struct loading ld = { .store = s, .why = &w };
	int r = build_find(s, build, &w.build, e);

	if (r == 0)
		r = build ? err_set(e, ERR_NOT_FOUND, "no build has an ID that starts with \"%s\"",
				    build)
			  : err_set(e, ERR_NOT_FOUND, "nothing was built in this store yet");
	else if (r > 0)
		r = build_steps(s, w.build.id, &steps, e);
	w.v = xcalloc(steps.n, sizeof(*w.v));
	for (w.n = 0; w.n < steps.n; w.n++)
		w.v[w.n].row = steps.v[w.n];
	free(steps.v);
	for (size_t i = 0; r == 0 && i < w.n; i++)
		r = explain(&ld, &w.v[i], e);
	for (size_t i = 0; i < w.n; i++)	/* differences of cached steps only explain what follows them */
		if (w.v[i].row.state == BUILD_HIT)
			w.v[i].cause = WHY_CACHED;
		else if (w.v[i].row.state == BUILD_CANCELLED)
			w.v[i].cause = WHY_NOT_RUN;
	for (size_t i = 0; i < ld.n; i++) {
		build_row_done(&ld.v[i].row);
		build_steps_done(&ld.v[i].steps);
	}
	free(ld.v);
	if (r < 0)
		why_done(&w);
	else
		*ret = w;
	return r;
}

void why_done(struct why *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct why_step *st = &w->v[i];

		free(st->row.name);
		free(st->row.slot);
		free(st->row.note);
		free(st->name);
		free(st->before);
		free(st->after);
		free(st->detail);
		key_inputs_done(&st->inputs);
	}
	free(w->v);
	build_row_done(&w->build);
	*w = (struct why){ 0 };
}

/* --- in words --- */

/* A value on one line, cut in the middle of nowhere if long, never inside a character. */
static void put_value(struct buf *b, const char *value)
{
	static const size_t most = 100;
	struct str v = str_of(value);
	size_t n = MIN(v.n, most);

	while (n && n < v.n && ((unsigned char)v.p[n] & 0xc0) == 0x80)
		n--;
	buf_json_str(b, str_sub(v, 0, n));
	if (n < v.n)
		buf_puts(b, "...");
}

static void input_text(const struct why_step *st, struct buf *ret)
{
	buf_puts(ret, st->name);
	if (st->detail) {
		buf_printf(ret, ": %s", st->detail);
		return;
	}
	if (!st->before) {
		buf_puts(ret, " is new: ");
		put_value(ret, st->after);
	} else if (!st->after) {
		buf_puts(ret, " is gone, it was ");
		put_value(ret, st->before);
	} else {
		buf_puts(ret, " was ");
		put_value(ret, st->before);
		buf_puts(ret, ", is ");
		put_value(ret, st->after);
	}
}

static const struct why_step *step_by_index(const struct why *w, unsigned index)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].row.index == index)
			return &w->v[i];
	return NULL;
}

static void step_text(const struct why *w, const struct why_step *st, struct buf *ret)
{
	const struct why_step *cause = step_by_index(w, st->cause_step);

	if (cause)
		buf_printf(ret, "it builds on step %u, which changed: %s", cause->row.index,
			   cause->row.name);
	else
		buf_puts(ret, st->moved ? "a step above it was added or removed"
					: "a stage that it reads changed");
}

void why_text(const struct why *w, const struct why_step *st, struct buf *ret)
{
	switch (st->cause) {
	case WHY_CACHED:
		break;
	case WHY_FIRST:
		buf_puts(ret, "first build of this step");
		break;
	case WHY_INPUT:
		input_text(st, ret);
		break;
	case WHY_STEP:
		step_text(w, st, ret);
		break;
	case WHY_ASKED:
		buf_printf(ret, "nothing differs; asked for by %s", st->row.note);
		break;
	case WHY_UNFINISHED:
		buf_puts(ret, "nothing differs; it did not end well in the earlier build");
		break;
	case WHY_GONE:
		buf_puts(ret, "nothing differs; its result was no longer in the store");
		break;
	case WHY_NOT_RUN:
		buf_puts(ret, "not run: the build ended before it");
		break;
	}
}
