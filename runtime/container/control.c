/* SPDX-License-Identifier: Apache-2.0 */
/* Control connections: where their sockets are, and messages. */
#include "runtime/container/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fs.h"
#include "base/task.h"
#include "runtime/container/record.h"

#define SOCKET "monitor.sock"
#define HEAD offsetof(struct control, n)	/* what is sent before the bytes */

static int dir_make(const char *path, struct err *e)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	return errno == ENOENT ? fs_mkdirs(path, 0700, e) : err_sys(e, "make %s", path);
}

/* Is what fd holds still at its path? A sweeper may have been quicker. */
static bool still_there(const char *path, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int control_dir(const char *run_dir, const char *id, bool make, int *ret, struct err *e)
{
	auto_free char *path = xasprintf("%s/containers/%s", run_dir, id);

	for (int tries = 0; tries < 1000; tries++) {
		auto_fd int fd = -1;

		if (make && dir_make(path, e) < 0)
			return -1;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && (!make || errno != ENOENT))
			return err_sys(e, "open %s", path);
		if (fd < 0 || (make && (flock(fd, LOCK_EX) < 0 || !still_there(path, fd))))
			continue;
		*ret = take_fd(&fd);
		return 0;
	}
	return err_set(e, ERR_CONFLICT, "%s is removed as soon as it is made", path);
}

void control_dir_remove(const char *run_dir, const char *id)
{
	auto_free char *path = xasprintf("%s/containers", run_dir);
	auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_err struct err ignored = { 0 };

	if (fd >= 0)
		(void)!fs_remove(fd, id, &ignored);
}

size_t control_sweep(const char *run_dir)
{
	auto_free char *path = xasprintf("%s/containers", run_dir);
	auto_fd int top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_err struct err ignored = { 0 };
	auto_strv struct strv names = { 0 };
	size_t n = 0;

	if (top < 0 || record_names(top, &names, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		auto_fd int fd = openat(top, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			n += fs_remove(top, names.v[i], &ignored) == 0;
	}
	return n;
}

/* A path in a sockaddr_un is short; by way of an fd it always fits. */
static struct sockaddr_un address(int dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" SOCKET, dir);
	return sa;
}

int control_listen(int dir, int *ret, struct err *e)
{
	struct sockaddr_un sa = address(dir);
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (unlinkat(dir, SOCKET, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove an old control socket");
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 128) < 0)
		return err_sys(e, "make the control socket");
	*ret = take_fd(&fd);
	return 0;
}

int control_connect(const char *run_dir, const char *id, int *ret, struct err *e)
{
	auto_fd int dir = -1, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;

	if (fd < 0)
		return err_sys(e, "make a socket");
	if (control_dir(run_dir, id, false, &dir, e) < 0) {
		if (e->sys == ENOENT)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	sa = address(dir);
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int sys = errno;

		if (sys == EINTR)
			continue;
		err_sys(e, "connect to the container's monitor");
		if (sys == ENOENT || sys == ECONNREFUSED)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	*ret = take_fd(&fd);
	return 0;
}

static int send_parts(int sock, const void *head, struct str data, int flags)
{
	struct iovec iov[2] = { { (void *)head, HEAD }, { (void *)data.p, data.n } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = data.n ? 2 : 1 };
	ssize_t r;

	do
		r = sendmsg(sock, &m, MSG_NOSIGNAL | flags);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -1 : 0;
}

int control_send_raw(int sock, const struct control *m, int flags)
{
	return send_parts(sock, m, (struct str){ m->data, m->n }, flags);
}

int control_send(int sock, enum control_kind kind, int32_t a, int32_t b, struct str data, int flags)
{
	struct { uint32_t kind; int32_t a, b, c; uint64_t hint; } head = { kind, a, b, 0, 0 };

	_Static_assert(sizeof(head) == HEAD, "the head of a message");
	return send_parts(sock, &head, str_sub(data, 0, CONTROL_DATA), flags);
}

int control_recv(int sock, struct control *m, int flags)
{
	struct iovec iov[2] = { { m, HEAD }, { m->data, sizeof(m->data) } };
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t r;

	do
		r = recvmsg(sock, &h, flags);
	while (r < 0 && errno == EINTR);
	if (r < 0 && errno == ECONNRESET)
		r = 0;
	if (r <= 0)
		return (int)r;
	if ((size_t)r < HEAD) {
		errno = EPROTO;
		return -1;
	}
	m->n = (size_t)r - HEAD;
	if (m->n < sizeof(m->data))
		m->data[m->n] = '\0';
	return 1;
}

int control_answer(struct job *j, int sock, struct control *m, struct err *e)
{
	for (;;) {
		int r;

		if (job_wait_fd(j, sock, POLLIN, -1, e) < 0)
			return -1;
		r = control_recv(sock, m, 0);
		if (r < 0)
			return err_sys(e, "hear from the container's monitor");
		if (r == 0)
			return err_set(e, ERR_NOT_FOUND, "the container has ended");
		if (m->kind == CONTROL_DONE)
			return 0;
		if (m->kind == CONTROL_REFUSED)
			return err_set(e, (enum err_kind)m->b, STR_FMT, (int)m->n, m->data);
	}
}

int control_wait_exit(struct job *j, int sock, int *code, struct err *e)
{
	auto_free struct control *m = xmalloc(sizeof(*m));

	for (;;) {
		int r;

		if (job_wait_fd(j, sock, POLLIN, -1, e) < 0)
			return -1;
		r = control_recv(sock, m, 0);
		if (r < 0)
			return err_sys(e, "hear from the container's monitor");
		if (r == 0)
			return 0;
		if (m->kind == CONTROL_EXITED) {
			*code = m->a;
			return 1;
		}
	}
}
