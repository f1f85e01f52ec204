/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live tree of a terminal: finished steps scroll by as single lines, running ones are
 * redrawn below them ten times a second with elapsed time, bytes and their last output line.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/task.h"
#include "cli/progress.h"

#define TICK_MS 100
#define LAST_MAX ((size_t)400)	/* bytes kept of a step's last line */

struct tree_step {
	char *name;
	int64_t started;
	uint64_t bytes, total;
	struct buf last, part;	/* last whole line, and what came after it */
	bool running;
};

struct tree {
	struct view view;
	FILE *out;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t ticker;
	bool ending, ticking, color;
	int64_t started;
	struct tree_step *steps;
	size_t n, finished, drawn;	/* drawn: lines of the live region on screen */
};

static size_t screen_width(struct tree *t)
{
	struct winsize ws = { 0 };

	return ioctl(fileno(t->out), TIOCGWINSZ, &ws) == 0 && ws.ws_col > 20 ? ws.ws_col : 80;
}

static size_t screen_height(struct tree *t)
{
	struct winsize ws = { 0 };

	return ioctl(fileno(t->out), TIOCGWINSZ, &ws) == 0 && ws.ws_row > 5 ? ws.ws_row : 24;
}

/* At most cols characters of s, control bytes as blanks, so that one line stays one line. */
static void add_cut(struct buf *b, struct str s, size_t cols)
{
	size_t used = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c & 0xc0) != 0x80 && ++used > cols)
			break;
		buf_putc(b, c < 0x20 || c == 0x7f ? ' ' : (char)c);
	}
}

static void erase_region(struct tree *t, struct buf *b)
{
	if (t->drawn)
		buf_printf(b, "\033[%zuA\r\033[J", t->drawn);
	t->drawn = 0;
}

static void add_row(struct tree *t, struct buf *b, const char *mark, const char *style, const char *name,
		    const char *right)
{
	size_t width = screen_width(t), keep = width - MIN(width - 12, strlen(right) + 6);
	auto_buf struct buf left = { 0 };
	size_t cols = 0;

	add_cut(&left, str_of(name), keep);
	for (size_t i = 0; i < left.n; i++)
		cols += (left.p[i] & 0xc0) != 0x80;
	buf_printf(b, "%s%s %s%*s%s%s\n", t->color ? style : "", mark, left.p ? left.p : "",
		   (int)(keep - MIN(keep, cols)) + 1, "", right, t->color ? "\033[0m" : "");
}

static void human_bytes(char *ret, size_t n, uint64_t v)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double d = (double)v;
	size_t u = 0;

	for (; d >= 1024 && u + 1 < countof(units); u++)
		d /= 1024;
	snprintf(ret, n, u ? "%.1f %s" : "%.0f %s", d, units[u]);
}

static void draw_step(struct tree *t, struct buf *b, struct tree_step *st)
{
	double s = (double)(clock_mono_ns() - st->started) / 1e9;
	char right[80], done[24], total[24];
	struct str last = buf_view(st->part.n ? &st->part : &st->last);

	human_bytes(done, sizeof(done), st->bytes);
	human_bytes(total, sizeof(total), st->total);
	if (st->bytes && st->total)
		snprintf(right, sizeof(right), "%s / %s  %.1fs", done, total, s);
	else if (st->bytes)
		snprintf(right, sizeof(right), "%s  %.1fs", done, s);
	else
		snprintf(right, sizeof(right), "%.1fs", s);
	add_row(t, b, " >", "\033[36m", st->name, right);
	t->drawn++;
	if (last.n == 0)
		return;
	buf_puts(b, t->color ? "\033[2m     " : "     ");
	add_cut(b, last, screen_width(t) - 6);
	buf_puts(b, t->color ? "\033[0m\n" : "\n");
	t->drawn++;
}

static void draw_region(struct tree *t, struct buf *b)
{
	size_t room = screen_height(t) - 3, running = 0;
	double s = (double)(clock_mono_ns() - t->started) / 1e9;

	for (size_t i = 0; i < t->n; i++)
		running += t->steps[i].running;
	if (!running)
		return;
	buf_printf(b, "%.1fs  %zu finished, %zu running\n", s, t->finished, running);
	t->drawn = 1;
	for (size_t i = 0; i < t->n && t->drawn + 2 < room; i++)
		if (t->steps[i].running)
			draw_step(t, b, &t->steps[i]);
}

static void flush_drawing(struct tree *t, struct buf *b)
{
	fwrite(b->p ? b->p : "", 1, b->n, t->out);
	fflush(t->out);
}

static void *ticker_main(void *arg)
{
	struct tree *t = arg;
	struct timespec at;

	pthread_mutex_lock(&t->lock);
	while (!t->ending) {
		auto_buf struct buf b = { 0 };

		erase_region(t, &b);
		draw_region(t, &b);
		flush_drawing(t, &b);
		clock_gettime(CLOCK_REALTIME, &at);
		at.tv_nsec += TICK_MS * 1000000L;
		at.tv_sec += at.tv_nsec / 1000000000L;
		at.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&t->wake, &t->lock, &at);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static struct tree_step *tree_step(struct tree *t, int step)
{
	size_t need = (size_t)step + 1;

	if (need > t->n) {
		t->steps = xrealloc(t->steps, need * sizeof(*t->steps));
		memset(t->steps + t->n, 0, (need - t->n) * sizeof(*t->steps));
		t->n = need;
	}
	return &t->steps[step];
}

static void step_started(struct tree *t, const struct event *ev)
{
	struct tree_step *st = tree_step(t, ev->step);

	free(st->name);
	st->name = xstrdup(ev->name);
	st->started = clock_mono_ns();
	st->running = true;
}

static void step_log(struct tree *t, const struct event *ev)
{
	struct tree_step *st = tree_step(t, ev->step);

	for (size_t i = 0; i < ev->text.n; i++) {
		char c = ev->text.p[i];

		if (c == '\n' || c == '\r') {
			if (st->part.n) {
				buf_reset(&st->last);
				buf_str(&st->last, buf_view(&st->part));
			}
			buf_reset(&st->part);
		} else if (st->part.n < LAST_MAX) {
			buf_putc(&st->part, c);
		}
	}
}

static void step_done(struct tree *t, const struct event *ev, struct buf *b)
{
	static const struct { const char *mark, *style; } looks[] = {
		[STEP_DONE] = { " \xe2\x9c\x93", "\033[32m" }, [STEP_CACHED] = { " \xe2\x9c\x93", "\033[34m" },
		[STEP_FAILED] = { " \xe2\x9c\x97", "\033[31m" }, [STEP_CANCELLED] = { " -", "\033[33m" },
	};
	struct tree_step *st = tree_step(t, ev->step);
	char right[40];

	st->running = false;
	t->finished++;
	if (ev->state == STEP_CACHED)
		snprintf(right, sizeof(right), "cached");
	else if (ev->state == STEP_CANCELLED)
		snprintf(right, sizeof(right), "cancelled");
	else
		snprintf(right, sizeof(right), "%.1fs", ev->seconds);
	add_row(t, b, looks[ev->state].mark, looks[ev->state].style, st->name ? st->name : "", right);
}

static void tree_send(struct sink *s, const struct event *ev)
{
	struct tree *t = container_of(container_of(s, struct view, sink), struct tree, view);
	auto_buf struct buf b = { 0 };
	auto_lock pthread_mutex_t *held = lock_hold(&t->lock);

	switch (ev->kind) {
	case EV_STEP_START:
		step_started(t, ev);
		return;
	case EV_STEP_LOG:
		step_log(t, ev);
		return;
	case EV_STEP_BYTES:
		tree_step(t, ev->step)->bytes = ev->bytes;
		tree_step(t, ev->step)->total = ev->total;
		return;
	case EV_STEP_DONE:
		erase_region(t, &b);
		step_done(t, ev, &b);
		break;
	case EV_NOTE:
	case EV_WARN:
		erase_region(t, &b);
		buf_printf(&b, "%s" STR_FMT "\n", ev->kind == EV_WARN ? "warning: " : "", STR_ARG(ev->text));
		break;
	}
	flush_drawing(t, &b);
}

static void tree_free(struct view *v)
{
	struct tree *t = container_of(v, struct tree, view);
	auto_buf struct buf b = { 0 };

	pthread_mutex_lock(&t->lock);
	t->ending = true;
	erase_region(t, &b);
	flush_drawing(t, &b);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	if (t->ticking)
		pthread_join(t->ticker, NULL);
	for (size_t i = 0; i < t->n; i++) {
		free(t->steps[i].name);
		buf_done(&t->steps[i].last);
		buf_done(&t->steps[i].part);
	}
	free(t->steps);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

struct view *tree_new(FILE *out)
{
	struct tree *t = xcalloc(1, sizeof(*t));
	auto_err struct err e = { 0 };

	t->view = (struct view){ { tree_send }, tree_free };
	t->out = out;
	t->color = !getenv("NO_COLOR");
	t->started = clock_mono_ns();
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	t->ticking = thread_start(&t->ticker, ticker_main, t, &e) == 0;
	return &t->view;
}
