/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of docker-credential-helpers: get, store and erase, a server's name or JSON on standard input. */
#include "registry/helper.h"

#include <ctype.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/proc.h"

#define TOKEN_USER "<token>"	/* the user name that marks an identity token */

static int timeout_ms(int *ret, struct err *e)
{
	const char *text = getenv("TARE_HELPER_TIMEOUT");
	int64_t ns = 30000000000;

	if (text && *text && (!clock_parse_duration(str_of(text), &ns) || ns < 1000000 || ns / 1000000 > INT32_MAX))
		return err_set(e, ERR_USAGE, "TARE_HELPER_TIMEOUT: \"%s\" is not a duration like 30s", text);
	*ret = (int)(ns / 1000000);
	return 0;
}

/* Run it; what it says of a failure is on its standard output. 1 it did it, 0 it has no such credentials, -1. */
static int helper_run(struct job *j, const char *name, const char *verb, struct str in, struct proc_end *end,
		      struct err *e)
{
	auto_free char *program = xasprintf("docker-credential-%s", name);
	const char *argv[] = { program, verb, NULL };
	struct str said;
	int ms = 0;

	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.+", *c))
			return err_set(e, ERR_USAGE, "\"%s\" is not a name of a credential helper", name);
	if (timeout_ms(&ms, e) < 0)
		return -1;
	if (proc_run(j, argv, in, HELPER_MAX, ms, end, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		e->kind = ERR_USAGE;	/* it is no image that was not found */
		return err_hint(e, "the credentials file names this helper: install it, or remove it from the file");
	}
	said = str_trim(end->out.n ? buf_view(&end->out) : buf_view(&end->err));
	if (end->status == 0)
		return 1;
	/* docker-credential-helpers, credentials/error.go: the one text that means "none" */
	if (str_starts(said, "credentials not found"))
		return 0;
	return err_set(e, ERR_SYS, "%s %s failed with status %d: %.*s", program, verb, end->status, (int)MIN(said.n, 200),
		       said.n ? said.p : "");
}

int helper_get(struct job *j, const char *name, const char *server, struct cred *ret, struct err *e)
{
	auto_proc_end struct proc_end end = { 0 };
	const char *user, *secret;
	json_t *root;
	int r = helper_run(j, name, "get", str_of(server), &end, e);

	if (r <= 0)
		return r;
	root = json_loadb(buf_view(&end.out).p, end.out.n, 0, NULL);
	user = json_string_value(json_object_get(root, "Username"));
	secret = json_string_value(json_object_get(root, "Secret"));
	if (secret && *secret) {
		ret->identity = user && strcmp(user, TOKEN_USER) == 0;
		ret->user = xstrdup(user && !ret->identity ? user : "");
		ret->secret = xstrdup(secret);
		ret->source = xasprintf("docker-credential-%s", name);
	} else {
		r = err_set(e, ERR_CORRUPT, "docker-credential-%s: its answer is not the JSON of credentials", name);
	}
	json_decref(root);
	explicit_bzero(end.out.p, end.out.n);
	return r;
}

int helper_store(struct job *j, const char *name, const char *server, const struct cred *cred, struct err *e)
{
	json_t *root = json_pack("{s:s, s:s, s:s}", "ServerURL", server, "Username",
				 cred->identity ? TOKEN_USER : cred->user, "Secret", cred->secret);
	auto_proc_end struct proc_end end = { 0 };
	auto_free char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	int r;

	json_decref(root);
	if (!text)
		return err_set(e, ERR_USAGE, "the user name or the password is not UTF-8");
	r = helper_run(j, name, "store", str_of(text), &end, e);
	explicit_bzero(text, strlen(text));
	return r < 0 ? -1 : 0;
}

int helper_erase(struct job *j, const char *name, const char *server, struct err *e)
{
	auto_proc_end struct proc_end end = { 0 };

	return helper_run(j, name, "erase", str_of(server), &end, e);
}
