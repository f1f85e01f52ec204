/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks for sandboxes. What is made on the host, and what takes it away again:
 *
 *   tarerN, the host's end of a veth pair    the kernel, with the namespace of the other end
 *   the nftables table                      the kernel, with our socket (nft.h)
 *   accepts in others' tables               net_host_free() of the last process that holds
 *                                           run_dir/guard; after a kill the next one's
 *   net.ipv4.ip_forward                     nobody: it stays on
 *
 * There is no bridge: each namespace has a point-to-point link to the host, which routes. The name
 * tarerN is what two processes compete for; N is also the last byte of the address, so that no
 * registry of addresses is needed.
 */
#include "runtime/network/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fs.h"
#include "base/task.h"
#include "runtime/network/bridge.h"
#include "runtime/network/ipam.h"
#include "runtime/network/link.h"
#include "runtime/network/nft.h"
#include "runtime/network/resolv.h"
#include "runtime/sandbox/ns.h"

#define LINK "tarer"		/* names of our links begin so; "tare" alone are bridges (bridge.h) */
#define INSIDE "eth0"
#define FORWARD "/proc/sys/net/ipv4/ip_forward"
#define LINGER_NS 800000000		/* how long a bridge stays without ports */
#define FORWARD_HINT "as root: sysctl net.ipv4.ip_forward=1; or use --network host or none"

struct net {
	struct net_host *host;
	enum net_kind kind;
	int fd;
	struct in_addr addr, gateway;
	struct net *next;		/* in host->idle */
};

struct net_host {
	pthread_mutex_t lock;
	char *run_dir;
	struct net *idle;		/* closed for reuse */
	struct nl links;		/* in the host's namespace; fd -1: nothing made yet */
	struct nl table;		/* its life is the table's */
	int guard;			/* run_dir/guard, flock'ed; -1: not needed */
	struct in_addr subnet;
	uint32_t mtu;
	bool resolver;			/* loopback name servers are led through our links */
};

void net_host_new(const char *run_dir, struct net_host **ret)
{
	struct net_host *h = xcalloc(1, sizeof(*h));

	pthread_mutex_init(&h->lock, NULL);
	h->run_dir = xstrdup(run_dir);
	h->links.fd = h->table.fd = h->guard = -1;
	*ret = h;
}

static void net_free(struct net *n)
{
	close(n->fd);
	free(n);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* keep: -1 for none. */
static void close_all_but(int *keep, size_t n)
{
	unsigned from = 0;

	qsort(keep, n, sizeof(*keep), by_number);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < 0)
			continue;
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, UINT_MAX, 0);
}

/* What the helper does. A bridge that has lost its last port is often wanted again at once: it is given a moment. */
static void retire(int table, int guard, int reaper, const char *run_dir)
{
	setsid();			/* a Ctrl-C meant for us is not for it */
	close_all_but((int[]){ table, guard, reaper }, 3);
	if (table >= 0)
		close(table);
	nft_unguard(guard);
	if (guard >= 0)
		close(guard);
	if (reaper < 0)
		return;
	nanosleep(&(struct timespec){ .tv_nsec = LINGER_NS }, NULL);
	close(reaper);			/* first: whoever comes now waits again */
	network_sweep(run_dir);
}

/*
 * The kernel takes 10 ms and more to remove a table, a rule or a link (synchronize_rcu), a table in the last close() of
 * its socket or in the exit of its process. A grandchild of ours does it, so that nobody has to wait.
 */
void net_retire(int table, int guard, const char *run_dir)
{
	auto_fd int reaper = run_dir ? network_reaper(run_dir) : -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0)
			retire(table, guard, reaper, run_dir);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		nft_unguard(guard);
}

void net_host_free(struct net_host *h)
{
	if (!h)
		return;
	while (h->idle) {
		struct net *n = h->idle;

		h->idle = n->next;
		net_free(n);
	}
	if (h->table.fd >= 0)
		net_retire(h->table.fd, h->guard, NULL);
	if (h->guard >= 0)
		close(h->guard);
	nl_close(&h->table);
	nl_close(&h->links);
	pthread_mutex_destroy(&h->lock);
	free(h->run_dir);
	free(h);
}

/* ---- what the host must have ---- */

bool net_can_bridge(struct err *why)
{
	struct nl s;
	bool ok;

	if (nl_open(NETLINK_ROUTE, &s, why) < 0)
		return false;
	ok = link_permitted(&s);
	nl_close(&s);
	if (!ok) {
		err_set(why, ERR_DENIED, "an own network with a way out needs root: "
			"this process may not change links here");
		err_hint(why, "use --network host or none, or run tare as root");
		return false;
	}
	if (!sysctl_is(FORWARD, '1') && faccessat(AT_FDCWD, FORWARD, W_OK, AT_EACCESS) < 0) {
		err_sys(why, "forwarding is off, and " FORWARD " cannot be written");
		err_hint(why, FORWARD_HINT);
		return false;
	}
	return true;
}

/* Name servers must stay reachable: they count as used. usable: a container's resolv.conf. */
static void add_servers(struct str usable, struct link_prefix **v, size_t *n)
{
	char addr[INET_ADDRSTRLEN];
	struct in_addr a;

	while (usable.p) {
		struct str value = str_cut(&usable, '\n'), key = str_cut(&value, ' ');

		if (!str_is(key, "nameserver") || value.n >= sizeof(addr))
			continue;
		memcpy(addr, value.p ? value.p : "", value.n);
		addr[value.n] = '\0';
		if (inet_pton(AF_INET, addr, &a) != 1)
			continue;
		*v = xrealloc(*v, (*n + 1) * sizeof(**v));
		(*v)[(*n)++] = (struct link_prefix){ ntohl(a.s_addr), 32 };
	}
}

static int choose_subnet(struct net_host *h, struct str usable, struct err *e)
{
	const struct link_prefix pool = { IPAM_POOL, IPAM_POOL_LEN };
	auto_free struct link_prefix *used = NULL;
	size_t n;

	if (link_routes(&h->links, pool, LINK, &used, &n, &h->mtu, e) < 0)
		return -1;
	add_servers(usable, &used, &n);
	if (!ipam_subnet(used, n, &h->subnet))
		return err_set(e, ERR_CONFLICT, "no private subnet is free: this host's routes use "
			       "all of 10.200.0.0/13");
	return 0;
}

/* Once per process, before its first link. */
static int host_open(struct net_host *h, struct err *e)
{
	auto_buf struct buf servers = { 0 }, usable = { 0 };
	struct nft_table t = { .link = LINK };

	if (h->table.fd >= 0)
		return 0;
	if (h->links.fd < 0 && nl_open(NETLINK_ROUTE, &h->links, e) < 0)
		return -1;
	if (resolv_host_read(&servers, e) < 0)
		return -1;
	if (resolv_text(buf_view(&servers), true, NULL, &usable) == 0)
		t.resolver = resolv_loopback(buf_view(&servers));
	if (choose_subnet(h, buf_view(&usable), e) < 0)
		return -1;
	if (!sysctl_is(FORWARD, '1') && sysctl_write(FORWARD, "1\n", e) < 0) {
		e->kind = ERR_DENIED;
		return err_hint(e, FORWARD_HINT);
	}
	t.subnet = h->subnet;
	inet_pton(AF_INET, RESOLV_REDIRECT, &t.asked);
	h->resolver = t.resolver.s_addr != 0;
	if (nft_open(&t, &h->table, e) < 0)
		return -1;
	h->guard = nft_guard(h->run_dir, t.resolver, &h->table);
	return 0;
}

/* ---- one namespace ---- */

/* Runs in the new namespace; arg: a socket of it. Own networks have no IPv6; ports and ping are for
 * all, as Docker has it: where /proc is read-only, or these groups do not exist, a comfort less. */
int net_prepare(void *arg, struct err *e)
{
	struct nl *inside = arg;
	auto_err struct err ignored = { 0 };

	if (nl_open(NETLINK_ROUTE, inside, e) < 0 || link_up(inside, LINK_LOOPBACK, e) < 0)
		return -1;
	(void)!sysctl_link("ipv6", "default", "disable_ipv6", "1", &ignored);
	(void)!sysctl_write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", &ignored);
	(void)!sysctl_write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647", &ignored);
	return 0;
}

/* The host's end: the first free name is also the address. No IPv6 there: a container's router
 * advertisements must not reach the host. */
static int host_end(struct net_host *h, struct net *n, struct err *e)
{
	char name[IF_NAMESIZE];
	int index;

	for (unsigned i = IPAM_FIRST;; i++) {
		if (i > IPAM_LAST)
			return err_set(e, ERR_LIMIT, "no address is left: %d networks exist",
				       IPAM_LAST - IPAM_FIRST + 1);
		snprintf(name, sizeof(name), LINK "%u", i);
		n->addr = ipam_addr(h->subnet, i);
		if (link_add_veth(&h->links, name, INSIDE, n->fd, h->mtu, e) == 0)
			break;
		if (e->sys != EEXIST)
			return -1;
	}
	err_clear(e);			/* of names that were taken */
	n->gateway = ipam_addr(h->subnet, 1);
	if (sysctl_link("ipv6", name, "disable_ipv6", "1", e) < 0 ||
	    (h->resolver && sysctl_link("ipv4", name, "route_localnet", "1", e) < 0) ||
	    link_index(&h->links, name, &index, e) < 0)
		return -1;
	return link_add_addr(&h->links, index, n->gateway, n->addr, e);
}

static int inside_end(struct nl *s, const struct net *n, struct err *e)
{
	int index;

	if (link_index(s, INSIDE, &index, e) < 0 ||
	    link_add_addr(s, index, n->addr, n->gateway, e) < 0)
		return -1;
	return link_add_default(s, index, n->gateway, e);
}

static int bridge(struct net_host *h, struct nl *inside, struct net *n, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);

	if (host_open(h, e) < 0 || host_end(h, n, e) < 0)
		return -1;
	return inside_end(inside, n, e);
}

static struct net *take_idle(struct net_host *h, enum net_kind kind)
{
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);

	for (struct net **at = &h->idle; *at; at = &(*at)->next)
		if ((*at)->kind == kind) {
			struct net *n = *at;

			*at = n->next;
			return n;
		}
	return NULL;
}

int net_open(struct net_host *h, enum net_kind kind, struct net **ret, struct err *e)
{
	struct net *n = take_idle(h, kind);
	struct nl inside = { .fd = -1 };
	int r;

	if (n) {
		*ret = n;
		return 0;
	}
	n = xcalloc(1, sizeof(*n));
	*n = (struct net){ .host = h, .kind = kind, .fd = -1 };
	r = ns_net_new(net_prepare, &inside, &n->fd, e);
	if (r == 0 && kind == NET_BRIDGE)
		r = bridge(h, &inside, n, e);
	nl_close(&inside);
	if (r < 0) {
		if (n->fd >= 0)
			close(n->fd);
		free(n);
		return err_wrap(e, "network");
	}
	*ret = n;
	return 0;
}

void net_close(struct net *n, bool reuse)
{
	if (!n)
		return;
	if (!reuse) {
		net_free(n);
		return;
	}
	pthread_mutex_lock(&n->host->lock);
	n->next = n->host->idle;
	n->host->idle = n;
	pthread_mutex_unlock(&n->host->lock);
}

int net_fd(const struct net *n)
{
	return n->fd;
}

struct in_addr net_addr(const struct net *n)
{
	return n->addr;
}

struct in_addr net_gateway(const struct net *n)
{
	return n->gateway;
}
