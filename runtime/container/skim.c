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

static bool skim_object(struct str *s, const char *const *wanted, bool top, struct buf *ret)
{
	struct str key, value;
	const char *comma = "";

	if (!skip_char(s, '{'))
		return false;
	buf_putc(ret, '{');
	while (!skip_char(s, '}')) {
		const char *const *deeper;

		if (!skip_string(s, &key) || !skip_char(s, ':') || !skip_value(s, &value))
			return false;
		(void)skip_char(s, ',');
		deeper = top ? inner_wanted(key) : NULL;
		if (!deeper && !is_wanted(wanted, key))
			continue;
		buf_puts(ret, comma);
		buf_str(ret, key);
		buf_putc(ret, ':');
		comma = ",";
		if (!deeper)
			buf_str(ret, value);
		else if (!skim_object(&value, deeper, false, ret))
			return false;
	}
	buf_putc(ret, '}');
	return true;
}

bool skim_record(struct str json, struct buf *ret)
{
	return skim_object(&json, top_wanted, true, ret);
}
