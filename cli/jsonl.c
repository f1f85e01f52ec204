/* SPDX-License-Identifier: Apache-2.0 */
/* Progress as JSON lines, one object per event, for programs. */
#include <pthread.h>

#include "base/clock.h"
#include "base/task.h"
#include "cli/progress.h"

struct jsonl {
	struct view view;
	FILE *out;
	pthread_mutex_t lock;
};

static const char *const kinds[] = {
	[EV_STEP_START] = "start", [EV_STEP_LOG] = "log", [EV_STEP_BYTES] = "bytes",
	[EV_STEP_DONE] = "done", [EV_NOTE] = "note", [EV_WARN] = "warning",
};
static const char *const states[] = {
	[STEP_DONE] = "done", [STEP_CACHED] = "cached",
	[STEP_FAILED] = "failed", [STEP_CANCELLED] = "cancelled",
};

static void add_field(struct buf *b, const char *key, struct str value)
{
	buf_printf(b, ",\"%s\":", key);
	buf_json_str(b, value);
}

static void jsonl_send(struct sink *s, const struct event *ev)
{
	struct jsonl *j = container_of(container_of(s, struct view, sink), struct jsonl, view);
	auto_buf struct buf b = { 0 };
	char time[CLOCK_TEXT_MAX];

	buf_printf(&b, "{\"time\":\"%s\",\"event\":\"%s\"", clock_rfc3339(clock_now_ns(), time), kinds[ev->kind]);
	if (ev->step)
		buf_printf(&b, ",\"step\":%d", ev->step);
	if (ev->name)
		add_field(&b, "name", str_of(ev->name));
	if (ev->kind == EV_STEP_DONE)
		buf_printf(&b, ",\"state\":\"%s\",\"seconds\":%.3f", states[ev->state], ev->seconds);
	if (ev->kind == EV_STEP_LOG)
		buf_printf(&b, ",\"stream\":%d", ev->stream);
	if (ev->kind == EV_STEP_BYTES)
		buf_printf(&b, ",\"bytes\":%llu,\"total\":%llu", (unsigned long long)ev->bytes,
			   (unsigned long long)ev->total);
	if (ev->text.n)
		add_field(&b, "text", ev->text);
	buf_puts(&b, "}\n");
	auto_lock pthread_mutex_t *held = lock_hold(&j->lock);
	fwrite(b.p, 1, b.n, j->out);
	fflush(j->out);
}

static void jsonl_free(struct view *v)
{
	struct jsonl *j = container_of(v, struct jsonl, view);

	pthread_mutex_destroy(&j->lock);
	free(j);
}

struct view *jsonl_new(FILE *out)
{
	struct jsonl *j = xcalloc(1, sizeof(*j));

	j->view = (struct view){ { jsonl_send }, jsonl_free };
	j->out = out;
	pthread_mutex_init(&j->lock, NULL);
	return &j->view;
}
