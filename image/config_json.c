/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a config's fields, and its text form. */
#include "image/config_json.h"

#include "base/clock.h"
#include "image/config.h"
#include "image/manifest.h"

enum type { T_STR, T_TIME, T_WORD, T_BOOL, T_INT, T_LIST, T_SET, T_MAP, T_OBJECT, T_OBJECTS, T_DIGESTS };

struct field {
	const char *key;
	enum type type;
	const struct field *in;		/* T_OBJECT, T_OBJECTS: the fields inside */
};

static const struct field health_fields[] = {
	{ "Test", T_LIST, NULL }, { "Interval", T_INT, NULL }, { "Timeout", T_INT, NULL },
	{ "StartPeriod", T_INT, NULL }, { "StartInterval", T_INT, NULL }, { "Retries", T_INT, NULL },
	{ 0 },
};
/* In the order that Docker's struct has them; the text form follows it. */
static const struct field config_fields[] = {
	{ "User", T_STR, NULL }, { "ExposedPorts", T_SET, NULL }, { "Env", T_LIST, NULL },
	{ "Entrypoint", T_LIST, NULL }, { "Cmd", T_LIST, NULL }, { "Volumes", T_SET, NULL },
	{ "WorkingDir", T_STR, NULL }, { "Labels", T_MAP, NULL }, { "StopSignal", T_STR, NULL },
	{ "ArgsEscaped", T_BOOL, NULL }, { "Healthcheck", T_OBJECT, health_fields },
	{ "OnBuild", T_LIST, NULL }, { "Shell", T_LIST, NULL },
	{ 0 },
};
static const struct field history_fields[] = {
	{ "created", T_TIME, NULL }, { "created_by", T_STR, NULL }, { "author", T_STR, NULL },
	{ "comment", T_STR, NULL }, { "empty_layer", T_BOOL, NULL },
	{ 0 },
};
static const struct field rootfs_fields[] = {
	{ "type", T_STR, NULL }, { "diff_ids", T_DIGESTS, NULL },
	{ 0 },
};
static const struct field top_fields[] = {
	{ "architecture", T_WORD, NULL }, { "author", T_STR, NULL }, { "config", T_OBJECT, config_fields },
	{ "created", T_TIME, NULL }, { "history", T_OBJECTS, history_fields }, { "os", T_WORD, NULL },
	{ "rootfs", T_OBJECT, rootfs_fields }, { "variant", T_WORD, NULL },
	{ 0 },
};

static int check_fields(const json_t *o, const struct field *f, struct err *e);

/* "1699-..." and "9999-...": years that 64 bits of nanoseconds may not hold. */
static bool year_fits(const char *s)
{
	return strncmp(s, "1700", 4) >= 0 && strncmp(s, "2261", 4) <= 0;
}

static bool time_ok(const json_t *v)
{
	char text[64];
	struct str s = str_of(json_string_value(v));
	int64_t ns;

	if (!json_is_string(v) || s.n < 4 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	for (int i = 0; i < 4; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	memcpy(text, "2000", 4);	/* the year's digits are good; check the rest's form */
	return clock_parse_rfc3339((struct str){ text, s.n }, &ns);
}

bool config_json_time(const json_t *v, int64_t *ret)
{
	const char *s = json_string_value(v);

	return s && time_ok(v) && year_fits(s) && clock_parse_rfc3339(str_of(s), ret);
}

static bool list_ok(const json_t *v)
{
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return false;
	return json_is_array(v);
}

static bool map_ok(const json_t *v)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)v, key, value)
		if (!json_is_string(value))
			return false;
	return json_is_object(v);
}

static bool digests_ok(const json_t *v, struct err *e)
{
	struct digest d;

	for (size_t i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)) ||
		    digest_parse(str_of(json_string_value(json_array_get(v, i))), &d, e) < 0)
			return false;
	return json_is_array(v) && json_array_size(v) <= MANIFEST_LAYERS_MAX;
}

static bool word_ok(const json_t *v)
{
	return json_is_string(v) && json_string_length(v) < PLATFORM_PART_MAX;
}

static int check_objects(const json_t *v, const struct field *f, struct err *e)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		if (!json_is_object(json_array_get(v, i)))
			return err_set(e, ERR_CORRUPT, "%s[%zu] is not an object", f->key, i);
		if (check_fields(json_array_get(v, i), f->in, e) < 0)
			return err_wrap(e, "%s[%zu]", f->key, i);
	}
	return json_is_array(v) ? 0 : err_set(e, ERR_CORRUPT, "%s is not a list", f->key);
}

static int check_value(const json_t *v, const struct field *f, struct err *e)
{
	bool ok = true;

	switch (f->type) {
	case T_STR: ok = json_is_string(v); break;
	case T_TIME: ok = time_ok(v); break;
	case T_WORD: ok = word_ok(v); break;
	case T_BOOL: ok = json_is_boolean(v); break;
	case T_INT: ok = json_is_integer(v); break;
	case T_LIST: ok = list_ok(v); break;
	case T_SET: ok = json_is_object(v); break;
	case T_MAP: ok = map_ok(v); break;
	case T_DIGESTS: ok = digests_ok(v, e); break;
	case T_OBJECTS: return check_objects(v, f, e);
	case T_OBJECT:
		ok = json_is_object(v);
		if (ok && check_fields(v, f->in, e) < 0)
			return err_wrap(e, "%s", f->key);
		break;
	}
	return ok ? 0 : err_set(e, ERR_CORRUPT, "%s is not what it must be", f->key);
}

/* Optional fields may be null (OCI image-spec, config.md). */
static int check_fields(const json_t *o, const struct field *f, struct err *e)
{
	for (; f->key; f++) {
		const json_t *v = json_object_get(o, f->key);

		if (v && !json_is_null(v) && check_value(v, f, e) < 0)
			return -1;
	}
	return 0;
}

int config_json_parse(struct str text, json_t **ret, struct err *e)
{
	json_t *root;

	if (json_text_parse(text, CONFIG_MAX, "image config", &root, e) < 0)
		return -1;
	if (!json_is_object(root))
		err_set(e, ERR_CORRUPT, "image config: not a JSON object");
	else if (!json_is_object(json_object_get(root, "rootfs")))
		err_set(e, ERR_CORRUPT, "image config: rootfs is missing");
	else if (check_fields(root, top_fields, e) < 0)
		err_wrap(e, "image config");
	else {
		*ret = root;
		return 0;
	}
	json_decref(root);
	return -1;
}

/* Bytes of the code point that s starts with; 0 if it is none (RFC 3629). */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 :
		   s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
		return 0;
	if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
		return 0;
	return n;
}

char *config_json_clean(const char *s)
{
	auto_buf struct buf b = { 0 };

	while (*s) {
		size_t n = utf8_len((const unsigned char *)s);

		if (n)
			buf_add(&b, s, n);
		else
			buf_puts(&b, "\xef\xbf\xbd");
		s += n ? n : 1;
	}
	return buf_take(&b);
}

json_t *config_json_str(const char *s)
{
	auto_free char *clean = config_json_clean(s);

	return json_string(clean);
}

/* Does Go's omitempty leave it out? */
static bool is_empty(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT: return json_object_size(v) == 0;
	case JSON_ARRAY: return json_array_size(v) == 0;
	case JSON_STRING: return json_string_length(v) == 0;
	case JSON_INTEGER: return json_integer_value(v) == 0;
	case JSON_TRUE: case JSON_REAL: return false;
	default: return true;
	}
}

/* A value compactly, <, > and & escaped as Go's encoder does; they occur inside strings only. */
static void value_text(const json_t *v, size_t flags, struct buf *ret)
{
	auto_free char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | flags);

	for (const char *p = text; p && *p; p++) {
		if (*p == '<' || *p == '>' || *p == '&')
			buf_printf(ret, "\\u%04x", (unsigned)*p);
		else
			buf_putc(ret, *p);
	}
}

static void member_text(const char *key, const json_t *v, size_t flags, struct buf *ret)
{
	if (ret->p[ret->n - 1] != '{')
		buf_putc(ret, ',');
	buf_json_str(ret, str_of(key));
	buf_putc(ret, ':');
	value_text(v, flags, ret);
}

static bool is_known(const char *key)
{
	for (const struct field *f = config_fields; f->key; f++)
		if (strcmp(key, f->key) == 0)
			return true;
	return false;
}

static void inner_text(const json_t *o, struct buf *ret)
{
	const char *key;
	json_t *v;

	buf_putc(ret, '{');
	for (const struct field *f = config_fields; f->key; f++) {
		v = json_object_get(o, f->key);
		if (v && !is_empty(v))
			member_text(f->key, v, f->type == T_SET || f->type == T_MAP ? JSON_SORT_KEYS : 0, ret);
	}
	json_object_foreach((json_t *)o, key, v)
		if (!is_known(key))
			member_text(key, v, 0, ret);
	buf_putc(ret, '}');
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void config_json_text(const json_t *root, struct buf *ret)
{
	auto_free const char **keys = xcalloc(json_object_size(root) + 1, sizeof(*keys));
	size_t n = 0;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)root, key, v)
		keys[n++] = key;
	qsort(keys, n, sizeof(*keys), by_name);
	buf_putc(ret, '{');
	for (size_t i = 0; i < n; i++) {
		v = json_object_get(root, keys[i]);
		if (json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0))
			continue;
		if (strcmp(keys[i], "config") == 0 && json_is_object(v)) {
			buf_puts(ret, ret->p[ret->n - 1] == '{' ? "\"config\":" : ",\"config\":");
			inner_text(v, ret);
		} else {
			member_text(keys[i], v, 0, ret);
		}
	}
	buf_putc(ret, '}');
}
