/* SPDX-License-Identifier: Apache-2.0 */
/* The decision where a repository's requests go, from all files together. */
#include "registry/hosts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"
#include "parser/toml.h"
#include "registry/hosts_int.h"
#include "registry/proxy.h"

void endpoints_done(struct endpoints *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct endpoint *p = &l->v[i];

		free(p->host);
		free(p->prefix);
		free(p->repo);
		free(p->ns);
		free(p->ca);
		free(p->cert);
		free(p->key);
		strv_done(&p->headers);
		free(p->source);
	}
	free(l->v);
	free(l->blocked);
	*l = (struct endpoints){ 0 };
}

struct endpoint *endpoint_add(struct endpoints *l, const char *location, const char *rest, const char *source)
{
	auto_free char *name = xasprintf("%s%s", location, rest);
	struct str repo = str_of(name), host = str_cut(&repo, '/');
	struct endpoint *p;

	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	p = &l->v[l->n++];
	*p = (struct endpoint){
		.host = str_is(host, "docker.io") ? xstrdup("registry-1.docker.io") : str_dup(host),
		.prefix = xstrdup("/v2"), .repo = repo.p ? str_dup(repo) : xstrdup(""),
		.can = HOST_PULL | HOST_RESOLVE | HOST_PUSH, .source = source ? xstrdup(source) : NULL,
	};
	return p;
}

static int read_toml(const char *path, json_t **ret, struct err *e)
{
	auto_buf struct buf text = { 0 };

	if (fs_read(AT_FDCWD, path, HOSTS_FILE_MAX, &text, e) < 0) {
		if (e->kind != ERR_NOT_FOUND && e->sys != ENOTDIR && e->sys != EACCES)
			return -1;
		err_clear(e);
		return 0;
	}
	return toml_parse(buf_view(&text), ret, e) < 0 ? err_wrap(e, "%s", path) : 1;
}

static int rules_file(struct hosts *h, const char *path, struct err *e)
{
	json_t *file = NULL;
	int r = read_toml(path, &file, e);

	if (r > 0)
		r = rules_parse(&h->rules, file, path, e) < 0 ? -1 : 1;
	json_decref(file);
	return r;
}

static int is_conf(const struct dirent *d)
{
	return str_ends(str_of(d->d_name), ".conf");
}

/* The files of a directory by name: later ones win. */
static int rules_dir(struct hosts *h, const char *dir, struct err *e)
{
	struct dirent **list;
	int n = scandir(dir, &list, is_conf, alphasort), r = 0;

	for (int i = 0; i < n; i++) {
		auto_free char *path = xasprintf("%s/%s", dir, list[i]->d_name);

		free(list[i]);
		if (r >= 0)
			r = rules_file(h, path, e);
	}
	if (n >= 0)
		free(list);
	return r < 0 ? -1 : 0;
}

static char *config_home(const char *tail)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg && *xdg)
		return xasprintf("%s/%s", xdg, tail);
	return home && *home ? xasprintf("%s/.config/%s", home, tail) : NULL;
}

/* The user's file replaces the system's; drop-ins of the system, then of the user. */
static int rules_open(struct hosts *h, struct err *e)
{
	static const char *const system[] = { "/etc/containers/registries.conf", "/usr/share/containers/registries.conf" };
	const char *own = getenv("CONTAINERS_REGISTRIES_CONF");
	auto_free char *user = config_home("containers/registries.conf"), *dir = NULL;
	int r;

	if (own && *own) {
		dir = xasprintf("%s.d", own);
		r = rules_file(h, own, e);
		if (r == 0)
			err_set(e, ERR_NOT_FOUND, "%s, which CONTAINERS_REGISTRIES_CONF names, is not there", own);
		return r <= 0 ? -1 : rules_dir(h, dir, e);
	}
	r = user ? rules_file(h, user, e) : 0;
	for (size_t i = 0; r == 0 && i < countof(system); i++)
		r = rules_file(h, system[i], e);
	if (r < 0 || rules_dir(h, "/etc/containers/registries.conf.d", e) < 0)
		return -1;
	dir = user ? xasprintf("%s.d", user) : NULL;
	return dir ? rules_dir(h, dir, e) : 0;
}

static void string_list(const json_t *list, struct strv *ret)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_is_string(v))
			strv_add(ret, json_string_value(v));
}

/* Docker's own file, if there is one that we may read. */
static int docker_open(struct hosts *h, struct err *e)
{
	const char *own = getenv("TARE_DAEMON_JSON");
	auto_free char *path = own && *own ? xstrdup(own) : geteuid() == 0 || !getenv("HOME")
		? xstrdup("/etc/docker/daemon.json") : config_home("docker/daemon.json");
	auto_buf struct buf text = { 0 };
	json_error_t at;
	json_t *root;

	if (!path || fs_read(AT_FDCWD, path, HOSTS_FILE_MAX, &text, e) < 0) {
		err_clear(e);
		return 0;
	}
	root = json_loadb(buf_view(&text).p, text.n, 0, &at);
	if (!root && str_trim(buf_view(&text)).n > 0)
		return err_set(e, ERR_USAGE, "%s: line %d: %s", path, at.line, at.text);
	string_list(json_object_get(root, "registry-mirrors"), &h->docker_mirrors);
	string_list(json_object_get(root, "insecure-registries"), &h->docker_insecure);
	h->docker_source = take_ptr(&path);
	json_decref(root);
	return 0;
}

static void dirs_open(struct hosts *h)
{
	static const char *const system[] = { "/etc/tare/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d",
					      "/etc/containerd/certs.d" };
	static const char *const user[] = { "tare/certs.d", "containers/certs.d", "docker/certs.d" };
	struct str rest = str_of(getenv("TARE_CERTS_D"));

	if (rest.p && rest.n) {
		while (rest.p)
			strv_add_n(&h->dirs, str_cut(&rest, ':'));
		return;
	}
	for (size_t i = 0; i < countof(user); i++) {
		char *dir = config_home(user[i]);

		if (dir)
			strv_take(&h->dirs, dir);
	}
	for (size_t i = 0; i < countof(system); i++)
		strv_add(&h->dirs, system[i]);
}

int hosts_open(const struct hosts_options *o, struct hosts **ret, struct err *e)
{
	struct hosts *h = xcalloc(1, sizeof(*h));

	pthread_mutex_init(&h->lock, NULL);
	h->insecure = o->insecure;
	h->cert_dir = o->cert_dir ? xstrdup(o->cert_dir) : NULL;
	dirs_open(h);
	if (rules_open(h, e) < 0 || docker_open(h, e) < 0) {
		hosts_free(h);
		return -1;
	}
	*ret = h;
	return 0;
}

void hosts_free(struct hosts *h)
{
	struct host_toml *t;
	struct host_certs *c;

	if (!h)
		return;
	while ((c = h->certs)) {
		h->certs = c->next;
		certs_free(c);
	}
	while ((t = h->tomls)) {
		h->tomls = t->next;
		free(t->host);
		free(t->dir);
		free(t->path);
		json_decref(t->file);
		free(t);
	}
	rules_done(&h->rules);
	strv_done(&h->dirs);
	strv_done(&h->docker_mirrors);
	strv_done(&h->docker_insecure);
	free(h->docker_source);
	free(h->cert_dir);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

bool docker_insecure(const struct strv *list, const char *host, unsigned port)
{
	for (size_t i = 0; i < list->n; i++) {
		struct proxy_rules one = { .http = "x", .no = list->v[i] };
		struct url u = { .host = (char *)host, .port = port };
		bool network = strchr(list->v[i], '/') != NULL;
		auto_free char *name = xasprintf("%s:%u", host, port);

		/* A network is written as in NO_PROXY. A name means itself, not what is beneath it. */
		if (network ? proxy_excluded(&one, &u) : strcmp(list->v[i], name) == 0 ||
		    (strcmp(list->v[i], host) == 0 && (port == 443 || port == 80)))
			return true;
	}
	return false;
}

/* Read the first hosts.toml for this registry into t. */
static int toml_find(const struct hosts *h, const char *host, struct host_toml *t, struct err *e)
{
	auto_free char *https = xasprintf("https://%s", host);
	auto_strv struct strv names = { 0 };
	auto_url struct url u = { 0 };

	if (url_parse(str_of(https), &u, e) < 0)
		return -1;
	certs_names(u.host, u.port, &names);
	strv_add(&names, "_default");
	for (size_t k = 0; k < names.n; k++)
		for (size_t i = 0; i < h->dirs.n; i++) {
			auto_free char *dir = xasprintf("%s/%s", h->dirs.v[i], names.v[k]);
			auto_free char *path = xasprintf("%s/hosts.toml", dir);
			int r = read_toml(path, &t->file, e);

			if (r < 0)
				return -1;
			if (r > 0) {
				t->dir = take_ptr(&dir);
				t->path = take_ptr(&path);
				return 0;
			}
		}
	return 0;
}

static int toml_of(struct hosts *h, const char *host, const struct host_toml **ret, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);
	struct host_toml *t = h->tomls;

	while (t && strcmp(t->host, host) != 0)
		t = t->next;
	if (!t) {
		t = xcalloc(1, sizeof(*t));
		if (toml_find(h, host, t, e) < 0) {
			free(t);
			return -1;
		}
		t->host = xstrdup(host);
		t->next = h->tomls;
		h->tomls = t;
	}
	*ret = t;
	return 0;
}

static int toml_endpoints(struct hosts *h, const char *host, const char *repo, struct endpoints *ret, bool *server,
			  struct err *e)
{
	const struct host_toml *t;

	if (toml_of(h, host, &t, e) < 0)
		return -1;
	return t->file ? hosts_toml_parse(t->file, t->dir, t->path, host, repo, ret, server, e) : 0;
}

static int docker_endpoints(const struct hosts *h, const char *repo, struct endpoints *ret, struct err *e)
{
	auto_free char *rest = xasprintf("/%s", repo);

	for (size_t i = 0; i < h->docker_mirrors.n; i++) {
		auto_url struct url u = { 0 };
		auto_buf struct buf origin = { 0 };
		struct endpoint *ep;

		if (url_parse(str_of(h->docker_mirrors.v[i]), &u, e) < 0)
			return err_wrap(e, "%s: registry-mirrors", h->docker_source);
		url_origin(&u, &origin);
		ep = endpoint_add(ret, strstr(origin.p, "://") + 3, rest, h->docker_source);
		ep->mirror = true;
		ep->http = !u.tls;
	}
	return 0;
}

int hosts_endpoints(struct hosts *h, const char *host, const char *repo, struct endpoints *ret, struct err *e)
{
	auto_free char *name = xasprintf("%s%s%s", host, *repo ? "/" : "", repo), *slash = xasprintf("/%s", repo);
	const char *rest = "";
	const struct rule *rule = rules_find(&h->rules, name, &rest);
	struct endpoint *ep;
	bool server = false;

	for (size_t i = 0; rule && i < rule->nmirrors; i++) {
		ep = endpoint_add(ret, rule->mirrors[i].location, rest, rule->source);
		ep->mirror = true;
		ep->can = rule->mirrors[i].can;
		ep->insecure = rule->mirrors[i].insecure;
	}
	if (rule && rule->blocked)
		ret->blocked = xstrdup(rule->source);
	if (toml_endpoints(h, host, repo, ret, &server, e) < 0)
		return -1;
	if (strcmp(host, "docker.io") == 0 && docker_endpoints(h, repo, ret, e) < 0)
		return -1;
	if (rule) {
		if (rule->location)
			ep = endpoint_add(ret, rule->location, rest, rule->source);
		else
			ep = endpoint_add(ret, host, slash, rule->source);
		ep->insecure = rule->insecure;
	} else if (!server) {
		endpoint_add(ret, host, slash, NULL);
	}
	/* The registry itself comes last, wherever a hosts.toml put it. */
	for (size_t i = 0; i + 1 < ret->n; i++)
		if (!ret->v[i].mirror) {
			struct endpoint own = ret->v[i];

			memmove(ret->v + i, ret->v + i + 1, (ret->n - i - 1) * sizeof(own));
			ret->v[ret->n - 1] = own;
			break;
		}
	return 0;
}

void hosts_short_names(const struct hosts *h, const char *name, struct strv *ret)
{
	size_t n = strcspn(name, ":@");
	auto_free char *bare = xstrndup(name, n);
	const char *alias = json_string_value(json_object_get(h->rules.aliases, bare));

	if (!h->rules.searches)
		return;
	if (alias) {
		strv_take(ret, xasprintf("%s%s", alias, name + n));
		return;
	}
	for (size_t i = 0; i < h->rules.search.n; i++)
		strv_take(ret, xasprintf("%s/%s", h->rules.search.v[i], name));
}
