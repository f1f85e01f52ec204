/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor's loop: descriptors and timers with their callbacks. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "runtime/container/monitor_int.h"

int loop_open(struct monitor *m, struct err *e)
{
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	return m->epoll < 0 ? err_sys(e, "make the monitor's epoll") : 0;
}

static struct watch *find(struct monitor *m, int fd)
{
	struct watch *w = m->watches;

	while (w && w->fd != fd)
		w = w->next;
	return w;
}

int monitor_watch(struct monitor *m, int fd, uint32_t events, monitor_watch_fn *fn, void *arg, struct err *e)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		free(w);
		return err_sys(e, "watch a descriptor");
	}
	*w = (struct watch){ m->watches, fd, fn, arg };
	m->watches = w;
	return 0;
}

void monitor_rewatch(struct monitor *m, int fd, uint32_t events)
{
	struct watch *w = find(m, fd);
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (w)
		(void)epoll_ctl(m->epoll, EPOLL_CTL_MOD, fd, &ev);
}

void monitor_unwatch(struct monitor *m, int fd)
{
	struct watch *w = fd < 0 ? NULL : find(m, fd);

	if (!w)
		return;
	(void)epoll_ctl(m->epoll, EPOLL_CTL_DEL, fd, NULL);
	w->fd = -1;		/* an event of it may wait in this very turn */
}

static void sweep(struct monitor *m)
{
	for (struct watch **at = &m->watches; *at;) {
		struct watch *w = *at;

		if (w->fd >= 0) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}

void monitor_timer_stop(struct monitor *m, struct monitor_timer *t)
{
	for (struct monitor_timer **at = &m->timers; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	t->at_ns = 0;
}

void monitor_timer_set(struct monitor *m, struct monitor_timer *t, int64_t delay_ns)
{
	monitor_timer_stop(m, t);
	t->at_ns = clock_mono_ns() + delay_ns;
	t->next = m->timers;
	m->timers = t;
}

static int next_timeout(const struct monitor *m)
{
	int64_t at = INT64_MAX, left;

	for (const struct monitor_timer *t = m->timers; t; t = t->next)
		at = MIN(at, t->at_ns);
	if (at == INT64_MAX)
		return -1;
	left = at - clock_mono_ns();
	return left <= 0 ? 0 : (int)MIN((left + 999999) / 1000000, (int64_t)3600000);
}

static void run_timers(struct monitor *m)
{
	int64_t now = clock_mono_ns();

	for (;;) {
		struct monitor_timer *t = m->timers;

		while (t && t->at_ns > now)
			t = t->next;
		if (!t)
			return;
		monitor_timer_stop(m, t);
		t->fn(t->arg);
	}
}

void loop_turn(struct monitor *m)
{
	struct epoll_event ev[16];
	int n = epoll_wait(m->epoll, ev, countof(ev), next_timeout(m));

	for (int i = 0; i < n; i++) {
		struct watch *w = ev[i].data.ptr;

		if (w->fd >= 0)
			w->fn(w->arg, ev[i].events);
	}
	run_timers(m);
	sweep(m);
}

void loop_close(struct monitor *m)
{
	for (struct watch *w = m->watches; w; w = w->next)
		w->fd = -1;
	sweep(m);
	if (m->epoll >= 0)
		close(take_fd(&m->epoll));
}
