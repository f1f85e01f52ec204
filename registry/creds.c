/* SPDX-License-Identifier: Apache-2.0 */
/* Finding credentials: files, keys, helpers. */
#include "registry/creds.h"

#include <fcntl.h>
#include <jansson.h>

#include "base/fs.h"
#include "registry/creds_int.h"
#include "registry/helper.h"

#define FILE_MAX ((size_t)4 << 20)

void cred_done(struct cred *c)
{
	if (c->secret)
		explicit_bzero(c->secret, strlen(c->secret));
	free(c->user);
	free(c->secret);
	free(c->source);
	*c = (struct cred){ 0 };
}

struct place {
	char *path;
	json_t *root;		/* NULL: there is no such file */
};

struct creds {
	struct place v[8];
	size_t n;
};

char *creds_docker_path(void)
{
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	if (dir && *dir)
		return xasprintf("%s/config.json", dir);
	return home && *home ? xasprintf("%s/.docker/config.json", home) : NULL;
}

static char *from_variable(const char *variable, const char *tail)
{
	const char *v = getenv(variable);

	return v && *v ? xasprintf("%s%s", v, tail) : NULL;
}

json_t *creds_parse(const char *name, struct str text, struct err *e)
{
	json_error_t at;
	json_t *root;

	if (str_trim(text).n == 0)
		return json_object();
	root = json_loadb(text.p, text.n, 0, &at);
	if (json_is_object(root))
		return root;
	json_decref(root);
	err_set(e, ERR_USAGE, "%s: line %d: %s", name, root ? 1 : at.line, root ? "not a JSON object" : at.text);
	return NULL;
}

int creds_read(const char *path, json_t **ret, struct err *e)
{
	auto_buf struct buf text = { 0 };

	if (fs_read(AT_FDCWD, path, FILE_MAX, &text, e) < 0) {
		if (e->kind != ERR_NOT_FOUND && e->sys != ENOTDIR)
			return -1;
		err_clear(e);
		return 0;
	}
	*ret = creds_parse(path, buf_view(&text), e);
	explicit_bzero(text.p, text.n);
	return *ret ? 1 : -1;
}

static int add_place(struct creds *c, char *path, struct err *e)
{
	struct place *p = &c->v[c->n];

	if (!path)
		return 0;
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->v[i].path, path) == 0) {
			free(path);
			return 0;
		}
	p->path = path;
	c->n++;
	return creds_read(path, &p->root, e);
}

int creds_open(const char *authfile, struct creds **ret, struct err *e)
{
	struct creds *c = xcalloc(1, sizeof(*c));
	const char *text = getenv("DOCKER_AUTH_CONFIG");
	char *paths[] = {
		authfile ? xstrdup(authfile) : NULL,
		from_variable("REGISTRY_AUTH_FILE", ""),
		from_variable("XDG_RUNTIME_DIR", "/containers/auth.json"),
		getenv("XDG_CONFIG_HOME") ? from_variable("XDG_CONFIG_HOME", "/containers/auth.json")
			: from_variable("HOME", "/.config/containers/auth.json"),
		from_variable("DOCKER_CONFIG", "/config.json"),
		from_variable("HOME", "/.docker/config.json"),
	};
	int r = 0;

	for (size_t i = 0; i < countof(paths); i++)
		if (r < 0)
			free(paths[i]);
		else
			r = add_place(c, paths[i], e);
	if (r >= 0 && text && *text) {
		struct place *p = &c->v[c->n++];

		p->path = xstrdup("$DOCKER_AUTH_CONFIG");
		p->root = creds_parse(p->path, str_of(text), e);
		r = p->root ? 0 : -1;
	}
	if (r < 0) {
		creds_free(c);
		return -1;
	}
	*ret = c;
	return 0;
}

void creds_free(struct creds *c)
{
	for (size_t i = 0; c && i < c->n; i++) {
		free(c->v[i].path);
		json_decref(c->v[i].root);
	}
	free(c);
}

void creds_places(const struct creds *c, struct buf *ret)
{
	for (size_t i = 0; i < c->n; i++)
		buf_printf(ret, "%s%s%s", i ? ", " : "", c->v[i].path, c->v[i].root ? "" : " (not there)");
}

static bool is_hub(struct str host)
{
	return str_is(host, "docker.io") || str_is(host, "index.docker.io") || str_is(host, "registry-1.docker.io");
}

/* A key without what old clients put around it; docker.io under one name. */
static void key_normal(struct str k, struct buf *ret)
{
	bool scheme = str_starts(k, "https://") || str_starts(k, "http://");
	struct str rest, host;

	if (scheme)
		k = str_sub(k, (size_t)str_find(k, '/') + 2, k.n);
	while (str_ends(k, "/"))
		k.n--;
	rest = k;
	host = str_cut(&rest, '/');
	buf_puts(ret, "");
	if (is_hub(host))
		buf_puts(ret, "docker.io");
	else
		buf_str(ret, host);
	if (rest.p && !scheme && !str_is(rest, "v1") && !str_is(rest, "v2")) {
		buf_putc(ret, '/');
		buf_str(ret, rest);
	}
}

bool creds_key_is(const char *k, const char *name)
{
	auto_buf struct buf a = { 0 }, b = { 0 };

	key_normal(str_of(k), &a);
	key_normal(str_of(name), &b);
	return str_eq(buf_view(&a), buf_view(&b));
}

const char *creds_server(const char *key)
{
	return creds_key_is(key, "docker.io") ? CREDS_HUB_KEY : key;
}

int creds_decode(const char *auth, struct cred *ret, struct err *e)
{
	auto_buf struct buf b = { 0 };
	struct str rest, user;
	int r = 0;

	if (!buf_base64_decode(&b, str_of(auth)))
		return err_set(e, ERR_USAGE, "\"auth\" is not base64");
	rest = buf_view(&b);
	while (rest.n > 0 && memchr("\0\n\r", rest.p[rest.n - 1], 3))	/* what scripts leave there */
		rest.n--;
	user = str_cut(&rest, ':');
	if (!rest.p || user.n == 0) {
		r = err_set(e, ERR_USAGE, "\"auth\" is not the base64 of user:password");
	} else {
		ret->user = str_dup(user);
		ret->secret = str_dup(rest);
	}
	explicit_bzero(b.p, b.n);
	return r;
}

/* What an entry of "auths" holds: 1, 0 nothing (the secret is in a helper), -1. */
static int entry_read(const json_t *entry, struct cred *ret, struct err *e)
{
	const char *auth = json_string_value(json_object_get(entry, "auth"));
	const char *token = json_string_value(json_object_get(entry, "identitytoken"));
	const char *user = json_string_value(json_object_get(entry, "username"));
	const char *password = json_string_value(json_object_get(entry, "password"));

	if (auth && *auth && creds_decode(auth, ret, e) < 0)
		return -1;
	if (!ret->user && user && *user && password) {
		ret->user = xstrdup(user);
		ret->secret = xstrdup(password);
	}
	if (token && *token) {
		free(ret->secret);
		ret->secret = xstrdup(token);
		ret->identity = true;
		if (!ret->user)
			ret->user = xstrdup("");
	}
	return ret->secret != NULL;
}

static int ask_helper(struct job *j, const struct place *p, const char *helper, const char *key, struct cred *ret,
		      struct err *e)
{
	int r = helper_get(j, helper, creds_server(key), ret, e);
	auto_free char *old = NULL;

	if (r > 0) {
		old = ret->source;
		ret->source = xasprintf("docker-credential-%s, named in %s", helper, p->path);
	}
	return r < 0 ? err_wrap(e, "%s", p->path) : r;
}

/* An entry of "auths" for this very key: written so, or in one of the old forms. */
static int find_entry(const struct place *p, const char *key, struct cred *ret, struct err *e)
{
	json_t *auths = json_object_get(p->root, "auths"), *entry = json_object_get(auths, key);
	const char *k, *found = key;
	json_t *v;
	int r;

	json_object_foreach(auths, k, v)
		if (!entry && creds_key_is(k, key)) {
			entry = v;
			found = k;
		}
	r = entry ? entry_read(entry, ret, e) : 0;
	if (r < 0)
		return err_wrap(e, "%s: %s", p->path, found);
	if (r > 0)
		ret->source = xasprintf("%s (%s)", p->path, found);
	return r;
}

static const char *helper_for(const struct place *p, const char *key)
{
	json_t *helpers = json_object_get(p->root, "credHelpers"), *v;
	const char *name = json_string_value(json_object_get(helpers, key)), *k;

	json_object_foreach(helpers, k, v)
		if (!name && creds_key_is(k, key))
			name = json_string_value(v);
	return name && *name ? name : NULL;
}

/* One key of one file. host: it is the whole host, for which the file's general helper answers, too. */
static int find_key(struct job *j, const struct place *p, const char *key, bool host, struct cred *ret, struct err *e)
{
	const char *helper = helper_for(p, key);
	int r = 0;

	if (!helper && host)
		helper = json_string_value(json_object_get(p->root, "credsStore"));
	if (helper && *helper)
		r = ask_helper(j, p, helper, key, ret, e);
	return r != 0 ? r : find_entry(p, key, ret, e);
}

int creds_find(struct job *j, const struct creds *c, const char *host, const char *repo, struct cred *ret, struct err *e)
{
	auto_free char *hub = is_hub(str_of(host)) ? xstrdup("docker.io") : NULL;

	for (size_t i = 0; i < c->n; i++) {
		auto_free char *key = xasprintf("%s%s%s", hub ? hub : host, repo && *repo ? "/" : "", repo ? repo : "");
		char *slash;
		int r;

		if (!c->v[i].root)
			continue;
		for (;; *slash = 0) {
			slash = strrchr(key, '/');
			r = find_key(j, &c->v[i], key, !slash, ret, e);
			if (r != 0)
				return r;
			if (!slash)
				break;
		}
	}
	return 0;
}
