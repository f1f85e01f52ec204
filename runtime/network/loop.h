/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors and timers of a container's network services behind one fd, so that whoever runs the container can hang
 * them into its own loop: poll net_loop_fd() for reading, then call net_loop_work(). One thread.
 */
#ifndef RUNTIME_NETWORK_LOOP_H
#define RUNTIME_NETWORK_LOOP_H

#include <stdint.h>

#include "base/err.h"

struct net_loop;

typedef void net_loop_fn(void *arg, uint32_t events);

NODISCARD int net_loop_new(struct net_loop **ret, struct err *e);
void net_loop_free(struct net_loop *l);
int net_loop_fd(const struct net_loop *l);		/* borrowed */
void net_loop_work(struct net_loop *l);			/* whatever is ready; does not wait */

/* fn is called for EPOLLx events of fd, which stays the caller's: unwatch it before it is closed. */
NODISCARD int net_loop_watch(struct net_loop *l, int fd, uint32_t events, net_loop_fn *fn, void *arg, struct err *e);
void net_loop_change(struct net_loop *l, int fd, uint32_t events);
void net_loop_unwatch(struct net_loop *l, int fd);	/* also from within fn */

struct net_timer {			/* the caller's storage, zeroed */
	void (*fn)(void *arg);
	void *arg;
	int64_t at_ns;			/* clock_mono_ns(); 0: not set */
	struct net_timer *next;
};

void net_loop_timer(struct net_loop *l, struct net_timer *t, int64_t delay_ns);	/* once; moves it if it is set */
void net_loop_timer_stop(struct net_loop *l, struct net_timer *t);

#endif
