/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a temporary directory, made-up layers, child processes. */
#include "tests/unit/tmp_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/fs.h"
#include "cache/blob.h"
#include "cache/db.h"
#include "cache/images.h"
#include "tests/unit/unit.h"

int tmp_dir_setup(void **state)
{
	struct tmp_store *t = xcalloc(1, sizeof(*t));
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(t->path, sizeof(t->path), "%s/tare-unit-XXXXXX", base);
	assert_non_null(mkdtemp(t->path));
	snprintf(t->root, sizeof(t->root), "%s/store", t->path);
	*state = t;
	return 0;
}

int tmp_store_setup(void **state)
{
	auto_err struct err e = { 0 };
	struct tmp_store *t;

	tmp_dir_setup(state);
	t = *state;
	check(store_open(t->root, &t->s, &e) == 0, "%s", err_text(&e));
	return 0;
}

int tmp_store_teardown(void **state)
{
	auto_err struct err e = { 0 };
	struct tmp_store *t = *state;

	store_close(t->s);
	check(fs_remove(AT_FDCWD, t->path, &e) == 0, "%s", err_text(&e));
	free(t);
	return 0;
}

struct digest tmp_digest(unsigned n)
{
	return digest_of(&n, sizeof(n));
}

void tmp_layer_files(struct store *s, const struct digest *d)
{
	auto_err struct err e = { 0 };
	char hex[DIGEST_TEXT_MAX], path[DIGEST_TEXT_MAX + 32];
	int dir = store_dir(s, STORE_LAYERS, &e);
	static const char data[10000];

	digest_hex(d, hex);
	assert_int_equal(mkdirat(dir, hex, 0755), 0);
	snprintf(path, sizeof(path), "%s/file", hex);
	check(fs_replace(dir, path, data, sizeof(data), 0644, false, &e) == 0, "%s", err_text(&e));
	snprintf(path, sizeof(path), "%s.split", hex);
	check(fs_replace(dir, path, data, 100, 0644, false, &e) == 0, "%s", err_text(&e));
}

struct digest tmp_layer(struct store *s, unsigned n)
{
	auto_err struct err e = { 0 };
	struct digest d = tmp_digest(n);

	check(store_pin(s, &d, &e) == 0, "%s", err_text(&e));
	tmp_layer_files(s, &d);
	check(db_run(store_db(s), "INSERT INTO layers VALUES (?, 'tree', 10240, 16384, 2, 0)",
		     BIND(db_digest(&d)), &e) == 0, "%s", err_text(&e));
	return d;
}

struct digest tmp_image(struct store *s, unsigned n, const struct digest *layers, size_t nlayers, const char *name)
{
	auto_err struct err e = { 0 };
	char manifest[32], config[32];
	struct image_row row = { .created_ns = n, .size = 10240 * nlayers };

	snprintf(manifest, sizeof(manifest), "manifest %u", n);
	snprintf(config, sizeof(config), "config %u", n);
	check(blob_put(s, manifest, strlen(manifest), &row.manifest, &e) == 0 &&
	      blob_put(s, config, strlen(config), &row.config, &e) == 0 &&
	      images_put(s, &row, layers, nlayers, &e) == 0, "%s", err_text(&e));
	if (name)
		check(images_tag(s, name, &row.manifest, &e) == 0, "%s", err_text(&e));
	return row.manifest;
}

bool tmp_exists(const struct tmp_store *t, const char *path)
{
	auto_free char *p = xasprintf("%s/%s", t->root, path);

	return access(p, F_OK) == 0;
}

bool tmp_layer_exists(const struct tmp_store *t, const struct digest *d)
{
	char hex[DIGEST_TEXT_MAX];
	auto_free char *p = xasprintf("layers/%s/file", digest_hex(d, hex));

	return tmp_exists(t, p);
}

size_t tmp_count(const struct tmp_store *t, const char *dir)
{
	auto_free char *p = xasprintf("%s/%s", t->root, dir);
	DIR *d = opendir(p);
	size_t n = 0;

	if (!d)
		return 0;
	for (struct dirent *de; (de = readdir(d)); )
		n += strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
	closedir(d);
	return n;
}

int64_t tmp_int(struct store *s, const char *sql)
{
	auto_err struct err e = { 0 };
	int64_t n = -1;

	check(db_get_int(store_db(s), sql, BIND_NONE, &n, &e) == 1, "%s: %s", sql, err_text(&e));
	return n;
}

void tmp_close(struct tmp_store *t)
{
	store_close(t->s);
	t->s = NULL;
}

void tmp_open(struct tmp_store *t)
{
	auto_err struct err e = { 0 };

	check(store_open(t->root, &t->s, &e) == 0, "%s", err_text(&e));
}

static pid_t start(struct tmp_store *t, const char *fault, int (*fn)(const char *root))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);	/* cmocka's handlers would go on with the tests */
	atomic_store(&fault_state, FAULT_UNKNOWN);
	if (fault)
		setenv("TARE_FAULT", fault, 1);
	else
		unsetenv("TARE_FAULT");
	_exit(fn(t->root));
}

pid_t tmp_start(struct tmp_store *t, int (*fn)(const char *root))
{
	assert_null(t->s);
	return start(t, NULL, fn);
}

int tmp_fork_fault(struct tmp_store *t, const char *point, unsigned n, int (*fn)(const char *root))
{
	auto_free char *fault = point ? xasprintf("%s:%u", point, n) : NULL;
	bool open = t->s != NULL;
	int status;
	pid_t pid;

	tmp_close(t);
	pid = start(t, fault, fn);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (open)
		tmp_open(t);
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

int tmp_fork(struct tmp_store *t, int (*fn)(const char *root))
{
	return tmp_fork_fault(t, NULL, 0, fn);
}
