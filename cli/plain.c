/* SPDX-License-Identifier: Apache-2.0 */
/* Plain progress for pipes: one line per event, in the form BuildKit's plain mode made familiar. */
#include <pthread.h>

#include "base/clock.h"
#include "base/task.h"
#include "cli/progress.h"

struct plain_step {
	int64_t started;	/* monotonic ns */
	struct buf line;	/* output since the last newline */
};

struct plain {
	struct view view;
	FILE *out;
	pthread_mutex_t lock;
	struct plain_step *steps;
	size_t n;
};

static struct plain_step *step_at(struct plain *p, int step)
{
	size_t need = (size_t)step + 1;

	if (need > p->n) {
		p->steps = xrealloc(p->steps, need * sizeof(*p->steps));
		memset(p->steps + p->n, 0, (need - p->n) * sizeof(*p->steps));
		p->n = need;
	}
	return &p->steps[step];
}

static double since(const struct plain_step *st)
{
	return (double)(clock_mono_ns() - st->started) / 1e9;
}

static void put_line(struct plain *p, int step, struct plain_step *st)
{
	fprintf(p->out, "#%d %.3f ", step, since(st));
	fwrite(st->line.n ? st->line.p : "", 1, st->line.n, p->out);
	fputc('\n', p->out);
	buf_reset(&st->line);
}

/* A line longer than this is shown in parts; the log file on disk has it whole. */
#define LINE_MAX_SHOWN ((size_t)64 << 10)

static void put_log(struct plain *p, int step, struct str text)
{
	struct plain_step *st = step_at(p, step);

	while (text.n) {
		ptrdiff_t nl = str_find(text, '\n');
		size_t n = nl < 0 ? text.n : (size_t)nl;
		size_t keep = n && nl >= 0 && text.p[n - 1] == '\r' ? n - 1 : n;

		buf_add(&st->line, text.p, keep);
		if (nl >= 0 || st->line.n > LINE_MAX_SHOWN)
			put_line(p, step, st);
		text = str_sub(text, n + (nl >= 0), text.n);
	}
}

static void put_done(struct plain *p, const struct event *ev)
{
	struct plain_step *st = step_at(p, ev->step);

	if (st->line.n)
		put_line(p, ev->step, st);
	switch (ev->state) {
	case STEP_DONE:
		fprintf(p->out, "#%d DONE %.1fs\n\n", ev->step, ev->seconds);
		break;
	case STEP_CACHED:
		fprintf(p->out, "#%d CACHED\n\n", ev->step);
		break;
	case STEP_CANCELLED:
		fprintf(p->out, "#%d CANCELED\n\n", ev->step);
		break;
	case STEP_FAILED:
		fprintf(p->out, "#%d ERROR: " STR_FMT "\n\n", ev->step, STR_ARG(ev->text));
		break;
	}
}

static void plain_send(struct sink *s, const struct event *ev)
{
	struct plain *p = container_of(container_of(s, struct view, sink), struct plain, view);
	auto_lock pthread_mutex_t *held = lock_hold(&p->lock);

	switch (ev->kind) {
	case EV_STEP_START:
		step_at(p, ev->step)->started = clock_mono_ns();
		fprintf(p->out, "#%d %s\n", ev->step, ev->name);
		break;
	case EV_STEP_LOG:
		put_log(p, ev->step, ev->text);
		break;
	case EV_STEP_BYTES:
		break;
	case EV_STEP_DONE:
		put_done(p, ev);
		break;
	case EV_NOTE:
		fprintf(p->out, STR_FMT "\n", STR_ARG(ev->text));
		break;
	case EV_WARN:
		fprintf(p->out, "warning: " STR_FMT "\n", STR_ARG(ev->text));
		break;
	}
	fflush(p->out);
}

static void plain_free(struct view *v)
{
	struct plain *p = container_of(v, struct plain, view);

	for (size_t i = 0; i < p->n; i++)
		buf_done(&p->steps[i].line);
	free(p->steps);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct view *plain_new(FILE *out)
{
	struct plain *p = xcalloc(1, sizeof(*p));

	p->view = (struct view){ { plain_send }, plain_free };
	p->out = out;
	pthread_mutex_init(&p->lock, NULL);
	return &p->view;
}
