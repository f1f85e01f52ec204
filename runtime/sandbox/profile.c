/* SPDX-License-Identifier: Apache-2.0 */
/* A system call filter from a profile in Docker's JSON form. */
#include <errno.h>
#include <jansson.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/utsname.h>

#include "runtime/sandbox/caps.h"
#include "runtime/sandbox/filter.h"
#include "runtime/sandbox/seccomp.h"

#define ERRNO_MAX 4095

struct profile {
	struct filter f;
	uint64_t caps;
	uint32_t errno_default;		/* for a rule without errnoRet */
};

static const struct { const char *name; uint32_t action; bool data; } actions[] = {
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true },
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, false },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false },
};

static const char *const ops[] = {
	[FILTER_NE] = "SCMP_CMP_NE", [FILTER_LT] = "SCMP_CMP_LT", [FILTER_LE] = "SCMP_CMP_LE",
	[FILTER_EQ] = "SCMP_CMP_EQ", [FILTER_GE] = "SCMP_CMP_GE", [FILTER_GT] = "SCMP_CMP_GT",
	[FILTER_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};

static const struct {
	const char *name, *go;
	uint32_t token;
} arches[] = {
	/* go: the name in includes.arches */
	{ "SCMP_ARCH_AARCH64", "arm64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_ARM", "arm", SCMP_ARCH_ARM },
	{ "SCMP_ARCH_MIPS", "mips", SCMP_ARCH_MIPS },
	{ "SCMP_ARCH_MIPS64", "mips64", SCMP_ARCH_MIPS64 },
	{ "SCMP_ARCH_MIPS64N32", "mips64n32", SCMP_ARCH_MIPS64N32 },
	{ "SCMP_ARCH_MIPSEL", "mipsel", SCMP_ARCH_MIPSEL },
	{ "SCMP_ARCH_MIPSEL64", "mipsel64", SCMP_ARCH_MIPSEL64 },
	{ "SCMP_ARCH_MIPSEL64N32", "mipsel64n32", SCMP_ARCH_MIPSEL64N32 },
	{ "SCMP_ARCH_PPC", "ppc", SCMP_ARCH_PPC },
	{ "SCMP_ARCH_PPC64", "ppc64", SCMP_ARCH_PPC64 },
	{ "SCMP_ARCH_PPC64LE", "ppc64le", SCMP_ARCH_PPC64LE },
	{ "SCMP_ARCH_RISCV64", "riscv64", SCMP_ARCH_RISCV64 },
	{ "SCMP_ARCH_S390", "s390", SCMP_ARCH_S390 },
	{ "SCMP_ARCH_S390X", "s390x", SCMP_ARCH_S390X },
	{ "SCMP_ARCH_X32", "x32", SCMP_ARCH_X32 },
	{ "SCMP_ARCH_X86", "x86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X86_64", "amd64", SCMP_ARCH_X86_64 },
};

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* An absent list, or null, is an empty one; anything else but a list is wrong. */
static int list_of(const json_t *o, const char *key, const json_t **ret, struct err *e)
{
	*ret = json_object_get(o, key);
	if (json_is_null(*ret))
		*ret = NULL;
	if (*ret && !json_is_array(*ret))
		return err_set(e, ERR_USAGE, "\"%s\" is not a list", key);
	return 0;
}

/* errnoRet and its relatives: absent means fallback. */
static int errno_of(const json_t *o, const char *key, uint32_t fallback, uint32_t *ret,
		    struct err *e)
{
	const json_t *v = json_object_get(o, key);

	*ret = fallback;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > ERRNO_MAX)
		return err_set(e, ERR_USAGE, "\"%s\" is not a number from 0 to %d", key, ERRNO_MAX);
	*ret = (uint32_t)json_integer_value(v);
	return 0;
}

static int action_of(const char *name, uint32_t data, uint32_t *ret, struct err *e)
{
	for (size_t i = 0; name && i < countof(actions); i++)
		if (strcmp(name, actions[i].name) == 0) {
			*ret = actions[i].action | (actions[i].data ? data : 0);
			return 0;
		}
	return err_set(e, ERR_USAGE, "unknown action \"%s\"", name ? name : "");
}

static int arch_of(const char *name, uint32_t *ret, struct err *e)
{
	if (!name)
		return err_set(e, ERR_USAGE, "an architecture is not a text");
	for (size_t i = 0; i < countof(arches); i++)
		if (strcmp(name, arches[i].name) == 0) {
			*ret = arches[i].token;
			return 0;
		}
	if (str_starts(str_of(name), "SCMP_ARCH_")) {	/* a later one; this machine's is known */
		*ret = 0;
		return 0;
	}
	return err_set(e, ERR_USAGE, "unknown architecture \"%s\"", name);
}

/* Can calls of this architecture come from a program on this machine? */
static bool arch_matters(uint32_t token)
{
	uint32_t native = filter_native();

	if (native == SCMP_ARCH_X86_64)
		return token == native || token == SCMP_ARCH_X86 || token == SCMP_ARCH_X32;
	if (native == SCMP_ARCH_AARCH64)
		return token == native || token == SCMP_ARCH_ARM;
	if (native == SCMP_ARCH_S390X)
		return token == native || token == SCMP_ARCH_S390;
	return token == native;
}

static int add_arches(struct profile *p, const json_t *list, struct err *e)
{
	const json_t *v;
	uint32_t token;
	size_t i;

	json_array_foreach(list, i, v) {
		if (arch_of(json_string_value(v), &token, e) < 0)
			return -1;
		if (token && arch_matters(token) && !filter_add_arch(&p->f, token))
			return err_set(e, ERR_LIMIT, "too many architectures");
	}
	return 0;
}

/* archMap: only the entry of this machine's own architecture counts. */
static int add_arch_map(struct profile *p, const json_t *map, struct err *e)
{
	const json_t *v, *subs;
	uint32_t token;
	size_t i;

	json_array_foreach(map, i, v) {
		if (arch_of(text_of(v, "architecture"), &token, e) < 0 ||
		    list_of(v, "subArchitectures", &subs, e) < 0)
			return -1;
		if (token == filter_native() && add_arches(p, subs, e) < 0)
			return -1;
	}
	return 0;
}

static int read_arches(struct profile *p, const json_t *root, struct err *e)
{
	const json_t *map, *list;

	if (list_of(root, "archMap", &map, e) < 0 || list_of(root, "architectures", &list, e) < 0)
		return -1;
	if (json_array_size(map) && json_array_size(list))
		return err_set(e, ERR_USAGE, "has both \"architectures\" and \"archMap\"");
	if (!filter_add_arch(&p->f, filter_native()))
		return err_set(e, ERR_LIMIT, "too many architectures");
	return map ? add_arch_map(p, map, e) : add_arches(p, list, e);
}

/* ---- does a rule apply here? ---- */

static int caps_of(const json_t *cond, uint64_t *ret, struct err *e)
{
	const json_t *list, *v;
	unsigned cap;
	size_t i;

	*ret = 0;
	if (list_of(cond, "caps", &list, e) < 0)
		return -1;
	json_array_foreach(list, i, v) {
		const char *name = json_string_value(v);

		if (!name || !caps_find(str_of(name), &cap))
			return err_set(e, ERR_USAGE, "unknown capability \"%s\"", name ? name : "");
		*ret |= CAPS_BIT(cap);
	}
	return 0;
}

/* Is this machine's architecture in the list? *any: is there a list at all? */
static int arch_listed(const json_t *cond, bool *any, bool *ret, struct err *e)
{
	const json_t *list, *v;
	size_t i;

	*ret = false;
	if (list_of(cond, "arches", &list, e) < 0)
		return -1;
	*any = json_array_size(list) > 0;
	json_array_foreach(list, i, v)
		for (size_t k = 0; json_is_string(v) && k < countof(arches); k++)
			if (arches[k].token == filter_native() &&
			    strcmp(json_string_value(v), arches[k].go) == 0)
				*ret = true;
	return 0;
}

/* "6.18.44-1" as 6 * 65536 + 18: the first two numbers; exact: nothing may follow them. */
static bool version_of(struct str s, bool exact, uint64_t *ret)
{
	struct str rest = s, major = str_cut(&rest, '.');
	uint64_t a, b;
	size_t n = 0;

	while (n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '9')
		n++;
	if (!str_to_u64(major, 10, &a) || !str_to_u64(str_sub(rest, 0, n), 10, &b) ||
	    a > UINT16_MAX || b > UINT16_MAX || (exact && n < rest.n))
		return false;
	*ret = a << 16 | b;
	return true;
}

/* minKernel against the running kernel; *any: is there such a condition? */
static int kernel_new_enough(const json_t *cond, bool *any, bool *ret, struct err *e)
{
	const json_t *want = json_object_get(cond, "minKernel");
	uint64_t least, have;
	struct utsname u;

	*any = want && !json_is_null(want);
	*ret = false;
	if (!*any)
		return 0;
	if (!json_is_string(want) || !version_of(str_of(json_string_value(want)), true, &least))
		return err_set(e, ERR_USAGE, "\"minKernel\" is not like \"4.8\"");
	*ret = uname(&u) == 0 && version_of(str_of(u.release), false, &have) && have >= least;
	return 0;
}

static int rule_applies(const struct profile *p, const json_t *rule, bool *ret, struct err *e)
{
	const json_t *in = json_object_get(rule, "includes"),
		     *ex = json_object_get(rule, "excludes");
	bool any, yes;
	uint64_t caps;

	*ret = false;
	if (caps_of(in, &caps, e) < 0)
		return -1;
	if ((caps & p->caps) != caps)
		return 0;
	if (caps_of(ex, &caps, e) < 0)
		return -1;
	if (caps & p->caps)
		return 0;
	if (arch_listed(in, &any, &yes, e) < 0)
		return -1;
	if (any && !yes)
		return 0;
	if (arch_listed(ex, &any, &yes, e) < 0)
		return -1;
	if (yes)
		return 0;
	if (kernel_new_enough(in, &any, &yes, e) < 0)
		return -1;
	if (any && !yes)
		return 0;
	if (kernel_new_enough(ex, &any, &yes, e) < 0)
		return -1;
	*ret = !yes;
	return 0;
}

/* ---- rules ---- */

static int value_of(const json_t *o, const char *key, uint64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	*ret = 0;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return err_set(e, ERR_USAGE, "\"%s\" of an argument is not a whole number", key);
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int arg_of(const json_t *o, struct filter_arg *ret, struct err *e)
{
	const char *op = text_of(o, "op");
	uint64_t index;

	if (value_of(o, "index", &index, e) < 0 || value_of(o, "value", &ret->value, e) < 0 ||
	    value_of(o, "valueTwo", &ret->two, e) < 0)
		return -1;
	if (index >= FILTER_ARGS)
		return err_set(e, ERR_USAGE, "an argument's index is above %d", FILTER_ARGS - 1);
	ret->index = (uint8_t)index;
	for (size_t i = 0; op && i < countof(ops); i++)
		if (strcmp(op, ops[i]) == 0) {
			ret->op = (uint8_t)i;
			return 0;
		}
	return err_set(e, ERR_USAGE, "unknown comparison \"%s\"", op ? op : "");
}

static int rule_of(const struct profile *p, const json_t *o, struct filter_rule *ret, struct err *e)
{
	const json_t *args, *v;
	uint32_t data;
	size_t i;

	*ret = (struct filter_rule){ 0 };
	if (errno_of(o, "errnoRet", p->errno_default, &data, e) < 0 ||
	    action_of(text_of(o, "action"), data, &ret->action, e) < 0 ||
	    list_of(o, "args", &args, e) < 0)
		return -1;
	json_array_foreach(args, i, v) {
		if (ret->nargs == FILTER_ARGS)
			return err_set(e, ERR_USAGE, "more than %d arguments in a rule",
				       FILTER_ARGS);
		if (arg_of(v, &ret->args[ret->nargs++], e) < 0)
			return -1;
	}
	return 0;
}

static int add_names(struct profile *p, const json_t *o, size_t rule, struct err *e)
{
	const char *name = text_of(o, "name");	/* the form before "names" */
	const json_t *names, *v;
	size_t i;

	if (list_of(o, "names", &names, e) < 0)
		return -1;
	if (name && *name)
		filter_add_name(&p->f, rule, name);
	else if (json_array_size(names) == 0)
		return err_set(e, ERR_USAGE, "names no system call");
	json_array_foreach(names, i, v) {
		if (!json_is_string(v))
			return err_set(e, ERR_USAGE, "a name is not a text");
		filter_add_name(&p->f, rule, json_string_value(v));
	}
	return 0;
}

static int add_rule(struct profile *p, const json_t *o, struct err *e)
{
	struct filter_rule rule;
	bool applies;

	if (!json_is_object(o))
		return err_set(e, ERR_USAGE, "is not an object");
	if (rule_of(p, o, &rule, e) < 0 || rule_applies(p, o, &applies, e) < 0)
		return -1;
	return applies ? add_names(p, o, filter_add_rule(&p->f, &rule), e) : 0;
}

/* What we could only ignore: a listener, and flags other than those that change nothing here. */
static int refuse_unsupported(const json_t *root, struct err *e)
{
	const json_t *list, *v;
	size_t i;

	if (json_string_length(json_object_get(root, "listenerPath")) > 0)
		return err_set(e, ERR_USAGE, "\"listenerPath\" is not supported");
	if (list_of(root, "flags", &list, e) < 0)
		return -1;
	json_array_foreach(list, i, v)
		if (!json_is_string(v) ||
		    strcmp(json_string_value(v), "SECCOMP_FILTER_FLAG_TSYNC") != 0)
			return err_set(e, ERR_USAGE, "flag \"%s\" is not supported",
				       json_is_string(v) ? json_string_value(v) : "");
	return 0;
}

static int read_profile(struct profile *p, const json_t *root, struct err *e)
{
	const json_t *rules, *v;
	uint32_t action;
	size_t i;

	if (!json_is_object(root))
		return err_set(e, ERR_USAGE, "is not an object");
	if (refuse_unsupported(root, e) < 0 ||
	    errno_of(root, "defaultErrnoRet", EPERM, &p->errno_default, e) < 0 ||
	    action_of(text_of(root, "defaultAction"), p->errno_default, &action, e) < 0)
		return -1;
	p->errno_default = EPERM; /* that of rules; the profile's is for the default action only */
	filter_init(&p->f, action);
	if (read_arches(p, root, e) < 0 || list_of(root, "syscalls", &rules, e) < 0)
		return -1;
	json_array_foreach(rules, i, v)
		if (add_rule(p, v, e) < 0)
			return err_wrap(e, "rule %zu", i + 1);
	return 0;
}

int seccomp_profile(struct str json, uint64_t caps, struct buf *ret, struct err *e)
{
	struct profile p = { .caps = caps };
	json_error_t je;
	json_t *root = json_loadb(json.p ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &je);
	int r;

	if (!root)
		return err_set(e, ERR_USAGE, "seccomp profile: line %d: %s", je.line, je.text);
	r = read_profile(&p, root, e);
	if (r == 0)
		r = filter_compile(&p.f, ret, e);
	filter_done(&p.f);
	json_decref(root);
	return r < 0 ? err_wrap(e, "seccomp profile") : 0;
}
