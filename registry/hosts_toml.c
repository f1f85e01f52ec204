/* SPDX-License-Identifier: Apache-2.0 */
/* hosts.toml, as containerd reads it: mirrors of one registry with what they may do. */
#include <fcntl.h>

#include "base/fs.h"
#include "registry/hosts_int.h"

static char *beside(const char *dir, const char *name)
{
	return *name == '/' ? xstrdup(name) : xasprintf("%s/%s", dir, name);
}

/* "can": ["pull", "resolve", "push"]; all of them if nothing is said. */
static int capabilities(const json_t *t, int *ret, struct err *e)
{
	static const struct { const char *name; int bit; } names[] = {
		{ "pull", HOST_PULL }, { "resolve", HOST_RESOLVE }, { "push", HOST_PUSH }, { "referrers", 0 },
	};
	json_t *list = json_object_get(t, "capabilities"), *v;
	size_t i, k;

	*ret = list ? 0 : HOST_PULL | HOST_RESOLVE | HOST_PUSH;
	json_array_foreach(list, i, v) {
		const char *s = json_string_value(v);

		for (k = 0; k < countof(names) && (!s || strcmp(s, names[k].name) != 0); k++)
			;
		if (k == countof(names))
			return err_set(e, ERR_USAGE, "unknown capability \"%s\"", s ? s : "?");
		*ret |= names[k].bit;
	}
	return 0;
}

/* ca = "file" or ["file", ...]: the texts of all. */
static int authorities(const json_t *ca, const char *dir, struct endpoint *ep, struct err *e)
{
	size_t n = json_is_array(ca) ? json_array_size(ca) : ca ? 1 : 0;
	auto_buf struct buf all = { 0 };

	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_is_array(ca) ? json_array_get(ca, i) : ca);
		auto_free char *path = name ? beside(dir, name) : NULL;

		if (!name)
			return err_set(e, ERR_USAGE, "ca is no file name");
		if (fs_read(AT_FDCWD, path, HOSTS_FILE_MAX, &all, e) < 0) {
			e->kind = ERR_USAGE;	/* it is no image that was not found */
			return -1;
		}
		buf_putc(&all, '\n');
	}
	if (all.n)
		ep->ca = buf_take(&all);
	return 0;
}

/* client = "both.pem", ["cert", "key"], [["cert", "key"], ...] (of which the first is taken) or [["both.pem"]]. */
static int client_pair(const json_t *v, const char *dir, struct endpoint *ep, struct err *e)
{
	const char *cert, *key;

	if (!v)
		return 0;
	if (json_is_array(v) && json_is_array(json_array_get(v, 0)))
		v = json_array_get(v, 0);
	cert = json_string_value(json_is_array(v) ? json_array_get(v, 0) : v);
	key = json_string_value(json_array_get(v, 1));
	if (!cert)
		return err_set(e, ERR_USAGE, "client is no file name, nor a list of them");
	ep->cert = beside(dir, cert);
	ep->key = key && *key ? beside(dir, key) : xstrdup(ep->cert);
	return 0;
}

static int header_add(struct endpoint *ep, const char *name, const json_t *v, struct err *e)
{
	const char *text = json_string_value(v);

	if (!text || strpbrk(text, "\r\n") || strpbrk(name, "\r\n:"))
		return err_set(e, ERR_USAGE, "header %s has no valid value", name);
	strv_take(&ep->headers, xasprintf("%s: %s", name, text));
	return 0;
}

static int headers(const json_t *t, struct endpoint *ep, struct err *e)
{
	json_t *v, *one;
	const char *name;
	size_t i;

	json_object_foreach(json_object_get(t, "header"), name, v) {
		if (!json_is_array(v) && header_add(ep, name, v, e) < 0)
			return -1;
		json_array_foreach(v, i, one)
			if (header_add(ep, name, one, e) < 0)
				return -1;
	}
	return 0;
}

/* What a table says of the endpoint that its key names. */
static int endpoint_parse(const json_t *t, const char *dir, struct endpoint *ep, struct err *e)
{
	if (capabilities(t, &ep->can, e) < 0 || authorities(json_object_get(t, "ca"), dir, ep, e) < 0 ||
	    client_pair(json_object_get(t, "client"), dir, ep, e) < 0 || headers(t, ep, e) < 0)
		return -1;
	ep->insecure = json_is_true(json_object_get(t, "skip_verify"));
	ep->has_tls = ep->ca || ep->cert || ep->insecure;
	ep->tls = (struct http_tls){ .insecure = ep->insecure, .ca = ep->ca, .cert = ep->cert, .key = ep->key,
		.source = ep->source };
	return 0;
}

/* "https://host:port/path" or without a scheme. */
static int endpoint_url(const char *text, bool override_path, struct endpoint *ep, struct err *e)
{
	auto_free char *full = strstr(text, "://") ? xstrdup(text) : xasprintf("https://%s", text);
	auto_url struct url u = { 0 };
	auto_buf struct buf origin = { 0 };
	struct str path;

	if (url_parse(str_of(full), &u, e) < 0)
		return -1;
	url_origin(&u, &origin);
	free(ep->host);
	ep->host = xstrdup(strstr(origin.p, "://") + 3);
	ep->http = !u.tls;
	path = str_of(u.text + u.path);
	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	free(ep->prefix);
	ep->prefix = xasprintf(STR_FMT "%s", STR_ARG(path), override_path || str_ends(path, "/v2") ? "" : "/v2");
	return 0;
}

static int host_parse(const char *name, const json_t *t, const char *dir, const char *source, const char *host,
		      const char *repo, struct endpoints *ret, struct err *e)
{
	auto_free char *rest = xasprintf("/%s", repo);
	struct endpoint *ep = endpoint_add(ret, "mirror", rest, source);

	ep->mirror = true;
	if (endpoint_url(name, json_is_true(json_object_get(t, "override_path")), ep, e) < 0 ||
	    endpoint_parse(t, dir, ep, e) < 0)
		return err_wrap(e, "%s: host %s", source, name);
	ep->ns = xstrdup(host);
	return 0;
}

int hosts_toml_parse(const json_t *file, const char *dir, const char *source, const char *host, const char *repo,
		     struct endpoints *ret, bool *server, struct err *e)
{
	static const char *const own[] = { "server", "ca", "client", "skip_verify", "header", "capabilities" };
	const char *url = json_string_value(json_object_get(file, "server")), *name;
	auto_free char *rest = xasprintf("/%s", repo);
	struct endpoint *ep;
	json_t *t;

	json_object_foreach(json_object_get(file, "host"), name, t)
		if (host_parse(name, t, dir, source, host, repo, ret, e) < 0)
			return -1;
	for (size_t i = 0; i < countof(own); i++)
		*server |= json_object_get(file, own[i]) != NULL;
	if (!*server)
		return 0;
	ep = endpoint_add(ret, host, rest, source);
	if (url && *url && endpoint_url(url, json_is_true(json_object_get(file, "override_path")), ep, e) < 0)
		return err_wrap(e, "%s: server", source);
	return endpoint_parse(file, dir, ep, e) < 0 ? err_wrap(e, "%s", source) : 0;
}
