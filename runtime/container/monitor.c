/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor's life: its birth by fork, runs of the container, their ends, its own. */
#include "runtime/container/monitor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cache/store.h"
#include "parser/flags.h"
#include "runtime/container/eventlog.h"
#include "runtime/container/monitor_int.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/userns.h"

#define SECOND INT64_C(1000000000)
#define DRAIN_NS SECOND		/* for output that somebody else may hold open after process 1 is dead */
#define STOP_SECONDS 10
#define SETTLE_NS (30 * INT64_C(1000000))

struct container *monitor_container(struct monitor *m)
{
	return m->c;
}

struct sandbox *monitor_sandbox(struct monitor *m)
{
	return m->sb;
}

struct job *monitor_job(struct monitor *m)
{
	return &m->job;
}

/* What ops have to say goes to whoever started the container, as long as he is there. */
static void sink_send(struct sink *s, const struct event *ev)
{
	struct monitor *m = container_of(s, struct monitor, sink);

	if (m->starter && (ev->kind == EV_NOTE || ev->kind == EV_WARN))
		client_send(m->starter, ev->kind == EV_NOTE ? CONTROL_NOTE : CONTROL_WARN, 0, 0, ev->text);
}

static void set_state(struct monitor *m, const struct container_state *st)
{
	auto_err struct err e = { 0 };

	if (container_set_state(m->c, st, &e) < 0)
		event_warn(&m->sink, "%s", err_text(&e));
}

static void tell_event(struct monitor *m, const char *action, json_t *attrs)
{
	event_log_container(m->c, action, attrs);
}

/* ---- the end of a run ---- */

static void run_end(struct monitor *m);
static int run_begin(struct monitor *m, int *status, struct err *e);

static void drained(void *arg)
{
	run_end(arg);
}

static void process_ended(void *arg, uint32_t events UNUSED)
{
	struct monitor *m = arg;

	monitor_unwatch(m, sandbox_pidfd(m->sb));
	m->ended = true;
	streams_flow(m);
	monitor_timer_set(m, &m->drain, DRAIN_NS);
}

static void finish(struct monitor *m, struct container_state *st)
{
	st->status = CONTAINER_EXITED;
	st->stopped = m->by_hand;
	m->quit = true;
	m->ops->done(m->arg, m);
	if (!json_is_true(json_object_get(json_object_get(m->c->config, "HostConfig"), "AutoRemove")))
		set_state(m, st);
	clients_tell(m, CONTROL_EXITED, st->exit_code, st->oom);
}

static void again(void *arg)
{
	struct monitor *m = arg;
	struct container_state st;
	auto_err struct err e = { 0 };
	bool by_hand = m->again;
	int status;

	m->stopping = m->again = m->by_hand = false;
	if (run_begin(m, &status, &e) == 0) {
		if (by_hand)
			tell_event(m, "restart", NULL);
		clients_tell(m, CONTROL_STARTED, m->c->state.pid, 0);
		return;
	}
	for (struct client *c = m->clients; c; c = c->next)
		if (c->waits)
			client_send_failed(c, status, &e);
	st = m->c->state;
	st.error = (char *)err_text(&e);
	st.exit_code = status;
	finish(m, &st);
}

/* The policy's word on what comes next; state and clients know before anything else happens. */
static void decide(struct monitor *m, struct container_state *st)
{
	struct restart_policy p = restart_load(json_object_get(json_object_get(m->c->config, "HostConfig"), "RestartPolicy"));
	int64_t delay, ran = clock_mono_ns() - m->started_mono;
	bool more = restart_again(&p, &m->policy, st->exit_code, m->stopping, ran, &delay);

	if (!m->again && !more) {
		finish(m, st);
		return;
	}
	if (m->again) {
		delay = 0;
		m->policy = (struct restart_state){ 0 };
		st->restarts = 0;
	} else {
		st->restarts++;
	}
	st->status = CONTAINER_RESTARTING;
	set_state(m, st);
	clients_tell(m, CONTROL_EXITED, st->exit_code, st->oom);
	monitor_timer_set(m, &m->backoff, delay);
}

static void tell_death(struct monitor *m, const struct exit_status *how)
{
	auto_free char *code = xasprintf("%d", how->code);

	if (how->oom)
		tell_event(m, "oom", NULL);
	tell_event(m, "die", json_pack("{s:s}", "exitCode", code));
	if (m->stop_asked && !m->again)
		tell_event(m, "stop", NULL);
	m->stop_asked = false;
}

static void run_end(struct monitor *m)
{
	struct container_state st = m->c->state;
	struct exit_status how = { 0 };
	auto_err struct err e = { 0 };

	monitor_timer_stop(m, &m->drain);
	monitor_timer_stop(m, &m->patience);
	streams_close(m);
	logfile_flush(m->log);
	if (sandbox_wait(&m->job, m->sb, &how, &e) < 0)
		how.code = 137;
	if (how.oom)
		event_note(&m->sink, "the container was killed: it used more memory than --memory allows");
	sandbox_free(m->sb);
	m->sb = NULL;
	m->ended = false;
	m->opened = false;
	m->ops->close(m->arg, m);
	st.exit_code = how.code;
	st.oom = how.oom;
	st.pid = 0;
	st.pid_start = 0;
	st.finished_ns = clock_now_ns();
	tell_death(m, &how);
	decide(m, &st);
}

/* ---- the beginning of one ---- */

static int run_open(struct monitor *m, struct err *e)
{
	struct spec streams = { .stdio = { -1, -1, -1 } };
	struct container_state st = m->c->state;

	if (streams_open(m, &streams, e) < 0)
		return -1;
	m->opened = true;
	if (m->ops->open(m->arg, m, &streams, &m->sb, e) < 0 || streams_attach(m, e) < 0)
		return -1;
	st.status = CONTAINER_RUNNING;
	st.started_ns = clock_now_ns();
	st.pid = sandbox_pid(m->sb);
	st.pid_start = process_start_time(st.pid);
	st.oom = false;
	st.stopped = false;
	st.error = NULL;
	st.exit_code = 0;
	return container_set_state(m->c, &st, e);
}

static void run_abandon(struct monitor *m)
{
	streams_close(m);
	sandbox_free(m->sb);
	m->sb = NULL;
	if (m->opened)
		m->ops->close(m->arg, m);
	m->opened = false;
}

static int run_begin(struct monitor *m, int *status, struct err *e)
{
	*status = 125;
	m->ended = false;
	if (run_open(m, e) < 0) {
		if (e->kind == ERR_NOT_FOUND && e->sys == ENOENT)
			*status = 127;	/* a path that is only looked for now is missing */
		run_abandon(m);
		return -1;
	}
	m->started_mono = clock_mono_ns();
	if (sandbox_start(&m->job, m->sb, e) < 0) {
		*status = sandbox_start_status(e);
		run_abandon(m);
		return -1;
	}
	if (monitor_watch(m, sandbox_pidfd(m->sb), EPOLLIN, process_ended, m, e) < 0) {
		run_abandon(m);
		return -1;
	}
	tell_event(m, "start", NULL);
	m->ops->started(m->arg, m);
	return 0;
}

/* ---- what is asked for ---- */

static int configured_signal(const struct monitor *m)
{
	const char *text = container_text(m->c, "Config", "StopSignal", NULL);
	auto_err struct err ignored = { 0 };
	int sig;

	return *text && signal_parse(str_of(text), &sig, &ignored) == 0 ? sig : SIGTERM;
}

static int configured_seconds(const struct monitor *m)
{
	const json_t *n = json_object_get(json_object_get(m->c->config, "Config"), "StopTimeout");

	return json_is_integer(n) ? (int)json_integer_value(n) : STOP_SECONDS;
}

static int not_running(const struct monitor *m, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "container %s is not running", m->c->id);
}

/* A frozen process gets no signal before it thaws. */
static void thaw(struct monitor *m)
{
	auto_err struct err ignored = { 0 };

	if (m->c->state.status == CONTAINER_PAUSED)
		(void)!monitor_do_pause(m, false, &ignored);
}

int monitor_do_kill(struct monitor *m, int sig, bool stop, struct err *e)
{
	bool has_signal = *container_text(m->c, "Config", "StopSignal", NULL);

	if (m->sb && !m->ended && sandbox_kill(m->sb, sig) < 0)
		return err_sys(e, "kill container %s", m->c->id);
	if ((!m->sb || m->ended) && !stop)
		return not_running(m, e);
	/* Docker: any signal but another than its configured stop signal means that it shall end. */
	if (stop || sig == SIGKILL || !has_signal || sig == configured_signal(m)) {
		m->stopping = true;
		m->by_hand = true;
	}
	if (sig == SIGKILL || m->stopping)
		thaw(m);
	if (!m->sb && stop) {
		struct container_state st = m->c->state;

		monitor_timer_stop(m, &m->backoff);
		finish(m, &st);
		return 0;
	}
	tell_event(m, "kill", json_pack("{s:o}", "signal", json_sprintf("%d", sig)));
	return 0;
}

static void patience_over(void *arg)
{
	struct monitor *m = arg;

	if (m->sb && !m->ended)
		(void)sandbox_kill(m->sb, SIGKILL);
}

int monitor_do_stop(struct monitor *m, int sig, int seconds, bool restart, struct err *e)
{
	if (seconds == STOP_DEFAULT)
		seconds = configured_seconds(m);
	m->stopping = true;
	m->by_hand = true;
	m->again = restart;
	if (!m->sb) {		/* it waits for its next run */
		monitor_timer_stop(m, &m->backoff);
		if (restart) {
			monitor_timer_set(m, &m->backoff, 0);
		} else {
			struct container_state st = m->c->state;

			finish(m, &st);
		}
		return 0;
	}
	if (m->ended)
		return 0;
	m->stop_asked = true;
	if (sandbox_kill(m->sb, sig ? sig : configured_signal(m)) < 0)
		return err_sys(e, "stop container %s", m->c->id);
	tell_event(m, "kill", json_pack("{s:o}", "signal", json_sprintf("%d", sig ? sig : configured_signal(m))));
	thaw(m);
	if (seconds == 0)
		patience_over(m);
	else if (seconds > 0)
		monitor_timer_set(m, &m->patience, seconds * SECOND);
	return 0;
}

void monitor_stop(struct monitor *m, bool restart)
{
	auto_err struct err ignored = { 0 };

	(void)!monitor_do_stop(m, 0, STOP_DEFAULT, restart, &ignored);
}

int monitor_do_pause(struct monitor *m, bool pause, struct err *e)
{
	struct container_state st = m->c->state;

	if (!m->sb || m->ended)
		return not_running(m, e);
	if (pause && st.status == CONTAINER_PAUSED)
		return err_set(e, ERR_CONFLICT, "Container %s is already paused", m->c->id);
	if (!pause && st.status != CONTAINER_PAUSED)
		return err_set(e, ERR_CONFLICT, "Container %s is not paused", m->c->id);
	if ((pause ? sandbox_freeze(m->sb, m->c->id, e) : sandbox_thaw(m->sb, e)) < 0)
		return -1;
	st.status = pause ? CONTAINER_PAUSED : CONTAINER_RUNNING;
	set_state(m, &st);
	tell_event(m, pause ? "pause" : "unpause", NULL);
	return 0;
}

int monitor_do_reload(struct monitor *m, struct err *e)
{
	return container_reload_config(m->c, e) < 0 ? -1 : m->ops->reload(m->arg, m, e);
}

/* ---- the process ---- */

/* SIGTERM: the machine goes down. Its policy is not told of a wish, so that it comes back with the machine. */
static void signalled(void *arg, uint32_t events UNUSED)
{
	struct monitor *m = arg;
	struct signalfd_siginfo si;
	auto_err struct err ignored = { 0 };

	if (read(m->signals, &si, sizeof(si)) != sizeof(si))
		return;
	(void)!monitor_do_stop(m, 0, STOP_DEFAULT, false, &ignored);
	m->by_hand = false;
}

static int signals_open(struct monitor *m, struct err *e)
{
	static const int ignored[] = { SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGTTOU, SIGTTIN, SIGTSTP, SIGUSR1, SIGUSR2, SIGALRM };
	sigset_t set;

	for (size_t i = 0; i < countof(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signals < 0)
		return err_sys(e, "make a signalfd");
	return monitor_watch(m, m->signals, EPOLLIN, signalled, m, e);
}

/* Descriptors that our caller's caller let us inherit are not ours to keep open: none of ours lacks close-on-exec. */
static void foreign_close(void)
{
	DIR *d = opendir("/proc/self/fd");

	for (const struct dirent *de = d ? readdir(d) : NULL; de; de = readdir(d)) {
		uint64_t fd;

		if (str_to_u64(str_of(de->d_name), 10, &fd) && fd > 2 && fcntl((int)fd, F_GETFD) == 0)
			close((int)fd);
	}
	if (d)
		closedir(d);
}

static void streams_drop(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

/* What a container that runs for a moment only need not pay for. */
static void settle(void *arg)
{
	struct monitor *m = arg;

	foreign_close();
	store_after_fork(m->c->store);
	malloc_trim(0);
}

static int monitor_open(struct monitor *m, int sock, unsigned streams, struct err *e)
{
	struct logfile_options log;
	auto_free char *attrs = NULL;
	struct userns u;

	if (loop_open(m, e) < 0 || signals_open(m, e) < 0 || job_init(&m->job, &m->sink, e) < 0)
		return -1;
	m->starter = monitor_client_new(m, sock, streams);
	if (userns_info(&u, e) < 0 || userns_run_dir(&u, &m->run_dir, e) < 0 || clients_listen(m, e) < 0)
		return -1;
	if (logfile_options(json_object_get(json_object_get(m->c->config, "HostConfig"), "LogConfig"), &log, e) < 0)
		return -1;
	attrs = logfile_attrs(m->c->config);
	logfile_new(m->c->dir, m->c->id, &log, attrs, &m->log);
	return 0;
}

static bool auto_remove(const struct monitor *m)
{
	return json_is_true(json_object_get(json_object_get(m->c->config, "HostConfig"), "AutoRemove"));
}

/* It never ran: that and why stays in the record. */
static void failed(struct monitor *m, int status, const struct err *why)
{
	struct container_state st = { .status = CONTAINER_CREATED, .exit_code = status, .error = (char *)err_text(why) };

	if (!auto_remove(m))
		set_state(m, &st);
}

static void remove_all(struct monitor *m)
{
	auto_err struct err e = { 0 };

	tell_event(m, "destroy", NULL);
	if (m->ops->remove(m->arg, m, &e) < 0)
		event_warn(&m->sink, "remove the container: %s", err_text(&e));
	clients_tell(m, CONTROL_REMOVED, 0, 0);
}

static void live(struct monitor *m)
{
	while (!m->quit) {
		loop_turn(m);
		if (m->ended && streams_drained(m))
			run_end(m);
	}
}

static void monitor_main(struct monitor *m, int sock, unsigned streams)
{
	auto_err struct err e = { 0 };
	int status = 125;

	setsid();
	prctl(PR_SET_NAME, "tare-monitor", 0, 0, 0);
	streams_drop();
	(void)!chdir("/");
	m->sink.send = sink_send;
	m->patience = (struct monitor_timer){ .fn = patience_over, .arg = m };
	m->backoff = (struct monitor_timer){ .fn = again, .arg = m };
	m->settle = (struct monitor_timer){ .fn = settle, .arg = m };
	m->drain = (struct monitor_timer){ .fn = drained, .arg = m };
	if (monitor_open(m, sock, streams, &e) < 0 || run_begin(m, &status, &e) < 0) {
		m->ops->done(m->arg, m);
		failed(m, status, &e);
		if (auto_remove(m))
			remove_all(m);
		if (m->starter)
			client_send_failed(m->starter, status, &e);
	} else {
		if (m->starter) {
			client_send(m->starter, CONTROL_STARTED, m->c->state.pid, 0, (struct str){ 0 });
			m->starter->waits = true;
		}
		monitor_timer_set(m, &m->settle, SETTLE_NS);
		live(m);
		if (auto_remove(m))
			remove_all(m);
	}
	if (m->run_dir)
		control_dir_remove(m->run_dir, m->c->id);
	clients_linger(m);
}

int monitor_start(struct container *c, const struct monitor_ops *ops, void *arg, const struct monitor_first *first,
		  int *ret, struct err *e)
{
	struct monitor m = { .c = c, .ops = ops, .arg = arg, .epoll = -1, .signals = -1, .dir = -1, .listen = -1,
			     .job.cancel_fd = -1, .rows = first->rows, .cols = first->cols };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "make the monitor's socket");
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		monitor_main(&m, pair[1], first->streams);
		_exit(0);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return err_sys(e, "start the container's monitor");
	}
	*ret = pair[0];
	return 0;
}
