/* SPDX-License-Identifier: Apache-2.0 */
/* What suites of EROFS indexes share: files, checks, mounts, fsck.erofs. */
#include "tests/unit/erofs_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "tests/unit/unit.h"

extern char **environ;

int kit_put(void *arg, const void *p, size_t n, struct err *e)
{
	return fs_write_all(*(int *)arg, p, n, e);
}

/* A file without a name, in memory: good for tars. */
int kit_memory(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The same in a directory of a disk's file system: the kernel mounts no index from tmpfs. */
static int on_disk(const char *dir)
{
	return open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static const char *disk_dir(void)
{
	static const char *const dirs[] = { "/var/tmp", "/tmp", "." };
	static const char *found;

	for (size_t i = 0; i < countof(dirs) && !found; i++) {
		auto_fd int dir = open(dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		auto_err struct err e = { 0 };

		if (dir < 0)
			continue;
		if (erofs_try(dir, &e) == 0)
			found = dirs[i];
		else	/* the host's fault only */
			check(e.hint || e.sys == ENOTSUP || e.sys == EACCES, "%s: %s", dirs[i], err_text(&e));
	}
	return found;
}

/* A file for an index; where none can be mounted, tests do with memory. */
int kit_index_file(void)
{
	const char *dir = disk_dir();
	int fd = dir ? on_disk(dir) : kit_memory("index");

	assert_true(fd >= 0);
	return fd;
}

uint64_t kit_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

const void *kit_map(int fd, size_t n)
{
	const void *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

void kit_check(int index, int tar, const char *what, struct image_sum *sum)
{
	size_t n = kit_size(index);
	const void *p = kit_map(index, n);
	const char *why = image_check(p, n, kit_size(tar), sum);

	check(!why, "%s: %s", what, why);
	munmap((void *)p, n);
}

int kit_mount(int index, int tar)
{
	auto_err struct err e = { 0 };
	int fd = -1;

	check(erofs_mount(index, tar, &fd, &e) == 0, "%s", err_text(&e));
	return fd;
}

/* Root, Linux 6.12, a directory on a disk: else there is nothing to look at. */
void kit_need_mount(void)
{
	if (disk_dir())
		return;
	print_message("skipped: needs root, Linux 6.12 with EROFS over files, and a directory that is not on tmpfs\n");
	skip();
}

/* Run fsck.erofs with what it says in text: its status, or -1 if it is not installed. */
static int run_fsck(char *const argv[], char *text, size_t size)
{
	auto_fd int out = kit_memory("fsck");
	posix_spawn_file_actions_t actions;
	int status, r;
	ssize_t n;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, out, 2);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r == ENOENT)
		return -1;
	assert_int_equal(r, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n = pread(out, text, size - 1, 0);
	text[MAX(n, 0)] = '\0';
	return status;
}

/* Blocks of 512 bytes are known since erofs-utils 1.6. */
static bool fsck_usable(void)
{
	static enum { UNKNOWN, USABLE, NOT } state;
	char *argv[] = { (char *)"fsck.erofs", (char *)"-V", NULL };
	char text[256];
	uint64_t minor;

	if (state == UNKNOWN) {
		int r = run_fsck(argv, text, sizeof(text));
		const char *version = r < 0 ? NULL : strstr(text, " 1.");
		struct str rest = str_of(version ? version + 3 : "0");

		state = version && str_to_u64(str_sub(rest, 0, strspn(rest.p, "0123456789")), 10, &minor) && minor >= 6 ?
			USABLE : NOT;
		if (state == NOT)
			print_message("left out: fsck.erofs of erofs-utils 1.6 or later\n");
	}
	return state == USABLE;
}

/* A copy without the checksum: fsck.erofs 1.8 crashes over one of blocks below 1,024 bytes. The kernel checks it. */
static int without_checksum(int index)
{
	auto_err struct err e = { 0 };
	int fd = kit_memory("copy");

	check(fs_copy_data(index, fd, kit_size(index), &e) == 0, "%s", err_text(&e));
	assert_int_equal(pwrite(fd, "\2", 1, 1024 + 8), 1);
	return fd;
}

void kit_fsck(int index, int tar, const char *what)
{
	auto_fd int copy = without_checksum(index);
	auto_free char *device = xasprintf("--device=/proc/self/fd/%d", tar);
	auto_free char *image = xasprintf("/proc/self/fd/%d", copy);
	char *argv[] = { (char *)"fsck.erofs", (char *)"-d2", (char *)"--extract", device, image, NULL };
	char text[1024];

	if (!fsck_usable())
		return;
	assert_int_equal(fcntl(copy, F_SETFD, 0) | fcntl(tar, F_SETFD, 0), 0);
	check(run_fsck(argv, text, sizeof(text)) == 0, "fsck.erofs: %s: %s", text, what);
}

void kit_add(struct erofs *w, const struct tar_entry *t, uint64_t data)
{
	auto_err struct err e = { 0 };

	check(erofs_add(w, t, data, &e) == 0, "%s", err_text(&e));
}

int kit_write(struct erofs *w, uint64_t tar_size)
{
	auto_err struct err e = { 0 };
	int fd = kit_index_file();

	check(erofs_write(w, tar_size, NULL, kit_put, &fd, &e) == 0, "%s", err_text(&e));
	return fd;
}
