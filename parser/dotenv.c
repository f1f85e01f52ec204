/* SPDX-License-Identifier: Apache-2.0 */
/* Env files: a line is K=V, all of it as it stands. */
#include "parser/dotenv.h"

#include "parser/words.h"

static bool utf8_valid(struct str s)
{
	uint32_t c;

	for (size_t i = 0; i < s.n; ) {
		i += utf8_next(s.p + i, s.n - i, &c);
		if (c >= 0x110000)
			return false;
	}
	return true;
}

static int take_line(struct str line, const char *(*get)(void *arg, const char *name), void *arg,
		     struct strv *ret,
		     struct err *e)
{
	struct str rest, name;
	const char *value;
	auto_free char *key = NULL;

	if (!utf8_valid(line) || str_find(line, '\0') >= 0)
		return err_set(e, ERR_USAGE, "bytes that are not UTF-8 text");
	line = space_trim_left(line);
	if (line.n == 0 || line.p[0] == '#')
		return 0;
	rest = line;
	name = str_cut(&rest, '=');
	if (name.n == 0)
		return err_set(e, ERR_USAGE, "no variable name on line '" STR_FMT "'",
			       STR_ARG(line));
	if (str_find(name, ' ') >= 0 || str_find(name, '\t') >= 0)
		return err_set(e, ERR_USAGE, "variable '" STR_FMT "' contains whitespaces",
			       STR_ARG(name));
	if (rest.p) {
		strv_add_n(ret, line);
		return 0;
	}
	key = str_dup(name);
	value = get ? get(arg, key) : NULL;
	if (value)
		strv_take(ret, xasprintf("%s=%s", key, value));
	return 0;
}

int dotenv_parse(const char *name, struct str text, const char *(*get)(void *arg, const char *name),
		 void *arg,
		 struct strv *ret, struct err *e)
{
	auto_strv struct strv vars = { 0 };

	if (str_starts(text, "\xef\xbb\xbf"))
		text = str_sub(text, 3, text.n);
	for (unsigned n = 1; text.p && text.n; n++) {
		struct str line = str_cut(&text, '\n');

		if (str_ends(line, "\r"))
			line.n--;
		if (take_line(line, get, arg, &vars, e) < 0)
			return err_wrap(e, "%s:%u", name, n);
	}
	strv_copy(ret, &vars);
	return 0;
}
