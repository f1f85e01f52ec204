/* SPDX-License-Identifier: Apache-2.0 */
/* The network of a container from its record. */
#include "runtime/container/network.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fs.h"
#include "runtime/container/net_record.h"
#include "runtime/container/record.h"
#include "runtime/network/hosts.h"
#include "runtime/network/net.h"
#include "runtime/sandbox/spec.h"

#define SETTINGS "network.json"
#define FILE_MAX ((size_t)4 << 20)
#define HOST_NAMES "host.docker.internal host.containers.internal"

struct container_net {
	char *store, *run_dir, *id, *name;
	enum spec_net kind;
	int fd;				/* another container's namespace */
	pid_t pid;
	struct plug *attach;
	struct strv own;		/* our lines in /etc/hosts */
	struct buf hosts, resolv;
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const char *name_of(const json_t *config)
{
	const char *name = text_of(config, "Name");

	return name + (*name == '/');
}

/* ---- /etc/hosts and /etc/resolv.conf ---- */

/* The names by which the container knows itself: long, then short. */
static char *own_names(const json_t *config)
{
	const json_t *c = json_object_get(config, "Config");
	const char *host = text_of(c, "Hostname"), *domain = text_of(c, "Domainname"), *dot = strchr(host, '.');

	if (*domain)
		return xasprintf("%s.%s %s", host, domain, host);
	return dot && dot > host ? xasprintf("%s %.*s", host, (int)(dot - host), host) : xstrdup(host);
}

static struct addr gateway_of(const struct plug *a)
{
	for (size_t i = 0; a && i < plug_count(a); i++) {
		const struct plug_end *x = plug_get(a, i);

		if (x->gateway4 || x->gateway6)
			return x->gateway4 ? x->bridge.four.gateway : x->bridge.six.gateway;
	}
	return (struct addr){ 0 };
}

static bool is_extra(const struct strv *extra, const char *name)
{
	for (size_t i = 0; i < extra->n; i++)
		if (str_starts(str_of(extra->v[i]), name))
			return true;
	return false;
}

static void own_lines(const struct container_net *n, const json_t *config, const struct strv *extra, struct strv *ret)
{
	auto_free char *names = own_names(config);
	struct addr gateway = gateway_of(n->attach);
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; n->attach && *names && i < plug_count(n->attach); i++) {
		const struct plug_end *x = plug_get(n->attach, i);

		if (x->ep.a4.family)
			strv_take(ret, xasprintf("%s\t%s", addr_text(&x->ep.a4, text), names));
		if (x->ep.a6.family)
			strv_take(ret, xasprintf("%s\t%s", addr_text(&x->ep.a6, text), names));
	}
	if (gateway.family && !is_extra(extra, "host.docker.internal"))
		strv_take(ret, xasprintf("%s\t" HOST_NAMES, addr_text(&gateway, text)));
}

static bool has_six(const struct plug *a)
{
	for (size_t i = 0; a && i < plug_count(a); i++)
		if (plug_get(a, i)->ep.a6.family)
			return true;
	return false;
}

static int make_hosts(struct container_net *n, const json_t *config, struct err *e)
{
	auto_strv struct strv extra = { 0 };
	auto_err struct err ignored = { 0 };
	struct hosts h = { .six = has_six(n->attach), .gateway = gateway_of(n->attach), .extra = &extra, .own = &n->own };

	net_record_list(config, "ExtraHosts", &extra);
	own_lines(n, config, &extra, &n->own);
	if (n->kind == SPEC_NET_HOST) {
		if (fs_read(AT_FDCWD, "/etc/hosts", FILE_MAX, &n->hosts, &ignored) < 0)
			buf_reset(&n->hosts);
		if (n->hosts.n && n->hosts.p[n->hosts.n - 1] != '\n')
			buf_putc(&n->hosts, '\n');
		(void)!addr_parse(STR_LIT("127.0.0.1"), &h.gateway);
		h.six = true;
	}
	return hosts_print(&h, &n->hosts, e);
}

static void warn_loopback(const struct strv *dns, struct sink *sink)
{
	struct addr a;

	for (size_t i = 0; i < dns->n; i++)
		if (addr_parse(str_of(dns->v[i]), &a) && addr_is_loopback(&a))
			event_warn(sink, "Localhost DNS setting (--dns=%s) may fail in containers.", dns->v[i]);
}

static int make_resolv(struct container_net *n, const json_t *config, struct sink *sink, struct err *e)
{
	auto_strv struct strv dns = { 0 }, search = { 0 }, options = { 0 };
	auto_buf struct buf host = { 0 };
	auto_err struct err ignored = { 0 };
	struct resolv want;

	net_record_list(config, "Dns", &dns);
	net_record_list(config, "DnsSearch", &search);
	net_record_list(config, "DnsOptions", &options);
	want = (struct resolv){ dns, search, options };
	if (n->attach && plug_has_dns(n->attach)) {
		if (fs_read(AT_FDCWD, "/etc/resolv.conf", FILE_MAX, &host, &ignored) < 0)
			buf_reset(&host);
		resolv_internal(buf_view(&host), &want, PLUG_DNS, &n->resolv);
		return 0;
	}
	if (n->kind != SPEC_NET_HOST)
		warn_loopback(&dns, sink);
	return resolv_host_text(n->kind != SPEC_NET_HOST, &want, &n->resolv, e);
}

/* ---- the kinds ---- */

static char *settings_path(const char *run_dir, const char *id)
{
	return xasprintf("%s/containers/%s", run_dir, id);
}

static int write_settings(struct container_net *n, const json_t *config, struct err *e)
{
	auto_free char *dir = settings_path(n->run_dir, n->id);
	json_t *o = net_record_settings(config, n->id, n->attach);
	auto_free char *text = json_dumps(o, JSON_COMPACT);
	auto_fd int fd = -1;

	json_decref(o);
	if (fs_mkdirs(dir, 0700, e) < 0)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open %s", dir);
	return fs_replace(fd, SETTINGS, text, strlen(text), 0600, false, e);
}

static int update(struct container_net *n, const json_t *config, struct err *e)
{
	auto_net_wishes struct net_wishes w = { 0 };
	auto_port_specs struct port_specs ports = { 0 };
	auto_free char *dir = xasprintf("%s/networks", n->store);
	auto_fd int networks = -1;

	if (fs_mkdirs(dir, 0700, e) < 0)
		return -1;
	networks = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (networks < 0)
		return err_sys(e, "open %s", dir);
	if (net_record_wishes(networks, config, n->id, &w, e) < 0 || net_record_ports(config, &ports, e) < 0)
		return -1;
	return plug_update(n->attach, w.v, w.n, &ports, e);
}

static bool host_has_six(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0;
}

static int open_attached(struct container_net *n, const struct container_net_args *a, struct err *e)
{
	auto_strv struct strv dns = { 0 };
	struct plug_who who = { .run_dir = a->run_dir, .id = a->id, .name = name_of(a->config), .dns = &dns,
				  .ports_v6 = host_has_six() };

	net_record_list(a->config, "Dns", &dns);
	if (plug_new(&who, &n->attach, e) < 0)
		return -1;
	n->kind = SPEC_NET_FD;
	return update(n, a->config, e);
}

static int read_from(pid_t pid, const char *path, struct buf *ret, struct err *e)
{
	auto_free char *root = xasprintf("/proc/%d/root", pid);
	auto_fd int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;

	if (dir < 0 || (fd = fs_open_in(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)) < 0)
		return err_sys(e, "read %s of process %d", path, pid);
	return fs_read_fd(fd, FILE_MAX, ret, e);
}

/* Another container's namespace, and the files that go with it. */
static int open_joined(struct container_net *n, const struct container_net_args *a, const char *other, struct err *e)
{
	auto_free char *path = xasprintf("%s/containers/%s/state.json", a->store, other), *ns = NULL;
	auto_buf struct buf text = { 0 };
	struct container_state st = { 0 };
	int r;

	if (strcmp(other, a->id) == 0)
		return err_set(e, ERR_USAGE, "cannot join own network");
	if (fs_read(AT_FDCWD, path, FILE_MAX, &text, e) < 0 || record_state_parse(buf_view(&text), &st) < 0 || st.pid <= 0 ||
	    process_start_time(st.pid) != st.pid_start) {
		free(st.error);
		err_clear(e);
		return err_set(e, ERR_CONFLICT, "cannot join network of a non running container: %s", other);
	}
	free(st.error);
	ns = xasprintf("/proc/%d/ns/net", st.pid);
	n->fd = open(ns, O_RDONLY | O_CLOEXEC);
	if (n->fd < 0)
		return err_sys(e, "join the network of container %s", other);
	n->kind = SPEC_NET_FD;
	r = read_from(st.pid, "/etc/hosts", &n->hosts, e);
	return r < 0 ? -1 : read_from(st.pid, "/etc/resolv.conf", &n->resolv, e);
}

/* A user's default is what this host can do; what was asked for by name must be possible. */
static int open_bridged(struct container_net *n, const struct container_net_args *a, const char *mode, struct err *e)
{
	auto_err struct err why = { 0 };
	const char *asked = text_of(json_object_get(a->config, "HostConfig"), "NetworkMode");

	if (net_can_bridge(&why))
		return open_attached(n, a, e);
	if (strcmp(mode, "bridge") != 0 || strcmp(asked, "bridge") == 0) {
		err_move(e, &why);
		return -1;
	}
	event_warn(a->sink, "%s: the container shares the host's network (--network host or none says so)", err_text(&why));
	n->kind = SPEC_NET_HOST;
	return 0;
}

static int open_kind(struct container_net *n, const struct container_net_args *a, struct err *e)
{
	const char *mode = net_record_mode(a->config);

	if (strcmp(mode, "host") == 0) {
		n->kind = SPEC_NET_HOST;
		if (json_object_size(json_object_get(json_object_get(a->config, "HostConfig"), "PortBindings")))
			event_warn(a->sink, "Port mappings have been discarded because \"host\" network namespace mode does not "
				   "support them");
		return 0;
	}
	if (strcmp(mode, "none") == 0)
		return 0;
	if (str_starts(str_of(mode), "container:"))
		return open_joined(n, a, mode + strlen("container:"), e);
	return open_bridged(n, a, mode, e);
}

int container_net_open(const struct container_net_args *a, struct container_net **ret, struct err *e)
{
	struct container_net *n = xcalloc(1, sizeof(*n));

	*n = (struct container_net){ .store = xstrdup(a->store), .run_dir = xstrdup(a->run_dir), .id = xstrdup(a->id),
				     .name = xstrdup(name_of(a->config)), .kind = SPEC_NET_NONE, .fd = -1 };
	if (open_kind(n, a, e) < 0 ||
	    (n->fd < 0 && (make_hosts(n, a->config, e) < 0 || make_resolv(n, a->config, a->sink, e) < 0)) ||
	    write_settings(n, a->config, e) < 0) {
		container_net_close(n);
		return -1;
	}
	buf_puts(&n->hosts, "");
	buf_puts(&n->resolv, "");	/* not NULL, even if there is nothing to say */
	*ret = n;
	return 0;
}

void container_net_close(struct container_net *n)
{
	auto_free char *path = NULL;

	if (!n)
		return;
	plug_free(n->attach);
	if (n->fd >= 0)
		close(n->fd);
	path = xasprintf("%s/containers/%s/" SETTINGS, n->run_dir, n->id);
	unlink(path);
	strv_done(&n->own);
	buf_done(&n->hosts);
	buf_done(&n->resolv);
	free(n->store);
	free(n->run_dir);
	free(n->id);
	free(n->name);
	free(n);
}

void container_net_spec(const struct container_net *n, struct spec *sp)
{
	sp->net = n->kind;
	sp->netns_fd = n->attach ? plug_netns(n->attach) : n->fd;
	sp->hosts = n->hosts.p;
	sp->resolv_conf = n->resolv.p;
}

int container_net_started(struct container_net *n, pid_t pid, struct err *e UNUSED)
{
	n->pid = pid;
	return 0;
}

int container_net_fd(const struct container_net *n)
{
	return n->attach ? plug_fd(n->attach) : -1;
}

void container_net_work(struct container_net *n)
{
	if (n->attach)
		plug_work(n->attach);
}

/* ---- while it runs ---- */

/* Its own file, which it may have changed, or replaced by something that is no file: then it is left alone. */
static void refresh_hosts(struct container_net *n, const json_t *config)
{
	auto_free char *root = xasprintf("/proc/%d/root", n->pid);
	auto_fd int dir = n->pid > 0 ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1, fd = -1;
	auto_strv struct strv extra = { 0 }, old = n->own;
	auto_buf struct buf text = { 0 }, b = { 0 };
	auto_err struct err ignored = { 0 };
	struct stat st;

	n->own = (struct strv){ 0 };
	net_record_list(config, "ExtraHosts", &extra);
	own_lines(n, config, &extra, &n->own);
	if (dir < 0 || (fd = fs_open_in(dir, "/etc/hosts", O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0)) < 0 ||
	    fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fs_read_fd(fd, FILE_MAX, &text, &ignored) < 0)
		return;
	hosts_change(buf_view(&text), &old, &n->own, &b);
	if (lseek(fd, 0, SEEK_SET) == 0 && ftruncate(fd, 0) == 0)
		(void)!fs_write_all(fd, b.p, b.n, &ignored);
}

int container_net_reload(struct container_net *n, const json_t *config, struct err *e)
{
	if (!n->attach)
		return 0;
	if (strcmp(n->name, name_of(config)) != 0) {
		if (plug_rename(n->attach, name_of(config), e) < 0)
			return -1;
		free(n->name);
		n->name = xstrdup(name_of(config));
	}
	if (update(n, config, e) < 0)
		return -1;
	refresh_hosts(n, config);
	return write_settings(n, config, e);
}

json_t *container_net_settings(const char *run_dir, const char *id, const json_t *config, bool running)
{
	auto_free char *dir = settings_path(run_dir, id), *path = xasprintf("%s/" SETTINGS, dir);
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };
	json_t *o = NULL;

	if (running && fs_read(AT_FDCWD, path, FILE_MAX, &b, &ignored) == 0)
		o = json_loadb(b.p ? b.p : "", b.n, 0, NULL);
	return o ? o : net_record_settings(config, id, NULL);
}
