/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tare run: image -> record -> tree -> sandbox, and back.
 *
 * A container that could not be made leaves no record. One whose program could not be started stays, CREATED with the
 * reason, as in Docker; with rm nothing stays in either case.
 */
#include "engine/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cache/layer.h"
#include "cache/snapshot.h"
#include "cache/store.h"
#include "engine/image.h"
#include "engine/run_io.h"
#include "engine/run_record.h"
#include "engine/run_spec.h"
#include "engine/run_volume.h"
#include "runtime/container/container.h"
#include "runtime/network/net.h"
#include "runtime/network/resolv.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/userns.h"

struct run {
	struct job *job;
	struct store *store;
	const struct run_args *args;
	char id[CONTAINER_ID_MAX], short_id[CONTAINER_SHORT + 1];
	struct image image;
	struct digest *diff_ids;
	struct layer **layers;
	size_t nlayers;
	struct run_mounts mounts;
	struct run_sources sources;
	struct run_spec rs;
	struct container *container;
	struct snapshot *snapshot;
	const char *network;		/* "bridge", "host", "none" */
	struct net_host *nets;
	struct net *net;
	struct buf hosts, resolv;
	struct sandbox_host *host;
	struct sandbox *sandbox;
	struct run_io io;
	bool cidfile;			/* we have made it */
};

/* ---- what is asked for ---- */

static int parse_mounts(struct run *r, struct err *e)
{
	auto_free char *cwd = getcwd(NULL, 0);

	for (size_t i = 0; i < r->args->volumes.n; i++)
		if (run_mounts_volume(&r->mounts, r->args->volumes.v[i], cwd ? cwd : "/", e) < 0)
			return -1;
	for (size_t i = 0; i < r->args->tmpfs.n; i++)
		if (run_mounts_tmpfs(&r->mounts, r->args->tmpfs.v[i], e) < 0)
			return -1;
	return 0;
}

/* A user's default is what this host can do; what was asked for by name must be possible. */
static int choose_network(struct run *r, struct err *e)
{
	static const char *const known[] = { "bridge", "host", "none" };
	const char *asked = r->args->network;
	auto_err struct err why = { 0 };

	if (asked && strcmp(asked, "default") == 0)
		asked = NULL;
	for (size_t i = 0; asked && i < countof(known); i++)
		if (strcmp(asked, known[i]) == 0)
			r->network = known[i];
	if (asked && !r->network) {
		err_set(e, ERR_NOT_FOUND, "network %s not found", asked);
		return err_hint(e, "there are bridge, host and none");
	}
	if (r->network && strcmp(r->network, "bridge") != 0)
		return 0;
	if (net_can_bridge(&why)) {
		r->network = "bridge";
		return 0;
	}
	if (asked) {
		err_move(e, &why);
		return -1;
	}
	event_warn(r->job->sink, "%s: the container shares the host's network (--network host or none says so)",
		   err_text(&why));
	r->network = "host";
	return 0;
}

static int find_image(struct run *r, struct err *e)
{
	auto_strv struct strv volumes = { 0 };

	if (image_open(r->store, r->args->image, &r->image, e) < 0) {
		if (e->kind == ERR_NOT_FOUND) {
			const char *hint = e->hint;

			err_set(e, ERR_NOT_FOUND, "Unable to find image '%s' locally", r->args->image);
			err_hint(e, hint);
		}
		return -1;
	}
	config_set(r->image.config, CONFIG_VOLUMES, &volumes);
	if (run_mounts_image(&r->mounts, &volumes, e) < 0)
		return -1;
	run_mounts_sort(&r->mounts);
	run_volumes_name(&r->mounts);
	return 0;
}

/* Pinned for as long as this process has the store open; the record then names them for gc. */
static int open_layers(struct run *r, struct err *e)
{
	size_t n = config_diff_ids(r->image.config);

	r->layers = xcalloc(n + 1, sizeof(*r->layers));
	r->diff_ids = xcalloc(n + 1, sizeof(*r->diff_ids));
	for (size_t i = 0; i < n; i++) {
		r->diff_ids[i] = config_diff_id(r->image.config, i);
		if (store_pin(r->store, &r->diff_ids[i], e) < 0 ||
		    layer_open(r->store, &r->diff_ids[i], &r->layers[i], e) < 0)
			return err_wrap(e, "image %s", r->args->image);
		r->nlayers = i + 1;
	}
	return 0;
}

/* ---- the container ---- */

static int write_cidfile(struct run *r, struct err *e)
{
	const char *path = r->args->cidfile;
	auto_fd int fd = -1;

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_CONFLICT, "container ID file found, make sure the other container isn't running or delete %s",
			       path);
	if (fd < 0)
		return err_sys(e, "create the container ID file %s", path);
	r->cidfile = true;
	return fs_write_all(fd, r->id, strlen(r->id), e) < 0 ? err_wrap(e, "%s", path) : 0;
}

static int make_record(struct run *r, struct err *e)
{
	auto_free char *volumes = xasprintf("%s/%s", store_path(r->store), store_dir_name(STORE_VOLUMES));
	json_t *config = run_record_make(r->args, &r->rs, &r->image, &r->mounts, volumes, r->network);
	const char *name = r->args->name;
	int ret = container_new(r->store, r->id, name && *name == '/' ? name + 1 : name, config, r->diff_ids, r->nlayers,
				!r->args->rm, &r->container, e);

	json_decref(config);
	return ret < 0 ? -1 : write_cidfile(r, e);
}

static int make_tree(struct run *r, struct err *e)
{
	const char *user = r->args->user ? r->args->user : config_str(r->image.config, CONFIG_USER);
	int root;

	if (snapshot_open_kept(r->container->dir, r->layers, r->nlayers, !r->args->rm, &r->snapshot, e) < 0)
		return -1;
	root = snapshot_fd(r->snapshot);
	if (run_spec_user(&r->rs, root, user, e) < 0 ||
	    run_sources_open(r->job, r->store, &r->mounts, root, &r->sources, e) < 0)
		return -1;
	r->rs.sp.root_fd = root;
	r->rs.sp.mounts = r->sources.v;
	r->rs.sp.nmounts = r->sources.n;
	r->rs.sp.name = r->id;
	return 0;
}

static int open_network(struct run *r, struct in_addr *addr, struct err *e)
{
	auto_free char *run_dir = NULL;
	struct userns u;

	if (strcmp(r->network, "host") == 0)
		r->rs.sp.net = SPEC_NET_HOST;
	if (strcmp(r->network, "bridge") != 0)
		return 0;
	if (userns_info(&u, e) < 0 || userns_run_dir(&u, &run_dir, e) < 0)
		return -1;
	net_host_new(run_dir, &r->nets);
	if (net_open(r->nets, NET_BRIDGE, &r->net, e) < 0)
		return -1;
	r->rs.sp.net = SPEC_NET_FD;
	r->rs.sp.netns_fd = net_fd(r->net);
	*addr = net_addr(r->net);
	return 0;
}

/* The names by which the container knows itself, as one line of /etc/hosts has them: long, then short. */
static char *own_names(const struct run *r)
{
	const char *host = r->rs.host_name, *domain = r->args->domainname, *dot = strchr(host, '.');

	if (domain && *domain)
		return xasprintf("%s.%s %s", host, domain, host);
	return dot && dot > host ? xasprintf("%s %.*s", host, (int)(dot - host), host) : xstrdup(host);
}

static int make_files(struct run *r, struct in_addr addr, struct err *e)
{
	bool host = r->rs.sp.net == SPEC_NET_HOST;
	const struct resolv want = { r->args->dns, r->args->dns_search, r->args->dns_options };
	auto_free char *names = own_names(r);
	auto_err struct err ignored = { 0 };

	if (host && fs_read(AT_FDCWD, "/etc/hosts", 1 << 20, &r->hosts, &ignored) < 0)
		buf_reset(&r->hosts);
	if (hosts_text(addr, names, &r->args->add_hosts, &r->hosts, e) < 0 ||
	    resolv_host_text(!host, &want, &r->resolv, e) < 0)
		return -1;
	buf_puts(&r->resolv, "");	/* not NULL, even if there is nothing to say */
	r->rs.sp.hosts = r->hosts.p;
	r->rs.sp.resolv_conf = r->resolv.p;
	return 0;
}

static int prepare(struct run *r, struct err *e)
{
	struct in_addr addr = { 0 };

	container_new_id(r->id);
	memcpy(r->short_id, r->id, CONTAINER_SHORT);
	if (parse_mounts(r, e) < 0 || choose_network(r, e) < 0 || find_image(r, e) < 0 ||
	    run_spec_make(&r->rs, r->args, r->image.config, r->short_id, e) < 0 || open_layers(r, e) < 0 ||
	    make_record(r, e) < 0)
		return -1;
	if (make_tree(r, e) < 0 || open_network(r, &addr, e) < 0 || make_files(r, addr, e) < 0)
		return -1;
	return sandbox_host_new(&r->host, e);
}

/* ---- its run ---- */

static int start(struct run *r, int *status, struct err *e)
{
	struct container_state st = { .status = CONTAINER_RUNNING, .started_ns = clock_now_ns() };

	if (run_io_open(&r->io, r->args->tty, r->args->interactive, &r->rs.sp, e) < 0 ||
	    sandbox_create(r->job, r->host, &r->rs.sp, &r->sandbox, e) < 0 || run_io_attach(&r->io, r->sandbox, e) < 0)
		return -1;
	st.pid = sandbox_pid(r->sandbox);
	st.pid_start = process_start_time(st.pid);
	if (container_set_state(r->container, &st, e) < 0)
		return -1;
	if (sandbox_start(r->job, r->sandbox, e) < 0) {
		*status = sandbox_start_status(e);
		return -1;
	}
	return 0;
}

static int finish(struct run *r, int *status, struct err *e)
{
	struct container_state st = r->container->state;
	struct exit_status how;

	if (run_io_pump(r->job, &r->io, r->sandbox, e) < 0 || sandbox_wait(r->job, r->sandbox, &how, e) < 0)
		return -1;
	run_io_close(&r->io);
	*status = how.code;
	st.status = CONTAINER_EXITED;
	st.exit_code = how.code;
	st.oom = how.oom;
	st.pid = 0;
	st.pid_start = 0;
	st.finished_ns = clock_now_ns();
	if (how.oom)
		event_note(r->job->sink, "the container was killed: it used more memory than --memory allows");
	return r->args->rm ? 0 : container_set_state(r->container, &st, e);
}

/* The program never ran: that and why stays in the record. */
static void record_failure(struct run *r, int status, const struct err *why)
{
	auto_err struct err ignored = { 0 };
	struct container_state st = { .status = CONTAINER_CREATED, .exit_code = status, .error = (char *)err_text(why) };

	if (!r->args->rm)
		(void)!container_set_state(r->container, &st, &ignored);
}

static int remove_container(struct run *r, struct err *e)
{
	auto_strv struct strv volumes = { 0 };

	container_anonymous_volumes(r->container, &volumes);
	if (container_remove(r->container, false, e) < 0)
		return -1;
	return run_volumes_remove(r->store, &volumes, e);
}

/* Everything but the record, inner things first: the tree can only be let go when nothing is mounted from it. */
static void release(struct run *r)
{
	run_io_close(&r->io);
	sandbox_free(r->sandbox);
	sandbox_host_free(r->host);
	net_close(r->net, false);
	net_host_free(r->nets);
	run_sources_close(&r->sources);
	snapshot_free(r->snapshot);
	for (size_t i = 0; i < r->nlayers; i++)
		layer_unref(r->layers[i]);
}

static void run_done(struct run *r)
{
	container_free(r->container);
	run_spec_done(&r->rs);
	run_mounts_done(&r->mounts);
	image_done(&r->image);
	buf_done(&r->hosts);
	buf_done(&r->resolv);
	free(r->layers);
	free(r->diff_ids);
}

int engine_run(struct job *j, struct store *s, const struct run_args *a, int *status, struct err *e)
{
	struct run r = { .job = j, .store = s, .args = a };
	bool made = false;
	int ret;

	*status = 125;
	ret = prepare(&r, e);
	if (ret == 0) {
		made = true;
		ret = start(&r, status, e);
		if (ret < 0) {
			run_io_close(&r.io);
			record_failure(&r, *status, e);
		} else {
			ret = finish(&r, status, e);
		}
	}
	release(&r);
	if (r.container && (a->rm || !made)) {
		auto_err struct err late = { 0 };

		if (remove_container(&r, &late) < 0)
			event_warn(j->sink, "remove the container: %s", err_text(&late));
	}
	if (!made && r.cidfile)
		(void)unlink(a->cidfile);
	run_done(&r);
	return ret;
}
