/* SPDX-License-Identifier: Apache-2.0 */
/* Members of JSON objects are skipped by their quotes and brackets, without being understood. */
#include "runtime/container/skim.h"

static const char *const top_wanted[] = {
	"Id", "Name", "Created", "Path", "Args", "Image", "Transient", "Mounts", "NetworkSettings", NULL,
};
static const char *const config_wanted[] = { "Image", "Labels", "ExposedPorts", "Healthcheck", NULL };
static const char *const host_wanted[] = { "AutoRemove", "NetworkMode", "PortBindings", "RestartPolicy", NULL };

static const struct { const char *key; const char *const *wanted; } inner[] = {
	{ "Config", config_wanted }, { "HostConfig", host_wanted },
};

static void skip_blanks(struct str *s)
{
	while (s->n && (s->p[0] == ' ' || s->p[0] == '\n' || s->p[0] == '\t' || s->p[0] == '\r'))
		*s = (struct str){ s->p + 1, s->n - 1 };
}

static bool skip_char(struct str *s, char c)
{
	skip_blanks(s);
	if (!s->n || s->p[0] != c)
		return false;
	*s = (struct str){ s->p + 1, s->n - 1 };
	return true;
}

/* A string with its quotes. */
static bool skip_string(struct str *s, struct str *ret)
{
	const char *end, *p;

	skip_blanks(s);
	if (!s->n || s->p[0] != '"')
		return false;
	end = s->p;
	do {
		end++;
		end = memchr(end, '"', s->n - (size_t)(end - s->p));
		for (p = end; p && p[-1] == '\\'; p--)
			;
	} while (end && (end - p) % 2);		/* escaped by an odd number of backslashes */
	if (!end)
		return false;
	*ret = (struct str){ s->p, (size_t)(end - s->p) + 1 };
	*s = str_sub(*s, ret->n, s->n);
	return true;
}

/* Any value. */
static bool skip_value(struct str *s, struct str *ret)
{
	size_t depth = 0;
	struct str from, text;

	skip_blanks(s);
	from = *s;
	do {
		if (!s->n)
			return false;
		if (s->p[0] == '"') {
			if (!skip_string(s, &text))
				return false;
			continue;
		}
		if (s->p[0] == '{' || s->p[0] == '[')
			depth++;
		else if ((s->p[0] == '}' || s->p[0] == ']') && depth)
			depth--;
		else if (!depth && (s->p[0] == ',' || s->p[0] == '}'))
			break;
		*s = (struct str){ s->p + 1, s->n - 1 };
	} while (depth || (s->n && s->p[0] != ',' && s->p[0] != '}'));
	*ret = str_trim(str_sub(from, 0, (size_t)(s->p - from.p)));
	return ret->n > 0;
}

static bool is_wanted(const char *const *wanted, struct str quoted)
{
	struct str key = str_sub(quoted, 1, quoted.n - 2);

	for (size_t i = 0; wanted[i]; i++)
		if (str_is(key, wanted[i]))
			return true;
	return false;
}

static const char *const *inner_wanted(struct str quoted)
{
	struct str key = str_sub(quoted, 1, quoted.n - 2);

	for (size_t i = 0; i < countof(inner); i++)
		if (str_is(key, inner[i].key))
			return inner[i].wanted;
	return NULL;
}

/* What a reader takes for the same if it is not there at all. */
static bool is_nothing(struct str value)
{
	return str_is(value, "null") || str_is(value, "false") || str_is(value, "[]") || str_is(value, "{}") ||
	       str_is(value, "\"\"");
}

static void add_key(struct buf *ret, struct str key, const char **comma)
{
	buf_puts(ret, *comma);
	buf_str(ret, key);
	buf_putc(ret, ':');
	*comma = ",";
}

/* A member and the comma after it. */
static bool skip_member(struct str *s, struct str *key, struct str *value)
{
	if (!skip_string(s, key) || !skip_char(s, ':') || !skip_value(s, value))
		return false;
	(void)skip_char(s, ',');
	return true;
}

/* NetworkSettings: settings of networks by their names, most of them null. */
static bool skim_networks(struct str s, size_t depth, struct buf *ret)
{
	struct str key, value;
	const char *comma = "";

	if (!depth || !s.n || s.p[0] != '{') {
		buf_str(ret, s);
		return true;
	}
	(void)skip_char(&s, '{');
	buf_putc(ret, '{');
	while (!skip_char(&s, '}')) {
		if (!skip_member(&s, &key, &value))
			return false;
		if (depth == 1 && str_is(value, "null"))
			continue;
		add_key(ret, key, &comma);
		if (!skim_networks(value, depth - 1, ret))
			return false;
	}
	buf_putc(ret, '}');
	return true;
}

static bool skim_object(struct str *s, const char *const *wanted, bool top, struct buf *ret)
{
	struct str key, value;
	const char *comma = "";

	if (!skip_char(s, '{'))
		return false;
	buf_putc(ret, '{');
	while (!skip_char(s, '}')) {
		const char *const *deeper;

		if (!skip_member(s, &key, &value))
			return false;
		deeper = top ? inner_wanted(key) : NULL;
		if (!deeper && (is_nothing(value) || !is_wanted(wanted, key)))
			continue;
		add_key(ret, key, &comma);
		if (deeper ? !skim_object(&value, deeper, false, ret) :
		    !skim_networks(value, top && str_is(key, "\"NetworkSettings\"") ? 3 : 0, ret))
			return false;
	}
	buf_putc(ret, '}');
	return true;
}

bool skim_record(struct str json, struct buf *ret)
{
	return skim_object(&json, top_wanted, true, ret);
}
