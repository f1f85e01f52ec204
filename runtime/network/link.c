/* SPDX-License-Identifier: Apache-2.0 */
/* Links, addresses and routes by rtnetlink. */
#include "runtime/network/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

int link_up(struct nl *s, int index, struct err *e)
{
	const struct ifinfomsg i = { .ifi_index = index,
				     .ifi_flags = IFF_UP,
				     .ifi_change = IFF_UP };
	struct nl_batch b = { 0 };
	int r;

	nl_begin(&b, RTM_NEWLINK, NLM_F_ACK, &i, sizeof(i));
	nl_end(&b);
	r = nl_send(s, &b, e);
	buf_done(&b.b);
	return r < 0 ? err_wrap(e, "set link %d up", index) : 0;
}

/* drivers/net/veth.c: the peer's own ifinfomsg and attributes lie inside VETH_INFO_PEER. */
static void veth_peer(struct nl_batch *b, const char *peer, int netns, uint32_t mtu)
{
	const struct ifinfomsg down = { 0 };	/* up only once both ends know each other */
	size_t info = nl_nest(b, IFLA_LINKINFO), data, at;

	nl_attr(b, IFLA_INFO_KIND, "veth", 4);
	data = nl_nest(b, IFLA_INFO_DATA);
	at = nl_nest(b, VETH_INFO_PEER);
	buf_add(&b->b, &down, sizeof(down));
	nl_attr_str(b, IFLA_IFNAME, peer);
	nl_attr_u32(b, IFLA_NET_NS_FD, (uint32_t)netns);
	if (mtu)
		nl_attr_u32(b, IFLA_MTU, mtu);
	nl_unnest(b, at);
	nl_unnest(b, data);
	nl_unnest(b, info);
}

int link_add_veth(struct nl *s, const char *name, const char *peer, int netns, uint32_t mtu,
		  struct err *e)
{
	const struct ifinfomsg i = { 0 };
	struct nl_batch b = { 0 };
	int r;

	nl_begin(&b, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	nl_attr_str(&b, IFLA_IFNAME, name);
	if (mtu)
		nl_attr_u32(&b, IFLA_MTU, mtu);
	veth_peer(&b, peer, netns, mtu);
	nl_end(&b);
	r = nl_send(s, &b, e);
	buf_done(&b.b);
	return r < 0 ? err_wrap(e, "make link %s", name) : 0;
}

static void take_index(void *arg, uint16_t type, const void *p, size_t n)
{
	const struct ifinfomsg *i = p;

	if (type == RTM_NEWLINK && n >= sizeof(*i))
		*(int *)arg = i->ifi_index;
}

int link_index(struct nl *s, const char *name, int *ret, struct err *e)
{
	const struct ifinfomsg i = { 0 };
	struct nl_batch b = { 0 };
	int r, index = 0;

	nl_begin(&b, RTM_GETLINK, 0, &i, sizeof(i));
	nl_attr_str(&b, IFLA_IFNAME, name);
	nl_attr_u32(&b, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	nl_end(&b);
	r = nl_dump(s, &b, take_index, &index, e);
	buf_done(&b.b);
	if (r < 0 || index == 0)
		return err_wrap(e, "find link %s", name);
	*ret = index;
	return 0;
}

int link_add_addr(struct nl *s, int index, struct in_addr own, struct in_addr other, struct err *e)
{
	const struct ifaddrmsg a = { .ifa_family = AF_INET,
				     .ifa_prefixlen = 32,
				     .ifa_index = (unsigned)index };
	const struct ifinfomsg up = { .ifi_index = index,
				      .ifi_flags = IFF_UP,
				      .ifi_change = IFF_UP };
	struct nl_batch b = { 0 };
	int r;

	nl_begin(&b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &a, sizeof(a));
	nl_attr(&b, IFA_LOCAL, &own, sizeof(own));
	nl_attr(&b, IFA_ADDRESS, &other, sizeof(other));
	nl_end(&b);
	nl_begin(&b, RTM_NEWLINK, NLM_F_ACK, &up, sizeof(up));
	nl_end(&b);
	r = nl_send(s, &b, e);
	buf_done(&b.b);
	return r < 0 ? err_wrap(e, "give link %d its address", index) : 0;
}

int link_add_default(struct nl *s, int index, struct in_addr gateway, struct err *e)
{
	const struct rtmsg m = { .rtm_family = AF_INET,
				 .rtm_table = RT_TABLE_MAIN,
				 .rtm_protocol = RTPROT_STATIC,
				 .rtm_scope = RT_SCOPE_UNIVERSE,
				 .rtm_type = RTN_UNICAST };
	struct nl_batch b = { 0 };
	int r;

	nl_begin(&b, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	nl_attr(&b, RTA_GATEWAY, &gateway, sizeof(gateway));
	nl_attr_u32(&b, RTA_OIF, (uint32_t)index);
	nl_end(&b);
	r = nl_send(s, &b, e);
	buf_done(&b.b);
	return r < 0 ? err_wrap(e, "add the default route") : 0;
}

/* net/core/rtnetlink.c looks at the permission before it looks for the link. */
bool link_permitted(struct nl *s)
{
	const struct ifinfomsg none = { .ifi_index = INT32_MAX };
	auto_err struct err e = { 0 };
	struct nl_batch b = { 0 };
	bool ok;

	nl_begin(&b, RTM_DELLINK, NLM_F_ACK, &none, sizeof(none));
	nl_end(&b);
	ok = nl_send(s, &b, &e) == 0 || e.kind != ERR_DENIED;
	buf_done(&b.b);
	return ok;
}

/* ---- what there is ---- */

bool link_overlap(struct link_prefix a, struct link_prefix b)
{
	uint8_t len = MIN(a.len, b.len);

	return len == 0 || (a.addr ^ b.addr) >> (32 - len) == 0;
}

struct routes {
	struct link_prefix within;
	const char *skip;
	struct link_prefix *v;
	size_t n;
	uint32_t uplink, metric;	/* index of the default route's link; 0: none yet */
};

static uint32_t attr_u32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a && nl_size(a) >= sizeof(v))
		memcpy(&v, nl_data(a), sizeof(v));
	return v;
}

static bool name_starts(uint32_t index, const char *prefix)
{
	char name[IF_NAMESIZE];

	return index && if_indextoname(index, name) && str_starts(str_of(name), prefix);
}

static void take_route(void *arg, uint16_t type, const void *p, size_t n)
{
	struct routes *rs = arg;
	const struct rtmsg *m = p;
	const char *attrs = (const char *)p + NLMSG_ALIGN(sizeof(*m));
	struct link_prefix to;
	uint32_t oif, metric;

	if (type != RTM_NEWROUTE || n < sizeof(*m) || m->rtm_family != AF_INET)
		return;
	n -= NLMSG_ALIGN(sizeof(*m));
	oif = attr_u32(nl_find(attrs, n, RTA_OIF));
	metric = attr_u32(nl_find(attrs, n, RTA_PRIORITY));
	if (m->rtm_dst_len == 0) {
		if (m->rtm_type == RTN_UNICAST && (rs->uplink == 0 || metric < rs->metric)) {
			rs->uplink = oif;
			rs->metric = metric;
		}
		return;
	}
	to = (struct link_prefix){ ntohl(attr_u32(nl_find(attrs, n, RTA_DST))), m->rtm_dst_len };
	if (to.len > 32 || !link_overlap(to, rs->within) || name_starts(oif, rs->skip))
		return;
	if (rs->n % 64 == 0)
		rs->v = xrealloc(rs->v, (rs->n + 64) * sizeof(*rs->v));
	rs->v[rs->n++] = to;
}

static void take_mtu(void *arg, uint16_t type, const void *p, size_t n)
{
	if (type == RTM_NEWLINK && n >= NLMSG_ALIGN(sizeof(struct ifinfomsg)))
		*(uint32_t *)arg =
			attr_u32(nl_find((const char *)p + NLMSG_ALIGN(sizeof(struct ifinfomsg)),
					 n - NLMSG_ALIGN(sizeof(struct ifinfomsg)), IFLA_MTU));
}

int link_mtu(struct nl *s, uint32_t index, uint32_t *ret, struct err *e)
{
	const struct ifinfomsg i = { .ifi_index = (int)index };
	struct nl_batch b = { 0 };
	int r;

	nl_begin(&b, RTM_GETLINK, 0, &i, sizeof(i));
	nl_attr_u32(&b, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	nl_end(&b);
	r = nl_dump(s, &b, take_mtu, ret, e);
	buf_done(&b.b);
	return r;
}

int link_routes(struct nl *s, struct link_prefix within, const char *skip, struct link_prefix **ret,
		size_t *n, uint32_t *mtu, struct err *e)
{
	const struct rtmsg m = { .rtm_family = AF_INET };
	struct routes rs = { .within = within, .skip = skip };
	struct nl_batch b = { 0 };
	int r = -1;

	*mtu = 0;
	for (int i = 0; r < 0 && i < 5 && (i == 0 || e->sys == EINTR); i++) {
		free(rs.v);		/* EINTR: they changed meanwhile; again */
		rs = (struct routes){ .within = within, .skip = skip };
		nl_begin(&b, RTM_GETROUTE, NLM_F_DUMP, &m, sizeof(m));
		nl_end(&b);
		r = nl_dump(s, &b, take_route, &rs, e);
		buf_done(&b.b);
	}
	if (r == 0 && rs.uplink)
		r = link_mtu(s, rs.uplink, mtu, e);
	if (r < 0) {
		free(rs.v);
		return err_wrap(e, "list routes");
	}
	*ret = rs.v;
	*n = rs.n;
	return 0;
}
