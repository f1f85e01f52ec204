/* SPDX-License-Identifier: Apache-2.0 */
/* nfnetlink messages of nftables: tables, chains, rules, expressions. */
#include "runtime/network/nft_msg.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define CT_STATE(n) (1u << ((n) % IP_CT_IS_REPLY + 1))	/* the kernel's NF_CT_STATE_BIT */

/* ---- messages ---- */

void nft_begin(struct nl_batch *b, uint16_t type, uint16_t flags, uint8_t family)
{
	const struct nfgenmsg g = { .nfgen_family = family, .version = NFNETLINK_V0 };

	nl_begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &g, sizeof(g));
}

/* NFNL_MSG_BATCH_x around the messages: all of them happen, or none. */
void nft_edge(struct nl_batch *b, uint16_t type)
{
	const struct nfgenmsg g = { .version = NFNETLINK_V0,
				    .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_begin(b, type, 0, &g, sizeof(g));
	nl_end(b);
}

void nft_put_table(struct nl_batch *b, uint8_t family, const char *table, bool own)
{
	nft_begin(b, NFT_MSG_NEWTABLE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, family);
	nl_attr_str(b, NFTA_TABLE_NAME, table);
	nl_attr_be32(b, NFTA_TABLE_FLAGS, own ? NFT_TABLE_F_OWNER : 0);
	nl_end(b);
}

void nft_drop_table(struct nl_batch *b, uint8_t family, const char *table)
{
	nft_begin(b, NFT_MSG_DELTABLE, NLM_F_ACK, family);
	nl_attr_str(b, NFTA_TABLE_NAME, table);
	nl_end(b);
}

void nft_put_chain(struct nl_batch *b, uint8_t family, const char *table, const char *chain, const char *type,
		   uint32_t hook, int32_t prio)
{
	size_t at;

	nft_begin(b, NFT_MSG_NEWCHAIN, NLM_F_ACK | NLM_F_CREATE, family);
	nl_attr_str(b, NFTA_CHAIN_TABLE, table);
	nl_attr_str(b, NFTA_CHAIN_NAME, chain);
	at = nl_nest(b, NFTA_CHAIN_HOOK);
	nl_attr_be32(b, NFTA_HOOK_HOOKNUM, hook);
	nl_attr_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)prio);
	nl_unnest(b, at);
	nl_attr_str(b, NFTA_CHAIN_TYPE, type);
	nl_end(b);
}

void nft_put_subchain(struct nl_batch *b, uint8_t family, const char *table, const char *chain)
{
	nft_begin(b, NFT_MSG_NEWCHAIN, NLM_F_ACK | NLM_F_CREATE, family);
	nl_attr_str(b, NFTA_CHAIN_TABLE, table);
	nl_attr_str(b, NFTA_CHAIN_NAME, chain);
	nl_end(b);
}

/* ---- expressions; all values go through register 1 ---- */

struct nft_rule nft_rule_begin(struct nl_batch *b, uint8_t family, const char *table,
			      const char *chain, uint16_t where)
{
	nft_begin(b, NFT_MSG_NEWRULE, NLM_F_ACK | NLM_F_CREATE | where, family);
	nl_attr_str(b, NFTA_RULE_TABLE, table);
	nl_attr_str(b, NFTA_RULE_CHAIN, chain);
	return (struct nft_rule){ nl_nest(b, NFTA_RULE_EXPRESSIONS) };
}

void nft_rule_end(struct nl_batch *b, struct nft_rule r, bool marked)
{
	nl_unnest(b, r.list);
	if (marked)
		nl_attr(b, NFTA_RULE_USERDATA, NFT_MARK, sizeof(NFT_MARK));
	nl_end(b);
}

struct nft_expr nft_expr_begin(struct nl_batch *b, const char *name)
{
	struct nft_expr x = { .elem = nl_nest(b, NFTA_LIST_ELEM) };

	nl_attr_str(b, NFTA_EXPR_NAME, name);
	x.data = nl_nest(b, NFTA_EXPR_DATA);
	return x;
}

void nft_expr_end(struct nl_batch *b, struct nft_expr x)
{
	nl_unnest(b, x.data);
	nl_unnest(b, x.elem);
}

void nft_expr_value(struct nl_batch *b, uint16_t type, const void *p, size_t n)
{
	size_t at = nl_nest(b, type);

	nl_attr(b, NFTA_DATA_VALUE, p, n);
	nl_unnest(b, at);
}

void nft_load_meta(struct nl_batch *b, uint32_t key)
{
	struct nft_expr x = nft_expr_begin(b, "meta");

	nl_attr_be32(b, NFTA_META_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_META_KEY, key);
	nft_expr_end(b, x);
}

void nft_load_packet(struct nl_batch *b, uint32_t base, uint32_t offset, uint32_t n)
{
	struct nft_expr x = nft_expr_begin(b, "payload");

	nl_attr_be32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_PAYLOAD_BASE, base);
	nl_attr_be32(b, NFTA_PAYLOAD_OFFSET, offset);
	nl_attr_be32(b, NFTA_PAYLOAD_LEN, n);
	nft_expr_end(b, x);
}

void nft_compare(struct nl_batch *b, uint32_t op, const void *p, size_t n)
{
	struct nft_expr x = nft_expr_begin(b, "cmp");

	nl_attr_be32(b, NFTA_CMP_SREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_CMP_OP, op);
	nft_expr_value(b, NFTA_CMP_DATA, p, n);
	nft_expr_end(b, x);
}

/* key NFT_META_IIFNAME or OIFNAME; a comparison without the NUL is one of the beginning. */
void nft_match_link(struct nl_batch *b, uint32_t key, uint32_t op, const char *prefix)
{
	nft_load_meta(b, key);
	nft_compare(b, op, prefix, strlen(prefix));
}

/* The first n bytes of an address in the IPv4 header: offset 12 the source, 16 the destination. */
void nft_match_addr4(struct nl_batch *b, uint32_t offset, struct in_addr a, uint32_t n)
{
	nft_load_packet(b, NFT_PAYLOAD_NETWORK_HEADER, offset, n);
	nft_compare(b, NFT_CMP_EQ, &a, n);
}

/* Any of these bits in a 32-bit fact about the connection. */
static void match_ct(struct nl_batch *b, uint32_t key, uint32_t bits)
{
	const uint32_t none = 0;
	struct nft_expr x = nft_expr_begin(b, "ct");

	nl_attr_be32(b, NFTA_CT_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_CT_KEY, key);
	nft_expr_end(b, x);
	x = nft_expr_begin(b, "bitwise");
	nl_attr_be32(b, NFTA_BITWISE_SREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_BITWISE_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_BITWISE_LEN, 4);
	nft_expr_value(b, NFTA_BITWISE_MASK, &bits, 4);
	nft_expr_value(b, NFTA_BITWISE_XOR, &none, 4);
	nft_expr_end(b, x);
	nft_compare(b, NFT_CMP_NEQ, &none, 4);
}

void nft_match_answer(struct nl_batch *b)
{
	match_ct(b, NFT_CT_STATE, CT_STATE(IP_CT_ESTABLISHED) | CT_STATE(IP_CT_RELATED));
}

void nft_match_dnat(struct nl_batch *b)
{
	match_ct(b, NFT_CT_STATUS, IPS_DST_NAT);
}

static void put_verdict(struct nl_batch *b, int code, const char *chain)
{
	struct nft_expr x = nft_expr_begin(b, "immediate");
	size_t data, v;

	nl_attr_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(b, NFTA_IMMEDIATE_DATA);
	v = nl_nest(b, NFTA_DATA_VERDICT);
	nl_attr_be32(b, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		nl_attr_str(b, NFTA_VERDICT_CHAIN, chain);
	nl_unnest(b, v);
	nl_unnest(b, data);
	nft_expr_end(b, x);
}

void nft_verdict(struct nl_batch *b, int code)
{
	put_verdict(b, code, NULL);
}

void nft_jump(struct nl_batch *b, const char *chain)
{
	put_verdict(b, NFT_JUMP, chain);
}

void nft_match_link_is(struct nl_batch *b, uint32_t key, uint32_t op, const char *name)
{
	char whole[IF_NAMESIZE] = { 0 };	/* the register's 16 bytes: zeros behind the name */

	memcpy(whole, name, MIN(strlen(name), sizeof(whole) - 1));
	nft_load_meta(b, key);
	nft_compare(b, op, whole, sizeof(whole));
}

void nft_match_family(struct nl_batch *b, uint8_t family)
{
	const uint8_t v = family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;

	nft_load_meta(b, NFT_META_NFPROTO);
	nft_compare(b, NFT_CMP_EQ, &v, 1);
}

static uint32_t addr_offset(uint8_t family, bool source)
{
	if (family == AF_INET6)
		return source ? 8 : 24;
	return source ? 12 : 16;
}

void nft_match_addr(struct nl_batch *b, bool source, uint32_t op, const struct addr *a)
{
	nft_match_family(b, a->family);
	nft_load_packet(b, NFT_PAYLOAD_NETWORK_HEADER, addr_offset(a->family, source), (uint32_t)addr_size(a));
	nft_compare(b, op, a->b, addr_size(a));
}

void nft_match_subnet(struct nl_batch *b, bool source, const struct subnet *n)
{
	static const uint8_t none[16];
	uint32_t size = (uint32_t)addr_size(&n->base);
	uint8_t mask[16] = { 0 };
	struct nft_expr x;

	for (unsigned i = 0; i < n->len; i++)
		mask[i / 8] |= (uint8_t)(0x80u >> i % 8);
	nft_match_family(b, n->base.family);
	nft_load_packet(b, NFT_PAYLOAD_NETWORK_HEADER, addr_offset(n->base.family, source), size);
	x = nft_expr_begin(b, "bitwise");
	nl_attr_be32(b, NFTA_BITWISE_SREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_BITWISE_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_BITWISE_LEN, size);
	nft_expr_value(b, NFTA_BITWISE_MASK, mask, size);
	nft_expr_value(b, NFTA_BITWISE_XOR, none, size);
	nft_expr_end(b, x);
	nft_compare(b, NFT_CMP_EQ, n->base.b, size);
}

void nft_match_local(struct nl_batch *b)
{
	const uint32_t local = RTN_LOCAL;
	struct nft_expr x = nft_expr_begin(b, "fib");

	nl_attr_be32(b, NFTA_FIB_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nl_attr_be32(b, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nft_expr_end(b, x);
	nft_compare(b, NFT_CMP_EQ, &local, 4);
}

void nft_match_port(struct nl_batch *b, uint8_t protocol, uint16_t port)
{
	const uint16_t be = htons(port);

	nft_load_meta(b, NFT_META_L4PROTO);
	nft_compare(b, NFT_CMP_EQ, &protocol, 1);
	nft_load_packet(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
	nft_compare(b, NFT_CMP_EQ, &be, 2);
}

static void load_value(struct nl_batch *b, uint32_t reg, const void *p, size_t n)
{
	struct nft_expr x = nft_expr_begin(b, "immediate");

	nl_attr_be32(b, NFTA_IMMEDIATE_DREG, reg);
	nft_expr_value(b, NFTA_IMMEDIATE_DATA, p, n);
	nft_expr_end(b, x);
}

void nft_dnat(struct nl_batch *b, const struct addr *to, uint16_t port)
{
	const uint16_t be = htons(port);
	struct nft_expr x;

	load_value(b, NFT_REG_1, to->b, addr_size(to));
	if (port)
		load_value(b, NFT_REG_2, &be, 2);
	x = nft_expr_begin(b, "nat");
	nl_attr_be32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nl_attr_be32(b, NFTA_NAT_FAMILY, to->family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	nl_attr_be32(b, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
	if (port)
		nl_attr_be32(b, NFTA_NAT_REG_PROTO_MIN, NFT_REG_2);
	nft_expr_end(b, x);
}

void nft_masquerade(struct nl_batch *b)
{
	nft_expr_end(b, nft_expr_begin(b, "masq"));
}
