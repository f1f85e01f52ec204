/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as JSON or by a template; the prune commands' words. */
#include "cli/show.h"

#include "cli/format.h"
#include "cli/template.h"
#include "cli/session.h"

static void print_all(FILE *out, const json_t *list, bool compact)
{
	auto_free char *text = json_array_size(list) == 0 ? xstrdup("[]") :
		json_dumps(list, compact ? JSON_COMPACT : JSON_INDENT(4));

	fprintf(out, "%s\n", text ? text : "[]");
}

int show_check(const char *format, struct err *e)
{
	auto_arena struct arena arena = { 0 };
	struct template t;

	return !format || strcmp(format, "json") == 0 ? 0 : template_parse(format, &arena, &t, e);
}

int show_objects(FILE *out, const char *format, const json_t *list, struct err *e)
{
	auto_arena struct arena arena = { 0 };
	struct template t;

	if (!format || strcmp(format, "json") == 0) {
		print_all(out, list, format != NULL);
		return 0;
	}
	if (template_parse(format, &arena, &t, e) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		auto_buf struct buf text = { 0 };

		if (template_run(&t, json_array_get(list, i), &text, e) < 0)
			return -1;
		buf_putc(&text, '\n');
		fwrite(text.p, 1, text.n, out);
	}
	return 0;
}

bool show_confirm(struct cli *c, const char *text)
{
	char line[64];

	fprintf(c->out, "WARNING! %s\nAre you sure you want to continue? [y/N] ", text);
	fflush(c->out);
	return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}

void show_deleted(FILE *out, const char *what, const struct strv *names)
{
	if (!names->n)
		return;
	fprintf(out, "Deleted %s:\n", what);
	for (size_t i = 0; i < names->n; i++)
		fprintf(out, "%s\n", names->v[i]);
	fputc('\n', out);
}

void show_reclaimed(FILE *out, uint64_t bytes)
{
	char size[FORMAT_SIZE_MAX];

	fprintf(out, "Total reclaimed space: %s\n", format_size(bytes, 4, size));
}

int show_each(struct cli *c, const char *format, int argc, char **argv, show_get *get, struct err *e)
{
	json_t *list = json_array(), *o;
	struct session ss;
	int status = 0;

	if (session_open_plain(&ss, c, e) < 0) {
		json_decref(list);
		return -1;
	}
	for (int i = 0; i < argc; i++) {
		auto_err struct err one = { 0 };

		if (get(ss.store, argv[i], &o, &one) == 0) {
			json_array_append_new(list, o);
			continue;
		}
		session_print_err(c, &one);
		status = 1;
	}
	session_close(&ss);
	if (show_objects(c->out, format, list, e) < 0)
		status = -1;
	json_decref(list);
	return status;
}
