/* SPDX-License-Identifier: Apache-2.0 */
/* RUN steps: sandbox, log, exit status, layer. */
#include "builder/op_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "base/fs.h"
#include "builder/copy.h"
#include "builder/result.h"
#include "builder/run_devices.h"
#include "builder/run_mounts.h"
#include "builder/users.h"
#include "builder/work.h"
#include "cache/builds.h"
#include "cache/snapshot.h"
#include "runtime/container/devices.h"
#include "runtime/network/net.h"
#include "runtime/network/resolv.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/spec.h"

/* ---- keys ---- */

static void key_mount(struct hasher *h, const struct run_step_mount *m)
{
	hasher_u64(h, m->m.type);
	hasher_cstr(h, m->target);
	hasher_u64(h, m->m.readonly);
	if (m->m.type == MOUNT_TMPFS)
		hasher_u64(h, m->m.size);
	if (m->m.type != MOUNT_SECRET && m->m.type != MOUNT_SSH)
		return;		/* id and sharing of a cache are in no key, nor is a bind's source: its content is */
	hasher_cstr(h, m->m.id);
	hasher_cstr(h, m->m.env);
	hasher_u64(h, m->m.mode);
}

static void run_key(struct work *w, struct vertex *v, struct hasher *h)
{
	const struct run_op *op = v->data;

	hasher_u64(h, op->argv.n);
	for (size_t i = 0; i < op->argv.n; i++)
		hasher_cstr(h, op->argv.v[i]);
	hasher_u64(h, op->env.n);
	for (size_t i = 0; i < op->env.n; i++)
		hasher_cstr(h, op->env.v[i]);
	hasher_cstr(h, op->cwd);
	hasher_cstr(h, op->user);
	hasher_cstr(h, op->hostname);
	hasher_cstr(h, op->network);
	hasher_cstr(h, op->script_name ? op->script_name : "");
	hasher_str(h, op->script);
	hasher_u64(h, op->nmounts);
	for (size_t i = 0; i < op->nmounts; i++)
		key_mount(h, &op->mounts[i]);
	for (size_t i = 0; i < op->ndevices; i++) {
		hasher_cstr(h, op->devices[i].name);
		hasher_u64(h, op->devices[i].required);
	}
	vertex_instruction(w, v, &op->env);
	for (size_t i = 0; i < op->env.n; i++) {
		struct str value = str_of(op->env.v[i]), key = str_cut(&value, '=');
		auto_free char *name = xasprintf("env " STR_FMT, STR_ARG(key));

		vertex_input(w, v, name, STR_FMT, STR_ARG(value));
	}
	vertex_input(w, v, "workdir", "%s", op->cwd);
	if (*op->user)
		vertex_input(w, v, "user", "%s", op->user);
}

struct told {
	struct work *w;
	struct vertex *v;
};

static void mount_told(void *arg, const char *name, const char *value)
{
	struct told *t = arg;

	vertex_input(t->w, t->v, name, "%s", value);
}

/* The content of one bind's source; of the build context also before the inputs are solved. */
static int mount_content(struct work *w, struct vertex *v, const struct run_step_mount *m, struct hasher *h,
			 struct err *e)
{
	auto_snapshot struct snapshot *snap = NULL;
	const struct vertex *in = m->in >= 0 ? v->in[m->in] : NULL;
	char *sources[] = { (char *)(*m->m.source ? m->m.source : "/"), NULL };
	struct copy_spec c = { .src_root = w->context_fd, .from_context = m->in < 0, .src = { sources, 1 },
		.ignore = m->in < 0 ? w->ignore : NULL, .dest = "/", .now_ns = -1 };
	struct digest d;

	if (m->in >= 0) {
		if (result_mount(w, in ? &in->result : NULL, false, &snap, e) < 0)
			return -1;
		c.src_root = snapshot_fd(snap);
	}
	if (copy_digest(w->job, w->store, &c, mount_told, &(struct told){ w, v }, &d, e) < 0)
		return -1;
	hasher_update(h, d.b, hash_size(d.alg));
	return 0;
}

static int run_content(struct work *w, struct vertex *v, bool solved, struct hasher *h, struct err *e)
{
	const struct run_op *op = v->data;

	for (size_t i = 0; i < op->nmounts; i++) {
		const struct run_step_mount *m = &op->mounts[i];

		if (m->m.type == MOUNT_BIND && (m->in < 0 || solved) && mount_content(w, v, m, h, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- running ---- */

struct run {
	struct spec_rlimit files;
	struct work *w;
	struct vertex *v;
	struct snapshot *snap;
	struct run_mounts *mounts;
	struct passwd_user user;
	gid_t *gids;
	struct net *net;
	struct spec sp;
	struct sandbox *sb;
	struct sandbox_host *host;
	struct devices *devices;
	char *script;			/* the script's path in the container */
	struct buf hosts;
	int out_r, out_w, log_fd;
};

static int run_prepare_net(struct run *r, struct err *e)
{
	const struct run_op *op = r->v->data;
	bool none = strcmp(op->network, "none") == 0;
	bool host = strcmp(op->network, "host") == 0 || (!none && r->w->host_net);
	struct in_addr addr = { 0 };

	r->sp.net = host ? SPEC_NET_HOST : SPEC_NET_FD;
	if (!host) {
		if (net_open(r->w->nets, none ? NET_NONE : NET_BRIDGE, &r->net, e) < 0)
			return -1;
		r->sp.netns_fd = net_fd(r->net);
		addr = net_addr(r->net);
	}
	r->sp.resolv_conf = host ? r->w->resolv_host.p : none ? "" : r->w->resolv_own.p;
	if (hosts_text(addr, op->hostname, NULL, &r->hosts, e) < 0)
		return -1;
	r->sp.hosts = r->hosts.p;
	return 0;
}

static void run_prepare_env(struct run *r)
{
	const struct run_op *op = r->v->data;

	strv_copy(&r->sp.argv, &op->argv);
	strv_copy(&r->sp.env, &op->env);
	for (size_t i = 0; i < op->proxies.n; i++) {
		struct str value = str_of(op->proxies.v[i]), key = str_cut(&value, '=');
		auto_free char *name = str_dup(key);

		strv_env_set(&r->sp.env, name, value.p);
	}
	if (!strv_env_get(&r->sp.env, "PATH"))
		strv_env_set(&r->sp.env, "PATH", SPEC_PATH);
	if (!strv_env_get(&r->sp.env, "HOME"))
		strv_env_set(&r->sp.env, "HOME", r->user.home);
}

/* Many layers take many open files: our own limit was raised, a step gets the one that its user has. */
static void run_prepare_limits(struct run *r)
{
	const struct rlimit *was = &r->w->files;

	if (was->rlim_max == 0)
		return;
	r->files = (struct spec_rlimit){ RLIMIT_NOFILE, "nofile", was->rlim_cur, was->rlim_max };
	r->sp.rlimits = &r->files;
	r->sp.nrlimits = 1;
}

static void run_prepare_script(struct run *r, struct spec_mount *m)
{
	const struct run_op *op = r->v->data;

	r->script = xasprintf("/dev/pipes/%s", op->script_name);
	*m = (struct spec_mount){ .kind = SPEC_TEXT, .src_fd = -1, .dst = r->script, .flags = SPEC_RO | SPEC_NOSUID,
		.text = op->script, .mode = 0755 };
}

static int run_prepare_io(struct run *r, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	r->out_r = fds[0];
	r->out_w = fds[1];
	fcntl(r->out_r, F_SETFL, O_NONBLOCK);
	(void)fcntl(r->out_r, F_SETPIPE_SZ, 256 << 10);
	r->sp.stdio[1] = r->sp.stdio[2] = r->out_w;
	return build_log(r->w->record, (unsigned)r->v->step, &r->log_fd, e);
}

static int run_prepare(struct run *r, struct err *e)
{
	struct work *w = r->w;
	struct vertex *v = r->v;
	const struct run_op *op = v->data;

	if (work_run_host(w, &r->host, e) < 0 || result_mount(w, vertex_root(v), true, &r->snap, e) < 0 ||
	    users_lookup(snapshot_fd(r->snap), op->user, &r->user, e) < 0 ||
	    users_check(r->user.uid, r->user.gid, e) < 0 || run_mounts_open(w, v, &r->mounts, e) < 0)
		return -1;
	r->sp.root_fd = snapshot_fd(r->snap);
	r->sp.cwd = op->cwd;
	r->sp.mkdir_cwd = true;
	r->sp.uid = r->user.uid;
	r->sp.gid = r->user.gid;
	r->sp.ngroups = users_gids(&r->user, 0, &r->gids);
	r->sp.groups = r->gids;
	r->sp.hostname = op->hostname;
	r->sp.name = "step";
	run_prepare_env(r);
	run_prepare_limits(r);
	run_mounts_apply(r->mounts, &r->sp);
	if (op->script_name)
		run_prepare_script(r, &r->sp.mounts[r->sp.nmounts++]);
	if (op->ndevices && run_devices_open(w, op, &r->sp, &r->devices, e) < 0)
		return -1;
	return run_prepare_net(r, e) < 0 ? -1 : run_prepare_io(r, e);
}

/* What the step has written so far, to the log and to the sink. 0: nothing more now, 1: end of file. */
static int run_drain(struct run *r, struct err *e)
{
	char buf[64 << 10];

	for (;;) {
		ssize_t n = read(r->out_r, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return err_sys(e, "read the step's output");
		if (n == 0)
			return 1;
		event_send(r->w->job->sink, &(struct event){ .kind = EV_STEP_LOG, .step = r->v->step,
			.stream = 1, .text = { buf, (size_t)n } });
		if (fs_write_all(r->log_fd, buf, (size_t)n, e) < 0)
			return err_wrap(e, "write the step's log");
	}
}

/* Until process 1 has ended; everything in its pid namespace ends with it. */
static int run_pump(struct run *r, struct err *e)
{
	bool open = true;

	for (;;) {
		struct pollfd p[3] = {
			{ .fd = sandbox_pidfd(r->sb), .events = POLLIN },
			{ .fd = r->w->job->cancel_fd, .events = POLLIN },
			{ .fd = open ? r->out_r : -1, .events = POLLIN },
		};
		int d = 0;

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (job_check(r->w->job, e) < 0)
			return -1;
		if (p[2].revents)
			d = run_drain(r, e);
		if (d < 0)
			return -1;
		open = open && d == 0;
		if (p[0].revents)
			return open && run_drain(r, e) < 0 ? -1 : 0;
	}
}

static uint64_t host_oom_kills(void)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err e = { 0 };
	uint64_t n = 0;
	char *at;

	if (fs_read(AT_FDCWD, "/proc/vmstat", 1 << 20, &b, &e) < 0 || !(at = strstr(b.p, "\noom_kill ")))
		return 0;
	at += strlen("\noom_kill ");
	return str_to_u64(str_sub(str_of(at), 0, strcspn(at, "\n")), 10, &n) ? n : 0;
}

static int run_result(const struct exit_status *st, uint64_t oom_before, struct err *e)
{
	if (st->code == 0)
		return 0;
	if (st->signal == 9 && (st->oom || host_oom_kills() > oom_before)) {
		err_set(e, ERR_STEP, "exit code 137: killed because the machine was out of memory");
		return err_hint(e, "give the machine more memory, or run fewer steps at once with --workers");
	}
	if (st->signal)
		return err_set(e, ERR_STEP, "exit code %d: killed by signal %d (%s)", st->code, st->signal,
			       strsignal(st->signal));
	return err_set(e, ERR_STEP, "exit code %d", st->code);
}

/* A full disk is a common cause that the command itself may have hidden. */
static void run_check_space(struct run *r, struct err *e)
{
	auto_buf struct buf b = { 0 };
	auto_err struct err ignored = { 0 };
	auto_fd int fd = -1;
	struct stat st;
	off_t from;

	if (e->kind != ERR_STEP || fstat(r->log_fd, &st) < 0)
		return;
	fd = fs_reopen(r->log_fd, O_RDONLY);
	from = MAX(st.st_size - (off_t)(16 << 10), 0);
	if (fd < 0 || lseek(fd, from, SEEK_SET) < 0 || fs_read_fd(fd, 32 << 10, &b, &ignored) < 0)
		return;
	if (b.p && strstr(b.p, "No space left on device"))
		err_hint(e, "the disk is full; \"tare gc\" removes what nothing uses");
}

static int run_execute(struct run *r, struct err *e)
{
	struct job *j = r->w->job;
	uint64_t oom = host_oom_kills();
	struct exit_status st;

	if (sandbox_create(j, r->host, &r->sp, &r->sb, e) < 0)
		return -1;
	close(take_fd(&r->out_w));
	if (sandbox_start(j, r->sb, e) < 0) {
		int code = sandbox_start_status(e);

		err_wrap(e, "exit code %d", code);
		e->kind = ERR_STEP;
		return -1;
	}
	if (run_pump(r, e) < 0 || sandbox_wait(j, r->sb, &st, e) < 0)
		return -1;
	if (run_result(&st, oom, e) < 0) {
		run_check_space(r, e);
		return -1;
	}
	return 0;
}

static void run_free(struct run *r)
{
	sandbox_free(r->sb);
	devices_free(r->devices);
	free(r->script);
	spec_done(&r->sp);
	run_mounts_free(r->mounts);
	net_close(r->net, true);
	passwd_user_done(&r->user);
	free(r->gids);
	buf_done(&r->hosts);
	if (r->out_r >= 0)
		close(r->out_r);
	if (r->out_w >= 0)
		close(r->out_w);
	if (r->log_fd >= 0)
		close(r->log_fd);
}

static int run_make(struct work *w, struct vertex *v, struct err *e)
{
	struct run r = { .w = w, .v = v, .out_r = -1, .out_w = -1, .log_fd = -1 };
	int ret;

	spec_init(&r.sp);
	ret = run_prepare(&r, e);
	if (ret == 0)
		ret = run_execute(&r, e);
	run_free(&r);
	if (ret == 0)
		ret = snapshot_take(r.snap, &v->result.layer, e);
	snapshot_free(r.snap);
	return ret;
}

const struct op_type run_type = { "run", run_key, run_content, run_make };
