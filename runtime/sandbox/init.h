/* SPDX-License-Identifier: Apache-2.0 */
/* The init program's own header: its state and its steps. Nothing but libc and the kernel. */
#ifndef RUNTIME_SANDBOX_INIT_H
#define RUNTIME_SANDBOX_INIT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/sandbox/plan.h"

struct child {
	int sock;			/* to the parent; -1 once nothing is to be told any more */
	int slot[PLAN_SLOTS];		/* fds, or -1 */
	bool tty;			/* 0 is a terminal of our own */
};

struct step {				/* a plan_op with its strings found */
	const struct plan_op *op;
	const char *s[PLAN_ARGS];	/* the first strings, "" where there are fewer */
	const char *tail;		/* the bytes after the last string */
};

#define STEP_FD(c, st, n) ((c)->slot[(st)->op->arg[n]])

/* Tell the parent what failed (errno says why) and exit; text is a printf form. */
_Noreturn void step_fail(struct child *c, const struct step *st, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void child_report(struct child *c, uint16_t kind, uint16_t code, int sys, const char *text, int fd);
void slot_set(struct child *c, const struct step *st, int fd);	/* a0's slot */
int open_beneath(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
const char *step_next(const char *s);	/* the string behind s */

/* init_mount.c */
void do_private(struct child *c, const struct step *st);
void do_newfs(struct child *c, const struct step *st);
void do_stack(struct child *c, const struct step *st);
void do_clone(struct child *c, const struct step *st);
void do_attach(struct child *c, const struct step *st);
void do_device(struct child *c, const struct step *st);
void do_file(struct child *c, const struct step *st);
void do_dir(struct child *c, const struct step *st);
void do_symlink(struct child *c, const struct step *st);
void do_mask(struct child *c, const struct step *st);
void do_rdonly(struct child *c, const struct step *st);
void do_attr(struct child *c, const struct step *st);
void do_pivot(struct child *c, const struct step *st);
void do_tty(struct child *c, const struct step *st);
int mount_clone(int dir, const char *path, bool rec, uint64_t attrs);
int mkdirs_in(int root, const char *path);

/* init_exec.c */
void do_loopback(struct child *c, const struct step *st);
void do_rlimit(struct child *c, const struct step *st);
void do_stdio(struct child *c, const struct step *st);
void do_cwd(struct child *c, const struct step *st);
void do_ids(struct child *c, const struct step *st);
void do_caps(struct child *c, const struct step *st);
void do_seccomp(struct child *c, const struct step *st);
void do_init(struct child *c, const struct step *st);
void do_exec(struct child *c, const struct step *st);

/* init_join.c */
void do_join(struct child *c, const struct step *st);
void do_fork(struct child *c, const struct step *st);
void do_open(struct child *c, const struct step *st);

/* init_hook.c */
void do_pause(struct child *c, const struct step *st);
void do_hook(struct child *c, const struct step *st);

/* init_keep.c: the keeper's whole life; returns its exit status. */
int keeper_main(int sock);

#endif
