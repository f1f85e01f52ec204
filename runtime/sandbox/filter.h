/* SPDX-License-Identifier: Apache-2.0 */
/* Rules on system calls, by name and per architecture, compiled to cBPF with a binary search over
 * the numbers. */
#ifndef RUNTIME_SANDBOX_FILTER_H
#define RUNTIME_SANDBOX_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum filter_op {
	FILTER_NE,
	FILTER_LT,
	FILTER_LE,
	FILTER_EQ,
	FILTER_GE,
	FILTER_GT,
	FILTER_MASKED_EQ
};

#define FILTER_ARGS 6
#define FILTER_ARCHES 4

struct filter_arg {
	uint8_t index;		/* which argument, 0..5 */
	uint8_t op;		/* enum filter_op, unsigned, on all 64 bits */
	uint64_t value, two;	/* MASKED_EQ: (argument & value) == two */
};

struct filter_rule {		/* holds if all its arguments do */
	uint32_t action;	/* SECCOMP_RET_x with its data */
	uint8_t nargs;
	struct filter_arg args[FILTER_ARGS];
};

struct filter_entry { uint32_t nr, rule; };	/* rule: index into rules */

struct filter_arch {
	uint32_t token;		/* SCMP_ARCH_x */
	struct filter_entry *v;
	size_t n, cap;
};

struct filter {
	uint32_t action;	/* if no rule holds */
	struct filter_rule *rules;
	size_t nrules;
	struct filter_arch arch[FILTER_ARCHES];
	size_t narch;
};

void filter_init(struct filter *f, uint32_t action);
void filter_done(struct filter *f);

uint32_t filter_native(void);			/* SCMP_ARCH_x of this program */
bool filter_has_arch(const struct filter *f, uint32_t token);
/* Before any rule. false: no room for it; one that is there already stays once. */
NODISCARD bool filter_add_arch(struct filter *f, uint32_t token);

/* Of several rules for one call the one added first wins. */
size_t filter_add_rule(struct filter *f, const struct filter_rule *r);	/* returns its number */
/* A name that is unknown on an architecture is left out there. */
void filter_add_name(struct filter *f, size_t rule, const char *name);

/*
 * Append struct sock_filter[] to *ret. A number above all that rules name gets ENOSYS where the
 * default is an errno, as a kernel without that call would answer. Errors: ERR_LIMIT (more than
 * BPF_MAXINSNS instructions).
 */
NODISCARD int filter_compile(struct filter *f, struct buf *ret, struct err *e);

#endif
