/* SPDX-License-Identifier: Apache-2.0 */
/* The packet filter rules of one container. */
#include "runtime/network/rules.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>

#include "runtime/network/nft_msg.h"

#define FAMILY NFPROTO_INET

static struct nft_rule begin(struct nl_batch *b, const struct rules *r, const char *chain)
{
	return nft_rule_begin(b, FAMILY, r->name, chain, NLM_F_APPEND);
}

static void chain(struct nl_batch *b, const struct rules *r, const char *name, const char *type, uint32_t hook,
		  int32_t prio)
{
	nft_put_chain(b, FAMILY, r->name, name, type, hook, prio);
}

static void put_raw(struct nl_batch *b, const struct rules *r)
{
	static const struct subnet loopback = { { .family = AF_INET, .b = { 127 } }, 8 };

	chain(b, r, "raw", "filter", NF_INET_PRE_ROUTING, NFT_PRIO_RAW);
	for (size_t i = 0; i < r->nends; i++) {
		struct nft_rule x;

		if (r->ends[i].addr.family != AF_INET)
			continue;
		x = begin(b, r, "raw");
		nft_match_link_is(b, NFT_META_IIFNAME, NFT_CMP_EQ, r->ends[i].bridge);
		nft_match_subnet(b, false, &loopback);
		nft_verdict(b, NF_DROP);
		nft_rule_end(b, x, false);
	}
}

/* All rules for packets to one address are a chain of their own: others' packets pay for one comparison. */
static void put_towards(struct nl_batch *b, const struct rules *r, const struct rules_end *end, const char *name)
{
	struct nft_rule x;

	nft_put_subchain(b, FAMILY, r->name, name);
	x = begin(b, r, name);
	nft_match_answer(b);
	nft_verdict(b, NF_ACCEPT);
	nft_rule_end(b, x, false);
	x = begin(b, r, name);
	nft_match_link_is(b, NFT_META_IIFNAME, NFT_CMP_EQ, end->bridge);
	nft_verdict(b, NF_ACCEPT);
	nft_rule_end(b, x, false);
	if (!end->internal) {
		x = begin(b, r, name);
		nft_match_dnat(b);
		nft_verdict(b, NF_ACCEPT);
		nft_rule_end(b, x, false);
	}
	for (size_t i = 0; end->routed && i < r->nports; i++) {
		if (!addr_eq(&r->ports[i].to, &end->addr))
			continue;
		x = begin(b, r, name);
		nft_match_port(b, r->ports[i].protocol, r->ports[i].port);
		nft_verdict(b, NF_ACCEPT);
		nft_rule_end(b, x, false);
	}
	x = begin(b, r, name);
	nft_verdict(b, NF_DROP);
	nft_rule_end(b, x, false);
}

static void put_forward(struct nl_batch *b, const struct rules *r)
{
	chain(b, r, "forward", "filter", NF_INET_FORWARD, NFT_PRIO_FILTER);
	for (size_t i = 0; i < r->nends; i++) {
		const struct rules_end *end = &r->ends[i];
		struct nft_rule x;
		char name[24];

		snprintf(name, sizeof(name), "to-%zu", i);
		put_towards(b, r, end, name);
		x = begin(b, r, "forward");
		nft_match_addr(b, false, NFT_CMP_EQ, &end->addr);
		nft_match_link_is(b, NFT_META_OIFNAME, NFT_CMP_EQ, end->bridge);
		nft_jump(b, name);
		nft_rule_end(b, x, false);
		if (!end->internal)
			continue;
		x = begin(b, r, "forward");
		nft_match_link_is(b, NFT_META_IIFNAME, NFT_CMP_EQ, end->bridge);
		nft_match_link_is(b, NFT_META_OIFNAME, NFT_CMP_NEQ, end->bridge);
		nft_match_addr(b, true, NFT_CMP_EQ, &end->addr);
		nft_verdict(b, NF_DROP);
		nft_rule_end(b, x, false);
	}
}

static void put_port(struct nl_batch *b, const struct rules *r, const struct rules_port *p, const char *where)
{
	static const struct addr six = { .family = AF_INET6, .b = { [15] = 1 } };
	struct nft_rule x = begin(b, r, where);

	nft_match_family(b, p->to.family);
	nft_match_port(b, p->protocol, p->host_port);
	if (!addr_is_any(&p->host))
		nft_match_addr(b, false, NFT_CMP_EQ, &p->host);
	else if (p->to.family == AF_INET6)	/* ::1 never leaves the host: the proxy has it (ports.h) */
		nft_match_addr(b, false, NFT_CMP_NEQ, &six);
	nft_match_local(b);
	nft_dnat(b, &p->to, p->port);
	nft_rule_end(b, x, false);
}

static void put_ports(struct nl_batch *b, const struct rules *r)
{
	chain(b, r, "prerouting", "nat", NF_INET_PRE_ROUTING, NFT_PRIO_DSTNAT);
	chain(b, r, "output", "nat", NF_INET_LOCAL_OUT, NFT_PRIO_DSTNAT);
	for (size_t i = 0; i < r->nports; i++) {
		if (!r->ports[i].host.family)
			continue;
		put_port(b, r, &r->ports[i], "prerouting");
		put_port(b, r, &r->ports[i], "output");
	}
}

static void put_return(struct nl_batch *b, const struct rules *r, const struct rules_end *end, const struct subnet *from)
{
	struct nft_rule x = begin(b, r, "postrouting");

	nft_match_addr(b, false, NFT_CMP_EQ, &end->addr);
	nft_match_subnet(b, true, from);
	nft_match_dnat(b);
	nft_masquerade(b);
	nft_rule_end(b, x, false);
}

static void put_masquerade(struct nl_batch *b, const struct rules *r)
{
	static const struct subnet loopback = { { .family = AF_INET, .b = { 127 } }, 8 };

	chain(b, r, "postrouting", "nat", NF_INET_POST_ROUTING, NFT_PRIO_SRCNAT);
	for (size_t i = 0; i < r->nends; i++) {
		const struct rules_end *end = &r->ends[i];
		struct nft_rule x;

		if (end->masquerade && !end->internal) {
			x = begin(b, r, "postrouting");
			nft_match_addr(b, true, NFT_CMP_EQ, &end->addr);
			nft_match_link_is(b, NFT_META_OIFNAME, NFT_CMP_NEQ, end->bridge);
			nft_masquerade(b);
			nft_rule_end(b, x, false);
		}
		if (r->nports && !end->internal) {
			put_return(b, r, end, &end->subnet);
			if (end->addr.family == AF_INET)
				put_return(b, r, end, &loopback);
		}
	}
}

static int finish(struct nl *s, struct nl_batch *b, struct err *e)
{
	int r;

	nft_edge(b, NFNL_MSG_BATCH_END);
	r = nl_send(s, b, e);
	buf_done(&b->b);
	if (r == 0)
		return 0;
	if (e->sys == ENOENT || e->sys == EOPNOTSUPP || e->sys == EINVAL) {
		e->kind = ERR_NOT_FOUND;
		err_hint(e, "the kernel lacks nf_tables with NAT; use --network host or none");
	}
	return err_wrap(e, "packet filter");
}

int rules_apply(struct nl *s, const struct rules *r, bool replace, struct err *e)
{
	struct nl_batch b = { 0 };

	nft_edge(&b, NFNL_MSG_BATCH_BEGIN);
	if (replace)
		nft_drop_table(&b, FAMILY, r->name);
	nft_put_table(&b, FAMILY, r->name, true);
	put_raw(&b, r);
	put_forward(&b, r);
	if (r->nports)
		put_ports(&b, r);
	put_masquerade(&b, r);
	return finish(s, &b, e);
}

int rules_dns(struct nl *s, const struct addr *asked, uint16_t udp, uint16_t tcp, struct err *e)
{
	static const struct rules r = { .name = "tare-dns" };
	struct nl_batch b = { 0 };

	nft_edge(&b, NFNL_MSG_BATCH_BEGIN);
	nft_put_table(&b, FAMILY, r.name, false);
	chain(&b, &r, "output", "nat", NF_INET_LOCAL_OUT, NFT_PRIO_DSTNAT);
	for (int i = 0; i < 2; i++) {
		struct nft_rule x = begin(&b, &r, "output");

		nft_match_addr(&b, false, NFT_CMP_EQ, asked);
		nft_match_port(&b, i ? IPPROTO_TCP : IPPROTO_UDP, 53);
		nft_dnat(&b, asked, i ? tcp : udp);
		nft_rule_end(&b, x, false);
	}
	return finish(s, &b, e);
}
