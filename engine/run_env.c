/* SPDX-License-Identifier: Apache-2.0 */
/* -e and --env-file. */
#include "engine/run_env.h"

#include <fcntl.h>

#include "base/fs.h"
#include "parser/dotenv.h"

#define ENV_FILE_MAX ((size_t)16 << 20)

static void env_unset(struct strv *l, const char *key)
{
	size_t n = strlen(key), kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (strncmp(l->v[i], key, n) == 0 && (l->v[i][n] == '=' || l->v[i][n] == '\0'))
			free(l->v[i]);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
	if (l->v)
		l->v[kept] = NULL;
}

int run_parse_env(const char *text, struct strv *env, struct err *e)
{
	struct str value = str_of(text), k = str_cut(&value, '=');
	auto_free char *key = str_dup(k);
	const char *v = value.p ? value.p : getenv(key);

	if (k.n == 0)
		return err_set(e, ERR_USAGE, "invalid environment variable: %s", text);
	env_unset(env, key);
	if (v)
		strv_env_set(env, key, v);
	else
		strv_add(env, key);	/* unset here: it shall not be there either */
	return 0;
}

static const char *host_env(void *arg UNUSED, const char *name)
{
	return getenv(name);
}

int run_read_env(const struct strv *files, const struct strv *env, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < files->n; i++) {
		auto_strv struct strv lines = { 0 };
		auto_buf struct buf b = { 0 };

		if (fs_read(AT_FDCWD, files->v[i], ENV_FILE_MAX, &b, e) < 0)
			return -1;
		if (dotenv_parse(files->v[i], buf_view(&b), host_env, NULL, &lines, e) < 0)
			return -1;
		for (size_t k = 0; k < lines.n; k++)
			if (run_parse_env(lines.v[k], ret, e) < 0)
				return -1;
	}
	for (size_t i = 0; i < env->n; i++)
		if (run_parse_env(env->v[i], ret, e) < 0)
			return -1;
	return 0;
}

void run_env_merge(struct strv *env, const struct strv *more)
{
	for (size_t i = 0; i < more->n; i++) {
		struct str value = str_of(more->v[i]), k = str_cut(&value, '=');
		auto_free char *key = str_dup(k);

		if (value.p)
			strv_env_set(env, key, value.p);
		else
			env_unset(env, key);
	}
}
