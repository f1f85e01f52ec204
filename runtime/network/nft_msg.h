/* SPDX-License-Identifier: Apache-2.0 */
/* nfnetlink messages of nftables: tables, chains, rules, expressions; each appends to a batch. */
#ifndef RUNTIME_NETWORK_NFT_MSG_H
#define RUNTIME_NETWORK_NFT_MSG_H

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>

#include "runtime/network/addr.h"
#include "runtime/network/netlink.h"

#define NFT_PRIO_RAW (-300)		/* NF_IP_PRI_RAW, before connections are known */
#define NFT_PRIO_DSTNAT (-100)
#define NFT_PRIO_FILTER 0
#define NFT_PRIO_SRCNAT 100

struct nft_rule { size_t list; };
struct nft_expr { size_t elem, data; };

void nft_begin(struct nl_batch *b, uint16_t type, uint16_t flags, uint8_t family);
/* NFNL_MSG_BATCH_BEGIN and _END around the messages: all of them happen, or none. */
void nft_edge(struct nl_batch *b, uint16_t type);
/* own: NFT_TABLE_F_OWNER: it goes away with our socket, and nobody else can change it. */
void nft_put_table(struct nl_batch *b, uint8_t family, const char *table, bool own);
void nft_drop_table(struct nl_batch *b, uint8_t family, const char *table);
void nft_put_chain(struct nl_batch *b, uint8_t family, const char *table, const char *chain, const char *type,
		   uint32_t hook, int32_t prio);
void nft_put_subchain(struct nl_batch *b, uint8_t family, const char *table, const char *chain);
struct nft_rule nft_rule_begin(struct nl_batch *b, uint8_t family, const char *table, const char *chain,
			       uint16_t where);
void nft_rule_end(struct nl_batch *b, struct nft_rule r, bool marked);	/* marked: with NFT_MARK */
/* Userdata of the rules that we put into others' chains: nft shows a comment "tare". */
#define NFT_MARK "\0\5tare"

/* Expressions; all values go through register 1. */
struct nft_expr nft_expr_begin(struct nl_batch *b, const char *name);
void nft_expr_end(struct nl_batch *b, struct nft_expr x);
void nft_expr_value(struct nl_batch *b, uint16_t type, const void *p, size_t n);
void nft_load_meta(struct nl_batch *b, uint32_t key);
void nft_load_packet(struct nl_batch *b, uint32_t base, uint32_t offset, uint32_t n);
void nft_compare(struct nl_batch *b, uint32_t op, const void *p, size_t n);
/* key NFT_META_IIFNAME or OIFNAME: names that begin so. */
void nft_match_link(struct nl_batch *b, uint32_t key, uint32_t op, const char *prefix);
void nft_match_link_is(struct nl_batch *b, uint32_t key, uint32_t op, const char *name);	/* that very name */
/* The first n bytes of an address in the IPv4 header: offset 12 the source, 16 the destination. */
void nft_match_addr4(struct nl_batch *b, uint32_t offset, struct in_addr a, uint32_t n);
/* Of either family, in a table of family inet. */
void nft_match_family(struct nl_batch *b, uint8_t family);	/* AF_x */
void nft_match_addr(struct nl_batch *b, bool source, uint32_t op, const struct addr *a);
void nft_match_subnet(struct nl_batch *b, bool source, const struct subnet *n);
void nft_match_answer(struct nl_batch *b);		/* of a connection that is known */
void nft_match_dnat(struct nl_batch *b);		/* whose destination was rewritten */
void nft_match_local(struct nl_batch *b);		/* to an address of the host */
void nft_match_port(struct nl_batch *b, uint8_t protocol, uint16_t port);	/* of the destination */
void nft_verdict(struct nl_batch *b, int code);
void nft_jump(struct nl_batch *b, const char *chain);
void nft_dnat(struct nl_batch *b, const struct addr *to, uint16_t port);	/* port 0: as it is */
void nft_masquerade(struct nl_batch *b);

#endif
