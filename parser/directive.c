/* SPDX-License-Identifier: Apache-2.0 */
/* Which front end a text asks for, and the text of check directives (spec/dockerfile.md 1.2). */
#include <strings.h>

#include "parser/dockerfile.h"
#include "parser/words.h"

static struct str line_cut(struct str *rest)
{
	struct str s = str_cut(rest, '\n');

	while (s.n && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

/* "PREFIX key = value": false if the line is none. */
static bool comment_directive(struct str s, const char *prefix, struct str *key, struct str *value)
{
	s = space_trim_left(s);
	if (!str_starts(s, prefix))
		return false;
	*value = str_sub(s, strlen(prefix), s.n);
	*key = str_trim(str_cut(value, '='));
	*value = str_trim(*value);
	if (key->n == 0 || value->n == 0)
		return false;
	for (size_t i = 0; i < key->n; i++) {
		char c = key->p[i];

		if (!((c | 32) >= 'a' && (c | 32) <= 'z') && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return true;
}

/* The leading lines that are directives in this style of comments. */
static bool detect_comments(struct str text, const char *prefix, unsigned line, struct str *ret,
			    unsigned *at)
{
	struct str key, value;

	for (; text.p && text.n; line++) {
		if (!comment_directive(line_cut(&text), prefix, &key, &value))
			return false;
		if (str_is_nocase(key, "syntax")) {
			*ret = value;
			*at = line;
			return true;
		}
		if (!str_is_nocase(key, "escape") && !str_is_nocase(key, "check"))
			return false;
	}
	return false;
}

/* {"syntax": "ref", ...}: looks for the member at the top level of an object, by its text. */
static bool detect_json(struct str text, unsigned line, struct str *ret, unsigned *at)
{
	struct str s = str_trim(text);
	int depth = 0;

	if (s.n == 0 || s.p[0] != '{')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		size_t start = i + 1;
		struct str word, rest;

		depth += s.p[i] == '{' || s.p[i] == '[';
		depth -= s.p[i] == '}' || s.p[i] == ']';
		if (s.p[i] != '"')
			continue;
		for (i++; i < s.n && s.p[i] != '"'; i++)
			i += s.p[i] == '\\';
		word = str_sub(s, start, i - start);
		rest = str_trim(str_sub(s, i + 1, s.n));
		if (depth != 1 || !str_is(word, "syntax") || !str_starts(rest, ":"))
			continue;
		rest = str_trim(str_sub(rest, 1, rest.n));
		if (!str_starts(rest, "\""))
			return false;
		rest = str_sub(rest, 1, rest.n);
		*ret = str_cut(&rest, '"');
		for (const char *p = text.p; p < ret->p; p++)
			line += *p == '\n';
		*at = line;
		return ret->n > 0;
	}
	return false;
}

bool syntax_detect(struct str text, struct str *ref, struct str *all, unsigned *line)
{
	unsigned from = 1;
	struct str value;

	if (str_starts(text, "\xef\xbb\xbf"))
		text = str_sub(text, 3, text.n);
	if (str_starts(text, "#!")) {
		line_cut(&text);
		from++;
	}
	if (!detect_comments(text, "#", from, &value, line) &&
	    !detect_comments(text, "//", from, &value, line) &&
	    !detect_json(text, from, &value, line))
		return false;
	*all = value;
	*ref = str_cut(&value, ' ');
	return true;
}

static void split_names(struct str text, struct arena *a, bool *all, struct str **ret, size_t *n)
{
	auto_words struct strs names = { 0 };

	while (text.p && text.n) {
		struct str name = str_trim(str_cut(&text, ','));

		if (str_is_nocase(name, "all"))
			*all = true;
		else if (name.n)
			words_add(&names, name);
	}
	*n = names.n;
	*ret = arena_array(a, struct str, names.n + 1);
	if (names.n)
		memcpy(*ret, names.v, names.n * sizeof(**ret));
}

static bool bool_text(struct str s, bool *ret)
{
	static const char *const on[] = { "1", "t", "true" }, *const off[] = { "0", "f", "false" };

	for (size_t i = 0; i < countof(on); i++) {
		*ret = str_is_nocase(s, on[i]);
		if (*ret || str_is_nocase(s, off[i]))
			return true;
	}
	return false;
}

int check_parse(struct str text, struct arena *a, struct check_options *ret, struct err *e)
{
	struct check_options o = { 0 };

	if (text.n && memchr(text.p, ';', text.n)) {
		size_t parts = 1;

		for (size_t i = 0; i < text.n; i++)
			parts += text.p[i] == ';';
		if (parts > 3)
			return err_set(e, ERR_USAGE, "check takes at most three options");
	}
	while (text.p && text.n) {
		struct str value = str_cut(&text, ';'), key = str_trim(str_cut(&value, '='));

		value = str_trim(value);
		if (str_is(key, "skip"))
			split_names(value, a, &o.skip_all, &o.skip, &o.nskip);
		else if (str_is(key, "experimental"))
			split_names(value, a, &o.experimental_all, &o.experimental,
				    &o.nexperimental);
		else if (!str_is(key, "error"))
			return err_set(e, ERR_USAGE, "invalid check option \"" STR_FMT "\"",
				       STR_ARG(key));
		else if (!bool_text(value, &o.error))
			return err_set(e, ERR_USAGE,
				       "check option error takes true or false, not \"" STR_FMT "\"",
				       STR_ARG(value));
	}
	*ret = o;
	return 0;
}
