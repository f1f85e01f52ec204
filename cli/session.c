/* SPDX-License-Identifier: Apache-2.0 */
/* A command's job and store; signals become cancellation. */
#include "cli/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "cache/store.h"

static void *watch_main(void *arg)
{
	struct session *s = arg;
	auto_fd int sig = -1;
	sigset_t set;
	int seen = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sig = signalfd(-1, &set, SFD_CLOEXEC);
	for (;;) {
		struct pollfd p[2] = { { .fd = sig, .events = POLLIN }, { .fd = s->stop_fd, .events = POLLIN } };
		struct signalfd_siginfo info;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (p[1].revents)
			return NULL;
		if (!p[0].revents || read(sig, &info, sizeof(info)) != sizeof(info))
			continue;
		job_cancel(&s->job);
		if (++seen >= 3)
			_exit(128 + (int)info.ssi_signo);
	}
}

static int watch_start(struct session *s, struct err *e)
{
	sigset_t set;

	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (s->stop_fd < 0)
		return err_sys(e, "make an eventfd");
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, &s->old);
	if (thread_start(&s->watcher, watch_main, s, e) < 0)
		return -1;
	s->watching = true;
	return 0;
}

int session_open_plain(struct session *s, struct cli *c, struct err *e)
{
	*s = (struct session){ .stop_fd = -1, .job.cancel_fd = -1 };
	if (job_init(&s->job, NULL, e) < 0)
		return -1;
	if (store_open(c->root, &s->store, e) == 0)
		return 0;
	job_done(&s->job);
	return -1;
}

int session_open(struct session *s, struct cli *c, struct sink *sink, struct err *e)
{
	if (session_open_plain(s, c, e) < 0)
		return -1;
	s->job.sink = sink;
	if (watch_start(s, e) == 0)
		return 0;
	session_close(s);
	return -1;
}

void session_close(struct session *s)
{
	static const uint64_t one = 1;

	if (s->watching) {
		(void)!write(s->stop_fd, &one, sizeof(one));
		pthread_join(s->watcher, NULL);
		pthread_sigmask(SIG_SETMASK, &s->old, NULL);
	}
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	store_close(s->store);
	job_done(&s->job);
}

void session_print_err(struct cli *c, const struct err *e)
{
	fprintf(c->err, "tare: %s\n", err_text(e));
	if (e->hint)
		fprintf(c->err, "  hint: %s\n", e->hint);
}
