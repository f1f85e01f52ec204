/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges, their ports, addresses of both families, by rtnetlink. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "runtime/network/link.h"

static int send_one(struct nl *s, struct nl_batch *b, struct err *e)
{
	int r;

	nl_end(b);
	r = nl_send(s, b, e);
	buf_done(&b->b);
	return r;
}

static void new_link(struct nl_batch *b, const char *name, uint32_t mtu, bool up)
{
	const struct ifinfomsg i = { .ifi_flags = up ? IFF_UP : 0, .ifi_change = up ? IFF_UP : 0 };

	nl_begin(b, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	nl_attr_str(b, IFLA_IFNAME, name);
	if (mtu)
		nl_attr_u32(b, IFLA_MTU, mtu);
}

int link_add_bridge(struct nl *s, const char *name, const struct mac *mac, uint32_t mtu, struct err *e)
{
	struct nl_batch b = { 0 };
	size_t at;

	new_link(&b, name, mtu, false);
	if (!mac_is_none(mac))
		nl_attr(&b, IFLA_ADDRESS, mac->b, sizeof(mac->b));
	at = nl_nest(&b, IFLA_LINKINFO);
	nl_attr(&b, IFLA_INFO_KIND, "bridge", 6);
	nl_unnest(&b, at);
	return send_one(s, &b, e) < 0 ? err_wrap(e, "make bridge %s", name) : 0;
}

static void peer_part(struct nl_batch *b, const struct link_port *p)
{
	const struct ifinfomsg down = { 0 };
	size_t info = nl_nest(b, IFLA_LINKINFO), data, at;

	nl_attr(b, IFLA_INFO_KIND, "veth", 4);
	data = nl_nest(b, IFLA_INFO_DATA);
	at = nl_nest(b, VETH_INFO_PEER);
	buf_add(&b->b, &down, sizeof(down));
	nl_attr_str(b, IFLA_IFNAME, p->inside);
	nl_attr_u32(b, IFLA_NET_NS_FD, (uint32_t)p->netns);
	if (!mac_is_none(&p->mac))
		nl_attr(b, IFLA_ADDRESS, p->mac.b, sizeof(p->mac.b));
	if (p->mtu)
		nl_attr_u32(b, IFLA_MTU, p->mtu);
	nl_unnest(b, at);
	nl_unnest(b, data);
	nl_unnest(b, info);
}

/* A port's own settings are an attribute of the bridge's side: kind of the master. */
static int port_flags(struct nl *s, int index, const struct link_port *p, struct err *e)
{
	const struct ifinfomsg i = { .ifi_family = AF_BRIDGE, .ifi_index = index };
	const uint8_t on = 1;
	struct nl_batch b = { 0 };
	size_t at;

	nl_begin(&b, RTM_SETLINK, NLM_F_ACK, &i, sizeof(i));
	at = nl_nest(&b, IFLA_PROTINFO);
	if (p->isolated)
		nl_attr(&b, IFLA_BRPORT_ISOLATED, &on, 1);
	if (p->hairpin)
		nl_attr(&b, IFLA_BRPORT_MODE, &on, 1);
	nl_unnest(&b, at);
	return send_one(s, &b, e);
}

int link_add_port(struct nl *s, const struct link_port *p, struct err *e)
{
	struct nl_batch b = { 0 };
	int index;

	new_link(&b, p->name, p->mtu, true);
	nl_attr_u32(&b, IFLA_MASTER, (uint32_t)p->bridge);
	peer_part(&b, p);
	if (send_one(s, &b, e) < 0)
		return err_wrap(e, "make link %s", p->name);
	if ((p->isolated || p->hairpin) && (link_index(s, p->name, &index, e) < 0 || port_flags(s, index, p, e) < 0))
		return err_wrap(e, "set up link %s", p->name);
	return 0;
}

int link_del(struct nl *s, int index, struct err *e)
{
	const struct ifinfomsg i = { .ifi_index = index };
	struct nl_batch b = { 0 };

	nl_begin(&b, RTM_DELLINK, NLM_F_ACK, &i, sizeof(i));
	return send_one(s, &b, e) < 0 ? err_wrap(e, "remove link %d", index) : 0;
}

bool link_exists(struct nl *s, const char *name, int *index)
{
	auto_err struct err ignored = { 0 };

	return link_index(s, name, index, &ignored) == 0;
}

int link_add_ip(struct nl *s, int index, const struct addr *a, uint8_t len, struct err *e)
{
	const struct ifaddrmsg m = { .ifa_family = a->family, .ifa_prefixlen = len, .ifa_index = (unsigned)index,
				     .ifa_flags = a->family == AF_INET6 ? IFA_F_NODAD : 0 };
	char text[ADDR_TEXT_MAX];
	struct nl_batch b = { 0 };

	nl_begin(&b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	nl_attr(&b, IFA_LOCAL, a->b, addr_size(a));
	nl_attr(&b, IFA_ADDRESS, a->b, addr_size(a));
	if (a->family == AF_INET && len < 31) {
		struct subnet n = { *a, len };
		struct addr last;

		(void)!subnet_parse(str_of(subnet_text(&n, text)), false, &n);
		last = subnet_addr(&n, subnet_size(&n) - 1);
		nl_attr(&b, IFA_BROADCAST, last.b, 4);
	}
	return send_one(s, &b, e) < 0 ? err_wrap(e, "give link %d its address %s", index, addr_text(a, text)) : 0;
}

struct first { int index; struct addr a; uint8_t len; };

static void take_ip4(void *arg, uint16_t type, const void *p, size_t n)
{
	struct first *f = arg;
	const struct ifaddrmsg *m = p;
	const struct nlattr *a;

	if (type != RTM_NEWADDR || n < sizeof(*m) || (int)m->ifa_index != f->index || f->a.family)
		return;
	a = nl_find((const char *)p + NLMSG_ALIGN(sizeof(*m)), n - NLMSG_ALIGN(sizeof(*m)), IFA_LOCAL);
	if (!a || nl_size(a) < 4)
		return;
	f->a.family = AF_INET;
	memcpy(f->a.b, nl_data(a), 4);
	f->len = m->ifa_prefixlen;
}

bool link_ip4(struct nl *s, int index, struct addr *ret, struct subnet *subnet)
{
	const struct ifaddrmsg m = { .ifa_family = AF_INET };
	struct first f = { .index = index };
	auto_err struct err ignored = { 0 };
	struct nl_batch b = { 0 };
	char text[ADDR_TEXT_MAX];

	nl_begin(&b, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	nl_end(&b);
	(void)!nl_dump(s, &b, take_ip4, &f, &ignored);
	buf_done(&b.b);
	*ret = f.a;
	return f.a.family && subnet_parse(str_of(subnet_text(&(struct subnet){ f.a, f.len }, text)), false, subnet);
}

int link_route(struct nl *s, int index, const struct addr *gateway, bool add, struct err *e)
{
	const struct rtmsg m = { .rtm_family = gateway->family, .rtm_table = RT_TABLE_MAIN,
				 .rtm_protocol = add ? RTPROT_STATIC : RTPROT_UNSPEC,
				 .rtm_scope = add ? RT_SCOPE_UNIVERSE : RT_SCOPE_NOWHERE, .rtm_type = RTN_UNICAST };
	struct nl_batch b = { 0 };

	nl_begin(&b, add ? RTM_NEWROUTE : RTM_DELROUTE, (uint16_t)(NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0)), &m,
		 sizeof(m));
	nl_attr(&b, RTA_GATEWAY, gateway->b, addr_size(gateway));
	nl_attr_u32(&b, RTA_OIF, (uint32_t)index);
	return send_one(s, &b, e) < 0 ? err_wrap(e, "change the default route") : 0;
}

/* ---- what is routed here ---- */

struct prefixes {
	const char *skip;
	struct subnet *v;
	size_t n, cap;
};

static void take_prefix(void *arg, uint16_t type, const void *p, size_t n)
{
	struct prefixes *ps = arg;
	const struct rtmsg *m = p;
	const struct nlattr *dst, *oif;
	struct subnet to = { 0 };
	char name[IF_NAMESIZE];
	uint32_t index = 0;

	if (type != RTM_NEWROUTE || n < NLMSG_ALIGN(sizeof(*m)) || m->rtm_dst_len == 0 || m->rtm_table == RT_TABLE_LOCAL)
		return;
	dst = nl_find((const char *)p + NLMSG_ALIGN(sizeof(*m)), n - NLMSG_ALIGN(sizeof(*m)), RTA_DST);
	oif = nl_find((const char *)p + NLMSG_ALIGN(sizeof(*m)), n - NLMSG_ALIGN(sizeof(*m)), RTA_OIF);
	to.base.family = m->rtm_family;
	to.len = m->rtm_dst_len;
	if ((to.base.family != AF_INET && to.base.family != AF_INET6) || !dst || nl_size(dst) < addr_size(&to.base))
		return;
	memcpy(to.base.b, nl_data(dst), addr_size(&to.base));
	if (oif && nl_size(oif) >= 4)
		memcpy(&index, nl_data(oif), 4);
	if (ps->skip && index && if_indextoname(index, name) && str_starts(str_of(name), ps->skip))
		return;
	if (ps->n == ps->cap)
		ps->v = xrealloc(ps->v, (ps->cap += 64) * sizeof(*ps->v));
	ps->v[ps->n++] = to;
}

int link_routes_all(struct nl *s, const char *skip, struct subnet **ret, size_t *n, uint32_t *mtu, struct err *e)
{
	const struct link_prefix nothing = { 0, 32 };
	struct link_prefix *four = NULL;
	struct prefixes ps = { .skip = skip };
	size_t nfour;

	/* finds the uplink's mtu on its way */
	if (link_routes(s, nothing, "", &four, &nfour, mtu, e) < 0)
		return -1;
	free(four);
	for (int i = 0; i < 2; i++) {
		size_t before = ps.n;
		int r = -1;

		/* EINTR: they changed meanwhile; again */
		for (int k = 0; r < 0 && k < 5 && (k == 0 || e->sys == EINTR); k++) {
			const struct rtmsg m = { .rtm_family = i ? AF_INET6 : AF_INET };
			struct nl_batch b = { 0 };

			ps.n = before;
			nl_begin(&b, RTM_GETROUTE, NLM_F_DUMP, &m, sizeof(m));
			nl_end(&b);
			r = nl_dump(s, &b, take_prefix, &ps, e);
			buf_done(&b.b);
		}
		if (r < 0 && i == 0) {
			free(ps.v);
			return err_wrap(e, "list routes");
		}
	}
	*ret = ps.v;
	*n = ps.n;
	return 0;
}
