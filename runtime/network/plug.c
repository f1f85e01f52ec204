/* SPDX-License-Identifier: Apache-2.0 */
/* The network of one container. */
#include "runtime/network/plug.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>

#include "runtime/network/dns.h"
#include "runtime/network/link.h"
#include "runtime/network/loop.h"
#include "runtime/network/net.h"
#include "runtime/network/nft.h"
#include "runtime/network/rules.h"
#include "runtime/sandbox/ns.h"

#define OPTION "com.docker.network.bridge."
#define LINK "tarev"			/* the host's ends of our links */
#define NAME_TRIES 8

struct plug {
	char *run_dir, *id, *name;
	struct strv dns_servers;
	bool ports_v6;
	int netns, guard;
	struct nl links, inside, table;
	char *table_name;
	bool has_table;
	struct plug_end *ends;
	size_t n;
	struct ports ports;
	bool has_ports, wants_ports;
	struct net_loop *loop;
	struct dns *dns;
};

int plug_new(const struct plug_who *who, struct plug **ret, struct err *e)
{
	struct plug *a = xcalloc(1, sizeof(*a));

	a->run_dir = xstrdup(who->run_dir);
	a->id = xstrdup(who->id);
	a->name = xstrdup(who->name ? who->name : "");
	if (who->dns)
		strv_copy(&a->dns_servers, who->dns);
	a->ports_v6 = who->ports_v6;
	a->netns = a->guard = a->links.fd = a->inside.fd = a->table.fd = -1;
	if (ns_net_new(net_prepare, &a->inside, &a->netns, e) < 0 || nl_open(NETLINK_ROUTE, &a->links, e) < 0 ||
	    net_loop_new(&a->loop, e) < 0) {
		plug_free(a);
		return err_wrap(e, "network");
	}
	*ret = a;
	return 0;
}

void plug_wish_done(struct plug_wish *w)
{
	netdef_free(w->net);
	strv_done(&w->names);
	*w = (struct plug_wish){ 0 };
}

/* ---- one endpoint ---- */

static bool has_names(const struct netdef *d)
{
	return !netdef_is_default(d);
}

static void end_done(struct plug_end *x)
{
	netdef_free(x->net);
	endpoint_done(&x->ep);
	if (x->lock >= 0)
		close(x->lock);
	if (x->dir >= 0)
		close(x->dir);
	*x = (struct plug_end){ .dir = -1, .lock = -1 };
}

/* One address of a family: the one that is asked for, or the next. */
static int choose_one(const struct plug_end *x, const struct ipam_pool *pool, const struct endpoints *there,
		      const struct addr *want, struct addr *ret, struct err *e)
{
	auto_free struct addr *used = xcalloc(there->n + 1, sizeof(*used));
	char text[ADDR_TEXT_MAX];
	struct addr last;

	for (size_t i = 0; i < there->n; i++)
		used[i] = pool->subnet.base.family == AF_INET ? there->v[i].a4 : there->v[i].a6;
	if (want->family) {
		*ret = *want;
		return ipam_take(pool, used, there->n, want, e);
	}
	bridge_last(x->dir, pool->subnet.base.family, &last);
	if (!ipam_next(pool, used, there->n, &last, ret))
		return err_set(e, ERR_LIMIT, "no available IPv%d addresses on network %s (%s)",
			       pool->subnet.base.family == AF_INET ? 4 : 6, x->net->name, subnet_text(&pool->subnet, text));
	bridge_set_last(x->dir, ret);
	return 0;
}

static int choose_addresses(struct plug_end *x, const struct plug_wish *w, struct err *e)
{
	const struct ipam_pool *four = &x->bridge.four, *six = &x->bridge.six;
	auto_endpoints struct endpoints there = { 0 };

	endpoint_list_read(x->dir, false, true, &there);
	if ((w->ip.family && !four->subnet.base.family) || (w->ip6.family && !six->subnet.base.family))
		return err_set(e, ERR_USAGE, "network %s has no %s subnet: it cannot give the address that is asked for",
			       x->net->name, w->ip.family && !four->subnet.base.family ? "IPv4" : "IPv6");
	if (four->subnet.base.family && choose_one(x, four, &there, &w->ip, &x->ep.a4, e) < 0)
		return -1;
	if (six->subnet.base.family && choose_one(x, six, &there, &w->ip6, &x->ep.a6, e) < 0)
		return -1;
	x->ep.len4 = four->subnet.len;
	x->ep.len6 = six->subnet.len;
	x->ep.mac = w->mac;
	if (mac_is_none(&w->mac)) {
		/* of the address: whoever gets it next has it too, so that no neighbour remembers a wrong one */
		x->ep.mac = (struct mac){ { 0x02, 0x42 } };
		memcpy(x->ep.mac.b + 2, x->ep.a4.family ? x->ep.a4.b : x->ep.a6.b + 12, 4);
	}
	return 0;
}

static void choose_inside(const struct plug *a, const struct plug_wish *w, char ret[static IF_NAMESIZE])
{
	if (w->ifname) {
		snprintf(ret, IF_NAMESIZE, "%s", w->ifname);
		return;
	}
	for (unsigned k = 0;; k++) {
		bool taken = false;

		snprintf(ret, IF_NAMESIZE, "eth%u", k);
		for (size_t i = 0; i < a->n; i++)
			taken = taken || strcmp(a->ends[i].inside, ret) == 0;
		if (!taken)
			return;
	}
}

static int make_link(struct plug *a, struct plug_end *x, struct err *e)
{
	const char *icc = netdef_option(x->net, OPTION "enable_icc");
	struct link_port p = { .name = x->host, .bridge = x->bridge.index, .inside = x->inside, .netns = a->netns,
			       .isolated = icc && strcmp(icc, "false") == 0, .hairpin = a->wants_ports,
			       .mac = x->ep.mac, .mtu = x->bridge.mtu };

	for (int i = 0; i < NAME_TRIES; i++) {
		uint64_t r;

		while (getrandom(&r, sizeof(r), 0) != sizeof(r))
			;
		snprintf(x->host, sizeof(x->host), LINK "%010llx", (unsigned long long)r & 0xffffffffffull);
		if (link_add_port(&a->links, &p, e) == 0) {
			err_clear(e);
			return 0;
		}
		if (e->sys != EEXIST)
			return -1;
	}
	return -1;
}

static int allow_v6(void *arg, struct err *e)
{
	const char *link = arg;

	if (sysctl_link("ipv6", link, "disable_ipv6", "0", e) < 0)
		return -1;
	return sysctl_link("ipv6", link, "accept_ra", "0", e);
}

static int set_inside(struct plug *a, struct plug_end *x, struct err *e)
{
	if (link_index(&a->inside, x->inside, &x->index, e) < 0)
		return -1;
	if (x->ep.a6.family && ns_net_in(a->netns, allow_v6, x->inside, e) < 0)
		return -1;
	if ((x->ep.a4.family && link_add_ip(&a->inside, x->index, &x->ep.a4, x->ep.len4, e) < 0) ||
	    (x->ep.a6.family && link_add_ip(&a->inside, x->index, &x->ep.a6, x->ep.len6, e) < 0))
		return -1;
	return link_up(&a->inside, x->index, e);
}

static void end_remove(struct plug *a, struct plug_end *x, int top)
{
	auto_err struct err ignored = { 0 };
	int index;

	if (x->host[0] && link_exists(&a->links, x->host, &index))
		(void)!link_del(&a->links, index, &ignored);
	if (x->dir >= 0)
		endpoint_drop(x->dir, a->id, &x->lock);
	if (x->net && x->bridge.name[0])
		bridge_down(&a->links, top, x->net->id, x->bridge.name);
	end_done(x);
}

static int end_open(struct plug *a, struct plug_end *x, int top, const struct plug_wish *w, struct err *e)
{
	x->priority = w->priority;
	x->want = w->ip;
	x->want6 = w->ip6;
	x->ep.id = xstrdup(a->id);
	x->ep.name = xstrdup(a->name);
	strv_copy(&x->ep.names, &w->names);
	choose_inside(a, w, x->inside);
	x->dir = endpoint_dir(top, x->net->id, true, e);
	if (x->dir < 0 || bridge_up(&a->links, top, x->dir, x->net, &x->bridge, e) < 0 || choose_addresses(x, w, e) < 0)
		return -1;
	/* the file before the link: whoever sees the bridge sees that it is used */
	if (endpoint_put(x->dir, &x->ep, &x->lock, e) < 0 || make_link(a, x, e) < 0)
		return -1;
	return set_inside(a, x, e);
}

static int end_add(struct plug *a, int top, struct plug_wish *w, struct err *e)
{
	struct plug_end x = { .net = take_ptr(&w->net), .dir = -1, .lock = -1 };

	if (end_open(a, &x, top, w, e) < 0) {
		end_remove(a, &x, top);
		return -1;
	}
	a->ends = xrealloc(a->ends, (a->n + 1) * sizeof(*a->ends));
	a->ends[a->n++] = x;
	return 0;
}

/* ---- what all of them decide together ---- */

static bool leads_out(const struct plug_end *x, bool six)
{
	return !x->net->internal && (six ? x->bridge.six.gateway : x->bridge.four.gateway).family;
}

/* Whose gateway is the default route: by priority, then by name. */
static struct plug_end *best(struct plug *a, bool six)
{
	struct plug_end *r = NULL;

	for (size_t i = 0; i < a->n; i++) {
		struct plug_end *x = &a->ends[i];

		if (leads_out(x, six) && (!r || x->priority > r->priority ||
					  (x->priority == r->priority && strcmp(x->net->name, r->net->name) < 0)))
			r = x;
	}
	return r;
}

static int set_routes(struct plug *a, struct err *e)
{
	for (int six = 0; six < 2; six++) {
		struct plug_end *to = best(a, six);

		for (size_t i = 0; i < a->n; i++) {
			struct plug_end *x = &a->ends[i];
			bool *has = six ? &x->gateway6 : &x->gateway4;
			auto_err struct err gone = { 0 };

			if (*has && x != to) {
				(void)!link_route(&a->inside, x->index, six ? &x->bridge.six.gateway : &x->bridge.four.gateway,
						  false, &gone);
				*has = false;
			}
		}
		if (!to || (six ? to->gateway6 : to->gateway4))
			continue;
		if (link_route(&a->inside, to->index, six ? &to->bridge.six.gateway : &to->bridge.four.gateway, true, e) < 0)
			return -1;
		*(six ? &to->gateway6 : &to->gateway4) = true;
	}
	return 0;
}

static const char *mode_of(const struct plug_end *x, bool six)
{
	const char *mode = netdef_option(x->net, six ? OPTION "gateway_mode_ipv6" : OPTION "gateway_mode_ipv4");

	return mode ? mode : "nat";
}

static void add_end(const struct plug_end *x, bool six, struct rules_end *v, size_t *n)
{
	const char *masquerade = netdef_option(x->net, OPTION "enable_ip_masquerade");
	bool routed = strcmp(mode_of(x, six), "routed") == 0;

	v[(*n)++] = (struct rules_end){ .bridge = x->bridge.name, .addr = six ? x->ep.a6 : x->ep.a4,
					.subnet = six ? x->bridge.six.subnet : x->bridge.four.subnet,
					.internal = x->net->internal, .routed = routed,
					.masquerade = !routed && !(masquerade && strcmp(masquerade, "false") == 0) };
}

static void add_ports(struct plug *a, struct rules_port *v, size_t *n)
{
	struct plug_end *four = best(a, false), *six = best(a, true);

	for (size_t i = 0; i < a->ports.n; i++) {
		const struct port *p = &a->ports.v[i];
		struct plug_end *to = p->host.family == AF_INET6 ? six : four;
		struct rules_port r = { .protocol = p->protocol, .host = p->host, .host_port = p->host_port, .port = p->port };

		if (!to || (p->host.family == AF_INET6 && addr_is_loopback(&p->host)))
			continue;
		r.to = p->host.family == AF_INET6 ? to->ep.a6 : to->ep.a4;
		v[(*n)++] = r;
	}
}

/* A restarted container's old table may still be on its way out. */
static int make_table(struct plug *a, struct rules *r, struct err *e)
{
	if (a->table.fd < 0 && nl_open(NETLINK_NETFILTER, &a->table, e) < 0)
		return -1;
	for (int i = 0; i < NAME_TRIES; i++) {
		free(a->table_name);
		a->table_name = i ? xasprintf("tare-%.12s-%d", a->id, i) : xasprintf("tare-%.12s", a->id);
		r->name = a->table_name;
		if (rules_apply(&a->table, r, false, e) == 0) {
			a->has_table = true;
			err_clear(e);
			return 0;
		}
		/* EPERM: also a table that is somebody else's */
		if (e->sys != EEXIST && e->sys != EPERM)
			break;
	}
	return -1;
}

static int set_rules(struct plug *a, struct err *e)
{
	auto_free struct rules_end *ends = xcalloc(2 * a->n + 1, sizeof(*ends));
	auto_free struct rules_port *ports = xcalloc(a->ports.n + 1, sizeof(*ports));
	struct rules r = { .name = a->table_name, .ends = ends, .ports = ports };

	for (size_t i = 0; i < a->n; i++)
		for (int six = 0; six < 2; six++)
			if ((six ? a->ends[i].ep.a6 : a->ends[i].ep.a4).family)
				add_end(&a->ends[i], six, ends, &r.nends);
	add_ports(a, ports, &r.nports);
	if ((a->has_table ? rules_apply(&a->table, &r, true, e) : make_table(a, &r, e)) < 0)
		return -1;
	if (a->guard < 0)
		a->guard = nft_guard(a->run_dir, (struct in_addr){ 0 }, &a->table);
	return 0;
}

static int set_ports(struct plug *a, const struct port_specs *want, struct err *e)
{
	struct plug_end *four = best(a, false), *six = best(a, true), *to = four ? four : six;
	const struct addr none = { 0 };

	if (!a->has_ports && to && want->n) {
		if (ports_take(want, a->ports_v6 && strcmp(mode_of(to, true), "routed") != 0, &a->ports, e) < 0) {
			struct err cause = *e;

			*e = (struct err){ 0 };
			err_set(e, cause.kind, "failed to set up container networking: driver failed programming external "
				"connectivity on endpoint %s (%.12s): %s", a->name, a->id, err_text(&cause));
			err_clear(&cause);
			return -1;
		}
		a->has_ports = true;
	}
	return ports_serve(&a->ports, a->loop, to ? four ? &to->ep.a4 : &to->ep.a6 : &none, e);
}

static int set_dns(struct plug *a, struct err *e)
{
	struct dns_net *nets = xcalloc(a->n + 1, sizeof(*nets));
	bool names = false, out = best(a, false) || best(a, true);
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < a->n; i++) {
		if (!has_names(a->ends[i].net))
			continue;
		names = true;
		nets[n++] = (struct dns_net){ .name = a->ends[i].net->name, .dir = a->ends[i].dir };
	}
	if (names && !a->dns)
		r = dns_new(a->loop, a->netns, &a->dns_servers, &a->dns, e);
	if (r == 0 && a->dns)
		dns_set(a->dns, nets, n, out);
	free(nets);
	return r;
}

static bool is_wished(const struct plug_end *x, const struct plug_wish *wishes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(wishes[i].net->id, x->net->id) == 0)
			return true;
	return false;
}

static bool is_there(const struct plug *a, const struct netdef *d)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->ends[i].net->id, d->id) == 0)
			return true;
	return false;
}

static void drop_unwished(struct plug *a, int top, const struct plug_wish *wishes, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->n; i++) {
		if (is_wished(&a->ends[i], wishes, n))
			a->ends[kept++] = a->ends[i];
		else
			end_remove(a, &a->ends[i], top);
	}
	a->n = kept;
}

int plug_update(struct plug *a, struct plug_wish *wishes, size_t n, const struct port_specs *ports, struct err *e)
{
	auto_fd int top = endpoint_top(a->run_dir, true, e);
	int r = 0;

	if (top < 0)
		return -1;
	a->wants_ports = ports->n > 0;
	if (a->dns)
		dns_set(a->dns, NULL, 0, false);	/* its directories may be closed now */
	drop_unwished(a, top, wishes, n);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (!is_there(a, wishes[i].net))
			r = end_add(a, top, &wishes[i], e);
	if (r == 0 && (set_routes(a, e) < 0 || set_ports(a, ports, e) < 0 || set_rules(a, e) < 0 || set_dns(a, e) < 0))
		r = -1;
	if (r < 0) {		/* what is still there shall work */
		auto_err struct err ignored = { 0 };

		(void)!(set_routes(a, &ignored) < 0 || set_rules(a, &ignored) < 0 || set_dns(a, &ignored) < 0);
	}
	return r;
}

int plug_rename(struct plug *a, const char *name, struct err *e)
{
	free(a->name);
	a->name = xstrdup(name);
	for (size_t i = 0; i < a->n; i++) {
		struct plug_end *x = &a->ends[i];

		free(x->ep.name);
		x->ep.name = xstrdup(name);
		if (endpoint_put(x->dir, &x->ep, &x->lock, e) < 0)
			return -1;
	}
	return 0;
}

/* The namespace goes with our fds, and its links with it; but the kernel takes its time, and who asked for one
 * address may ask for it again at once. */
static void leave(struct plug *a, struct plug_end *x)
{
	auto_err struct err ignored = { 0 };
	int index;

	if ((x->want.family || x->want6.family) && link_exists(&a->links, x->host, &index))
		(void)!link_del(&a->links, index, &ignored);
	endpoint_drop(x->dir, a->id, &x->lock);
	end_done(x);
}

static void free_memory(struct plug *a)
{
	net_loop_free(a->loop);
	strv_done(&a->dns_servers);
	free(a->ends);
	free(a->table_name);
	free(a->run_dir);
	free(a->id);
	free(a->name);
	free(a);
}

void plug_free(struct plug *a)
{
	if (!a)
		return;
	dns_free(a->dns);
	if (a->ports.n)		/* first the rules, then the ports: nobody else's port may lead to us */
		nl_close(&a->table);
	ports_done(&a->ports);
	nl_close(&a->inside);
	if (a->netns >= 0)
		close(a->netns);
	for (size_t i = 0; i < a->n; i++)
		leave(a, &a->ends[i]);
	if (a->n || a->table.fd >= 0)
		net_retire(a->table.fd, a->guard, a->run_dir);
	nl_close(&a->table);
	if (a->guard >= 0)
		close(a->guard);
	nl_close(&a->links);
	free_memory(a);
}

/* ---- what others ask ---- */

int plug_netns(const struct plug *a)
{
	return a->netns;
}

int plug_fd(const struct plug *a)
{
	return net_loop_fd(a->loop);
}

void plug_work(struct plug *a)
{
	net_loop_work(a->loop);
}

size_t plug_count(const struct plug *a)
{
	return a->n;
}

const struct plug_end *plug_get(const struct plug *a, size_t i)
{
	return &a->ends[i];
}

const struct ports *plug_ports(const struct plug *a)
{
	return &a->ports;
}

bool plug_has_dns(const struct plug *a)
{
	return a->dns != NULL;
}
