/* SPDX-License-Identifier: Apache-2.0 */
/* The report of a failed step. */
#include "engine/build_report.h"

#include <fcntl.h>

#include "base/fs.h"
#include "builder/graph.h"
#include "cache/store.h"
#include "parser/source.h"

#define TAIL_BYTES ((off_t)256 << 10)	/* the last 40 lines are looked for in so much */

/* The step's lines, two before and after, a mark at its own. */
static char *render_place(const struct source *src, const struct node *n)
{
	auto_buf struct buf b = { 0 };
	unsigned first = n->line > 2 ? n->line - 2 : 1, last = n->line_end + 2;

	if (n->at.src != src)
		return NULL;
	buf_printf(&b, "%s:%u\n", src->name, n->line);
	for (unsigned i = first; i <= last && i <= src->nlines; i++) {
		struct str line = source_line(src, i);

		if (i == src->nlines && line.n == 0)
			break;
		buf_printf(&b, "%5u | %s " STR_FMT "\n", i, i >= n->line && i <= n->line_end ? ">>>" : "   ",
			   STR_ARG(line));
	}
	return buf_take(&b);
}

static char *last_lines(struct str text, size_t lines)
{
	size_t at = text.n;

	while (at > 0 && text.p[at - 1] == '\n')
		at--;
	text.n = at;
	while (at > 0 && lines > 0)
		if (text.p[--at] == '\n' && --lines == 0)
			at++;
	text = str_sub(text, at, text.n);
	return text.n ? xasprintf(STR_FMT "\n", STR_ARG(text)) : xstrdup("");
}

static char *read_tail(const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (st.st_size > TAIL_BYTES)
		lseek(fd, st.st_size - TAIL_BYTES, SEEK_SET);
	if (fs_read_fd(fd, 2 * (size_t)TAIL_BYTES, &b, &e) < 0)
		return NULL;
	return last_lines(buf_view(&b), REPORT_LOG_LINES);
}

void build_report_fill(struct build_report *r, const struct source *src, const struct vertex *v, struct store *s,
		       const char *build_id)
{
	if (!v)
		return;
	r->step = xstrdup(v->name);
	if (v->node)
		r->place = render_place(src, v->node);
	r->log_path = xasprintf("%s/%s/%s/%d.log", store_path(s), store_dir_name(STORE_BUILDS), build_id, v->step);
	r->log_tail = read_tail(r->log_path);
}

void build_report_done(struct build_report *r)
{
	free(r->step);
	free(r->place);
	free(r->log_tail);
	free(r->log_path);
	free(r->diagnostics);
	*r = (struct build_report){ 0 };
}
