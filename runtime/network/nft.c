/* SPDX-License-Identifier: Apache-2.0 */
/* The packet filter rules of this process's networks, by nfnetlink. */
#include "runtime/network/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <sys/file.h>

#include "runtime/network/nft_msg.h"

#define TABLE "tare-"
#define ALL_LINKS "tare"		/* what the names of all our links begin with: builds' and bridges' */

/* ---- our table ---- */

static void put_forward(struct nl_batch *b, const char *table, const struct nft_table *t)
{
	struct nft_rule r;

	nft_put_chain(b, NFPROTO_IPV4, table, "forward", "filter", NF_INET_FORWARD, NFT_PRIO_FILTER);
	r = nft_rule_begin(b, NFPROTO_IPV4, table, "forward", NLM_F_APPEND);
	nft_match_link(b, NFT_META_IIFNAME, NFT_CMP_EQ, t->link);
	nft_verdict(b, NF_ACCEPT);
	nft_rule_end(b, r, false);
	r = nft_rule_begin(b, NFPROTO_IPV4, table, "forward", NLM_F_APPEND);
	nft_match_link(b, NFT_META_OIFNAME, NFT_CMP_EQ, t->link);
	nft_match_answer(b);
	nft_verdict(b, NF_ACCEPT);
	nft_rule_end(b, r, false);
	r = nft_rule_begin(b, NFPROTO_IPV4, table, "forward", NLM_F_APPEND);
	nft_match_link(b, NFT_META_OIFNAME, NFT_CMP_EQ, t->link);
	nft_verdict(b, NF_DROP);
	nft_rule_end(b, r, false);
}

static void put_masquerade(struct nl_batch *b, const char *table, const struct nft_table *t)
{
	struct nft_rule r;

	nft_put_chain(b, NFPROTO_IPV4, table, "postrouting", "nat", NF_INET_POST_ROUTING, NFT_PRIO_SRCNAT);
	r = nft_rule_begin(b, NFPROTO_IPV4, table, "postrouting", NLM_F_APPEND);
	nft_match_link(b, NFT_META_OIFNAME, NFT_CMP_NEQ, t->link);
	nft_match_addr4(b, 12, t->subnet, 3);
	nft_masquerade(b);
	nft_rule_end(b, r, false);
}

static void redirect_dns(struct nl_batch *b, const char *table, const struct nft_table *t,
			 uint8_t protocol)
{
	struct nft_rule r = nft_rule_begin(b, NFPROTO_IPV4, table, "prerouting", NLM_F_APPEND);
	struct addr resolver = { .family = AF_INET };

	memcpy(resolver.b, &t->resolver, 4);
	nft_match_link(b, NFT_META_IIFNAME, NFT_CMP_EQ, t->link);
	nft_match_addr4(b, 16, t->asked, 4);
	nft_match_port(b, protocol, 53);
	nft_dnat(b, &resolver, 0);
	nft_rule_end(b, r, false);
}

/* Our links then take packets for 127.0.0.0/8 (route_localnet): only those that we redirect
 * ourselves, no others. */
static void put_resolver(struct nl_batch *b, const char *table, const struct nft_table *t)
{
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	struct nft_rule r;

	nft_put_chain(b, NFPROTO_IPV4, table, "raw", "filter", NF_INET_PRE_ROUTING, NFT_PRIO_RAW);
	r = nft_rule_begin(b, NFPROTO_IPV4, table, "raw", NLM_F_APPEND);
	nft_match_link(b, NFT_META_IIFNAME, NFT_CMP_EQ, t->link);
	nft_match_addr4(b, 16, loopback, 1);
	nft_verdict(b, NF_DROP);
	nft_rule_end(b, r, false);
	nft_put_chain(b, NFPROTO_IPV4, table, "prerouting", "nat", NF_INET_PRE_ROUTING, NFT_PRIO_DSTNAT);
	redirect_dns(b, table, t, IPPROTO_UDP);
	redirect_dns(b, table, t, IPPROTO_TCP);
}

static int make_table(struct nl *s, const char *table, const struct nft_table *t, struct err *e)
{
	struct nl_batch b = { 0 };
	int r;

	nft_edge(&b, NFNL_MSG_BATCH_BEGIN);
	nft_put_table(&b, NFPROTO_IPV4, table, true);
	put_forward(&b, table, t);
	put_masquerade(&b, table, t);
	if (t->resolver.s_addr)
		put_resolver(&b, table, t);
	nft_edge(&b, NFNL_MSG_BATCH_END);
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
	if (!data || nl_size(data) != sizeof(NFT_MARK) ||
	    memcmp(nl_data(data), NFT_MARK, sizeof(NFT_MARK)) != 0 || !handle ||
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
		nft_begin(&b, what, NLM_F_DUMP, NFPROTO_UNSPEC);
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
	struct nft_rule r = nft_rule_begin(b, f->family, f->table, f->chain, 0);

	nft_match_link(b, NFT_META_IIFNAME, NFT_CMP_EQ, ALL_LINKS);
	if (f->hook == NF_INET_LOCAL_IN && f->family == NFPROTO_INET) {
		nft_load_meta(b, NFT_META_NFPROTO);
		nft_compare(b, NFT_CMP_EQ, &v4, 1);
	}
	if (f->hook == NF_INET_LOCAL_IN)
		nft_match_addr4(b, 16, t->resolver, 4);
	nft_verdict(b, NF_ACCEPT);
	nft_rule_end(b, r, true);
	if (f->hook == NF_INET_LOCAL_IN)
		return;
	r = nft_rule_begin(b, f->family, f->table, f->chain, 0);
	nft_match_link(b, NFT_META_OIFNAME, NFT_CMP_EQ, ALL_LINKS);
	nft_verdict(b, NF_ACCEPT);
	nft_rule_end(b, r, true);
}

typedef void put_fn(struct nl_batch *b, const struct foreign *f, const struct nft_table *t);

static bool transact(struct nl *s, put_fn *put, const struct foreign *f, size_t n,
		     const struct nft_table *t)
{
	auto_err struct err e = { 0 };
	struct nl_batch b = { 0 };
	bool ok;

	nft_edge(&b, NFNL_MSG_BATCH_BEGIN);
	for (size_t i = 0; i < n; i++)
		put(&b, &f[i], t);
	nft_edge(&b, NFNL_MSG_BATCH_END);
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
	nft_begin(b, NFT_MSG_DELRULE, NLM_F_ACK, f->family);
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

static bool put_guard(struct nl *s, const struct nft_table *t)
{
	auto_err struct err e = { 0 };
	struct foreigns fs = { 0 };
	bool any = false;
	int n = obstacles(s, t, &fs, &any, &e);

	if (n > 0)
		each(s, guard_chain, &(struct foreigns){ fs.v, (size_t)n }, t);
	foreigns_done(&fs);
	return any;
}

static void unguard(void)
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

/* The lock is shared by all that need the accepts: whoever gets it alone may take them away. */
int nft_guard(const char *run_dir, struct in_addr resolver, struct nl *s)
{
	const struct nft_table t = { .link = ALL_LINKS, .resolver = resolver };
	auto_free char *path = xasprintf("%s/guard", run_dir);
	auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd >= 0 && flock(fd, LOCK_SH) == 0 && put_guard(s, &t) ? take_fd(&fd) : -1;
}

/* The last process that needs the accepts takes them away: nobody else holds the lock then. */
void nft_unguard(int guard)
{
	if (guard >= 0 && flock(guard, LOCK_EX | LOCK_NB) == 0)
		unguard();
}

void nft_guard_sweep(const char *run_dir)
{
	auto_free char *path = xasprintf("%s/guard", run_dir);
	auto_fd int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	nft_unguard(fd);
}
