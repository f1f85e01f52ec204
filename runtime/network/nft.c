/* SPDX-License-Identifier: Apache-2.0 */
/* The packet filter rules of this process's networks, by nfnetlink. */
#include "runtime/network/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>

#define TABLE "tare-"
/* Userdata of the rules that we put into others' chains: nft shows a comment "tare". */
#define MARK "\0\5tare"
#define PRIO_RAW (-300)			/* NF_IP_PRI_RAW, before connections are known */
#define PRIO_DSTNAT (-100)
#define PRIO_FILTER 0
#define PRIO_SRCNAT 100
#define CT_STATE(n) (1u << ((n) % IP_CT_IS_REPLY + 1))	/* the kernel's NF_CT_STATE_BIT */

/* ---- messages ---- */

static void begin(struct nl_batch *b, uint16_t type, uint16_t flags, uint8_t family)
{
	const struct nfgenmsg g = { .nfgen_family = family, .version = NFNETLINK_V0 };

	nl_begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &g, sizeof(g));
}

/* NFNL_MSG_BATCH_x around the messages: all of them happen, or none. */
static void batch_edge(struct nl_batch *b, uint16_t type)
{
	const struct nfgenmsg g = { .version = NFNETLINK_V0,
				    .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_begin(b, type, 0, &g, sizeof(g));
	nl_end(b);
}

static void put_table(struct nl_batch *b, const char *table)
{
	begin(b, NFT_MSG_NEWTABLE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, NFPROTO_IPV4);
	nl_attr_str(b, NFTA_TABLE_NAME, table);
	nl_attr_be32(b, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	nl_end(b);
}

static void put_chain(struct nl_batch *b, const char *table, const char *chain, const char *type,
		      uint32_t hook, int32_t prio)
{
	size_t at;

	begin(b, NFT_MSG_NEWCHAIN, NLM_F_ACK | NLM_F_CREATE, NFPROTO_IPV4);
	nl_attr_str(b, NFTA_CHAIN_TABLE, table);
	nl_attr_str(b, NFTA_CHAIN_NAME, chain);
	at = nl_nest(b, NFTA_CHAIN_HOOK);
	nl_attr_be32(b, NFTA_HOOK_HOOKNUM, hook);
	nl_attr_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)prio);
	nl_unnest(b, at);
	nl_attr_str(b, NFTA_CHAIN_TYPE, type);
	nl_end(b);
}

/* ---- expressions; all values go through register 1 ---- */

struct rule { size_t list; };

static struct rule rule_begin(struct nl_batch *b, uint8_t family, const char *table,
			      const char *chain, uint16_t where)
{
	begin(b, NFT_MSG_NEWRULE, NLM_F_ACK | NLM_F_CREATE | where, family);
	nl_attr_str(b, NFTA_RULE_TABLE, table);
	nl_attr_str(b, NFTA_RULE_CHAIN, chain);
	return (struct rule){ nl_nest(b, NFTA_RULE_EXPRESSIONS) };
}

static void rule_end(struct nl_batch *b, struct rule r, bool marked)
{
	nl_unnest(b, r.list);
	if (marked)
		nl_attr(b, NFTA_RULE_USERDATA, MARK, sizeof(MARK));
	nl_end(b);
}

struct expr { size_t elem, data; };

static struct expr expr_begin(struct nl_batch *b, const char *name)
{
	struct expr x = { .elem = nl_nest(b, NFTA_LIST_ELEM) };

	nl_attr_str(b, NFTA_EXPR_NAME, name);
	x.data = nl_nest(b, NFTA_EXPR_DATA);
	return x;
}

static void expr_end(struct nl_batch *b, struct expr x)
{
	nl_unnest(b, x.data);
	nl_unnest(b, x.elem);
}

static void expr_value(struct nl_batch *b, uint16_t type, const void *p, size_t n)
{
	size_t at = nl_nest(b, type);

	nl_attr(b, NFTA_DATA_VALUE, p, n);
	nl_unnest(b, at);
}

static void load_meta(struct nl_batch *b, uint32_t key)
{
	struct expr x = expr_begin(b, "meta");

	nl_attr_be32(b, NFTA_META_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_META_KEY, key);
	expr_end(b, x);
}

static void load_packet(struct nl_batch *b, uint32_t base, uint32_t offset, uint32_t n)
{
	struct expr x = expr_begin(b, "payload");

	nl_attr_be32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_PAYLOAD_BASE, base);
	nl_attr_be32(b, NFTA_PAYLOAD_OFFSET, offset);
	nl_attr_be32(b, NFTA_PAYLOAD_LEN, n);
	expr_end(b, x);
}

static void compare(struct nl_batch *b, uint32_t op, const void *p, size_t n)
{
	struct expr x = expr_begin(b, "cmp");

	nl_attr_be32(b, NFTA_CMP_SREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_CMP_OP, op);
	expr_value(b, NFTA_CMP_DATA, p, n);
	expr_end(b, x);
}

/* key NFT_META_IIFNAME or OIFNAME; a comparison without the NUL is one of the beginning. */
static void match_link(struct nl_batch *b, uint32_t key, uint32_t op, const char *prefix)
{
	load_meta(b, key);
	compare(b, op, prefix, strlen(prefix));
}

/* The first n bytes of an address in the IPv4 header: offset 12 the source, 16 the destination. */
static void match_addr(struct nl_batch *b, uint32_t offset, struct in_addr a, uint32_t n)
{
	load_packet(b, NFT_PAYLOAD_NETWORK_HEADER, offset, n);
	compare(b, NFT_CMP_EQ, &a, n);
}

static void match_answer(struct nl_batch *b)
{
	const uint32_t states = CT_STATE(IP_CT_ESTABLISHED) | CT_STATE(IP_CT_RELATED), none = 0;
	struct expr x = expr_begin(b, "ct");

	nl_attr_be32(b, NFTA_CT_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_CT_KEY, NFT_CT_STATE);
	expr_end(b, x);
	x = expr_begin(b, "bitwise");
	nl_attr_be32(b, NFTA_BITWISE_SREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_BITWISE_DREG, NFT_REG_1);
	nl_attr_be32(b, NFTA_BITWISE_LEN, 4);
	expr_value(b, NFTA_BITWISE_MASK, &states, 4);
	expr_value(b, NFTA_BITWISE_XOR, &none, 4);
	expr_end(b, x);
	compare(b, NFT_CMP_NEQ, &none, 4);
}

static void verdict(struct nl_batch *b, int code)
{
	struct expr x = expr_begin(b, "immediate");
	size_t data, v;

	nl_attr_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(b, NFTA_IMMEDIATE_DATA);
	v = nl_nest(b, NFTA_DATA_VERDICT);
	nl_attr_be32(b, NFTA_VERDICT_CODE, (uint32_t)code);
	nl_unnest(b, v);
	nl_unnest(b, data);
	expr_end(b, x);
}

/* ---- our table ---- */

static void put_forward(struct nl_batch *b, const char *table, const struct nft_table *t)
{
	struct rule r;

	put_chain(b, table, "forward", "filter", NF_INET_FORWARD, PRIO_FILTER);
	r = rule_begin(b, NFPROTO_IPV4, table, "forward", NLM_F_APPEND);
	match_link(b, NFT_META_IIFNAME, NFT_CMP_EQ, t->link);
	verdict(b, NF_ACCEPT);
	rule_end(b, r, false);
	r = rule_begin(b, NFPROTO_IPV4, table, "forward", NLM_F_APPEND);
	match_link(b, NFT_META_OIFNAME, NFT_CMP_EQ, t->link);
	match_answer(b);
	verdict(b, NF_ACCEPT);
	rule_end(b, r, false);
	r = rule_begin(b, NFPROTO_IPV4, table, "forward", NLM_F_APPEND);
	match_link(b, NFT_META_OIFNAME, NFT_CMP_EQ, t->link);
	verdict(b, NF_DROP);
	rule_end(b, r, false);
}

static void put_masquerade(struct nl_batch *b, const char *table, const struct nft_table *t)
{
	struct rule r;

	put_chain(b, table, "postrouting", "nat", NF_INET_POST_ROUTING, PRIO_SRCNAT);
	r = rule_begin(b, NFPROTO_IPV4, table, "postrouting", NLM_F_APPEND);
	match_link(b, NFT_META_OIFNAME, NFT_CMP_NEQ, t->link);
	match_addr(b, 12, t->subnet, 3);
	expr_end(b, expr_begin(b, "masq"));
	rule_end(b, r, false);
}

static void redirect_dns(struct nl_batch *b, const char *table, const struct nft_table *t,
			 uint8_t protocol)
{
	const uint16_t port = htons(53);
	struct rule r = rule_begin(b, NFPROTO_IPV4, table, "prerouting", NLM_F_APPEND);
	struct expr x;

	match_link(b, NFT_META_IIFNAME, NFT_CMP_EQ, t->link);
	match_addr(b, 16, t->asked, 4);
	load_meta(b, NFT_META_L4PROTO);
	compare(b, NFT_CMP_EQ, &protocol, 1);
	load_packet(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
	compare(b, NFT_CMP_EQ, &port, 2);
	x = expr_begin(b, "immediate");
	nl_attr_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	expr_value(b, NFTA_IMMEDIATE_DATA, &t->resolver, 4);
	expr_end(b, x);
	x = expr_begin(b, "nat");
	nl_attr_be32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nl_attr_be32(b, NFTA_NAT_FAMILY, NFPROTO_IPV4);
	nl_attr_be32(b, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
	expr_end(b, x);
	rule_end(b, r, false);
}

/* Our links then take packets for 127.0.0.0/8 (route_localnet): only those that we redirect
 * ourselves, no others. */
static void put_resolver(struct nl_batch *b, const char *table, const struct nft_table *t)
{
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	struct rule r;

	put_chain(b, table, "raw", "filter", NF_INET_PRE_ROUTING, PRIO_RAW);
	r = rule_begin(b, NFPROTO_IPV4, table, "raw", NLM_F_APPEND);
	match_link(b, NFT_META_IIFNAME, NFT_CMP_EQ, t->link);
	match_addr(b, 16, loopback, 1);
	verdict(b, NF_DROP);
	rule_end(b, r, false);
	put_chain(b, table, "prerouting", "nat", NF_INET_PRE_ROUTING, PRIO_DSTNAT);
	redirect_dns(b, table, t, IPPROTO_UDP);
	redirect_dns(b, table, t, IPPROTO_TCP);
}

static int make_table(struct nl *s, const char *table, const struct nft_table *t, struct err *e)
{
	struct nl_batch b = { 0 };
	int r;

	batch_edge(&b, NFNL_MSG_BATCH_BEGIN);
	put_table(&b, table);
	put_forward(&b, table, t);
	put_masquerade(&b, table, t);
	if (t->resolver.s_addr)
		put_resolver(&b, table, t);
	batch_edge(&b, NFNL_MSG_BATCH_END);
	r = nl_send(s, &b, e);
	buf_done(&b.b);
	return r;
}

int nft_open(const struct nft_table *t, struct nl *s, struct err *e)
{
	struct nl n;

	if (nl_open(NETLINK_NETFILTER, &n, e) < 0)
		return err_wrap(e, "packet filter");
	for (unsigned i = 0; i < 8; i++) {	/* another pid namespace may have our pid, too */
		auto_free char *name = xasprintf(TABLE "%d-%u", getpid(), i);

		if (make_table(&n, name, t, e) == 0) {
			*s = n;
			err_clear(e);
			return 0;
		}
		/* EPERM: also a table that is somebody else's */
		if (e->sys != EEXIST && e->sys != EPERM)
			break;
	}
	nl_close(&n);
	if (e->sys == ENOENT || e->sys == EOPNOTSUPP || e->sys == EINVAL) {
		e->kind = ERR_NOT_FOUND;
		err_hint(e, "the kernel lacks nf_tables with masquerading; "
			 "use --network host or none");
	}
	return err_wrap(e, "packet filter");
}

/* ---- others' tables ---- */

struct foreign {		/* a chain, or a rule of ours in it */
	uint8_t family;
	char *table, *chain;
	uint32_t hook;
	uint64_t handle;
};

struct foreigns {
	struct foreign *v;
	size_t n;
};

static void foreigns_done(struct foreigns *fs)
{
	for (size_t i = 0; i < fs->n; i++) {
		free(fs->v[i].table);
		free(fs->v[i].chain);
	}
	free(fs->v);
	*fs = (struct foreigns){ 0 };
}

static char *attr_text(const struct nlattr *a)
{
	return a ? xstrndup(nl_data(a), strnlen(nl_data(a), nl_size(a))) : xstrdup("");
}

static uint32_t attr_be32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a && nl_size(a) >= sizeof(v))
		memcpy(&v, nl_data(a), sizeof(v));
	return ntohl(v);
}

/* *p, *n: past the fixed part; false for a message of another kind. */
static bool attrs_of(uint16_t type, uint16_t want, const void **p, size_t *n, uint8_t *family)
{
	const struct nfgenmsg *g = *p;
	size_t head = NLMSG_ALIGN(sizeof(*g));

	if (type != (NFNL_SUBSYS_NFTABLES << 8 | want) || *n < head)
		return false;
	*family = g->nfgen_family;
	*p = (const char *)*p + head;
	*n -= head;
	return true;
}

static void foreign_add(struct foreigns *fs, struct foreign f)
{
	fs->v = xrealloc(fs->v, (fs->n + 1) * sizeof(*fs->v));
	fs->v[fs->n++] = f;
}

/* Base chains that see what is forwarded or comes in, and that may refuse something. */
static void take_chain(void *arg, uint16_t type, const void *p, size_t n)
{
	const struct nlattr *hook, *table;
	uint32_t num;
	uint8_t family;

	if (!attrs_of(type, NFT_MSG_NEWCHAIN, &p, &n, &family) ||
	    (family != NFPROTO_IPV4 && family != NFPROTO_INET))
		return;
	hook = nl_find(p, n, NFTA_CHAIN_HOOK);
	table = nl_find(p, n, NFTA_CHAIN_TABLE);
	if (!hook || !table || str_starts((struct str){ nl_data(table), nl_size(table) }, TABLE))
		return;
	num = attr_be32(nl_find(nl_data(hook), nl_size(hook), NFTA_HOOK_HOOKNUM));
	if ((num != NF_INET_FORWARD && num != NF_INET_LOCAL_IN) ||
	    (attr_be32(nl_find(p, n, NFTA_CHAIN_POLICY)) != NF_DROP &&
	     attr_be32(nl_find(p, n, NFTA_CHAIN_USE)) == 0))
		return;
	foreign_add(arg, (struct foreign){ .family = family, .hook = num, .table = attr_text(table),
					   .chain = attr_text(nl_find(p, n, NFTA_CHAIN_NAME)) });
}

static void take_marked(void *arg, uint16_t type, const void *p, size_t n)
{
	const struct nlattr *data, *handle;
	uint64_t be;
	uint8_t family;

	if (!attrs_of(type, NFT_MSG_NEWRULE, &p, &n, &family))
		return;
	data = nl_find(p, n, NFTA_RULE_USERDATA);
	handle = nl_find(p, n, NFTA_RULE_HANDLE);
	if (!data || nl_size(data) != sizeof(MARK) ||
	    memcmp(nl_data(data), MARK, sizeof(MARK)) != 0 || !handle ||
	    nl_size(handle) != sizeof(be))
		return;
	memcpy(&be, nl_data(handle), sizeof(be));
	foreign_add(arg, (struct foreign){ .family = family,
					   .handle = be,
					   .table = attr_text(nl_find(p, n, NFTA_RULE_TABLE)),
					   .chain = attr_text(nl_find(p, n, NFTA_RULE_CHAIN)) });
}

static int list(struct nl *s, uint16_t what, nl_fn *fn, struct foreigns *ret, struct err *e)
{
	int r = -1;

	for (int i = 0; r < 0 && i < 5; i++) {
		struct nl_batch b = { 0 };

		foreigns_done(ret);
		begin(&b, what, NLM_F_DUMP, NFPROTO_UNSPEC);
		nl_end(&b);
		r = nl_dump(s, &b, fn, ret, e);
		buf_done(&b.b);
		if (r < 0 && e->sys != EINTR)
			break;
	}
	return r;
}

/* Only what iptables can show, too: a link's name, an address, accept. Answers only is our own
 * table's business. */
static void guard_chain(struct nl_batch *b, const struct foreign *f, const struct nft_table *t)
{
	const uint8_t v4 = NFPROTO_IPV4;
	struct rule r = rule_begin(b, f->family, f->table, f->chain, 0);

	match_link(b, NFT_META_IIFNAME, NFT_CMP_EQ, t->link);
	if (f->hook == NF_INET_LOCAL_IN && f->family == NFPROTO_INET) {
		load_meta(b, NFT_META_NFPROTO);
		compare(b, NFT_CMP_EQ, &v4, 1);
	}
	if (f->hook == NF_INET_LOCAL_IN)
		match_addr(b, 16, t->resolver, 4);
	verdict(b, NF_ACCEPT);
	rule_end(b, r, true);
	if (f->hook == NF_INET_LOCAL_IN)
		return;
	r = rule_begin(b, f->family, f->table, f->chain, 0);
	match_link(b, NFT_META_OIFNAME, NFT_CMP_EQ, t->link);
	verdict(b, NF_ACCEPT);
	rule_end(b, r, true);
}

typedef void put_fn(struct nl_batch *b, const struct foreign *f, const struct nft_table *t);

static bool transact(struct nl *s, put_fn *put, const struct foreign *f, size_t n,
		     const struct nft_table *t)
{
	auto_err struct err e = { 0 };
	struct nl_batch b = { 0 };
	bool ok;

	batch_edge(&b, NFNL_MSG_BATCH_BEGIN);
	for (size_t i = 0; i < n; i++)
		put(&b, &f[i], t);
	batch_edge(&b, NFNL_MSG_BATCH_END);
	ok = nl_send(s, &b, &e) == 0;
	buf_done(&b.b);
	return ok;
}

/* All at once; where that is refused, each on its own: a table that is its owner's alone shall not
 * keep us from the rest. */
static void each(struct nl *s, put_fn *put, const struct foreigns *fs, const struct nft_table *t)
{
	if (fs->n == 0 || transact(s, put, fs->v, fs->n, t))
		return;
	for (size_t i = 0; i < fs->n; i++)
		transact(s, put, &fs->v[i], 1, t);
}

static void put_delete(struct nl_batch *b, const struct foreign *f,
		       const struct nft_table *t UNUSED)
{
	begin(b, NFT_MSG_DELRULE, NLM_F_ACK, f->family);
	nl_attr_str(b, NFTA_RULE_TABLE, f->table);
	nl_attr_str(b, NFTA_RULE_CHAIN, f->chain);
	nl_attr(b, NFTA_RULE_HANDLE, &f->handle, sizeof(f->handle));
	nl_end(b);
}

static bool is_marked(const struct foreigns *marked, const struct foreign *f)
{
	for (size_t i = 0; i < marked->n; i++)
		if (marked->v[i].family == f->family && strcmp(marked->v[i].table, f->table) == 0 &&
		    strcmp(marked->v[i].chain, f->chain) == 0)
			return true;
	return false;
}

/* The chains that may be in our way, without those that have our accept. */
static int obstacles(struct nl *s, const struct nft_table *t, struct foreigns *ret, bool *any,
		     struct err *e)
{
	struct foreigns marked = { 0 };
	size_t n = 0;

	if (list(s, NFT_MSG_GETCHAIN, take_chain, ret, e) < 0 ||
	    list(s, NFT_MSG_GETRULE, take_marked, &marked, e) < 0)
		return -1;
	*any = false;
	for (size_t i = 0; i < ret->n; i++) {
		struct foreign f = ret->v[i];
		bool matters = f.hook == NF_INET_FORWARD || t->resolver.s_addr;

		*any = *any || matters;
		if (matters && !is_marked(&marked, &f)) {
			ret->v[i] = ret->v[n];
			ret->v[n++] = f; /* the others come behind: foreigns_done() frees all */
		}
	}
	foreigns_done(&marked);
	return (int)n;
}

bool nft_guard(const struct nft_table *t)
{
	auto_err struct err e = { 0 };
	struct foreigns fs = { 0 };
	bool any = false;
	struct nl s;
	int n;

	if (nl_open(NETLINK_NETFILTER, &s, &e) < 0)
		return false;
	n = obstacles(&s, t, &fs, &any, &e);
	if (n > 0)
		each(&s, guard_chain, &(struct foreigns){ fs.v, (size_t)n }, t);
	nl_close(&s);
	foreigns_done(&fs);
	return any;
}

void nft_unguard(void)
{
	auto_err struct err e = { 0 };
	struct foreigns marked = { 0 };
	struct nl s;

	if (nl_open(NETLINK_NETFILTER, &s, &e) < 0)
		return;
	if (list(&s, NFT_MSG_GETRULE, take_marked, &marked, &e) == 0)
		each(&s, put_delete, &marked, NULL);
	nl_close(&s);
	foreigns_done(&marked);
}
