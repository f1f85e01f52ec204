/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping credentials: what login and logout do to files and helpers. */
#include <fcntl.h>
#include <sys/file.h>

#include "base/fault.h"
#include "base/fs.h"
#include "registry/creds_int.h"
#include "registry/helper.h"

struct config_file {
	char *path;		/* links resolved: dotfiles are often links */
	int lock;		/* its directory, locked: two logins at once both last */
	json_t *root;
};

static void file_done(struct config_file *f)
{
	if (f->lock >= 0)
		close(f->lock);
	json_decref(f->root);
	free(f->path);
}

static int file_open(const char *authfile, struct config_file *f, struct err *e)
{
	const char *variable = getenv("REGISTRY_AUTH_FILE");
	auto_free char *path = authfile ? xstrdup(authfile) : variable && *variable ? xstrdup(variable) : creds_docker_path();
	auto_free char *dir = NULL;
	char *slash;

	if (!path)
		return err_set(e, ERR_USAGE, "no place for credentials: neither HOME nor DOCKER_CONFIG is set");
	f->path = realpath(path, NULL);
	if (!f->path)
		f->path = take_ptr(&path);
	slash = strrchr(f->path, '/');
	dir = slash ? xstrndup(f->path, (size_t)MAX(slash - f->path, 1)) : xstrdup(".");
	if (slash && fs_mkdirs(dir, 0700, e) < 0)
		return -1;
	f->lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->lock < 0 || flock(f->lock, LOCK_EX) < 0)
		return err_sys(e, "lock %s", dir);
	if (creds_read(f->path, &f->root, e) < 0)
		return -1;
	if (!f->root)
		f->root = json_object();
	return 0;
}

static int file_write(const struct config_file *f, struct err *e)
{
	auto_free char *text = json_dumps(f->root, JSON_INDENT(8));
	auto_free char *line = xasprintf("%s\n", text ? text : "{}");
	int r = fs_replace(AT_FDCWD, f->path, line, strlen(line), 0600, true, e);

	fault_point("creds.replaced");
	explicit_bzero(line, strlen(line));
	if (text)
		explicit_bzero(text, strlen(text));
	return r;
}

static const char *file_helper(const struct config_file *f, const char *key)
{
	json_t *helpers = json_object_get(f->root, "credHelpers"), *v;
	const char *k, *name;

	json_object_foreach(helpers, k, v)
		if (creds_key_is(k, key) && json_is_string(v))
			return json_string_value(v);
	name = strchr(key, '/') ? NULL : json_string_value(json_object_get(f->root, "credsStore"));
	return name && *name ? name : NULL;
}

/* Remove all entries that mean key. */
static bool forget(json_t *root, const char *key)
{
	json_t *auths = json_object_get(root, "auths"), *v;
	const char *k;
	bool found = false;
	void *tmp;

	json_object_foreach_safe(auths, tmp, k, v)
		if (creds_key_is(k, key)) {
			json_object_del(auths, k);
			found = true;
		}
	return found;
}

static int put_entry(struct config_file *f, const char *key, const struct cred *cred, struct err *e)
{
	json_t *auths = json_object_get(f->root, "auths"), *entry = json_object();
	auto_free char *pair = cred ? xasprintf("%s:%s", cred->user, cred->identity ? "" : cred->secret) : NULL;
	auto_buf struct buf auth = { 0 };

	if (!json_is_object(auths)) {
		auths = json_object();
		json_object_set_new(f->root, "auths", auths);
	}
	forget(f->root, key);
	if (cred) {
		buf_base64(&auth, pair, strlen(pair));
		json_object_set_new(entry, "auth", json_string(auth.p));
		if (cred->identity)
			json_object_set_new(entry, "identitytoken", json_string(cred->secret));
		explicit_bzero(pair, strlen(pair));
		explicit_bzero(auth.p, auth.n);
	}
	json_object_set_new(auths, creds_server(key), entry);
	return file_write(f, e);
}

int creds_store(struct job *j, const char *authfile, const char *key, const struct cred *cred, char **where, struct err *e)
{
	struct config_file f = { .lock = -1 };
	const char *helper;
	int r = file_open(authfile, &f, e);

	if (r == 0) {
		helper = file_helper(&f, key);
		if (helper)
			r = helper_store(j, helper, creds_server(key), cred, e);
		if (r == 0)
			r = put_entry(&f, key, helper ? NULL : cred, e);
		if (r == 0)
			*where = helper ? xasprintf("docker-credential-%s", helper) : xstrdup(f.path);
	}
	file_done(&f);
	return r;
}

int creds_erase(struct job *j, const char *authfile, const char *key, struct err *e)
{
	struct config_file f = { .lock = -1 };
	const char *helper;
	bool found;
	int r = file_open(authfile, &f, e);

	if (r == 0) {
		helper = file_helper(&f, key);
		if (helper)
			r = helper_erase(j, helper, creds_server(key), e);
		found = r >= 0 && forget(f.root, key);
		if (found && file_write(&f, e) < 0)
			r = -1;
		if (r >= 0)
			r = r > 0 || found;
	}
	file_done(&f);
	return r;
}
