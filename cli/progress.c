/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing how a job is shown; the quiet display, which shows warnings only. */
#include "cli/progress.h"

#include <unistd.h>

struct progress {
	struct view *view;
};

int progress_new(const char *mode, FILE *out, struct progress **ret, struct err *e)
{
	static const struct {
		const char *name;
		struct view *(*make)(FILE *out);
	} modes[] = {
		{ "tty", tree_new }, { "plain", plain_new }, { "json", jsonl_new },
		{ "rawjson", jsonl_new }, { "quiet", quiet_new }, { "none", quiet_new },
	};
	struct progress *p;

	if (strcmp(mode, "auto") == 0)
		mode = isatty(fileno(out)) ? "tty" : "plain";
	for (size_t i = 0; i < countof(modes); i++) {
		if (strcmp(mode, modes[i].name) != 0)
			continue;
		p = xcalloc(1, sizeof(*p));
		p->view = modes[i].make(out);
		*ret = p;
		return 0;
	}
	err_set(e, ERR_USAGE, "unknown progress mode \"%s\"", mode);
	return err_hint(e, "take auto, tty, plain, json or quiet");
}

struct sink *progress_sink(struct progress *p)
{
	return &p->view->sink;
}

void progress_free(struct progress *p)
{
	if (!p)
		return;
	p->view->free(p->view);
	free(p);
}

struct quiet {
	struct view view;
	FILE *out;
};

static void quiet_send(struct sink *s, const struct event *ev)
{
	struct quiet *q = container_of(container_of(s, struct view, sink), struct quiet, view);

	if (ev->kind == EV_WARN)
		fprintf(q->out, "warning: " STR_FMT "\n", STR_ARG(ev->text));
}

static void quiet_free(struct view *v)
{
	free(container_of(v, struct quiet, view));
}

struct view *quiet_new(FILE *out)
{
	struct quiet *q = xcalloc(1, sizeof(*q));

	q->view = (struct view){ { quiet_send }, quiet_free };
	q->out = out;
	return &q->view;
}
