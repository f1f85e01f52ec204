/* SPDX-License-Identifier: Apache-2.0 */
/* tare why: which steps of a build were executed, and what had changed. */
#include <jansson.h>

#include "base/clock.h"
#include "builder/why.h"
#include "cli/cmd.h"
#include "cli/session.h"

struct args {
	const char *build;
	bool json;
};

static const struct opt opts[] = {
	{ 0, "build", "ID", OPT_STR, offsetof(struct args, build),
	  "explain this build instead of the last" },
	{ 0, "json", NULL, OPT_BOOL, offsetof(struct args, json), "print JSON, values in full" },
	{ 0 },
};

static const char *const states[] = {
	[BUILD_HIT] = "cached",
	[BUILD_MISS] = "executed",
	[BUILD_FAILED] = "failed",
	[BUILD_CANCELLED] = "not run",
};

static const char *state_name(enum build_state s)
{
	return (size_t)s < countof(states) ? states[s] : "?";
}

/* --- which steps --- */

struct chosen {			/* all steps, or one by its number or line; 0: not given */
	uint64_t step, line;
};

/* "7" is step 7, or line 7 if there is no such step; "Dockerfile:7" is the line. */
static int choose(const struct why *w, const char *word, struct chosen *ret, struct err *e)
{
	const char *colon = word ? strrchr(word, ':') : NULL;
	uint64_t n;

	*ret = (struct chosen){ 0 };
	if (!word)
		return 0;
	if (!str_to_u64(str_of(colon ? colon + 1 : word), 10, &n) || n == 0) {
		err_set(e, ERR_USAGE, "\"%s\" is neither a step nor a line", word);
		return err_hint(e, "give a step's number, or a line as in Dockerfile:7");
	}
	for (size_t i = 0; !colon && i < w->n; i++)
		if (w->v[i].row.index == n)
			ret->step = n;
	if (!ret->step)
		ret->line = n;
	return 0;
}

static bool is_chosen(const struct chosen *c, const struct build_step_row *r)
{
	if (c->step)
		return r->index == c->step;
	return !c->line || (r->line <= c->line && c->line <= r->line_end);
}

static int check_chosen(const struct why *w, const struct chosen *c, const char *word,
			struct err *e)
{
	for (size_t i = 0; i < w->n; i++)
		if (is_chosen(c, &w->v[i].row))
			return 0;
	if (!word)
		return 0;
	err_set(e, ERR_NOT_FOUND, "build %s has no step at \"%s\"", w->build.id, word);
	return err_hint(
		e,
		"tare why lists the steps; an instruction that only changes settings (ENV, CMD ...) is none");
}

/* --- text --- */

static void print_head(const struct why *w, FILE *out)
{
	char ago[CLOCK_TEXT_MAX];

	fprintf(out, "build %s of %s, %s: %s\n", w->build.id, w->build.dockerfile,
		clock_ago(clock_now_ns() - w->build.started_ns, ago), w->build.status);
}

/* No instruction's text moves the cursor. */
static void print_clean(struct str s, FILE *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		fputc(c == '\t' || (c >= ' ' && c != 0x7f) ? c : '?', out);
	}
}

static void print_line(const struct why *w, const struct why_step *st, FILE *out)
{
	auto_buf struct buf text = { 0 };

	fprintf(out, "%3u  %-9s ", st->row.index, state_name(st->row.state));
	print_clean(str_of(st->row.name), out);
	if (st->row.state == BUILD_MISS || st->row.state == BUILD_FAILED)
		fprintf(out, "  %.1fs", st->row.seconds);
	fputc('\n', out);
	why_text(w, st, &text);
	if (text.n) {
		fputs("     ", out);
		print_clean(buf_view(&text), out);
		fputc('\n', out);
	}
}

/* What the key was made of, a line each; a value of several lines is indented. */
static void print_inputs(const struct why_step *st, FILE *out)
{
	char ago[CLOCK_TEXT_MAX];

	if (st->earlier[0])
		fprintf(out, "     compared with step %u of build %s, %s\n", st->earlier_index,
			st->earlier, clock_ago(clock_now_ns() - st->earlier_ns, ago));
	fputs(st->inputs.n ? "     its key was made of what it builds on, and\n"
			   : "     its key was made of what it builds on\n",
	      out);
	for (size_t i = 0; i < st->inputs.n; i++) {
		struct str rest = str_of(st->inputs.v[i].value);

		fputs("       ", out);
		print_clean(str_of(st->inputs.v[i].name), out);
		fputs(": ", out);
		print_clean(str_cut(&rest, '\n'), out);
		while (rest.p && rest.n) {
			fputs("\n         ", out);
			print_clean(str_cut(&rest, '\n'), out);
		}
		fputc('\n', out);
	}
}

static void print_text(const struct why *w, const struct chosen *c, FILE *out)
{
	print_head(w, out);
	for (size_t i = 0; i < w->n; i++) {
		if (!is_chosen(c, &w->v[i].row))
			continue;
		print_line(w, &w->v[i], out);
		if (c->step || c->line)
			print_inputs(&w->v[i], out);
	}
}

/* --- JSON --- */

static const char *const causes[] = {
	[WHY_CACHED] = "cached", [WHY_FIRST] = "first",	    [WHY_INPUT] = "input",
	[WHY_STEP] = "step",	 [WHY_ASKED] = "asked",	    [WHY_UNFINISHED] = "unfinished",
	[WHY_GONE] = "gone",	 [WHY_NOT_RUN] = "not run",
};

static json_t *text_or_null(const char *s)
{
	json_t *j = s ? json_string(s) : NULL;

	return j ? j : json_null();	/* also bytes that are not UTF-8 */
}

static json_t *json_difference(const struct why_step *st)
{
	if (st->cause != WHY_INPUT)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "name", text_or_null(st->name), "before",
			 text_or_null(st->before), "after", text_or_null(st->after), "detail",
			 text_or_null(st->detail));
}

static json_t *json_step(const struct why *w, const struct why_step *st)
{
	auto_buf struct buf text = { 0 };
	json_t *inputs = json_array(), *o;
	char key[DIGEST_TEXT_MAX];

	for (size_t i = 0; i < st->inputs.n; i++)
		json_array_append_new(inputs, json_pack("{s:o, s:o}", "name",
							text_or_null(st->inputs.v[i].name), "value",
							text_or_null(st->inputs.v[i].value)));
	why_text(w, st, &text);
	o = json_pack("{s:i, s:o, s:i, s:i, s:s, s:s, s:s, s:f, s:o, s:o}", "step",
		      (int)st->row.index, "name", text_or_null(st->row.name), "line",
		      (int)st->row.line, "line_end", (int)st->row.line_end, "state",
		      state_name(st->row.state), "key", digest_text(&st->row.key, key), "cause",
		      causes[st->cause], "seconds", st->row.seconds, "difference",
		      json_difference(st), "inputs", inputs);
	json_object_set_new(o, "reason", text_or_null(buf_view(&text).p));
	json_object_set_new(o, "compared_with", text_or_null(st->earlier[0] ? st->earlier : NULL));
	if (st->cause == WHY_STEP && st->cause_step)
		json_object_set_new(o, "cause_step", json_integer(st->cause_step));
	return o;
}

static void print_json(const struct why *w, const struct chosen *c, FILE *out)
{
	char began[CLOCK_TEXT_MAX];
	json_t *steps = json_array(), *o;

	for (size_t i = 0; i < w->n; i++)
		if (is_chosen(c, &w->v[i].row))
			json_array_append_new(steps, json_step(w, &w->v[i]));
	o = json_pack("{s:s, s:o, s:o, s:o, s:s, s:s, s:o}", "build", w->build.id, "context",
		      text_or_null(w->build.context), "dockerfile",
		      text_or_null(w->build.dockerfile), "target", text_or_null(w->build.target),
		      "started", clock_rfc3339(w->build.started_ns, began), "status",
		      w->build.status, "steps", steps);
	json_dumpf(o, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(o);
}

static int why_main(struct cli *c, void *args, int argc, char **argv, struct err *e)
{
	const char *word = argc ? argv[0] : NULL;
	struct args *a = args;
	struct chosen chosen;
	struct why w = { 0 };
	struct session s;
	int r;

	if (session_open_plain(&s, c, e) < 0)
		return -1;
	r = why_load(s.store, a->build, &w, e);
	session_close(&s);
	if (r == 0)
		r = choose(&w, word, &chosen, e);
	if (r == 0)
		r = check_chosen(&w, &chosen, word, e);
	if (r == 0)
		(a->json ? print_json : print_text)(&w, &chosen, c->out);
	why_done(&w);
	return r;
}

const struct cmd cmd_why = {
	.name = "why", .synopsis = "[options] [STEP]",
	.about = "explain the last build: what was executed, and what had changed",
	.opts = opts, .args_size = sizeof(struct args), .max = 1, .run = why_main,
};
