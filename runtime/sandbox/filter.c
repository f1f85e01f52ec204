/* SPDX-License-Identifier: Apache-2.0 */
/* Rules on system calls: names to numbers by libseccomp's tables, numbers to cBPF by ourselves. */
#include "runtime/sandbox/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

/*
 * The program for one kernel architecture (x32 is a part of x86_64, its numbers have bit 30 set):
 *
 *	load arch; not ours: next block
 *	load number; binary search over ranges of numbers with the same verdict
 *	each leaf: return the verdict, or compare arguments, one rule after the other
 */
#define X32_BIT UINT32_C(0x40000000)

static const struct {
	const char *name;
	uint32_t nr;
} new_calls[] = {
	/* same number everywhere, unknown to libseccomp 2.5 */
	{ "cachestat", 451 },         { "fchmodat2", 452 },        { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },        { "futex_wait", 455 },       { "futex_requeue", 456 },
	{ "statmount", 457 },         { "listmount", 458 },        { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
	{ "setxattrat", 463 },        { "getxattrat", 464 },       { "listxattrat", 465 },
	{ "removexattrat", 466 },     { "open_tree_attr", 467 },   { "file_getattr", 468 },
	{ "file_setattr", 469 },
};

void filter_init(struct filter *f, uint32_t action)
{
	*f = (struct filter){ .action = action };
}

void filter_done(struct filter *f)
{
	for (size_t i = 0; i < f->narch; i++)
		free(f->arch[i].v);
	free(f->rules);
	*f = (struct filter){ 0 };
}

uint32_t filter_native(void)
{
	return seccomp_arch_native();
}

bool filter_has_arch(const struct filter *f, uint32_t token)
{
	for (size_t i = 0; i < f->narch; i++)
		if (f->arch[i].token == token)
			return true;
	return false;
}

bool filter_add_arch(struct filter *f, uint32_t token)
{
	if (filter_has_arch(f, token))
		return true;
	if (f->narch == FILTER_ARCHES)
		return false;
	f->arch[f->narch++] = (struct filter_arch){ .token = token };
	return true;
}

size_t filter_add_rule(struct filter *f, const struct filter_rule *r)
{
	f->rules = xrealloc(f->rules, (f->nrules + 1) * sizeof(*f->rules));
	f->rules[f->nrules] = *r;
	return f->nrules++;
}

static void entry_add(struct filter_arch *a, uint32_t nr, size_t rule)
{
	if (a->n == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 512;
		a->v = xrealloc(a->v, a->cap * sizeof(*a->v));
	}
	a->v[a->n++] = (struct filter_entry){ nr, (uint32_t)rule };
}

static bool new_call(const char *name, uint32_t token, uint32_t *nr)
{
	for (size_t i = 0; i < countof(new_calls); i++)
		if (strcmp(name, new_calls[i].name) == 0) {
			*nr = new_calls[i].nr | (token == SCMP_ARCH_X32 ? X32_BIT : 0);
			return true;
		}
	return false;
}

/* Since Linux 4.3 and 5.1 calls of their own on x86 and s390, too; libseccomp keeps to the old way
 * in. */
static const struct {
	const char *name;
	uint32_t nr;
} direct_calls[] = {
	{ "socket", 359 },      { "socketpair", 360 }, { "bind", 361 },
	{ "connect", 362 },     { "listen", 363 },     { "accept4", 364 },
	{ "getsockopt", 365 },  { "setsockopt", 366 }, { "getsockname", 367 },
	{ "getpeername", 368 }, { "sendto", 369 },     { "sendmsg", 370 },
	{ "recvfrom", 371 },    { "recvmsg", 372 },    { "shutdown", 373 },
	{ "semget", 393 },      { "semctl", 394 },     { "shmget", 395 },
	{ "shmctl", 396 },      { "shmat", 397 },      { "shmdt", 398 },
	{ "msgget", 399 },      { "msgsnd", 400 },     { "msgrcv", 401 },
	{ "msgctl", 402 },
};

/* A call that was only reached through socketcall(2) or ipc(2) there: libseccomp names it by a
 * negative number, which is that call's first argument plus 100 or 200. Other arguments cannot be
 * compared: they lie in memory. */
static void add_multiplexed(struct filter *f, struct filter_arch *a, size_t rule, const char *name,
			    int nr)
{
	struct filter_rule r = f->rules[rule];
	bool sock = nr > -200;
	int real = seccomp_syscall_resolve_name_arch(a->token, sock ? "socketcall" : "ipc");

	if (nr > -100 || nr < -299 || real < 0)
		return;
	if (a->token == SCMP_ARCH_X86 || a->token == SCMP_ARCH_S390)
		for (size_t i = 0; i < countof(direct_calls); i++)
			if (strcmp(name, direct_calls[i].name) == 0)
				entry_add(a, direct_calls[i].nr, rule);
	if (r.nargs > 0)
		return;
	r.args[r.nargs++] = (struct filter_arg){ .op = FILTER_EQ,
						 .value = (uint64_t)(-nr - (sock ? 100 : 200)) };
	entry_add(a, (uint32_t)real, filter_add_rule(f, &r));
}

void filter_add_name(struct filter *f, size_t rule, const char *name)
{
	uint32_t fresh;
	int nr;

	for (size_t i = 0; i < f->narch; i++) {
		struct filter_arch *a = &f->arch[i];

		nr = seccomp_syscall_resolve_name_arch(a->token, name);
		if (nr >= 0)
			entry_add(a, (uint32_t)nr, rule);
		else if (nr != __NR_SCMP_ERROR)
			add_multiplexed(f, a, rule, name, nr);
		else if (new_call(name, a->token, &fresh))
			entry_add(a, fresh, rule);
	}
}

/* ---- numbers to ranges ---- */

struct range {
	uint32_t from;			/* up to the next range's */
	const struct filter_entry *v;	/* the rules in order; n 0: the plain verdict is action */
	size_t n;
	uint32_t action;
	size_t size;			/* instructions of its leaf */
};

struct ranges {
	struct range *v;
	size_t n;
};

static int entry_order(const void *a, const void *b)
{
	const struct filter_entry *x = a, *y = b;

	if (x->nr != y->nr)
		return x->nr < y->nr ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static size_t arg_size(const struct filter_arg *a)
{
	switch (a->op) {
	case FILTER_EQ: case FILTER_NE: return 4;
	case FILTER_MASKED_EQ: return 6;
	default: return 5;
	}
}

static size_t leaf_size(const struct filter *f, const struct range *r)
{
	size_t n = 1;

	for (size_t i = 0; i < r->n; i++) {
		const struct filter_rule *rule = &f->rules[r->v[i].rule];

		for (size_t k = 0; k < rule->nargs; k++)
			n += arg_size(&rule->args[k]);
		n++;
	}
	return n;
}

/* A range that begins where the last one ends; equal plain verdicts melt together. */
static void range_add(const struct filter *f, struct ranges *rs, struct range r)
{
	struct range *last = rs->n ? &rs->v[rs->n - 1] : NULL;

	if (last && last->from == r.from)
		rs->n--;
	if (rs->n && r.n == 0 && rs->v[rs->n - 1].n == 0 && rs->v[rs->n - 1].action == r.action)
		return;
	r.size = leaf_size(f, &r);
	rs->v[rs->n++] = r;
}

/* What holds for one number: an unconditional first rule is a plain verdict. */
static struct range range_of(const struct filter *f, const struct filter_entry *v, size_t n)
{
	const struct filter_rule *first = &f->rules[v[0].rule];

	if (first->nargs == 0)
		return (struct range){ .from = v[0].nr, .action = first->action };
	return (struct range){ .from = v[0].nr, .v = v, .n = n, .action = f->action };
}

/* The verdict for numbers that no rule of this architecture reaches up to. */
static uint32_t beyond(const struct filter *f)
{
	if ((f->action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
		return SECCOMP_RET_ERRNO | ENOSYS;
	return f->action;
}

static void ranges_fill(const struct filter *f, uint32_t audit, const struct filter_entry *v,
			size_t n, struct ranges *rs)
{
	size_t end;

	rs->v = xmalloc((2 * n + 4) * sizeof(*rs->v));
	range_add(f, rs, (struct range){ .action = f->action });
	for (size_t i = 0; i < n; i = end) {
		for (end = i + 1; end < n && v[end].nr == v[i].nr; end++)
			;
		if (end < n && v[end].nr >= X32_BIT && v[i].nr < X32_BIT) {
			range_add(f, rs, range_of(f, v + i, end - i));
			range_add(f, rs,
				  (struct range){ .from = v[i].nr + 1, .action = beyond(f) });
			range_add(f, rs, (struct range){ .from = X32_BIT, .action = f->action });
			continue;
		}
		range_add(f, rs, range_of(f, v + i, end - i));
		range_add(f, rs,
			  (struct range){ .from = v[i].nr + 1,
					  .action = end < n ? f->action : beyond(f) });
	}
	/* else a filter that forbids a few calls of x86_64 could be passed by their x32 numbers */
	if (audit == SCMP_ARCH_X86_64 && !filter_has_arch(f, SCMP_ARCH_X32))
		range_add(f, rs,
			  (struct range){ .from = X32_BIT, .action = SECCOMP_RET_ERRNO | ENOSYS });
}

/* ---- ranges to instructions ---- */

struct code {
	struct sock_filter *v;
	size_t n, cap;
};

static void emit(struct code *c, uint16_t code, uint32_t k, size_t jt, size_t jf)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 512;
		c->v = xrealloc(c->v, c->cap * sizeof(*c->v));
	}
	c->v[c->n++] = (struct sock_filter){ code, (uint8_t)jt, (uint8_t)jf, k };
}

static void emit_load(struct code *c, size_t offset)
{
	emit(c, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static size_t arg_offset(const struct filter_arg *a, bool high)
{
	bool second = high == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

	return offsetof(struct seccomp_data, args) + 8u * a->index + (second ? 4 : 0);
}

#define JEQ (BPF_JMP | BPF_JEQ | BPF_K)
#define JGT (BPF_JMP | BPF_JGT | BPF_K)
#define JGE (BPF_JMP | BPF_JGE | BPF_K)

/*
 * One comparison: falls through when it holds, else jumps over the `left` instructions that follow
 * it. arg_size() says how many are made.
 */
static void emit_arg(struct code *c, const struct filter_arg *a, size_t left)
{
	uint32_t hi = (uint32_t)(a->value >> 32), lo = (uint32_t)a->value;
	bool less = a->op == FILTER_LT || a->op == FILTER_LE;

	emit_load(c, arg_offset(a, true));
	switch (a->op) {
	case FILTER_EQ:
		emit(c, JEQ, hi, 0, 2 + left);
		emit_load(c, arg_offset(a, false));
		emit(c, JEQ, lo, 0, left);
		break;
	case FILTER_NE:
		emit(c, JEQ, hi, 0, 2);
		emit_load(c, arg_offset(a, false));
		emit(c, JEQ, lo, left, 0);
		break;
	case FILTER_MASKED_EQ:
		emit(c, BPF_ALU | BPF_AND | BPF_K, hi, 0, 0);
		emit(c, JEQ, (uint32_t)(a->two >> 32), 0, 3 + left);
		emit_load(c, arg_offset(a, false));
		emit(c, BPF_ALU | BPF_AND | BPF_K, lo, 0, 0);
		emit(c, JEQ, (uint32_t)a->two, 0, left);
		break;
	default:	/* an order: the high halves decide, unless they are equal */
		emit(c, less ? JGE : JGT, hi, less ? 0 : 3, less ? 3 : 0);
		emit(c, JEQ, hi, 0, 2 + left);
		emit_load(c, arg_offset(a, false));
		emit(c, a->op == FILTER_LT || a->op == FILTER_GE ? JGE : JGT, lo, less ? left : 0,
		     less ? 0 : left);
	}
}

static void emit_leaf(struct code *c, const struct filter *f, const struct range *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct filter_rule *rule = &f->rules[r->v[i].rule];
		size_t left = 1;		/* the return behind the comparisons */

		for (size_t k = 0; k < rule->nargs; k++)
			left += arg_size(&rule->args[k]);
		for (size_t k = 0; k < rule->nargs; k++) {
			left -= arg_size(&rule->args[k]);
			emit_arg(c, &rule->args[k], left);
		}
		emit(c, BPF_RET | BPF_K, rule->action, 0, 0);
		if (rule->nargs == 0)
			return; /* what follows cannot be reached; leaf_size() may be larger */
	}
	emit(c, BPF_RET | BPF_K, r->action, 0, 0);
}

/* At most how many instructions the tree over v has. */
static size_t tree_size(const struct range *v, size_t n)
{
	size_t size = 2 * n;

	for (size_t i = 0; i < n; i++)
		size += v[i].size;
	return size;
}

static void emit_tree(struct code *c, const struct filter *f, const struct range *v, size_t n)
{
	size_t mid = n / 2, at = c->n, skip;
	bool far;

	if (n == 1) {
		emit_leaf(c, f, v);
		return;
	}
	far = tree_size(v, mid) > UINT8_MAX; /* conditional jumps reach 255 instructions */
	emit(c, JGE, v[mid].from, 0, far ? 1 : 0);
	if (far)
		emit(c, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_tree(c, f, v, mid);
	skip = c->n - at - 1;
	if (far)
		c->v[at + 1].k = (uint32_t)(skip - 1);
	else
		c->v[at].jt = (uint8_t)skip;
	emit_tree(c, f, v + mid, n - mid);
}

/* The kernel architecture that a token's calls come in as. */
static uint32_t audit_arch(uint32_t token)
{
	return token == SCMP_ARCH_X32 ? (uint32_t)SCMP_ARCH_X86_64 : token;
}

/* All entries of one kernel architecture (x86_64 with x32), sorted; *ret is owned. */
static size_t gather(const struct filter *f, uint32_t audit, struct filter_entry **ret)
{
	size_t n = 0;

	*ret = NULL;
	for (size_t i = 0; i < f->narch; i++) {
		const struct filter_arch *a = &f->arch[i];

		if (audit_arch(a->token) != audit || a->n == 0)
			continue;
		*ret = xrealloc(*ret, (n + a->n) * sizeof(**ret));
		memcpy(*ret + n, a->v, a->n * sizeof(**ret));
		n += a->n;
	}
	if (n)
		qsort(*ret, n, sizeof(**ret), entry_order);
	return n;
}

static void emit_arch(struct code *c, const struct filter *f, uint32_t audit)
{
	auto_free struct filter_entry *v = NULL;
	struct ranges rs = { 0 };
	size_t n = gather(f, audit, &v), at;

	ranges_fill(f, audit, v, n, &rs);
	emit(c, JEQ, audit, 1, 0);
	at = c->n;
	emit(c, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_load(c, offsetof(struct seccomp_data, nr));
	emit_tree(c, f, rs.v, rs.n);
	c->v[at].k = (uint32_t)(c->n - at - 1);
	free(rs.v);
}

int filter_compile(struct filter *f, struct buf *ret, struct err *e)
{
	struct code c = { 0 };

	emit_load(&c, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < f->narch; i++) {
		uint32_t audit = audit_arch(f->arch[i].token);
		bool done = false;

		for (size_t k = 0; k < i; k++)
			done = done || audit_arch(f->arch[k].token) == audit;
		if (!done)
			emit_arch(&c, f, audit);
	}
	emit(&c, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	if (c.n > BPF_MAXINSNS) {
		free(c.v);
		return err_set(e, ERR_LIMIT,
			       "the filter needs %zu instructions, the kernel takes %d", c.n,
			       BPF_MAXINSNS);
	}
	buf_add(ret, c.v, c.n * sizeof(*c.v));
	free(c.v);
	return 0;
}
