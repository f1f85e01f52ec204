/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the build context and the Dockerfile. */
#include "engine/build_context.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "base/fs.h"
#include "builder/copy.h"
#include "cache/archive.h"
#include "cache/lease.h"
#include "parser/ignore.h"
#include "parser/source.h"

static int open_dir(const char *path, struct build_context *c, struct err *e)
{
	c->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->fd < 0 && errno == ENOTDIR)
		return err_set(e, ERR_USAGE, "the build context %s is not a directory", path);
	if (c->fd < 0)
		return err_sys(e, "open the build context %s", path);
	c->path = realpath(path, NULL);
	if (!c->path)
		return err_sys(e, "resolve the build context %s", path);
	return 0;
}

/* Standard input is kept in the lease: whether it is a tar shows only in its first bytes. */
static int spool_stdin(struct job *j, int dir, int *ret, struct err *e)
{
	auto_fd int fd = openat(dir, "stdin", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char buf[64 << 10];

	if (fd < 0)
		return err_sys(e, "keep the standard input");
	for (;;) {
		ssize_t n;

		if (job_wait_fd(j, STDIN_FILENO, POLLIN, -1, e) < 0)
			return -1;
		n = read(STDIN_FILENO, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read the standard input");
		if (n == 0)
			break;
		if (fs_write_all(fd, buf, (size_t)n, e) < 0)
			return -1;
	}
	lseek(fd, 0, SEEK_SET);
	*ret = take_fd(&fd);
	return 0;
}

static int unpack_stdin(struct job *j, int dir, struct build_context *c, struct err *e)
{
	char *sources[] = { (char *)"stdin", NULL };
	struct copy_spec cs = { .src_root = dir, .src = { sources, 1 }, .dest = "/", .add = true, .scratch = dir, .now_ns = -1 };

	if (mkdirat(dir, "context", 0755) < 0)
		return err_sys(e, "make the context's directory");
	c->fd = openat(dir, "context", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->fd < 0)
		return err_sys(e, "open the context's directory");
	return copy_run(j, &cs, c->fd, e) < 0 ? err_wrap(e, "unpack the context from standard input") : 0;
}

/* 0: a context was unpacked; 1: it is a Dockerfile, now in c->text. */
static int open_stdin(struct job *j, struct lease *l, struct build_context *c, struct err *e)
{
	auto_fd int fd = -1;
	struct archive_in *tar = NULL;
	bool is_tar;

	c->path = xstrdup("-");
	if (spool_stdin(j, lease_dirfd(l), &fd, e) < 0 || archive_open_tar(&fd, &tar, e) < 0)
		return -1;
	is_tar = tar != NULL;
	archive_close(tar);
	if (is_tar)
		return unpack_stdin(j, lease_dirfd(l), c, e);
	lseek(fd, 0, SEEK_SET);
	return fs_read_fd(fd, SOURCE_MAX, &c->text, e) < 0 ? err_wrap(e, "Dockerfile from standard input") : 1;
}

static int read_file(int dir, const char *path, bool in_root, struct buf *ret, struct err *e)
{
	auto_fd int fd = in_root ? fs_open_in(dir, path, O_RDONLY | O_NONBLOCK, 0)
				 : openat(dir, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open the Dockerfile %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "the Dockerfile %s is not a regular file", path);
	if (st.st_size > (off_t)SOURCE_MAX) {
		err_set(e, ERR_LIMIT, "the Dockerfile %s has %lld bytes", path, (long long)st.st_size);
		return err_hint(e, "at most 16 MiB are taken: was the right file named?");
	}
	return fs_read_fd(fd, SOURCE_MAX, ret, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

/* Without -f: Dockerfile, else dockerfile, of the context. */
static int default_file(struct build_context *c, struct err *e)
{
	static const char *const names[] = { "Dockerfile", "dockerfile" };
	bool dir_path = strcmp(c->path, "-") != 0;

	for (size_t i = 0; i < countof(names); i++) {
		struct stat st;

		if (fstatat(c->fd, names[i], &st, 0) < 0 && errno == ENOENT)
			continue;
		c->file = xstrdup(names[i]);
		c->file_path = dir_path ? xasprintf("%s/%s", c->path, names[i]) : xstrdup(names[i]);
		return read_file(c->fd, names[i], !dir_path, &c->text, e);
	}
	err_set(e, ERR_NOT_FOUND, "there is no Dockerfile in %s", c->path);
	return err_hint(e, "name it with --file, or give another context");
}

static int named_file(struct job *j UNUSED, struct build_context *c, const char *file, struct err *e)
{
	char real[PATH_MAX];

	if (strcmp(file, "-") == 0) {
		c->file = xstrdup("Dockerfile");
		c->file_path = xstrdup("-");
		return fs_read_fd(STDIN_FILENO, SOURCE_MAX, &c->text, e) < 0
			? err_wrap(e, "Dockerfile from standard input") : 0;
	}
	c->file = xstrdup(file);
	if (strcmp(c->path, "-") == 0) {
		c->file_path = xstrdup(file);
		return read_file(c->fd, file, true, &c->text, e);
	}
	c->file_path = xstrdup(realpath(file, real) ? real : file);
	return read_file(AT_FDCWD, file, false, &c->text, e);
}

static int load_ignore(struct build_context *c, int dir, const char *name, struct err *e)
{
	auto_buf struct buf text = { 0 };

	if (fs_read(dir, name, IGNORE_FILE_MAX, &text, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		return 0;
	}
	return ignore_parse(name, buf_view(&text), &c->ignore, e) < 0 ? -1 : 1;
}

/* <Dockerfile>.dockerignore beside it, else .dockerignore of the context; never both. */
static int find_ignore(struct build_context *c, struct err *e)
{
	auto_free char *own = xasprintf("%s.dockerignore", c->file_path);
	int r = 0;

	if (c->fd < 0)
		return 0;
	if (strcmp(c->file_path, "-") != 0)
		r = load_ignore(c, strcmp(c->path, "-") == 0 ? c->fd : AT_FDCWD, own, e);
	if (r == 0)
		r = load_ignore(c, c->fd, ".dockerignore", e);
	return r < 0 ? -1 : 0;
}

int build_context_open(struct job *j, struct lease *l, const char *context, const char *file,
		       struct build_context *ret, struct err *e)
{
	struct build_context c = { .fd = -1 };
	int r = strcmp(context, "-") == 0 ? open_stdin(j, l, &c, e) : open_dir(context, &c, e);

	if (r == 1 && file) {
		r = err_set(e, ERR_USAGE, "the standard input is a Dockerfile, and --file names another");
	} else if (r == 1) {
		c.file = xstrdup("Dockerfile");
		c.file_path = xstrdup("-");
		r = 0;
	} else if (r == 0) {
		r = file ? named_file(j, &c, file, e) : default_file(&c, e);
	}
	if (r == 0)
		r = find_ignore(&c, e);
	if (r < 0) {
		build_context_done(&c);
		return -1;
	}
	*ret = c;
	return 0;
}

void build_context_done(struct build_context *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->path);
	free(c->file);
	free(c->file_path);
	buf_done(&c->text);
	ignore_free(c->ignore);
	*c = (struct build_context){ .fd = -1 };
}
