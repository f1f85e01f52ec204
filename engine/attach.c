/* SPDX-License-Identifier: Apache-2.0 */
/* Attached: bytes, keys, sizes and signals go to and fro until the container ends or we are asked to leave. */
#include "engine/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "engine/control.h"
#include "engine/run_io.h"
#include "runtime/container/eventlog.h"

#define KILLED 137		/* the monitor, and with it the container */

int attach_open(struct attach *a, const struct attach_args *args, struct err *e)
{
	int sock = a->sock;

	*a = (struct attach){ .sock = sock, .signals = -1, .args = *args };
	if (detach_parse(args->detach_keys, &a->keys, e) < 0)
		return -1;
	if (args->tty && (args->streams & CONTROL_IN) && !isatty(0))
		return err_set(e, ERR_USAGE, "the input device is not a TTY");
	if (!args->sig_proxy || !args->streams)
		return 0;
	if (run_signals_hold(&a->old, &a->signals, e) < 0)
		return -1;
	a->masked = true;
	return 0;
}

static void send_size(struct attach *a)
{
	unsigned short rows, cols;

	tty_size(isatty(0) ? 0 : 1, &rows, &cols);
	if (rows && cols)
		(void)control_send(a->sock, CONTROL_RESIZE, rows, cols, (struct str){ 0 }, 0);
}

static void kill_it(struct attach *a)
{
	(void)control_send(a->sock, CONTROL_KILL, SIGKILL, 1, (struct str){ 0 }, 0);
}

static void signal_pass(struct job *j, struct attach *a, int sig)
{
	bool stop = sig == SIGINT || sig == SIGTERM || sig == SIGQUIT;

	if (sig == SIGWINCH) {
		if (a->args.tty)
			send_size(a);
		return;
	}
	if (sig == SIGHUP && a->args.tty && !run_signal_caught(a->pid, sig)) {
		kill_it(a);		/* its terminal is gone, and it would wait for it for ever */
		return;
	}
	if (stop && !run_signal_caught(a->pid, sig)) {
		if (++a->stops >= RUN_STOPS_MAX) {
			kill_it(a);
			return;
		}
		if (a->stops == 1 && !a->args.tty)
			event_note(j->sink, "the container's process 1 does not handle SIG%s; %d more end it (--init would, too)",
				   sigabbrev_np(sig), RUN_STOPS_MAX - 1);
	}
	(void)control_send(a->sock, CONTROL_SIGNAL, sig, 0, (struct str){ 0 }, 0);
}

static void signals_move(struct job *j, struct attach *a)
{
	struct signalfd_siginfo si;

	while (read(a->signals, &si, sizeof(si)) == sizeof(si))
		signal_pass(j, a, (int)si.ssi_signo);
}

/* True: the detach keys came. */
static bool input_move(struct attach *a)
{
	char buf[CONTROL_DATA / 2];
	auto_buf struct buf keys = { 0 };
	struct str bytes = { buf, 0 };
	ssize_t n = read(0, buf, sizeof(buf));
	bool leave = false;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		a->args.streams &= ~(unsigned)CONTROL_IN;
		(void)control_send(a->sock, CONTROL_INPUT_END, 0, 0, (struct str){ 0 }, 0);
		return false;
	}
	bytes.n = (size_t)n;
	if (a->args.tty) {
		leave = detach_feed(&a->keys, bytes, &keys);
		bytes = buf_view(&keys);
	}
	if (bytes.n && control_send(a->sock, CONTROL_INPUT, 0, 0, bytes, 0) == 0)
		a->input_busy = true;
	return leave;
}

/* Our reader is gone. As in a pipeline of programs, so is then the container's, if it is ours. */
static void output_gone(struct attach *a, unsigned stream)
{
	a->args.streams &= ~stream;
	(void)control_send(a->sock, a->args.by_run ? CONTROL_CLOSED : CONTROL_DETACH, (int32_t)stream, 0, (struct str){ 0 }, 0);
}

static int output_fd(const struct attach *a)
{
	return a->out->a == CONTROL_ERR ? 2 : 1;
}

static void output_move(struct attach *a)
{
	/* At most a pipe's atomic size: having room for that, a write does not block. */
	ssize_t n = write(output_fd(a), a->out->data + a->out_at, MIN(a->out->n - a->out_at, (size_t)4096));

	if (n > 0)
		a->out_at += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		output_gone(a, (unsigned)a->out->a);
		a->out_at = a->out->n;
	}
	if (a->out_at < a->out->n)
		return;
	free(a->out);
	a->out = NULL;
}

/* 1: go on; 0: all is said. */
static int message_move(struct job *j, struct attach *a)
{
	struct control *m = xmalloc(sizeof(*m));
	int r = control_recv(a->sock, m, 0);

	if (r > 0 && m->kind == CONTROL_OUTPUT && m->n && (a->args.streams & (unsigned)m->a)) {
		a->out = m;
		a->out_at = 0;
		return 1;
	}
	if (r > 0 && m->kind == CONTROL_TAKEN)
		a->input_busy = false;
	if (r > 0 && m->kind == CONTROL_NOTE)
		event_note(j->sink, STR_FMT, (int)m->n, m->data);
	if (r > 0 && m->kind == CONTROL_WARN)
		event_warn(j->sink, STR_FMT, (int)m->n, m->data);
	if (r > 0 && m->kind == CONTROL_EXITED && !a->exited) {
		a->exited = true;
		a->code = m->a;
	}
	if (r > 0 && (m->kind == CONTROL_REMOVED || (m->kind == CONTROL_EXITED && !a->args.removes)))
		r = 0;
	free(m);
	return r > 0;
}

int attach_pump(struct job *j, struct attach *a, int *status, struct err *e)
{
	if (a->args.tty && (a->args.streams & CONTROL_IN) && tty_raw_on(&a->raw, 0, e) < 0)
		return -1;
	for (;;) {
		bool in = (a->args.streams & CONTROL_IN) && !a->input_busy && !a->exited;
		struct pollfd p[] = {
			{ .fd = j->cancel_fd, .events = POLLIN }, { .fd = a->signals, .events = POLLIN },
			{ .fd = in ? 0 : -1, .events = POLLIN }, { .fd = a->out ? -1 : a->sock, .events = POLLIN },
			{ .fd = a->out ? output_fd(a) : -1, .events = POLLOUT },
		};

		if (poll(p, countof(p), -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (job_check(j, e) < 0)
			return -1;
		if (p[1].revents)
			signals_move(j, a);
		if (p[4].revents)
			output_move(a);
		if (p[3].revents && !message_move(j, a))
			break;
		if (p[2].revents && input_move(a)) {
			*status = 0;
			return 0;
		}
		if (!a->args.by_run && !a->args.streams && !a->exited) {
			*status = 0;	/* nobody reads us any more */
			return 0;
		}
	}
	*status = a->exited ? a->code : KILLED;
	return 0;
}

void attach_close(struct attach *a)
{
	tty_raw_off(&a->raw);
	free(a->out);
	a->out = NULL;
	if (a->sock >= 0)
		close(take_fd(&a->sock));
	if (a->masked && a->signals >= 0)
		close(take_fd(&a->signals));
	if (a->masked)
		pthread_sigmask(SIG_SETMASK, &a->old, NULL);
	a->masked = false;
}

int engine_attach(struct job *j, struct store *s, const char *ref, const struct attach_args *args, int *status,
		  struct err *e)
{
	auto_attach struct attach a = { .sock = -1 };
	auto_free struct control *m = xmalloc(sizeof(*m));
	auto_container struct container *c = NULL;
	struct attach_args own = *args;
	const json_t *config;

	if (container_open(s, ref, &c, e) < 0)
		return -1;
	if (!container_is_live(c))
		return err_set(e, ERR_CONFLICT, "You cannot attach to a stopped container, start it first");
	config = json_object_get(c->config, "Config");
	own.tty = json_is_true(json_object_get(config, "Tty"));
	if (!json_is_true(json_object_get(config, "OpenStdin")))
		own.streams &= ~(unsigned)CONTROL_IN;
	own.removes = json_is_true(json_object_get(json_object_get(c->config, "HostConfig"), "AutoRemove"));
	if (attach_open(&a, &own, e) < 0 || engine_connect(c, &a.sock, e) < 0 ||
	    control_send(a.sock, CONTROL_ATTACH, (int32_t)own.streams, 0, (struct str){ 0 }, 0) < 0 ||
	    control_answer(j, a.sock, m, e) < 0)
		return -1;
	a.pid = m->a;
	event_log_container(c, "attach", NULL);
	if (own.tty)
		send_size(&a);
	return attach_pump(j, &a, status, e);
}
