/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge of a network on this host. */
#include "runtime/network/bridge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/fs.h"
#include "runtime/network/link.h"

#define FORWARD4 "/proc/sys/net/ipv4/ip_forward"
#define FORWARD6 "/proc/sys/net/ipv6/conf/all/forwarding"
#define OPTION "com.docker.network."
#define POOL_FILE ".subnet"
#define LAST_FILE ".last"		/* and 4 or 6: the address that was given last */
#define LINK_FILE ".link"		/* the bridge's name, so that a sweep needs no definition */

bool sysctl_is(const char *path, char value)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1 && c == value;
}

int sysctl_write(const char *path, const char *value, struct err *e)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return err_sys(e, "write %s to %s", value, path);
	return 0;
}

int sysctl_link(const char *family, const char *link, const char *key, const char *value, struct err *e)
{
	auto_free char *path = xasprintf("/proc/sys/net/%s/conf/%s/%s", family, link, key);

	if (access(path, F_OK) < 0 || sysctl_is(path, value[0]))
		return 0;
	return sysctl_write(path, value, e);
}

void bridge_name(const struct netdef *d, char ret[static IF_NAMESIZE])
{
	const char *own = netdef_option(d, OPTION "bridge.name");

	if (own && *own && strlen(own) < IF_NAMESIZE)
		snprintf(ret, IF_NAMESIZE, "%s", own);
	else if (netdef_is_default(d))
		snprintf(ret, IF_NAMESIZE, "tare0");
	else
		snprintf(ret, IF_NAMESIZE, "tare-%.10s", d->id);
}

bool bridge_default_pool(int dir, struct ipam_pool *ret)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };

	*ret = (struct ipam_pool){ 0 };
	return fs_read(dir, POOL_FILE, 256, &b, &ignored) == 0 &&
	       subnet_parse(str_trim(buf_view(&b)), false, &ret->subnet) && ipam_check(ret, true, &ignored) == 0;
}

void bridge_last(int dir, uint8_t family, struct addr *ret)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };

	*ret = (struct addr){ 0 };
	if (fs_read(dir, family == AF_INET ? LAST_FILE "4" : LAST_FILE "6", ADDR_TEXT_MAX, &b, &ignored) == 0)
		(void)!addr_parse(buf_view(&b), ret);
}

void bridge_set_last(int dir, const struct addr *a)
{
	auto_err struct err ignored = { 0 };
	char text[ADDR_TEXT_MAX];

	addr_text(a, text);
	(void)!fs_replace(dir, a->family == AF_INET ? LAST_FILE "4" : LAST_FILE "6", text, strlen(text), 0600, false, &ignored);
}

static bool clashes(const struct subnet *used, size_t n, const struct subnet *s)
{
	for (size_t i = 0; i < n; i++)
		if (subnet_overlap(&used[i], s))
			return true;
	return false;
}

/* The same as last time, if nobody has taken it meanwhile. */
static int choose_default(int dir, const struct subnet *used, size_t n, struct ipam_pool *ret, struct err *e)
{
	char text[ADDR_TEXT_MAX];

	if (bridge_default_pool(dir, ret) && !clashes(used, n, &ret->subnet))
		return 0;
	*ret = (struct ipam_pool){ 0 };
	if (!ipam_pick(used, n, 0, &ret->subnet))
		return err_set(e, ERR_CONFLICT, "no private subnet is free: this host's routes use all of 10.200.0.0/13");
	subnet_text(&ret->subnet, text);
	if (fs_replace(dir, POOL_FILE, text, strlen(text), 0600, false, e) < 0)
		return -1;
	return ipam_check(ret, true, e);
}

static int choose(int dir, const struct netdef *d, const struct subnet *used, size_t n, struct bridge *b, struct err *e)
{
	char text[ADDR_TEXT_MAX];

	if (netdef_is_default(d))
		return choose_default(dir, used, n, &b->four, e);
	for (size_t i = 0; i < d->npools; i++) {
		if (!clashes(used, n, &d->pools[i].subnet))
			continue;
		err_set(e, ERR_CONFLICT, "network %s: its subnet %s is in use on this host", d->name,
			subnet_text(&d->pools[i].subnet, text));
		return err_hint(e, "see \"ip route\"; remove the network and create it with another --subnet");
	}
	return 0;
}

static void known_pools(int dir, const struct netdef *d, struct bridge *b)
{
	const struct ipam_pool *four = netdef_pool(d, AF_INET), *six = netdef_pool(d, AF_INET6);

	if (netdef_is_default(d))
		bridge_default_pool(dir, &b->four);
	else if (four && d->ipv4)
		b->four = *four;
	if (six && d->ipv6)
		b->six = *six;
}

static int forward(bool six, struct err *e)
{
	if ((!sysctl_is(FORWARD4, '1') && sysctl_write(FORWARD4, "1\n", e) < 0) ||
	    (six && !sysctl_is(FORWARD6, '1') && sysctl_write(FORWARD6, "1\n", e) < 0)) {
		e->kind = ERR_DENIED;
		return err_hint(e, "as root: sysctl net.ipv4.ip_forward=1; or use --network host or none");
	}
	return 0;
}

static int give_addresses(struct nl *links, const struct bridge *b, struct err *e)
{
	if (b->four.gateway.family && link_add_ip(links, b->index, &b->four.gateway, b->four.subnet.len, e) < 0)
		return -1;
	if (b->six.gateway.family && link_add_ip(links, b->index, &b->six.gateway, b->six.subnet.len, e) < 0)
		return -1;
	return 0;
}

static int make(struct nl *links, int dir, const struct netdef *d, struct bridge *b, struct err *e)
{
	struct mac mac = { { 0x02, 0x42 } };

	memcpy(mac.b + 2, b->four.gateway.family ? b->four.gateway.b : (const uint8_t *)d->id, 4);
	/* the name first: a sweep then finds the link, whenever we are killed */
	if (fs_replace(dir, LINK_FILE, b->name, strlen(b->name), 0600, false, e) < 0 ||
	    link_add_bridge(links, b->name, &mac, b->mtu, e) < 0 || link_index(links, b->name, &b->index, e) < 0)
		return -1;
	if (sysctl_link("ipv6", b->name, b->six.subnet.base.family ? "accept_ra" : "disable_ipv6",
			b->six.subnet.base.family ? "0" : "1", e) < 0 ||
	    sysctl_link("ipv4", b->name, "route_localnet", "1", e) < 0)
		return -1;
	return give_addresses(links, b, e) < 0 ? -1 : link_up(links, b->index, e);
}

/* The default bridge is there, but our notes are gone (somebody has emptied the run directory): it is used as it is. */
static void adopt(struct nl *links, int dir, struct bridge *b)
{
	auto_err struct err ignored = { 0 };
	char text[ADDR_TEXT_MAX];

	if (!link_ip4(links, b->index, &b->four.gateway, &b->four.subnet))
		return;
	subnet_text(&b->four.subnet, text);
	(void)!fs_replace(dir, POOL_FILE, text, strlen(text), 0600, false, &ignored);
	(void)!fs_replace(dir, LINK_FILE, b->name, strlen(b->name), 0600, false, &ignored);
}

static uint32_t choose_mtu(const struct netdef *d, uint32_t uplink)
{
	const char *asked = netdef_option(d, OPTION "driver.mtu");
	uint64_t v = 0;

	if (asked && str_to_u64(str_of(asked), 10, &v) && v >= 68 && v <= 65535)
		return (uint32_t)v;
	return uplink;
}

int bridge_up(struct nl *links, int top, int dir, const struct netdef *d, struct bridge *ret, struct err *e)
{
	auto_free struct subnet *used = NULL;
	struct bridge b = { 0 };
	uint32_t uplink;
	size_t n;

	bridge_name(d, b.name);
	known_pools(dir, d, &b);
	if (link_exists(links, b.name, &b.index)) {
		(void)!link_mtu(links, (uint32_t)b.index, &b.mtu, e);
		if (netdef_is_default(d) && !b.four.subnet.base.family)
			adopt(links, dir, &b);
		*ret = b;
		return 0;
	}
	if (link_routes_all(links, NULL, &used, &n, &uplink, e) < 0 || choose(dir, d, used, n, &b, e) < 0 ||
	    forward(b.six.subnet.base.family, e) < 0)
		return -1;
	b.mtu = choose_mtu(d, uplink);
	if (make(links, dir, d, &b, e) < 0) {
		bridge_down(links, top, d->id, b.name);
		return err_wrap(e, "network %s", d->name);
	}
	*ret = b;
	return 0;
}

void bridge_down(struct nl *links, int top, const char *network, const char *name)
{
	auto_endpoints struct endpoints l = { 0 };
	auto_err struct err ignored = { 0 };
	auto_fd int dir = endpoint_dir(top, network, false, &ignored);
	int index;

	if (dir < 0)
		return;
	endpoint_list_read(dir, true, true, &l);
	if (l.n)
		return;
	if (*name && link_exists(links, name, &index))
		(void)!link_del(links, index, &ignored);
	unlinkat(dir, LINK_FILE, 0);
	unlinkat(dir, LAST_FILE "4", 0);
	unlinkat(dir, LAST_FILE "6", 0);
	unlinkat(top, network, AT_REMOVEDIR);	/* stays if there is more in it: the default network's addresses */
}

/* ---- what is left ---- */

static void entries(int dir, struct strv *ret)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			strv_add(ret, de->d_name);
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}

static void sweep_one(struct nl *links, int top, const char *network)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf name = { 0 };
	auto_fd int dir = endpoint_dir(top, network, false, &ignored);

	if (dir < 0)
		return;
	if (fs_read(dir, LINK_FILE, IF_NAMESIZE, &name, &ignored) < 0 || !name.n)	/* killed before there was a bridge */
		buf_reset(&name);
	buf_putc(&name, '\0');
	bridge_down(links, top, network, name.p);
}

/* Is there anything that nobody uses: endpoints, the bridge, a directory without either? Asked without the lock. */
static bool has_garbage(int top, const char *network)
{
	auto_err struct err ignored = { 0 };
	auto_fd int dir = endpoint_dir(top, network, false, &ignored);
	bool used = false, dead = false;
	auto_strv struct strv names = { 0 };

	if (dir < 0)
		return false;
	entries(dir, &names);
	for (size_t i = 0; i < names.n && !dead; i++) {
		used = used || names.v[i][0] != '.';
		dead = names.v[i][0] != '.' && !endpoint_alive(dir, names.v[i]);
	}
	return dead || (!used && (faccessat(dir, LINK_FILE, F_OK, 0) == 0 || faccessat(dir, POOL_FILE, F_OK, 0) < 0));
}

int network_reaper(const char *run_dir)
{
	auto_free char *path = xasprintf("%s/net/.reaper", run_dir);
	auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? take_fd(&fd) : -1;
}

void network_sweep_one(const char *run_dir, const char *network)
{
	auto_err struct err ignored = { 0 };
	auto_fd int top = endpoint_top(run_dir, true, &ignored);
	struct nl links;

	if (top < 0 || nl_open(NETLINK_ROUTE, &links, &ignored) < 0)
		return;
	sweep_one(&links, top, network);
	nl_close(&links);
}

void network_sweep(const char *run_dir)
{
	auto_err struct err ignored = { 0 };
	auto_strv struct strv names = { 0 };
	auto_free char *net = xasprintf("%s/net", run_dir);
	auto_fd int look = -1, held = -1, reaper = -1;
	struct nl links = { .fd = -1 };

	if (access(net, F_OK) < 0 || (reaper = network_reaper(run_dir)) < 0 ||
	    (look = endpoint_top(run_dir, false, &ignored)) < 0)
		return;
	entries(look, &names);
	for (size_t i = 0; i < names.n; i++) {
		if (strlen(names.v[i]) != NETDEF_ID_MAX - 1 || !has_garbage(look, names.v[i]))
			continue;
		if (held < 0 && ((held = endpoint_top(run_dir, true, &ignored)) < 0 ||
				 nl_open(NETLINK_ROUTE, &links, &ignored) < 0))
			return;
		sweep_one(&links, held, names.v[i]);
	}
	nl_close(&links);
}
