/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json -> spec, tree, mounts, network, sandbox: in the monitor, for the first run and for each that follows.
 * What needs the store's database (the layers) is opened before the fork.
 */
#include "engine/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/fs.h"
#include "cache/layer.h"
#include "cache/snapshot.h"
#include "cache/store.h"
#include "engine/health.h"
#include "engine/run_device.h"
#include "engine/run_join.h"
#include "engine/run_spec.h"
#include "engine/run_volume.h"
#include "runtime/container/control.h"
#include "runtime/container/monitor.h"
#include "runtime/container/network.h"
#include "runtime/network/bridge.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/userns.h"

#define LAYERS_MAX ((size_t)1 << 20)

struct run_parts {		/* of one run; snapshot and host stay from the first to the last */
	struct snapshot *snapshot;
	struct run_mounts mounts;
	struct run_sources sources;
	struct run_spec rs;
	struct run_device_set devices;
	struct container_net *net;
	struct run_joined joined;
	struct sandbox_host *host;
	struct probe *probe;		/* its health check */
};

int start_open(struct store *s, const char *ref, struct start **ret, struct err *e)
{
	struct start *st = xcalloc(1, sizeof(*st));
	int r;

	st->store = s;
	r = container_open(s, ref, &st->c, e) < 0 ? -1 : container_lock(st->c, e);
	if (r < 0) {
		start_free(st);
		return -1;
	}
	st->c->durable = !json_is_true(json_object_get(json_object_get(st->c->config, "HostConfig"), "AutoRemove"));
	*ret = st;
	return r;
}

void start_free(struct start *st)
{
	if (!st)
		return;
	for (size_t i = 0; i < st->nlayers; i++)
		layer_unref(st->layers[i]);
	free(st->layers);
	container_free(st->c);
	free(st);
}

/* ---- in the monitor ---- */

static const json_t *part(const struct start *st, const char *name)
{
	return json_object_get(st->c->config, name);
}

static int open_tree(struct start *st, struct job *j, struct err *e)
{
	struct run_parts *p = st->parts;
	const json_t *mounts = part(st, "Mounts");
	int root;

	if (!p->snapshot && snapshot_open_kept(st->c->dir, st->layers, st->nlayers, st->c->durable, &p->snapshot, e) < 0)
		return -1;
	root = snapshot_fd(p->snapshot);
	for (size_t i = 0; i < json_array_size(mounts); i++)
		if (run_mounts_load(&p->mounts, json_array_get(mounts, i), e) < 0)
			return -1;
	if (run_spec_user(&p->rs, root, NULL, e) < 0)
		return -1;
	p->mounts.uid = p->rs.sp.uid;
	p->mounts.gid = p->rs.sp.gid;
	if (run_sources_open(j, st->store, &p->mounts, root, &p->sources, e) < 0)
		return -1;
	p->rs.sp.root_fd = root;
	p->rs.sp.mounts = p->sources.v;
	p->rs.sp.nmounts = p->sources.n;
	p->rs.sp.name = st->c->id;
	return 0;
}

static int open_devices(struct start *st, struct err *e)
{
	auto_free char *bundle = xasprintf("%s/%s/%s/bundle", store_path(st->store), store_dir_name(STORE_CONTAINERS), st->c->id);

	return run_device_open(part(st, "HostConfig"), bundle, &st->parts->rs.sp, &st->parts->devices, e);
}

static void network_work(void *arg, uint32_t events UNUSED)
{
	const struct start *st = arg;

	container_net_work(st->parts->net);
}

static int open_network(struct start *st, struct monitor *m, struct err *e)
{
	struct container_net_args a = { .store = store_path(st->store), .id = st->c->id, .config = st->c->config,
					.sink = monitor_job(m)->sink };
	auto_free char *run_dir = NULL;
	struct userns u;

	if (userns_info(&u, e) < 0 || userns_run_dir(&u, &run_dir, e) < 0)
		return -1;
	a.run_dir = run_dir;
	network_sweep(run_dir);
	if (container_net_open(&a, &st->parts->net, e) < 0)
		return -1;
	container_net_spec(st->parts->net, &st->parts->rs.sp);
	if (container_net_fd(st->parts->net) < 0)
		return 0;
	return monitor_watch(m, container_net_fd(st->parts->net), EPOLLIN, network_work, st, e);
}

static int run_open(void *arg, struct monitor *m, const struct spec *streams, struct sandbox **ret, struct err *e)
{
	struct start *st = arg;
	struct spec *sp = &st->parts->rs.sp;

	if (run_spec_load(&st->parts->rs, st->c->config, e) < 0 || open_tree(st, monitor_job(m), e) < 0 ||
	    open_devices(st, e) < 0 || open_network(st, m, e) < 0 ||
	    run_join_open(store_path(st->store), st->c->config, &st->parts->joined, sp, e) < 0 ||
	    (!st->parts->host && sandbox_host_new(&st->parts->host, e) < 0))
		return -1;
	memcpy(sp->stdio, streams->stdio, sizeof(sp->stdio));
	sp->tty = streams->tty;
	sp->rows = streams->rows;
	sp->cols = streams->cols;
	return sandbox_create(monitor_job(m), st->parts->host, sp, ret, e);
}

static void run_started(void *arg, struct monitor *m)
{
	struct start *st = arg;
	auto_err struct err e = { 0 };

	if (container_net_started(st->parts->net, sandbox_pid(monitor_sandbox(m)), &e) < 0)
		event_warn(monitor_job(m)->sink, "%s", err_text(&e));
	st->parts->probe = probe_begin(m, st->parts->host);
}

/* Inner things first. */
static void run_close(void *arg, struct monitor *m)
{
	struct start *st = arg;
	struct run_parts *p = st->parts;

	probe_end(p->probe);
	if (p->net && container_net_fd(p->net) >= 0)
		monitor_unwatch(m, container_net_fd(p->net));
	container_net_close(p->net);
	run_device_close(&p->devices);
	run_join_close(&p->joined);
	run_sources_close(&p->sources);
	run_mounts_done(&p->mounts);
	run_spec_done(&p->rs);
	*p = (struct run_parts){ .snapshot = p->snapshot, .host = p->host };
}

/* The tree can only be let go when nothing is mounted from it. */
static void run_over(void *arg, struct monitor *m UNUSED)
{
	struct start *st = arg;

	sandbox_host_leave(st->parts->host);
	st->parts->host = NULL;
	snapshot_free(st->parts->snapshot);
	st->parts->snapshot = NULL;
}

/* What has changed in the record: limits, networks, names. */
static int run_reload(void *arg, struct monitor *m, struct err *e)
{
	const struct start *st = arg;
	struct run_spec now = { 0 };
	int r = run_spec_load(&now, st->c->config, e);

	if (r == 0 && monitor_sandbox(m))
		r = sandbox_limit(monitor_sandbox(m), st->c->id, &now.sp.limits, e);
	run_spec_done(&now);
	if (r == 0 && st->parts->net)
		r = container_net_reload(st->parts->net, st->c->config, e);
	return r;
}

static int run_remove(void *arg, struct monitor *m UNUSED, struct err *e)
{
	struct start *st = arg;
	auto_strv struct strv volumes = { 0 };

	container_anonymous_volumes(st->c, &volumes);
	if (container_remove(st->c, false, e) < 0)
		return -1;
	return run_volumes_remove(st->store, &volumes, e);
}

static const struct monitor_ops ops = {
	.open = run_open, .started = run_started, .close = run_close, .done = run_over, .reload = run_reload,
	.remove = run_remove,
};

/* ---- before the fork ---- */

static int open_layer(struct start *st, struct str hex, struct err *e)
{
	auto_free char *text = xasprintf("sha256:" STR_FMT, STR_ARG(hex));
	struct digest d;

	if (digest_parse(str_of(text), &d, e) < 0)
		return -1;
	return layer_open(st->store, &d, &st->layers[st->nlayers++], e);
}

/* The record names them, so gc leaves them alone: they need no pins. */
static int open_layers(struct start *st, struct err *e)
{
	auto_buf struct buf b = { 0 };
	struct str rest;

	if (st->layers)
		return 0;
	if (fs_read(st->c->dir, "layers", LAYERS_MAX, &b, e) < 0)
		return err_wrap(e, "container %s", st->c->id);
	st->layers = xcalloc(b.n / 65 + 1, sizeof(*st->layers));
	for (rest = buf_view(&b); rest.n;)
		if (open_layer(st, str_cut(&rest, '\n'), e) < 0) {
			st->nlayers--;
			return err_wrap(e, "container %s", st->c->id);
		}
	return 0;
}

/* The monitor is a fork of this very process: its static texts have the same addresses. */
static int failure(const struct control *m, int *status, struct err *e)
{
	*status = m->a;
	err_set(e, (enum err_kind)m->b, STR_FMT, (int)m->n, m->data);
	e->sys = m->c;
	e->hint = (const char *)(uintptr_t)m->hint;
	return -1;
}

static int await_start(struct job *j, struct start *st, int sock, int *status, struct err *e)
{
	auto_free struct control *m = xmalloc(sizeof(*m));

	for (;;) {
		if (job_check(j, e) < 0)
			return -1;
		if (control_recv(sock, m, 0) <= 0)
			return err_set(e, ERR_SYS, "the container's monitor was killed");
		if (m->kind == CONTROL_FAILED)
			return failure(m, status, e);
		if (m->kind == CONTROL_STARTED) {
			st->pid = m->a;
			return 0;
		}
		if (m->kind == CONTROL_NOTE)
			event_note(j->sink, STR_FMT, (int)m->n, m->data);
		if (m->kind == CONTROL_WARN)
			event_warn(j->sink, STR_FMT, (int)m->n, m->data);
	}
}

int start_monitor(struct job *j, struct start *st, unsigned streams, int *ret, int *status, struct err *e)
{
	auto_fd int sock = -1;
	struct run_parts parts = { 0 };
	struct monitor_first first;

	*status = 125;
	if (open_layers(st, e) < 0)
		return -1;
	st->parts = &parts;
	first = (struct monitor_first){ streams, st->rows, st->cols };
	if (monitor_start(st->c, &ops, st, &first, &sock, e) < 0)
		return -1;
	st->parts = NULL;
	if (await_start(j, st, sock, status, e) < 0)
		return -1;
	*ret = take_fd(&sock);
	*status = 0;
	return 0;
}

int engine_start(struct job *j, struct store *s, const char *ref, struct err *e)
{
	auto_fd int sock = -1;
	struct start *st = NULL;
	int status, r = start_open(s, ref, &st, e);

	if (r == 0)
		r = start_monitor(j, st, 0, &sock, &status, e);
	start_free(st);
	return r < 0 ? -1 : 0;
}

/* What of the streams a container has; the rest of what an attachment must know of it. */
static struct attach_args for_container(const struct container *c, const struct attach_args *args)
{
	const json_t *config = json_object_get(c->config, "Config"), *host = json_object_get(c->config, "HostConfig");
	struct attach_args own = *args;

	own.tty = json_is_true(json_object_get(config, "Tty"));
	if (!json_is_true(json_object_get(config, "OpenStdin")))
		own.streams &= ~(unsigned)CONTROL_IN;
	own.removes = json_is_true(json_object_get(host, "AutoRemove"));
	return own;
}

int engine_start_attached(struct job *j, struct store *s, const char *ref, const struct attach_args *args, int *status,
			  struct err *e)
{
	auto_attach struct attach a = { .sock = -1 };
	struct attach_args own;
	struct start *st = NULL;
	int r = start_open(s, ref, &st, e);

	*status = 1;
	if (r < 0)
		return -1;
	own = for_container(st->c, args);
	if (r == 1) {
		start_free(st);
		return engine_attach(j, s, ref, args, status, e);
	}
	r = attach_open(&a, &own, e);
	if (r == 0 && own.tty)
		tty_size(isatty(0) ? 0 : 1, &st->rows, &st->cols);
	if (r == 0)
		r = start_monitor(j, st, own.streams, &a.sock, status, e);
	a.pid = st->pid;
	start_free(st);
	return r < 0 ? -1 : attach_pump(j, &a, status, e);
}
