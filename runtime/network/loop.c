/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and timers of a container's network services behind one fd. */
#include "runtime/network/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/clock.h"

#define EVENTS 32

struct watch {
	int fd;
	net_loop_fn *fn;		/* NULL: unwatched, to be freed after the events at hand */
	void *arg;
	struct watch *next;
};

struct net_loop {
	int epoll, alarm;		/* alarm: a timerfd, set to the first timer */
	struct watch *watches, *dead;
	struct net_timer *timers;	/* sorted */
};

int net_loop_new(struct net_loop **ret, struct err *e)
{
	auto_fd int epoll = epoll_create1(EPOLL_CLOEXEC), alarm = -1;
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	struct net_loop *l;

	if (epoll < 0)
		return err_sys(e, "make an epoll descriptor");
	alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (alarm < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, alarm, &ev) < 0)
		return err_sys(e, "make a timer");
	l = xcalloc(1, sizeof(*l));
	l->epoll = take_fd(&epoll);
	l->alarm = take_fd(&alarm);
	*ret = l;
	return 0;
}

static void free_list(struct watch **list)
{
	while (*list) {
		struct watch *w = *list;

		*list = w->next;
		free(w);
	}
}

void net_loop_free(struct net_loop *l)
{
	if (!l)
		return;
	close(l->epoll);
	close(l->alarm);
	free_list(&l->watches);
	free_list(&l->dead);
	free(l);
}

int net_loop_fd(const struct net_loop *l)
{
	return l->epoll;
}

int net_loop_watch(struct net_loop *l, int fd, uint32_t events, net_loop_fn *fn, void *arg, struct err *e)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		free(w);
		return err_sys(e, "watch a descriptor");
	}
	*w = (struct watch){ fd, fn, arg, l->watches };
	l->watches = w;
	return 0;
}

void net_loop_change(struct net_loop *l, int fd, uint32_t events)
{
	for (struct watch *w = l->watches; w; w = w->next)
		if (w->fd == fd) {
			struct epoll_event ev = { .events = events, .data.ptr = w };

			epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &ev);
		}
}

void net_loop_unwatch(struct net_loop *l, int fd)
{
	for (struct watch **at = &l->watches; *at; at = &(*at)->next) {
		struct watch *w = *at;

		if (w->fd != fd)
			continue;
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
		*at = w->next;
		w->fn = NULL;
		w->next = l->dead;
		l->dead = w;
		return;
	}
}

/* ---- timers ---- */

static void set_alarm(struct net_loop *l)
{
	struct itimerspec when = { 0 };

	if (l->timers) {
		when.it_value.tv_sec = l->timers->at_ns / 1000000000;
		when.it_value.tv_nsec = l->timers->at_ns % 1000000000;
	}
	timerfd_settime(l->alarm, TFD_TIMER_ABSTIME, &when, NULL);
}

static void unlink_timer(struct net_loop *l, struct net_timer *t)
{
	for (struct net_timer **at = &l->timers; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	t->at_ns = 0;
}

void net_loop_timer(struct net_loop *l, struct net_timer *t, int64_t delay_ns)
{
	struct net_timer **at = &l->timers;

	unlink_timer(l, t);
	t->at_ns = clock_mono_ns() + delay_ns;
	while (*at && (*at)->at_ns <= t->at_ns)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
	set_alarm(l);
}

void net_loop_timer_stop(struct net_loop *l, struct net_timer *t)
{
	unlink_timer(l, t);
	set_alarm(l);
}

static void run_timers(struct net_loop *l)
{
	int64_t now = clock_mono_ns();
	uint64_t n;

	while (read(l->alarm, &n, sizeof(n)) > 0)
		;
	while (l->timers && l->timers->at_ns <= now) {
		struct net_timer *t = l->timers;

		unlink_timer(l, t);
		t->fn(t->arg);
	}
	set_alarm(l);
}

void net_loop_work(struct net_loop *l)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(l->epoll, ev, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		struct watch *w = ev[i].data.ptr;

		if (!w)
			run_timers(l);
		else if (w->fn)
			w->fn(w->arg, ev[i].events);
	}
	free_list(&l->dead);
}
