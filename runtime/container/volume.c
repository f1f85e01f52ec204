/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes as directories. */
#include "runtime/container/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/fs.h"
#include "base/str.h"
#include "cache/store.h"
#include "runtime/container/container.h"
#include "runtime/container/record.h"

bool volume_name_ok(const char *name)
{
	return container_name_ok(name);
}

static int dir_made(int at, const char *name, mode_t mode)
{
	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int volume_open(struct store *s, const char *name, struct volume *ret, struct err *e)
{
	int top = store_dir(s, STORE_VOLUMES, e);
	struct volume v = { -1, -1, NULL };

	if (top < 0)
		return -1;
	if (!volume_name_ok(name))
		return err_set(e, ERR_USAGE, "invalid volume name \"%s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two at least",
			       name);
	v.dir = dir_made(top, name, 0700);
	while (v.dir >= 0 && flock(v.dir, LOCK_EX) < 0 && errno == EINTR)
		;
	v.data = v.dir < 0 ? -1 : dir_made(v.dir, "_data", 0755);
	if (v.data < 0) {
		err_sys(e, "make the volume %s", name);
		volume_close(&v);
		return -1;
	}
	v.path = xasprintf("%s/%s/%s/_data", store_path(s), store_dir_name(STORE_VOLUMES), name);
	*ret = v;
	return 0;
}

bool volume_is_empty(const struct volume *v)
{
	auto_err struct err e = { 0 };
	auto_strv struct strv names = { 0 };

	return record_names(v->data, &names, &e) == 0 && names.n == 0;
}

void volume_close(struct volume *v)
{
	if (v->data >= 0)
		close(v->data);
	if (v->dir >= 0)
		close(v->dir);
	free(v->path);
	*v = (struct volume){ -1, -1, NULL };
}

int volume_remove(struct store *s, const char *name, struct err *e)
{
	int top = store_dir(s, STORE_VOLUMES, e);

	if (top < 0)
		return -1;
	return fs_remove(top, name, e) < 0 ? err_wrap(e, "remove volume %s", name) : 0;
}
