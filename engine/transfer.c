/* SPDX-License-Identifier: Apache-2.0 */
/* save and load: the two ends, and the copy between them. */
#include "engine/transfer.h"

#include <errno.h>
#include <libgen.h>

#include "base/fs.h"
#include "cache/lease.h"
#include "registry/copy.h"

static int save_to(struct job *j, struct store *s, const struct save_args *a, int fd, struct err *e)
{
	auto_origin struct origin *from = local_origin(s, &a->names);
	auto_target struct target *to = archive_target(fd, a->format);
	auto_offers struct offers done = { 0 };

	return copy_images(j, from, to, &done, e);
}

/* A temporary name beside the output, then rename: a reader sees the old file or the whole new one. */
static int save_file(struct job *j, struct store *s, const struct save_args *a, struct err *e)
{
	auto_free char *copy = xstrdup(a->output), *base = NULL, *temp = NULL;
	auto_fd int dir = -1, fd = -1;
	char id[STORE_ID_MAX];

	store_id(id);
	base = xstrdup(basename(copy));
	temp = xasprintf(".%.200s.%s", base, id);
	dir = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "open the directory of %s", a->output);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "write %s", a->output);
	if (save_to(j, s, a, fd, e) < 0)
		goto undo;
	if (renameat(dir, temp, dir, base) < 0) {
		err_sys(e, "rename to %s", a->output);
		goto undo;
	}
	return 0;
undo:
	(void)!unlinkat(dir, temp, 0);
	return -1;
}

int transfer_save(struct job *j, struct store *s, const struct save_args *a, struct err *e)
{
	auto_fd int fd = -1;
	struct stat st;

	if (!a->output)
		return save_to(j, s, a, a->fd, e);
	if (stat(a->output, &st) == 0 && S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "%s is a directory", a->output);
	if (stat(a->output, &st) < 0 || S_ISREG(st.st_mode))
		return save_file(j, s, a, e);
	fd = open(a->output, O_WRONLY | O_CLOEXEC);	/* a FIFO or a device cannot be replaced */
	if (fd < 0)
		return err_sys(e, "write %s", a->output);
	return save_to(j, s, a, fd, e);
}

static void lease_cleanup(struct lease **l)
{
	lease_free(*l);
}

int transfer_load(struct job *j, struct store *s, int fd, const struct platform *want, struct offers *ret,
		  struct err *e)
{
	__attribute__((cleanup(lease_cleanup))) struct lease *lease = NULL;
	auto_target struct target *to = NULL;
	auto_origin struct origin *from = NULL;

	if (lease_new(s, &lease, e) < 0 || archive_origin(j, lease, fd, want, &from, e) < 0)
		return -1;
	to = local_target(s, lease);
	return copy_images(j, from, to, ret, e);
}
