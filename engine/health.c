/* SPDX-License-Identifier: Apache-2.0 */
/* A probe is what exec would start, with a pipe for its output: never more than one at a time. */
#include "engine/health.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "engine/run_spec.h"
#include "runtime/container/container.h"
#include "runtime/container/eventlog.h"
#include "runtime/container/health.h"
#include "runtime/container/monitor.h"
#include "runtime/sandbox/join.h"
#include "runtime/sandbox/sandbox.h"

struct probe {
	struct monitor *m;
	struct sandbox_host *host;
	struct health health;
	struct monitor_timer due, late;
	struct sandbox *sandbox;	/* under way */
	int output;			/* its pipe; -1 */
	int64_t start;
	bool timed_out;
	struct buf text;
};

static void finish(struct probe *p, int code, struct str output);

/* What it writes beyond what is kept is read and forgotten. */
static void take_output(struct probe *p)
{
	char chunk[4096];
	ssize_t n;

	while (p->output >= 0 && (n = read(p->output, chunk, sizeof(chunk))) > 0)
		buf_add(&p->text, chunk, MIN((size_t)n, HEALTH_OUTPUT_MAX - p->text.n));
}

static void on_output(void *arg, uint32_t events)
{
	struct probe *p = arg;

	take_output(p);
	if (events & EPOLLHUP)
		monitor_unwatch(p->m, p->output);
}

/* Whatever the probe has left behind in the container may keep the pipe open: it is not waited for. */
static void let_go(struct probe *p)
{
	if (p->output >= 0) {
		monitor_unwatch(p->m, p->output);
		close(take_fd(&p->output));
	}
	if (p->sandbox) {
		monitor_unwatch(p->m, sandbox_pidfd(p->sandbox));
		sandbox_free(p->sandbox);
		p->sandbox = NULL;
	}
	monitor_timer_stop(p->m, &p->late);
}

static void on_end(void *arg, uint32_t events UNUSED)
{
	struct probe *p = arg;
	struct exit_status how = { .code = 1 };
	auto_err struct err ignored = { 0 };
	auto_buf struct buf text = { 0 };

	(void)!sandbox_wait(monitor_job(p->m), p->sandbox, &how, &ignored);
	take_output(p);
	if (p->timed_out)
		buf_printf(&text, "Health check exceeded timeout (%lld.%03llds)%s", (long long)(p->health.timeout / 1000000000),
			   (long long)(p->health.timeout / 1000000 % 1000), p->text.n ? ": " : "");
	buf_str(&text, buf_view(&p->text));
	let_go(p);
	finish(p, p->timed_out ? -1 : how.code, buf_view(&text));
}

static void on_late(void *arg)
{
	struct probe *p = arg;

	p->timed_out = true;
	(void)sandbox_kill(p->sandbox, SIGKILL);
}

static int join(struct probe *p, const struct process *t, struct run_spec *r, int out, struct err *e)
{
	auto_fd int root = -1;

	if (process_root(t, &root, e) < 0 || run_spec_load(r, monitor_container(p->m)->config, e) < 0)
		return -1;
	strv_done(&r->sp.argv);
	strv_copy(&r->sp.argv, &p->health.argv);
	r->sp.init = r->sp.tty = r->sp.mkdir_cwd = false;
	r->sp.limits = (struct cgroup_limits){ 0 };
	r->sp.stdio[1] = r->sp.stdio[2] = out;
	if (run_spec_user(r, root, NULL, e) < 0 ||
	    sandbox_join(monitor_job(p->m), p->host, t, &r->sp, false, &p->sandbox, e) < 0)
		return -1;
	return sandbox_start(monitor_job(p->m), p->sandbox, e);
}

static int launch(struct probe *p, struct err *e)
{
	const struct container_state *st = &monitor_container(p->m)->state;
	struct process t = { .pidfd = -1, .proc = -1 };
	struct run_spec r = { 0 };
	int fds[2], ret;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	p->output = fds[0];
	fcntl(p->output, F_SETFL, O_NONBLOCK);
	ret = process_open(st->pid, st->pid_start, &t, e);
	if (ret == 0)
		ret = join(p, &t, &r, fds[1], e);
	close(fds[1]);
	run_spec_done(&r);
	process_close(&t);
	if (ret < 0 || monitor_watch(p->m, p->output, EPOLLIN, on_output, p, e) < 0)
		return -1;
	return monitor_watch(p->m, sandbox_pidfd(p->sandbox), EPOLLIN, on_end, p, e);
}

static void on_due(void *arg)
{
	struct probe *p = arg;
	auto_err struct err e = { 0 };

	if (!monitor_sandbox(p->m))
		return;
	if (monitor_container(p->m)->state.status != CONTAINER_RUNNING) {	/* paused, and so is its check */
		monitor_timer_set(p->m, &p->due, p->health.interval);
		return;
	}
	p->start = clock_now_ns();
	p->timed_out = false;
	buf_reset(&p->text);
	if (launch(p, &e) == 0) {
		monitor_timer_set(p->m, &p->late, p->health.timeout);
		return;
	}
	let_go(p);
	finish(p, sandbox_start_status(&e), str_of(err_text(&e)));
}

static void react(struct probe *p)
{
	const char *what = p->health.on_failure;

	if (strcmp(what, "kill") == 0)
		(void)sandbox_kill(monitor_sandbox(p->m), SIGKILL);
	else if (strcmp(what, "stop") == 0 || strcmp(what, "restart") == 0)
		monitor_stop(p->m, *what == 'r');
}

static void finish(struct probe *p, int code, struct str output)
{
	auto_err struct err ignored = { 0 };
	struct container *c = monitor_container(p->m);
	int64_t now = clock_now_ns();
	bool changed = health_result(&p->health, p->start, now, code, output);

	(void)!health_write(&p->health, c->dir, &ignored);
	monitor_timer_set(p->m, &p->due, health_next(&p->health, now));
	if (!changed)
		return;
	{
		auto_free char *action = xasprintf("health_status: %s", health_word(p->health.status));

		event_log_container(c, action, NULL);
	}
	if (p->health.status == HEALTH_UNHEALTHY && monitor_sandbox(p->m))
		react(p);
}

struct probe *probe_begin(struct monitor *m, struct sandbox_host *host)
{
	struct container *c = monitor_container(m);
	auto_err struct err ignored = { 0 };
	struct health h;
	struct probe *p;

	if (!health_load(c->config, c->state.started_ns, &h))
		return NULL;
	p = xcalloc(1, sizeof(*p));
	*p = (struct probe){ .m = m, .host = host, .health = h, .output = -1 };
	p->due = (struct monitor_timer){ .fn = on_due, .arg = p };
	p->late = (struct monitor_timer){ .fn = on_late, .arg = p };
	(void)!health_write(&p->health, c->dir, &ignored);
	monitor_timer_set(m, &p->due, health_first(&p->health));
	return p;
}

void probe_end(struct probe *p)
{
	if (!p)
		return;
	monitor_timer_stop(p->m, &p->due);
	if (p->sandbox)
		(void)sandbox_kill(p->sandbox, SIGKILL);
	let_go(p);
	health_done(&p->health);
	buf_done(&p->text);
	free(p);
}
