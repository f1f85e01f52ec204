/* SPDX-License-Identifier: Apache-2.0 */
/* References: "[host/]path[:tag][@digest]", strictly by the grammar. */
#include "image/ref.h"

#include <stdio.h>

static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

static int bad(struct err *e, struct str s, const char *why)
{
	return err_set(e, ERR_USAGE, "not an image name: \"" STR_FMT "\": %s", (int)MIN(s.n, (size_t)300),
		       s.n ? s.p : "", why);
}

bool ref_maybe_id(struct str s)
{
	if (str_starts(s, "sha256:"))
		s = str_sub(s, 7, s.n);
	for (size_t i = 0; i < s.n; i++)
		if (!is_hex(s.p[i]))
			return false;
	return s.n > 0 && s.n <= 64;
}

/* Is the first part of a name a host? */
static bool is_host(struct str s)
{
	if (str_is(s, "localhost"))
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '.' || s.p[i] == ':' || is_upper(s.p[i]))
			return true;
	return false;
}

/* "[::1]", with the brackets. */
static bool ipv6_ok(struct str s)
{
	if (s.n < 4 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < s.n; i++)
		if (!is_hex(s.p[i]) && !(s.p[i] >= 'A' && s.p[i] <= 'F') && s.p[i] != ':')
			return false;
	return true;
}

/* Parts joined by ".", each of letters, digits and inner "-". */
static bool domain_ok(struct str s)
{
	while (s.p) {
		struct str part = str_cut(&s, '.');

		if (part.n == 0 || part.p[0] == '-' || part.p[part.n - 1] == '-')
			return false;
		for (size_t i = 0; i < part.n; i++)
			if (!is_lower(part.p[i]) && !is_upper(part.p[i]) && !is_digit(part.p[i]) &&
			    part.p[i] != '-')
				return false;
	}
	return true;
}

static bool host_ok(struct str s)
{
	struct str name = s, port = { 0 };
	size_t i = s.n;

	while (i > 0 && is_digit(s.p[i - 1]))
		i--;
	if (i > 1 && s.p[i - 1] == ':') {
		name = str_sub(s, 0, i - 1);
		port = str_sub(s, i, s.n);
		if (port.n == 0)
			return false;
	}
	return name.n && name.p[0] == '[' ? ipv6_ok(name) : domain_ok(name);
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*  -- distribution-spec, "Pulling manifests" */
static bool component_ok(struct str s)
{
	size_t i = 0;

	for (;;) {
		size_t start = i;

		while (i < s.n && (is_lower(s.p[i]) || is_digit(s.p[i])))
			i++;
		if (i == start)
			return false;
		if (i == s.n)
			return true;
		if (s.p[i] == '-') {
			while (i < s.n && s.p[i] == '-')
				i++;
		} else if (s.p[i] == '_') {
			i += i + 1 < s.n && s.p[i + 1] == '_' ? 2 : 1;
		} else if (s.p[i] == '.') {
			i++;
		} else {
			return false;
		}
	}
}

static const char *path_problem(struct str path)
{
	struct str rest = path;

	for (size_t i = 0; i < path.n; i++)
		if (is_upper(path.p[i]))
			return "the repository's name must be lower case";
	while (rest.p) {
		struct str part = str_cut(&rest, '/');

		if (part.n == 0)
			return path.n ? "a part of the path is empty" : "the name is empty";
		if (!component_ok(part))
			return "the path may hold a-z, 0-9 and single separators . _ - between them";
	}
	return NULL;
}

static const char *tag_problem(struct str tag)
{
	if (tag.n == 0)
		return "the tag is empty";
	if (tag.n > REF_TAG_MAX)
		return "the tag is longer than 128 characters";
	for (size_t i = 0; i < tag.n; i++) {
		char c = tag.p[i];

		if (!is_lower(c) && !is_upper(c) && !is_digit(c) && c != '_' && (i == 0 || (c != '.' && c != '-')))
			return "a tag may hold A-Z, a-z, 0-9, _ and, not first, . and -";
	}
	return NULL;
}

bool ref_is_tag(struct str s)
{
	return !tag_problem(s);
}

/* Take "@digest", then ":tag" (only behind the last "/") off the end of *name. */
static int cut_suffixes(struct str whole, struct str *name, struct ref *r, struct err *e)
{
	ptrdiff_t at = str_find(*name, '@');
	const char *why;
	size_t i;

	if (at >= 0) {
		if (digest_parse(str_sub(*name, (size_t)at + 1, name->n), &r->digest, e) < 0)
			return bad(e, whole, "what follows @ is no digest");
		r->has_digest = true;
		*name = str_sub(*name, 0, (size_t)at);
	}
	for (i = name->n; i > 0 && name->p[i - 1] != ':' && name->p[i - 1] != '/'; i--)
		;
	if (i > 0 && name->p[i - 1] == ':') {
		struct str tag = str_sub(*name, i, name->n);

		why = tag_problem(tag);
		if (why)
			return bad(e, whole, why);
		memcpy(r->tag, tag.p, tag.n);
		*name = str_sub(*name, 0, i - 1);
	} else if (!r->has_digest) {
		memcpy(r->tag, "latest", 7);
	}
	return 0;
}

/* Split a name at its host; docker.io and what it implies are filled in. */
static int set_name(struct str whole, struct str name, struct ref *r, struct err *e)
{
	struct str rest = name, host = str_cut(&rest, '/'), path = rest;
	const char *why;
	int n;

	if (!rest.p || !is_host(host)) {
		host = STR_LIT(REF_HUB);
		path = name;
	} else if (!host_ok(host)) {
		return bad(e, whole, "the part before the first / is no host name");
	}
	if (str_is(host, "index.docker.io"))
		host = STR_LIT(REF_HUB);
	why = path_problem(path);
	if (why)
		return bad(e, whole, why);
	if (host.n + 1 + path.n > REF_NAME_MAX)
		return bad(e, whole, "host and path are longer than 255 characters");
	n = snprintf(r->host, sizeof(r->host), STR_FMT, STR_ARG(host));
	if (str_is(host, REF_HUB) && str_find(path, '/') < 0)
		n += snprintf(r->path, sizeof(r->path), "library/" STR_FMT, STR_ARG(path));
	else
		n += snprintf(r->path, sizeof(r->path), STR_FMT, STR_ARG(path));
	return n < REF_NAME_MAX ? 0 : bad(e, whole, "host and path are longer than 255 characters");
}

int ref_parse(struct str s, struct ref *ret, struct err *e)
{
	struct ref r = { 0 };
	struct str name = s;

	if (s.n == 0)
		return bad(e, s, "it is empty");
	if (memchr(s.p, '\0', s.n))
		return bad(e, s, "it holds a NUL");
	if (s.n == 64 && ref_maybe_id(s))
		return bad(e, s, "64 hex digits are an image's ID");
	if (cut_suffixes(s, &name, &r, e) < 0 || set_name(s, name, &r, e) < 0)
		return -1;
	*ret = r;
	return 0;
}

/* host and path of the short form: without docker.io, and without library/ there. It must mean the same
 * when it is read again: "docker.io/a.b/c" has no shorter form. */
static const char *short_path(const struct ref *r, bool *host)
{
	struct str rest = str_of(r->path), first = str_cut(&rest, '/');

	*host = strcmp(r->host, REF_HUB) != 0 || is_host(first);
	if (!*host && strncmp(r->path, "library/", 8) == 0 && !strchr(r->path + 8, '/'))
		return r->path + 8;
	return r->path;
}

static const char *with_suffix(const struct ref *r, char ret[static REF_TEXT_MAX])
{
	char digest[DIGEST_TEXT_MAX];
	size_t n = strlen(ret);

	if (*r->tag)
		snprintf(ret + n, REF_TEXT_MAX - n, ":%s", r->tag);
	else if (r->has_digest)
		snprintf(ret + n, REF_TEXT_MAX - n, "@%s", digest_text(&r->digest, digest));
	return ret;
}

const char *ref_repository(const struct ref *r, char ret[static REF_TEXT_MAX])
{
	snprintf(ret, REF_TEXT_MAX, "%s/%s", r->host, r->path);
	return ret;
}

const char *ref_canonical(const struct ref *r, char ret[static REF_TEXT_MAX])
{
	ref_repository(r, ret);
	return with_suffix(r, ret);
}

const char *ref_familiar_repository(const struct ref *r, char ret[static REF_TEXT_MAX])
{
	bool host;
	const char *path = short_path(r, &host);

	snprintf(ret, REF_TEXT_MAX, "%s%s%s", host ? r->host : "", host ? "/" : "", path);
	return ret;
}

const char *ref_familiar(const struct ref *r, char ret[static REF_TEXT_MAX])
{
	ref_familiar_repository(r, ret);
	return with_suffix(r, ret);
}

bool ref_is_short(struct str s)
{
	struct str first = str_cut(&s, '/');

	return !s.p || !is_host(first);
}
