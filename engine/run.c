/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tare run: create, start, attach.
 *
 * A container that could not be made leaves no record. One whose program could not be started stays, CREATED with the
 * reason, as in Docker; with rm nothing stays in either case.
 */
#include "engine/run.h"

#include "runtime/container/control.h"
#include "runtime/container/eventlog.h"

static unsigned wanted_streams(const struct run_args *a)
{
	unsigned all = CONTROL_OUT | CONTROL_ERR | (a->interactive ? CONTROL_IN : 0), s = 0;

	if (a->detach)
		return 0;
	if (!a->attach.n)
		return all;
	if (strv_has(&a->attach, "stdin"))
		s |= CONTROL_IN;
	if (strv_has(&a->attach, "stdout"))
		s |= CONTROL_OUT;
	if (strv_has(&a->attach, "stderr"))
		s |= CONTROL_ERR;
	return s & (all | CONTROL_OUT | CONTROL_ERR);
}

int engine_run(struct job *j, struct store *s, const struct run_args *a, char id[static CONTAINER_ID_MAX], int *status,
	       struct err *e)
{
	struct attach_args at = { .streams = wanted_streams(a), .tty = a->tty, .detach_keys = a->detach_keys,
				  .sig_proxy = a->sig_proxy, .by_run = true, .removes = a->rm };
	auto_attach struct attach io = { .sock = -1 };
	struct start *st;
	int r;

	*status = 125;
	*id = '\0';
	if (engine_create(j, s, a, true, &st, e) < 0)
		return -1;
	memcpy(id, st->c->id, CONTAINER_ID_MAX);
	if (at.streams)
		event_log_container(st->c, "attach", NULL);
	r = attach_open(&io, &at, e);
	if (a->tty && at.streams)
		tty_size(isatty(0) ? 0 : 1, &st->rows, &st->cols);
	if (r == 0)
		r = start_monitor(j, st, at.streams, &io.sock, status, e);
	else if (a->rm)
		(void)!container_remove(st->c, false, &(struct err){ 0 });
	io.pid = st->pid;
	start_free(st);
	if (r < 0 || a->detach)
		return r;
	return attach_pump(j, &io, status, e);
}
