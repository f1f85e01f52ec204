/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that writes. */
#include "engine/tar_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"

static int put(void *arg, const void *b, size_t n, struct err *e)
{
	struct tar_pipe *p = arg;

	p->bytes += n;
	return fs_write_all(p->out, b, n, e);
}

static void *run(void *arg)
{
	struct tar_pipe *p = arg;

	p->r = tree_tar(p->job, p->tree, p->how, put, p, &p->err);
	close(take_fd(&p->out));
	return NULL;
}

int tar_pipe_start(struct tar_pipe *p, struct job *j, int tree, const struct tree_tar *how, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	*p = (struct tar_pipe){ .job = j, .how = how, .tree = tree, .in = fds[0], .out = fds[1] };
	if (thread_start(&p->thread, run, p, e) == 0)
		return 0;
	close(fds[0]);
	close(fds[1]);
	return -1;
}

int tar_pipe_end(struct tar_pipe *p, int r, struct err *e)
{
	close(take_fd(&p->in));		/* a writer that is still at it gets EPIPE */
	pthread_join(p->thread, NULL);
	if (p->r < 0 && p->err.sys != EPIPE) {
		err_move(e, &p->err);
		return -1;
	}
	err_clear(&p->err);
	return r;
}
