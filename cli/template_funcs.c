/* SPDX-License-Identifier: Apache-2.0 */
/* What templates can call, and how values are printed. */
#include <ctype.h>
#include <stdio.h>

#include "cli/template_node.h"

bool value_truth(const json_t *v)
{
	if (!v)
		return false;
	switch (json_typeof(v)) {
	case JSON_OBJECT: return json_object_size(v) > 0;
	case JSON_ARRAY: return json_array_size(v) > 0;
	case JSON_STRING: return json_string_length(v) > 0;
	case JSON_INTEGER: return json_integer_value(v) != 0;
	case JSON_REAL: return json_real_value(v) != 0;
	default: return json_is_true(v);
	}
}

static int key_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void map_text(const json_t *v, struct buf *ret)
{
	auto_free const char **keys = xcalloc(json_object_size(v) + 1, sizeof(*keys));
	const char *key;
	size_t n = 0;
	json_t *value;

	json_object_foreach((json_t *)v, key, value)
		keys[n++] = key;
	qsort(keys, n, sizeof(*keys), key_order);
	buf_puts(ret, "map[");
	for (size_t i = 0; i < n; i++) {
		buf_printf(ret, "%s%s:", i ? " " : "", keys[i]);
		value_text(json_object_get(v, keys[i]), ret);
	}
	buf_putc(ret, ']');
}

/* The shortest decimal that reads back as the same number. */
static void real_text(double f, struct buf *ret)
{
	char text[40];

	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, f);
		if (strtod(text, NULL) == f)
			break;
	}
	buf_puts(ret, text);
}

void value_text(const json_t *v, struct buf *ret)
{
	if (!v) {
		buf_puts(ret, "<no value>");
		return;
	}
	switch (json_typeof(v)) {
	case JSON_OBJECT: map_text(v, ret); break;
	case JSON_STRING: buf_str(ret, (struct str){ json_string_value(v), json_string_length(v) }); break;
	case JSON_INTEGER: buf_printf(ret, "%lld", (long long)json_integer_value(v)); break;
	case JSON_REAL: real_text(json_real_value(v), ret); break;
	case JSON_TRUE: buf_puts(ret, "true"); break;
	case JSON_FALSE: buf_puts(ret, "false"); break;
	case JSON_NULL: buf_puts(ret, "<nil>"); break;
	case JSON_ARRAY:
		buf_putc(ret, '[');
		for (size_t i = 0; i < json_array_size(v); i++) {
			if (i)
				buf_putc(ret, ' ');
			value_text(json_array_get(v, i), ret);
		}
		buf_putc(ret, ']');
		break;
	}
}

static json_t *text_value(const struct buf *b)
{
	return json_stringn(b->p ? b->p : "", b->n);
}

static int want_string(const json_t *v, struct str *ret, struct err *e)
{
	if (!json_is_string(v))
		return err_set(e, ERR_USAGE, "it wants a string");
	*ret = (struct str){ json_string_value(v), json_string_length(v) };
	return 0;
}

static int want_int(const json_t *v, int64_t *ret, struct err *e)
{
	if (!json_is_integer(v))
		return err_set(e, ERR_USAGE, "it wants a whole number");
	*ret = json_integer_value(v);
	return 0;
}

static int f_not(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e UNUSED)
{
	*ret = json_boolean(!value_truth(a[0]));
	return 0;
}

static int f_len(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e)
{
	if (json_is_string(a[0]))
		*ret = json_integer((json_int_t)json_string_length(a[0]));
	else if (json_is_array(a[0]))
		*ret = json_integer((json_int_t)json_array_size(a[0]));
	else if (json_is_object(a[0]))
		*ret = json_integer((json_int_t)json_object_size(a[0]));
	else
		return err_set(e, ERR_USAGE, "it wants a string, a list or a map");
	return 0;
}

/* An entry that is missing is "" in a map of strings (as Go's zero value is), else no value. */
static json_t *map_entry(json_t *map, const char *key)
{
	json_t *v = json_object_get(map, key), *other;
	const char *name;

	if (v)
		return json_incref(v);
	json_object_foreach(map, name, other)
		if (!json_is_string(other))
			return NULL;
	return json_string("");
}

static int f_index(json_t *const *a, size_t n, json_t **ret, struct err *e)
{
	json_t *v = json_incref(a[0]), *next;
	struct str key = { 0 };
	int64_t i = 0;

	for (size_t k = 1; k < n; k++) {
		next = NULL;
		if (json_is_array(v)) {
			if (want_int(a[k], &i, e) < 0)
				goto bad;
			if (i < 0 || (uint64_t)i >= json_array_size(v)) {
				err_set(e, ERR_USAGE, "%lld is out of range, there are %zu", (long long)i,
					json_array_size(v));
				goto bad;
			}
			next = json_incref(json_array_get(v, (size_t)i));
		} else if (json_is_object(v)) {
			if (want_string(a[k], &key, e) < 0)
				goto bad;
			next = map_entry(v, key.p);
		} else {
			err_set(e, ERR_USAGE, "it wants a list or a map");
			goto bad;
		}
		json_decref(v);
		v = next;
	}
	*ret = v;
	return 0;
bad:
	json_decref(v);
	return -1;
}

static int f_slice(json_t *const *a, size_t n, json_t **ret, struct err *e)
{
	int64_t from = 0, to, size;

	if (!json_is_array(a[0]) && !json_is_string(a[0]))
		return err_set(e, ERR_USAGE, "it wants a string or a list");
	size = (int64_t)(json_is_array(a[0]) ? json_array_size(a[0]) : json_string_length(a[0]));
	to = size;
	if ((n > 1 && want_int(a[1], &from, e) < 0) || (n > 2 && want_int(a[2], &to, e) < 0))
		return -1;
	if (from < 0 || to > size || from > to)
		return err_set(e, ERR_USAGE, "out of range");
	if (json_is_string(a[0])) {
		*ret = json_stringn(json_string_value(a[0]) + from, (size_t)(to - from));
		return *ret ? 0 : err_set(e, ERR_USAGE, "it cuts a character in two");
	}
	*ret = json_array();
	for (; from < to; from++)
		json_array_append(*ret, json_array_get(a[0], (size_t)from));
	return 0;
}

/* Blanks as Go's Sprint (between two that are no strings) or Sprintln (everywhere). */
static int print_all(json_t *const *a, size_t n, bool line, json_t **ret)
{
	auto_buf struct buf b = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (i && (line || (!json_is_string(a[i - 1]) && !json_is_string(a[i]))))
			buf_putc(&b, ' ');
		value_text(a[i], &b);
	}
	if (line)
		buf_putc(&b, '\n');
	*ret = text_value(&b);
	return 0;
}

static int f_print(json_t *const *a, size_t n, json_t **ret, struct err *e UNUSED)
{
	return print_all(a, n, false, ret);
}

static int f_println(json_t *const *a, size_t n, json_t **ret, struct err *e UNUSED)
{
	return print_all(a, n, true, ret);
}

struct spec {			/* "%-5.2d" */
	bool left, zero, plus;
	size_t width, prec;
	bool has_prec;
	char verb;
};

static size_t take_count(const char **p)
{
	size_t v = 0;

	while (isdigit((unsigned char)**p) && v < 1000)
		v = v * 10 + (size_t)(*(*p)++ - '0');
	return MIN(v, (size_t)999);
}

static struct spec take_spec(const char **p)
{
	struct spec s = { 0 };

	for (; **p && strchr("-0+", **p); (*p)++) {
		s.left |= **p == '-';
		s.zero |= **p == '0';
		s.plus |= **p == '+';
	}
	s.width = take_count(p);
	if (**p == '.') {
		(*p)++;
		s.has_prec = true;
		s.prec = take_count(p);
	}
	s.verb = **p;
	if (s.verb)
		(*p)++;
	return s;
}

static int number_text(const struct spec *s, const json_t *v, struct buf *b, struct err *e)
{
	if (strchr("dxX", s->verb)) {
		long long i = json_integer_value(v);

		if (!json_is_integer(v))
			return err_set(e, ERR_USAGE, "%%%c wants a whole number", s->verb);
		if (s->plus && i >= 0)
			buf_putc(b, '+');
		if (s->verb == 'd')
			buf_printf(b, "%lld", i);
		else if (s->verb == 'x')
			buf_printf(b, "%s%llx", i < 0 ? "-" : "", i < 0 ? -(unsigned long long)i : (unsigned long long)i);
		else
			buf_printf(b, "%s%llX", i < 0 ? "-" : "", i < 0 ? -(unsigned long long)i : (unsigned long long)i);
		return 0;
	}
	if (!json_is_number(v))
		return err_set(e, ERR_USAGE, "%%%c wants a number", s->verb);
	if (s->verb == 'f')
		buf_printf(b, "%.*f", s->has_prec ? (int)s->prec : 6, json_number_value(v));
	else if (s->verb == 'e')
		buf_printf(b, "%.*e", s->has_prec ? (int)s->prec : 6, json_number_value(v));
	else
		real_text(json_number_value(v), b);
	return 0;
}

static int verb_text(const struct spec *s, const json_t *v, struct buf *b, struct err *e)
{
	struct str text = { 0 };

	switch (s->verb) {
	case 's': case 'v':
		value_text(v, b);
		if (s->verb == 's' && s->has_prec && b->n > s->prec) {
			b->n = s->prec;
			b->p[b->n] = '\0';
		}
		return 0;
	case 'q':
		if (want_string(v, &text, e) < 0)
			return -1;
		buf_go_quote(b, text);
		return 0;
	case 't':
		if (!json_is_boolean(v))
			return err_set(e, ERR_USAGE, "%%t wants a truth value");
		value_text(v, b);
		return 0;
	case 'd': case 'x': case 'X': case 'f': case 'e': case 'g':
		return number_text(s, v, b, e);
	default:
		return err_set(e, ERR_USAGE, "a verb that is not known: %%%c", s->verb ? s->verb : ' ');
	}
}

static void pad_text(const struct spec *s, const struct buf *b, struct buf *ret)
{
	size_t fill = b->n < s->width ? s->width - b->n : 0, sign = 0;
	bool zero = s->zero && !s->left && !strchr("svqt", s->verb);

	if (zero && b->n && (b->p[0] == '-' || b->p[0] == '+'))
		buf_putc(ret, b->p[sign++]);
	for (size_t i = 0; i < fill && !s->left; i++)
		buf_putc(ret, zero ? '0' : ' ');
	buf_str(ret, str_sub(buf_view(b), sign, b->n));
	for (size_t i = 0; i < fill && s->left; i++)
		buf_putc(ret, ' ');
}

static int f_printf(json_t *const *a, size_t n, json_t **ret, struct err *e)
{
	auto_buf struct buf out = { 0 };
	struct str format = { 0 };
	size_t next = 1;

	if (want_string(a[0], &format, e) < 0)
		return -1;
	for (const char *p = format.p; *p; ) {
		auto_buf struct buf one = { 0 };
		struct spec s;

		if (*p != '%') {
			buf_putc(&out, *p++);
			continue;
		}
		p++;
		if (*p == '%') {
			buf_putc(&out, *p++);
			continue;
		}
		s = take_spec(&p);
		if (next >= n)
			return err_set(e, ERR_USAGE, "more verbs than arguments");
		if (verb_text(&s, a[next++], &one, e) < 0)
			return -1;
		pad_text(&s, &one, &out);
	}
	if (next < n)
		return err_set(e, ERR_USAGE, "more arguments than verbs");
	*ret = text_value(&out);
	return *ret ? 0 : err_set(e, ERR_USAGE, "it cuts a character in two");
}

/* -1, 0, 1 in *ret; only equality is asked of truth values and of nil. */
static int compare(const json_t *a, const json_t *b, bool order, int *ret, struct err *e)
{
	if (json_is_number(a) && json_is_number(b)) {
		double x = json_number_value(a), y = json_number_value(b);

		*ret = (x > y) - (x < y);
	} else if (json_is_string(a) && json_is_string(b)) {
		*ret = strcmp(json_string_value(a), json_string_value(b));
	} else if (!order && (!a || !b || json_is_null(a) || json_is_null(b))) {
		*ret = (!a || json_is_null(a)) != (!b || json_is_null(b));
	} else if (!order && json_is_boolean(a) && json_is_boolean(b)) {
		*ret = json_is_true(a) != json_is_true(b);
	} else {
		return err_set(e, ERR_USAGE, "these two cannot be compared");
	}
	return 0;
}

static int f_eq(json_t *const *a, size_t n, json_t **ret, struct err *e)
{
	bool hit = false;
	int d;

	for (size_t i = 1; i < n && !hit; i++) {
		if (compare(a[0], a[i], false, &d, e) < 0)
			return -1;
		hit = d == 0;
	}
	*ret = json_boolean(hit);
	return 0;
}

static int f_ne(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e)
{
	int d;

	if (compare(a[0], a[1], false, &d, e) < 0)
		return -1;
	*ret = json_boolean(d != 0);
	return 0;
}

#define ORDER(name, op) \
	static int name(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e) \
	{ \
		int d; \
		\
		if (compare(a[0], a[1], true, &d, e) < 0) \
			return -1; \
		*ret = json_boolean(d op 0); \
		return 0; \
	}
ORDER(f_lt, <)
ORDER(f_le, <=)
ORDER(f_gt, >)
ORDER(f_ge, >=)

static int f_json(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e UNUSED)
{
	auto_free char *text = a[0] ? json_dumps(a[0], JSON_COMPACT | JSON_ENCODE_ANY) : xstrdup("null");

	*ret = json_string(text);
	return 0;
}

static int f_join(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e)
{
	auto_buf struct buf b = { 0 };
	struct str sep = { 0 };

	if (want_string(a[1], &sep, e) < 0)
		return -1;
	if (!json_is_array(a[0]))
		return err_set(e, ERR_USAGE, "it wants a list");
	for (size_t i = 0; i < json_array_size(a[0]); i++) {
		if (i)
			buf_str(&b, sep);
		value_text(json_array_get(a[0], i), &b);
	}
	*ret = text_value(&b);
	return 0;
}

static int f_split(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e)
{
	struct str s = { 0 }, sep = { 0 };
	const char *p, *hit;

	if (want_string(a[0], &s, e) < 0 || want_string(a[1], &sep, e) < 0)
		return -1;
	if (sep.n == 0)
		return err_set(e, ERR_USAGE, "an empty separator");
	*ret = json_array();
	for (p = s.p; (hit = strstr(p, sep.p)) != NULL; p = hit + sep.n)
		json_array_append_new(*ret, json_stringn(p, (size_t)(hit - p)));
	json_array_append_new(*ret, json_string(p));
	return 0;
}

static int change_case(const json_t *v, bool first_only, int (*change)(int), json_t **ret, struct err *e)
{
	auto_buf struct buf b = { 0 };
	struct str s = { 0 };

	if (want_string(v, &s, e) < 0)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		bool here = !first_only || i == 0 || isspace((unsigned char)s.p[i - 1]);

		buf_putc(&b, here && !(s.p[i] & 0x80) ? (char)change((unsigned char)s.p[i]) : s.p[i]);
	}
	*ret = text_value(&b);
	return 0;
}

static int f_lower(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e)
{
	return change_case(a[0], false, tolower, ret, e);
}

static int f_upper(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e)
{
	return change_case(a[0], false, toupper, ret, e);
}

static int f_title(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e)
{
	return change_case(a[0], true, toupper, ret, e);
}

static int f_pad(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e)
{
	auto_buf struct buf b = { 0 };
	int64_t before = 0, after = 0;
	struct str s = { 0 };

	if (want_string(a[0], &s, e) < 0 || want_int(a[1], &before, e) < 0 || want_int(a[2], &after, e) < 0)
		return -1;
	if (before < 0 || before > 1000 || after < 0 || after > 1000)
		return err_set(e, ERR_USAGE, "out of range");
	buf_printf(&b, "%*s%s%*s", (int)before, "", s.p, (int)after, "");
	if (s.n == 0)	/* Docker pads nothing to nothing */
		buf_reset(&b);
	*ret = text_value(&b);
	return 0;
}

static int f_truncate(json_t *const *a, size_t n UNUSED, json_t **ret, struct err *e)
{
	struct str s = { 0 };
	int64_t max = 0;

	if (want_string(a[0], &s, e) < 0 || want_int(a[1], &max, e) < 0)
		return -1;
	if (max < 0)
		return err_set(e, ERR_USAGE, "out of range");
	while ((uint64_t)max < s.n && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;	/* not within a character */
	*ret = json_stringn(s.p, MIN((size_t)max, s.n));
	return 0;
}

static const struct template_func funcs[] = {
	{ "not", 1, 1, f_not }, { "len", 1, 1, f_len }, { "index", 1, 100, f_index }, { "slice", 1, 3, f_slice },
	{ "print", 0, 100, f_print }, { "println", 0, 100, f_println }, { "printf", 1, 100, f_printf },
	{ "eq", 2, 100, f_eq }, { "ne", 2, 2, f_ne }, { "lt", 2, 2, f_lt }, { "le", 2, 2, f_le },
	{ "gt", 2, 2, f_gt }, { "ge", 2, 2, f_ge }, { "json", 1, 1, f_json }, { "join", 2, 2, f_join },
	{ "split", 2, 2, f_split }, { "lower", 1, 1, f_lower }, { "upper", 1, 1, f_upper },
	{ "title", 1, 1, f_title }, { "pad", 3, 3, f_pad }, { "truncate", 2, 2, f_truncate },
};

const struct template_func *template_func_find(struct str name)
{
	for (size_t i = 0; i < countof(funcs); i++)
		if (str_is(name, funcs[i].name))
			return &funcs[i];
	return NULL;
}

const char *template_func_near(struct str name)
{
	const char *names[countof(funcs) + 1] = { NULL };

	for (size_t i = 0; i < countof(funcs); i++)
		names[i] = funcs[i].name;
	return str_nearest(name, names);
}
