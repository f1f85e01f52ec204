/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: the init program in its second role, outside every namespace, one per tare process.
 * It holds a pidfd and the cgroup directories of each sandbox; when the socket to tare closes, tare is
 * gone, however it died, and the keeper kills what is left and removes the cgroups.
 */
#include "runtime/sandbox/init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct kept {
	struct kept *next;
	uint32_t id;
	int pidfd;
	char paths[KEEP_PATHS];
};

/* Remove the (empty) directory and what empty directories the container made below it are its own to lose. */
static void cgroups_remove(const char *paths)
{
	for (; *paths; paths = step_next(paths))
		for (int tries = 0; tries < 50 && rmdir(paths) < 0 && errno == EBUSY; tries++)
			nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* What is frozen by version 1 does not die before it thaws. */
static void cgroups_thaw(const char *paths)
{
	char file[KEEP_PATHS + 16];

	for (; *paths; paths = step_next(paths)) {
		int fd;

		snprintf(file, sizeof(file), "%s/freezer.state", paths);
		fd = open(file, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		while (write(fd, "THAWED", 6) < 0 && errno == EINTR)
			;
		close(fd);
	}
}

/* SIGKILL to those in the cgroup; returns whether there were any. */
static bool listed_kill(const char *dir)
{
	char text[4096], file[KEEP_PATHS + 16];
	bool any = false;
	ssize_t n;
	int fd;
	pid_t pid = 0;

	snprintf(file, sizeof(file), "%s/cgroup.procs", dir);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + text[i] - '0';
				continue;
			}
			if (pid > 0)
				any |= kill(pid, SIGKILL) == 0;
			pid = 0;
		}
	if (fd >= 0)
		close(fd);
	return any;
}

/* A sandbox that shares a pid namespace does not end with its first process. */
static void cgroups_kill(const char *paths)
{
	for (; *paths; paths = step_next(paths))
		for (int tries = 0; tries < 50 && listed_kill(paths); tries++)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void kept_end(struct kept *k)
{
	struct pollfd p = { .fd = k->pidfd, .events = POLLIN };

	cgroups_thaw(k->paths);
	syscall(SYS_pidfd_send_signal, k->pidfd, SIGKILL, NULL, 0);
	while (poll(&p, 1, 10000) < 0 && errno == EINTR)
		;
	cgroups_kill(k->paths);
	cgroups_remove(k->paths);
}

static void kept_drop(struct kept **list, uint32_t id)
{
	for (struct kept *k; (k = *list); list = &k->next)
		if (k->id == id) {
			*list = k->next;
			close(k->pidfd);
			free(k);
			return;
		}
}

static void kept_add(struct kept **list, const struct keep *m, int pidfd)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k || pidfd < 0)
		_exit(1);	/* the parent's next message fails, and it says so */
	k->id = m->id;
	k->pidfd = pidfd;
	memcpy(k->paths, m->paths, sizeof(k->paths) - 2);
	k->next = *list;
	*list = k;
}

/* One datagram into *m, and the fd that came along or -1. Returns its length, 0 at the end. */
static ssize_t keep_recv(int sock, struct keep *m, int *fd)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } ctl;
	struct iovec iov = { m, sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;
	*fd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return n;
}

int keeper_main(int sock)
{
	struct kept *list = NULL;
	static struct keep m;
	int fd;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_IGN);
	prctl(PR_SET_NAME, "tare-keeper", 0, 0, 0);
	if (dup2(sock, 3) < 0 || chdir("/") < 0)
		return 1;
	syscall(SYS_close_range, 0, 2, 0);	/* a reader of tare's output must not wait for us */
	syscall(SYS_close_range, 4, ~0u, 0);
	while (memset(&m, 0, sizeof(m)), keep_recv(3, &m, &fd) > 0) {
		if (m.kind == KEEP_ADD)
			kept_add(&list, &m, fd);
		else
			kept_drop(&list, m.id);
	}
	for (struct kept *k = list; k; k = k->next)
		syscall(SYS_pidfd_send_signal, k->pidfd, SIGKILL, NULL, 0);
	for (struct kept *k = list; k; k = k->next)
		kept_end(k);
	return 0;
}
