/* SPDX-License-Identifier: Apache-2.0 */
/* What registries answer: errors in their JSON form, Location, Link. */
#include <jansson.h>

#include "registry/client.h"
#include "registry/client_int.h"
#include "registry/header.h"
#include "registry/zone.h"

#define SHOWN_MAX 300		/* bytes of a registry's own words in a message */

static json_t *errors_of(const struct http_answer *a, json_t **root)
{
	*root = a->body.n ? json_loadb(a->body.p, a->body.n, 0, NULL) : NULL;
	return json_object_get(*root, "errors");
}

/* Foreign text for a message: one line, printable, bounded. */
static void add_shown(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < MIN(n, SHOWN_MAX); i++)
		buf_putc(b, (unsigned char)s[i] < ' ' || s[i] == 0x7f ? ' ' : s[i]);
	if (n > SHOWN_MAX)
		buf_puts(b, "...");
}

static void add_error(struct buf *b, const json_t *error)
{
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));
	const json_t *detail = json_object_get(error, "detail");

	buf_puts(b, b->n ? "; " : "");
	if (code)
		add_shown(b, code);
	if (message && *message) {
		buf_puts(b, code ? ": " : "");
		add_shown(b, message);
	}
	if (detail && !json_is_null(detail) && !(json_is_object(detail) && json_object_size(detail) == 0)) {
		auto_free char *text = json_is_string(detail) ? xstrdup(json_string_value(detail))
			: json_dumps(detail, JSON_COMPACT | JSON_ENCODE_ANY);

		buf_puts(b, " (");
		add_shown(b, text ? text : "");
		buf_putc(b, ')');
	}
}

/* Spec: distribution-spec, "Error Codes". */
void answer_errors(const struct http_answer *a, struct buf *ret)
{
	json_t *root, *errors = errors_of(a, &root), *error;
	const char *type = http_header(a, "content-type");
	size_t i;

	json_array_foreach(errors, i, error)
		if (i < 10)
			add_error(ret, error);
	if (ret->n == 0 && a->body.n > 0 && (!type || !strstr(type, "html"))) {
		auto_free char *text = str_dup(str_trim(buf_view(&a->body)));

		add_shown(ret, text);
	}
	json_decref(root);
}

bool client_error_is(const struct http_answer *a, const char *code, char **detail)
{
	json_t *root, *errors = errors_of(a, &root), *error;
	bool found = false;
	size_t i;

	json_array_foreach(errors, i, error) {
		const char *c = json_string_value(json_object_get(error, "code"));

		if (found || !c || strcmp(c, code) != 0)
			continue;
		found = true;
		if (detail)
			*detail = json_dumps(json_object_get(error, "detail"), JSON_COMPACT | JSON_ENCODE_ANY);
	}
	json_decref(root);
	return found;
}

static enum err_kind kind_of(int status)
{
	switch (status) {
	case 401: case 403: return ERR_DENIED;
	case 404: case 410: return ERR_NOT_FOUND;
	case 409: case 412: return ERR_CONFLICT;
	case 413: return ERR_LIMIT;
	default: return ERR_NET;
	}
}

static const char *hint_of(int status)
{
	if (status == 401)
		return "\"tare login HOST\" stores credentials for a registry";
	if (status == 403)
		return "the account that is logged in may not do this; \"tare login HOST\" changes it";
	if (status == 405)
		return "the registry does not allow this: it may be read-only, or deleting may be switched off";
	return NULL;
}

void request_name(const struct client_request *r, struct buf *b)
{
	buf_printf(b, "%s %s%s%s", r->method, r->host, r->repo ? "/" : "", r->repo ? r->repo : "");
	if (r->path && *r->path) {
		buf_putc(b, '/');
		url_redact(b, str_of(r->path));
	} else if (r->url) {
		buf_puts(b, " (upload)");
	}
}

int client_refused(const struct client_request *r, const struct http_answer *a, struct err *e)
{
	auto_buf struct buf name = { 0 }, said = { 0 };

	request_name(r, &name);
	answer_errors(a, &said);
	err_set(e, kind_of(a->status), "%s: %d%s" STR_FMT "%s%s", name.p, a->status, said.n ? " " : "",
		STR_ARG(buf_view(&said)), a->why ? ": " : "", a->why ? a->why : "");
	return err_hint(e, hint_of(a->status));
}

int client_next(const struct http_answer *a, char **ret, struct err *e)
{
	auto_url struct url base = { 0 }, next = { 0 };
	struct str target;
	const char *link;

	for (size_t i = 0; (link = http_header_nth(a, "link", i)); i++) {
		if (!header_link_next(str_of(link), &target))
			continue;
		if (url_parse(str_of(a->url), &base, e) < 0 || url_join(&base, target, &next, e) < 0) {
			e->kind = ERR_NET;
			return err_wrap(e, "link to the next page");
		}
		if (!url_same_origin(&base, &next))
			return err_set(e, ERR_DENIED, "the next page is said to be on %s, not %s: refused", next.host, base.host);
		if (strcmp(base.text, next.text) == 0)
			return err_set(e, ERR_NET, "the next page is said to be the same page");
		*ret = take_ptr(&next.text);
		return 1;
	}
	return 0;
}
