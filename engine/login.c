/* SPDX-License-Identifier: Apache-2.0 */
/* login: what is kept is what the registry was seen to accept. */
#include "engine/login.h"

#include "image/ref.h"
#include "registry/creds.h"

void login_done(struct login *l)
{
	free(l->key);
	free(l->user);
	free(l->where);
	*l = (struct login){ 0 };
}

int login_key(const char *server, char **ret, struct err *e)
{
	struct str s = str_of(server ? server : ""), path, host;
	auto_free char *name = NULL;
	struct ref r;
	bool scheme = str_starts(s, "https://") || str_starts(s, "http://");

	if (scheme)
		s = str_sub(s, (size_t)str_find(s, '/') + 2, s.n);
	while (str_ends(s, "/"))
		s.n--;
	path = s;
	host = str_cut(&path, '/');
	if (str_is(path, "v1") || str_is(path, "v2") || scheme)
		path = (struct str){ 0 };
	if (host.n == 0 || str_is(host, "index.docker.io") || str_is(host, "registry-1.docker.io") || str_is(host, "docker.io"))
		host = STR_LIT("docker.io");
	else if (str_find(host, '.') < 0 && str_find(host, ':') < 0 && !str_is(host, "localhost"))
		return err_set(e, ERR_USAGE, "\"" STR_FMT "\" is no registry: a host name, with a port or a dot, is needed",
			       STR_ARG(host));
	name = xasprintf(STR_FMT "/" STR_FMT "%sx", STR_ARG(host), STR_ARG(path), path.n ? "/" : "");
	if (ref_parse(str_of(name), &r, e) < 0)
		return -1;
	*ret = xasprintf(STR_FMT "%s" STR_FMT, STR_ARG(host), path.n ? "/" : "", STR_ARG(path));
	return 0;
}

/* What is kept for this server already. */
static int kept(struct job *j, const char *authfile, const char *key, struct cred *ret, struct err *e)
{
	auto_free char *host = xstrndup(key, strcspn(key, "/"));
	const char *repo = strchr(key, '/');
	struct creds *c;
	int r;

	if (creds_open(authfile, &c, e) < 0)
		return -1;
	r = creds_find(j, c, host, repo ? repo + 1 : NULL, ret, e);
	creds_free(c);
	if (r == 0) {
		err_set(e, ERR_NOT_FOUND, "no credentials for %s are kept", key);
		return err_hint(e, "give a user name with -u and the password with --password-stdin");
	}
	return r < 0 ? -1 : 0;
}

static int keep(struct job *j, const struct login_args *a, struct cred *cred, char *refresh, struct login *ret, struct err *e)
{
	if (refresh) {
		explicit_bzero(cred->secret, strlen(cred->secret));
		free(cred->secret);
		cred->secret = refresh;
		cred->identity = true;
	}
	if (creds_store(j, a->client.authfile, ret->key, cred, &ret->where, e) < 0)
		return -1;
	ret->plain = strncmp(ret->where, "docker-credential-", 18) != 0;
	return 0;
}

int login_do(struct job *j, const struct login_args *a, struct login *ret, struct err *e)
{
	auto_client struct client *c = NULL;
	auto_cred struct cred cred = { 0 };
	auto_free char *refresh = NULL, *host = NULL;
	int asked;

	if (login_key(a->server, &ret->key, e) < 0)
		return -1;
	if (a->user) {
		cred.user = xstrdup(a->user);
		cred.secret = xstrdup(a->password);
		cred.source = xasprintf("user %s", a->user);
	} else if (kept(j, a->client.authfile, ret->key, &cred, e) < 0) {
		return -1;
	}
	ret->user = xstrdup(cred.user);
	host = xstrndup(ret->key, strcspn(ret->key, "/"));
	if (client_new(&a->client, &c, e) < 0)
		return -1;
	asked = client_login(j, c, host, &cred, &refresh, e);
	if (asked < 0)
		return -1;
	ret->asked = asked > 0;
	return a->user ? keep(j, a, &cred, take_ptr(&refresh), ret, e) : 0;
}

int login_forget(struct job *j, const char *authfile, const char *server, char **key, struct err *e)
{
	if (login_key(server, key, e) < 0)
		return -1;
	return creds_erase(j, authfile, *key, e);
}
