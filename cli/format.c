/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of listing commands. */
#include "cli/format.h"

#include "cli/table.h"
#include "cli/template.h"

struct format {
	const struct format_field *fields;
	enum { FORMAT_TABLE, FORMAT_TEMPLATE, FORMAT_JSON } kind;
	bool heads;
	struct template t;
	struct arena arena;
	struct buf out;
};

static const struct format_field *field_find(const struct format_field *f, struct str name)
{
	for (; f->name; f++)
		if (str_is(name, f->name))
			return f;
	return NULL;
}

struct field_check {
	const struct format_field *fields;
	struct err *e;
	bool bad;
};

static void check_field(void *arg, struct str name)
{
	struct field_check *c = arg;
	const char *names[64] = { NULL }, *near;
	size_t n = 0;

	if (c->bad || field_find(c->fields, name))
		return;
	for (const struct format_field *f = c->fields; f->name && n + 1 < countof(names); f++)
		names[n++] = f->name;
	near = str_nearest(name, names);
	err_set(c->e, ERR_USAGE, "--format: there is no field " STR_FMT "%s%s%s", STR_ARG(name),
		near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	c->bad = true;
}

/* As Docker does, "\t" and "\n" typed by a user become what they mean. */
static char *unescape(const char *text)
{
	auto_buf struct buf b = { 0 };

	for (; *text; text++) {
		bool escape = text[0] == '\\' && (text[1] == 't' || text[1] == 'n');

		buf_putc(&b, !escape ? *text : text[1] == 't' ? '\t' : '\n');
		text += escape;
	}
	return buf_take(&b);
}

int format_new(const char *text, const char *columns, const struct format_field *fields, bool heads,
	       struct format **ret, struct err *e)
{
	struct format *f = xcalloc(1, sizeof(*f));
	auto_free char *template = NULL;
	struct field_check check = { fields, e, false };

	f->fields = fields;
	f->kind = FORMAT_TEMPLATE;
	if (!text || !*text || strcmp(text, "table") == 0) {
		f->kind = FORMAT_TABLE;
		text = columns;
	} else if (strncmp(text, "table ", 6) == 0) {
		f->kind = FORMAT_TABLE;
		text += 6;
	} else if (strcmp(text, "json") == 0) {
		f->kind = FORMAT_JSON;
		text = "{{json .}}";
	}
	f->heads = heads && f->kind == FORMAT_TABLE;
	template = unescape(text);
	if (template_parse(template, &f->arena, &f->t, e) < 0) {
		format_free(f);
		return -1;
	}
	template_fields(&f->t, check_field, &check);
	if (check.bad) {
		format_free(f);
		return -1;
	}
	*ret = f;
	return 0;
}

struct field_search {
	const char *name;
	bool found;
};

static void search_field(void *arg, struct str name)
{
	struct field_search *s = arg;

	s->found |= str_is(name, s->name);
}

bool format_uses(const struct format *f, const char *field)
{
	struct field_search s = { field, f->kind == FORMAT_JSON };

	template_fields(&f->t, search_field, &s);
	return s.found;
}

static int add_row(struct format *f, const json_t *row, struct err *e)
{
	if (template_run(&f->t, row, &f->out, e) < 0)
		return -1;
	buf_putc(&f->out, '\n');
	return 0;
}

int format_row(struct format *f, json_t *row, struct err *e)
{
	int r;

	if (f->kind == FORMAT_JSON)
		for (const struct format_field *fd = f->fields; fd->name; fd++)
			if (!fd->head)
				json_object_del(row, fd->name);
	r = add_row(f, row, e);
	json_decref(row);
	return r;
}

/* The line of headings: the template on an object that has them as its values. */
static void add_heads(struct format *f, struct buf *ret)
{
	auto_err struct err e = { 0 };
	json_t *row = json_object();
	size_t n = ret->n;

	for (const struct format_field *fd = f->fields; fd->name; fd++)
		json_object_set_new(row, fd->name, json_string(fd->head ? fd->head : ""));
	if (template_run(&f->t, row, ret, &e) < 0 && ret->p)
		ret->p[ret->n = n] = '\0';	/* what it does with values cannot be done with headings */
	else
		buf_putc(ret, '\n');
	json_decref(row);
}

void format_print(struct format *f, FILE *out)
{
	auto_buf struct buf text = { 0 };

	if (f->kind != FORMAT_TABLE) {
		fwrite(f->out.p ? f->out.p : "", 1, f->out.n, out);
		return;
	}
	if (f->heads)
		add_heads(f, &text);
	buf_str(&text, buf_view(&f->out));
	table_print(buf_view(&text), out);
}

void format_free(struct format *f)
{
	if (!f)
		return;
	arena_done(&f->arena);
	buf_done(&f->out);
	free(f);
}

const char *format_size(uint64_t bytes, int digits, char ret[static FORMAT_SIZE_MAX])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t i = 0;

	for (; v >= 1000 && i + 1 < countof(units); i++)
		v /= 1000;
	snprintf(ret, FORMAT_SIZE_MAX, "%.*g%s", digits, v, units[i]);
	/* 999.9 with three digits is "1e+03" */
	if (strchr(ret, 'e'))
		snprintf(ret, FORMAT_SIZE_MAX, "%.0f%s", v, units[i]);
	return ret;
}

void format_ellipsis(struct str text, size_t n, struct buf *ret)
{
	size_t i = 0, chars = 0, cut = text.n;

	for (; i < text.n; i++) {
		if (((unsigned char)text.p[i] & 0xc0) == 0x80)
			continue;
		if (chars == n - 1)
			cut = i;
		if (++chars > n)
			break;
	}
	if (chars <= n) {
		buf_str(ret, text);
		return;
	}
	buf_add(ret, text.p, cut);
	buf_puts(ret, "\xe2\x80\xa6");
}
